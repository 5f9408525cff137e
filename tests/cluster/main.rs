//! The real GitOps agents: a real Kubernetes with Argo CD and Flux (`up` in this folder), real git over http, the real
//! `datapin`. Only nodes and containers are simulated.
//!
//! ```text
//! cargo test --test cluster -- --ignored          builds what is missing (8 minutes, once), then takes minutes
//! DATAPIN_BED=DIR cargo test --test cluster …     in the bed that `tests/cluster/up --hydrator DIR` has started
//! ```
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod agents;
mod argocd;
mod bed;
mod bot;
mod failures;
mod job;
mod pods;
mod rights;
mod shows;
mod world;
