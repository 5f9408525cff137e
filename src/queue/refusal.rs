//! Why the queue does not allow a change.

use super::RunId;

/// Why the queue does not allow a change. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name is held under another identity.
    #[error(
        "environment `{name}` is known to this queue as branch `{theirs_branch}` of {theirs_repository}, not as branch `{mine_branch}` of {mine_repository}; use another name, or `datapin init` to change it while no run names it"
    )]
    Identity {
        /// Environment.
        name: String,
        /// What the queue says.
        theirs_repository: String,
        /// What the queue says.
        theirs_branch: String,
        /// What the configuration says.
        mine_repository: String,
        /// What the configuration says.
        mine_branch: String,
    },
    /// The same key is in the queue with other values of `--set`.
    #[error("run {run} of this CI pipeline is in the queue with another `--set`; cancel it first")]
    OtherSettings {
        /// That run.
        run: RunId,
    },
    /// The ticket is not in the queue.
    #[error("ticket #{number} is not in the queue")]
    Gone {
        /// Its number.
        number: u64,
    },
    /// Another driver acts for the ticket.
    #[error("{who} acts for this run now (epoch {epoch})")]
    TakenOver {
        /// That driver.
        who: String,
        /// Its epoch.
        epoch: u64,
    },
    /// It is not this ticket's turn.
    #[error("it is not the turn of #{number}")]
    NotItsTurn {
        /// Its number.
        number: u64,
    },
    /// The ticket lives: its driver wrote since it was looked at.
    #[error("the driver of #{number} is alive")]
    Alive {
        /// Its number.
        number: u64,
    },
    /// The ticket's state does not allow that.
    #[error("#{number} is {state}")]
    WrongState {
        /// Its number.
        number: u64,
        /// What it is.
        state: &'static str,
    },
    /// A report is about another try or another commit.
    #[error("this result is about another try or another commit; it is not written")]
    Stale,
    /// The environment is not known to the queue.
    #[error("environment `{name}` is not known to this queue; nothing was ever deployed there")]
    NoEnvironment {
        /// Its name.
        name: String,
    },
    /// A person's freeze is already there.
    #[error(
        "environment `{name}` is already frozen by {owner}: {reason}; `datapin queue thaw {name}` lifts that first"
    )]
    AlreadyFrozen {
        /// Its name.
        name: String,
        /// Who froze it.
        owner: String,
        /// Why.
        reason: String,
    },
    /// There is nothing to thaw.
    #[error("environment `{name}` is not frozen")]
    NotFrozen {
        /// Its name.
        name: String,
    },
    /// A freeze with open work is not a person's to lift.
    #[error(
        "environment `{name}` is frozen because {reason}; run `datapin rollback {name}` or `datapin reconcile`, which thaw it when they succeed, or thaw it with --force"
    )]
    WorkIsLeft {
        /// Its name.
        name: String,
        /// Why it is frozen.
        reason: String,
    },
}
