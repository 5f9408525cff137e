//! Command line arguments. Every argument has an environment variable, so that a pipeline trigger can drive it.

pub mod adopt;
pub mod artifacts;
pub mod edge;
pub mod graph;
pub mod init;
pub mod live;
pub mod look;
pub mod merge_request;
pub mod output;
pub mod promote;
pub mod queue;
pub mod report;
pub mod runs;
pub mod stage;

pub use adopt::Adopt;
pub use merge_request::{CheckedRequest, Propose};

use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Deploys data versions to microservices through GitOps: one commit pins them, a failed gate reverts it.
#[derive(Debug, Parser)]
#[command(name = "datapin", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line of this process. A variable that is set and empty counts as not set: CI systems pass on
    /// variables that nobody filled in.
    ///
    /// # Errors
    /// What clap says of it, `--help` and `--version` among that.
    pub fn from_args() -> Result<Self, clap::Error> {
        let matches = without_empty_variables(Self::command()).try_get_matches()?;
        Self::from_arg_matches(&matches)
    }

    /// The command as people see it, for completions and the manual page.
    pub fn shown() -> clap::Command {
        let all = Self::command();
        let visible: Vec<clap::Command> =
            all.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
        let shown = clap::Command::new("datapin").version(env!("CARGO_PKG_VERSION")).after_help(EXIT_CODES);
        let about = all.get_about().cloned().unwrap_or_default();
        Common::augment_args(shown).about(about).subcommands(visible)
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| match arg.get_env().is_some_and(empty) {
            true => arg.env(Resettable::Reset),
            false => arg,
        })
        .mut_subcommands(without_empty_variables)
}

const EXIT_CODES: &str = "Exit codes:
   0  verified, or nothing to do       1  a bug or damage
   2  bad usage, configuration, input  3  an outside system is out of reach; safe to repeat
  10  deployment failed, rolled back  11  a required gate failed, rolled back
  12  ROLLBACK FAILED, frozen         13  superseded or withdrawn
  14  gave up waiting                 15  not allowed now: frozen, rejected, `requires`
  16  cancelled, rolled back          17  verified, but not recorded outside git
  18  another driver took the run     19  stopped half-way; `datapin reconcile` finishes it
  20  step only: it failed            21  step only: a gate failed that may";

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Configuration; without it ./datapin.toml, else the one at the tip of --repository.
    #[arg(long, global = true, env = "DATAPIN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Environment repository: URL or path; overrides `repository.url`.
    #[arg(long, global = true, env = "DATAPIN_REPOSITORY", value_name = "URL")]
    pub repository: Option<String>,
    /// Directory of the kept bare repositories.
    #[arg(long, global = true, env = "DATAPIN_CACHE", value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Who asks, for commits and announcements.
    #[arg(long, global = true, env = "DATAPIN_ACTOR", value_name = "NAME")]
    pub actor: Option<String>,
    /// For people or for machines.
    #[arg(long, global = true, env = "DATAPIN_OUTPUT", value_name = "FORMAT", default_value = "text")]
    pub output: Output,
    /// Says more: -v what is tried again, -vv every step.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// For people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// JSON, with `schema` in it.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deploys a data version through a pipeline.
    Deploy(Deploy),
    /// Waits for, gates and records what people committed.
    Adopt(Adopt),
    /// Opens a merge request that bumps the first stage of a pipeline, or brings it up to date.
    Propose(Propose),
    /// Brings an environment back to a verified set.
    Rollback(Rollback),
    /// Copies a package to the bucket of an environment; deploys nothing.
    Promote(Promote),
    /// One job of a run that is spread over the jobs of a CI pipeline.
    #[command(subcommand)]
    Step(Step),
    /// Cancels a run: it rolls back.
    Cancel(Cancel),
    /// A person's yes to a manual gate; no is `cancel`.
    Approve(Approve),
    /// Continues a run that another process left.
    Resume(Resume),
    /// Finishes what others left; made to be a scheduled job.
    Reconcile(Reconcile),
    /// Shows and changes the queue.
    #[command(subcommand)]
    Queue(Queue),
    /// Keeps a version out of environments.
    Reject(Reject),
    /// Lets a rejected version in again.
    Allow(Allow),
    /// Shows what every environment is on.
    Status(Status),
    /// Shows how runs ended.
    History(History),
    /// Writes a run, or an environment's history, as one HTML file.
    Report(Report),
    /// Checks the configuration and whether every pin resolves.
    Check(Check),
    /// Writes a starting datapin.toml and creates the queue.
    Init(Init),
    /// Prints the JSON schema of datapin.toml.
    Schema,
    /// Prints completions for a shell.
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    Man,
    /// Runs the real thing on a repository of its own.
    Demo(Demo),
    /// A part of the demo.
    #[command(subcommand, hide = true)]
    DemoPart(DemoPart),
}

/// Deploys a data version through a pipeline.
#[derive(Debug, Args)]
pub struct Deploy {
    /// Pipeline of datapin.toml.
    #[arg(env = "DATAPIN_PIPELINE")]
    pub pipeline: String,
    /// Data version.
    #[arg(env = "DATAPIN_VERSION", allow_hyphen_values = true)]
    pub version: String,
    /// Changes a settable value in the same commit.
    #[arg(long = "set", env = "DATAPIN_SET", value_name = "SERVICE:PATH=VALUE", value_delimiter = ';')]
    pub set: Vec<String>,
    /// Prints the plan, and writes nothing.
    #[arg(long, env = "DATAPIN_DRY_RUN")]
    pub dry_run: bool,
    /// Files about the run.
    #[command(flatten)]
    pub artifacts: artifacts::Artifacts,
}

/// Brings an environment back to a verified set.
#[derive(Debug, Args)]
pub struct Rollback {
    /// Environment.
    #[arg(env = "DATAPIN_ENVIRONMENT")]
    pub environment: String,
    /// Dataset, where the environment has more than one.
    #[arg(long, env = "DATAPIN_DATASET")]
    pub dataset: Option<String>,
    /// Goes to the newest set of this version.
    #[arg(long, env = "DATAPIN_TO", value_name = "VERSION")]
    pub to: Option<String>,
    /// Rejects the version that is left.
    #[arg(long)]
    pub reject: bool,
    /// Also where a person froze the environment.
    #[arg(long)]
    pub force: bool,
    /// Cancels a run that is active there.
    #[arg(long)]
    pub cancel_running: bool,
    /// Files about the run.
    #[command(flatten)]
    pub artifacts: artifacts::Artifacts,
}

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
    },
    /// Runs a gate; the job of a manual gate is a person's yes.
    Gate {
        /// Environment.
        environment: String,
        /// Gate.
        gate: String,
    },
    /// Takes a service back: the first job reverts everything, each waits for its own service.
    Rollback {
        /// Environment.
        environment: String,
        /// Service.
        service: String,
    },
    /// Verifies the run, and records it outside git.
    Record {
        /// Environment.
        environment: String,
    },
    /// Does whatever is left, and announces the end.
    Finish {
        /// Pipeline of datapin.toml, where this CI pipeline has several runs.
        #[arg(env = "DATAPIN_PIPELINE")]
        pipeline: Option<String>,
    },
    /// Prints the GitLab child pipeline that draws a pipeline: a job for each service, gate and record.
    Graph(Graph),
}

/// Copies a package to the bucket of an environment.
#[derive(Debug, Args)]
pub struct Promote {
    /// Environment whose bucket is filled.
    #[arg(env = "DATAPIN_ENVIRONMENT")]
    pub environment: String,
    /// Data version.
    #[arg(env = "DATAPIN_VERSION", allow_hyphen_values = true)]
    pub version: String,
    /// Dataset, where the environment has more than one.
    #[arg(long, env = "DATAPIN_DATASET")]
    pub dataset: Option<String>,
    /// Environment that it comes from, where `promote` of the pipelines does not say it.
    #[arg(long)]
    pub from: Option<String>,
    /// Says how many objects and bytes would be copied, and copies nothing.
    #[arg(long, env = "DATAPIN_DRY_RUN")]
    pub dry_run: bool,
}

/// Cancels a run.
#[derive(Debug, Args)]
pub struct Cancel {
    /// Run id, its last six characters, or number; without it the only one there is.
    #[arg(env = "DATAPIN_RUN")]
    pub run: Option<String>,
    /// Why.
    #[arg(long, default_value = "asked for")]
    pub reason: String,
    /// Name of the queue in datapin.toml.
    #[arg(long, default_value = "default")]
    pub queue: String,
}

/// A person's yes to a manual gate.
#[derive(Debug, Args)]
pub struct Approve {
    /// Run id, its last six characters, or number; without it the only one there is.
    #[arg(env = "DATAPIN_RUN")]
    pub run: Option<String>,
    /// Gate, where several wait.
    #[arg(long, env = "DATAPIN_GATE", value_name = "NAME")]
    pub gate: Option<String>,
    /// Why.
    #[arg(long)]
    pub reason: String,
    /// Name of the queue in datapin.toml.
    #[arg(long, default_value = "default")]
    pub queue: String,
}

/// Continues a run.
#[derive(Debug, Args)]
pub struct Resume {
    /// Run id, its last six characters, or number; without it the only one there is.
    #[arg(env = "DATAPIN_RUN")]
    pub run: Option<String>,
    /// Does not wait until its old driver has been silent for `ttl`.
    #[arg(long)]
    pub force: bool,
    /// Name of the queue in datapin.toml.
    #[arg(long, default_value = "default")]
    pub queue: String,
    /// Files about the run.
    #[command(flatten)]
    pub artifacts: artifacts::Artifacts,
}

/// Finishes what others left.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Only this environment.
    #[arg(long, env = "DATAPIN_ENVIRONMENT")]
    pub environment: Option<String>,
    /// Files about the run.
    #[command(flatten)]
    pub artifacts: artifacts::Artifacts,
}

/// Shows and changes the queue.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// Who holds what, who waits, what is frozen.
    Show {
        /// Name of the queue in datapin.toml.
        #[arg(long, default_value = "default")]
        queue: String,
    },
    /// Takes a waiting run out of the line.
    Leave {
        /// Run id, its last six characters, or number.
        run: String,
        /// Name of the queue in datapin.toml.
        #[arg(long, default_value = "default")]
        queue: String,
    },
    /// Lets nothing be deployed to an environment.
    Freeze {
        /// Environment.
        environment: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// How long, like 2h; without it until `thaw`.
        #[arg(long = "for", value_name = "TIME")]
        duration: Option<String>,
    },
    /// Lifts a freeze.
    Thaw {
        /// Environment.
        environment: String,
        /// Also one that carries unfinished work.
        #[arg(long)]
        force: bool,
    },
}

/// Keeps a version out.
#[derive(Debug, Args)]
pub struct Reject {
    /// Dataset.
    pub dataset: String,
    /// Version.
    #[arg(allow_hyphen_values = true)]
    pub version: String,
    /// Only this environment; without it all that the dataset has.
    #[arg(long)]
    pub environment: Option<String>,
    /// Why.
    #[arg(long)]
    pub reason: String,
}

/// Lets a version in again.
#[derive(Debug, Args)]
pub struct Allow {
    /// Dataset.
    pub dataset: String,
    /// Version.
    #[arg(allow_hyphen_values = true)]
    pub version: String,
    /// Only this environment; without it all that the dataset has.
    #[arg(long)]
    pub environment: Option<String>,
}

/// Shows what every environment is on.
#[derive(Debug, Args)]
pub struct Status {
    /// Only this environment.
    #[arg(long)]
    pub environment: Option<String>,
}

/// Checks the configuration and whether every pin resolves.
#[derive(Debug, Args)]
pub struct Check {
    /// Tries every agent and gate too, names the rights that are missing, and prints a role that grants them.
    #[arg(long)]
    pub live: bool,
    /// The merge request of this pipeline.
    #[command(flatten)]
    pub request: CheckedRequest,
    /// How long this job may take, in seconds: pipelines that may take longer are named.
    #[arg(long, env = "CI_JOB_TIMEOUT", value_name = "SECONDS")]
    pub job_timeout: Option<u64>,
}

/// Shows how runs ended.
#[derive(Debug, Args)]
pub struct History {
    /// Only runs of this environment.
    #[arg(long)]
    pub environment: Option<String>,
    /// How many.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub limit: usize,
    /// Name of the queue in datapin.toml.
    #[arg(long, default_value = "default")]
    pub queue: String,
}

/// Writes a run, or an environment's history, as a file.
#[derive(Debug, Args)]
pub struct Report {
    /// Run id, its last six characters, or number; without it the last run of this CI pipeline, else the last one.
    #[arg(env = "DATAPIN_RUN")]
    pub run: Option<String>,
    /// Writes the history of this environment instead: versions, lead time, failures and rollbacks.
    #[arg(long)]
    pub environment: Option<String>,
    /// The HTML file; without it datapin-report.html, and none where only other formats are asked for.
    #[arg(long, env = "DATAPIN_REPORT", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Other formats.
    #[command(flatten)]
    pub files: artifacts::Files,
    /// With --environment: how many runs, the newest first.
    #[arg(long, short = 'n', default_value_t = 500)]
    pub limit: usize,
    /// Name of the queue in datapin.toml.
    #[arg(long, default_value = "default")]
    pub queue: String,
}

/// Prints the GitLab child pipeline of a pipeline.
#[derive(Debug, Clone, Args)]
pub struct Graph {
    /// Pipeline of datapin.toml.
    #[arg(env = "DATAPIN_PIPELINE")]
    pub pipeline: String,
    /// Data version; without it the jobs are told by DATAPIN_VERSION.
    #[arg(env = "DATAPIN_VERSION", allow_hyphen_values = true)]
    pub version: Option<String>,
    /// Changes a settable value in the same commit.
    #[arg(long = "set", env = "DATAPIN_SET", value_name = "SERVICE:PATH=VALUE", value_delimiter = ';')]
    pub set: Vec<String>,
    /// Image of the jobs.
    #[arg(long, env = "DATAPIN_IMAGE")]
    pub image: Option<String>,
    /// Tag of the runners; may be repeated.
    #[arg(long = "tag", env = "DATAPIN_TAGS", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// File of the repository with settings that all jobs need, such as `default: id_tokens:`.
    #[arg(long, env = "DATAPIN_INCLUDE", value_name = "FILE")]
    pub include: Option<String>,
}

/// Writes a starting configuration and creates the queue.
#[derive(Debug, Args)]
pub struct Init {
    /// Writes the file even if it is there, and creates a queue even where runs left commits.
    #[arg(long)]
    pub force: bool,
}

/// Runs the real thing on a repository of its own.
#[derive(Debug, Args)]
pub struct Demo {
    /// Scenario; `list` names them.
    #[arg(default_value = "int-success")]
    pub scenario: String,
    /// Directory for repository and logs; without it a new temporary one. It is kept.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// A part of the demo: what is simulated.
#[derive(Debug, Subcommand)]
pub enum DemoPart {
    /// The GitOps agent: follows branches and rolls services out.
    Agent {
        /// Directory of the demo.
        dir: PathBuf,
    },
    /// Answers what a service runs.
    Observe {
        /// Directory of the demo.
        dir: PathBuf,
    },
    /// A gate.
    Gate {
        /// Directory of the demo.
        dir: PathBuf,
    },
    /// The chat.
    Chat {
        /// Directory of the demo.
        dir: PathBuf,
    },
}
