//! What the pods of a Job tell: why it does not begin, why it failed, its last words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Patience, labels};
use crate::cluster::{Cluster, Kind, LogsOf, Stream, Watched};
use crate::gate::LOG;
use crate::process;
use crate::queue::Verdict;

/// Events that are shown.
const EVENTS: usize = 5;

/// The pods of one Job.
pub(super) struct Pods {
    cluster: Cluster,
    namespace: String,
    job: String,
    watched: Watched,
    /// Since when each pod has had which trouble.
    since: BTreeMap<(String, String), Instant>,
}

/// Why a pod does not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pod: String,
    reason: String,
    message: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pod `{}`: {}", self.pod, self.reason)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, " ({})", self.message) }
    }
}

/// What is told at the end.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) summary: Option<String>,
    pub(super) log: Vec<String>,
}

/// A container that ended.
struct Ended {
    pod: String,
    container: String,
    code: i64,
    reason: String,
}

impl Pods {
    pub(super) fn of(cluster: &Cluster, namespace: &str, job: &str) -> Self {
        Self {
            watched: cluster.watch(Kind::POD, namespace, keep),
            cluster: cluster.clone(),
            namespace: namespace.to_owned(),
            job: job.to_owned(),
            since: BTreeMap::new(),
        }
    }

    pub(super) fn watched(&mut self) -> &mut Watched {
        &mut self.watched
    }

    /// Those that are there, oldest first.
    fn all(&self) -> Vec<Arc<Value>> {
        by_age(labels(&self.job).map(|labels| self.watched.select(&labels).objects()).unwrap_or_default())
    }

    /// The same, asked anew: the watch of the pods may be behind that of the Job.
    async fn now(&self) -> Vec<Arc<Value>> {
        let labels = format!("job-name={}", self.job);
        match self.cluster.list(Kind::POD, &self.namespace, &labels).await {
            Ok(pods) => by_age(pods.into_iter().map(Arc::new).collect()),
            Err(_) => self.all(),
        }
    }

    /// What keeps a pod from beginning, and how long that may go on.
    pub(super) fn stuck(&mut self, patience: Patience) -> Option<(Trouble, Duration)> {
        let found: Vec<(Trouble, Duration)> =
            self.all().iter().filter_map(|pod| trouble(pod, patience)).collect();
        let key = |trouble: &Trouble| (trouble.pod.clone(), trouble.reason.clone());
        self.since.retain(|known, _| found.iter().any(|(trouble, _)| key(trouble) == *known));
        let now = Instant::now();
        let left = |(trouble, limit): (Trouble, Duration)| {
            let since = *self.since.entry(key(&trouble)).or_insert(now);
            (trouble, limit.saturating_sub(now - since))
        };
        found.into_iter().map(left).min_by_key(|(_, left)| *left)
    }

    /// How they are, in words, for a Job that takes too long.
    pub(super) fn state(&self) -> String {
        let none = Patience { image: Duration::ZERO, node: Duration::ZERO };
        match self.all().last() {
            None => ", and has no pod".to_owned(),
            Some(pod) => match trouble(pod, none) {
                Some((trouble, _)) => format!(": {trouble}"),
                None => format!(": pod `{}` is {}", text(pod, "/metadata/name"), text(pod, "/status/phase")),
            },
        }
    }

    /// Last words of the container that decided, and what happened to its pod.
    pub(super) async fn told(&self, verdict: Verdict) -> Told {
        let pods = self.now().await;
        let failed = pods.iter().rev().find_map(|pod| failed(pod));
        let (pod, container) = match (&failed, verdict) {
            (Some(ended), Verdict::Failed | Verdict::Errored | Verdict::TimedOut) => {
                (ended.pod.clone(), ended.container.clone())
            }
            _ => match pods.last() {
                Some(pod) => (text(pod, "/metadata/name"), text(pod, "/spec/containers/0/name")),
                None => return Told { summary: None, log: self.events(Kind::JOB, &self.job).await },
            },
        };
        let mut log = self.log(&pod, &container).await;
        if verdict == Verdict::Passed {
            let last = log.iter().rev().find(|line| !line.trim().is_empty()).cloned();
            return Told { summary: last, log };
        }
        log.extend(self.events(Kind::POD, &pod).await);
        log.extend(self.events(Kind::JOB, &self.job).await);
        let summary = failed.filter(|_| verdict == Verdict::Failed).map(|ended| ended.to_string());
        Told { summary, log }
    }

    async fn log(&self, pod: &str, container: &str) -> Vec<String> {
        let lines = u32::try_from(LOG).unwrap_or(u32::MAX);
        for stream in [Stream::Current, Stream::Previous] {
            let of = LogsOf { pod, container, stream, lines };
            if let Ok(lines) = self.cluster.logs(&self.namespace, &of).await
                && !lines.is_empty()
            {
                return lines;
            }
        }
        Vec::new()
    }

    /// Warnings about an object.
    async fn events(&self, kind: Kind, name: &str) -> Vec<String> {
        let events = self.cluster.events(&self.namespace, kind, name).await.unwrap_or_default();
        let warnings = events.iter().filter(|event| event.kind == "Warning");
        let mut lines: Vec<String> =
            warnings.map(|event| format!("event: {}: {}", event.reason, event.message)).collect();
        lines.drain(..lines.len().saturating_sub(EVENTS));
        lines
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "container `{}` of pod `{}` ended with exit code {}", self.container, self.pod, self.code)?;
        if self.reason.is_empty() || self.reason == "Error" {
            Ok(())
        } else {
            write!(f, " ({})", self.reason)
        }
    }
}

fn by_age(mut pods: Vec<Arc<Value>>) -> Vec<Arc<Value>> {
    pods.sort_by_key(|pod| text(pod, "/metadata/creationTimestamp"));
    pods
}

/// What nobody looks at: volumes and the like stay, they are small.
fn keep(_: &mut Value) {}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten())
}

/// Why a pod does not begin, and how long that may be so. Waiting reasons as the kubelet names them.
fn trouble(pod: &Value, patience: Patience) -> Option<(Trouble, Duration)> {
    let name = text(pod, "/metadata/name");
    for status in statuses(pod) {
        let waiting = &status["state"]["waiting"];
        let reason = waiting["reason"].as_str().unwrap_or_default();
        let limit = match reason {
            "InvalidImageName" | "ErrImageNeverPull" | "CreateContainerConfigError" => Duration::ZERO,
            "ErrImagePull" | "ImagePullBackOff" | "CreateContainerError" | "RunContainerError" => {
                patience.image
            }
            _ => continue,
        };
        // one trouble, of which the kubelet has two names in turn
        let reason = if reason == "ErrImagePull" { "ImagePullBackOff" } else { reason };
        let message = process::one_line(waiting["message"].as_str().unwrap_or_default(), 200);
        return Some((Trouble { pod: name, reason: reason.to_owned(), message }, limit));
    }
    let conditions = pod["status"]["conditions"].as_array()?;
    let unscheduled = conditions.iter().find(|condition| {
        condition["type"] == "PodScheduled"
            && condition["status"] == "False"
            && condition["reason"] == "Unschedulable"
    })?;
    let message = process::one_line(unscheduled["message"].as_str().unwrap_or_default(), 200);
    Some((Trouble { pod: name, reason: "Unschedulable".to_owned(), message }, patience.node))
}

/// The container of a pod that failed, init containers first.
fn failed(pod: &Value) -> Option<Ended> {
    statuses(pod).find_map(|status| {
        let now = &status["state"]["terminated"];
        let ended = if now.is_object() { now } else { &status["lastState"]["terminated"] };
        let code = ended["exitCode"].as_i64().filter(|code| *code != 0)?;
        Some(Ended {
            pod: text(pod, "/metadata/name"),
            container: status["name"].as_str().unwrap_or_default().to_owned(),
            code,
            reason: ended["reason"].as_str().unwrap_or_default().to_owned(),
        })
    })
}
