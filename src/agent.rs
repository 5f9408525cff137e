//! GitOps agents: what they say about a service after a commit.
//!
//! An [`Agent`] is asked a [`Question`] again and again and answers with an [`Observation`];
//! [`wait`] says what follows from a row of them. [`Agent::follow`] does the asking for one service: it knows
//! when asking again is worth it. [`Agent::ready`] says before the first write what would stand in the way.

mod after;
mod answer;
pub mod argocd;
pub mod cause;
mod error;
pub mod flux;
mod follow;
pub mod kinds;
mod live;
mod readiness;
pub mod repository;
pub mod wait;
pub mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::cluster::{Clusters, Right};
use crate::config;
use crate::process::{self, Ended, Program};
use crate::repo::CommitId;

pub use answer::{BadAnswer, read};
pub use argocd::ArgoCdAgent;
pub use error::ObservationError;
pub use flux::FluxAgent;
pub use follow::Following;
pub use readiness::Finding;
pub use repository::Repository;
pub use workload::WorkloadAgent;

use workload::Need;

/// Bytes of an answer that are kept; a longer one is no answer.
const KEEP: usize = 1024 * 1024;
/// Lines of a failed agent's complaints that are shown.
const COMPLAINTS: usize = 5;

/// What is asked about one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// Dataset.
    pub dataset: String,
    /// Data version that it should run.
    pub version: String,
    /// Commit that it should run.
    pub commit: CommitId,
    /// Pins of the service at that commit.
    pub pins: Vec<PinFact>,
}

/// A pin and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinFact {
    /// File in the repository.
    pub file: String,
    /// Path of the scalar.
    pub path: String,
    /// Its value.
    pub value: String,
}

/// Whether the agent has applied a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Not yet.
    Pending,
    /// It has.
    Synced,
    /// It can't.
    Failed,
}

/// How the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// On its way.
    Progressing,
    /// Good.
    Healthy,
    /// Bad.
    Degraded,
    /// The agent can't tell.
    Unknown,
}

/// What an agent says about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The commit that it speaks of; `None` if it knows none yet.
    pub revision: Option<CommitId>,
    /// Whether that is applied.
    pub sync: Sync,
    /// How the service is.
    pub health: Health,
    /// Why, in one line; may be empty.
    pub reason: String,
    /// Last log lines; may be empty.
    pub log: Vec<String>,
}

impl Question {
    /// A question before there is a commit: its id is all zeros, as git says "none".
    pub fn of_no_commit(environment: &str, service: &str, dataset: &str, version: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            service: service.to_owned(),
            dataset: dataset.to_owned(),
            version: version.to_owned(),
            commit: CommitId::none(),
            pins: Vec::new(),
        }
    }

    /// What the service's pins hold at that commit; the version where it has none.
    pub fn values(&self) -> Vec<String> {
        let mut values: Vec<String> = self.pins.iter().map(|pin| pin.value.clone()).collect();
        values.sort();
        values.dedup();
        if values.is_empty() { vec![self.version.clone()] } else { values }
    }
}

/// What an agent is asked about, and with what.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Environment.
    pub environment: String,
    /// The repository and branch that are pushed to.
    pub repository: Repository,
    /// Connections to clusters.
    pub clusters: Clusters,
}

impl Surroundings {
    /// A template of the configuration with the facts of what is asked.
    fn filled(&self, template: &str, question: &Question) -> String {
        let facts = config::Facts {
            dataset: &question.dataset,
            environment: &self.environment,
            service: Some(&question.service),
            version: None,
        };
        config::fill(template, &facts)
    }
}

/// An agent of one environment.
#[derive(Debug, Clone)]
pub enum Agent {
    /// A program that is asked.
    Command(CommandAgent),
    /// Argo CD.
    ArgoCd(ArgoCdAgent),
    /// Flux.
    Flux(FluxAgent),
    /// What running pods carry.
    Workload {
        /// Which.
        agent: WorkloadAgent,
        /// Pause between two looks where nothing is told by itself.
        interval: Duration,
    },
}

impl Agent {
    /// The agent of an environment. `lookup` reads the environment variables that a program gets; `own` is the
    /// running program, which the command name `datapin` stands for.
    pub fn from_config(
        agent: &config::Agent,
        surroundings: Surroundings,
        lookup: impl Fn(&str) -> Option<String>,
        own: &Path,
    ) -> Self {
        match agent {
            config::Agent::Command { command, interval, timeout, pass } => Agent::Command(CommandAgent {
                command: command.clone(),
                environment: surroundings.environment,
                interval: *interval,
                timeout: *timeout,
                env: process::base_env(pass, lookup),
                own: own.to_owned(),
            }),
            config::Agent::ArgoCd(settings) => Agent::ArgoCd(ArgoCdAgent::new(settings, surroundings)),
            config::Agent::Flux(settings) => Agent::Flux(FluxAgent::new(settings, surroundings)),
            config::Agent::Workload { workload, interval } => Agent::Workload {
                agent: WorkloadAgent::new(workload, surroundings, &workload.access),
                interval: *interval,
            },
        }
    }

    /// Pause between two questions where nothing is told by itself.
    pub fn interval(&self) -> Duration {
        match self {
            Agent::Command(agent) => agent.interval,
            Agent::ArgoCd(agent) => agent.interval(),
            Agent::Flux(agent) => agent.interval(),
            Agent::Workload { interval, .. } => *interval,
        }
    }

    /// Observation errors in a row that end the wait of a deployment. A cluster's API is away for a minute when
    /// it is upgraded; a program that fails stays broken.
    pub fn patience(&self) -> u32 {
        const PROGRAM: u32 = 5;
        const AWAY: Duration = Duration::from_mins(2);
        match self {
            Agent::Command(_) => PROGRAM,
            Agent::ArgoCd(_) | Agent::Flux(_) | Agent::Workload { .. } => {
                let rounds = AWAY.as_millis() / self.interval().as_millis().max(1);
                u32::try_from(rounds).unwrap_or(u32::MAX).max(PROGRAM)
            }
        }
    }

    /// The wait for one service, not begun yet.
    pub fn follow(&self, question: Question) -> Following {
        Following::new(self, question)
    }

    /// What stands in the way of deploying these services; `files` are those that a commit would change for
    /// each. Only reads.
    pub async fn ready(&self, wants: &[Want]) -> Vec<Finding> {
        match self {
            Agent::Command(agent) => agent.findable().err().into_iter().map(Finding::Wrong).collect(),
            Agent::ArgoCd(agent) => agent.ready(wants).await,
            Agent::Flux(agent) => agent.ready(wants).await,
            Agent::Workload { agent, .. } => {
                let all = wants.iter().map(|want| agent.ready(&want.question, None, Need::Itself));
                futures_util::future::join_all(all).await.into_iter().flatten().collect()
            }
        }
    }

    /// How the cluster is reached, and the rights that are needed in it to wait for these services, by cluster.
    pub async fn rights(&self, wants: &[Want]) -> Vec<(config::ClusterAccess, Vec<Right>)> {
        match self {
            Agent::Command(_) => Vec::new(),
            Agent::ArgoCd(agent) => agent.rights(wants).await,
            Agent::Flux(agent) => agent.rights(wants).await,
            Agent::Workload { agent, .. } => {
                let mut rights = Vec::new();
                for want in wants {
                    rights.extend(agent.rights(&want.question, None).await);
                }
                vec![(agent.access().clone(), rights)]
            }
        }
    }
}

/// A service that is going to be deployed.
#[derive(Debug, Clone)]
pub struct Want {
    /// What is going to be asked; its commit is the tip as it is now.
    pub question: Question,
    /// Files that the commit may change for it.
    pub files: Vec<String>,
}

/// A program that is asked once per service and interval: question on stdin, answer on stdout, both JSON.
#[derive(Debug, Clone)]
pub struct CommandAgent {
    command: Vec<String>,
    environment: String,
    interval: Duration,
    timeout: Duration,
    env: Vec<(String, String)>,
    own: PathBuf,
}

#[derive(Serialize)]
struct Asked<'a> {
    api: u32,
    #[serde(flatten)]
    question: &'a Question,
}

impl CommandAgent {
    /// Whether its program is there: nobody should begin what it would have to watch.
    fn findable(&self) -> Result<(), String> {
        let argv = process::fill_all(&self.command, &[], &self.own);
        let found = argv
            .first()
            .map_or(Err(process::ProcessError::Empty), |program| process::findable(program, &self.env));
        found.map_err(|error| error.to_string())
    }

    /// What it says now. Dropping the future stops the asking.
    ///
    /// # Errors
    /// When its word could not be had: that says nothing about the service.
    pub async fn observe(&self, question: &Question) -> Result<Observation, ObservationError> {
        let argv = self.argv(question);
        let finished = process::run(Program {
            argv: &argv,
            env: self.env.clone(),
            stdin: Some(serde_json::json!(Asked { api: answer::API, question }).to_string().into_bytes()),
            timeout: self.timeout,
            keep: KEEP,
            cwd: None,
        })
        .await?;
        let program = argv.into_iter().next().unwrap_or_default();
        let stderr = finished.stderr.last_lines(COMPLAINTS);
        match finished.ended {
            Ended::Exited { code: 0 } => {
                read(&finished.stdout).map_err(|source| ObservationError::Answer { program, source })
            }
            Ended::Exited { code } => Err(ObservationError::Exit { program, code, stderr }),
            Ended::Signalled { signal } => Err(ObservationError::Signal { program, signal, stderr }),
            Ended::TimedOut => Err(ObservationError::TimedOut { program, after: self.timeout }),
        }
    }

    fn argv(&self, question: &Question) -> Vec<String> {
        let facts = [
            ("environment", self.environment.as_str()),
            ("service", &question.service),
            ("dataset", &question.dataset),
            ("version", &question.version),
        ];
        process::fill_all(&self.command, &facts, &self.own)
    }
}
