//! The wait for one service of Flux.

use std::time::Duration;

use tokio::time::Instant;

use super::FluxAgent;
use super::asking::{Asking, Next};
use super::object::{Object, Request, commit};
use super::verdict::{Facts, Requests, verdict};
use super::watching::{Spot, Watching, source};
use crate::agent::after::AfterSync;
use crate::agent::cause::{self, Cause, Suspect};
use crate::agent::kinds::{self, DEPLOYMENT, HELM_RELEASE, KUSTOMIZATION, STATEFUL_SET};
use crate::agent::{Health, Observation, ObservationError, Question, Sync};
use crate::cluster::Cluster;

/// After this time a source that has not moved is asked again.
const AGAIN: Duration = Duration::from_secs(15);

/// One service that somebody waits for.
#[derive(Debug)]
pub struct Following {
    pub(super) agent: FluxAgent,
    pub(super) source: Option<Watching>,
    pub(super) kustomization: Watching,
    pub(super) release: Option<Watching>,
    pub(super) asking: Asking,
    pub(super) after: AfterSync,
    pub(super) notice: Option<String>,
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
        let token = self.asking.token();
        let sent = |object: &Object| Request::sent(object, &token);
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
        if let Err(error) = watching.request(cluster, &token).await {
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
        let watched = [&self.source, &self.release].into_iter().flatten().chain([&self.kustomization]);
        let watched = || watched.into_iter().find_map(Watching::take_notice);
        self.notice.take().or_else(watched).or_else(|| self.after.take_notice())
    }

    /// Why it is not up: a workload that the HelmRelease or the Kustomization made, with a pod in trouble.
    pub async fn cause(&mut self) -> Cause {
        if let Some(cause) = self.after.cause().await {
            return cause;
        }
        let Ok(cluster) = self.agent.cluster().await else { return Cause::default() };
        let spot = &self.kustomization.spot;
        let Ok(object) = cluster.get(KUSTOMIZATION, &spot.namespace, &spot.name).await else {
            return Cause::default();
        };
        let mut suspects = workloads(&object);
        for (namespace, name, kind) in inventory(&object) {
            if kind == HELM_RELEASE.kind
                && let Ok(release) = cluster.get(HELM_RELEASE, namespace, name).await
            {
                suspects.extend(workloads(&release));
            }
        }
        cause::of(&cluster, &suspects).await
    }
}

/// Namespace, name and kind of what a Kustomization or HelmRelease made, from `namespace_name_group_kind`.
fn inventory(object: &serde_json::Value) -> impl Iterator<Item = (&str, &str, &str)> {
    let entries = object["status"]["inventory"]["entries"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["id"].as_str()).filter_map(|id| {
        let mut parts = id.split('_');
        let (namespace, name, _, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some((namespace, name, kind))
    })
}

/// The workloads among it.
fn workloads(object: &serde_json::Value) -> Vec<Suspect> {
    let made = inventory(object).filter_map(|(namespace, name, kind)| {
        let kind = kinds::workload(kind).filter(|kind| [DEPLOYMENT, STATEFUL_SET].contains(kind))?;
        Some(Suspect { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    });
    made.collect()
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
