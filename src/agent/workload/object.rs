//! The parts of Deployments, StatefulSets, DaemonSets, ReplicaSets and Pods that matter.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cluster::object::{Condition, Metadata};

/// A Deployment, StatefulSet, DaemonSet or ReplicaSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Which of them.
    pub kind: String,
    /// Name, owners and so on.
    pub metadata: Metadata,
    /// What it should run.
    pub spec: Spec,
    /// What it runs.
    pub status: Status,
}

/// What it should run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// How many pods.
    pub replicas: Option<i64>,
    /// Its pods.
    pub selector: Selector,
    /// What a pod is made from.
    pub template: Template,
    /// How a StatefulSet or DaemonSet is updated.
    pub update_strategy: Option<Strategy>,
    /// In which order a StatefulSet changes its pods: `OrderedReady`, also where it says nothing, or `Parallel`.
    pub pod_management_policy: String,
    /// Whether somebody stopped a Deployment.
    pub paused: bool,
}

/// Its pods.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Selector {
    /// Labels.
    pub match_labels: BTreeMap<String, String>,
}

/// What a pod is made from; also a pod as far as its proof goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Annotations and labels.
    pub metadata: Metadata,
    /// Containers.
    pub spec: PodSpec,
}

/// Containers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PodSpec {
    /// Containers.
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Environment variables.
    pub env: Vec<Variable>,
}

/// An environment variable.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Value; none where it comes from somewhere else.
    pub value: Option<String>,
}

/// How a StatefulSet or DaemonSet is updated.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Strategy {
    /// `RollingUpdate` or `OnDelete`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its settings.
    pub rolling_update: Option<RollingUpdate>,
}

/// Settings of a rolling update.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RollingUpdate {
    /// Pods below this number are left as they are.
    pub partition: Option<i64>,
}

/// What it runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// Generation that these numbers speak of.
    pub observed_generation: i64,
    /// Pods.
    pub replicas: i64,
    /// Pods of the new template.
    pub updated_replicas: i64,
    /// Pods that are ready.
    pub ready_replicas: i64,
    /// Pods that are ready for long enough.
    pub available_replicas: i64,
    /// A StatefulSet's revision that most pods have.
    pub current_revision: String,
    /// A StatefulSet's newest revision.
    pub update_revision: String,
    /// Pods that a DaemonSet wants.
    pub desired_number_scheduled: i64,
    /// Those of the new template.
    pub updated_number_scheduled: i64,
    /// Those that are ready for long enough.
    pub number_available: i64,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Name, owners and so on.
    pub metadata: Metadata,
    /// Containers.
    pub spec: PodSpec,
    /// How it is.
    pub status: PodStatus,
}

/// How a pod is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded` or `Failed`.
    pub phase: String,
    /// One word, for a pod that failed as a whole.
    pub reason: String,
    /// What it says.
    pub message: String,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Its containers.
    pub container_statuses: Vec<ContainerStatus>,
    /// Its init containers.
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// How a container is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: i64,
    /// What it does.
    pub state: State,
    /// What it did before that.
    pub last_state: State,
}

/// What a container does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct State {
    /// It waits.
    pub waiting: Option<Waiting>,
    /// It ended.
    pub terminated: Option<Terminated>,
}

/// Why a container waits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// One word.
    pub reason: String,
    /// What it says.
    pub message: String,
}

/// How a container ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Terminated {
    /// Exit code.
    pub exit_code: i64,
    /// One word.
    pub reason: String,
    /// What it says.
    pub message: String,
}

impl Workload {
    /// How messages name it.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind, self.metadata.name)
    }

    /// The condition of that type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        Condition::find(&self.status.conditions, kind)
    }

    /// Its pods' labels, as a label selector says them.
    pub fn pod_labels(&self) -> String {
        let labels = self.spec.selector.match_labels.iter();
        labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }
}

impl Pod {
    /// How messages name it.
    pub fn title(&self) -> String {
        format!("pod {}", self.metadata.name)
    }

    /// Whether it is neither ended nor about to.
    pub fn is_alive(&self) -> bool {
        self.metadata.deletion_timestamp.is_none()
            && !matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Whether it serves.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(Condition::is_true)
    }

    /// The condition of that type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        Condition::find(&self.status.conditions, kind)
    }
}
