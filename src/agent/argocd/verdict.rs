//! What an Application says about a commit. Pure: the object in, an [`Observation`] out.
//!
//! Traps and measured sequences: facts/external-systems.md, facts/cluster.md.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::application::{Application, OperationState, ResourceResult};
use crate::agent::repository::Repository;
use crate::agent::{Health, Observation, Sync};
use crate::repo::CommitId;

/// Health that may be older than the sync is believed after this time. The peer waits as long.
const SETTLED: Duration = Duration::from_secs(10);
/// Times in the object are whole seconds: after this time, the same second means later.
const SAME_SECOND: Duration = Duration::from_secs(2);
/// So many comparisons that we asked for have to fail: one may be a git server out of reach.
const ERRORS_ASKED: usize = 2;
/// And so many that nobody asked for: the first ones may be about an older commit.
const ERRORS: usize = 4;

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Our repository.
    pub repository: Repository,
    /// The commit.
    pub commit: CommitId,
    /// How often a failed sync may be tried again before it is called failed.
    pub retries: u32,
}

/// What was seen of one Application so far, for what no single object shows.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// When it was last compared before our refresh; `None` until one was asked for.
    asked: Option<Option<Timestamp>>,
    /// When it was compared at first sight.
    first: Option<Option<Timestamp>>,
    /// Comparisons with an error.
    errors: BTreeSet<Option<Timestamp>>,
    /// Revision that is synced, and since when.
    synced: Option<(String, Duration)>,
    /// Revision that was seen before it was synced.
    unsynced: Option<String>,
    /// Revision at first sight.
    began: Option<String>,
}

impl Seen {
    /// Notes that a comparison was asked for when the Application was as `app`.
    pub fn asked(&mut self, app: &Application) {
        self.asked = Some(app.status.reconciled_at);
    }

    /// What `app` says; `now` is the time since the wait began.
    pub fn next(&mut self, app: &Application, ask: &Ask, now: Duration) -> Observation {
        self.first.get_or_insert(app.status.reconciled_at);
        let at = app.compared(&ask.repository).map(str::to_owned);
        self.began.get_or_insert_with(|| at.clone().unwrap_or_default());
        let revision = revision(app, &ask.repository);
        if let Some(failure) = self.failure(app, ask) {
            return failure;
        }
        let pending = |reason: String| Observation { reason, ..pending(revision.clone()) };
        if let Some(reason) = under_way(app, &ask.repository) {
            self.unsynced = at;
            self.synced = None;
            return pending(reason);
        }
        if app.status.sync.status != "Synced" {
            self.unsynced = at;
            self.synced = None;
            return pending(out_of_sync(app));
        }
        let Some(at) = at else { return pending(String::new()) };
        let since = match &self.synced {
            Some((known, since)) if *known == at => *since,
            _ => now,
        };
        self.synced = Some((at.clone(), since));
        let (health, reason) = self.health(app, &at, now.saturating_sub(since));
        Observation { revision, sync: Sync::Synced, health, reason, log: Vec::new() }
    }

    /// What is certain not to go well by itself.
    fn failure(&mut self, app: &Application, ask: &Ask) -> Option<Observation> {
        let failed = |revision: Option<CommitId>, reason: String| {
            Some(Observation {
                revision,
                sync: Sync::Failed,
                health: Health::Unknown,
                reason: format!("{}: {reason}", app.title()),
                log: Vec::new(),
            })
        };
        if let Some((dry, reason)) = hydration_failed(app) {
            return failed(dry, reason);
        }
        if let Some(reason) = self.comparison_failed(app) {
            // the comparison came after our commit: it is about that one, or a later one
            return failed(Some(ask.commit.clone()), reason);
        }
        let (commit, reason) = sync_failed(app, ask).or_else(|| skipped(app, ask))?;
        failed(Some(commit), reason)
    }

    /// A comparison error that is about our commit: seen in comparisons since the wait began.
    fn comparison_failed(&mut self, app: &Application) -> Option<String> {
        let invalid = app.condition(&["InvalidSpecError"]);
        let condition = invalid.or_else(|| app.condition(&["ComparisonError", "UnknownError"]));
        let at = app.status.reconciled_at;
        let before = self.asked.or(self.first).unwrap_or_default();
        let Some(condition) = condition else {
            self.errors.clear();
            return None;
        };
        if app.is_refreshing() || (at == before && invalid.is_none()) {
            return None;
        }
        self.errors.insert(at);
        let enough = match self.asked {
            // a broken spec is not compared at all, so that there is no second comparison to wait for
            Some(_) if invalid.is_some() => 1,
            Some(_) => ERRORS_ASKED,
            None => ERRORS,
        };
        let reason = || format!("{}: {}", condition.kind, one_line(&condition.message));
        (self.errors.len() >= enough).then(reason)
    }

    /// Whether a comparison error was seen that has to be seen once more: then another refresh helps.
    pub fn doubts(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Health, as far as it belongs to the revision `at`, which is synced for `settled`.
    fn health(&self, app: &Application, at: &str, settled: Duration) -> (Health, String) {
        let health = &app.status.health;
        let message = one_line(&health.message);
        let said = match health.status.as_str() {
            "Healthy" => Health::Healthy,
            "Degraded" => Health::Degraded,
            "Progressing" => Health::Progressing,
            _ => Health::Unknown,
        };
        let reason = match said {
            Health::Healthy => String::new(),
            Health::Degraded => format!("{}: Degraded{}", app.title(), after(&message)),
            Health::Progressing => message,
            Health::Unknown => format!("{}{}", health.status, after(&message)),
        };
        let changed = health.last_transition_time;
        let finished = app.status.operation_state.as_ref().and_then(|state| state.finished_at);
        let believed = match said {
            Health::Progressing | Health::Unknown => true,
            Health::Healthy => self.is_after(changed.max(app.status.reconciled_at), finished, at, settled),
            Health::Degraded => is_later(changed, finished) || settled >= SETTLED,
        };
        if believed { (said, reason) } else { (Health::Progressing, older(&health.status)) }
    }

    /// Whether `said` is no older than the end of the sync.
    fn is_after(
        &self,
        said: Option<Timestamp>,
        finished: Option<Timestamp>,
        at: &str,
        settled: Duration,
    ) -> bool {
        let Some(finished) = finished else { return true };
        match said.map(|said| said.as_second().cmp(&finished.as_second())) {
            Some(std::cmp::Ordering::Greater) => true,
            Some(std::cmp::Ordering::Equal) => self.unsynced.as_deref() == Some(at) || settled >= SAME_SECOND,
            Some(std::cmp::Ordering::Less) | None => settled >= SETTLED,
        }
    }
}

fn is_later(changed: Option<Timestamp>, finished: Option<Timestamp>) -> bool {
    match (changed, finished) {
        (Some(changed), Some(finished)) => changed.as_second() > finished.as_second(),
        (Some(_) | None, None) | (None, Some(_)) => false,
    }
}

fn older(status: &str) -> String {
    format!("{status}, but that may be from before the sync")
}

fn pending(revision: Option<CommitId>) -> Observation {
    Observation {
        revision,
        sync: Sync::Pending,
        health: Health::Unknown,
        reason: String::new(),
        log: Vec::new(),
    }
}

/// The commit of our repository that the Application was compared with. A branch's name is none, and neither
/// is a rendered commit whose source is not known.
fn revision(app: &Application, ours: &Repository) -> Option<CommitId> {
    translated(app, app.compared(ours)?)
}

/// The commit that people wrote, for one that the Application names.
fn translated(app: &Application, named: &str) -> Option<CommitId> {
    if app.spec.source_hydrator.is_none() {
        return named.parse().ok();
    }
    let done = app.status.source_hydrator.as_ref()?.last_successful_operation.as_ref()?;
    (done.hydrated == named).then(|| done.dry.parse().ok()).flatten()
}

fn hydration_failed(app: &Application) -> Option<(Option<CommitId>, String)> {
    let now = app.status.source_hydrator.as_ref()?.current_operation.as_ref()?;
    (now.phase == "Failed")
        .then(|| (now.dry.parse().ok(), format!("could not be hydrated: {}", one_line(&now.message))))
}

/// Why a sync is still under way, if one is.
fn under_way(app: &Application, ours: &Repository) -> Option<String> {
    let hydration = app.status.source_hydrator.as_ref().and_then(|state| state.current_operation.as_ref());
    if hydration.is_some_and(|now| now.phase == "Hydrating") {
        return Some("hydrating".to_owned());
    }
    if app.operation.is_some() {
        return Some("a sync is asked for".to_owned());
    }
    let state = app.status.operation_state.as_ref()?;
    if !matches!(state.phase.as_str(), "Running" | "Terminating") {
        return None;
    }
    let message = one_line(&state.message);
    let operated = app.operated(ours);
    match operated.filter(|operated| Some(*operated) != app.compared(ours)) {
        Some(older) => Some(format!("a sync of another commit ({}) comes first: {message}", short(older))),
        None => Some(message),
    }
}

/// A failed sync of the commit that it was compared with. That of another one says nothing: a revert of a commit
/// that could not be applied changes nothing, and so is never synced.
fn sync_failed(app: &Application, ask: &Ask) -> Option<(CommitId, String)> {
    let state = app.status.operation_state.as_ref()?;
    let operated = app.operated(&ask.repository)?;
    let is_current = Some(operated) == app.compared(&ask.repository);
    let failed = match state.phase.as_str() {
        "Failed" | "Error" => true,
        // a failed apply is tried again for minutes, and is `Running` all the time
        "Running" => state.retry_count > ask.retries,
        _ => false,
    };
    (is_current && failed).then(|| Some((translated(app, operated)?, why(state)))).flatten()
}

/// A sync that Argo CD says it will not begin, of the commit that it compared with.
fn skipped(app: &Application, ask: &Ask) -> Option<(CommitId, String)> {
    let at = app.compared(&ask.repository)?;
    let condition = app.condition(&["SyncError"])?;
    let commit = translated(app, at)?;
    condition.message.contains(at).then(|| (commit, format!("SyncError: {}", one_line(&condition.message))))
}

/// Why a sync failed: its message and the resources that it names.
fn why(state: &OperationState) -> String {
    let bad = |result: &&ResourceResult| {
        result.status == "SyncFailed" || matches!(result.hook_phase.as_str(), "Failed" | "Error")
    };
    let resources = state.sync_result.iter().flat_map(|result| &result.resources);
    let bad: Vec<String> = resources
        .filter(bad)
        .map(|bad| format!("{} {}: {}", bad.kind, bad.name, one_line(&bad.message)))
        .collect();
    let message = one_line(&state.message);
    let missing: Vec<String> = bad.into_iter().filter(|text| !message.contains(text.as_str())).collect();
    if missing.is_empty() { message } else { format!("{message} ({})", missing.join("; ")) }
}

/// Which resources are not as git says.
fn out_of_sync(app: &Application) -> String {
    let different: Vec<String> = app
        .status
        .resources
        .iter()
        .filter(|resource| resource.status == "OutOfSync")
        .map(|resource| format!("{} {}", resource.kind, resource.name))
        .collect();
    let (shown, more) = different.split_at(different.len().min(3));
    let dots = if more.is_empty() { "" } else { ", …" };
    let status = match app.status.sync.status.as_str() {
        "" => "not compared yet",
        "OutOfSync" => "out of sync",
        other => other,
    };
    let comparison = app.condition(&["ComparisonError", "UnknownError"]);
    let comparison = comparison.map(|found| format!(": {}: {}", found.kind, one_line(&found.message)));
    let resources = if shown.is_empty() { String::new() } else { format!(": {}{dots}", shown.join(", ")) };
    let waits = if app.is_automated() { "" } else { ", and auto-sync is off" };
    format!("{status}{waits}{}", comparison.unwrap_or(resources))
}

fn after(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn short(revision: &str) -> &str {
    revision.get(..8).unwrap_or(revision)
}

fn one_line(text: &str) -> String {
    crate::process::one_line(text, 400)
}
