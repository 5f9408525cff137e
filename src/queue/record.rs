//! What a ticket says of its stages: environments, pushes, pins, services, gates.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::environment::{Identity, VerifiedSet};
use super::outside::PackageRecord;
use super::ticket::Unknown;
use crate::config::Place;
use crate::repo::CommitId;

/// A stage of the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StageRecord {
    /// Environments of the stage.
    pub environments: Vec<EnvironmentPart>,
    /// Gates of the stage.
    pub gates: Vec<GateRecord>,
}

/// One environment's part of the run record; a freeze carries it on when the ticket goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnvironmentPart {
    /// Repository, branch and name.
    #[serde(flatten)]
    pub identity: Identity,
    /// Every push that was going to happen, named before it happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<Intent>,
    /// What a rollback goes back to; `None` if nothing was ever verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<VerifiedSet>,
    /// Pins and settings that the run changes, with the values from before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<PinRecord>,
    /// The commit that is watched: our pin, or the tip at the start where nothing was to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The commit that took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revert: Option<CommitId>,
    /// The package that it reads, as it was when the run looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageRecord>,
    /// Services, in the order of the dataset.
    pub services: Vec<ServiceRecord>,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl EnvironmentPart {
    /// The id of the pin commit that is known to be on the branch.
    pub fn pinned(&self) -> Option<&CommitId> {
        self.intents
            .iter()
            .rfind(|intent| intent.action == Action::Pin && intent.fate == Fate::Done)
            .map(|intent| &intent.commit)
    }

    /// Notes the commit that took it back, or that none did. What was reported of an earlier one, which somebody undid,
    /// says nothing of this.
    pub fn reverted_by(&mut self, commit: Option<CommitId>) {
        if self.revert.is_some() && self.revert != commit {
            for service in &mut self.services {
                service.state = match service.state {
                    ServiceState::RolledBack | ServiceState::RollbackFailed => ServiceState::RollingBack,
                    ServiceState::Pending
                    | ServiceState::Syncing
                    | ServiceState::Deployed
                    | ServiceState::Failed
                    | ServiceState::RollingBack => service.state,
                };
            }
        }
        self.revert = commit;
    }

    /// Intents that are not known to be done or dead.
    pub fn open(&self) -> impl Iterator<Item = &Intent> {
        self.intents.iter().filter(|intent| intent.fate == Fate::Open)
    }
}

/// A push that was going to happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intent {
    /// What for.
    pub action: Action,
    /// The tip that the push expects.
    pub parent: CommitId,
    /// The commit that is pushed.
    pub commit: CommitId,
    /// Epoch of the driver.
    pub epoch: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What a push is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Pins the version.
    Pin,
    /// Takes it back.
    Revert,
    /// An empty commit that keeps an open intent from ever landing.
    Settle,
}

/// What became of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Not known.
    Open,
    /// The branch contains its commit.
    Done,
    /// It can never land.
    Dead,
}

/// One scalar that the run changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PinRecord {
    /// Service.
    pub service: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Whether it is the data version or a `--set`.
    pub role: Role,
    /// The value from before, and its exact bytes.
    pub before: Value,
    /// The run's value.
    pub after: String,
}

/// What a recorded scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The data version of a service.
    Pin,
    /// A settable value.
    Setting,
}

/// A scalar's value and the exact bytes that said so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Value {
    /// As a reader of the file sees it.
    pub text: String,
    /// As the file has it, with its quotes.
    pub source: String,
}

/// A service of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Name.
    pub name: String,
    /// How far it is.
    pub state: ServiceState,
    /// Why, in plain words; empty where there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How far a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// Nothing happened yet.
    Pending,
    /// Waits for the agent.
    Syncing,
    /// Runs the commit and is healthy.
    Deployed,
    /// Did not come up.
    Failed,
    /// Waits for the agent after the revert.
    RollingBack,
    /// Runs the old value and is healthy.
    RolledBack,
    /// Did not come back.
    RollbackFailed,
}

/// A gate of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GateRecord {
    /// Name.
    pub name: String,
    /// What came out; `None` while it has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// In one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Link for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// How long a person has to answer, where it asks one: as it was configured when the run entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<SignedDuration>,
    /// A person's yes to a manual gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// When an observer first saw that it waits for a person, by the observer's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
}

/// A person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What came out of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The environment is good.
    Passed,
    /// It is not, but the gate is allowed to fail.
    Warned,
    /// It is not.
    Failed,
    /// The gate could not tell.
    Errored,
    /// The gate took too long.
    TimedOut,
    /// It was not run.
    Skipped,
}

impl ServiceState {
    /// How far along: a later report never gives way to an earlier one.
    pub fn rank(self) -> u8 {
        match self {
            ServiceState::Pending => 0,
            ServiceState::Syncing => 1,
            ServiceState::Deployed | ServiceState::Failed => 2,
            ServiceState::RollingBack => 3,
            ServiceState::RolledBack | ServiceState::RollbackFailed => 4,
        }
    }
}

impl Verdict {
    /// Whether the run goes on after it; `Skipped` never was a word about the environment.
    pub fn good(self) -> bool {
        match self {
            Verdict::Passed | Verdict::Warned => true,
            Verdict::Failed | Verdict::Errored | Verdict::TimedOut | Verdict::Skipped => false,
        }
    }

    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Warned => "warned",
            Verdict::Failed => "failed",
            Verdict::Errored => "errored",
            Verdict::TimedOut => "timed out",
            Verdict::Skipped => "skipped",
        }
    }
}
