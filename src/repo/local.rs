//! Pushing to a repository on this machine.
//!
//! libgit2's local transport overwrites whatever landed in between and reports success. So the objects are handed
//! over as a pack, and the branch is moved under git's own lock on the ref, after comparing it once more there.

use std::io::Write as _;
use std::path::Path;

use git2::{ErrorCode, Oid, Repository};

use super::error::Circumstances;
use super::location::Place;
use super::push::{Moves, Order, PushOutcome, describe};
use super::{Repo, watch};

impl Repo {
    pub(super) fn push_locally(&self, order: &Order) -> PushOutcome {
        let Place::Local { path } = self.settings.location.place.clone() else {
            return PushOutcome::Unreachable {
                error: self.push_error("it is not on this machine".to_owned()),
            };
        };
        let (kept, order) = (self.kept.clone(), order.clone());
        let done = watch::run(&self.settings.limits, self.silence(), move |watch| {
            let target = match Repository::open(&path) {
                Ok(target) => target,
                Err(error) => return PushOutcome::Unreachable { error: unopened(&path, &error) },
            };
            let begin = || watch.begin_sending();
            let result = kept.open().and_then(|repo| hand_over(&repo, &target, &order, begin));
            result.unwrap_or_else(|error| match watch.sending() {
                true => PushOutcome::Unknown { detail: error.message().to_owned() },
                false => PushOutcome::Unreachable { error: unopened(&path, &error) },
            })
        });
        done.unwrap_or_else(|given_up| self.given_up(given_up))
    }
}

fn unopened(path: &Path, error: &git2::Error) -> super::RepoError {
    let circumstances = Circumstances {
        doing: "pushing to",
        location: path.display().to_string(),
        local: true,
        tried: "no credential".to_owned(),
        hint: "check who owns the directory and its modes".to_owned(),
    };
    circumstances.name(error)
}

fn hand_over(
    repo: &Repository,
    target: &Repository,
    order: &Order,
    begin: impl FnOnce() -> bool,
) -> Result<PushOutcome, git2::Error> {
    let tip = tip(target, &order.name)?;
    if tip != order.expected {
        return Ok(lost(tip));
    }
    if let Some(expected) = order.expected
        && order.moves == Moves::Forward
        && !repo.graph_descendant_of(order.commit, expected)?
    {
        return Ok(refused("the commit does not descend from the expected tip"));
    }
    if !target.is_bare() && target.head().is_ok_and(|head| head.name_bytes() == order.name.as_bytes()) {
        return Ok(refused("the branch is checked out there: push to a bare repository"));
    }
    copy_objects(repo, target, order)?;
    if !begin() {
        return Ok(refused("given up"));
    }
    swap(target, order)
}

fn refused(reason: &str) -> PushOutcome {
    PushOutcome::Refused { reason: reason.to_owned() }
}

fn lost(tip: Option<Oid>) -> PushOutcome {
    PushOutcome::LostRace { detail: tip.map_or_else(|| "the branch is not there".to_owned(), describe) }
}

fn tip(target: &Repository, name: &str) -> Result<Option<Oid>, git2::Error> {
    match target.refname_to_id(name) {
        Ok(tip) => Ok(Some(tip)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn copy_objects(repo: &Repository, target: &Repository, order: &Order) -> Result<(), git2::Error> {
    let mut walk = repo.revwalk()?;
    walk.push(order.commit)?;
    if let Some(expected) = order.expected {
        walk.hide(expected)?;
    }
    let mut pack = repo.packbuilder()?;
    pack.insert_walk(&mut walk)?;
    let odb = target.odb()?;
    let mut writer = odb.packwriter()?;
    let mut written = Ok(());
    pack.foreach(|bytes| {
        written = writer.write_all(bytes);
        written.is_ok()
    })?;
    written.map_err(|error| git2::Error::from_str(&error.to_string()))?;
    writer.commit().map(drop)
}

/// Moves the branch if it still is where it was expected. Another writer, git itself included, waits or fails on
/// the same lock file.
fn swap(target: &Repository, order: &Order) -> Result<PushOutcome, git2::Error> {
    let mut transaction = target.transaction()?;
    match transaction.lock_ref(&order.name) {
        Ok(()) => {}
        Err(error) if error.code() == ErrorCode::Locked => {
            return Ok(PushOutcome::LostRace { detail: error.message().to_owned() });
        }
        Err(error) => return Err(error),
    }
    let now = tip(target, &order.name)?;
    if now != order.expected {
        return Ok(lost(now));
    }
    let who = git2::Signature::now("datapin", "datapin@localhost")?;
    transaction.set_target(&order.name, order.commit, Some(&who), "push")?;
    transaction.commit()?;
    Ok(PushOutcome::Updated)
}
