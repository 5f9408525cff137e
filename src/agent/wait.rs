//! What follows from a row of observations of one service. Pure: who asks, how often and how long is the
//! caller's.

use super::{Health, Observation, ObservationError, Sync};

/// So many in a row are believed.
const ROW: u32 = 5;

/// How the revision that an agent speaks of relates to the commit that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// It is not there yet, or the agent knows none.
    Before,
    /// It is that commit, or a descendant that still holds our values.
    Holds,
    /// It is a descendant in which somebody changed them.
    Superseded {
        /// Who, and which commit.
        by: String,
    },
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A deployment: fails as soon as it is certain.
    Deploy,
    /// A rollback: what is bad may be what is being taken back, so it goes on as long as there is hope.
    Rollback,
}

/// How far a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Ask again.
    Waiting {
        /// What was last seen.
        reason: String,
    },
    /// It runs the commit and is healthy.
    Done,
    /// It won't.
    Failed {
        /// Why.
        reason: String,
        /// Last log lines.
        log: Vec<String>,
    },
    /// Somebody else changed the values.
    Superseded {
        /// Who, and which commit.
        by: String,
    },
}

/// The wait for one service.
#[derive(Debug, Clone)]
pub struct Watch {
    mode: Mode,
    /// Observation errors in a row that end the wait of a deployment.
    patience: u32,
    /// Observation errors in a row.
    errors: u32,
    /// Failed syncs in a row; an observation error says nothing about them.
    failures: u32,
}

impl Watch {
    /// A wait that has seen nothing yet, and that so many observation errors in a row end.
    pub fn new(mode: Mode, patience: u32) -> Self {
        Self { mode, patience, errors: 0, failures: 0 }
    }

    /// What follows from the next observation.
    ///
    /// Rules of a deployment: a failed sync or a degraded service of *our* commit fails it at once, and so do
    /// too many observation errors in a row. A failed sync that names no revision may be an older one's and has
    /// to be seen five times in a row; one that names a revision before ours says nothing. A rollback fails
    /// only by five failed syncs of our commit in a row, else at the caller's timeout.
    pub fn next(&mut self, observed: Result<(Observation, Relation), ObservationError>) -> Progress {
        let (seen, relation) = match observed {
            Ok(seen) => seen,
            Err(error) => return self.not_seen(&error),
        };
        self.errors = 0;
        if let Relation::Superseded { by } = relation {
            return Progress::Superseded { by };
        }
        let reason = words(&seen, &relation);
        if self.has_failed(&seen, &relation) {
            return Progress::Failed { reason, log: seen.log };
        }
        match (relation, seen.sync, seen.health) {
            (Relation::Holds, Sync::Synced, Health::Healthy) => Progress::Done,
            _ => Progress::Waiting { reason },
        }
    }

    fn not_seen(&mut self, error: &ObservationError) -> Progress {
        self.errors += 1;
        match self.mode {
            Mode::Deploy if self.errors >= self.patience => Progress::Failed {
                reason: format!("{error} ({} times in a row)", self.errors),
                log: Vec::new(),
            },
            Mode::Deploy | Mode::Rollback => {
                // without the count: the same words are told once
                Progress::Waiting { reason: format!("not known: {error}") }
            }
        }
    }

    fn has_failed(&mut self, seen: &Observation, relation: &Relation) -> bool {
        let holds = *relation == Relation::Holds;
        let concerns = holds || (seen.revision.is_none() && self.mode == Mode::Deploy);
        self.failures = if concerns && seen.sync == Sync::Failed { self.failures + 1 } else { 0 };
        match self.mode {
            Mode::Rollback => self.failures >= ROW,
            Mode::Deploy if !holds => self.failures >= ROW,
            Mode::Deploy => match seen.sync {
                Sync::Failed => true,
                Sync::Synced => seen.health == Health::Degraded,
                Sync::Pending => false,
            },
        }
    }
}

fn words(seen: &Observation, relation: &Relation) -> String {
    let state = match (relation, seen.sync, seen.health) {
        (_, Sync::Failed, _) => "sync failed",
        (Relation::Before, ..) => "commit not seen by the agent yet",
        (_, Sync::Pending, _) => "syncing",
        (_, Sync::Synced, Health::Progressing) => "synced, starting",
        (_, Sync::Synced, Health::Healthy) => "synced and healthy",
        (_, Sync::Synced, Health::Degraded) => "synced, degraded",
        (_, Sync::Synced, Health::Unknown) => "synced, health not known",
    };
    let at = match (relation, &seen.revision) {
        (Relation::Before, Some(revision)) => format!(" (it is at {})", revision.short()),
        (Relation::Before, None) => " (it names none)".to_owned(),
        (Relation::Holds | Relation::Superseded { .. }, _) => String::new(),
    };
    // how an older revision is says nothing about ours
    let older = *relation == Relation::Before && seen.sync == Sync::Synced;
    let reason = if seen.reason.is_empty() || older { String::new() } else { format!(": {}", seen.reason) };
    format!("{state}{at}{reason}")
}
