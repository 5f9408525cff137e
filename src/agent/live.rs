//! One object of a shared watch, for somebody who waits for it.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ObservationError;
use crate::cluster::{Cluster, Kind, Labels, Prune, Seen, Selected, Watched};

/// How long the first answer of a watch is waited for.
const FIRST: Duration = Duration::from_secs(15);

/// So many resources of a sort are kept of an Application: no more are looked at, or shown.
const RESOURCES: usize = 8;

/// An object that is watched.
#[derive(Debug, Clone)]
pub struct Live {
    watched: Watched,
    kind: Kind,
    name: String,
    last: Last,
}

#[derive(Debug, Clone)]
enum Last {
    Nothing,
    Object(Arc<Value>),
    Absent,
    Broken,
}

impl Live {
    /// The object of that name.
    pub fn new(cluster: &Cluster, kind: Kind, namespace: &str, name: &str) -> Self {
        let watched = cluster.watch(kind, namespace, prune(kind));
        Self { watched, kind, name: name.to_owned(), last: Last::Nothing }
    }

    /// The object as it is now; `None` if it does not exist. Waits for the first answer.
    ///
    /// # Errors
    /// It can't be told now.
    pub async fn now<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ObservationError> {
        let seen = first(&mut self.watched, |watched| match watched.get(&self.name) {
            Seen::Pending => None,
            seen => Some(seen),
        });
        let seen = seen.await.unwrap_or(Seen::Pending);
        self.last = Last::of(&seen);
        match seen {
            Seen::Object(object) => read(self.kind, &self.name, &object).map(Some),
            Seen::Absent => Ok(None),
            Seen::Pending => Err(ObservationError::Silent { what: self.kind.resource() }),
            Seen::Unknown(error) => Err(ObservationError::Cluster(error)),
        }
    }

    /// Returns when the object is another than it last was.
    pub async fn changed(&mut self) {
        loop {
            let now = Last::of(&self.watched.get(&self.name));
            if !self.last.is(&now) {
                return;
            }
            self.watched.changed().await;
        }
    }

    /// What people should know of how it is watched; given once.
    pub fn take_notice(&self) -> Option<String> {
        self.watched.take_notice()
    }
}

impl Last {
    fn of(seen: &Seen) -> Self {
        match seen {
            Seen::Object(object) => Last::Object(object.clone()),
            Seen::Absent => Last::Absent,
            Seen::Pending => Last::Nothing,
            Seen::Unknown(_) => Last::Broken,
        }
    }

    fn is(&self, other: &Last) -> bool {
        match (self, other) {
            (Last::Object(one), Last::Object(other)) => Arc::ptr_eq(one, other),
            (Last::Nothing, Last::Nothing) | (Last::Absent, Last::Absent) | (Last::Broken, Last::Broken) => {
                true
            }
            _ => false,
        }
    }
}

/// The objects with some labels, that are watched.
#[derive(Debug, Clone)]
pub struct Group {
    watched: Watched,
    kind: Kind,
}

impl Group {
    /// The objects of a kind in a namespace.
    pub fn new(cluster: &Cluster, kind: Kind, namespace: &str) -> Self {
        Self { watched: cluster.watch(kind, namespace, prune(kind)), kind }
    }

    /// Those with these labels. Waits for the first answer.
    ///
    /// # Errors
    /// It can't be told now.
    pub async fn now<T: DeserializeOwned>(&mut self, labels: &str) -> Result<Vec<T>, ObservationError> {
        let labels: Labels = labels.parse().map_err(|error: crate::cluster::BadLabels| {
            ObservationError::Object { object: self.kind.resource(), reason: error.to_string() }
        })?;
        let selected = first(&mut self.watched, |watched| match watched.select(&labels) {
            Selected::Pending => None,
            selected => Some(selected),
        });
        match selected.await {
            Some(Selected::Objects(objects)) => {
                objects.iter().map(|object| read(self.kind, "", object)).collect()
            }
            Some(Selected::Unknown(error)) => Err(ObservationError::Cluster(error)),
            Some(Selected::Pending) | None => Err(ObservationError::Silent { what: self.kind.resource() }),
        }
    }

    /// Returns when any of them has changed.
    pub async fn changed(&mut self) {
        self.watched.changed().await;
    }

    /// What people should know of how they are watched; given once.
    pub fn take_notice(&self) -> Option<String> {
        self.watched.take_notice()
    }
}

/// The first answer of a watch, if it comes in time.
async fn first<T>(watched: &mut Watched, mut look: impl FnMut(&Watched) -> Option<T>) -> Option<T> {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(seen) = look(watched) {
            return Some(seen);
        }
        tokio::time::timeout_at(begun + FIRST, watched.changed()).await.ok()?;
    }
}

/// An object as the type that knows the parts which matter.
pub fn read<T: DeserializeOwned>(kind: Kind, name: &str, object: &Value) -> Result<T, ObservationError> {
    parsed(object).map_err(|error| ObservationError::Object {
        object: format!("{} {name}", kind.kind).trim_end().to_owned(),
        reason: error.to_string(),
    })
}

/// The same without a name; a `null` is as good as nothing.
///
/// # Errors
/// A field has another type than it should.
pub fn parsed<T: DeserializeOwned>(object: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(object).or_else(|_| {
        let mut object = object.clone();
        drop_nulls(&mut object);
        T::deserialize(&object)
    })
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Drops what nobody looks at, so that a thousand objects stay small.
fn prune(kind: Kind) -> Prune {
    match kind.kind {
        "Application" => prune_application,
        "Pod" => prune_pod,
        "Deployment" | "StatefulSet" | "DaemonSet" => prune_workload,
        "ReplicaSet" => prune_set,
        _ => |_| {},
    }
}

fn prune_application(object: &mut Value) {
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
    status.retain(|key, _| {
        matches!(
            key.as_str(),
            "sync"
                | "health"
                | "operationState"
                | "conditions"
                | "reconciledAt"
                | "resources"
                | "sourceHydrator"
        )
    });
    keep(status.get_mut("sync"), &["status", "revision", "revisions"]);
    if let Some(resources) = status.get_mut("resources").and_then(Value::as_array_mut) {
        prune_resources(resources);
    }
    if let Some(state) = status.get_mut("operationState") {
        prune_operation(state);
    }
}

/// Of an Application's resources: the first that are not as git says, and the first workloads of each health, as
/// they may be why it is not up.
fn prune_resources(resources: &mut Vec<Value>) {
    let mut kept = [0; 4];
    resources.retain(|resource| {
        let health = match resource["health"]["status"].as_str() {
            _ if super::kinds::workload(resource["kind"].as_str().unwrap_or_default()).is_none() => None,
            Some("Healthy") => None,
            Some("Degraded") => Some(0),
            Some(_) => Some(1),
            None => Some(2),
        };
        let is_different = resource["status"] == "OutOfSync";
        let mut is_wanted = false;
        for part in health.into_iter().chain(is_different.then_some(3)) {
            kept[part] += 1;
            is_wanted |= kept[part] <= RESOURCES;
        }
        is_wanted
    });
    for resource in resources.iter_mut() {
        keep(Some(resource), &["kind", "namespace", "name", "status", "health"]);
    }
    resources.shrink_to_fit();
}

/// Of a sync: what it was for, how it goes, and the resources that failed.
fn prune_operation(state: &mut Value) {
    keep(state.pointer_mut("/operation"), &["sync"]);
    keep(state.pointer_mut("/operation/sync"), &["revision", "revisions"]);
    keep(state.get_mut("syncResult"), &["revision", "revisions", "resources"]);
    let resources = state.pointer_mut("/syncResult/resources").and_then(Value::as_array_mut);
    if let Some(resources) = resources {
        resources.retain(|resource| {
            resource["status"] == "SyncFailed"
                || matches!(resource["hookPhase"].as_str(), Some("Failed" | "Error"))
        });
        resources.shrink_to_fit();
    }
}

/// Drops the other fields.
fn keep(value: Option<&mut Value>, fields: &[&str]) {
    if let Some(value) = value.and_then(Value::as_object_mut) {
        value.retain(|key, _| fields.contains(&key.as_str()));
    }
}

fn prune_pod(object: &mut Value) {
    object.get_mut("spec").map(prune_containers);
}

fn prune_workload(object: &mut Value) {
    object.pointer_mut("/spec/template/spec").map(prune_containers);
}

fn prune_set(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("template");
    }
}

/// Of a pod's spec: the names of its containers and their environment.
fn prune_containers(spec: &mut Value) {
    keep(Some(&mut *spec), &["containers"]);
    let containers = spec.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        keep(Some(container), &["name", "env"]);
    }
}
