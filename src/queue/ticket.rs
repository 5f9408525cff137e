//! What a ticket carries: the whole run record.
//!
//! The record is the run's only memory: any process that holds the repository and the configuration can
//! carry the run on from it. New fields need no new schema; fields that this build does not know survive.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::adopted::Adopted;
use super::record::{EnvironmentPart, StageRecord};

/// Fields of a newer build; kept as they are when a file is written again.
pub type Unknown = BTreeMap<String, serde_json::Value>;

/// Id of a run: a ULID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// A new id: sorts by time.
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate().to_string())
    }

    /// The first ten characters (the time) are the same for runs of one moment; this is the id's tail.
    pub fn short(&self) -> &str {
        let at = self.0.char_indices().nth_back(5).map_or(0, |(at, _)| at);
        &self.0[at..]
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A waiting or started run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// Schema of this file.
    pub schema: u32,
    /// The run.
    pub run: RunId,
    /// Place in the order of entering.
    pub number: u64,
    /// Who enters with the same key rejoins instead.
    pub key: String,
    /// What the run does.
    pub kind: RunKind,
    /// Pipeline; empty for a rollback.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pipeline: String,
    /// Dataset.
    pub dataset: String,
    /// Data version that the run pins.
    pub version: String,
    /// Values of `--set`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Setting>,
    /// What people had committed, where the run is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<Adopted>,
    /// Who asked for it.
    pub actor: String,
    /// The CI job, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<Ci>,
    /// Blob id of the configuration that it entered with.
    pub config: String,
    /// Order among waiting tickets.
    pub priority: Priority,
    /// Who acts for it.
    pub driver: Driver,
    /// How a started ticket shows that it is alive.
    pub lives: Lives,
    /// How far it is.
    pub state: State,
    /// Stages, in order.
    pub stages: Vec<StageRecord>,
    /// Counts the tries of one key, from 1.
    pub attempt: u32,
    /// What was announced.
    #[serde(default)]
    pub notify: Announced,
    /// The wish to cancel it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Wish>,
    /// What a job of a spread run reported that has to be taken back; whoever acts next does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Cause>,
    /// Since when an observer saw no sign of life of a spread run of which GitLab says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// When what happened.
    pub times: Times,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum RunKind {
    /// Pins a version stage by stage.
    Deploy,
    /// Brings one environment back to a verified set.
    Rollback {
        /// The version asked for; `None` means the last verified one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// The run whose unfinished work it finishes; nothing is left to do once that is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mends: Option<RunId>,
        /// Whether the version that is left is rejected.
        reject: Rejection,
        /// The version that is left, once the run has looked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<String>,
        /// What a person's freeze means to it.
        #[serde(default)]
        frozen: FrozenBy,
    },
}

/// Whether a rollback rejects the version that it takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejection {
    /// The version may come again.
    Keep,
    /// The version is kept out until `allow`.
    Reject,
}

/// What a rollback does when a person froze the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrozenBy {
    /// It obeys.
    #[default]
    Obey,
    /// `--force`.
    Override,
}

/// A value of `--set`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Setting {
    /// Service.
    pub service: String,
    /// Path in its values file.
    pub path: crate::values::Path,
    /// New value.
    pub value: String,
}

/// The CI job that a run came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ci {
    /// Link for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Pipeline id.
    pub pipeline: String,
    /// Job id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub job: String,
}

/// Order among waiting tickets; only waiting ones are ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Rollbacks go first.
    Rollback,
    /// Everything else.
    Normal,
}

/// The process that acts for a ticket. At most one epoch is valid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Driver {
    /// Raised by whoever takes the run.
    pub epoch: u64,
    /// Host, process or job.
    pub who: String,
    /// Counts the signs of life.
    pub beat: u64,
}

/// How a started ticket shows that it is alive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lives {
    /// Its process beats every third of `ttl`.
    Process,
    /// It is spread over the jobs of a CI pipeline: GitLab says whether that goes on.
    Pipeline(Spread),
}

/// A run that is spread over the jobs of a CI pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spread {
    /// GitLab's host.
    pub host: String,
    /// Id of the project.
    pub project: String,
    /// Id of the pipeline.
    pub pipeline: String,
    /// Id of the job that acts as the driver now; `None` once it has handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum State {
    /// In the queue.
    Waiting,
    /// Holder; nothing is pushed yet.
    Started,
    /// Works on a stage.
    Deploying {
        /// Index of the stage.
        stage: usize,
        /// What it does there.
        step: StageStep,
    },
    /// The commit point is behind it.
    Verified,
    /// Takes everything back.
    RollingBack {
        /// Why.
        cause: Cause,
    },
}

impl State {
    /// Whether the ticket holds its environments.
    pub fn holds(&self) -> bool {
        match self {
            State::Waiting => false,
            State::Started | State::Deploying { .. } | State::Verified | State::RollingBack { .. } => true,
        }
    }

    /// The word for people.
    pub fn word(&self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Started => "starting",
            State::Deploying { step: StageStep::Pin, .. } => "pinning",
            State::Deploying { step: StageStep::Sync, .. } => "waiting for the agent",
            State::Deploying { step: StageStep::Gate, .. } => "running gates",
            State::Verified => "verified",
            State::RollingBack { .. } => "rolling back",
        }
    }
}

/// What a run does with a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageStep {
    /// Pushes the pins.
    Pin,
    /// Waits for the agent.
    Sync,
    /// Runs the gates.
    Gate,
}

/// Why a run takes everything back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Sort of cause; decides the exit code.
    pub kind: CauseKind,
    /// In plain words, for people.
    pub text: String,
}

/// Sort of cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A service did not come up, or the push was refused.
    Deployment,
    /// A required gate.
    Gate,
    /// Somebody else changed a pinned path.
    Superseded,
    /// Frozen, rejected, `requires` not met.
    NotAllowed,
    /// A signal or `datapin cancel`.
    Cancelled,
    /// Its driver fell silent, and another carried it on.
    Abandoned,
    /// An outside system was out of reach before anything was written.
    Unreachable,
}

/// What was announced; at least once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Announced {
    /// Whether the start was.
    #[serde(default)]
    pub start: bool,
    /// The message to reply to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Whether the finish was.
    #[serde(default)]
    pub finish: bool,
}

/// A silence that was noted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Idle {
    /// The driver as it was seen; any sign of life ends the silence.
    pub driver: Driver,
    /// Since when, by the observer's clock.
    pub since: Timestamp,
}

/// The wish to cancel a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wish {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// When what happened, by the clock of whoever wrote it. Never compared between machines.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Times {
    /// Entered.
    pub entered: Timestamp,
    /// Started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Timestamp>,
}

impl Ticket {
    /// Every environment that the ticket names, in the order of its stages.
    pub fn parts(&self) -> impl Iterator<Item = &EnvironmentPart> {
        self.stages.iter().flat_map(|stage| &stage.environments)
    }

    /// The same, to change.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut EnvironmentPart> {
        self.stages.iter_mut().flat_map(|stage| &mut stage.environments)
    }

    /// Whether it names an environment that `other` names too.
    pub fn meets(&self, other: &Ticket) -> bool {
        self.parts().any(|mine| other.parts().any(|theirs| mine.identity.name == theirs.identity.name))
    }

    /// The part of one environment.
    pub fn part(&self, environment: &str) -> Option<&EnvironmentPart> {
        self.parts().find(|part| part.identity.name == environment)
    }

    /// File name in the queue's tree.
    pub fn file(&self) -> String {
        ticket_file(self.number, &self.run)
    }
}

/// File name of a ticket in the queue's tree.
pub fn ticket_file(number: u64, run: &RunId) -> String {
    format!("tickets/{number:06}-{run}.json")
}
