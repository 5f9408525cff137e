//! What became of a push that was going to happen.

use super::{Fate, Intent};
use crate::repo::CommitId;

/// The fate of an intent, from the branch's tip and whether the branch contains the intent's commit.
///
/// A push expects exactly its parent. Once the branch has moved past that parent without the commit, the push
/// can never land.
pub fn judge(intent: &Intent, tip: &CommitId, landed: bool) -> Fate {
    match landed {
        true => Fate::Done,
        false if *tip != intent.parent => Fate::Dead,
        false => Fate::Open,
    }
}
