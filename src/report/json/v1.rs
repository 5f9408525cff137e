//! Schema 1 of everything that machines read.
//!
//! Only additions are allowed: a field that is removed or means something else is schema 2. That is why
//! these types repeat the internal ones, which may change.

use jiff::Timestamp;
use serde::Serialize;

use crate::event as inner;
use crate::queue;
use crate::render;

pub mod event;
pub mod history;
pub mod plan;
pub mod queues;
pub mod status;

/// A document with its schema.
#[derive(Debug, Serialize)]
pub struct Document<T> {
    schema: u32,
    #[serde(flatten)]
    content: T,
}

impl<T> Document<T> {
    /// A document of schema 1.
    pub fn new(content: T) -> Self {
        Self { schema: 1, content }
    }
}

/// What a run is about.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    pipeline: &'a str,
    dataset: &'a str,
    version: &'a str,
    actor: &'a str,
    url: &'a str,
    stages: Vec<Stage<'a>>,
}

/// A stage of a run.
#[derive(Debug, Serialize)]
pub struct Stage<'a> {
    environments: Vec<Environment<'a>>,
    gates: &'a [String],
}

/// An environment of a stage.
#[derive(Debug, Serialize)]
pub struct Environment<'a> {
    name: &'a str,
    services: &'a [String],
}

impl<'a> From<&'a inner::Summary> for Summary<'a> {
    fn from(from: &'a inner::Summary) -> Self {
        Self {
            pipeline: &from.pipeline,
            dataset: &from.dataset,
            version: &from.version,
            actor: &from.actor,
            url: &from.url,
            stages: from.stages.iter().map(Stage::from).collect(),
        }
    }
}

impl<'a> From<&'a inner::StageSummary> for Stage<'a> {
    fn from(from: &'a inner::StageSummary) -> Self {
        let environments = from.environments.iter();
        Self {
            environments: environments.map(|(name, services)| Environment { name, services }).collect(),
            gates: &from.gates,
        }
    }
}

/// A place in the line.
#[derive(Debug, Serialize)]
pub struct Waiting<'a> {
    /// 1 is next.
    position: usize,
    ahead: Vec<Ahead<'a>>,
    expected_seconds: Option<u64>,
}

/// A run that stands before another.
#[derive(Debug, Serialize)]
pub struct Ahead<'a> {
    number: u64,
    run: &'a str,
    what: &'a str,
    actor: &'a str,
    state: &'a str,
    holder: bool,
}

impl<'a> From<&'a inner::Waiting> for Waiting<'a> {
    fn from(from: &'a inner::Waiting) -> Self {
        Self {
            position: from.position,
            ahead: from.ahead.iter().map(Ahead::from).collect(),
            expected_seconds: from.expected.map(|wait| wait.as_secs()),
        }
    }
}

impl<'a> From<&'a inner::Ahead> for Ahead<'a> {
    fn from(from: &'a inner::Ahead) -> Self {
        Self {
            number: from.number,
            run: &from.run.0,
            what: &from.what,
            actor: &from.actor,
            state: &from.state,
            holder: from.holder,
        }
    }
}

/// Why a run was taken back or did not begin.
#[derive(Debug, Serialize)]
pub struct Cause<'a> {
    kind: &'static str,
    text: &'a str,
}

impl<'a> From<&'a queue::Cause> for Cause<'a> {
    fn from(from: &'a queue::Cause) -> Self {
        let kind = match from.kind {
            queue::CauseKind::Deployment => "deployment",
            queue::CauseKind::Gate => "gate",
            queue::CauseKind::Superseded => "superseded",
            queue::CauseKind::NotAllowed => "not-allowed",
            queue::CauseKind::Cancelled => "cancelled",
            queue::CauseKind::Abandoned => "abandoned",
            queue::CauseKind::Unreachable => "unreachable",
        };
        Self { kind, text: &from.text }
    }
}

/// How a run ended.
#[derive(Debug, Serialize)]
pub struct Ending<'a> {
    outcome: &'static str,
    /// In plain words.
    reason: Option<String>,
    cause: Option<Cause<'a>>,
    /// `int/kv: reason`, one entry a service that is not back.
    not_back: &'a [String],
}

impl<'a> From<&'a queue::Outcome> for Ending<'a> {
    fn from(from: &'a queue::Outcome) -> Self {
        use queue::Outcome;
        let (outcome, cause, not_back): (_, _, &[String]) = match from {
            Outcome::Verified => ("verified", None, &[]),
            Outcome::NotRecorded { .. } => ("not-recorded", None, &[]),
            Outcome::NothingToDo => ("nothing-to-do", None, &[]),
            Outcome::Restored => ("restored", None, &[]),
            Outcome::RolledBack { cause } => ("rolled-back", Some(cause), &[]),
            Outcome::RollbackFailed { cause, failures } => ("rollback-failed", Some(cause), failures),
            Outcome::Stopped { cause } => ("stopped", Some(cause), &[]),
            Outcome::Withdrawn { .. } => ("withdrawn", None, &[]),
            Outcome::GaveUp => ("gave-up", None, &[]),
            Outcome::Dropped { .. } => ("dropped", None, &[]),
        };
        Self { outcome, reason: from.reason(), cause: cause.map(Cause::from), not_back }
    }
}

/// The manifests of an environment that change.
#[derive(Debug, Serialize)]
pub struct Rendered<'a> {
    environment: &'a str,
    releases: Vec<Release<'a>>,
}

/// How one release changes; what is in Secrets is hidden.
#[derive(Debug, Serialize)]
pub struct Release<'a> {
    name: &'a str,
    objects: &'a [String],
    diff: &'a str,
}

impl<'a> From<&'a render::EnvironmentChange> for Rendered<'a> {
    fn from(from: &'a render::EnvironmentChange) -> Self {
        let releases = from.releases.iter();
        Self {
            environment: &from.environment,
            releases: releases
                .map(|one| Release { name: &one.release, objects: &one.objects, diff: &one.diff })
                .collect(),
        }
    }
}

/// The word of a verdict.
pub fn verdict(verdict: queue::Verdict) -> &'static str {
    match verdict {
        queue::Verdict::Passed => "passed",
        queue::Verdict::Warned => "warned",
        queue::Verdict::Failed => "failed",
        queue::Verdict::Errored => "errored",
        queue::Verdict::TimedOut => "timed-out",
        queue::Verdict::Skipped => "skipped",
    }
}

/// The word of a service's state.
pub fn service(state: queue::ServiceState) -> &'static str {
    match state {
        queue::ServiceState::Pending => "pending",
        queue::ServiceState::Syncing => "syncing",
        queue::ServiceState::Deployed => "deployed",
        queue::ServiceState::Failed => "failed",
        queue::ServiceState::RollingBack => "rolling-back",
        queue::ServiceState::RolledBack => "rolled-back",
        queue::ServiceState::RollbackFailed => "rollback-failed",
    }
}

/// A moment in RFC 3339, UTC.
pub fn moment(at: Timestamp) -> String {
    at.to_string()
}
