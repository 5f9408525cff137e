//! Finds the run that a job belongs to: all that is known is the CI pipeline, and the repository.

use super::Task;
use crate::config::Queue as Settings;
use crate::queue::{HistoryLine, RunKind, Store, Ticket};
use crate::run::RunError;
use crate::run::context::Context;
use crate::run::wait::look;

/// The queue of a run, and its ticket as it was read.
#[derive(Debug, Clone)]
pub struct Site {
    /// Queue.
    pub store: Store,
    /// Its settings.
    pub settings: Settings,
    /// Ticket.
    pub ticket: Ticket,
}

/// What became of the run.
#[derive(Debug)]
pub enum Found {
    /// It is in the queue.
    Here(Box<Site>),
    /// It ended.
    Over(Box<HistoryLine>),
    /// This CI pipeline has none.
    Nowhere,
}

/// Finds the run that a job belongs to.
pub async fn find(context: &Context, task: &Task) -> Result<Found, RunError> {
    let Some(ci) = &context.ci else {
        let text = "`datapin step` runs in the jobs of a CI pipeline: CI_PIPELINE_ID is not set; \
                    elsewhere `datapin deploy` does all of it in one process";
        return Err(RunError::Usage(text.to_owned()));
    };
    let mut ended = None;
    for (store, settings) in queues(context) {
        let seen = look(context, &store, settings.ttl).await?;
        let mine = |ticket: &&Ticket| {
            let key = ticket.ci.as_ref().is_some_and(|own| own.pipeline == ci.pipeline);
            key && ticket.kind == RunKind::Deploy && task.is_about(&ticket.pipeline, &names(ticket))
        };
        let found: Vec<&Ticket> = seen.tickets.values().filter(mine).collect();
        match found.as_slice() {
            [] => {}
            [one] => {
                let ticket = (*one).clone();
                return Ok(Found::Here(Box::new(Site { store, settings, ticket })));
            }
            several => return Err(which(several)),
        }
        if ended.is_none() {
            ended = over(&store, &ci.pipeline, task).await?;
        }
    }
    Ok(ended.map_or(Found::Nowhere, |line| Found::Over(Box::new(line))))
}

fn which(several: &[&Ticket]) -> RunError {
    let names: Vec<String> =
        several.iter().map(|ticket| format!("#{} {}", ticket.number, ticket.title())).collect();
    let text = format!("this CI pipeline has several runs ({}): name the pipeline", names.join(", "));
    RunError::Usage(text)
}

/// The newest run of this CI pipeline that ended.
async fn over(store: &Store, pipeline: &str, task: &Task) -> Result<Option<HistoryLine>, RunError> {
    let prefix = format!("{pipeline}:");
    let wanted = task.clone();
    let mine = move |line: &HistoryLine| {
        line.key.starts_with(&prefix) && wanted.is_about(&line.pipeline, &line.environments)
    };
    let enough = mine.clone();
    let lines = store.history(move |lines| lines.len() > 1000 || lines.iter().any(&enough)).await?;
    Ok(lines.into_iter().find(|line| mine(line)))
}

/// Every queue that an environment uses, each once.
pub fn queues(context: &Context) -> Vec<(Store, Settings)> {
    let mut found: Vec<(Store, Settings)> = Vec::new();
    for (name, settings) in &context.config.queues {
        let used = context.config.environments.values().any(|one| one.queue == *name);
        let store = context.queue_store(name);
        if used && !found.iter().any(|(other, _)| other.same(&store)) {
            found.push((store, settings.clone()));
        }
    }
    found
}

fn names(ticket: &Ticket) -> Vec<String> {
    ticket.parts().map(|part| part.identity.name.clone()).collect()
}

impl Task {
    /// Whether it belongs to a run of that pipeline with these environments.
    fn is_about(&self, pipeline: &str, environments: &[String]) -> bool {
        match self {
            Task::Announce { pipeline: own } | Task::Finish { pipeline: own } => {
                own.as_ref().is_none_or(|own| own == pipeline)
            }
            Task::Deploy { environment, .. }
            | Task::Gate { environment, .. }
            | Task::Rollback { environment, .. }
            | Task::Record { environment } => environments.contains(environment),
        }
    }
}
