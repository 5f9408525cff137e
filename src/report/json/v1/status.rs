//! What every environment is on.

use serde::Serialize;

use super::history::Run;
use super::moment;
use crate::report::status::{EnvironmentStatus, StatusView, VerifiedOn};

/// What the environments are on.
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    environments: Vec<Environment<'a>>,
}

#[derive(Debug, Serialize)]
struct Environment<'a> {
    name: &'a str,
    dataset: &'a str,
    verified: Option<Verified<'a>>,
    pinned: Vec<Pinned<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<Parameter<'a>>,
    drift: Option<&'a str>,
    frozen: Option<&'a str>,
    holder: Option<&'a str>,
    rejected: &'a [String],
    last: Option<Run<'a>>,
}

#[derive(Debug, Serialize)]
struct Verified<'a> {
    version: &'a str,
    commit: &'a str,
    at: String,
}

#[derive(Debug, Serialize)]
struct Parameter<'a> {
    name: &'a str,
    value: Option<&'a str>,
    trouble: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Pinned<'a> {
    service: &'a str,
    value: &'a str,
}

impl<'a> From<&'a StatusView> for Status<'a> {
    fn from(from: &'a StatusView) -> Self {
        Self { environments: from.environments.iter().map(Environment::from).collect() }
    }
}

impl<'a> From<&'a EnvironmentStatus> for Environment<'a> {
    fn from(from: &'a EnvironmentStatus) -> Self {
        Self {
            name: &from.name,
            dataset: &from.dataset,
            verified: from.version_verified.as_ref().map(Verified::from),
            pinned: from.pinned.iter().map(|(service, value)| Pinned { service, value }).collect(),
            parameter: from.recorded.as_ref().map(|one| Parameter {
                name: &one.parameter,
                value: one.value.as_deref(),
                trouble: one.trouble.as_deref(),
            }),
            drift: from.drift.as_deref(),
            frozen: from.frozen.as_deref(),
            holder: from.holder.as_deref(),
            rejected: &from.rejected,
            last: from.last.as_ref().map(Run::from),
        }
    }
}

impl<'a> From<&'a VerifiedOn> for Verified<'a> {
    fn from(from: &'a VerifiedOn) -> Self {
        Self { version: &from.version, commit: from.commit.as_str(), at: moment(from.at) }
    }
}
