//! What is asked for, as the ticket that enters the queue.

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use crate::config::{Config, OnNewer, Pipeline};
use crate::queue::{
    Adopted, Announced, Carried, Driver, EnvironmentPart, FrozenBy, GateRecord, Identity, Lives, Priority,
    Rejection, RunId, RunKind, ServiceRecord, ServiceState, Setting, StageRecord, State, Ticket, Times,
    Unknown,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// What to do.
    pub kind: RunKind,
    /// Pipeline; empty for a rollback.
    pub pipeline: String,
    /// Dataset.
    pub dataset: String,
    /// Version; empty for a rollback, which finds it.
    pub version: String,
    /// Values of `--set`.
    pub set: Vec<Setting>,
    /// What people had committed, where it is about that.
    pub adopts: Option<Adopted>,
    /// Place in the line.
    pub priority: Priority,
    /// What happens to waiting runs of the same pipeline.
    pub on_newer: OnNewer,
    /// Stages: environments and gates.
    pub stages: Vec<(Vec<String>, Vec<String>)>,
    /// Try of the same key.
    pub attempt: u32,
    /// Number of the ticket that it rejoins; 0 for a new one.
    pub number: u64,
    /// The key that it rejoins with; `None` means the one of its CI pipeline, or one of its own.
    pub key: Option<String>,
    /// How it shows that it is alive.
    pub lives: Lives,
}

impl Order {
    /// A deployment of a pipeline.
    pub fn deployment(pipeline: &Pipeline, version: &str, set: Vec<Setting>) -> Self {
        Self {
            kind: RunKind::Deploy,
            pipeline: pipeline.name.clone(),
            dataset: pipeline.dataset.clone(),
            version: version.to_owned(),
            set,
            adopts: None,
            priority: Priority::Normal,
            on_newer: pipeline.on_newer,
            stages: pipeline
                .stages
                .iter()
                .map(|stage| (stage.environments.clone(), stage.gates.clone()))
                .collect(),
            attempt: 1,
            number: 0,
            key: None,
            lives: Lives::Process,
        }
    }

    /// A rollback of one environment.
    pub fn rollback(
        environment: &str,
        dataset: &str,
        to: Option<String>,
        reject: Rejection,
        frozen: FrozenBy,
    ) -> Self {
        Self {
            kind: RunKind::Rollback { to: to.clone(), mends: None, reject, left: None, frozen },
            pipeline: String::new(),
            dataset: dataset.to_owned(),
            version: to.unwrap_or_else(|| "last verified".to_owned()),
            set: Vec::new(),
            adopts: None,
            priority: Priority::Rollback,
            on_newer: OnNewer::Queue,
            stages: vec![(vec![environment.to_owned()], Vec::new())],
            attempt: 1,
            number: 0,
            key: None,
            lives: Lives::Process,
        }
    }

    /// Fixes the version that a rollback goes to.
    pub fn go_to(&mut self, version: &str) {
        if let RunKind::Rollback { to, .. } = &mut self.kind {
            *to = Some(version.to_owned());
            self.version = version.to_owned();
        }
    }

    /// A rollback that finishes what a run left in a frozen environment.
    pub fn mending(environment: &str, carried: &Carried) -> Self {
        let mut order = Self::rollback(environment, &carried.dataset, None, Rejection::Keep, FrozenBy::Obey);
        if let RunKind::Rollback { mends, .. } = &mut order.kind {
            *mends = Some(carried.run.clone());
        }
        order
    }

    /// The order of a ticket that is in the queue: entering with it rejoins.
    pub fn of(ticket: &Ticket) -> Self {
        Self {
            kind: ticket.kind.clone(),
            pipeline: ticket.pipeline.clone(),
            dataset: ticket.dataset.clone(),
            version: ticket.version.clone(),
            set: ticket.set.clone(),
            adopts: ticket.adopts.clone(),
            priority: ticket.priority,
            on_newer: OnNewer::Queue,
            stages: ticket
                .stages
                .iter()
                .map(|stage| {
                    let names = stage.environments.iter().map(|part| part.identity.name.clone());
                    let gates = stage.gates.iter().map(|gate| gate.name.clone());
                    (names.collect(), gates.collect())
                })
                .collect(),
            attempt: ticket.attempt,
            number: ticket.number,
            key: Some(ticket.key.clone()),
            lives: Lives::Process,
        }
    }

    /// The ticket that enters for it.
    pub fn ticket(&self, context: &Context) -> Ticket {
        let run = RunId::generate();
        Ticket {
            schema: 1,
            key: self.key(context, &run),
            run,
            number: 0,
            kind: self.kind.clone(),
            pipeline: self.pipeline.clone(),
            dataset: self.dataset.clone(),
            version: self.version.clone(),
            set: self.set.clone(),
            adopts: self.adopts.clone(),
            actor: self.adopts.as_ref().map_or(&context.actor[..], Adopted::author).to_owned(),
            ci: context.ci.clone(),
            config: context.config.source.blob.clone(),
            priority: self.priority,
            driver: Driver { epoch: 0, who: context.who.clone(), beat: 0 },
            lives: self.lives.clone(),
            state: State::Waiting,
            stages: self.stages.iter().map(|stage| self.stage(context, stage)).collect(),
            attempt: self.attempt,
            notify: Announced::default(),
            cancel: None,
            fault: None,
            idle: None,
            times: Times { entered: Timestamp::now(), started: None, verified: None },
            unknown: Unknown::new(),
        }
    }

    /// In CI the pipeline names the run, so that a retried job keeps its place; elsewhere each run is new. Where people
    /// committed, their commit names it, whoever finds it.
    fn key(&self, context: &Context, run: &RunId) -> String {
        if let Some(key) = &self.key {
            return key.clone();
        }
        if let Some(adopted) = &self.adopts {
            let names: Vec<&str> = adopted.pins.keys().map(String::as_str).collect();
            let (repository, names) = (&context.identity, names.join(","));
            return format!("adopt:{repository}:{names}:{}:{}", self.dataset, adopted.commit);
        }
        match &context.ci {
            Some(ci) => {
                let title = match self.kind {
                    RunKind::Deploy => self.pipeline.clone(),
                    RunKind::Rollback { .. } => format!("rollback {}", self.stages[0].0.join(" ")),
                };
                format!("{}:{title}:{}:{}", ci.pipeline, self.dataset, self.version)
            }
            None => run.to_string(),
        }
    }

    fn stage(&self, context: &Context, (environments, gates): &(Vec<String>, Vec<String>)) -> StageRecord {
        let config = &context.config;
        let gate = |name: &String| GateRecord {
            name: name.clone(),
            verdict: None,
            summary: String::new(),
            url: String::new(),
            asks: config
                .gates
                .get(name)
                .filter(|gate| gate.asks_a_person())
                .map(|gate| SignedDuration::try_from(gate.timeout).unwrap_or(SignedDuration::MAX)),
            approval: None,
            seen: None,
        };
        StageRecord {
            environments: environments
                .iter()
                .map(|name| part(context.plan_target().identity(config, name), config, &self.dataset))
                .collect(),
            gates: gates.iter().map(gate).collect(),
        }
    }
}

fn part(identity: Identity, config: &Config, dataset: &str) -> EnvironmentPart {
    let services = config
        .services(&identity.name, dataset)
        .into_iter()
        .map(|name| ServiceRecord { name, state: ServiceState::Pending, reason: String::new() })
        .collect();
    EnvironmentPart {
        identity,
        intents: Vec::new(),
        goal: None,
        pins: Vec::new(),
        commit: None,
        revert: None,
        package: None,
        services,
        unknown: Unknown::new(),
    }
}
