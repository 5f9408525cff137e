//! The events of a run again, from the versions that its ticket had in the past of the queue branch.
//!
//! The branch is the journal, so a run can be told of long after its processes are gone. Its times are those of the
//! journal's commits: progress rides on the next beat, so they are late by up to a third of `ttl`. Output of gates and
//! services is not in it.

mod replay;

use jiff::{SignedDuration, Timestamp};

use super::resume::find;
use super::{RunError, close};
use crate::event::{Event, Level, What};
use crate::queue::{Action, Fate, HistoryLine, Intent, Outcome, RunId, Store, StoreError, Ticket};

/// How much later than the commit before a clock of another machine may say that it is.
const CLOCKS: SignedDuration = SignedDuration::from_hours(24);

/// Which run is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By run id, its last six characters, or number.
    Named(String),
    /// The last try of a CI pipeline, whose runs' keys begin so.
    Key(String),
    /// The last one that finished, else the only one there is.
    Last,
}

/// The events of a run, as far as the queue branch tells; none if there is no such run.
///
/// # Errors
/// A queue that cannot be read, and a name that several runs have.
pub async fn past(store: &Store, which: &Which) -> Result<Vec<Event>, RunError> {
    let line = finished(store, which).await?;
    let seen = store.read().await?;
    let open = match which {
        Which::Named(name) => find(&seen.queue, Some(name))?,
        Which::Key(key) => seen.queue.tickets.values().rfind(|ticket| ticket.key.starts_with(key.as_str())),
        Which::Last if line.is_none() => find(&seen.queue, None)?,
        Which::Last => None,
    };
    match (open, line) {
        (Some(ticket), line) if line.as_ref().is_none_or(|line| line.number < ticket.number) => {
            let versions = versions(store, ticket.number, &ticket.run, ticket.times.entered).await?;
            Ok(with_source(replay::events(&versions), store.branch()))
        }
        (_, Some(line)) => {
            let versions = versions(store, line.number, &line.run, line.entered).await?;
            let mut events = with_source(replay::events(&versions), store.branch());
            events.extend(ending(&line, versions.last().map(|(_, ticket)| ticket)));
            Ok(events)
        }
        (_, None) => Ok(Vec::new()),
    }
}

async fn versions(
    store: &Store,
    number: u64,
    run: &RunId,
    entered: Timestamp,
) -> Result<Vec<(Timestamp, Ticket)>, StoreError> {
    let mut versions = store.versions(number, run, entered.saturating_sub(CLOCKS).unwrap_or(entered)).await?;
    versions.iter_mut().for_each(|(_, ticket)| know_reverts(ticket));
    Ok(versions)
}

/// Says behind the first event where all of them come from.
fn with_source(mut events: Vec<Event>, branch: &str) -> Vec<Event> {
    let Some(first) = events.first() else { return events };
    let text = format!(
        "told from the journal on `{branch}`: times are those of its commits, and it keeps no output of gates and services"
    );
    let note = Event { what: What::Note { level: Level::Info, text }, ..first.clone() };
    events.insert(1, note);
    events
}

/// A revert is named before it is pushed; that it was is noted last, and may never have been written.
fn know_reverts(ticket: &mut Ticket) {
    for part in ticket.parts_mut().filter(|part| part.revert.is_none()) {
        let alive = |intent: &&Intent| intent.action == Action::Revert && intent.fate != Fate::Dead;
        part.revert = part.intents.iter().rfind(alive).map(|intent| intent.commit.clone());
    }
}

async fn finished(store: &Store, which: &Which) -> Result<Option<HistoryLine>, StoreError> {
    let wanted = which.clone();
    let lines = store.history(move |lines| lines.iter().any(|line| is(line, &wanted))).await?;
    Ok(lines.into_iter().find(|line| is(line, which)))
}

fn is(line: &HistoryLine, which: &Which) -> bool {
    match which {
        Which::Named(name) => line.is_called(name),
        Which::Key(key) => line.key.starts_with(key.as_str()),
        Which::Last => true,
    }
}

/// The end of a run that the last version of its ticket does not have: the results that came after it, and how it
/// ended.
fn ending(line: &HistoryLine, ticket: Option<&Ticket>) -> Vec<Event> {
    let Some(ticket) = ticket else { return vec![only(line)] };
    let frozen = frozen(&line.outcome);
    let mut events = replay::results(ticket, &line.outcome);
    let names: Vec<&str> = frozen.iter().map(|(name, _)| *name).collect();
    events.extend(frozen.iter().map(|(name, reason)| What::Frozen {
        environment: (*name).to_owned(),
        reason: (*reason).to_owned(),
    }));
    events.push(What::Finished(close::finished(ticket, &line.outcome, &names, line.finished)));
    events.into_iter().map(|what| Event { at: line.finished, run: line.run.clone(), what }).collect()
}

/// What a history line alone can tell.
fn only(line: &HistoryLine) -> Event {
    let summary = crate::event::Summary {
        pipeline: line.pipeline.clone(),
        dataset: line.dataset.clone(),
        version: line.version.clone(),
        actor: line.actor.clone(),
        url: String::new(),
        stages: Vec::new(),
    };
    let since = line.started.unwrap_or(line.entered);
    let seconds = u64::try_from(line.finished.duration_since(since).as_secs()).unwrap_or_default();
    let finished = crate::event::Finished {
        summary,
        outcome: line.outcome.clone(),
        exit: line.outcome.exit().code(),
        standing: Vec::new(),
        warnings: Vec::new(),
        seconds,
    };
    Event { at: line.finished, run: line.run.clone(), what: What::Finished(finished) }
}

/// The environments that a failed rollback froze, each with its first reason.
fn frozen(outcome: &Outcome) -> Vec<(&str, &str)> {
    let Outcome::RollbackFailed { failures, .. } = outcome else { return Vec::new() };
    let mut found: Vec<(&str, &str)> = Vec::new();
    for failure in failures {
        let (place, reason) = failure.split_once(": ").unwrap_or((failure, ""));
        let name = place.split_once('/').map_or(place, |(environment, _)| environment);
        if !found.iter().any(|(known, _)| *known == name) {
            found.push((name, reason));
        }
    }
    found
}

impl HistoryLine {
    /// Whether a person who says `name` means this run: its id, the id's last six characters or more, or its number.
    pub fn is_called(&self, name: &str) -> bool {
        let bare = name.trim_start_matches('#');
        let (own, asked) = (self.run.0.to_ascii_uppercase(), bare.to_ascii_uppercase());
        self.number.to_string() == bare || own == asked || (bare.len() >= 6 && own.ends_with(&asked))
    }
}
