//! Ancestry and logs in a repository that may be shallow.
//!
//! libgit2 takes the boundary of a shallow repository for the first commit of the history. So parents are read
//! from the commits' own text; a parent that isn't here is a reason to fetch deeper, never a root.

mod line;

use std::collections::{BinaryHeap, HashSet};

use git2::{ErrorCode, Oid, Repository, Sort};

use super::fetch::{Depth, WHOLE};
use super::{CommitId, Repo, RepoError};

const FIRST_DEPTH: i32 = 32;

/// How two commits of a branch are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ancestry {
    /// They are the same.
    Same,
    /// The later one descends from the earlier one.
    Descendant,
    /// It does not: the history was rewritten, or they are on different branches.
    NotRelated,
}

/// One commit of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// its id
    pub id: CommitId,
    /// its real parents, whether they are here or not
    pub parents: Vec<CommitId>,
    /// who wrote it
    pub author_name: String,
    /// their e-mail address
    pub author_email: String,
    /// the whole message; what is no UTF-8 is replaced
    pub message: String,
    /// when it was committed, by the committer's clock
    pub time: jiff::Timestamp,
}

/// An answer that may need more commits than there are.
pub(super) enum Answer<T> {
    Known(T),
    /// this many commits were seen before one was missing
    TooShallow(usize),
}

impl Repo {
    /// Whether `to`, a commit on the branch, is `from` or descends from it. Fetches deeper, twice as deep each
    /// time, until `from` or the root is found.
    ///
    /// # Errors
    /// Those of the exchange; `NoSuchCommit` if `to` is not on the branch.
    pub fn descends(&self, branch: &str, from: &CommitId, to: &CommitId) -> Result<Ancestry, RepoError> {
        if from == to {
            return Ok(Ancestry::Same);
        }
        self.deepen_until(branch, to, |repo, to| {
            let from = from.oid()?;
            reaches(repo, to, from).map(|answer| answer.map(related))
        })
    }

    /// Whether `commit` is in the history of `tip`, a commit on the branch. Fetches deeper until the branch shows
    /// `commit`, or `parent`, its parent, without it (protocol.md, "Drivers and the fence"). All parents of merge
    /// commits are walked.
    ///
    /// # Errors
    /// Those of the exchange; `NoSuchCommit` if `tip` is not on the branch.
    pub fn contains(
        &self,
        branch: &str,
        tip: &CommitId,
        commit: &CommitId,
        parent: &CommitId,
    ) -> Result<bool, RepoError> {
        self.deepen_until(branch, tip, |repo, tip| {
            let (commit, parent) = (commit.oid()?, parent.oid()?);
            match reaches(repo, tip, commit)? {
                Answer::TooShallow(seen) if repo.find_commit(parent).is_err() => Ok(Answer::TooShallow(seen)),
                // what `parent` already had cannot hold its child
                Answer::TooShallow(_) => Ok(between(repo, tip, parent)?.map(|newer| newer.contains(&commit))),
                known => Ok(known),
            }
        })
    }

    /// The commits that lead to `tip`, newest first, as far as they are here, and no more than `limit`.
    ///
    /// # Errors
    /// `NoSuchCommit` if `tip` is not here: fetch first.
    pub fn log(&self, tip: &CommitId, limit: usize) -> Result<Vec<LogEntry>, RepoError> {
        let repo = self.handle()?;
        self.find_commit(&repo, tip)?;
        let mut entries = Vec::new();
        let walked = tip.oid().and_then(|tip| {
            walk(&repo, tip, |commit| {
                if entries.len() < limit {
                    entries.push(entry(commit)?);
                }
                Ok(if entries.len() < limit { Step::On } else { Step::Stop })
            })
        });
        walked.map_err(|error| self.object_error("reading the log of", &error))?;
        Ok(entries)
    }

    /// The commits after `since`, up to `tip`, that change one of the paths; newest first. A merge counts if its
    /// result differs from every parent.
    ///
    /// # Errors
    /// Those of the exchange; `NoSuchCommit` if `tip` is not on the branch.
    pub fn last_change(
        &self,
        branch: &str,
        tip: &CommitId,
        since: &CommitId,
        paths: &[String],
    ) -> Result<Vec<LogEntry>, RepoError> {
        self.deepen_until(branch, tip, |repo, tip| {
            let since = since.oid()?;
            let newer = match between(repo, tip, since)? {
                Answer::Known(newer) => newer,
                Answer::TooShallow(seen) => return Ok(Answer::TooShallow(seen)),
            };
            let mut changes = Vec::new();
            for id in newer {
                let commit = repo.find_commit(id)?;
                if changes_one_of(repo, &commit, paths)? {
                    changes.push(entry(&commit)?);
                }
            }
            Ok(Answer::Known(changes))
        })
    }

    /// The commit in the history of `tip`, a commit on the branch, whose id begins with these digits; `None` if there is
    /// none, or more than one. Fetches deeper until one is found.
    ///
    /// # Errors
    /// Those of the exchange; `NoSuchCommit` if `tip` is not on the branch.
    pub fn begins_with(
        &self,
        branch: &str,
        tip: &CommitId,
        digits: &str,
    ) -> Result<Option<CommitId>, RepoError> {
        let digits = digits.to_ascii_lowercase();
        self.deepen_until(branch, tip, |repo, tip| {
            let mut found = Vec::new();
            let walked = walk(repo, tip, |commit| {
                let id = CommitId::from(commit.id());
                found.extend(id.as_str().starts_with(&digits).then_some(id));
                Ok(Step::On)
            })?;
            Ok(match (found.pop(), found.is_empty()) {
                (None, _) if walked.missing => Answer::TooShallow(walked.seen),
                (only, true) => Answer::Known(only),
                (_, false) => Answer::Known(None),
            })
        })
    }

    /// Asks again and again, with more and more history, until there is an answer.
    pub(super) fn deepen_until<T>(
        &self,
        branch: &str,
        tip: &CommitId,
        ask: impl Fn(&Repository, Oid) -> Result<Answer<T>, git2::Error>,
    ) -> Result<T, RepoError> {
        let mut depth = 0;
        loop {
            let repo = self.handle()?;
            let seen = match self.find_commit(&repo, tip) {
                Ok(tip) => match ask(&repo, tip.id()) {
                    Ok(Answer::Known(answer)) => return Ok(answer),
                    Ok(Answer::TooShallow(seen)) => seen,
                    Err(error) => return Err(self.object_error("walking the history of", &error)),
                },
                Err(RepoError::NoSuchCommit { .. }) if depth < WHOLE => 0,
                Err(error) => return Err(error),
            };
            drop(repo);
            if depth == WHOLE {
                return Err(self.incomplete());
            }
            depth = deeper(depth, seen);
            if self.fetch_to(branch, Depth::AtLeast(depth))?.is_none() {
                return Err(self.no_such_commit(tip));
            }
        }
    }
}

impl Repo {
    fn incomplete(&self) -> RepoError {
        RepoError::Git {
            doing: "walking the history of".to_owned(),
            location: self.settings.location.to_string(),
            detail: "commits are missing on the server too: it is a shallow clone itself, use its origin"
                .to_owned(),
        }
    }
}

/// Twice as deep as before, and never less than what is here already: that would cut it off.
fn deeper(depth: i32, seen: usize) -> i32 {
    let seen = i32::try_from(seen).unwrap_or(WHOLE);
    let next = depth.max(seen).max(FIRST_DEPTH / 2).saturating_mul(2);
    if next > 1 << 20 { WHOLE } else { next }
}

fn related(found: bool) -> Ancestry {
    if found { Ancestry::Descendant } else { Ancestry::NotRelated }
}

impl<T> Answer<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Known(value) => Answer::Known(change(value)),
            Answer::TooShallow(seen) => Answer::TooShallow(seen),
        }
    }
}

enum Step {
    On,
    Stop,
}

struct Walked {
    stopped: bool,
    missing: bool,
    seen: usize,
}

/// Walks from `tip` over all parents, newest first, over what is here.
fn walk(
    repo: &Repository,
    tip: Oid,
    mut visit: impl FnMut(&git2::Commit<'_>) -> Result<Step, git2::Error>,
) -> Result<Walked, git2::Error> {
    let mut walked = Walked { stopped: false, missing: false, seen: 0 };
    let mut known = HashSet::from([tip]);
    let mut queue = BinaryHeap::new();
    // commits of one second keep the order in which they were found
    let mut order = i64::MAX;
    queue.push((i64::MAX, order, tip));
    while let Some((_, _, id)) = queue.pop() {
        let commit = repo.find_commit(id)?;
        walked.seen += 1;
        if matches!(visit(&commit)?, Step::Stop) {
            walked.stopped = true;
            return Ok(walked);
        }
        for parent in parents(&commit)? {
            match repo.find_commit(parent) {
                Ok(found) if known.insert(parent) => {
                    order -= 1;
                    queue.push((found.time().seconds(), order, parent));
                }
                Ok(_) => {}
                Err(error) if error.code() == ErrorCode::NotFound => walked.missing = true,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(walked)
}

fn reaches(repo: &Repository, tip: Oid, wanted: Oid) -> Result<Answer<bool>, git2::Error> {
    let walked = walk(repo, tip, |commit| Ok(if commit.id() == wanted { Step::Stop } else { Step::On }))?;
    Ok(match walked {
        Walked { stopped: true, .. } => Answer::Known(true),
        Walked { missing: true, seen, .. } => Answer::TooShallow(seen),
        Walked { missing: false, .. } => Answer::Known(false),
    })
}

/// The commits that lead to `tip` and not to `since`, newest first.
fn between(repo: &Repository, tip: Oid, since: Oid) -> Result<Answer<Vec<Oid>>, git2::Error> {
    let mut revwalk = repo.revwalk()?;
    revwalk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
    revwalk.push(tip)?;
    if repo.find_commit(since).is_ok() {
        revwalk.hide(since)?;
    }
    let newer = revwalk.collect::<Result<Vec<_>, _>>()?;
    for &id in &newer {
        for parent in parents(&repo.find_commit(id)?)? {
            if repo.find_commit(parent).is_err() {
                return Ok(Answer::TooShallow(newer.len()));
            }
        }
    }
    Ok(Answer::Known(newer))
}

/// The parents by the commit's own text: libgit2's answer is cut at the shallow boundary.
pub(super) fn parents(commit: &git2::Commit<'_>) -> Result<Vec<Oid>, git2::Error> {
    let header = String::from_utf8_lossy(commit.raw_header_bytes());
    header.lines().filter_map(|line| line.strip_prefix("parent ")).map(Oid::from_str).collect()
}

fn entry(commit: &git2::Commit<'_>) -> Result<LogEntry, git2::Error> {
    let author = commit.author();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(LogEntry {
        id: commit.id().into(),
        parents: parents(commit)?.into_iter().map(CommitId::from).collect(),
        author_name: text(author.name_bytes()),
        author_email: text(author.email_bytes()),
        message: text(commit.message_bytes()),
        time: jiff::Timestamp::from_second(commit.time().seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
    })
}

fn changes_one_of(
    repo: &Repository,
    commit: &git2::Commit<'_>,
    paths: &[String],
) -> Result<bool, git2::Error> {
    let parents = parents(commit)?;
    for path in paths {
        let now = version(&commit.tree()?, path)?;
        let mut differs_from_all = true;
        for &parent in &parents {
            differs_from_all &= version(&repo.find_commit(parent)?.tree()?, path)? != now;
        }
        if differs_from_all && (now.is_some() || !parents.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn version(tree: &git2::Tree<'_>, path: &str) -> Result<Option<(Oid, i32)>, git2::Error> {
    match tree.get_path(std::path::Path::new(path)) {
        Ok(entry) => Ok(Some((entry.id(), entry.filemode()))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
