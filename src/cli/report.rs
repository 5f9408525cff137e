//! `datapin report`: a run, or an environment's history, as a file.

use std::path::{Path, PathBuf};

use super::artifacts::{Artifacts, save};
use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Common, Output, Report};
use crate::exit::Exit;
use crate::queue::HistoryLine;
use crate::report::account::Accounts;
use crate::report::html::{EnvironmentHistory, environment_page};
use crate::report::link::Links;
use crate::run::context::Context;
use crate::run::past::{Which, past};

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
    context.config.queue(&args.queue)?;
    let store = context.queue_store(&args.queue);
    let which = which(context, args);
    let events = past(&store, &which).await?;
    if events.is_empty() {
        return Err(CommandError::Usage(unknown(&which, store.branch())));
    }
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
