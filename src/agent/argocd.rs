//! Argo CD: an Application for each service, read through the Kubernetes API or through Argo CD's own.

pub mod application;
mod cluster;
pub mod ready;
pub mod rest;
pub mod verdict;

use std::time::Duration;

use tokio::time::Instant;

use self::application::Application;
use self::cluster::InCluster;
use self::ready::{Expected, SyncBy};
use self::rest::OnServer;
use self::verdict::{Ask, Seen};
use super::after::AfterSync;
use super::cause::{self, Cause, Suspect};
use super::kinds::{self, APPLICATION};
use super::workload::{Need, WorkloadAgent};
use super::{Finding, Health, Observation, ObservationError, Question, Repository, Surroundings, Sync, Want};
use crate::cluster::{Kind, Right};
use crate::config::{self, ArgoReach, ClusterAccess};
use crate::repo::CommitId;

/// After this time a comparison is asked for again.
const AGAIN: Duration = Duration::from_secs(10);
/// The same where the last one failed.
const DOUBT: Duration = Duration::from_secs(2);

/// The agent: the templates of its configuration and where it looks.
#[derive(Debug, Clone)]
pub struct ArgoCdAgent {
    settings: config::ArgoCd,
    repository: Repository,
    surroundings: Surroundings,
    after: Vec<WorkloadAgent>,
}

impl ArgoCdAgent {
    /// The agent that `settings` describe.
    pub fn new(settings: &config::ArgoCd, surroundings: Surroundings) -> Self {
        let access = match &settings.reach {
            ArgoReach::Cluster(access) => access.clone(),
            ArgoReach::Server { .. } => ClusterAccess::default(),
        };
        let after = settings
            .after_sync
            .iter()
            .map(|workload| WorkloadAgent::new(workload, surroundings.clone(), &access))
            .collect();
        let repository = surroundings.repository.clone().alias(settings.repository.as_deref());
        Self { settings: settings.clone(), repository, surroundings, after }
    }

    /// Pause between two looks where nothing is told by itself.
    pub fn interval(&self) -> Duration {
        self.settings.interval
    }

    fn filled(&self, template: &str, question: &Question) -> String {
        let facts = config::Facts {
            dataset: &question.dataset,
            environment: &self.surroundings.environment,
            service: Some(&question.service),
            version: None,
        };
        config::fill(template, &facts)
    }

    /// Namespace and name of a service's Application.
    fn place(&self, question: &Question) -> (String, String) {
        (self.filled(&self.settings.namespace, question), self.filled(&self.settings.application, question))
    }

    fn source(&self, question: &Question) -> Source {
        let (namespace, name) = self.place(question);
        match &self.settings.reach {
            ArgoReach::Cluster(access) => {
                let clusters = self.surroundings.clusters.clone();
                Source::Cluster(InCluster::new(clusters, access.clone(), namespace, name))
            }
            ArgoReach::Server { server, token, ca } => {
                Source::Server(OnServer::new(server, token, ca.as_deref(), namespace, name))
            }
        }
    }

    /// The wait for one service.
    pub fn follow(&self, question: &Question) -> Following {
        Following {
            ask: Ask {
                repository: self.repository.clone(),
                commit: question.commit.clone(),
                retries: self.settings.sync_retries,
            },
            source: self.source(question),
            agent: self.clone(),
            begun: Instant::now(),
            refreshed: None,
            may_refresh: true,
            first: None,
            requested: None,
            ended: None,
            seen: Seen::default(),
            last: None,
            after: None,
            notice: None,
        }
    }

    /// What stands in the way of deploying these services.
    pub async fn ready(&self, wants: &[Want]) -> Vec<Finding> {
        let all = wants.iter().map(|want| self.ready_for(want));
        futures_util::future::join_all(all).await.into_iter().flatten().collect()
    }

    async fn ready_for(&self, want: &Want) -> Vec<Finding> {
        let mut source = self.source(&want.question);
        let app = match source.now().await {
            Ok(Some(app)) => app,
            Ok(None) => {
                return vec![Finding::Wrong(format!(
                    "{} does not exist; correct `application` or `namespace` of the agent",
                    source.title()
                ))];
            }
            Err(error) => return vec![error.finding()],
        };
        let by = match self.settings.sync {
            config::SyncBy::Auto => SyncBy::Argo,
            config::SyncBy::Request => SyncBy::Datapin,
        };
        let expected = Expected { repository: &self.repository, files: &want.files, by };
        let mut findings = ready::ready(&app, &expected);
        let namespace = namespace(&app);
        for workload in &self.after {
            findings.extend(workload.ready(&want.question, &namespace, Need::AfterSync).await);
        }
        findings
    }

    /// What has to be allowed, by cluster.
    pub fn rights(&self, wants: &[Want]) -> Vec<(ClusterAccess, Vec<Right>)> {
        let mut rights = Vec::new();
        if let ArgoReach::Cluster(access) = &self.settings.reach {
            let mut own = Vec::new();
            for want in wants {
                let (namespace, name) = self.place(&want.question);
                own.extend(["list", "watch"].map(|verb| Right::to(verb, APPLICATION, &namespace)));
                own.extend(["get", "patch"].map(|verb| Right::to(verb, APPLICATION, &namespace).only(&name)));
            }
            rights.push((access.clone(), own));
        }
        for workload in &self.after {
            let of = |want: &Want| workload.rights(&want.question.service, &want.question.dataset, "default");
            rights.push((workload.access().clone(), wants.iter().flat_map(of).collect()));
        }
        rights
    }
}

/// Namespace that an Application deploys to.
fn namespace(app: &Application) -> String {
    app.spec.destination.namespace.clone().unwrap_or_else(|| "default".to_owned())
}

/// Where an Application is read.
#[derive(Debug)]
enum Source {
    Cluster(InCluster),
    Server(OnServer),
}

impl Source {
    async fn now(&mut self) -> Result<Option<Application>, ObservationError> {
        match self {
            Source::Cluster(source) => source.now().await,
            Source::Server(source) => Ok(source.now().await?),
        }
    }

    async fn changed(&mut self) {
        match self {
            Source::Cluster(source) => source.changed().await,
            Source::Server(source) => source.changed().await,
        }
    }

    /// Asks for a comparison; the Application as it was then.
    async fn refresh(&mut self) -> Result<Application, ObservationError> {
        match self {
            Source::Cluster(source) => source.refresh().await,
            Source::Server(source) => Ok(source.refresh().await?),
        }
    }

    /// Ends the sync that is under way.
    async fn terminate(&mut self) -> Result<(), ObservationError> {
        match self {
            Source::Cluster(source) => source.terminate().await,
            Source::Server(source) => Ok(source.terminate().await?),
        }
    }

    /// Asks for a sync of that revision.
    async fn sync(&mut self, revision: &str) -> Result<(), ObservationError> {
        match self {
            Source::Cluster(source) => source.sync(revision).await,
            Source::Server(source) => Ok(source.sync(revision).await?),
        }
    }

    fn title(&self) -> String {
        match self {
            Source::Cluster(source) => source.title(),
            Source::Server(source) => source.title(),
        }
    }

    fn take_notice(&mut self) -> Option<String> {
        match self {
            Source::Cluster(source) => source.take_notice(),
            Source::Server(source) => source.take_notice(),
        }
    }
}

/// One service that somebody waits for.
#[derive(Debug)]
pub struct Following {
    agent: ArgoCdAgent,
    source: Source,
    ask: Ask,
    begun: Instant,
    /// When a comparison was last asked for.
    refreshed: Option<Instant>,
    /// Whether it may be asked for.
    may_refresh: bool,
    /// Revision at first sight: older than our commit.
    first: Option<String>,
    /// Revision whose sync was asked for.
    requested: Option<String>,
    /// Revision whose retries were ended.
    ended: Option<String>,
    seen: Seen,
    last: Option<Application>,
    after: Option<AfterSync>,
    notice: Option<String>,
}

impl Following {
    /// What Argo CD says now. Asks for a comparison, and for a sync, where that helps.
    pub async fn observe(&mut self, question: &Question) -> Result<Observation, ObservationError> {
        let Some(app) = self.source.now().await? else {
            self.last = None;
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
        let seen = self.seen.next(&app, &self.ask, self.begun.elapsed());
        let namespace = namespace(&app);
        self.last = Some(app);
        let agents = &self.agent.after;
        let after = self.after.get_or_insert_with(|| AfterSync::new(agents, question, &namespace));
        after.confirm(seen).await
    }

    /// Asks for a comparison if our commit was not seen yet, once and again after some seconds.
    async fn refresh(&mut self, app: &Application, compared: &str) {
        let pause = if self.seen.doubts() { DOUBT } else { AGAIN };
        let is_due = self.refreshed.is_none_or(|refreshed| refreshed.elapsed() >= pause);
        let is_there = compared == self.ask.commit.as_str() && app.spec.source_hydrator.is_none();
        let moved = self.first.as_deref() != Some(compared) && !self.seen.doubts();
        if !self.may_refresh || !is_due || is_there || (moved && self.refreshed.is_some()) {
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
        self.notice.take().or_else(|| self.source.take_notice())
    }

    /// Why it is not up: the workload of the Application that has a pod in trouble.
    pub async fn cause(&mut self) -> Cause {
        if let Some(after) = &mut self.after
            && let Some(cause) = after.cause().await
        {
            return cause;
        }
        let Some(app) = &self.last else { return Cause::default() };
        match &mut self.source {
            Source::Cluster(source) if app.spec.destination.is_own_cluster() => {
                match source.cluster().await {
                    Ok(cluster) => cause::of(&cluster, &suspects(app)).await,
                    Err(_) => Cause::default(),
                }
            }
            Source::Cluster(_) => Cause::default(),
            Source::Server(source) => source.cause(app).await,
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
