//! Drives one run from wherever its record says it is, to its end.

use std::future::Future;

use super::context::Context;
use super::fence::FenceError;
use super::journal::{Journal, Lost};
use super::step::{Step, after, step};
use crate::queue::{Cause, CauseKind, Outcome, RunKind, StageStep, State, Wish};

/// One driver of one run.
pub struct Driver {
    /// What it needs from outside.
    pub context: Context,
    /// The run's record.
    pub journal: Journal,
}

/// Why a step did not go well.
#[derive(Debug)]
pub enum Trouble {
    /// The run is taken back.
    Back(Cause),
    /// The run ends here: nothing was written, and nothing has to be.
    End(Outcome),
    /// This process stops here; the record says how far the run is.
    Halt(Halt),
}

/// Why this process stops before the run's end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Halt {
    /// It is not the driver any more.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// A second signal, or git out of reach for too long.
    #[error("stopped half-way: {0}; the next run or `datapin reconcile` finishes it")]
    Stopped(String),
}

impl From<Lost> for Trouble {
    fn from(lost: Lost) -> Self {
        Trouble::Halt(Halt::Lost(lost))
    }
}

impl Trouble {
    /// The run is taken back for this reason.
    pub fn back(kind: CauseKind, text: impl Into<String>) -> Self {
        Trouble::Back(Cause { kind, text: text.into() })
    }

    /// What a failed push means while there is something to take back, or nothing yet.
    pub fn fence(error: FenceError) -> Self {
        match error {
            FenceError::Lost(lost) => lost.into(),
            FenceError::OutOfReach { .. } => Trouble::Halt(Halt::Stopped(error.to_string())),
            // As long as nothing was pinned, nothing was written: it is safe to repeat.
            FenceError::Refused { .. } => Trouble::back(CauseKind::Unreachable, error.to_string()),
            FenceError::NoBranch(_) | FenceError::Files(_) | FenceError::Repo(_) => {
                Trouble::back(CauseKind::Deployment, error.to_string())
            }
        }
    }
}

impl Driver {
    /// Drives the run to its end, whatever that is.
    ///
    /// Every step leaves a record from which the next one, or another process, goes on.
    pub async fn drive(&self) -> Result<Outcome, Halt> {
        let _pulse = self.journal.pulse();
        loop {
            let now = step(&self.journal.ticket());
            tracing::debug!(step = ?now, "next step");
            if let Err(cause) = self.may_go(now) {
                self.turn(cause);
                continue;
            }
            let done = match now {
                Step::Wait => return Err(Halt::Stopped("the ticket waits again".to_owned())),
                Step::Begin => self.begin().await,
                Step::Pin { stage } => self.pin(stage).await.map(|()| self.went(stage, StageStep::Pin)),
                Step::Sync { stage } => self.sync(stage).await.map(|()| self.went(stage, StageStep::Sync)),
                Step::Gate { stage } => self.gate(stage).await.map(|()| self.went(stage, StageStep::Gate)),
                Step::Verify => self.verify().await,
                Step::Back => return self.back().await,
                Step::Close => return self.close().await,
            };
            match done {
                Ok(()) => {}
                Err(Trouble::Halt(halt)) => return Err(halt),
                Err(Trouble::Back(cause)) => self.turn(cause),
                Err(Trouble::End(outcome)) => return self.end(outcome, Vec::new()).await,
            }
        }
    }

    /// On its way forward a run pins, watches and judges only what this process's configuration says.
    pub(super) fn may_go(&self, next: Step) -> Result<(), Cause> {
        let ticket = self.journal.ticket();
        let forward = match next {
            Step::Wait | Step::Back | Step::Close => false,
            Step::Begin | Step::Pin { .. } | Step::Sync { .. } | Step::Gate { .. } | Step::Verify => true,
        };
        if !forward {
            return Ok(());
        }
        let not_allowed = |text: String| Cause { kind: CauseKind::NotAllowed, text };
        for part in ticket.parts() {
            let name = &part.identity.name;
            self.knows(&ticket, name).map_err(|why| not_allowed(format!("{name}: {why}")))?;
        }
        let changed = ticket.config != self.context.config.source.blob;
        match (&ticket.kind, &ticket.state) {
            (RunKind::Deploy, State::Deploying { .. }) if changed => {
                Err(not_allowed("the configuration changed since the run entered".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn went(&self, stage: usize, step: StageStep) {
        self.journal.note(|ticket| ticket.state = after(stage, step));
    }

    /// From here on everything is taken back. A rollback that fails has nothing else to go back to.
    pub(super) fn turn(&self, cause: Cause) {
        self.journal.note(|ticket| ticket.state = State::RollingBack { cause });
    }

    /// Runs work that may be dropped at any time, until it ends or somebody wants the run cancelled.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Trouble> {
        // A rollback is the way back already: a wish to cancel does not stop it half-way.
        if self.is_rollback() {
            return self.unless_stopped(work).await.map_err(Trouble::Halt);
        }
        tokio::select! {
            biased;
            lost = self.journal.lost() => Err(lost.into()),
            cause = self.cancelled() => Err(Trouble::Back(cause)),
            done = work => Ok(done),
        }
    }

    /// Whether the run is a rollback that somebody asked for.
    pub fn is_rollback(&self) -> bool {
        matches!(self.journal.ticket().kind, RunKind::Rollback { .. })
    }

    /// Runs work of a rollback: only a second signal and a lost epoch end it.
    pub async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            lost = self.journal.lost() => Err(lost.into()),
            () = self.context.signals.wait_for(2) => Err(Halt::Stopped("second signal".to_owned())),
            done = work => Ok(done),
        }
    }

    /// Fails if somebody wants the run cancelled; asked between effects.
    pub fn go_on(&self) -> Result<(), Trouble> {
        self.journal.held()?;
        match self.wish() {
            Some(cause) => Err(Trouble::Back(cause)),
            None => Ok(()),
        }
    }

    fn wish(&self) -> Option<Cause> {
        if self.is_rollback() {
            return None;
        }
        if self.context.signals.at_least(1) {
            return Some(Cause { kind: CauseKind::Cancelled, text: "cancelled by a signal".to_owned() });
        }
        self.journal.wish().map(cancelled_by)
    }

    async fn cancelled(&self) -> Cause {
        tokio::select! {
            () = self.context.signals.wait_for(1) => {
                Cause { kind: CauseKind::Cancelled, text: "cancelled by a signal".to_owned() }
            }
            wish = self.journal.cancelled() => cancelled_by(wish),
        }
    }
}

/// The cause that a wish to cancel is.
pub fn cancelled_by(wish: Wish) -> Cause {
    Cause { kind: CauseKind::Cancelled, text: format!("cancelled by {}: {}", wish.by, wish.reason) }
}
