//! Quality gates: is an environment good with what was deployed to it?
//!
//! A *verdict* is a gate's word about the environment; an *error* is that it could not tell. Errors are
//! tried again, verdicts are not. [`GateRunner`] runs one gate, [`run_stage`] those of a stage.

mod afterwards;
mod command;
mod gitlab;
mod http;
mod job;
mod manual;
mod prometheus;
mod stage;

use std::path::Path;
use std::time::Duration;

use crate::cluster::{ClusterError, Clusters, Right};
use crate::config::{self, ClusterAccess, GateKind, Requirement, SecretError};
use crate::gitlab::{GitLab, SettingsError};
use crate::process;
use crate::queue::Verdict;
use crate::repo::CommitId;

pub use afterwards::settled;
pub use http::HttpError;
pub use job::ManifestError;
pub use manual::{Answers, unanswered};
pub use stage::{GateEvent, run_stage};

/// How long the end of a command waits until what a stopped gate had begun is cancelled.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Longest summary, in characters.
const SUMMARY: usize = 200;
/// Lines of each output that are shown.
const LOG: usize = 20;

/// What a gate is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Run.
    pub run: String,
    /// Pipeline.
    pub pipeline: String,
    /// Dataset.
    pub dataset: String,
    /// Data version.
    pub version: String,
    /// Index of the stage, from 0.
    pub stage: usize,
    /// Environments of the stage.
    pub environments: Vec<String>,
    /// The commit that each environment runs.
    pub commits: Vec<(String, CommitId)>,
    /// Services that were deployed.
    pub services: Vec<String>,
    /// Who asked for the run.
    pub actor: String,
    /// Link to the CI pipeline; may be empty.
    pub url: String,
}

impl Facts {
    /// The environments as one word or, where a stage has several, as several.
    fn environment(&self) -> String {
        self.environments.join(" ")
    }
}

/// What came out of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Verdict.
    pub verdict: Verdict,
    /// In one line; never empty.
    pub summary: String,
    /// Link for people; may be empty.
    pub url: String,
    /// Last lines of its output.
    pub log: Vec<String>,
}

impl Report {
    fn without_output(verdict: Verdict, summary: impl Into<String>) -> Self {
        Self { verdict, summary: summary.into(), url: String::new(), log: Vec::new() }
    }
}

/// Why a gate can't be run at all. Known before anything is deployed.
#[derive(Debug, thiserror::Error)]
#[error("gate `{gate}`: {source}")]
pub struct GateError {
    /// Gate.
    pub gate: String,
    /// Why.
    pub source: GateFault,
}

/// Why a gate can't be run at all.
#[derive(Debug, thiserror::Error)]
pub enum GateFault {
    /// Its requests can't be sent.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It needs GitLab, and there is none.
    #[error(transparent)]
    GitLab(#[from] SettingsError),
    /// A secret can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its manifest can't be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// One attempt.
struct Attempt {
    report: Report,
    again: Again,
}

/// Whether an error may be gone when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    MayHelp,
    InVain,
}

impl Attempt {
    fn ended(report: Report) -> Self {
        Self { report, again: Again::MayHelp }
    }
}

/// A gate, ready to run.
#[derive(Debug, Clone)]
pub struct GateRunner {
    name: String,
    work: Work,
    timeout: Duration,
    requirement: Requirement,
    after: Vec<String>,
    retries: u32,
    back_off: Duration,
}

#[derive(Debug, Clone)]
enum Work {
    Command(command::CommandGate),
    Http(http::HttpGate),
    Job(Box<job::JobGate>),
    GitLab(Box<gitlab::PipelineGate>),
    Prometheus(prometheus::PrometheusGate),
    Manual(manual::ManualGate),
}

impl GateRunner {
    /// The gate as configured. `lookup` reads environment variables: those that a program gets, secrets of
    /// headers, `https_proxy`, `http_proxy` and `no_proxy`. `own` is the running program, which the command
    /// name `datapin` stands for; `clusters` are the process's connections.
    ///
    /// # Errors
    /// When a header's secret can't be had, header, method or proxy are malformed, or a manifest is no Job.
    pub fn from_config(
        gate: &config::Gate,
        lookup: impl Fn(&str) -> Option<String>,
        own: &Path,
        clusters: &Clusters,
    ) -> Result<Self, GateError> {
        let failed = |source: GateFault| GateError { gate: gate.name.clone(), source };
        let work = match &gate.kind {
            GateKind::Command { command, pass } => Work::Command(command::CommandGate {
                command: command.clone(),
                env: process::base_env(pass, lookup),
                own: own.to_owned(),
            }),
            GateKind::Http { url, method, headers } => {
                let made = http::HttpGate::new(url, method, headers, &lookup);
                Work::Http(made.map_err(|error| failed(error.into()))?)
            }
            GateKind::KubernetesJob(settings) => {
                let made = job::JobGate::new(settings, clusters);
                Work::Job(Box::new(made.map_err(|error| failed(error.into()))?))
            }
            GateKind::GitLabPipeline(settings) => {
                let made = gitlab::PipelineGate::new(settings, &lookup);
                Work::GitLab(Box::new(made.map_err(|error| failed(error.into()))?))
            }
            GateKind::Prometheus(settings) => {
                let made = prometheus::PrometheusGate::new(settings, &lookup);
                Work::Prometheus(made.map_err(|error| failed(error.into()))?)
            }
            GateKind::Manual { who, protected_by: _ } => {
                Work::Manual(manual::ManualGate { who: who.clone(), answers: None })
            }
        };
        Ok(Self {
            name: gate.name.clone(),
            work,
            timeout: gate.timeout,
            requirement: gate.requirement,
            after: gate.after.clone(),
            retries: gate.retries,
            back_off: Duration::from_secs(1),
        })
    }

    /// Whether its program is there; a gate that needs none always is.
    ///
    /// # Errors
    /// It is not: nobody should begin what it would have to judge.
    pub fn findable(&self) -> Result<(), process::ProcessError> {
        match &self.work {
            Work::Command(gate) => process::fill_all(&gate.command, &[], &gate.own)
                .first()
                .map_or(Err(process::ProcessError::Empty), |program| process::findable(program, &gate.env)),
            Work::Http(_) | Work::Job(_) | Work::GitLab(_) | Work::Prometheus(_) | Work::Manual(_) => Ok(()),
        }
    }

    /// The same gate with GitLab's API; a `gitlab-pipeline` can't run without.
    ///
    /// # Errors
    /// It needs GitLab, and there is none.
    pub fn with_gitlab(mut self, gitlab: &Result<GitLab, SettingsError>) -> Result<Self, GateError> {
        if let Work::GitLab(gate) = &mut self.work {
            let gitlab = gitlab.as_ref().map_err(|error| GateError {
                gate: self.name.clone(),
                source: GateFault::GitLab(error.clone()),
            })?;
            gate.reach(gitlab);
        }
        Ok(self)
    }

    /// The same gate with another first time between two looks at a pipeline (2 s otherwise).
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        if let Work::GitLab(gate) = &mut self.work {
            gate.interval = interval;
        }
        self
    }

    /// The same gate with another first pause before an error is tried again (1 s otherwise).
    #[must_use]
    pub fn with_back_off(self, back_off: Duration) -> Self {
        Self { back_off, ..self }
    }

    /// The same gate with another time that a pod may wait for its image or a node (30 s and 5 min otherwise).
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        if let Work::Job(gate) = &mut self.work {
            gate.patience = job::Patience { image: patience, node: patience };
        }
        self
    }

    /// The same gate, which hears people's answers.
    #[must_use]
    pub fn with_answers(mut self, answers: Answers) -> Self {
        if let Work::Manual(gate) = &mut self.work {
            gate.answers = Some(answers);
        }
        self
    }

    /// Who is asked by a manual gate, and for how long; `None` if it is none.
    pub fn asks(&self) -> Option<(Option<&str>, Duration)> {
        match &self.work {
            Work::Manual(gate) => Some((gate.who.as_deref(), self.timeout)),
            Work::Command(_) | Work::Http(_) | Work::Job(_) | Work::GitLab(_) | Work::Prometheus(_) => None,
        }
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs one attempt, counted from 1. The verdict is the gate's own: whether it is allowed to fail is
    /// not looked at. Dropping the future ends it.
    pub async fn run(&self, facts: &Facts, attempt: u32) -> Report {
        self.attempt(facts, attempt).await.report
    }

    async fn attempt(&self, facts: &Facts, attempt: u32) -> Attempt {
        match &self.work {
            Work::Command(gate) => Attempt::ended(gate.run(&self.name, facts, attempt, self.timeout).await),
            Work::Http(gate) => Attempt::ended(gate.run(facts, self.timeout).await),
            Work::Job(gate) => gate.run(&self.name, facts, attempt, self.timeout).await,
            Work::GitLab(gate) => gate.run(&self.name, facts, attempt, self.timeout).await,
            Work::Prometheus(gate) => gate.run(facts, self.timeout).await,
            Work::Manual(gate) => Attempt::ended(gate.run(&self.name, self.timeout).await),
        }
    }

    /// What it needs of a cluster; nothing if it runs in none.
    ///
    /// # Errors
    /// The cluster's login can't be had.
    pub async fn rights(&self) -> Result<Option<(ClusterAccess, Vec<Right>)>, ClusterError> {
        match &self.work {
            Work::Job(gate) => gate.rights().await.map(Some),
            Work::Command(_) | Work::Http(_) | Work::GitLab(_) | Work::Prometheus(_) | Work::Manual(_) => {
                Ok(None)
            }
        }
    }

    /// Whether what it would ask is there. Only reads; an `http` gate is not tried, its request may do things.
    ///
    /// # Errors
    /// It is not, in words.
    pub async fn probe(&self) -> Result<(), String> {
        match &self.work {
            Work::Command(_) => self.findable().map_err(|error| error.to_string()),
            Work::Http(_) | Work::Manual(_) => Ok(()),
            Work::Job(gate) => gate.probe().await.map_err(|error| error.to_string()),
            Work::GitLab(gate) => gate.probe().await,
            Work::Prometheus(gate) => gate.probe().await,
        }
    }

    /// What people should know beforehand of a gate that can run. Only reads.
    pub async fn warnings(&self) -> Vec<String> {
        match &self.work {
            Work::GitLab(gate) => gate.warnings().await,
            Work::Command(_) | Work::Http(_) | Work::Job(_) | Work::Prometheus(_) | Work::Manual(_) => {
                Vec::new()
            }
        }
    }
}
