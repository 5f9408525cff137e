//! Why a queue branch cannot be read or changed.

use super::super::Refusal;
use super::super::tree::TreeError;
use crate::repo::{CommitId, RepoError};

/// Why the queue branch cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such branch.
    #[error("the queue branch `{branch}` does not exist in {repository}; `datapin init` creates it{}", restore(.seen))]
    Missing {
        /// Branch.
        branch: String,
        /// Repository.
        repository: String,
        /// The tip that was seen before it went.
        seen: Option<CommitId>,
    },
    /// The branch does not descend from what was seen before.
    #[error(
        "the queue branch `{branch}` was rewritten: its tip {tip} does not descend from {seen}; restore it with `git push --force origin {seen}:refs/heads/{branch}`"
    )]
    Rewritten {
        /// Branch.
        branch: String,
        /// The tip that was seen before.
        seen: CommitId,
        /// The tip now.
        tip: CommitId,
    },
    /// The server does not allow the push.
    #[error(
        "the server refused a push to the queue branch `{branch}`, which this login needs the right for: {reason}"
    )]
    Refused {
        /// Branch.
        branch: String,
        /// The server's words.
        reason: String,
    },
    /// It could not be written in time.
    #[error("the queue branch `{branch}` could not be written for {seconds} s: {last}")]
    OutOfReach {
        /// Branch.
        branch: String,
        /// How long it was tried.
        seconds: u64,
        /// What was seen last.
        last: String,
    },
    /// Its files cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Git.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl StoreError {
    /// Whether it may go away although it looks final: who holds environments does not stop at the first 401.
    pub fn may_pass(&self) -> bool {
        match self {
            StoreError::Repo(error) | StoreError::Tree(TreeError::Repo(error)) => matches!(
                error,
                RepoError::Authentication { .. }
                    | RepoError::Tls { .. }
                    | RepoError::NotFound { .. }
                    | RepoError::Git { .. }
            ),
            _ => false,
        }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Repo(error) | StoreError::Tree(TreeError::Repo(error)) => error.is_transient(),
            StoreError::OutOfReach { .. } => true,
            StoreError::Missing { .. }
            | StoreError::Rewritten { .. }
            | StoreError::Refused { .. }
            | StoreError::Tree(TreeError::Newer { .. } | TreeError::Damaged { .. } | TreeError::NotAQueue) => {
                false
            }
        }
    }
}

fn restore(seen: &Option<CommitId>) -> String {
    match seen {
        Some(seen) => format!(", or restore it from {seen}"),
        None => String::new(),
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The rules do not allow it.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The branch could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
