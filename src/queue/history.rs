//! How runs ended: one line each in `history/YYYY-MM.jsonl`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ticket::{Cause, CauseKind, RunId, RunKind, Ticket, Unknown};
use crate::exit::Exit;
use crate::repo::CommitId;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// Every environment is verified on the version.
    Verified,
    /// Every environment is on its verified set, but a record outside git could not be written.
    NotRecorded {
        /// What could not be written, and why.
        reason: String,
    },
    /// They already were; nothing was written.
    NothingToDo,
    /// A rollback brought its environment to a verified set.
    Restored,
    /// Everything that the run touched is back.
    RolledBack {
        /// Why it was taken back.
        cause: Cause,
    },
    /// Something is not back; those environments are frozen.
    RollbackFailed {
        /// Why it was taken back.
        cause: Cause,
        /// What did not come back and why, one entry a service: `int/kv: reason`.
        failures: Vec<String>,
    },
    /// Nothing was pinned when it ended.
    Stopped {
        /// Why.
        cause: Cause,
    },
    /// Replaced by a newer run while it waited.
    Withdrawn {
        /// By whom or what.
        by: String,
    },
    /// Waited longer than `max_wait`.
    GaveUp,
    /// Taken out of the line because it did not start when it could.
    Dropped {
        /// What was seen.
        reason: String,
    },
}

impl Outcome {
    /// The exit code of a process whose run ended so.
    pub fn exit(&self) -> Exit {
        match self {
            Outcome::Verified | Outcome::NothingToDo | Outcome::Restored => Exit::Ok,
            Outcome::NotRecorded { .. } => Exit::NotRecorded,
            Outcome::RollbackFailed { .. } => Exit::RollbackFailed,
            Outcome::RolledBack { cause: Cause { kind: CauseKind::Unreachable, .. } } => {
                Exit::DeploymentFailed
            }
            Outcome::RolledBack { cause } | Outcome::Stopped { cause } => match cause.kind {
                CauseKind::Deployment => Exit::DeploymentFailed,
                CauseKind::Gate => Exit::GateFailed,
                CauseKind::Superseded => Exit::Superseded,
                CauseKind::NotAllowed => Exit::NotAllowed,
                CauseKind::Cancelled => Exit::Cancelled,
                CauseKind::Abandoned => Exit::TakenOver,
                CauseKind::Unreachable => Exit::Unreachable,
            },
            Outcome::Withdrawn { .. } => Exit::Superseded,
            Outcome::GaveUp => Exit::GaveUpWaiting,
            Outcome::Dropped { .. } => Exit::Stopped,
        }
    }

    /// The word for people and machines.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Verified => "verified",
            Outcome::NotRecorded { .. } => "verified, not recorded",
            Outcome::NothingToDo => "nothing to do",
            Outcome::Restored => "restored",
            Outcome::RolledBack { .. } => "rolled back",
            Outcome::RollbackFailed { .. } => "rollback failed",
            Outcome::Stopped { .. } => "stopped before the first commit",
            Outcome::Withdrawn { .. } => "withdrawn",
            Outcome::GaveUp => "gave up waiting",
            Outcome::Dropped { .. } => "dropped from the line",
        }
    }

    /// Why, in plain words, if there is a why.
    pub fn reason(&self) -> Option<String> {
        match self {
            Outcome::Verified | Outcome::NothingToDo | Outcome::Restored | Outcome::GaveUp => None,
            Outcome::RolledBack { cause } | Outcome::Stopped { cause } => Some(cause.text.clone()),
            Outcome::RollbackFailed { cause, failures } => {
                Some(format!("{}; not back: {}", cause.text, failures.join("; ")))
            }
            Outcome::Withdrawn { by } => Some(format!("replaced by {by}")),
            Outcome::Dropped { reason } | Outcome::NotRecorded { reason } => Some(reason.clone()),
        }
    }
}

/// One finished run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HistoryLine {
    /// Run.
    pub run: RunId,
    /// Number.
    pub number: u64,
    /// Key.
    pub key: String,
    /// Try of that key.
    pub attempt: u32,
    /// Pipeline, or `rollback ENVIRONMENT`.
    pub pipeline: String,
    /// Environments, in order.
    pub environments: Vec<String>,
    /// Dataset.
    pub dataset: String,
    /// Version.
    pub version: String,
    /// Who asked.
    pub actor: String,
    /// Who wrote this line; another than the run's first driver if it was taken over.
    pub finished_by: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Every commit that its intents named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<CommitId>,
    /// The commit of a person that it was about, if it took it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<CommitId>,
    /// When it entered.
    pub entered: Timestamp,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// Fields of a newer build.
    #[serde(flatten, deserialize_with = "without_outcome")]
    pub unknown: Unknown,
}

/// serde leaves the fields of a flattened enum for the next flattened map: a line written again had them twice.
fn without_outcome<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Unknown, D::Error> {
    let mut unknown = Unknown::deserialize(from)?;
    unknown.retain(|key, _| !["outcome", "cause", "failures", "by", "reason"].contains(&key.as_str()));
    Ok(unknown)
}

impl HistoryLine {
    /// The line of a ticket that ends so.
    pub fn of(ticket: &Ticket, outcome: Outcome, finished_by: &str, at: Timestamp) -> Self {
        Self {
            run: ticket.run.clone(),
            number: ticket.number,
            key: ticket.key.clone(),
            attempt: ticket.attempt,
            pipeline: ticket.title(),
            environments: ticket.parts().map(|part| part.identity.name.clone()).collect(),
            dataset: ticket.dataset.clone(),
            version: ticket.version.clone(),
            actor: ticket.actor.clone(),
            finished_by: finished_by.to_owned(),
            outcome,
            commits: ticket
                .parts()
                .flat_map(|part| part.intents.iter().map(|intent| intent.commit.clone()))
                .fold(Vec::new(), |mut all, commit| {
                    if !all.contains(&commit) {
                        all.push(commit);
                    }
                    all
                }),
            adopted: ticket.adopts.as_ref().map(|adopted| adopted.commit.clone()),
            entered: ticket.times.entered,
            started: ticket.times.started,
            finished: at,
            unknown: Unknown::new(),
        }
    }
}

impl Ticket {
    /// What people call the run: its pipeline, or `rollback ENVIRONMENT`, or `adopt ENVIRONMENT`.
    pub fn title(&self) -> String {
        match &self.kind {
            RunKind::Deploy if self.pipeline.is_empty() => format!("adopt {}", self.names()),
            RunKind::Deploy => self.pipeline.clone(),
            RunKind::Rollback { .. } => match &self.adopts {
                Some(adopted) => format!("rollback by {} ({})", adopted.author(), self.names()),
                None => format!("rollback {}", self.names()),
            },
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.parts().map(|part| part.identity.name.as_str()).collect();
        names.join(" ")
    }
}
