//! Everything that is tested through the library and the real binary, in one program.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod agent;
mod agents;
mod aws;
mod badinput;
mod bots;
mod chat;
mod cli;
mod cluster;
mod config;
mod crash;
mod demo;
mod environments;
mod faults;
mod gate;
mod hostile;
mod kube_server;
mod model;
mod moto;
mod notify;
mod plan;
mod queue;
mod render;
mod repo;
mod report;
mod run;
mod scenarios;
mod transport;
mod values;
mod world;
