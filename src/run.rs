//! A run: the only part that writes.
//!
//! ```text
//! waiting → started → checked → for each stage: promoted → pinned → synced → gated → looked at once more → verified
//!         → recorded
//!         ↘ any failure before `verified`: rolling back → rolled back | rollback failed
//! ```
//!
//! The ticket on the queue branch holds the whole record, so that any process carries a run on from wherever it
//! stopped: [`step::step`] says what comes next, [`driver::Driver`] does it, [`fence::pass`] is the one way to
//! push to a target branch.

pub mod adopt;
pub mod back;
pub mod begin;
pub mod close;
pub mod context;
pub mod driver;
pub mod error;
pub mod fence;
pub mod forward;
pub mod job;
pub mod journal;
pub mod limits;
pub mod markup;
pub mod merge_request;
pub mod message;
pub mod order;
pub mod outside;
pub mod packages;
pub mod past;
pub mod people;
pub mod probe;
pub mod proof;
pub mod propose;
pub mod protected;
pub mod ready;
pub mod reconcile;
pub mod record;
pub mod resume;
pub mod step;
pub mod sync;
pub mod takeover;
pub mod verify;
pub mod wait;
pub mod words;

use jiff::Timestamp;

use crate::config::Queue as Settings;
use crate::event::{Level, What};
use crate::queue::{
    FrozenBy, HistoryLine, Outcome, Rejection, RunId, Setting, Store, StoreError, Ticket, Wish,
};

pub use error::RunError;

use context::Context;
use driver::{Driver, Halt};
use journal::{Journal, Lost};
use order::Order;
use ready::Needs;
use wait::{Line, Turn};

/// Deploys a version through a pipeline: enters the queue, waits, and drives the run to its end.
pub async fn deploy(
    context: &Context,
    pipeline: &str,
    version: &str,
    set: Vec<Setting>,
) -> Result<Outcome, RunError> {
    let pipeline = context.config.pipeline(pipeline)?.clone();
    let (plan, store) = prepared(context, &pipeline, version, &set).await?;
    let order = Order::deployment(&pipeline, version, set);
    let settings = context.config.queue_of(&pipeline);
    let seen = store.read().await?;
    if plan.nothing_to_do() && seen.queue.ahead(&order.ticket(context)).is_empty() {
        let text =
            format!("every environment of `{}` is verified on {version}: nothing to do", pipeline.name);
        context.events.note(&RunId(String::new()), Level::Info, text);
        let environments: Vec<String> =
            pipeline.stages.iter().flat_map(|stage| stage.environments.clone()).collect();
        Box::pin(owed(context, &store, &environments)).await;
        return Ok(Outcome::NothingToDo);
    }
    carry_out(context, &store, settings, order).await
}

/// Brings what lies outside git to what is verified; nothing fails by it.
async fn owed(context: &Context, store: &Store, environments: &[String]) {
    let nobody = RunId(String::new());
    for (what, done) in record::catch_up(context, store, &nobody, environments).await {
        if let Err(reason) = done {
            context.events.note(&nobody, Level::Warning, format!("{what}: {reason}"));
        }
    }
}

/// The plan of a deployment that nothing stands against, and the queue that it would enter.
async fn prepared(
    context: &Context,
    pipeline: &crate::config::Pipeline,
    version: &str,
    set: &[Setting],
) -> Result<(crate::plan::Plan, Store), RunError> {
    let (plan, store) = plan(context, pipeline, version, set).await?;
    if !plan.obstacles.is_empty() {
        return Err(RunError::NotAllowed(plan.obstacles.join("; ")));
    }
    let stages = &pipeline.stages;
    let environments: Vec<String> = stages.iter().flat_map(|stage| stage.environments.clone()).collect();
    let gates: Vec<String> = stages.iter().flat_map(|stage| stage.gates.clone()).collect();
    let needs = Needs { environments: &environments, dataset: &pipeline.dataset, version, gates: &gates };
    ready::ready(context, &needs).await?;
    Ok((plan, store))
}

/// The plan of a deployment as things are now, and the queue that it would enter. Writes nothing.
pub async fn plan(
    context: &Context,
    pipeline: &crate::config::Pipeline,
    version: &str,
    set: &[Setting],
) -> Result<(crate::plan::Plan, Store), RunError> {
    context.config.check_version(&pipeline.dataset, version).map_err(RunError::Usage)?;
    let gates: Vec<String> = pipeline.stages.iter().flat_map(|stage| stage.gates.clone()).collect();
    context.gates(&gates).map_err(|error| RunError::Usage(error.to_string()))?;
    let store = context.queue_store(&context.config.queue_of(pipeline).name);
    let request = crate::plan::Request { version: version.to_owned(), set: set.to_vec() };
    // A proof takes its time, and leaves nothing behind.
    let plan = tokio::select! {
        biased;
        () = context.signals.wait_for(1) => return Err(RunError::Cancelled),
        plan = outside::plan(context, &store, pipeline, &request) => plan?,
    };
    Ok((plan, store))
}

/// What a rollback does about a run that is active in its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// It is refused.
    Refuse,
    /// The run is cancelled, and the rollback takes its turn.
    Cancel,
}

/// What is asked of a rollback.
#[derive(Debug, Clone)]
pub struct RollbackOrder {
    /// Environment.
    pub environment: String,
    /// Dataset; needed where the environment has more than one.
    pub dataset: Option<String>,
    /// Version to go to.
    pub to: Option<String>,
    /// Whether the version that is left is rejected.
    pub reject: Rejection,
    /// What a person's freeze means.
    pub frozen: FrozenBy,
    /// What happens to an active run.
    pub active: Active,
}

/// Brings one environment back to a verified set.
pub async fn rollback(context: &Context, asked: RollbackOrder) -> Result<Outcome, RunError> {
    let environment = context.config.environment(&asked.environment)?;
    let dataset = dataset_of(context, &asked.environment, asked.dataset.as_deref())?;
    let needs = Needs {
        environments: std::slice::from_ref(&asked.environment),
        dataset: &dataset,
        version: asked.to.as_deref().unwrap_or_default(),
        gates: &[],
    };
    ready::ready(context, &needs).await?;
    let store = context.queue_store(&environment.queue);
    let mut order =
        Order::rollback(&asked.environment, &dataset, asked.to.clone(), asked.reject, asked.frozen);
    let seen = store.read().await?;
    let ticket = order.ticket(context);
    for ahead in seen.queue.ahead(&ticket) {
        make_way(context, &store, ahead, asked.active).await?;
        // That run goes back by itself: the goal is what was verified when the rollback was asked for, unless that is
        // rejected.
        let record = seen.queue.environment(&asked.environment).and_then(|file| file.datasets.get(&dataset));
        let goal = record.and_then(|record| record.current().filter(|set| !record.is_rejected(&set.version)));
        if let (None, Some(current)) = (&asked.to, goal) {
            order.go_to(&current.version);
        }
    }
    let settings = context.config.queue_of_environment(&asked.environment);
    carry_out(context, &store, settings, order).await
}

async fn make_way(context: &Context, store: &Store, holder: &Ticket, active: Active) -> Result<(), RunError> {
    if matches!(holder.kind, crate::queue::RunKind::Rollback { .. }) {
        return Err(RunError::NotAllowed(format!(
            "a rollback is on its way there already: run {} (#{}, asked for by {})",
            holder.run, holder.number, holder.actor
        )));
    }
    match active {
        Active::Refuse => Err(RunError::NotAllowed(format!(
            "run {} (#{}, {} {}) is active there; `--cancel-running` cancels it first",
            holder.run,
            holder.number,
            holder.title(),
            holder.version
        ))),
        Active::Cancel => cancel(context, store, holder.number, "a rollback was asked for").await,
    }
}

/// Writes the wish to cancel a run; its driver sees it at its next sign of life.
pub async fn cancel(context: &Context, store: &Store, number: u64, reason: &str) -> Result<(), RunError> {
    let wish = Wish { by: context.actor.clone(), reason: reason.to_owned() };
    let subject = format!("#{number}: {} wants it cancelled", context.actor);
    Ok(store.change(&subject, |queue| queue.wish_cancel(number, wish.clone())).await?)
}

/// The dataset that is meant in an environment.
pub fn dataset_of(context: &Context, environment: &str, asked: Option<&str>) -> Result<String, RunError> {
    let known = context.config.datasets_of(environment);
    match (asked, known.as_slice()) {
        (Some(asked), _) => Ok(context.config.dataset(asked)?.name.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(RunError::Usage(format!(
            "`{environment}` has more than one dataset ({}): say which with --dataset",
            known.join(", ")
        ))),
    }
}

/// Enters the queue, waits for the turn, and drives the run to its end.
pub async fn carry_out(
    context: &Context,
    store: &Store,
    settings: &Settings,
    mut order: Order,
) -> Result<Outcome, RunError> {
    order.attempt = attempt(context, store, &order).await?;
    let line = Line { context, store, settings, order: &order };
    match line.wait().await? {
        Turn::Over(ticket, outcome) => {
            tell_end(context, &ticket, &outcome);
            Ok(outcome)
        }
        Turn::Mine(journal) => drive(context, settings, journal).await,
        Turn::Elsewhere(ticket) => Err(RunError::TakenOver { by: ticket.driver.who.clone(), outcome: None }),
    }
}

/// Which try of its key this is.
async fn attempt(context: &Context, store: &Store, order: &Order) -> Result<u32, RunError> {
    if context.ci.is_none() {
        return Ok(1);
    }
    let key = order.ticket(context).key;
    let lines = store.history(|lines| lines.len() >= 1000).await?;
    Ok(1 + lines.iter().filter(|line| line.key == key).map(|line| line.attempt).max().unwrap_or(0))
}

/// Drives a run to its end, and says what became of it if another one did.
pub async fn drive(context: &Context, settings: &Settings, journal: Journal) -> Result<Outcome, RunError> {
    let driver = Driver { context: context.for_run(&journal.run()), journal: journal.clone() };
    match driver.drive().await {
        Ok(outcome) => Ok(outcome),
        Err(Halt::Lost(Lost::Gone)) => gone(context, settings, journal).await,
        Err(Halt::Lost(Lost::TakenOver { who, .. })) => {
            let outcome = ended(journal.store(), &journal.run()).await.unwrap_or_default();
            let outcome = outcome.map(|line| line.outcome);
            Err(RunError::TakenOver { by: who, outcome })
        }
        Err(Halt::Lost(Lost::Damaged(reason))) => Err(damaged(&journal, reason)),
        Err(Halt::Lost(Lost::OutOfReach(reason)) | Halt::Stopped(reason)) => Err(RunError::Stopped(reason)),
    }
}

/// The line of a run in the history, if it ended.
async fn ended(store: &Store, run: &RunId) -> Result<Option<HistoryLine>, StoreError> {
    let wanted = run.clone();
    let lines = store
        .history(move |lines: &[HistoryLine]| {
            lines.iter().any(|line| line.run == wanted) || lines.len() > 1000
        })
        .await?;
    Ok(lines.into_iter().find(|line| line.run == *run))
}

/// The ticket of a started run is gone: finished by another, or removed by hand. Then it is put back, and
/// the run rolls back.
async fn gone(context: &Context, settings: &Settings, journal: Journal) -> Result<Outcome, RunError> {
    let (store, ticket) = (journal.store().clone(), journal.ticket());
    // Without a look at the history nothing is put back: the run may be over, and verified.
    let line = ended(&store, &ticket.run).await.map_err(|error| RunError::Stopped(error.to_string()))?;
    match line {
        Some(line) if line.finished_by == context.who => return Ok(line.outcome),
        Some(line) => {
            return Err(RunError::TakenOver { by: line.finished_by, outcome: Some(line.outcome) });
        }
        None => {}
    }
    let text = "its ticket was removed by hand: it is put back, and the run is rolled back";
    context.events.note(&ticket.run, Level::Warning, text);
    let wish = Wish { by: "datapin".to_owned(), reason: "its ticket was removed by hand".to_owned() };
    let subject = format!("#{} is put back", ticket.number);
    let put_back = store
        .change(&subject, |queue| {
            queue.put_back(&ticket, wish.clone())?;
            queue.ticket(ticket.number).cloned()
        })
        .await?;
    let journal = Journal::new(&store, put_back, settings.ttl);
    let driver = Driver { context: context.for_run(&journal.run()), journal: journal.clone() };
    driver.drive().await.map_err(|halt| match halt {
        Halt::Lost(Lost::Damaged(reason)) => damaged(&journal, reason),
        halt @ (Halt::Lost(_) | Halt::Stopped(_)) => halt.into(),
    })
}

/// The record goes to a file, since the queue cannot keep it.
fn damaged(journal: &Journal, reason: String) -> RunError {
    let ticket = journal.ticket();
    let record = std::env::temp_dir().join(format!("datapin-run-{}.json", ticket.run));
    match serde_json::to_vec_pretty(&ticket).map(|json| std::fs::write(&record, json)) {
        Ok(Ok(())) => RunError::Damaged { reason, record },
        Ok(Err(error)) => RunError::Stopped(format!("{reason}; its record could not be saved: {error}")),
        Err(error) => RunError::Stopped(format!("{reason}; its record could not be saved: {error}")),
    }
}

/// Tells the listeners of a run that it ended before it started.
pub fn tell_end(context: &Context, ticket: &Ticket, outcome: &Outcome) {
    let finished = crate::event::Finished {
        summary: close::summary(ticket),
        outcome: outcome.clone(),
        exit: outcome.exit().code(),
        standing: Vec::new(),
        warnings: Vec::new(),
        seconds: u64::try_from(Timestamp::now().duration_since(ticket.times.entered).as_secs())
            .unwrap_or_default(),
    };
    context.events.tell(&ticket.run, What::Finished(finished));
}
