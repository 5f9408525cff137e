//! Objects of Flux that are watched, and asked to be reconciled.

use serde_json::json;

use super::object::{Named, Object, REQUESTED};
use crate::agent::ObservationError;
use crate::agent::kinds::GIT_REPOSITORY;
use crate::agent::live::Live;
use crate::cluster::{Cluster, Kind};

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    pub namespace: String,
    pub name: String,
}

impl Spot {
    /// What `named` means, in an object of the namespace `default`.
    pub fn of(named: &Named, default: &str) -> Self {
        let namespace = named.namespace.clone().filter(|namespace| !namespace.is_empty());
        Self { namespace: namespace.unwrap_or_else(|| default.to_owned()), name: named.name.clone() }
    }
}

/// An object that is watched from the first look on.
#[derive(Debug)]
pub struct Watching {
    kind: Kind,
    pub spot: Spot,
    live: Option<Live>,
}

impl Watching {
    /// An object that is not looked at yet.
    pub fn new(kind: Kind, spot: Spot) -> Self {
        Self { kind, spot, live: None }
    }

    /// The object as it is now; `None` if it does not exist.
    pub async fn now(&mut self, cluster: &Cluster) -> Result<Option<Object>, ObservationError> {
        let (kind, spot) = (self.kind, &self.spot);
        let live = self.live.get_or_insert_with(|| Live::new(cluster, kind, &spot.namespace, &spot.name));
        let found: Option<Object> = live.now().await?;
        Ok(found.map(|object| Object { kind: kind.kind.to_owned(), ..object }))
    }

    /// Returns when the object has changed.
    pub async fn changed(&mut self) {
        match &mut self.live {
            Some(live) => live.changed().await,
            None => std::future::pending().await,
        }
    }

    /// How messages name it.
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind.kind, self.spot.namespace, self.spot.name)
    }

    /// Asks for a reconciliation.
    pub async fn request(&self, cluster: &Cluster, token: &str) -> Result<(), ObservationError> {
        let patch = json!({ "metadata": { "annotations": { REQUESTED: token } } });
        cluster.merge_patch(self.kind, &self.spot.namespace, &self.spot.name, &patch).await?;
        Ok(())
    }

    /// What people should know of how it is watched; given once.
    pub fn take_notice(&self) -> Option<String> {
        self.live.as_ref().and_then(Live::take_notice)
    }
}

/// The source of a Kustomization, or its kind if that is no git repository.
pub fn source(kustomization: &Object) -> Result<Watching, String> {
    let named = kustomization.spec.source_ref.clone().unwrap_or_default();
    match named.kind.as_str() {
        "GitRepository" => {
            Ok(Watching::new(GIT_REPOSITORY, Spot::of(&named, &kustomization.metadata.namespace)))
        }
        other => Err(other.to_owned()),
    }
}
