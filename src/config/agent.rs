//! Who says what a service runs, and how a cluster is reached.

use std::path::PathBuf;
use std::time::Duration;

use super::SecretRef;

/// A GitOps agent: who says what a service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// A program that is asked once per service and interval.
    Command {
        /// Program and arguments; never a shell string. Placeholders are filled in.
        command: Vec<String>,
        /// Pause between two questions.
        interval: Duration,
        /// How long one answer may take.
        timeout: Duration,
        /// Names of environment variables that it gets beside `PATH`, `HOME` and `LANG`.
        pass: Vec<String>,
    },
    /// An Application of Argo CD.
    ArgoCd(ArgoCd),
    /// A Kustomization of Flux.
    Flux(Flux),
    /// What running pods carry.
    Workload {
        /// Which.
        workload: Workload,
        /// Pause between two looks where nothing is told by itself.
        interval: Duration,
    },
}

/// An Application of Argo CD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgoCd {
    /// Its name, with placeholders.
    pub application: String,
    /// Its namespace, with placeholders.
    pub namespace: String,
    /// How it is asked.
    pub reach: ArgoReach,
    /// URL under which it reads the environment repository, where that is another.
    pub repository: Option<String>,
    /// Who begins a sync.
    pub sync: SyncBy,
    /// How often a failed sync may be tried again before it counts as failed.
    pub sync_retries: u32,
    /// Workloads that have to be up too.
    pub after_sync: Vec<Workload>,
    /// Pause between two looks where nothing is told by itself.
    pub interval: Duration,
}

/// How Argo CD is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgoReach {
    /// By the Kubernetes API of the cluster that it runs in.
    Cluster(ClusterAccess),
    /// By its own API.
    Server {
        /// Address.
        server: String,
        /// Where the token is.
        token: SecretRef,
        /// File with the certificate that it is trusted by.
        ca: Option<PathBuf>,
    },
}

/// Who begins a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncBy {
    /// Argo CD by itself.
    #[default]
    Auto,
    /// datapin.
    Request,
}

/// A Kustomization of Flux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flux {
    /// Its name, with placeholders.
    pub kustomization: String,
    /// Its namespace, with placeholders.
    pub namespace: String,
    /// HelmRelease that has to be up too: `name` or `namespace/name`, with placeholders.
    pub helm_release: Option<String>,
    /// How its cluster is reached.
    pub access: ClusterAccess,
    /// URL under which it reads the environment repository, where that is another.
    pub repository: Option<String>,
    /// Workloads that have to be up too.
    pub after_sync: Vec<Workload>,
    /// Pause between two looks where nothing is told by itself.
    pub interval: Duration,
}

/// Workloads of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Which.
    pub which: WorkloadName,
    /// Namespace, with placeholders.
    pub namespace: Option<String>,
    /// How their cluster is reached; the default means like the agent that they belong to.
    pub access: ClusterAccess,
    /// Where their pods carry the version.
    pub proof: Option<Proof>,
}

/// Which workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadName {
    /// One by name.
    Resource {
        /// `Deployment`, `StatefulSet` or `DaemonSet`.
        kind: String,
        /// Name, with placeholders.
        name: String,
    },
    /// All with these labels, with placeholders.
    Selector(String),
}

/// Where a pod carries the version of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// An environment variable of a container.
    Env(String),
    /// An annotation.
    Annotation(String),
}

/// How a cluster is reached. With neither `context` nor `eks`: as kubectl would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ClusterAccess {
    /// Kubeconfig file; `None` means `KUBECONFIG`, else `~/.kube/config`, else the cluster that this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// Context in it; `None` means its current one.
    pub context: Option<String>,
    /// An EKS cluster, reached with AWS credentials and no kubeconfig.
    pub eks: Option<Eks>,
}

/// An EKS cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Eks {
    /// Name of the cluster.
    pub cluster: String,
    /// AWS region.
    pub region: String,
    /// Role that is assumed first.
    pub role_arn: Option<String>,
}
