//! What the queue keeps about records outside git: the package that was verified, and writes that are still owed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Queue, Refusal, VerifiedSet};

/// The package that an environment read when it was verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PackageRecord {
    /// `s3://bucket/prefix/`.
    pub place: String,
    /// SHA-256 over key, size and tag of its objects; only comparable at the same place.
    pub digest: String,
    /// How many objects.
    pub objects: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// A parameter outside git that does not say yet what the record says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unrecorded {
    /// Why it could not be written.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Queue {
    /// Notes that a parameter still has to be written.
    ///
    /// # Errors
    /// The environment is not known.
    pub fn not_recorded(&mut self, name: &str, dataset: &str, why: Unrecorded) -> Result<(), Refusal> {
        self.environment_mut(name)?.datasets.entry(dataset.to_owned()).or_default().unrecorded = Some(why);
        Ok(())
    }

    /// Notes that a parameter was written, if it said `version` as the record still does.
    ///
    /// # Errors
    /// The environment is not known.
    pub fn recorded(&mut self, name: &str, dataset: &str, version: &str) -> Result<(), Refusal> {
        if let Some(known) = self.environment_mut(name)?.datasets.get_mut(dataset)
            && known.current().is_some_and(|set| set.version == version)
        {
            known.unrecorded = None;
        }
        Ok(())
    }

    /// Environments and datasets whose parameter still has to be written.
    pub fn unrecorded(&self) -> Vec<(String, String)> {
        self.environments
            .iter()
            .flat_map(|(name, file)| file.datasets.iter().map(move |(dataset, known)| (name, dataset, known)))
            .filter(|(_, _, known)| known.unrecorded.is_some())
            .map(|(name, dataset, _)| (name.clone(), dataset.clone()))
            .collect()
    }
}

impl VerifiedSet {
    /// The same set, with the package that was read.
    #[must_use]
    pub fn with_package(self, package: Option<PackageRecord>) -> Self {
        Self { package, ..self }
    }
}
