//! Commands that drive runs.

use clap::Args;

use super::artifacts::Artifacts;
use super::output::emit;
use super::queue::not_there;
use super::stage::{CommandError, Stage};
use super::{Common, Output, edge};
use crate::event::{Level, Summary};
use crate::exit::Exit;
use crate::queue::{Force, FrozenBy, Outcome, Queue, Rejection, RunId, Setting, Store, Ticket};
use crate::report::{FileDiff, PlanView, Work, plan_json, plan_text};
use crate::run::context::Context;
use crate::run::order::Order;
use crate::run::reconcile::Mended;
use crate::run::resume::find;
use crate::run::{self, Active, RollbackOrder, RunError};

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
    pub artifacts: Artifacts,
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
    pub artifacts: Artifacts,
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
    pub artifacts: Artifacts,
}

/// Finishes what others left.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Only this environment.
    #[arg(long, env = "DATAPIN_ENVIRONMENT")]
    pub environment: Option<String>,
    /// Files about the run.
    #[command(flatten)]
    pub artifacts: Artifacts,
}

/// `datapin deploy`.
pub async fn deploy(common: &Common, args: &Deploy) -> Result<Exit, CommandError> {
    let stage = Stage::reporting(common, &args.artifacts)?;
    let done = deploy_on(&stage.context, common, args).await;
    stage.close().await;
    done
}

async fn deploy_on(context: &Context, common: &Common, args: &Deploy) -> Result<Exit, CommandError> {
    let set = settings(context, &args.pipeline, &args.set)?;
    if args.dry_run {
        return dry_run(context, common, args, set).await;
    }
    let outcome = run::deploy(context, &args.pipeline, &args.version, set).await?;
    Ok(outcome.exit())
}

async fn dry_run(
    context: &Context,
    common: &Common,
    args: &Deploy,
    set: Vec<Setting>,
) -> Result<Exit, CommandError> {
    let pipeline = context.config.pipeline(&args.pipeline)?;
    let (mut plan, store) = run::plan(context, pipeline, &args.version, &set).await?;
    let names = pipeline.stages.iter().flat_map(|stage| &stage.environments).map(String::as_str);
    plan.obstacles.extend(run::protected::denied(context, names).await);
    let ticket = Order::deployment(pipeline, &args.version, set).ticket(context);
    let seen = store.read().await?;
    let ahead: Vec<_> = seen.queue.ahead(&ticket).into_iter().map(run::wait::ahead).collect();
    let files: Vec<FileDiff> = plan
        .stages
        .iter()
        .flat_map(|stage| {
            stage.diffs.iter().map(|(branch, file, diff)| FileDiff {
                environments: stage
                    .environments
                    .iter()
                    .filter(|environment| {
                        environment.identity.branch == *branch
                            && environment.wanted.values.iter().any(|(_, place, _, _)| place.file == *file)
                    })
                    .map(|environment| environment.identity.name.clone())
                    .collect(),
                path: file.clone(),
                diff: diff.clone(),
            })
        })
        .collect();
    let summary: Summary = run::close::summary(&ticket);
    let view = PlanView {
        summary,
        position: (!ahead.is_empty()).then(|| crate::event::Waiting {
            position: ahead.len() + 1,
            ahead,
            expected: None,
        }),
        work: match (plan.nothing_to_do(), files.is_empty()) {
            (true, _) => Work::Nothing,
            (false, true) => Work::GatesOnly,
            (false, false) => Work::Pins,
        },
        files,
        rendered: plan.stages.iter().flat_map(|stage| stage.rendered.iter().cloned()).collect(),
        notes: plan
            .drifts()
            .map(run::begin::drift)
            .chain(plan.notes.iter().chain(&plan.obstacles).cloned())
            .collect(),
    };
    emit(&match common.output {
        Output::Text => plan_text(&view, edge::look(common).color),
        Output::Json => plan_json(&view),
    });
    Ok(if plan.obstacles.is_empty() { Exit::Ok } else { Exit::NotAllowed })
}

/// `datapin rollback`.
pub async fn rollback(common: &Common, args: &Rollback) -> Result<Exit, CommandError> {
    let stage = Stage::reporting(common, &args.artifacts)?;
    let order = RollbackOrder {
        environment: args.environment.clone(),
        dataset: args.dataset.clone(),
        to: args.to.clone(),
        reject: if args.reject { Rejection::Reject } else { Rejection::Keep },
        frozen: if args.force { FrozenBy::Override } else { FrozenBy::Obey },
        active: if args.cancel_running { Active::Cancel } else { Active::Refuse },
    };
    let done = run::rollback(&stage.context, order).await;
    stage.close().await;
    Ok(done?.exit())
}

/// The values of `--set`.
pub(super) fn settings(
    context: &Context,
    pipeline: &str,
    texts: &[String],
) -> Result<Vec<Setting>, CommandError> {
    let dataset = &context.config.pipeline(pipeline)?.dataset;
    let mut set = Vec::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let value = context.config.parse_set(dataset, text)?;
        set.push(Setting { service: value.service, path: value.path, value: value.value });
    }
    Ok(set)
}

/// `datapin resume`.
pub async fn resume(common: &Common, args: &Resume) -> Result<Exit, CommandError> {
    let stage = Stage::reporting(common, &args.artifacts)?;
    let context = &stage.context;
    let done = match context.config.queue(&args.queue) {
        Ok(settings) => {
            let force = if args.force { Force::Yes } else { Force::No };
            let store = context.queue_store(&args.queue);
            run::resume::resume(context, &store, settings, args.run.as_deref(), force)
                .await
                .map_err(CommandError::from)
        }
        Err(error) => Err(error.into()),
    };
    stage.close().await;
    Ok(done?.exit())
}

/// The ticket that a command is about: the named one, else the only one.
fn meant<'q>(
    queue: &'q Queue,
    store: &Store,
    run: Option<&str>,
    command: &str,
) -> Result<&'q Ticket, CommandError> {
    find(queue, run)?.ok_or_else(|| {
        CommandError::Usage(match run {
            Some(run) => not_there(run, store),
            None => format!("the queue `{}` is empty: there is nothing to {command}", store.branch()),
        })
    })
}

/// `datapin cancel`.
pub async fn cancel(common: &Common, args: &Cancel) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    stage.context.config.queue(&args.queue)?;
    let store = stage.context.queue_store(&args.queue);
    let seen = store.read().await?;
    let ticket = meant(&seen.queue, &store, args.run.as_deref(), "cancel")?;
    run::cancel(&stage.context, &store, ticket.number, &args.reason).await?;
    let then = run::people::after_cancel(&stage.context.config, ticket);
    emit(&format!("run {} (#{}) is asked to cancel; {then}\n", ticket.run, ticket.number));
    stage.close().await;
    Ok(Exit::Ok)
}

/// `datapin approve`.
pub async fn approve(common: &Common, args: &Approve) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    stage.context.config.queue(&args.queue)?;
    let store = stage.context.queue_store(&args.queue);
    let seen = store.read().await?;
    let ticket = meant(&seen.queue, &store, args.run.as_deref(), "approve")?;
    let gate =
        run::people::approve(&stage.context, &store, ticket, args.gate.as_deref(), &args.reason).await?;
    emit(&format!("gate {gate} of run {} (#{}) is approved\n", ticket.run, ticket.number));
    stage.close().await;
    Ok(Exit::Ok)
}

/// `datapin reconcile`.
pub async fn reconcile(common: &Common, args: &Reconcile) -> Result<Exit, CommandError> {
    let stage = Stage::reporting(common, &args.artifacts)?;
    let context = &stage.context;
    if let Some(name) = &args.environment {
        context.config.environment(name)?;
    }
    let mut mended: Vec<Mended> = Vec::new();
    let mut errors: Vec<RunError> = Vec::new();
    let mut seen: Vec<Store> = Vec::new();
    for (name, settings) in &context.config.queues {
        let store = context.queue_store(name);
        let used = name == "default" || context.config.environments.values().any(|one| one.queue == *name);
        if !used || seen.iter().any(|other| other.same(&store)) {
            continue;
        }
        match run::reconcile::reconcile(context, &store, settings, args.environment.as_deref()).await {
            Ok(done) => {
                mended.extend(done.mended);
                errors.extend(done.errors);
            }
            Err(error) => errors.push(error),
        }
        seen.push(store);
    }
    let exit = Exit::worst(errors.iter().map(RunError::exit).chain([worst(&mended)]));
    // one is what the command ends with; the others are said
    let last = errors.iter().position(|error| error.exit() == exit).map(|at| errors.remove(at));
    for error in &errors {
        context.events.note(&RunId(String::new()), Level::Warning, error.to_string());
    }
    stage.close().await;
    emit(&reconciled(common, &mended));
    match last {
        Some(error) => Err(error.into()),
        None => Ok(exit),
    }
}

fn reconciled(common: &Common, mended: &[Mended]) -> String {
    match common.output {
        Output::Json => {
            let document = serde_json::json!({ "schema": 1, "mended": mended });
            format!("{document:#}\n")
        }
        Output::Text if mended.is_empty() => "nothing was left to finish\n".to_owned(),
        Output::Text => mended
            .iter()
            .map(|one| match one.outcome.reason() {
                Some(reason) => format!("{}: {} ({reason})\n", one.what, one.outcome.word()),
                None => format!("{}: {}\n", one.what, one.outcome.word()),
            })
            .collect(),
    }
}

/// What was taken back by reconcile is a success of reconcile; what is still open is not.
fn worst(mended: &[Mended]) -> Exit {
    let any = |is: fn(&Outcome) -> bool| mended.iter().any(|one| is(&one.outcome));
    if any(|outcome| matches!(outcome, Outcome::RollbackFailed { .. })) {
        Exit::RollbackFailed
    } else if any(|outcome| matches!(outcome, Outcome::NotRecorded { .. })) {
        Exit::NotRecorded
    } else {
        Exit::Ok
    }
}
