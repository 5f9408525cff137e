//! What the events said so far: the picture of a run.
//!
//! [`ViewState::hear`] is the only way to change it, and needs no order: an event about something that was
//! not announced adds it.

use jiff::Timestamp;

use crate::event::{Event, Finished, PinChange, Summary, Waiting, What};
use crate::queue::{Cause, RunId, ServiceState, Verdict};

/// The runs that were heard of: first this process's own, then those that it took over.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ViewState {
    runs: Vec<RunView>,
    shown: usize,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Its id.
    pub run: RunId,
    /// Number of its ticket, where it is known.
    pub number: Option<u64>,
    /// What it is about, where it is known.
    pub summary: Option<Summary>,
    /// How far it is.
    pub phase: Phase,
    /// Its stages.
    pub stages: Vec<StageView>,
    /// When the present wait or the work began.
    pub began: Timestamp,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// In the queue; its place isn't known yet.
    Entered,
    /// In the queue.
    Waiting(Waiting),
    /// It works on its stages.
    Working,
    /// It takes everything back.
    RollingBack(Cause),
    /// The commit point is behind it.
    Verified,
    /// It ended.
    Finished(Box<Ended>),
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// How.
    pub finished: Finished,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StageView {
    /// Its environments.
    pub environments: Vec<EnvironmentView>,
    /// Its gates.
    pub gates: Vec<GateView>,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When something else began.
    pub ended: Option<Timestamp>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentView {
    /// Name.
    pub name: String,
    /// Its services.
    pub services: Vec<ServiceView>,
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceView {
    /// Name.
    pub name: String,
    /// How far it is.
    pub state: ServiceState,
    /// Why; may be empty.
    pub reason: String,
    /// Why it did not come up, also when it is taken back by now.
    pub failure: Option<String>,
}

/// One gate.
#[derive(Debug, Clone, PartialEq)]
pub struct GateView {
    /// Name.
    pub name: String,
    /// How far it is.
    pub state: GateState,
}

/// How far a gate is.
#[derive(Debug, Clone, PartialEq)]
pub enum GateState {
    /// Not begun.
    Waiting,
    /// It runs.
    Running {
        /// Since when.
        since: Timestamp,
        /// Try, from 1.
        attempt: u32,
    },
    /// It ended.
    Ended {
        /// What came out.
        verdict: Verdict,
        /// In one line.
        summary: String,
        /// How long its last try took, in words; empty if it never began.
        took: String,
    },
}

impl ViewState {
    /// Takes an event in.
    pub fn hear(&mut self, event: &Event) {
        self.shown = self.find(&event.run, event.at);
        if let What::TakingOver { left, number, .. } = &event.what {
            let at = self.find(left, event.at);
            self.runs[at].number = Some(*number);
        }
        self.runs[self.shown].apply(event.at, &event.what);
    }

    /// The run that the last event was about.
    pub fn shown(&self) -> Option<&RunView> {
        self.runs.get(self.shown)
    }

    /// Whether that is this process's own run, not one that it took over.
    pub fn is_own(&self) -> bool {
        self.shown == 0
    }

    fn find(&mut self, run: &RunId, at: Timestamp) -> usize {
        self.runs.iter().position(|known| known.run == *run).unwrap_or_else(|| {
            self.runs.push(RunView::new(run.clone(), at));
            self.runs.len() - 1
        })
    }
}

impl RunView {
    fn new(run: RunId, at: Timestamp) -> Self {
        Self { run, number: None, summary: None, phase: Phase::Entered, stages: Vec::new(), began: at }
    }

    /// Whether it came to work on a stage.
    pub fn has_begun(&self) -> bool {
        self.stages.iter().any(|stage| stage.began.is_some())
    }

    fn apply(&mut self, at: Timestamp, what: &What) {
        match what {
            What::Entered(entered) => {
                self.number = Some(entered.number);
                self.know(&entered.summary);
            }
            What::Waiting(waiting) => self.phase = Phase::Waiting(waiting.clone()),
            What::Started(summary) => {
                self.know(summary);
                self.begin(at);
            }
            What::Checked => self.begin(at),
            What::Stage { index, environments, .. } => self.stage(at, *index, environments),
            What::Pinned { environments, changes, .. } => self.pinned(environments, changes),
            What::Service { environment, service, state, reason, .. } => {
                self.service(environment, service, *state, reason);
            }
            What::GateBegan { stage, gate, attempt } => {
                self.gate(*stage, gate).state = GateState::Running { since: at, attempt: *attempt };
            }
            What::GateEnded { stage, gate, verdict, summary, .. } => {
                self.gate(*stage, gate).end(at, *verdict, summary);
            }
            What::RollingBack { cause, .. } => {
                self.end_stages(at);
                self.phase = Phase::RollingBack(cause.clone());
            }
            What::Verified { .. } => {
                self.end_stages(at);
                self.phase = Phase::Verified;
            }
            What::Finished(finished) => {
                self.end_stages(at);
                self.know(&finished.summary);
                self.phase = Phase::Finished(Box::new(Ended { at, finished: finished.clone() }));
            }
            What::TakingOver { .. }
            | What::Adopted { .. }
            | What::Rendered(_)
            | What::Promoting { .. }
            | What::Reverted { .. }
            | What::Frozen { .. }
            | What::Note { .. } => {}
        }
    }

    fn know(&mut self, summary: &Summary) {
        if self.summary.is_none() {
            for (at, stage) in summary.stages.iter().enumerate() {
                for (environment, services) in &stage.environments {
                    let view = environment_of(self.stage_at(at), environment);
                    services.iter().for_each(|service| _ = service_of(view, service));
                }
                stage.gates.iter().for_each(|gate| _ = self.gate(at, gate));
            }
        }
        self.summary = Some(summary.clone());
    }

    /// The clock begins again when the wait is over.
    fn begin(&mut self, at: Timestamp) {
        if matches!(self.phase, Phase::Entered | Phase::Waiting(_)) {
            self.began = at;
            self.phase = Phase::Working;
        }
    }

    fn stage(&mut self, at: Timestamp, index: usize, environments: &[String]) {
        self.begin(at);
        self.end_stages(at);
        let stage = self.stage_at(index);
        stage.began = Some(at);
        stage.ended = None;
        for name in environments {
            environment_of(stage, name);
        }
    }

    /// A pinned service waits for the agent, also before it is first heard of.
    fn pinned(&mut self, environments: &[String], changes: &[PinChange]) {
        for change in changes {
            self.service_named(&change.environment, &change.service);
        }
        let parts = self.stages.iter_mut().flat_map(|stage| &mut stage.environments);
        for part in parts.filter(|part| environments.contains(&part.name)) {
            for service in part.services.iter_mut().filter(|one| one.state == ServiceState::Pending) {
                service.state = ServiceState::Syncing;
            }
        }
    }

    fn service(&mut self, environment: &str, service: &str, state: ServiceState, reason: &str) {
        let view = self.service_named(environment, service);
        view.state = state;
        view.reason = reason.to_owned();
        match state {
            ServiceState::Failed => view.failure = Some(reason.to_owned()),
            ServiceState::Deployed => view.failure = None,
            ServiceState::Pending
            | ServiceState::Syncing
            | ServiceState::RollingBack
            | ServiceState::RolledBack
            | ServiceState::RollbackFailed => {}
        }
    }

    fn service_named(&mut self, environment: &str, service: &str) -> &mut ServiceView {
        let at = self.stages.iter().position(|stage| stage.has(environment));
        let at = at.unwrap_or(self.stages.len().saturating_sub(1));
        service_of(environment_of(self.stage_at(at), environment), service)
    }

    fn gate(&mut self, stage: usize, name: &str) -> &mut GateView {
        let gates = &mut self.stage_at(stage).gates;
        let at = gates.iter().position(|gate| gate.name == name).unwrap_or_else(|| {
            gates.push(GateView { name: name.to_owned(), state: GateState::Waiting });
            gates.len() - 1
        });
        &mut gates[at]
    }

    fn stage_at(&mut self, index: usize) -> &mut StageView {
        if self.stages.len() <= index {
            self.stages.resize_with(index + 1, StageView::default);
        }
        &mut self.stages[index]
    }

    fn end_stages(&mut self, at: Timestamp) {
        for stage in self.stages.iter_mut().filter(|stage| stage.began.is_some()) {
            stage.ended.get_or_insert(at);
        }
    }
}

impl StageView {
    fn has(&self, environment: &str) -> bool {
        self.environments.iter().any(|view| view.name == environment)
    }

    /// Its environments: `dt, total-dt`.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.environments.iter().map(|view| view.name.as_str()).collect();
        names.join(", ")
    }

    /// Its services in all environments.
    pub fn services(&self) -> impl Iterator<Item = &ServiceView> {
        self.environments.iter().flat_map(|environment| &environment.services)
    }
}

impl GateView {
    fn end(&mut self, at: Timestamp, verdict: Verdict, summary: &str) {
        let took = match &self.state {
            GateState::Running { since, .. } => super::words::between(*since, at),
            GateState::Ended { took, .. } => took.clone(),
            GateState::Waiting => String::new(),
        };
        self.state = GateState::Ended { verdict, summary: summary.to_owned(), took };
    }
}

fn environment_of<'a>(stage: &'a mut StageView, name: &str) -> &'a mut EnvironmentView {
    let views = &mut stage.environments;
    let at = views.iter().position(|view| view.name == name).unwrap_or_else(|| {
        views.push(EnvironmentView { name: name.to_owned(), services: Vec::new() });
        views.len() - 1
    });
    &mut views[at]
}

fn service_of<'a>(environment: &'a mut EnvironmentView, name: &str) -> &'a mut ServiceView {
    let views = &mut environment.services;
    let at = views.iter().position(|view| view.name == name).unwrap_or_else(|| {
        let state = ServiceState::Pending;
        views.push(ServiceView { name: name.to_owned(), state, reason: String::new(), failure: None });
        views.len() - 1
    });
    &mut views[at]
}
