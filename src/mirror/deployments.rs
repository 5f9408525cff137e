//! Which deployments a run should have: one for each environment that was pinned, and one of its own for each that was
//! taken back.

use crate::gitlab::DeploymentStatus;
use crate::queue::CauseKind;
use crate::report::account::{Account, EnvironmentAccount, StepState};

/// A deployment that should be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Which one of this process.
    pub key: String,
    pub environment: String,
    pub commit: String,
    pub branch: String,
    pub status: DeploymentStatus,
}

/// GitLab wants to know the branch: of an adopted commit it is known once the commit is watched.
pub(super) fn wanted(account: &Account) -> Vec<Shown> {
    let known = account.environments().filter(|environment| !environment.branch.is_empty());
    known.flat_map(|environment| of(environment, account)).collect()
}

fn of(environment: &EnvironmentAccount, account: &Account) -> Vec<Shown> {
    let forward = environment.commit.as_ref().map(|commit| (commit, "pin", forward(environment, account)));
    let back = environment.revert.as_ref().map(|commit| (commit, "revert", back(environment, account)));
    forward
        .into_iter()
        .chain(back)
        .map(|(commit, what, status)| Shown {
            key: format!("{} {} {what} {commit}", account.run, environment.name),
            environment: environment.name.clone(),
            commit: commit.to_string(),
            branch: environment.branch.clone(),
            status,
        })
        .collect()
}

fn forward(environment: &EnvironmentAccount, account: &Account) -> DeploymentStatus {
    match (&environment.verified, &account.cause) {
        (Some(_), _) => DeploymentStatus::Success,
        (None, Some(cause)) if cause.kind == CauseKind::Cancelled => DeploymentStatus::Canceled,
        (None, Some(_)) => DeploymentStatus::Failed,
        (None, None) if account.is_over() => DeploymentStatus::Failed,
        (None, None) => DeploymentStatus::Running,
    }
}

fn back(environment: &EnvironmentAccount, account: &Account) -> DeploymentStatus {
    let states = || environment.services.iter().map(|service| service.rollback.state);
    if states().any(|state| state == StepState::Bad) || environment.frozen.is_some() {
        DeploymentStatus::Failed
    } else if states().all(|state| state == StepState::Good) {
        DeploymentStatus::Success
    } else if account.is_over() {
        DeploymentStatus::Failed
    } else {
        DeploymentStatus::Running
    }
}
