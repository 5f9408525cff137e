//! What became of a push, and what has to be pushed next: the questions of whoever carries a run on.
//!
//! Pure, like [`super::rules`]. Target branches are append-only: what is not on the tip any more never is again.

use super::*;
use crate::repo::CommitId;

/// What one look at a target branch shows of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// The branch contains its commit.
    Commit,
    /// It does not, as far back as the intent's parent, and this is its tip.
    Tip(&'a CommitId),
}

/// What became of an intent.
///
/// Its push expects the parent to be the tip, so it can never land once the tip has moved on without it.
/// A fate other than [`Fate::Open`] stays.
pub fn judge(intent: &Intent, seen: Seen<'_>) -> Fate {
    match (intent.fate, seen) {
        (Fate::Done, _) | (_, Seen::Commit) => Fate::Done,
        (Fate::Dead, _) => Fate::Dead,
        (Fate::Open, Seen::Tip(tip)) if *tip == intent.parent => Fate::Open,
        (Fate::Open, Seen::Tip(_)) => Fate::Dead,
    }
}

/// Where a run is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the version that it pins; after the commit point, to its end.
    Forward,
    /// To the goals in its record.
    Back,
}

/// Who carries a started run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The same run: a retried job of the same key, or `resume`.
    Itself,
    /// The next in line, or `reconcile`.
    Another,
}

/// Which way whoever takes the ticket carries it on.
///
/// After the commit point forward, before it back, unless it is the run itself that goes on. A run of kind
/// rollback only ever goes to its goal.
pub fn direction(ticket: &Ticket, carrier: Carrier) -> Direction {
    match (&ticket.state, &ticket.kind) {
        (State::Verified, _) => Direction::Forward,
        (State::RollingBack { .. }, _) | (_, RunKind::Rollback { .. }) => Direction::Back,
        (State::Waiting | State::Started | State::Deploying { .. }, RunKind::Deploy) => {
            match (carrier, &ticket.cancel) {
                (Carrier::Itself, None) => Direction::Forward,
                (Carrier::Itself, Some(_)) | (Carrier::Another, _) => Direction::Back,
            }
        }
    }
}

/// How the tip of a target branch compares with where the run is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It holds every value as it has to be.
    AsWanted,
    /// Something has to be changed.
    Differs,
}

/// What the next commit on a branch is for; `None` if the branch is as it has to be and stays so.
///
/// `fates` are those of every intent of the run on this branch, and of those that a freeze carries, judged by the
/// same look that `content` is from. Where one is still open a commit is due even if nothing is to be
/// changed: only a moved tip closes it.
pub fn due(direction: Direction, content: Content, fates: impl IntoIterator<Item = Fate>) -> Option<Action> {
    match (content, direction) {
        (Content::Differs, Direction::Forward) => Some(Action::Pin),
        (Content::Differs, Direction::Back) => Some(Action::Revert),
        (Content::AsWanted, _) => fates.into_iter().any(|fate| fate == Fate::Open).then_some(Action::Settle),
    }
}

impl EnvironmentPart {
    /// Writes what became of intents, each by its commit: a position may have moved since it was judged. A
    /// fate that is known stays.
    pub fn note(&mut self, judged: &[(CommitId, Fate)]) {
        for intent in self.intents.iter_mut().filter(|intent| intent.fate == Fate::Open) {
            if let Some((_, fate)) = judged.iter().find(|(commit, _)| *commit == intent.commit) {
                intent.fate = *fate;
            }
        }
    }

    /// Names a push before it happens; once, also where a writer that did not hear back writes it again.
    pub fn intend(&mut self, intent: Intent) {
        if !self.intents.iter().any(|known| known.commit == intent.commit) {
            self.intents.push(intent);
        }
    }
}
