//! The fence: the one way to push to a target branch.
//!
//! 1. fetch the branch's tip and make the commit on it, locally;
//! 2. write the intent (parent, commit, epoch) on the queue, which fails if the epoch is gone;
//! 3. push it, expecting exactly that parent.
//!
//! The order is the proof: `tests/it/model.rs` breaks when 1 and 2 change places.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::journal::{Journal, Lost};
use crate::plan::FilesError;
use crate::queue::{Action, EnvironmentPart, Fate, Intent, PinRecord, blocking, judge};
use crate::repo::{Change, CommitId, CommitTime, Pipelines, PushOptions, PushOutcome, Repo, RepoError};

/// The environments that one commit is for: those of a stage that share a target branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Index of the stage.
    pub stage: usize,
    /// Target branch.
    pub branch: String,
    /// Environments.
    pub environments: Vec<String>,
}

/// What is to be pushed onto a tip.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// Changed files; empty if there is nothing to change.
    pub changes: Vec<Change>,
    /// Message of the commit.
    pub message: String,
    /// By environment: what the record has to know before the push.
    pub pins: Vec<(String, Vec<PinRecord>)>,
}

/// How it went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// This commit is on the branch now.
    Pushed {
        /// Commit.
        commit: CommitId,
        /// First line of its message.
        subject: String,
    },
    /// There was nothing to change at this tip, and nothing is left that could still land.
    Unchanged {
        /// Tip.
        tip: CommitId,
    },
}

/// Why nothing was pushed.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// This driver lost the run.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The server does not allow it.
    #[error("the server refused the push to `{branch}`, which this login needs the right for: {reason}")]
    Refused {
        /// Branch.
        branch: String,
        /// The server's words.
        reason: String,
    },
    /// The branch is gone.
    #[error("branch `{0}` does not exist any more")]
    NoBranch(String),
    /// The files cannot be read or changed.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Git is out of reach.
    #[error("git was out of reach for {seconds} s: {last}")]
    OutOfReach {
        /// How long it was tried.
        seconds: u64,
        /// What was seen last.
        last: String,
    },
    /// Git.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// Makes what is to be pushed from the files at a tip and the record.
pub type Make = Arc<dyn Fn(&Repo, &CommitId, &[EnvironmentPart]) -> Result<Made, FilesError> + Send + Sync>;

/// Brings one commit onto a target branch, or finds that nothing has to be changed.
///
/// Every open intent of the group is judged first, and none is left open: either it landed, or the branch has
/// moved past its parent, or an empty commit moves it.
pub async fn pass(
    context: &Context,
    journal: &Journal,
    group: &Group,
    action: Action,
    limit: Duration,
    make: Make,
) -> Result<Passed, FenceError> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let last = match once(context, journal, group, action, &make).await {
            Ok(Turn::Passed(passed)) => return Ok(passed),
            Ok(Turn::Again(why)) => why,
            Err(error) if again(&error, action) => error.to_string(),
            Err(error) => return Err(error),
        };
        if begun.elapsed() >= limit {
            // A process that was stopped finds its time over, and perhaps another driver at work.
            match journal.confirm().await {
                Ok(()) | Err(Lost::OutOfReach(_)) => {}
                Err(lost) => return Err(lost.into()),
            }
            return Err(FenceError::OutOfReach { seconds: begun.elapsed().as_secs(), last });
        }
        tracing::debug!(branch = group.branch, last, "push is tried again");
        let enough = match action {
            Action::Pin => 1,
            Action::Revert | Action::Settle => 2,
        };
        tokio::select! {
            () = context.signals.wait_for(enough) => {
                return Err(FenceError::OutOfReach { seconds: begun.elapsed().as_secs(), last });
            }
            () = tokio::time::sleep(pause.mul_f32(0.5 + fastrand::f32())) => {}
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Whether an error may go away. The way back is tried longer: only what is certain ends it before its limit.
fn again(error: &FenceError, action: Action) -> bool {
    match error {
        FenceError::Lost(Lost::OutOfReach(_)) => true,
        FenceError::Repo(error) | FenceError::Files(FilesError::Repo(error)) => {
            let passing = matches!(
                error,
                RepoError::Authentication { .. }
                    | RepoError::Tls { .. }
                    | RepoError::NotFound { .. }
                    | RepoError::Git { .. }
            );
            error.is_transient() || (action != Action::Pin && passing)
        }
        FenceError::Lost(_)
        | FenceError::Refused { .. }
        | FenceError::NoBranch(_)
        | FenceError::Files(_)
        | FenceError::OutOfReach { .. } => false,
    }
}

enum Turn {
    Passed(Passed),
    Again(String),
}

async fn once(
    context: &Context,
    journal: &Journal,
    group: &Group,
    action: Action,
    make: &Make,
) -> Result<Turn, FenceError> {
    journal.held()?;
    let (tip, parts) = look(context, journal, group).await?;
    let (repo, make, at) = (context.target.clone(), make.clone(), tip.clone());
    let given = parts.clone();
    let mut made = blocking(move || make(&repo, &at, &given)).await?;
    let mut action = action;
    if made.changes.is_empty() {
        if !parts.iter().any(|part| part.open().next().is_some()) {
            return Ok(Turn::Passed(Passed::Unchanged { tip }));
        }
        action = Action::Settle;
        made.message = settle_message(&journal.ticket(), group);
    }
    let (repo, parent, message) = (context.target.clone(), tip.clone(), made.message.clone());
    let changes = std::mem::take(&mut made.changes);
    let commit = blocking(move || repo.commit(Some(&parent), &changes, &message, CommitTime::Now)).await?;
    intend(journal, group, action, &tip, &commit, &made.pins).await?;
    push(context, journal, group, &tip, commit, action, &made.message).await
}

fn settle_message(ticket: &crate::queue::Ticket, group: &Group) -> String {
    format!(
        "data({}): settle an interrupted push\n\nEmpty on purpose: a push that was under way can never land after it.\n\nDatapin-Run: {}\n",
        group.environments.join(","),
        ticket.run
    )
}

/// The tip, and the record with every intent judged by it.
async fn look(
    context: &Context,
    journal: &Journal,
    group: &Group,
) -> Result<(CommitId, Vec<EnvironmentPart>), FenceError> {
    let mut parts = parts_of(journal, group);
    let (repo, branch) = (context.target.clone(), group.branch.clone());
    let (tip, parts) = blocking(move || -> Result<_, FenceError> {
        let tip = repo.fetch(&branch)?.ok_or_else(|| FenceError::NoBranch(branch.clone()))?;
        for intent in parts.iter_mut().flat_map(|part| &mut part.intents) {
            if intent.fate == Fate::Open {
                let landed = repo.contains(&branch, &tip, &intent.commit, &intent.parent)?;
                intent.fate = judge(intent, &tip, landed);
            }
        }
        Ok((tip, parts))
    })
    .await?;
    journal.note(|ticket| {
        for part in ticket.parts_mut() {
            if let Some(judged) = parts.iter().find(|judged| judged.identity == part.identity) {
                part.intents.clone_from(&judged.intents);
            }
        }
    });
    Ok((tip, parts))
}

fn parts_of(journal: &Journal, group: &Group) -> Vec<EnvironmentPart> {
    let ticket = journal.ticket();
    group.environments.iter().filter_map(|name| ticket.part(name).cloned()).collect()
}

async fn intend(
    journal: &Journal,
    group: &Group,
    action: Action,
    parent: &CommitId,
    commit: &CommitId,
    pins: &[(String, Vec<PinRecord>)],
) -> Result<(), Lost> {
    let epoch = journal.epoch();
    let word = match action {
        Action::Pin => "pin",
        Action::Revert => "revert",
        Action::Settle => "settle",
    };
    let subject = format!("{word} {} on {}", commit.short(), group.branch);
    journal
        .decide(&subject, |ticket| {
            for part in ticket.parts_mut().filter(|part| group.environments.contains(&part.identity.name)) {
                part.intents.push(Intent {
                    action,
                    parent: parent.clone(),
                    commit: commit.clone(),
                    epoch,
                    fate: Fate::Open,
                });
                if let Some((_, pins)) = pins.iter().find(|(name, _)| *name == part.identity.name) {
                    part.pins.clone_from(pins);
                }
            }
        })
        .await
}

async fn push(
    context: &Context,
    journal: &Journal,
    group: &Group,
    tip: &CommitId,
    commit: CommitId,
    action: Action,
    message: &str,
) -> Result<Turn, FenceError> {
    let (repo, branch) = (context.target.clone(), group.branch.clone());
    let (parent, pushed) = (tip.clone(), commit.clone());
    let options = PushOptions { pipelines: Pipelines::Run };
    let outcome = blocking(move || -> Result<PushOutcome, RepoError> {
        Ok(repo.push(&branch, &pushed, Some(&parent), &options))
    })
    .await?;
    match outcome {
        PushOutcome::Updated => {
            settle(journal, group, &commit, Fate::Done);
            let subject = message.lines().next().unwrap_or_default().to_owned();
            match action {
                Action::Settle => Ok(Turn::Again("settled".to_owned())),
                Action::Pin | Action::Revert => Ok(Turn::Passed(Passed::Pushed { commit, subject })),
            }
        }
        PushOutcome::LostRace { detail } => Ok(Turn::Again(detail)),
        PushOutcome::Refused { reason } => {
            settle(journal, group, &commit, Fate::Dead);
            Err(FenceError::Refused { branch: group.branch.clone(), reason })
        }
        PushOutcome::Unknown { detail } => Ok(Turn::Again(detail)),
        PushOutcome::Unreachable { error } => Err(error.into()),
    }
}

fn settle(journal: &Journal, group: &Group, commit: &CommitId, fate: Fate) {
    journal.note(|ticket| {
        for part in ticket.parts_mut().filter(|part| group.environments.contains(&part.identity.name)) {
            for intent in part.intents.iter_mut().filter(|intent| intent.commit == *commit) {
                intent.fate = fate;
            }
        }
    });
}
