//! `datapin step …`: one job of a run that is spread over the jobs of a CI pipeline.

use clap::Subcommand;

use super::Common;
use super::artifacts::Artifacts;
use super::graph::{Graph, graph};
use super::runs::settings;
use super::stage::{CommandError, Stage};
use crate::exit::Exit;
use crate::run::job::{self, InLine, Task};

/// One job of a run that is spread over the jobs of a CI pipeline.
#[derive(Debug, Clone, Subcommand)]
pub enum Step {
    /// Enters the queue and waits for the turn: from then on the run holds its environments.
    Enter {
        /// Pipeline of datapin.toml.
        #[arg(env = "DATAPIN_PIPELINE")]
        pipeline: String,
        /// Data version.
        #[arg(env = "DATAPIN_VERSION", allow_hyphen_values = true)]
        version: String,
        /// Changes a settable value in the same commit.
        #[arg(long = "set", env = "DATAPIN_SET", value_name = "SERVICE:PATH=VALUE", value_delimiter = ';')]
        set: Vec<String>,
        /// Gives up at once (14) where others are before it.
        #[arg(long, env = "DATAPIN_NO_WAIT")]
        no_wait: bool,
    },
    /// Announces the start.
    Announce {
        /// Pipeline of datapin.toml, where this CI pipeline has several runs.
        #[arg(env = "DATAPIN_PIPELINE")]
        pipeline: Option<String>,
    },
    /// Deploys a service: the first job of a stage pins all its services, each watches its own.
    Deploy {
        /// Environment.
        environment: String,
        /// Service.
        service: String,
        /// Files about the run as far as it is.
        #[command(flatten)]
        files: Artifacts,
    },
    /// Runs a gate; the job of a manual gate is a person's yes.
    Gate {
        /// Environment.
        environment: String,
        /// Gate.
        gate: String,
        /// Files about the run as far as it is.
        #[command(flatten)]
        files: Artifacts,
    },
    /// Takes a service back: the first job reverts everything, each waits for its own service.
    Rollback {
        /// Environment.
        environment: String,
        /// Service.
        service: String,
        /// Files about the run as far as it is.
        #[command(flatten)]
        files: Artifacts,
    },
    /// Verifies the run, and records it outside git.
    Record {
        /// Environment.
        environment: String,
        /// Files about the run as far as it is.
        #[command(flatten)]
        files: Artifacts,
    },
    /// Does whatever is left, and announces the end.
    Finish {
        /// Pipeline of datapin.toml, where this CI pipeline has several runs.
        #[arg(env = "DATAPIN_PIPELINE")]
        pipeline: Option<String>,
        /// Files about the run as far as it is.
        #[command(flatten)]
        files: Artifacts,
    },
    /// Prints the GitLab child pipeline that draws a pipeline: a job for each service, gate and record.
    Graph(Graph),
}

/// `datapin step …`.
pub async fn step(common: &Common, step: &Step) -> Result<Exit, CommandError> {
    let (task, files) = match step.clone() {
        // reads the configuration alone
        Step::Graph(args) => return graph(common, &args),
        Step::Enter { pipeline, version, set, no_wait } => {
            let in_line = if no_wait { InLine::Leave } else { InLine::Wait };
            return enter(common, &pipeline, &version, &set, in_line).await;
        }
        Step::Announce { pipeline } => (Task::Announce { pipeline }, Artifacts::default()),
        Step::Deploy { environment, service, files } => (Task::Deploy { environment, service }, files),
        Step::Gate { environment, gate, files } => (Task::Gate { environment, gate }, files),
        Step::Rollback { environment, service, files } => (Task::Rollback { environment, service }, files),
        Step::Record { environment, files } => (Task::Record { environment }, files),
        Step::Finish { pipeline, files } => (Task::Finish { pipeline }, files),
    };
    let mut stage = Stage::of_a_job(common, &files, &task).await?;
    let done = job::perform(&stage.context, &task).await;
    stage.knows_all(&task).await;
    stage.close().await;
    Ok(done?)
}

async fn enter(
    common: &Common,
    pipeline: &str,
    version: &str,
    set: &[String],
    in_line: InLine,
) -> Result<Exit, CommandError> {
    let stage = Stage::open(common)?;
    let done = match settings(&stage.context, pipeline, set) {
        Ok(set) => {
            job::enter(&stage.context, pipeline, version, set, in_line).await.map_err(CommandError::from)
        }
        Err(error) => Err(error),
    };
    stage.close().await;
    done
}
