//! Why a service is not up: the pod that shows it, the last lines of its log, and what the cluster says of it.

use super::kinds::{self, REPLICA_SET};
use super::workload::object::{Pod, Workload};
use super::workload::trouble::{self, Trouble};
use super::workload::verdict::Facts;
use crate::cluster::{Cluster, ClusterError, Happening, Kind, LogsOf, Stream, object};

/// Lines of a container's log.
const LINES: u32 = 12;
/// Events of an object.
const EVENTS: usize = 4;
/// Workloads that are looked at.
const WORKLOADS: usize = 8;

/// Why, with evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// In words; empty if nothing more is known.
    pub reason: String,
    /// Log lines and events.
    pub log: Vec<String>,
}

/// A workload by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Kind.
    pub kind: Kind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// What ails the first of `suspects` that something ails.
pub async fn of(cluster: &Cluster, suspects: &[Suspect]) -> Cause {
    let mut denied = Cause::default();
    for suspect in suspects.iter().take(WORKLOADS) {
        match of_workload(cluster, suspect).await {
            Ok(Some(cause)) => return cause,
            Ok(None) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => denied.log = vec![format!("(its pods cannot be looked at: {error})")],
        }
    }
    denied
}

async fn of_workload(cluster: &Cluster, suspect: &Suspect) -> Result<Option<Cause>, ClusterError> {
    let namespace = &suspect.namespace;
    let object = cluster.get(suspect.kind, namespace, &suspect.name).await?;
    let mut workload: Workload = object::parsed(&object).unwrap_or_default();
    workload.kind = suspect.kind.kind.to_owned();
    let pods: Vec<Pod> = cluster
        .list(Kind::POD, namespace, &workload.pod_labels())
        .await?
        .iter()
        .filter_map(|object| object::parsed(object).ok())
        .collect();
    let sets = match suspect.kind == kinds::DEPLOYMENT {
        true => cluster.list(REPLICA_SET, namespace, &workload.pod_labels()).await?,
        false => Vec::new(),
    };
    let sets: Vec<Workload> = sets.iter().filter_map(|object| object::parsed(object).ok()).collect();
    let facts = Facts { workload: &workload, sets: &sets, pods: &pods };
    let Some(trouble) = trouble::worst(&facts.newest()).or_else(|| facts.blocked()) else {
        return Ok(without_pod(cluster, suspect, &workload).await);
    };
    let reason = format!("{}: {}", workload.title(), trouble.reason);
    Ok(Some(Cause { reason, log: evidence(cluster, namespace, &trouble).await }))
}

/// A workload that makes no pods, or none that anything ails: its own words.
async fn without_pod(cluster: &Cluster, suspect: &Suspect, workload: &Workload) -> Option<Cause> {
    let failure = workload.condition("ReplicaFailure").filter(|condition| condition.status == "True");
    let events = events(cluster, &suspect.namespace, suspect.kind, &suspect.name).await;
    let reason =
        failure.map(|failure| format!("{}: {}: {}", workload.title(), failure.reason, failure.message));
    let log: Vec<String> = events.into_iter().filter(|event| event.starts_with("Warning")).collect();
    if reason.is_none() && log.is_empty() {
        return None;
    }
    Some(Cause { reason: reason.unwrap_or_default(), log })
}

/// The last lines of the container's log, and what was said of the pod.
pub async fn evidence(cluster: &Cluster, namespace: &str, trouble: &Trouble) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(container) = &trouble.container {
        lines = log(cluster, namespace, &trouble.pod, container).await;
    }
    lines.extend(events(cluster, namespace, Kind::POD, &trouble.pod).await);
    lines
}

/// The log of the life that crashed, else of the one that runs.
async fn log(cluster: &Cluster, namespace: &str, pod: &str, container: &str) -> Vec<String> {
    let mut denied = None;
    for stream in [Stream::Previous, Stream::Current] {
        let of = LogsOf { pod, container, stream, lines: LINES };
        match cluster.logs(namespace, &of).await {
            Ok(lines) if !lines.is_empty() => return lines,
            Ok(_) => {}
            Err(error) if error.is_forbidden() => denied = Some(error),
            // a container that never started has no log
            Err(error) => tracing::debug!(%error, "no log"),
        }
    }
    denied.map(|error| format!("(its log cannot be read: {error})")).into_iter().collect()
}

async fn events(cluster: &Cluster, namespace: &str, kind: Kind, name: &str) -> Vec<String> {
    match cluster.events(namespace, kind, name).await {
        Ok(mut events) => {
            events.drain(..events.len().saturating_sub(EVENTS));
            events.iter().map(|event| said(kind, name, event)).collect()
        }
        Err(error) => {
            tracing::debug!(%error, "no events");
            Vec::new()
        }
    }
}

fn said(kind: Kind, name: &str, event: &Happening) -> String {
    let times = if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
    format!("{} {} {name}: {}: {}{times}", event.kind, kind.kind, event.reason, event.message)
}
