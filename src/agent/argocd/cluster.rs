//! An Application through the Kubernetes API.

use jiff::Timestamp;
use serde_json::json;

use super::application::{Application, REFRESH};
use super::window::{self, Told, Window};
use crate::agent::ObservationError;
use crate::agent::kinds::{APP_PROJECT, APPLICATION};
use crate::agent::live::{Live, read};
use crate::cluster::{Cluster, Clusters, object};
use crate::config::ClusterAccess;

/// An Application in a cluster.
#[derive(Debug)]
pub struct InCluster {
    clusters: Clusters,
    access: ClusterAccess,
    namespace: String,
    name: String,
    live: Option<Live>,
}

impl InCluster {
    pub fn new(clusters: Clusters, access: ClusterAccess, namespace: String, name: String) -> Self {
        Self { clusters, access, namespace, name, live: None }
    }

    pub async fn cluster(&self) -> Result<Cluster, ObservationError> {
        Ok(self.clusters.get(&self.access).await?)
    }

    /// The Application as it is now; `None` if there is none.
    pub async fn now(&mut self) -> Result<Option<Application>, ObservationError> {
        if self.live.is_none() {
            let cluster = self.cluster().await?;
            self.live = Some(Live::new(&cluster, APPLICATION, &self.namespace, &self.name));
        }
        match &mut self.live {
            Some(live) => live.now().await,
            None => Ok(None),
        }
    }

    /// Returns when the Application has changed.
    pub async fn changed(&mut self) {
        match &mut self.live {
            Some(live) => live.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Asks for a comparison with git.
    pub async fn refresh(&mut self) -> Result<Application, ObservationError> {
        self.patch(&json!({ "metadata": { "annotations": { REFRESH: "normal" } } })).await
    }

    /// Asks for a sync.
    pub async fn sync(&mut self, revision: &str) -> Result<(), ObservationError> {
        let operation = json!({
            "initiatedBy": { "username": "datapin" },
            "sync": { "revision": revision, "syncStrategy": { "hook": {} } },
        });
        self.patch(&json!({ "operation": operation })).await.map(|_| ())
    }

    /// Ends the sync that is under way, as `argocd app terminate-op` does.
    pub async fn terminate(&mut self) -> Result<(), ObservationError> {
        let state = json!({ "operationState": { "phase": "Terminating" } });
        self.patch(&json!({ "status": state })).await.map(|_| ())
    }

    async fn patch(&self, patch: &serde_json::Value) -> Result<Application, ObservationError> {
        let cluster = self.cluster().await?;
        let object = cluster.merge_patch(APPLICATION, &self.namespace, &self.name, patch).await?;
        read(APPLICATION, &self.name, &object)
    }

    /// The sync windows of its project that are for it.
    pub async fn windows(&self, app: &Application) -> Told {
        let Ok(cluster) = self.cluster().await else { return Told::default() };
        let project = if app.spec.project.is_empty() { "default" } else { &app.spec.project };
        // a right that few have: whoever may not read projects is told less
        let Ok(found) = cluster.get(APP_PROJECT, &self.namespace, project).await else {
            return Told::default();
        };
        let windows: Vec<Window> = object::parsed(&found["spec"]["syncWindows"]).unwrap_or_default();
        window::of(&windows, app, Timestamp::now())
    }

    pub fn title(&self) -> String {
        format!("Application {} in namespace {}", self.name, self.namespace)
    }

    pub fn take_notice(&self) -> Option<String> {
        self.live.as_ref().and_then(Live::take_notice)
    }
}
