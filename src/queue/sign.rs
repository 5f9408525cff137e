//! The sign that `datapin reconcile` leaves in `queue.json`, by which a schedule that stands still is seen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Queue, Unknown};

/// Signs are so far apart: the branch keeps every commit for ever.
const APART: Duration = Duration::from_secs(20 * 60);

/// That a reconcile of all environments came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sign {
    /// When, by the clock of who did it.
    pub at: Timestamp,
    /// Who did it: host and process, or job.
    pub by: String,
    /// Fields of a newer build.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Queue {
    /// Notes that a reconcile of all environments came to its end. Nothing changes within 20 minutes of the last note.
    pub fn reconciled(&mut self, by: &str, at: Timestamp) {
        let apart = SignedDuration::try_from(APART).unwrap_or(SignedDuration::MAX);
        let recent = |sign: &Sign| at.duration_since(sign.at).abs() < apart;
        if !self.reconciled.as_ref().is_some_and(recent) {
            self.reconciled = Some(Sign { at, by: by.to_owned(), unknown: Unknown::new() });
        }
    }
}
