//! What a run does next, from its record alone.
//!
//! Pure. `deploy`, `resume`, a takeover and the next run in the line all drive a run by this.

use crate::queue::{RunKind, StageStep, State, Ticket};

/// What a run does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waits in the line.
    Wait,
    /// Checks everything, and announces the start.
    Begin,
    /// Pushes the pins of a stage.
    Pin {
        /// Stage.
        stage: usize,
    },
    /// Waits for the agent.
    Sync {
        /// Stage.
        stage: usize,
    },
    /// Runs the gates.
    Gate {
        /// Stage.
        stage: usize,
    },
    /// Looks once more, and writes the commit point.
    Verify,
    /// Takes everything back, and ends.
    Back,
    /// Records outside git, announces, ends.
    Close,
}

/// The step that the record asks for.
pub fn step(ticket: &Ticket) -> Step {
    match &ticket.state {
        State::Waiting => Step::Wait,
        State::Started => Step::Begin,
        State::Deploying { stage, .. } if *stage >= ticket.stages.len() => Step::Verify,
        State::Deploying { stage, step } => match step {
            StageStep::Pin => Step::Pin { stage: *stage },
            StageStep::Sync => Step::Sync { stage: *stage },
            StageStep::Gate => Step::Gate { stage: *stage },
        },
        State::Verified => Step::Close,
        State::RollingBack { .. } => Step::Back,
    }
}

/// The state after a stage's step went well.
pub fn after(stage: usize, step: StageStep) -> State {
    match step {
        StageStep::Pin => State::Deploying { stage, step: StageStep::Sync },
        StageStep::Sync => State::Deploying { stage, step: StageStep::Gate },
        StageStep::Gate => State::Deploying { stage: stage + 1, step: StageStep::Pin },
    }
}

/// Where a run goes that its driver left.
///
/// Forward after the commit point, back before it. A rollback has only one way: to its goal.
pub fn direction(ticket: &Ticket) -> crate::event::Direction {
    use crate::event::Direction;
    match (&ticket.kind, &ticket.state) {
        (RunKind::Rollback { .. }, _) | (RunKind::Deploy, State::Verified) => Direction::Forward,
        (RunKind::Deploy, _) => Direction::Back,
    }
}
