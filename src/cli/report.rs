//! `datapin report`: a run, or an environment's history, as a file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::Resettable;

use super::artifacts::{Artifacts, Files, save};
use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Common, Output};
use crate::event::Event;
use crate::exit::Exit;
use crate::queue::{HistoryLine, RunId, Store};
use crate::report::account::Accounts;
use crate::report::html::{EnvironmentHistory, environment_page};
use crate::report::link::Links;
use crate::run::RunError;
use crate::run::context::Context;
use crate::run::job::queues;
use crate::run::past::{Which, past};

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
    pub files: Files,
    /// With --environment: how many runs, the newest first.
    #[arg(long, short = 'n', default_value_t = 500)]
    pub limit: usize,
    /// Name of the queue in datapin.toml; without it all of them are looked through.
    #[arg(long)]
    pub queue: Option<String>,
}

/// Arguments about a run, which jobs have as variables: they do not go with `--environment`.
const OF_A_RUN: [&str; 5] = ["run", "junit", "markdown", "dotenv", "annotations"];

/// Where the history of an environment is asked for, the command without the variables that are about a run: a job has
/// them for the run's report.
pub(super) fn without_variables_of_a_run(
    command: &clap::Command,
    matches: &clap::ArgMatches,
) -> Option<clap::Command> {
    matches.subcommand_matches("report")?.get_one::<String>("environment")?;
    let bare = |arg: clap::Arg| match OF_A_RUN.contains(&arg.get_id().as_str()) {
        true => arg.env(Resettable::Reset),
        false => arg,
    };
    Some(command.clone().mut_subcommand("report", |report| report.mut_args(bare)))
}

/// Name of the HTML file.
const FILE: &str = "datapin-report.html";

/// `datapin report`.
pub async fn report(common: &Common, args: &Report) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let context = &stage.context;
    let links = Links::of(context.target.location());
    let written = match &args.environment {
        Some(name) => environment(context, args, name, &links).await?,
        None => run(context, args, &links).await?,
    };
    stage.close().await;
    emit(&told(common, &written));
    Ok(Exit::Ok)
}

async fn run(context: &Context, args: &Report, links: &Links) -> Result<Vec<PathBuf>, CommandError> {
    let stores = stores(context, args)?;
    let events = told_of(&stores, &which(context, args)).await?;
    let mut accounts = Accounts::default();
    events.iter().for_each(|event| accounts.hear(event));
    let report = match (&args.out, args.files.is_empty()) {
        (Some(out), _) => Some(out.clone()),
        (None, true) => Some(PathBuf::from(FILE)),
        (None, false) => None,
    };
    let artifacts = Artifacts { report, files: args.files.clone() };
    match artifacts.write(accounts.all(), links).into_iter().next() {
        Some(error) => Err(error),
        None => Ok(artifacts.paths()),
    }
}

/// The queue that is named, else every one that an environment uses.
fn stores(context: &Context, args: &Report) -> Result<Vec<Store>, CommandError> {
    match &args.queue {
        Some(name) => {
            context.config.queue(name)?;
            Ok(vec![context.queue_store(name)])
        }
        None => Ok(queues(context).into_iter().map(|(store, _)| store).collect()),
    }
}

/// The events of the run; of those that a CI pipeline has in several queues, and of the last ones, the newest.
///
/// A queue that cannot be read keeps no other from being looked through.
async fn told_of(stores: &[Store], which: &Which) -> Result<Vec<Event>, CommandError> {
    let (mut found, mut failed): (Vec<Vec<Event>>, Option<RunError>) = (Vec::new(), None);
    for store in stores {
        match past(store, which).await {
            Ok(events) if events.is_empty() => {}
            Ok(events) => found.push(events),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let begun: BTreeSet<&RunId> = found.iter().flatten().map(|event| &event.run).collect();
    match which {
        Which::Named(name) if begun.len() > 1 => {
            let text = format!("`{name}` means a run in each of several queues: say which with --queue");
            return Err(CommandError::Usage(text));
        }
        Which::Named(_) | Which::Key(_) | Which::Last => {}
    }
    let newest = found.into_iter().max_by_key(|events| events.last().map(|event| event.at));
    match (newest, failed) {
        (Some(events), _) => Ok(events),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Err(CommandError::Usage(unknown(which, &branches(stores)))),
    }
}

/// Their branches, for between two quotes.
fn branches(stores: &[Store]) -> String {
    let names: Vec<&str> = stores.iter().map(Store::branch).collect();
    names.join("`, `")
}

/// The run that is named, else the last one of this CI pipeline, else the last one.
fn which(context: &Context, args: &Report) -> Which {
    match (&args.run, &context.ci) {
        (Some(name), _) => Which::Named(name.clone()),
        (None, Some(ci)) => Which::Key(format!("{}:", ci.pipeline)),
        (None, None) => Which::Last,
    }
}

fn unknown(which: &Which, branch: &str) -> String {
    match which {
        Which::Named(name) => {
            format!("`{name}` is no run of the queue on `{branch}`; `datapin history` lists them")
        }
        Which::Key(_) => format!(
            "this CI pipeline has had no run in the queue on `{branch}` yet; name one, `datapin history` lists them"
        ),
        Which::Last => format!("the queue on `{branch}` has had no run yet: there is nothing to report"),
    }
}

async fn environment(
    context: &Context,
    args: &Report,
    name: &str,
    links: &Links,
) -> Result<Vec<PathBuf>, CommandError> {
    context.config.environment(name)?;
    if args.run.is_some() || !args.files.is_empty() {
        return Err(CommandError::Usage(
            "an environment's history is written as HTML only, and has no RUN: use --environment with --out and --limit"
                .to_owned(),
        ));
    }
    let store = context.queue_store(&context.config.queue_of_environment(name).name);
    let (limit, only) = (args.limit, name.to_owned());
    let of = move |line: &HistoryLine| line.environments.contains(&only);
    let counted = of.clone();
    let lines =
        store.history(move |lines| lines.iter().filter(|line| counted(line)).count() >= limit).await?;
    let runs = lines.into_iter().filter(|line| of(line)).take(limit).collect();
    let history = EnvironmentHistory { environment: name.to_owned(), runs };
    let page = environment_page(&history, links).map_err(|error| CommandError::Missing(error.to_string()))?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(FILE));
    save(&out, &page)?;
    Ok(vec![out])
}

fn told(common: &Common, written: &[PathBuf]) -> String {
    let shown = |path: &PathBuf| path.display().to_string();
    match common.output {
        Output::Json => {
            let files: Vec<String> = written.iter().map(shown).collect();
            format!("{:#}\n", serde_json::json!({ "schema": 1, "written": files }))
        }
        Output::Text => {
            let files = written.iter().filter(|path| path.as_path() != Path::new("-"));
            files.map(|path| format!("{} is written\n", path.display())).collect()
        }
    }
}
