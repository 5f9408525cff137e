//! A file in the past of a branch.

use git2::{Oid, Repository};
use jiff::Timestamp;

use super::history::{Answer, parents, version};
use super::{CommitId, Repo, RepoError};

/// A file as it was written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// the commit that wrote it so
    pub commit: CommitId,
    /// when, by the committer's clock
    pub time: Timestamp,
    /// its content
    pub bytes: Vec<u8>,
}

impl Repo {
    /// The versions of a file that is or was on the branch, oldest first: those of the last time that it was there.
    /// First parents are walked from `tip`, back to where the file came from, and no further than to `since`. Fetches
    /// deeper as far as that needs.
    ///
    /// Returns none if it was not there since then.
    ///
    /// # Errors
    /// Those of the exchange; `NoSuchCommit` if `tip` is not on the branch.
    pub fn versions(
        &self,
        branch: &str,
        tip: &CommitId,
        path: &str,
        since: Timestamp,
    ) -> Result<Vec<Version>, RepoError> {
        self.deepen_until(branch, tip, |repo, tip| back(repo, tip, path, since.as_second()))
    }
}

/// Each step looks at two trees only, so that ten thousand are walked in the blink of an eye.
fn back(repo: &Repository, tip: Oid, path: &str, since: i64) -> Result<Answer<Vec<Version>>, git2::Error> {
    let mut found: Vec<(Oid, i64, Oid)> = Vec::new();
    let (mut next, mut seen) = (Some(tip), 0);
    while let Some(id) = next {
        let commit = match repo.find_commit(id) {
            Ok(commit) => commit,
            Err(error) if error.code() == git2::ErrorCode::NotFound && seen > 0 => {
                return Ok(Answer::TooShallow(seen));
            }
            Err(error) => return Err(error),
        };
        seen += 1;
        let time = commit.time().seconds();
        match (version(&commit.tree()?, path)?, found.last_mut()) {
            // the oldest commit that has this content wrote it
            (Some((blob, _)), Some(last)) if last.2 == blob => *last = (id, time, blob),
            (Some((blob, _)), _) => found.push((id, time, blob)),
            (None, Some(_)) => break,
            (None, None) => {}
        }
        next = if time < since { None } else { parents(&commit)?.first().copied() };
    }
    let read = |&(id, time, blob): &(Oid, i64, Oid)| {
        Ok(Version {
            commit: id.into(),
            time: Timestamp::from_second(time).unwrap_or(Timestamp::UNIX_EPOCH),
            bytes: repo.find_blob(blob)?.content().to_owned(),
        })
    };
    found.iter().rev().map(read).collect::<Result<_, git2::Error>>().map(Answer::Known)
}
