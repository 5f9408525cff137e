//! Command line arguments. Every argument has an environment variable, so that a pipeline trigger can drive it.

pub mod adopt;
pub mod artifacts;
pub mod ci;
pub mod edge;
pub mod graph;
pub mod init;
pub mod live;
pub mod look;
pub mod man;
pub mod merge_request;
pub mod output;
pub mod promote;
pub mod queue;
pub mod report;
pub mod runs;
pub mod stage;
pub mod step;

pub use adopt::Adopt;
pub use graph::Graph;
pub use init::Init;
pub use look::{Check, History, Status};
pub use merge_request::{CheckedRequest, Propose};
pub use promote::Promote;
pub use queue::{Allow, Queue, Reject};
pub use report::Report;
pub use runs::{Approve, Cancel, Deploy, Reconcile, Resume, Rollback};
pub use step::Step;

use std::path::PathBuf;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
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
        let command = without_empty_variables(Self::command());
        let matches = command.clone().try_get_matches().map_err(with_variables)?;
        let matches = match report::without_variables_of_a_run(&command, &matches) {
            Some(bare) => bare.try_get_matches()?,
            None => matches,
        };
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

/// The same with the variables, and the component's inputs, that may say what is missing: a job of CI has no arguments.
fn with_variables(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return error;
    }
    let command = Cli::command();
    let tips: Vec<StyledStr> =
        missing.iter().filter_map(|name| Some(tip(name, &variable_of(&command, name)?).into())).collect();
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// The variable of an argument as it is shown, `<PIPELINE>`: the same in every command.
fn variable_of(command: &clap::Command, shown: &str) -> Option<String> {
    let own = command.get_arguments().find(|arg| arg.is_positional() && arg.to_string() == shown);
    let own = own.and_then(|arg| Some(arg.get_env()?.to_string_lossy().into_owned()));
    own.or_else(|| command.get_subcommands().find_map(|command| variable_of(command, shown)))
}

fn tip(argument: &str, variable: &str) -> String {
    let input = match variable {
        "DATAPIN_PIPELINE" => ": the input `pipeline` of the CI/CD component sets it",
        "DATAPIN_VERSION" => ": the input `version` of the CI/CD component sets it",
        _ => "",
    };
    let here = if std::env::var_os(variable).is_some() { "; here it is empty" } else { "" };
    format!("the variable {variable} may say {argument}, too{input}{here}")
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
    /// Writes a run, or an environment's history, as a file.
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
