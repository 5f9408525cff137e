//! Why a run did not come to an outcome, and the exit code that this stands for.

use std::path::PathBuf;

use super::driver::Halt;
use super::journal::Lost;
use super::outside::OutsideError;
use crate::config::UnknownName;
use crate::exit::Exit;
use crate::plan::{FilesError, PlanError};
use crate::queue::{ChangeError, Outcome, Refusal, StoreError, TreeError};
use crate::render::RenderError;

/// Why a run did not come to an outcome in this process.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration has no such thing.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// What was asked for is not possible.
    #[error("{0}")]
    Usage(String),
    /// It is not allowed now.
    #[error("{0}")]
    NotAllowed(String),
    /// An agent could not be asked.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody stopped it before it entered the queue.
    #[error("cancelled by a signal while it was planned; nothing was written")]
    Cancelled,
    /// Nothing could be planned.
    #[error(transparent)]
    Outside(#[from] OutsideError),
    /// The queue could not be changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The queue could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another driver took the run.
    #[error("{by} took this run over{}", outcome.as_ref().map(|outcome| format!("; it ended: {}", outcome.word())).unwrap_or_default())]
    TakenOver {
        /// Who.
        by: String,
        /// How it ended there, if it has.
        outcome: Option<Outcome>,
    },
    /// The queue was damaged under a holder.
    #[error("{reason}; this run's record is in {}: keep it until the queue is restored", record.display())]
    Damaged {
        /// What happened.
        reason: String,
        /// Where the record was saved.
        record: PathBuf,
    },
    /// This process stopped half-way.
    #[error("stopped half-way: {0}; the next run or `datapin reconcile` finishes it")]
    Stopped(String),
}

impl From<Halt> for RunError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Lost(Lost::TakenOver { who, .. }) => RunError::TakenOver { by: who, outcome: None },
            Halt::Lost(lost) => RunError::Stopped(lost.to_string()),
            Halt::Stopped(reason) => RunError::Stopped(reason),
        }
    }
}

impl RunError {
    /// The exit code that it stands for.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Unknown(_) | RunError::Usage(_) => Exit::Usage,
            RunError::NotAllowed(_) => Exit::NotAllowed,
            RunError::Unreachable(_) => Exit::Unreachable,
            RunError::Cancelled => Exit::Cancelled,
            RunError::Outside(OutsideError::Plan(PlanError::Files {
                source: FilesError::Repo(error),
                ..
            })) => repo_exit(error),
            RunError::Outside(OutsideError::Plan(_)) => Exit::Usage,
            RunError::Outside(OutsideError::Repo(error) | OutsideError::Render(RenderError::Repo(error))) => {
                repo_exit(error)
            }
            RunError::Outside(OutsideError::Data(error)) => data_exit(error),
            RunError::Outside(OutsideError::Render(RenderError::Program { .. })) => Exit::Usage,
            RunError::Outside(OutsideError::Render(RenderError::Scratch { .. })) => Exit::Unreachable,
            RunError::Outside(OutsideError::Store(error))
            | RunError::Store(error)
            | RunError::Change(ChangeError::Store(error)) => store_exit(error),
            RunError::Change(ChangeError::Refusal(refusal)) => refusal_exit(refusal),
            RunError::TakenOver { .. } => Exit::TakenOver,
            RunError::Damaged { .. } => Exit::Damage,
            RunError::Stopped(_) => Exit::Stopped,
        }
    }
}

fn data_exit(error: &crate::data::DataError) -> Exit {
    if error.is_of_package() { Exit::NotAllowed } else { Exit::Unreachable }
}

fn repo_exit(error: &crate::repo::RepoError) -> Exit {
    use crate::repo::RepoError;
    match error {
        RepoError::BadLocation { .. }
        | RepoError::OutsideRepository { .. }
        | RepoError::SymlinkInPath { .. }
        | RepoError::Submodule { .. }
        | RepoError::IsDirectory { .. } => Exit::Usage,
        RepoError::Damaged { .. } | RepoError::UnplannedPaths { .. } => Exit::Damage,
        _ => Exit::Unreachable,
    }
}

fn store_exit(error: &StoreError) -> Exit {
    match error {
        // A holder's is `RunError::Damaged`.
        StoreError::Missing { .. } | StoreError::Tree(TreeError::Newer { .. } | TreeError::NotAQueue) => {
            Exit::Usage
        }
        StoreError::Rewritten { .. } | StoreError::Tree(TreeError::Damaged { .. }) => Exit::Damage,
        StoreError::Refused { .. } | StoreError::OutOfReach { .. } => Exit::Unreachable,
        StoreError::Tree(TreeError::Repo(error)) | StoreError::Repo(error) => repo_exit(error),
    }
}

fn refusal_exit(refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::Identity { .. }
        | Refusal::OtherSettings { .. }
        | Refusal::NoEnvironment { .. }
        | Refusal::NotFrozen { .. } => Exit::Usage,
        Refusal::AlreadyFrozen { .. } | Refusal::WorkIsLeft { .. } => Exit::NotAllowed,
        Refusal::TakenOver { .. } => Exit::TakenOver,
        Refusal::Gone { .. }
        | Refusal::NotItsTurn { .. }
        | Refusal::Alive { .. }
        | Refusal::WrongState { .. }
        | Refusal::Stale => Exit::NotAllowed,
    }
}
