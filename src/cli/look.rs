//! Commands that only look.

use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Check, Common, History, Output, Status, edge, live};
use crate::exit::Exit;
use crate::plan::{Files, FilesError, frozen, held};
use crate::queue::{HistoryLine, Queue, Role, SetValue, blocking};
use crate::render::Helmfile;
use crate::report::{
    EnvironmentStatus, Recorded, StatusView, VerifiedOn, history_json, history_text, status_json, status_text,
};
use crate::run::context::Context;
use crate::run::outside::OutsideError;
use crate::run::probe::{Probes, probe};
use crate::run::{RunError, outside, record};

/// `datapin status`.
pub async fn status(common: &Common, args: &Status) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let context = &stage.context;
    if let Some(name) = &args.environment {
        context.config.environment(name)?;
    }
    let mut environments = Vec::new();
    let names = context.config.environments.keys();
    for name in names.filter(|name| args.environment.as_ref().is_none_or(|only| only == *name)) {
        let store = context.queue_store(&context.config.queue_of_environment(name).name);
        let seen = store.read().await?;
        let lines = store.history(|lines| lines.len() >= 200).await?;
        for dataset in context.config.datasets_of(name) {
            environments.push(environment(context, &seen.queue, &lines, name, &dataset).await?);
        }
    }
    let view = StatusView { environments };
    emit(&match common.output {
        Output::Text => status_text(&view, edge::look(common).color),
        Output::Json => status_json(&view),
    });
    stage.close().await;
    Ok(Exit::Ok)
}

async fn environment(
    context: &Context,
    queue: &Queue,
    lines: &[HistoryLine],
    name: &str,
    dataset: &str,
) -> Result<EnvironmentStatus, CommandError> {
    let held = now_held(context, name, dataset).await.map_err(|error| {
        let source = crate::plan::PlanError::Files { environment: name.to_owned(), source: error };
        RunError::Outside(OutsideError::Plan(source))
    })?;
    let file = queue.environment(name);
    let current = queue.current(name, dataset);
    let holder = queue.tickets.values().find(|ticket| ticket.state.holds() && ticket.part(name).is_some());
    let outside = Box::pin(record::outside(context, name, dataset)).await;
    let mut differing: Vec<String> = held
        .iter()
        .filter_map(|held| {
            let set = current?.value(&held.place)?;
            (set.text != held.text)
                .then(|| format!("{} holds {}, verified was {}", held.service, held.text, set.text))
        })
        .collect();
    let verified = current.map(|set| set.version.as_str());
    differing.extend(outside.as_ref().and_then(|outside| outside.drift(verified)));
    Ok(EnvironmentStatus {
        name: name.to_owned(),
        dataset: dataset.to_owned(),
        version_verified: current.map(|set| VerifiedOn {
            version: set.version.clone(),
            commit: set.commit.clone(),
            at: set.at,
        }),
        pinned: held
            .iter()
            .filter(|value| value.role == Role::Pin)
            .map(|value| (value.service.clone(), value.text.clone()))
            .collect(),
        recorded: outside.map(|outside| Recorded {
            parameter: outside.parameter,
            trouble: outside.value.as_ref().err().cloned(),
            value: outside.value.ok().flatten(),
        }),
        drift: (!differing.is_empty()).then(|| differing.join("; ")),
        frozen: file.and_then(|file| frozen(file, jiff::Timestamp::now())),
        holder: holder.map(|ticket| {
            format!("#{} {} {} ({})", ticket.number, ticket.title(), ticket.version, ticket.actor)
        }),
        rejected: file
            .and_then(|file| file.datasets.get(dataset))
            .map(|dataset| dataset.rejected.iter().map(|one| one.version.clone()).collect())
            .unwrap_or_default(),
        last: lines.iter().find(|line| line.environments.iter().any(|one| one == name)).cloned(),
    })
}

async fn now_held(context: &Context, name: &str, dataset: &str) -> Result<Vec<SetValue>, FilesError> {
    let branch = context.plan_target().identity(&context.config, name).branch;
    let (repo, places) = (context.target.clone(), context.config.places(name, dataset));
    blocking(move || match repo.fetch(&branch)? {
        Some(tip) => held(&mut Files::at(&repo, &tip), &places),
        None => Ok(Vec::new()),
    })
    .await
}

/// `datapin history`.
pub async fn history(common: &Common, args: &History) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    stage.context.config.queue(&args.queue)?;
    if let Some(name) = &args.environment {
        stage.context.config.environment(name)?;
    }
    let store = stage.context.queue_store(&args.queue);
    let (limit, only) = (args.limit, args.environment.clone());
    let wanted = move |line: &HistoryLine| only.as_ref().is_none_or(|only| line.environments.contains(only));
    let enough = wanted.clone();
    let lines = store.history(move |lines| lines.iter().filter(|line| enough(line)).count() >= limit).await?;
    let shown: Vec<HistoryLine> = lines.into_iter().filter(|line| wanted(line)).take(limit).collect();
    emit(&match common.output {
        Output::Text => history_text(&shown, edge::look(common).color),
        Output::Json => history_json(&shown),
    });
    stage.close().await;
    Ok(Exit::Ok)
}

/// `datapin check`: everything that can be checked without writing; with `--live` also what clusters say.
pub async fn check(common: &Common, args: &Check) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let context = &stage.context;
    let gates: Vec<String> = context.config.gates.keys().cloned().collect();
    context.gates(&gates).map_err(|error| CommandError::Usage(error.to_string()))?;
    let mut problems = Vec::new();
    let mut good = 0;
    for name in context.config.environments.keys() {
        for dataset in context.config.datasets_of(name) {
            match now_held(context, name, &dataset).await {
                Ok(held) if held.is_empty() => problems.push(format!("{name}: its branch does not exist")),
                Ok(held) => good += held.len(),
                Err(error) => problems.push(format!("{name}: {error}")),
            }
        }
    }
    for name in context.config.queues.keys() {
        if let Err(error) = outside::queue(context, name).await {
            problems.push(format!("queue `{name}`: {error}"));
        }
    }
    if let Some(Err(error)) = context.helmfile.as_ref().map(Helmfile::findable) {
        problems.push(error.to_string());
    }
    let live = match args.live {
        true => Some(probe(context).await.map_err(|error| CommandError::Usage(error.to_string()))?),
        false => None,
    };
    stage.close().await;
    emit(&checked(common, good, &problems, live.as_ref()));
    match live {
        _ if !problems.is_empty() => Ok(Exit::Usage),
        Some(live) => Ok(live::exit(&live)),
        None => Ok(Exit::Ok),
    }
}

fn checked(common: &Common, good: usize, problems: &[String], live: Option<&Probes>) -> String {
    match common.output {
        Output::Json => {
            let mut json = serde_json::json!({ "schema": 1, "resolved": good, "problems": problems });
            if let Some(live) = live {
                json["live"] = live::json(live);
            }
            format!("{json:#}\n")
        }
        Output::Text => {
            let mut text: String = problems.iter().map(|problem| format!("error: {problem}\n")).collect();
            text.push_str(&format!("{good} pins and settable values resolve, {} problems\n", problems.len()));
            text.push_str(&live.map(live::text).unwrap_or_default());
            text
        }
    }
}
