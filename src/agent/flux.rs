//! Flux: a GitRepository, the Kustomization that applies it, and a HelmRelease where one is named.

pub mod object;
pub mod ready;
pub mod verdict;

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use self::object::{Named, Object, REQUESTED, Request, commit};
use self::verdict::{Facts, Requests, verdict};
use super::after::AfterSync;
use super::cause::{self, Cause, Suspect};
use super::kinds::{DEPLOYMENT, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION, STATEFUL_SET};
use super::live::Live;
use super::workload::{Need, WorkloadAgent};
use super::{Finding, Health, Observation, ObservationError, Question, Repository, Surroundings, Sync, Want};
use crate::cluster::{Cluster, Kind, Right};
use crate::config::{self, ClusterAccess};
use crate::repo::CommitId;

/// After this time a source that has not moved is asked again.
const AGAIN: Duration = Duration::from_secs(15);

/// The agent: the templates of its configuration and where it looks.
#[derive(Debug, Clone)]
pub struct FluxAgent {
    settings: config::Flux,
    repository: Repository,
    surroundings: Surroundings,
    after: Vec<WorkloadAgent>,
    /// Unique for each agent that is made, and one is made for each wait.
    wait: String,
}

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spot {
    namespace: String,
    name: String,
}

impl Spot {
    fn of(named: &Named, default: &str) -> Self {
        let namespace = named.namespace.clone().filter(|namespace| !namespace.is_empty());
        Self { namespace: namespace.unwrap_or_else(|| default.to_owned()), name: named.name.clone() }
    }
}

impl FluxAgent {
    /// The agent that `settings` describe.
    pub fn new(settings: &config::Flux, surroundings: Surroundings) -> Self {
        let new = |workload| WorkloadAgent::new(workload, surroundings.clone(), &settings.access);
        let after = settings.after_sync.iter().map(new).collect();
        let repository = surroundings.repository.clone().alias(settings.repository.as_deref());
        let wait = ulid::Ulid::generate().to_string();
        Self { settings: settings.clone(), repository, surroundings, after, wait }
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

    fn kustomization(&self, question: &Question) -> Spot {
        Spot {
            namespace: self.filled(&self.settings.namespace, question),
            name: self.filled(&self.settings.kustomization, question),
        }
    }

    fn release(&self, question: &Question) -> Option<Spot> {
        let text = self.filled(self.settings.helm_release.as_deref()?, question);
        Some(match text.split_once('/') {
            Some((namespace, name)) => Spot { namespace: namespace.to_owned(), name: name.to_owned() },
            None => Spot { namespace: self.kustomization(question).namespace, name: text },
        })
    }

    async fn cluster(&self) -> Result<Cluster, ObservationError> {
        Ok(self.surroundings.clusters.get(&self.settings.access).await?)
    }

    /// The wait for one service.
    pub fn follow(&self, question: &Question) -> Following {
        Following {
            kustomization: Watching::new(KUSTOMIZATION, self.kustomization(question)),
            release: self.release(question).map(|spot| Watching::new(HELM_RELEASE, spot)),
            agent: self.clone(),
            source: None,
            asking: Asking::new(&self.wait, question),
            after: AfterSync::new(&self.after, question, "default"),
            notice: None,
        }
    }

    /// What stands in the way of deploying these services.
    pub async fn ready(&self, wants: &[Want]) -> Vec<Finding> {
        let all = wants.iter().map(|want| async {
            match self.ready_for(want).await {
                Ok(findings) => findings,
                Err(error) => vec![error.finding()],
            }
        });
        let mut findings: Vec<Finding> = Vec::new();
        for finding in futures_util::future::join_all(all).await.into_iter().flatten() {
            // one Kustomization may be of many services
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        findings
    }

    async fn ready_for(&self, want: &Want) -> Result<Vec<Finding>, ObservationError> {
        let cluster = self.cluster().await?;
        let mut following = self.follow(&want.question);
        let Some(kustomization) = following.kustomization.now(&cluster).await? else {
            let missing = following.kustomization.title();
            let key = "`kustomization` or `namespace`";
            return Ok(vec![Finding::Wrong(format!("{missing} does not exist; correct {key} of the agent"))]);
        };
        let mut watching = match source(&kustomization) {
            Ok(watching) => watching,
            Err(kind) => return Ok(vec![not_git(&kustomization, &kind)]),
        };
        let Some(source) = watching.now(&cluster).await? else {
            return Ok(vec![Finding::Wrong(format!(
                "{}, which {} names, does not exist",
                watching.title(),
                kustomization.title()
            ))]);
        };
        let release = match &mut following.release {
            Some(watching) => watching.now(&cluster).await?,
            None => None,
        };
        let mut findings =
            ready::ready(&source, &kustomization, release.as_ref(), &self.repository, &want.files);
        if let Some(missing) = following.release.as_ref().filter(|_| release.is_none()) {
            findings.push(Finding::Warning(format!("{} does not exist yet", missing.title())));
        }
        for workload in &self.after {
            findings.extend(workload.ready(&want.question, "default", Need::AfterSync).await);
        }
        Ok(findings)
    }

    /// What has to be allowed, by cluster.
    pub fn rights(&self, wants: &[Want]) -> Vec<(ClusterAccess, Vec<Right>)> {
        let mut own: Vec<Right> = Vec::new();
        for want in wants {
            let spot = self.kustomization(&want.question);
            let release = self.release(&want.question).map(|spot| (HELM_RELEASE, spot));
            for (kind, spot) in
                [(KUSTOMIZATION, spot.clone()), (GIT_REPOSITORY, spot)].into_iter().chain(release)
            {
                let verbs = ["get", "list", "watch", "patch"];
                own.extend(verbs.map(|verb| Right::to(verb, kind, &spot.namespace)));
            }
        }
        let mut rights = vec![(self.settings.access.clone(), own)];
        for workload in &self.after {
            let of = |want: &Want| workload.rights(&want.question.service, &want.question.dataset, "default");
            rights.push((workload.access().clone(), wants.iter().flat_map(of).collect()));
        }
        rights
    }
}

fn not_git(kustomization: &Object, kind: &str) -> Finding {
    Finding::Wrong(format!(
        "{} takes its files from a {kind}, which names no commit of ours; datapin waits for GitRepository sources",
        kustomization.title()
    ))
}

/// The source of a Kustomization, or its kind if that is no git repository.
fn source(kustomization: &Object) -> Result<Watching, String> {
    let named = kustomization.spec.source_ref.clone().unwrap_or_default();
    match named.kind.as_str() {
        "GitRepository" => {
            Ok(Watching::new(GIT_REPOSITORY, Spot::of(&named, &kustomization.metadata.namespace)))
        }
        other => Err(other.to_owned()),
    }
}

/// An object that is watched from the first look on.
#[derive(Debug)]
struct Watching {
    kind: Kind,
    spot: Spot,
    live: Option<Live>,
}

impl Watching {
    fn new(kind: Kind, spot: Spot) -> Self {
        Self { kind, spot, live: None }
    }

    async fn now(&mut self, cluster: &Cluster) -> Result<Option<Object>, ObservationError> {
        let (kind, spot) = (self.kind, &self.spot);
        let live = self.live.get_or_insert_with(|| Live::new(cluster, kind, &spot.namespace, &spot.name));
        let found: Option<Object> = live.now().await?;
        Ok(found.map(|object| Object { kind: kind.kind.to_owned(), ..object }))
    }

    async fn changed(&mut self) {
        match &mut self.live {
            Some(live) => live.changed().await,
            None => std::future::pending().await,
        }
    }

    fn title(&self) -> String {
        format!("{} {}/{}", self.kind.kind, self.spot.namespace, self.spot.name)
    }

    /// Asks for a reconciliation.
    async fn request(&self, cluster: &Cluster, token: &str) -> Result<(), ObservationError> {
        let patch = json!({ "metadata": { "annotations": { REQUESTED: token } } });
        cluster.merge_patch(self.kind, &self.spot.namespace, &self.spot.name, &patch).await?;
        Ok(())
    }
}

/// Our requests for one commit, and when they are sent again.
#[derive(Debug)]
struct Asking {
    /// The same for all services of one wait, so that a source of many is asked once.
    token: String,
    attempt: u32,
    requests: Requests,
    /// When the source was asked.
    since: Option<Instant>,
    /// What the source held at first sight.
    first: Option<Option<CommitId>>,
}

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Source,
    Kustomization,
    Release,
}

impl Asking {
    fn new(wait: &str, question: &Question) -> Self {
        Self {
            token: format!("datapin-{}-{wait}", question.commit.short()),
            attempt: 0,
            requests: Requests::all(&Request::Open),
            since: None,
            first: None,
        }
    }

    fn token(&self) -> String {
        match self.attempt {
            0 => self.token.clone(),
            attempt => format!("{}-{attempt}", self.token),
        }
    }

    /// All of it once more.
    fn again(&mut self) {
        self.attempt += 1;
        self.since = None;
        self.requests = Requests::all(&Request::Open);
    }

    fn is_allowed(&self) -> bool {
        self.requests.source != Request::Impossible
    }

    /// The source first, then the Kustomization, then the HelmRelease, each once it can have anything new.
    fn next(&self, source: &Object, kustomization: &Object, release: Option<&Object>) -> Option<Next> {
        let requests = &self.requests;
        if requests.source == Request::Open {
            return Some(Next::Source);
        }
        if requests.kustomization == Request::Open {
            return source.has_handled(&requests.source).then_some(Next::Kustomization);
        }
        let is_due = requests.release == Request::Open && kustomization.has_handled(&requests.kustomization);
        (is_due && release.is_some()).then_some(Next::Release)
    }
}

/// One service that somebody waits for.
#[derive(Debug)]
pub struct Following {
    agent: FluxAgent,
    source: Option<Watching>,
    kustomization: Watching,
    release: Option<Watching>,
    asking: Asking,
    after: AfterSync,
    notice: Option<String>,
}

impl Following {
    /// What Flux says now. Asks for reconciliations where that helps.
    pub async fn observe(&mut self, question: &Question) -> Result<Observation, ObservationError> {
        let cluster = self.agent.cluster().await?;
        let Some(kustomization) = self.kustomization.now(&cluster).await? else {
            return Ok(gone(&self.kustomization.title()));
        };
        if self.source.is_none() {
            match source(&kustomization) {
                Ok(watching) => self.source = Some(watching),
                Err(kind) => return Ok(gone(&format!("a GitRepository (it is a {kind})"))),
            }
        }
        let source = match &mut self.source {
            Some(watching) => match watching.now(&cluster).await? {
                Some(source) => source,
                None => return Ok(gone(&watching.title())),
            },
            None => return Ok(gone("its source")),
        };
        let release = match &mut self.release {
            Some(watching) => Some(watching.now(&cluster).await?),
            None => None,
        };
        self.ask(&cluster, question, &source, &kustomization, release.as_ref().and_then(Option::as_ref))
            .await;
        let dependencies = dependencies(&cluster, &kustomization).await;
        let facts = Facts {
            source: &source,
            kustomization: &kustomization,
            release: release.as_ref().map(Option::as_ref),
            dependencies: &dependencies,
            requests: &self.asking.requests,
        };
        self.after.confirm(verdict(&facts)).await
    }

    /// Asks for the next reconciliation, if one is due.
    async fn ask(
        &mut self,
        cluster: &Cluster,
        question: &Question,
        source: &Object,
        kustomization: &Object,
        release: Option<&Object>,
    ) {
        if !self.asking.is_allowed() || kustomization.spec.suspend || source.spec.suspend {
            return;
        }
        self.ask_again(question, source, kustomization);
        let Some(next) = self.asking.next(source, kustomization, release) else { return };
        let sent = |object: &Object| Request::Sent { before: object.requested().cloned() };
        let watching = match next {
            Next::Source => {
                self.asking.since = Some(Instant::now());
                self.asking.requests.source = sent(source);
                self.source.as_ref()
            }
            Next::Kustomization => {
                self.asking.requests.kustomization = sent(kustomization);
                Some(&self.kustomization)
            }
            Next::Release => {
                self.asking.requests.release = release.map_or(Request::Open, sent);
                self.release.as_ref()
            }
        };
        let Some(watching) = watching else { return };
        if let Err(error) = watching.request(cluster, &self.asking.token()).await {
            self.not_asked(&error);
        }
    }

    /// Begins anew if the source stays at what it held when we came, and nothing is under way.
    fn ask_again(&mut self, question: &Question, source: &Object, kustomization: &Object) {
        let held = source.status.artifact.as_ref().and_then(|artifact| commit(&artifact.revision));
        let first = self.asking.first.get_or_insert_with(|| held.clone());
        let stuck = held.as_ref() != Some(&question.commit) && *first == held;
        let requests = &self.asking.requests;
        let idle =
            requests.kustomization == Request::Open || kustomization.has_handled(&requests.kustomization);
        if self.asking.since.is_some_and(|asked| asked.elapsed() >= AGAIN) && stuck && idle {
            self.asking.again();
        }
    }

    fn not_asked(&mut self, error: &ObservationError) {
        if error.is_forbidden() {
            self.asking.requests = Requests::all(&Request::Impossible);
            self.notice = Some(format!(
                "{} cannot be asked to reconcile, so it goes on at Flux's own pace: {error}",
                self.kustomization.title()
            ));
        } else {
            tracing::warn!(%error, "cannot ask for a reconciliation");
            self.asking.again();
        }
    }

    /// Returns when there may be something new.
    pub async fn changed(&mut self) {
        let source = async {
            match &mut self.source {
                Some(watching) => watching.changed().await,
                None => std::future::pending().await,
            }
        };
        let release = async {
            match &mut self.release {
                Some(watching) => watching.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.kustomization.changed() => {}
            () = source => {}
            () = release => {}
            () = self.after.changed() => {}
        }
    }

    /// What people should know; given once.
    pub fn take_notice(&mut self) -> Option<String> {
        let watched = || self.kustomization.live.as_ref().and_then(Live::take_notice);
        self.notice.take().or_else(watched)
    }

    /// Why it is not up: a workload that the HelmRelease or the Kustomization made, with a pod in trouble.
    pub async fn cause(&mut self) -> Cause {
        if let Some(cause) = self.after.cause().await {
            return cause;
        }
        let Ok(cluster) = self.agent.cluster().await else { return Cause::default() };
        let spot = &self.kustomization.spot;
        match cluster.get(KUSTOMIZATION, &spot.namespace, &spot.name).await {
            Ok(object) => cause::of(&cluster, &suspects(&object)).await,
            Err(_) => Cause::default(),
        }
    }
}

/// The workloads in a Kustomization's inventory: `namespace_name_group_kind`.
fn suspects(object: &serde_json::Value) -> Vec<Suspect> {
    let entries = object["status"]["inventory"]["entries"].as_array().into_iter().flatten();
    let ids = entries.filter_map(|entry| entry["id"].as_str());
    ids.filter_map(|id| {
        let mut parts = id.split('_');
        let (namespace, name, _, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let kind = super::kinds::workload(kind).filter(|kind| [DEPLOYMENT, STATEFUL_SET].contains(kind))?;
        Some(Suspect { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    })
    .collect()
}

/// What a Kustomization waits for, where it says that it does.
async fn dependencies(cluster: &Cluster, kustomization: &Object) -> Vec<Object> {
    let waits = kustomization.condition("Ready").is_some_and(|ready| ready.reason == "DependencyNotReady");
    if !waits {
        return Vec::new();
    }
    let mut found = Vec::new();
    for named in &kustomization.spec.depends_on {
        let spot = Spot::of(named, &kustomization.metadata.namespace);
        match Watching::new(KUSTOMIZATION, spot).now(cluster).await {
            Ok(object) => found.extend(object),
            Err(error) => tracing::debug!(%error, "a dependency cannot be read"),
        }
    }
    found
}

fn gone(what: &str) -> Observation {
    Observation {
        revision: None,
        sync: Sync::Failed,
        health: Health::Unknown,
        reason: format!("{what} does not exist any more"),
        log: Vec::new(),
    }
}
