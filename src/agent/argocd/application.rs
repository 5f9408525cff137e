//! The parts of an Argo CD Application that matter, as the Kubernetes API and Argo CD's own API both say them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::agent::repository::Repository;
use crate::cluster::object::{Condition, Metadata};

/// Annotation that asks for a comparison; the controller removes it when it is done.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";

/// An Application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Application {
    /// Name and annotations.
    pub metadata: Metadata,
    /// What it deploys, and how.
    pub spec: Spec,
    /// A sync that is asked for and not yet begun.
    pub operation: Option<Value>,
    /// What the controller says.
    pub status: Status,
}

/// What it deploys, and how.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// Its AppProject.
    pub project: String,
    /// The only source.
    pub source: Option<Source>,
    /// Several sources.
    pub sources: Vec<Source>,
    /// Source of a hydrator.
    pub source_hydrator: Option<Hydrator>,
    /// Where it deploys to.
    pub destination: Destination,
    /// When it syncs.
    pub sync_policy: Option<SyncPolicy>,
}

/// A source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Source {
    /// Repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Folder in it.
    pub path: Option<String>,
    /// Branch, tag or commit.
    pub target_revision: Option<String>,
    /// Name of a chart: then it is no git repository.
    pub chart: Option<String>,
    /// Name under which other sources take files from it.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Helm's part.
    pub helm: Option<Helm>,
    /// A config-management plug-in's part.
    pub plugin: Option<Value>,
}

/// Helm's part of a source.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Helm {
    /// Values files, relative to the source's folder, or `$ref/…`.
    pub value_files: Vec<String>,
}

/// Source of a hydrator: what people write, before it is rendered into another branch.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Hydrator {
    /// What people write.
    pub dry_source: Source,
}

/// Where an Application deploys to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Destination {
    /// Address of the API server.
    pub server: Option<String>,
    /// Argo CD's name of the cluster.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
}

impl Destination {
    /// Whether that is the cluster that Argo CD itself runs in.
    pub fn is_own_cluster(&self) -> bool {
        self.server.as_deref() == Some("https://kubernetes.default.svc")
            || self.name.as_deref() == Some("in-cluster")
    }
}

/// When an Application syncs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SyncPolicy {
    /// By itself, if there.
    pub automated: Option<Automated>,
}

/// Syncing by itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Automated {
    /// `false` switches it off.
    pub enabled: Option<bool>,
}

/// What the controller says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// Comparison with git.
    pub sync: SyncStatus,
    /// Health of all resources together.
    pub health: HealthStatus,
    /// The last sync.
    pub operation_state: Option<OperationState>,
    /// Errors and warnings.
    pub conditions: Vec<Condition>,
    /// When it was last compared.
    pub reconciled_at: Option<Timestamp>,
    /// Its resources.
    pub resources: Vec<Resource>,
    /// What the hydrator did.
    pub source_hydrator: Option<Hydration>,
}

/// Comparison with git.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SyncStatus {
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub status: String,
    /// Commit that was compared with; the branch's name after a comparison error.
    pub revision: String,
    /// The same for each source where there are several.
    pub revisions: Vec<String>,
}

/// Health.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HealthStatus {
    /// `Healthy`, `Progressing`, `Degraded`, `Suspended`, `Missing` or `Unknown`.
    pub status: String,
    /// Why.
    pub message: String,
    /// When it changed.
    pub last_transition_time: Option<Timestamp>,
}

/// A sync.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OperationState {
    /// `Running`, `Terminating`, `Failed`, `Error` or `Succeeded`.
    pub phase: String,
    /// What it says.
    pub message: String,
    /// What was asked for.
    pub operation: Operation,
    /// What came of it.
    pub sync_result: Option<SyncResult>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How often it was tried again.
    pub retry_count: u32,
}

/// What a sync was asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Operation {
    /// Its revision.
    pub sync: SyncResult,
}

/// Revision and resources of a sync.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SyncResult {
    /// Commit.
    pub revision: String,
    /// Commits where there are several sources.
    pub revisions: Vec<String>,
    /// Resources.
    pub resources: Vec<ResourceResult>,
}

/// What a sync did to one resource.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceResult {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// `Synced`, `SyncFailed`, `Pruned` or `PruneSkipped`.
    pub status: String,
    /// Phase of a hook.
    pub hook_phase: String,
    /// What it says.
    pub message: String,
}

/// A resource of the application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Comparison with git.
    pub status: String,
    /// Health, where Argo CD keeps it here.
    pub health: Option<HealthStatus>,
}

/// What the hydrator did.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Hydration {
    /// What it is doing, or did last.
    pub current_operation: Option<HydrateOperation>,
    /// What it last did well.
    pub last_successful_operation: Option<HydrateOperation>,
}

/// One run of the hydrator.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HydrateOperation {
    /// `Hydrating`, `Hydrated` or `Failed`.
    pub phase: String,
    /// What it says.
    pub message: String,
    /// Commit that people wrote.
    #[serde(rename = "drySHA")]
    pub dry: String,
    /// Commit that was rendered from it.
    #[serde(rename = "hydratedSHA")]
    pub hydrated: String,
}

impl Application {
    /// How messages name it.
    pub fn title(&self) -> String {
        format!("Application {}", self.metadata.name)
    }

    /// Its sources; the dry one of a hydrator, since that is what people write.
    pub fn sources(&self) -> Vec<&Source> {
        match (&self.spec.source_hydrator, &self.spec.source) {
            (Some(hydrator), _) => vec![&hydrator.dry_source],
            (None, _) if !self.spec.sources.is_empty() => self.spec.sources.iter().collect(),
            (None, source) => source.iter().collect(),
        }
    }

    /// The commit that it was compared with, in our repository, as it stands there.
    pub fn compared(&self, ours: &Repository) -> Option<&str> {
        self.of_ours(&self.status.sync.revision, &self.status.sync.revisions, ours)
    }

    /// The commit of our repository that its last sync was for, as it stands there.
    pub fn operated(&self, ours: &Repository) -> Option<&str> {
        let state = self.status.operation_state.as_ref()?;
        let done = state.sync_result.as_ref();
        [done, Some(&state.operation.sync)]
            .into_iter()
            .flatten()
            .find_map(|result| self.of_ours(&result.revision, &result.revisions, ours))
    }

    fn of_ours<'a>(&self, one: &'a str, many: &'a [String], ours: &Repository) -> Option<&'a str> {
        let several = self.spec.source_hydrator.is_none() && !self.spec.sources.is_empty();
        let found = if several {
            let mine = |source: &Source| source.chart.is_none() && ours.is(&source.repo_url);
            many.get(self.spec.sources.iter().position(mine)?)?
        } else {
            one
        };
        Some(found).filter(|found| !found.is_empty())
    }

    /// Whether it syncs by itself.
    pub fn is_automated(&self) -> bool {
        let automated = self.spec.sync_policy.as_ref().and_then(|policy| policy.automated.as_ref());
        automated.is_some_and(|automated| automated.enabled != Some(false))
    }

    /// Whether a comparison that was asked for is not done yet.
    pub fn is_refreshing(&self) -> bool {
        self.metadata.annotations.contains_key(REFRESH)
    }

    /// The first condition of one of these types.
    pub fn condition(&self, kinds: &[&str]) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| kinds.contains(&condition.kind.as_str()))
    }
}
