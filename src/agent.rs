//! GitOps agents: what they say about a service after a commit.
//!
//! An [`Agent`] is asked a [`Question`] again and again and answers with an [`Observation`];
//! [`wait`] says what follows from a row of them.

mod answer;
pub mod wait;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::config;
use crate::process::{self, Ended, ProcessError, Program};
use crate::repo::CommitId;

pub use answer::{BadAnswer, read};

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

/// Why an agent's word could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ObservationError {
    /// Its program could not be run.
    #[error("the agent could not be asked: {0}")]
    Program(#[from] ProcessError),
    /// Its program failed.
    #[error("agent `{program}` ended with exit code {code}; an answer needs 0{}", complaint(stderr))]
    Exit {
        /// Program.
        program: String,
        /// Exit code.
        code: i32,
        /// The end of its complaints.
        stderr: Vec<String>,
    },
    /// Its program was killed.
    #[error("agent `{program}` was ended by signal {signal}{}", complaint(stderr))]
    Signal {
        /// Program.
        program: String,
        /// Number of the signal.
        signal: i32,
        /// The end of its complaints.
        stderr: Vec<String>,
    },
    /// Its program took too long.
    #[error(
        "agent `{program}` gave no answer within {after:?}; raise the agent's `timeout` if it needs longer"
    )]
    TimedOut {
        /// Program.
        program: String,
        /// How long it had.
        after: Duration,
    },
    /// What it printed is no answer.
    #[error("agent `{program}`: {source}")]
    Answer {
        /// Program.
        program: String,
        /// Why not.
        source: BadAnswer,
    },
}

fn complaint(stderr: &[String]) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {}", stderr.join(" / ")) }
}

/// An agent of one environment.
#[derive(Debug, Clone)]
pub enum Agent {
    /// A program that is asked.
    Command(CommandAgent),
}

impl Agent {
    /// The agent of an environment. `lookup` reads the environment variables that it gets; `own` is the
    /// running program, which the command name `datapin` stands for.
    pub fn from_config(
        agent: &config::Agent,
        environment: &str,
        lookup: impl Fn(&str) -> Option<String>,
        own: &Path,
    ) -> Self {
        let config::Agent::Command { command, interval, timeout, pass } = agent;
        Agent::Command(CommandAgent {
            command: command.clone(),
            environment: environment.to_owned(),
            interval: *interval,
            timeout: *timeout,
            env: process::base_env(pass, lookup),
            own: own.to_owned(),
        })
    }

    /// Whether its program is there.
    ///
    /// # Errors
    /// It is not: nobody should begin what it would have to watch.
    pub fn findable(&self) -> Result<(), ProcessError> {
        let Agent::Command(agent) = self;
        process::fill_all(&agent.command, &[], &agent.own)
            .first()
            .map_or(Err(ProcessError::Empty), |program| process::findable(program, &agent.env))
    }

    /// Pause between two questions.
    pub fn interval(&self) -> Duration {
        let Agent::Command(agent) = self;
        agent.interval
    }

    /// What the agent says now. Dropping the future stops the asking.
    ///
    /// # Errors
    /// When its word could not be had: that says nothing about the service.
    pub async fn observe(&self, question: &Question) -> Result<Observation, ObservationError> {
        let Agent::Command(agent) = self;
        agent.observe(question).await
    }
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
    async fn observe(&self, question: &Question) -> Result<Observation, ObservationError> {
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
