//! datapin deploys data versions to microservices through GitOps.
//!
//! Data flows one way: arguments → raw configuration → [`config`] → snapshot → [`plan`] → [`run`] →
//! [`event`]s → outcome → [`report`] and [`exit`] code. Only [`run`] writes.

pub mod agent;
pub mod aws;
mod causes;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod data;
pub mod demo;
pub mod event;
pub mod exit;
pub mod gate;
pub mod gitlab;
pub mod graph;
pub mod mirror;
pub mod notify;
pub mod plan;
pub mod process;
pub mod queue;
pub mod render;
pub mod repo;
pub mod report;
pub mod run;
pub mod ssm;
pub mod values;
