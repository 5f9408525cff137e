//! Which commit statuses a run should have.

use crate::event::What;
use crate::gitlab::StatusState;
use crate::queue::ServiceState;
use crate::report::account::{Account, EnvironmentAccount, GateAccount, StageAccount, Step, StepState};
use crate::report::{clean, link};

/// What a status is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A service on its way to the version: environment and name.
    Deploy(String, String),
    /// The same on its way back.
    Rollback(String, String),
    /// A gate: index of its stage and name.
    Gate(usize, String),
}

impl Subject {
    /// What an event moves, if that has a status.
    pub(super) fn of(what: &What) -> Option<Self> {
        match what {
            What::Service { environment, service, state, .. } => {
                let (environment, service) = (environment.clone(), service.clone());
                match state {
                    ServiceState::Pending => None,
                    ServiceState::Syncing | ServiceState::Deployed | ServiceState::Failed => {
                        Some(Subject::Deploy(environment, service))
                    }
                    ServiceState::RollingBack | ServiceState::RolledBack | ServiceState::RollbackFailed => {
                        Some(Subject::Rollback(environment, service))
                    }
                }
            }
            What::GateBegan { stage, gate, .. } | What::GateEnded { stage, gate, .. } => {
                Some(Subject::Gate(*stage, gate.clone()))
            }
            _ => None,
        }
    }
}

/// A status that should be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub subject: Subject,
    /// `abn/mds`, `abn/gate e2e-test`, `abn/mds rollback`.
    pub name: String,
    pub state: StatusState,
    /// The commit of the run that it is about, once there is one.
    pub commit: Option<String>,
    pub branch: String,
    pub url: String,
    pub description: String,
}

/// A status for everything that has begun. What is skipped has none: it would only be noise.
pub(super) fn wanted(account: &Account) -> Vec<Wanted> {
    let mut found = Vec::new();
    for (index, stage) in account.stages.iter().enumerate() {
        for environment in &stage.environments {
            services(environment, account, &mut found);
        }
        found.extend(stage.gates.iter().filter_map(|gate| of_gate(index, stage, gate, account)));
    }
    found
}

fn services(environment: &EnvironmentAccount, account: &Account, found: &mut Vec<Wanted>) {
    let pinned = environment.commit.as_ref();
    for service in &environment.services {
        let name = format!("{}/{}", environment.name, service.name);
        let back = format!("{name} rollback");
        let own = || (environment.name.clone(), service.name.clone());
        let (to, from) = (own(), own());
        let both = [
            (Subject::Deploy(to.0, to.1), name, &service.deploy, pinned),
            (Subject::Rollback(from.0, from.1), back, &service.rollback, environment.revert.as_ref()),
        ];
        for (subject, name, step, commit) in both {
            let Some(state) = state(step, account) else { continue };
            found.push(Wanted {
                subject,
                name: clean::one_line(&name).into_owned(),
                state,
                commit: commit.map(ToString::to_string),
                branch: environment.branch.clone(),
                url: url(account),
                description: clean::one_line(&step.reason).into_owned(),
            });
        }
    }
}

fn of_gate(index: usize, stage: &StageAccount, gate: &GateAccount, account: &Account) -> Option<Wanted> {
    let of = stage.environments.iter().find(|environment| environment.commit.is_some());
    let warned = if gate.step.state == StepState::Warned { "warned, and is allowed to: " } else { "" };
    Some(Wanted {
        subject: Subject::Gate(index, gate.name.clone()),
        name: clean::one_line(&format!("{}/gate {}", stage.names(), gate.name)).into_owned(),
        state: state(&gate.step, account)?,
        commit: of.and_then(|environment| environment.commit.as_ref()).map(ToString::to_string),
        branch: of.map(|environment| environment.branch.clone()).unwrap_or_default(),
        url: link::web(&gate.url).unwrap_or_else(|| url(account)),
        description: clean::one_line(&format!("{warned}{}", gate.step.reason)).into_owned(),
    })
}

/// A gate that only warned is a success here: a failed status would fail the pipeline of a run that goes on.
fn state(step: &Step, account: &Account) -> Option<StatusState> {
    match step.state {
        StepState::NotBegun => None,
        StepState::Running if account.is_over() => Some(StatusState::Canceled),
        StepState::Running => Some(StatusState::Running),
        StepState::Good | StepState::Warned => Some(StatusState::Success),
        StepState::Bad => Some(StatusState::Failed),
        StepState::GivenUp => Some(StatusState::Canceled),
    }
}

/// The pipeline of the run, for people who click.
fn url(account: &Account) -> String {
    account.summary.as_ref().and_then(|about| link::web(&about.url)).unwrap_or_default()
}
