//! Quality gates: is an environment good with what was deployed to it?
//!
//! A *verdict* is a gate's word about the environment; an *error* is that it could not tell. Errors are
//! tried again, verdicts are not. [`GateRunner`] runs one gate, [`run_stage`] those of a stage.

mod command;
mod http;
mod stage;

use std::path::Path;
use std::time::Duration;

use crate::config::{self, GateKind, Requirement};
use crate::process;
use crate::queue::Verdict;
use crate::repo::CommitId;

pub use http::HttpError;
pub use stage::{GateEvent, run_stage};

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
    pub source: HttpError,
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
}

impl GateRunner {
    /// The gate as configured. `lookup` reads environment variables: those that a program gets, secrets of
    /// headers, `https_proxy`, `http_proxy` and `no_proxy`. `own` is the running program, which the command
    /// name `datapin` stands for.
    ///
    /// # Errors
    /// When a header's secret can't be had, or header, method or proxy are malformed.
    pub fn from_config(
        gate: &config::Gate,
        lookup: impl Fn(&str) -> Option<String>,
        own: &Path,
    ) -> Result<Self, GateError> {
        let work = match &gate.kind {
            GateKind::Command { command, pass } => Work::Command(command::CommandGate {
                command: command.clone(),
                env: process::base_env(pass, lookup),
                own: own.to_owned(),
            }),
            GateKind::Http { url, method, headers } => Work::Http(
                http::HttpGate::new(url, method, headers, &lookup)
                    .map_err(|source| GateError { gate: gate.name.clone(), source })?,
            ),
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
            Work::Http(_) => Ok(()),
        }
    }

    /// The same gate with another first pause before an error is tried again (1 s otherwise).
    #[must_use]
    pub fn with_back_off(self, back_off: Duration) -> Self {
        Self { back_off, ..self }
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs one attempt, counted from 1. The verdict is the gate's own: whether it is allowed to fail is
    /// not looked at. Dropping the future ends it.
    pub async fn run(&self, facts: &Facts, attempt: u32) -> Report {
        match &self.work {
            Work::Command(gate) => gate.run(&self.name, facts, attempt, self.timeout).await,
            Work::Http(gate) => gate.run(facts, self.timeout).await,
        }
    }
}
