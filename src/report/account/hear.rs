//! What each event changes in an account.

use jiff::Timestamp;

use super::{Account, EnvironmentAccount, GateAccount, ServiceAccount, StageAccount, Step, StepState};
use crate::event::{PinChange, Summary, What};
use crate::queue::{ServiceState, Verdict};
use crate::repo::CommitId;

/// What is said of a service that nobody waits for any more.
const GIVEN_UP: &str = "not waited for any more";

impl Account {
    pub(super) fn apply(&mut self, at: Timestamp, what: &What) {
        match what {
            What::Entered(entered) => {
                self.number = Some(entered.number);
                self.know(&entered.summary);
            }
            What::Started(summary) => {
                self.know(summary);
                self.started.get_or_insert(at);
            }
            What::Checked => _ = self.started.get_or_insert(at),
            What::Rendered(change) => self.rendered.push(change.clone()),
            What::Stage { index, environments, .. } => {
                let stage = self.stage(*index);
                environments.iter().for_each(|name| _ = environment_of(stage, name));
            }
            What::Pinned { environments, branch, commit, changes } => {
                self.pinned(at, environments, branch, commit, changes);
            }
            What::Service { environment, service, state, reason, log } => {
                self.service(environment, service).moved(at, *state, reason, log);
            }
            What::GateBegan { stage, gate, attempt } => self.gate(*stage, gate).began(at, *attempt),
            What::GateEnded { stage, gate, verdict, summary, url, log } => {
                let gate = self.gate(*stage, gate);
                gate.verdict = Some(*verdict);
                gate.url.clone_from(url);
                gate.step.end(at, state_of(*verdict), summary, log);
            }
            What::RollingBack { cause, .. } => {
                self.cause = Some(cause.clone());
                self.give_up(at);
            }
            What::Reverted { environments, branch, commit, .. } => {
                self.reverted(at, environments, branch, commit);
            }
            What::Verified { environments, .. } => {
                for name in environments {
                    self.environment(name).verified = Some(at);
                }
            }
            What::Frozen { environment, reason } => {
                self.environment(environment).frozen = Some(reason.clone());
            }
            What::Finished(finished) => {
                self.know(&finished.summary);
                self.ending = Some(finished.clone());
            }
            What::Adopted { environments, commit, .. } => {
                for name in environments {
                    self.environment(name).commit = Some(commit.clone());
                }
            }
            What::Waiting(_) | What::TakingOver { .. } | What::Promoting { .. } | What::Note { .. } => {}
        }
    }

    fn know(&mut self, summary: &Summary) {
        if self.summary.is_some() {
            return;
        }
        for (at, stage) in summary.stages.iter().enumerate() {
            for (name, services) in &stage.environments {
                let environment = environment_of(self.stage(at), name);
                services.iter().for_each(|service| _ = service_of(environment, service));
            }
            stage.gates.iter().for_each(|gate| _ = self.gate(at, gate));
        }
        self.summary = Some(summary.clone());
    }

    fn pinned(
        &mut self,
        at: Timestamp,
        names: &[String],
        branch: &str,
        commit: &CommitId,
        changes: &[PinChange],
    ) {
        for name in names {
            let environment = self.environment(name);
            environment.branch = branch.to_owned();
            environment.commit = Some(commit.clone());
            environment.changes = changes.iter().filter(|one| one.environment == *name).cloned().collect();
            environment.services.iter_mut().for_each(|service| service.deploy.begin(at));
        }
    }

    fn reverted(&mut self, at: Timestamp, names: &[String], branch: &str, commit: &CommitId) {
        for name in names {
            let environment = self.environment(name);
            environment.branch = branch.to_owned();
            environment.revert = Some(commit.clone());
            environment.services.iter_mut().for_each(|service| service.rollback.begin(at));
        }
    }

    /// What still runs on the way forward is not waited for any more.
    fn give_up(&mut self, at: Timestamp) {
        for stage in &mut self.stages {
            let services = stage.environments.iter_mut().flat_map(|one| &mut one.services);
            let steps = services.map(|service| &mut service.deploy);
            let gates = stage.gates.iter_mut().map(|gate| &mut gate.step);
            for step in steps.chain(gates).filter(|step| step.state == StepState::Running) {
                step.end(at, StepState::GivenUp, GIVEN_UP, &[]);
            }
        }
    }

    fn stage(&mut self, index: usize) -> &mut StageAccount {
        if self.stages.len() <= index {
            self.stages.resize_with(index + 1, StageAccount::default);
        }
        &mut self.stages[index]
    }

    fn gate(&mut self, stage: usize, name: &str) -> &mut GateAccount {
        let gates = &mut self.stage(stage).gates;
        let at = gates.iter().position(|gate| gate.name == name).unwrap_or_else(|| {
            gates.push(GateAccount { name: name.to_owned(), ..GateAccount::default() });
            gates.len() - 1
        });
        &mut gates[at]
    }

    /// One that no stage names belongs to the last.
    fn environment(&mut self, name: &str) -> &mut EnvironmentAccount {
        let has = |stage: &StageAccount| stage.environments.iter().any(|one| one.name == name);
        let at = self.stages.iter().position(has);
        let at = at.unwrap_or(self.stages.len().saturating_sub(1));
        environment_of(self.stage(at), name)
    }

    fn service(&mut self, environment: &str, name: &str) -> &mut ServiceAccount {
        service_of(self.environment(environment), name)
    }
}

impl ServiceAccount {
    fn moved(&mut self, at: Timestamp, state: ServiceState, reason: &str, log: &[String]) {
        match state {
            ServiceState::Pending => {}
            ServiceState::Syncing => self.deploy.run(at, reason),
            ServiceState::Deployed => self.deploy.end(at, StepState::Good, reason, log),
            ServiceState::Failed => self.deploy.end(at, StepState::Bad, reason, log),
            ServiceState::RollingBack => self.rollback.run(at, reason),
            ServiceState::RolledBack => self.rollback.end(at, StepState::Good, reason, log),
            ServiceState::RollbackFailed => self.rollback.end(at, StepState::Bad, reason, log),
        }
    }
}

impl GateAccount {
    fn began(&mut self, at: Timestamp, attempt: u32) {
        self.tries = attempt;
        self.step.began.get_or_insert(at);
        self.step.state = StepState::Running;
    }
}

impl Step {
    fn begin(&mut self, at: Timestamp) {
        if self.state == StepState::NotBegun {
            self.run(at, "");
        }
    }

    fn run(&mut self, at: Timestamp, reason: &str) {
        self.state = StepState::Running;
        self.began.get_or_insert(at);
        self.ended = None;
        reason.clone_into(&mut self.reason);
    }

    fn end(&mut self, at: Timestamp, state: StepState, reason: &str, log: &[String]) {
        self.state = state;
        self.ended = Some(at);
        reason.clone_into(&mut self.reason);
        if !log.is_empty() {
            self.log = log.to_vec();
        }
    }
}

fn state_of(verdict: Verdict) -> StepState {
    match verdict {
        Verdict::Passed => StepState::Good,
        Verdict::Warned => StepState::Warned,
        Verdict::Failed | Verdict::Errored | Verdict::TimedOut => StepState::Bad,
        Verdict::Skipped => StepState::NotBegun,
    }
}

fn environment_of<'a>(stage: &'a mut StageAccount, name: &str) -> &'a mut EnvironmentAccount {
    let known = &mut stage.environments;
    let at = known.iter().position(|one| one.name == name).unwrap_or_else(|| {
        known.push(EnvironmentAccount { name: name.to_owned(), ..EnvironmentAccount::default() });
        known.len() - 1
    });
    &mut known[at]
}

fn service_of<'a>(environment: &'a mut EnvironmentAccount, name: &str) -> &'a mut ServiceAccount {
    let known = &mut environment.services;
    let at = known.iter().position(|one| one.name == name).unwrap_or_else(|| {
        known.push(ServiceAccount { name: name.to_owned(), ..ServiceAccount::default() });
        known.len() - 1
    });
    &mut known[at]
}
