//! Exit codes: the contract with CI jobs and scripts.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// 0: verified, or nothing to do.
    Ok,
    /// 1: a bug or damage; the journal says how far it came.
    Damage,
    /// 2: bad usage, configuration or input; nothing was touched.
    Usage,
    /// 3: an outside system could not be reached or refused before anything was written; safe to repeat.
    Unreachable,
    /// 10: deployment failed or timed out, everything rolled back.
    DeploymentFailed,
    /// 11: a required gate failed, errored or timed out, everything rolled back.
    GateFailed,
    /// 12: rollback failed; a person is needed, environments are frozen.
    RollbackFailed,
    /// 13: superseded or withdrawn.
    Superseded,
    /// 14: gave up waiting in the queue.
    GaveUpWaiting,
    /// 15: not allowed now: frozen, rejected, `requires` not met.
    NotAllowed,
    /// 16: cancelled, everything rolled back.
    Cancelled,
    /// 17: verified, but a record outside git could not be written.
    NotRecorded,
    /// 18: another driver took this run.
    TakenOver,
    /// 19: stopped half-way; the next run or `reconcile` finishes it.
    Stopped,
    /// 20: `step` only: this step failed, and a rollback follows.
    StepFailed,
    /// 21: `step` only: a gate failed that may.
    GateWarned,
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Damage => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::DeploymentFailed => 10,
            Exit::GateFailed => 11,
            Exit::RollbackFailed => 12,
            Exit::Superseded => 13,
            Exit::GaveUpWaiting => 14,
            Exit::NotAllowed => 15,
            Exit::Cancelled => 16,
            Exit::NotRecorded => 17,
            Exit::TakenOver => 18,
            Exit::Stopped => 19,
            Exit::StepFailed => 20,
            Exit::GateWarned => 21,
        }
    }
}

impl Exit {
    /// All of them.
    pub const ALL: [Exit; 16] = [
        Exit::Ok,
        Exit::Damage,
        Exit::Usage,
        Exit::Unreachable,
        Exit::DeploymentFailed,
        Exit::GateFailed,
        Exit::RollbackFailed,
        Exit::Superseded,
        Exit::GaveUpWaiting,
        Exit::NotAllowed,
        Exit::Cancelled,
        Exit::NotRecorded,
        Exit::TakenOver,
        Exit::Stopped,
        Exit::StepFailed,
        Exit::GateWarned,
    ];

    /// The worst of several ends, by how much a person is needed; `Ok` if there is none. What a job may end with all the
    /// same, that something is not recorded, hides nothing else.
    pub fn worst(ends: impl IntoIterator<Item = Exit>) -> Exit {
        ends.into_iter().min_by_key(|exit| exit.rank()).unwrap_or(Exit::Ok)
    }

    fn rank(self) -> u8 {
        match self {
            Exit::RollbackFailed => 0,
            Exit::TakenOver => 1,
            Exit::Stopped => 2,
            Exit::Cancelled => 3,
            Exit::Superseded => 4,
            Exit::NotAllowed => 5,
            Exit::GateFailed => 6,
            Exit::DeploymentFailed => 7,
            Exit::Damage => 8,
            Exit::Unreachable => 9,
            Exit::Usage => 10,
            Exit::GaveUpWaiting => 11,
            Exit::StepFailed => 12,
            Exit::GateWarned => 13,
            Exit::NotRecorded => 14,
            Exit::Ok => 15,
        }
    }

    /// How a process ended that ended with this number; a signal or any other number is damage.
    pub fn from_code(code: Option<i32>) -> Self {
        Self::ALL.into_iter().find(|exit| Some(i32::from(exit.code())) == code).unwrap_or(Exit::Damage)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
