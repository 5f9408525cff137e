//! The branch's own line: first parents only, so that what a merge brought is one change.

use std::collections::HashSet;

use git2::ErrorCode;

use super::{Answer, LogEntry, between, entry, parents, version};
use crate::repo::{CommitId, Repo, RepoError};

impl Repo {
    /// The commits of the line (each the first parent of the one before) that are not in the history of `since`, newest
    /// first. The parents of all of them are here afterwards.
    ///
    /// # Errors
    /// Those of the exchange; `NoSuchCommit` if `tip` is not on the branch.
    pub fn line(&self, branch: &str, tip: &CommitId, since: &CommitId) -> Result<Vec<LogEntry>, RepoError> {
        self.deepen_until(branch, tip, |repo, tip| {
            let newer = match between(repo, tip, since.oid()?)? {
                Answer::Known(newer) => newer.into_iter().collect::<HashSet<_>>(),
                Answer::TooShallow(seen) => return Ok(Answer::TooShallow(seen)),
            };
            let (mut line, mut next) = (Vec::new(), Some(tip));
            while let Some(id) = next.filter(|id| newer.contains(id)) {
                let commit = repo.find_commit(id)?;
                line.push(entry(&commit)?);
                next = parents(&commit)?.first().copied();
            }
            Ok(Answer::Known(line))
        })
    }

    /// The newest commit of the line up to `tip` that changes one of the files against its first parent, which is here
    /// afterwards; `None` if there is none but the first commit.
    ///
    /// # Errors
    /// Those of the exchange; `NoSuchCommit` if `tip` is not on the branch.
    pub fn last_on_line(
        &self,
        branch: &str,
        tip: &CommitId,
        files: &[String],
    ) -> Result<Option<LogEntry>, RepoError> {
        self.deepen_until(branch, tip, |repo, tip| {
            let (mut at, mut seen) = (tip, 0);
            loop {
                let commit = repo.find_commit(at)?;
                seen += 1;
                let Some(parent) = parents(&commit)?.first().copied() else { return Ok(Answer::Known(None)) };
                let before = match repo.find_commit(parent) {
                    Ok(before) => before.tree()?,
                    Err(error) if error.code() == ErrorCode::NotFound => return Ok(Answer::TooShallow(seen)),
                    Err(error) => return Err(error),
                };
                let after = commit.tree()?;
                for file in files {
                    if version(&before, file)? != version(&after, file)? {
                        return Ok(Answer::Known(Some(entry(&commit)?)));
                    }
                }
                at = parent;
            }
        })
    }
}
