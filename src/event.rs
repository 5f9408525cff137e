//! Events of a run: what its listeners hear.
//!
//! Console, JSON lines and chat are listeners of the same events. A listener that fails never fails a run.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::queue::{Cause, EnvironmentPart, Outcome, PinRecord, RunId, ServiceState, Verdict};
use crate::render::EnvironmentChange;
use crate::repo::CommitId;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// When, by this machine's clock.
    pub at: Timestamp,
    /// The run that it is about.
    pub run: RunId,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum What {
    /// The ticket is in the queue.
    Entered(Entered),
    /// It waits; sent again whenever something changed.
    Waiting(Waiting),
    /// It holds its environments.
    Started(Summary),
    /// This process carries on a run that another one left.
    TakingOver {
        /// The run that was left.
        left: RunId,
        /// Its number.
        number: u64,
        /// Who left it.
        who: String,
        /// Whether it goes on or back.
        direction: Direction,
    },
    /// The run is about what a person committed.
    Adopted {
        /// Environments.
        environments: Vec<String>,
        /// The commit that is watched.
        commit: CommitId,
        /// Who wrote it.
        author: String,
        /// Its first line.
        subject: String,
        /// What it is taken for.
        taken: Taken,
    },
    /// Everything that can be checked was checked.
    Checked,
    /// What becomes of the manifests of an environment, and of nothing else.
    Rendered(EnvironmentChange),
    /// A package is on its way to the bucket of an environment.
    Promoting {
        /// Environment.
        environment: String,
        /// Objects that were copied.
        objects: usize,
        /// Objects that have to be.
        of_objects: usize,
        /// Bytes that were copied.
        bytes: u64,
        /// Bytes that have to be.
        of_bytes: u64,
        /// Seconds that are left, as it went until now.
        left: Option<u64>,
    },
    /// A stage begins.
    Stage {
        /// Index, from 0.
        index: usize,
        /// How many stages the run has.
        of: usize,
        /// Its environments.
        environments: Vec<String>,
    },
    /// A commit pinned the version, or the pins already held it.
    Pinned {
        /// Environments.
        environments: Vec<String>,
        /// Target branch.
        branch: String,
        /// The commit that is watched.
        commit: CommitId,
        /// What it changed; empty if nothing had to.
        changes: Vec<PinChange>,
    },
    /// A service moved.
    Service {
        /// Environment.
        environment: String,
        /// Service.
        service: String,
        /// How far it is.
        state: ServiceState,
        /// Why; may be empty.
        reason: String,
        /// Last log lines, where it failed.
        log: Vec<String>,
    },
    /// A gate began.
    GateBegan {
        /// Stage.
        stage: usize,
        /// Gate.
        gate: String,
        /// Try, from 1.
        attempt: u32,
    },
    /// A gate ended.
    GateEnded {
        /// Stage.
        stage: usize,
        /// Gate.
        gate: String,
        /// What came out.
        verdict: Verdict,
        /// In one line.
        summary: String,
        /// Link; may be empty.
        url: String,
        /// Last lines of its output.
        log: Vec<String>,
    },
    /// Everything that the run touched is taken back now.
    RollingBack {
        /// Why.
        cause: Cause,
        /// Environments, newest stage first.
        environments: Vec<String>,
    },
    /// A commit took the version back.
    Reverted {
        /// Environments.
        environments: Vec<String>,
        /// Target branch.
        branch: String,
        /// The commit.
        commit: CommitId,
        /// Its first line.
        subject: String,
    },
    /// The commit point.
    Verified {
        /// Environments.
        environments: Vec<String>,
        /// Version.
        version: String,
    },
    /// An environment is frozen by this run.
    Frozen {
        /// Environment.
        environment: String,
        /// Why.
        reason: String,
    },
    /// Something that people should know.
    Note {
        /// How grave.
        level: Level,
        /// In plain words.
        text: String,
    },
    /// The run ended.
    Finished(Finished),
}

/// What a person's commit is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// A version that is gated.
    Deployment,
    /// A rollback.
    Rollback,
}

/// The ticket is in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entered {
    /// Number of the ticket.
    pub number: u64,
    /// Whether a place was kept from before.
    pub place: Place,
    /// What the run is about.
    #[serde(flatten)]
    pub summary: Summary,
}

/// How a place in the line was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A new one at the end.
    New,
    /// The one that the same key had.
    Kept,
    /// A new one, since the old one was dropped.
    Again,
}

/// What a run is about, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Pipeline, or `rollback ENVIRONMENT`.
    pub pipeline: String,
    /// Dataset.
    pub dataset: String,
    /// Version.
    pub version: String,
    /// Who asked for it.
    pub actor: String,
    /// Link to the CI pipeline; may be empty.
    pub url: String,
    /// Stages in order.
    pub stages: Vec<StageSummary>,
}

/// A stage, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageSummary {
    /// Environments with their services.
    pub environments: Vec<(String, Vec<String>)>,
    /// Gates.
    pub gates: Vec<String>,
}

/// Where a run stands in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// 1 is next.
    pub position: usize,
    /// Who is before it, holder first.
    pub ahead: Vec<Ahead>,
    /// Expected wait, from the history of these environments; `None` without one.
    #[serde(serialize_with = "seconds")]
    pub expected: Option<Duration>,
}

/// A run that stands before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ahead {
    /// Number.
    pub number: u64,
    /// Run.
    pub run: RunId,
    /// What it is: `int timetable 2026.11.23-1`.
    pub what: String,
    /// Who asked for it.
    pub actor: String,
    /// What it does now.
    pub state: String,
    /// Whether it holds the environments.
    pub holder: bool,
}

/// Whether a left run goes on or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To its end: the commit point is behind it.
    Forward,
    /// To the last verified set.
    Back,
}

/// One changed scalar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinChange {
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// `file:path`.
    pub place: String,
    /// Value before.
    pub before: String,
    /// Value after.
    pub after: String,
}

impl PinChange {
    /// What a recorded pin changes in its environment.
    pub fn of(part: &EnvironmentPart, pin: &PinRecord) -> Self {
        Self {
            environment: part.identity.name.clone(),
            service: pin.service.clone(),
            place: format!("{}:{}", pin.place.file, pin.place.path),
            before: pin.before.text.clone(),
            after: pin.after.clone(),
        }
    }
}

/// How grave a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// What the run was about.
    #[serde(flatten)]
    pub summary: Summary,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Exit code.
    pub exit: u8,
    /// What every environment is on now.
    pub standing: Vec<Standing>,
    /// Gates that warned: `stage/gate: summary`.
    pub warnings: Vec<String>,
    /// From start to end, in seconds.
    pub seconds: u64,
}

/// What an environment is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Environment.
    pub environment: String,
    /// In plain words: `2026.11.23-1, verified`.
    pub words: String,
}

fn seconds<S: serde::Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(to)
}
