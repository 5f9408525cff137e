//! Why a package cannot be used.

use std::time::Duration;

use crate::aws::{AwsError, Fault};

/// Why a package cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// AWS.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Nothing is there.
    #[error("there is no package at {place}: export it there first, or correct `bucket` of the environment")]
    Missing {
        /// Where.
        place: String,
    },
    /// What is written last is not there.
    #[error(
        "the package at {place} is not complete: {found} objects are there, `{name}` is not; wait until its export has ended, or export it again"
    )]
    Unfinished {
        /// Where.
        place: String,
        /// What is missing.
        name: String,
        /// Objects that are there.
        found: usize,
    },
    /// Nothing but the marker is there.
    #[error("at {place} there is `{name}` and nothing else: the package is empty; export it again")]
    OnlyMarker {
        /// Where.
        place: String,
        /// The marker.
        name: String,
    },
    /// Too few objects.
    #[error(
        "the package at {place} is not complete: {found} objects, at least {least} are expected; wait until its export has ended"
    )]
    TooFew {
        /// Where.
        place: String,
        /// How many are there.
        found: u32,
        /// How many are expected.
        least: u32,
    },
    /// The manifest cannot be read.
    #[error(
        "manifest {place} cannot be used: {reason}; it is JSON like {{\"objects\": [{{\"key\": \"a.bin\", \"size\": 42, \"sha256\": \"…\"}}]}}"
    )]
    Manifest {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// The package is not what its manifest says.
    #[error(
        "the package at {place} is not what its manifest says: {what}; export it again under a new version"
    )]
    NotAsListed {
        /// Where.
        place: String,
        /// What differs.
        what: String,
    },
    /// The target has other bytes already.
    #[error(
        "{to} already holds something else than {from}: {what}; nothing is overwritten: export the data under a new version"
    )]
    Different {
        /// Source.
        from: String,
        /// Target.
        to: String,
        /// What differs.
        what: String,
    },
    /// The copy took too long.
    #[error(
        "the package at {from} was not copied to {to} within {limit:?}: {copied} were; what was copied stays, and the next run or `datapin promote` copies only the rest; if it needs longer, set a longer `timeout` in `promote` of the stage"
    )]
    OutOfTime {
        /// Source.
        from: String,
        /// Target.
        to: String,
        /// How long it was tried.
        limit: Duration,
        /// How far it was: `3 of 4 objects, 2 GiB of 3 GiB`.
        copied: String,
    },
    /// The bytes changed after they were verified.
    #[error(
        "the package at {place} is not the one that {verified}: its bytes were changed under the same version; export them under a new one"
    )]
    Changed {
        /// Where.
        place: String,
        /// `was verified in `int` by run …`
        verified: String,
    },
}

impl DataError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            DataError::Aws(error) => error.is_transient(),
            DataError::Missing { .. }
            | DataError::Unfinished { .. }
            | DataError::OnlyMarker { .. }
            | DataError::TooFew { .. }
            | DataError::Manifest { .. }
            | DataError::NotAsListed { .. }
            | DataError::Different { .. }
            | DataError::OutOfTime { .. }
            | DataError::Changed { .. } => false,
        }
    }

    /// Whether the package is what stands in the way, and not AWS.
    pub fn is_of_package(&self) -> bool {
        match self {
            // A bucket that is not there has no package either.
            DataError::Aws(error) => error.fault == Fault::Missing,
            DataError::OutOfTime { .. } => false,
            DataError::Missing { .. }
            | DataError::Unfinished { .. }
            | DataError::OnlyMarker { .. }
            | DataError::TooFew { .. }
            | DataError::Manifest { .. }
            | DataError::NotAsListed { .. }
            | DataError::Different { .. }
            | DataError::Changed { .. } => true,
        }
    }
}
