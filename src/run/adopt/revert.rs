//! Whether what a person committed is a rollback: a plain `git revert`, in the terminal or in GitLab's page.
//!
//! It is one if, in that environment,
//!
//! 1. every pin and settable value equals a set that was verified there and was neither taken back nor rejected since,
//!    **and**
//! 2. no commit carries the trailer of `datapin propose`, **and**
//! 3. a message says `This reverts commit X`, where X, whole or abbreviated, is an ancestor that changed these values; or the change is exactly
//!    the inverse of the newest commit that changed them, **and**
//! 4. what stood there before was not itself such a set, older than the one that is reached: that way leads forward.
//!
//! It is waited for, recorded, announced as *rollback by NAME*, runs no gates, and the version that was left is rejected
//! there until `datapin allow`. Everything else is a deployment with gates, also one to an old version.
//!
//! | int was verified on A, then B; then | is | and ends |
//! |---|---|---|
//! | `git revert` of the commit that pinned B | a rollback to A | 0, B is rejected |
//! | the same of only some services | a deployment of two versions | taken back to B, 15 |
//! | a revert of that revert | a deployment of B, which is rejected | taken back to A, 15; after `allow` gates, 0 |
//! | both pushed together | nothing: B is as it was verified | 0 |
//! | B's values typed by hand back to A's, exactly the inverse | a rollback to A | 0, B is rejected |
//! | after C was verified too: bumped by hand to A | a deployment of A | gates, 0 |
//! | after C: `git revert` of B's commit, conflict solved to A | a rollback to A: the message says so | 0, C is rejected |
//! | after C: the same, conflict solved to what was never verified | a deployment | gates |
//! | after C, B was rejected: `git revert` of C's commit | a deployment of B, which is rejected | taken back to C, 15 |
//! | GitLab's revert, squashed: `This reverts merge request !12` | the inverse of the merge: a rollback | 0, B is rejected |
//! | `git revert -m 1` of a merge commit | a rollback: the message names the merge | 0, B is rejected |
//! | after C: `git revert --reference`, the id abbreviated, conflict solved to A | the same as with the whole id | 0, C is rejected |
//! | a revert of datapin's own revert of a failed B | a deployment of B | gates |
//! | a revert of a bump that no run had verified | a rollback to A | 0, the bump's version is rejected |

use std::collections::BTreeSet;

use super::range::{Found, Ground};
use crate::plan::FilesError;
use crate::queue::{DatasetFile, PinRecord, Role, Standing, VerifiedSet};
use crate::repo::{Ancestry, CommitId, Repo};

/// Trailer of a commit that `datapin propose` made: it names the pipeline.
pub const PROPOSED: &str = "Datapin-Propose";

/// How many commits of the branch are looked at for the newest that changed an environment.
const LOOKED_AT: usize = 200;

/// A rollback that a person committed.
#[derive(Debug, Clone)]
pub struct PersonsRollback {
    /// What it goes back to.
    pub set: VerifiedSet,
    /// The version that it leaves, if it is another.
    pub left: Option<String>,
}

/// The rollback that a person's commits are, if they are one by the rule above.
pub fn as_rollback(
    repo: &Repo,
    found: &Found,
    record: Option<&DatasetFile>,
) -> Result<Option<PersonsRollback>, FilesError> {
    let Some(record) = record else { return Ok(None) };
    let Some(pins) = found.adopted.pins.get(&found.ground.environment) else { return Ok(None) };
    let Some(at) = newest_equal(record, pins, |pin| &pin.after) else { return Ok(None) };
    let set = record.verified[at].clone();
    if record.is_rejected(&set.version) {
        return Ok(None);
    }
    let forward = newest_equal(record, pins, |pin| &pin.before.text).is_some_and(|before| before < at);
    if forward || proposed(&found.messages).is_some() {
        return Ok(None);
    }
    if !says_so(repo, found)? && !is_inverse(repo, found)? {
        return Ok(None);
    }
    let left = pins.iter().find(|pin| pin.role == Role::Pin).map(|pin| pin.before.text.clone());
    Ok(Some(PersonsRollback { left: left.filter(|left| *left != set.version), set }))
}

/// The pipeline that a trailer of `datapin propose` names.
pub fn proposed(messages: &[String]) -> Option<&str> {
    let lines = messages.iter().flat_map(|message| message.lines());
    let mut named = lines.filter_map(|line| line.strip_prefix(PROPOSED)?.strip_prefix(": "));
    named.next().map(str::trim)
}

/// The newest set that was not taken back and holds these values.
fn newest_equal<'p>(
    record: &DatasetFile,
    pins: &'p [PinRecord],
    text: impl Fn(&'p PinRecord) -> &'p String,
) -> Option<usize> {
    record.verified.iter().rposition(|set| {
        set.standing == Standing::Good
            && pins.iter().all(|pin| match (set.value(&pin.place), pin.role) {
                (Some(value), _) => value.text == *text(pin),
                (None, Role::Pin) => set.version == *text(pin),
                // made settable since
                (None, Role::Setting) => true,
            })
    })
}

/// Whether a message says that it reverts an ancestor that changed these values.
fn says_so(repo: &Repo, found: &Found) -> Result<bool, FilesError> {
    let named: BTreeSet<&str> = found.messages.iter().flat_map(|message| reverted(message)).collect();
    for digits in named {
        let (branch, tip) = (&found.ground.branch, &found.adopted.before);
        let one = match digits.parse() {
            Ok(whole) => Some(whole),
            Err(_) => repo.begins_with(branch, tip, digits)?,
        };
        let Some(one) = one else { continue };
        if changed(repo, &found.ground, tip, &one)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The shortest abbreviated id that is looked for: what git writes at least.
const SHORTEST: usize = 7;

/// The ids of the commits that a message says it reverts, whole or abbreviated as `git revert --reference` writes them.
pub fn reverted(message: &str) -> impl Iterator<Item = &str> {
    message.split("This reverts commit ").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        (SHORTEST..=40).contains(&end).then_some(&rest[..end])
    })
}

fn changed(repo: &Repo, ground: &Ground, tip: &CommitId, named: &CommitId) -> Result<bool, FilesError> {
    if repo.descends(&ground.branch, named, tip)? == Ancestry::NotRelated {
        return Ok(false);
    }
    let Some(entry) = repo.log(named, 1)?.into_iter().next() else { return Ok(false) };
    let Some(parent) = entry.parents.first() else { return Ok(false) };
    // asked only so that it is here
    repo.descends(&ground.branch, parent, tip)?;
    ground.changed_by(repo, &entry)
}

/// Whether the change is exactly the inverse of the newest commit before it that changed these values.
fn is_inverse(repo: &Repo, found: &Found) -> Result<bool, FilesError> {
    let (ground, adopted) = (&found.ground, &found.adopted);
    let (before, after) = (ground.texts(repo, &adopted.before)?, ground.texts(repo, &adopted.commit)?);
    let mut at = adopted.before.clone();
    for _ in 0..LOOKED_AT {
        let Some(entry) = repo.last_on_line(&ground.branch, &at, &ground.files())? else { return Ok(false) };
        let Some(parent) = entry.parents.first() else { return Ok(false) };
        let (was, became) = (ground.texts(repo, parent)?, ground.texts(repo, &entry.id)?);
        if was != became {
            return Ok(was == after && became == before);
        }
        at = parent.clone();
    }
    Ok(false)
}
