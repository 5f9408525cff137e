//! The wait for one service of Argo CD.

use std::time::Duration;

use tokio::time::Instant;

use super::application::Application;
use super::source::Source;
use super::verdict::{Ask, Seen};
use super::{ArgoCdAgent, namespace, window};
use crate::agent::after::AfterSync;
use crate::agent::cause::{self, Cause, Suspect};
use crate::agent::{Health, Observation, ObservationError, Question, Sync, kinds};
use crate::cluster::Kind;
use crate::config;
use crate::repo::CommitId;

/// After this time a comparison is asked for again.
const AGAIN: Duration = Duration::from_secs(10);
/// The same where it has moved since.
const MOVED: Duration = Duration::from_secs(30);
/// The same where the last one failed.
const DOUBT: Duration = Duration::from_secs(2);

/// One service that somebody waits for.
#[derive(Debug)]
pub struct Following {
    pub(super) agent: ArgoCdAgent,
    pub(super) source: Source,
    pub(super) ask: Ask,
    pub(super) begun: Instant,
    /// When a comparison was last asked for.
    pub(super) refreshed: Option<Instant>,
    /// Whether it may be asked for.
    pub(super) may_refresh: bool,
    /// Revision at first sight: older than our commit.
    pub(super) first: Option<String>,
    /// Revision whose sync was asked for.
    pub(super) requested: Option<String>,
    /// Revision whose retries were ended.
    pub(super) ended: Option<String>,
    pub(super) seen: Seen,
    pub(super) after: Option<AfterSync>,
    pub(super) notice: Option<String>,
    pub(super) waits: Waits,
}

/// What is known of an Application that could be synced, and is not.
#[derive(Debug, Default)]
pub struct Waits {
    /// Since when it is so.
    since: Option<Instant>,
    /// When its sync windows were looked at, and which of them keeps it waiting.
    windows: Option<(Instant, Option<String>)>,
}

impl Following {
    /// What Argo CD says now. Asks for a comparison, and for a sync, where that helps.
    pub async fn observe(&mut self, question: &Question) -> Result<Observation, ObservationError> {
        let Some(app) = self.source.now().await? else {
            return Ok(Observation {
                revision: None,
                sync: Sync::Failed,
                health: Health::Unknown,
                reason: format!("{} does not exist any more", self.source.title()),
                log: Vec::new(),
            });
        };
        let compared = app.compared(&self.ask.repository).unwrap_or_default().to_owned();
        self.first.get_or_insert_with(|| compared.clone());
        self.refresh(&app, &compared).await;
        self.sync(&app, &compared).await;
        self.clear_the_way(&app, &compared).await;
        let mut seen = self.seen.next(&app, &self.ask, self.begun.elapsed());
        if let Some(window) = self.window(&app).await.filter(|_| seen.sync == Sync::Pending) {
            seen.reason = format!("{}; {window}", seen.reason);
        }
        let namespace = namespace(&app);
        let agents = &self.agent.after;
        let after = self.after.get_or_insert_with(|| AfterSync::new(agents, question, Some(&namespace)));
        after.confirm(seen).await
    }

    /// Asks for a comparison if our commit was not seen yet, once and again after some seconds.
    async fn refresh(&mut self, app: &Application, compared: &str) {
        let moved = self.first.as_deref() != Some(compared);
        let pause = match (self.seen.doubts(), moved) {
            (true, _) => DOUBT,
            (false, false) => AGAIN,
            // it is on its way already, perhaps at a commit after ours
            (false, true) => MOVED,
        };
        let is_due = self.refreshed.is_none_or(|refreshed| refreshed.elapsed() >= pause);
        let is_there = compared == self.ask.commit.as_str() && app.spec.source_hydrator.is_none();
        if !self.may_refresh || !is_due || is_there {
            return;
        }
        self.refreshed = Some(Instant::now());
        match self.source.refresh().await {
            Ok(then) => self.seen.asked(&then),
            Err(error) if error.is_forbidden() => {
                self.may_refresh = false;
                self.notice = Some(format!(
                    "{} cannot be asked to look at git, so it goes on at Argo CD's own pace (minutes): {error}",
                    self.source.title()
                ));
            }
            Err(error) => tracing::warn!(%error, "cannot ask for a comparison"),
        }
    }

    /// Begins the sync of a revision that is not older than our commit, where that is left to datapin.
    async fn sync(&mut self, app: &Application, compared: &str) {
        let ours = compared == self.ask.commit.as_str()
            || (self.first.as_deref() != Some(compared) && compared.parse::<CommitId>().is_ok());
        let idle = app.operation.is_none()
            && app.status.operation_state.as_ref().is_none_or(|state| state.phase != "Running");
        let wanted = self.agent.settings.sync == config::SyncBy::Request
            && app.status.sync.status == "OutOfSync"
            && ours
            && idle
            && app.operated(&self.ask.repository) != Some(compared);
        if !wanted || self.requested.as_deref() == Some(compared) {
            return;
        }
        match self.source.sync(compared).await {
            Ok(()) => self.requested = Some(compared.to_owned()),
            Err(error) => {
                self.notice = Some(format!("{} cannot be asked to sync: {error}", self.source.title()));
                if error.is_forbidden() {
                    self.requested = Some(compared.to_owned());
                }
            }
        }
    }

    /// The sync window that keeps it from being synced, where one does: Argo CD itself only says "out of sync".
    async fn window(&mut self, app: &Application) -> Option<String> {
        let state = app.status.operation_state.as_ref();
        let idle = app.operation.is_none() && state.is_none_or(|state| state.phase != "Running");
        if app.status.sync.status != "OutOfSync" || !idle || !app.is_automated() {
            self.waits = Waits::default();
            return None;
        }
        let since = *self.waits.since.get_or_insert_with(Instant::now);
        let known = self.waits.windows.as_ref().filter(|(looked, _)| looked.elapsed() < MOVED);
        match known {
            Some((_, window)) => window.clone(),
            None if since.elapsed() < DOUBT => None,
            None => {
                let window = window::closed(&self.source.windows(app).await);
                let before = self.waits.windows.replace((Instant::now(), window.clone()));
                if window.is_none() && before.is_some_and(|(_, before)| before.is_some()) {
                    self.look_again().await;
                }
                window
            }
        }
    }

    /// Argo CD looks by itself only every few minutes whether a window is open again.
    async fn look_again(&mut self) {
        match self.source.refresh().await {
            Ok(then) => self.seen.asked(&then),
            Err(error) => tracing::warn!(%error, "cannot ask for a comparison after a sync window"),
        }
    }

    /// Ends the retries of another commit's failed sync: ours would wait behind them for minutes, and a revert is
    /// what mends it.
    async fn clear_the_way(&mut self, app: &Application, compared: &str) {
        let Some(state) = &app.status.operation_state else { return };
        let Some(other) = app.operated(&self.ask.repository).filter(|operated| *operated != compared) else {
            return;
        };
        let is_new = compared == self.ask.commit.as_str() || self.first.as_deref() != Some(compared);
        let stuck = state.phase == "Running" && state.retry_count > 0 && compared.parse::<CommitId>().is_ok();
        if !is_new || !stuck || self.ended.as_deref() == Some(other) {
            return;
        }
        self.ended = Some(other.to_owned());
        if let Err(error) = self.source.terminate().await {
            self.notice = Some(format!(
                "{} tries a failed sync of another commit again and again, and cannot be told to stop: {error}",
                self.source.title()
            ));
        }
    }

    /// Returns when there may be something new.
    pub async fn changed(&mut self) {
        match &mut self.after {
            Some(after) => tokio::select! {
                () = self.source.changed() => {}
                () = after.changed() => {}
            },
            None => self.source.changed().await,
        }
    }

    /// What people should know; given once.
    pub fn take_notice(&mut self) -> Option<String> {
        let after = || self.after.as_ref().and_then(AfterSync::take_notice);
        self.notice.take().or_else(|| self.source.take_notice()).or_else(after)
    }

    /// Why it is not up: the workload of the Application that has a pod in trouble.
    pub async fn cause(&mut self) -> Cause {
        if let Some(after) = &mut self.after
            && let Some(cause) = after.cause().await
        {
            return cause;
        }
        let Ok(Some(app)) = self.source.now().await else { return Cause::default() };
        match &mut self.source {
            Source::Cluster(source) if app.spec.destination.is_own_cluster() => {
                match source.cluster().await {
                    Ok(cluster) => cause::of(&cluster, &suspects(&app)).await,
                    Err(_) => Cause::default(),
                }
            }
            Source::Cluster(_) => Cause::default(),
            Source::Server(source) => source.cause(&app).await,
        }
    }
}

/// The workloads of an Application: those that it calls unhealthy, all where it does not say.
fn suspects(app: &Application) -> Vec<Suspect> {
    let default = namespace(app);
    let mut found: Vec<(u8, Suspect)> = app
        .status
        .resources
        .iter()
        .filter_map(|resource| {
            let kind: Kind = kinds::workload(&resource.kind)?;
            let rank = match resource.health.as_ref().map(|health| health.status.as_str()) {
                Some("Degraded") => 0,
                Some("Healthy") => return None,
                Some(_) => 1,
                None => 2,
            };
            let named = !resource.namespace.is_empty();
            let namespace = if named { resource.namespace.clone() } else { default.clone() };
            Some((rank, Suspect { kind, namespace, name: resource.name.clone() }))
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, suspect)| suspect).collect()
}
