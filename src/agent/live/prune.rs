//! Drops what nobody looks at, so that a thousand objects stay small.

use serde_json::Value;

use crate::agent::kinds;
use crate::cluster::{Kind, Prune};

/// So many resources of a sort are kept of an Application: no more are looked at, or shown.
const RESOURCES: usize = 8;
/// What is read of an Application's status.
const STATUS: [&str; 7] =
    ["sync", "health", "operationState", "conditions", "reconciledAt", "resources", "sourceHydrator"];

/// What drops that of a kind.
pub fn of(kind: Kind) -> Prune {
    match kind.kind {
        "Application" => application,
        "Pod" => pod,
        "Deployment" | "StatefulSet" | "DaemonSet" => workload,
        "ReplicaSet" => replica_set,
        _ => |_| {},
    }
}

fn application(object: &mut Value) {
    keep(object.get_mut("metadata"), &["name", "namespace", "annotations", "deletionTimestamp"]);
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
    status.retain(|key, _| STATUS.contains(&key.as_str()));
    keep(status.get_mut("sync"), &["status", "revision", "revisions"]);
    if let Some(all) = status.get_mut("resources").and_then(Value::as_array_mut) {
        resources(all);
    }
    if let Some(state) = status.get_mut("operationState") {
        operation(state);
    }
}

/// Of an Application's resources: the first that are not as git says, and the first workloads of each health, as
/// they may be why it is not up.
fn resources(all: &mut Vec<Value>) {
    let mut kept = [0; 4];
    all.retain(|resource| {
        let health = match resource["health"]["status"].as_str() {
            _ if !is_workload(resource) => None,
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
    for resource in all.iter_mut() {
        keep(Some(resource), &["kind", "namespace", "name", "status", "health"]);
    }
    all.shrink_to_fit();
}

fn is_workload(resource: &Value) -> bool {
    kinds::workload(resource["kind"].as_str().unwrap_or_default()).is_some()
}

/// Of a sync: what it was for, how it goes, and the resources that failed.
fn operation(state: &mut Value) {
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

fn pod(object: &mut Value) {
    object.get_mut("spec").map(containers);
}

fn workload(object: &mut Value) {
    object.pointer_mut("/spec/template/spec").map(containers);
}

fn replica_set(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("template");
    }
}

/// Of a pod's spec: the names of its containers and their environment.
fn containers(spec: &mut Value) {
    keep(Some(&mut *spec), &["containers"]);
    let containers = spec.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        keep(Some(container), &["name", "env"]);
    }
}
