//! What the queue keeps about an environment beyond the runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outside::{PackageRecord, Unrecorded};
use super::record::{EnvironmentPart, Role};
use super::ticket::{RunId, Unknown};
use crate::config::Place;
use crate::repo::CommitId;

/// How many verified sets are kept for one dataset.
pub const KEPT_SETS: usize = 50;

/// Which environment a name means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Host and path of its repository, without scheme, user, port and `.git`.
    pub repository: String,
    /// Target branch.
    pub branch: String,
    /// Name.
    pub name: String,
}

/// File `environments/NAME.json`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnvironmentFile {
    /// Which environment this is.
    pub identity: Identity,
    /// By dataset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub datasets: BTreeMap<String, DatasetFile>,
    /// The environment's freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl EnvironmentFile {
    /// The file of an environment of which nothing is known yet.
    pub fn new(identity: Identity) -> Self {
        Self { identity, datasets: BTreeMap::new(), freeze: None, unknown: Unknown::new() }
    }
}

/// What is known of one dataset in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct DatasetFile {
    /// Verified sets, oldest first, at most [`KEPT_SETS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<VerifiedSet>,
    /// Versions that are kept out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// Why its parameter outside git does not say yet what is verified here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<Unrecorded>,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl DatasetFile {
    /// The last verified set that was not taken back.
    pub fn current(&self) -> Option<&VerifiedSet> {
        self.verified.iter().rfind(|set| set.standing == Standing::Good)
    }

    /// Whether a version is kept out.
    pub fn is_rejected(&self, version: &str) -> bool {
        self.rejected.iter().any(|one| one.version == version)
    }

    /// Adds a set; the same run and version only once. The oldest go beyond [`KEPT_SETS`].
    pub fn add(&mut self, set: VerifiedSet) {
        self.verified.retain(|old| (&old.run, &old.version) != (&set.run, &set.version));
        self.verified.push(set);
        let excess = self.verified.len().saturating_sub(KEPT_SETS);
        self.verified.drain(..excess);
    }

    /// Marks every good set after `reached` as taken back, and `reached` as good. A set that is not in the
    /// record was never verified: it changes nothing.
    pub fn go_back_to(&mut self, reached: &VerifiedSet) {
        let same = |set: &VerifiedSet| set.run == reached.run && set.version == reached.version;
        let Some(at) = self.verified.iter().rposition(same) else { return };
        self.verified[at].standing = Standing::Good;
        for later in &mut self.verified[at + 1..] {
            later.standing = Standing::TakenBack;
        }
    }
}

/// What an environment was verified with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerifiedSet {
    /// Data version.
    pub version: String,
    /// Value of every pin and every settable path.
    pub values: Vec<SetValue>,
    /// Commit that was watched.
    pub commit: CommitId,
    /// Run that verified it.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// Whether a rollback passed it by.
    #[serde(default)]
    pub standing: Standing,
    /// The package that was read, where the environment has a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageRecord>,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl VerifiedSet {
    /// A set that a run verifies now.
    pub fn new(version: &str, values: Vec<SetValue>, commit: CommitId, run: &RunId, at: Timestamp) -> Self {
        Self {
            version: version.to_owned(),
            values,
            commit,
            run: run.clone(),
            at,
            standing: Standing::Good,
            package: None,
            unknown: Unknown::new(),
        }
    }

    /// What stood there before a run that left its environment without ever having verified anything.
    ///
    /// `None` if that run never came to write anything.
    pub fn before(carried: &Carried, at: Timestamp) -> Option<Self> {
        let pins = carried.part.pins.iter();
        let values: Vec<SetValue> = pins
            .map(|pin| SetValue {
                service: pin.service.clone(),
                place: pin.place.clone(),
                role: pin.role,
                text: pin.before.text.clone(),
            })
            .collect();
        let version = values.iter().find(|value| value.role == Role::Pin);
        let version = version.map(|value| value.text.clone()).unwrap_or_default();
        let commit = carried.part.intents.first()?.parent.clone();
        Some(Self { standing: Standing::TakenBack, ..Self::new(&version, values, commit, &carried.run, at) })
    }

    /// The value at a place, if the set has it.
    pub fn value(&self, place: &Place) -> Option<&SetValue> {
        self.values.iter().find(|value| value.place == *place)
    }
}

/// Whether a verified set is still a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is.
    #[default]
    Good,
    /// A rollback passed it by: only `--to` reaches it.
    TakenBack,
}

/// One value of a verified set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SetValue {
    /// Service.
    pub service: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Pin or setting.
    pub role: Role,
    /// Value.
    pub text: String,
}

/// A version that is kept out of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rejected {
    /// Data version.
    pub version: String,
    /// Who rejected it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Why nothing is deployed to an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Freeze {
    /// What put it there.
    pub origin: Origin,
    /// Who owns it.
    pub owner: String,
    /// Why, in plain words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What put a freeze there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Origin {
    /// A person.
    Person,
    /// A rollback that failed; it carries what is left to do.
    RollbackFailed {
        /// The environment's part of the run record.
        carried: Box<Carried>,
    },
    /// Whoever carried the run on had no knowledge of this environment or no right there.
    Abandoned {
        /// The environment's part of the run record.
        carried: Box<Carried>,
    },
}

impl Origin {
    /// What a run left to do here.
    pub fn carried(&self) -> Option<&Carried> {
        match self {
            Origin::Person => None,
            Origin::RollbackFailed { carried } | Origin::Abandoned { carried } => Some(carried),
        }
    }
}

/// What a run left to do in a frozen environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Carried {
    /// The run.
    pub run: RunId,
    /// Its number.
    pub number: u64,
    /// Its dataset.
    pub dataset: String,
    /// Its version.
    pub version: String,
    /// Its part.
    pub part: EnvironmentPart,
}
