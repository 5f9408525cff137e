//! Kinds of objects that agents look at.

use crate::cluster::Kind;

/// Argo CD's projects.
pub const APP_PROJECT: Kind =
    Kind { group: "argoproj.io", version: "v1alpha1", kind: "AppProject", plural: "appprojects" };
/// Argo CD's Applications.
pub const APPLICATION: Kind =
    Kind { group: "argoproj.io", version: "v1alpha1", kind: "Application", plural: "applications" };
/// Flux's git sources.
pub const GIT_REPOSITORY: Kind = Kind {
    group: "source.toolkit.fluxcd.io",
    version: "v1",
    kind: "GitRepository",
    plural: "gitrepositories",
};
/// Flux's Kustomizations.
pub const KUSTOMIZATION: Kind = Kind {
    group: "kustomize.toolkit.fluxcd.io",
    version: "v1",
    kind: "Kustomization",
    plural: "kustomizations",
};
/// Flux's Helm releases.
pub const HELM_RELEASE: Kind =
    Kind { group: "helm.toolkit.fluxcd.io", version: "v2", kind: "HelmRelease", plural: "helmreleases" };
/// Deployments.
pub const DEPLOYMENT: Kind = Kind { group: "apps", version: "v1", kind: "Deployment", plural: "deployments" };
/// Stateful sets.
pub const STATEFUL_SET: Kind =
    Kind { group: "apps", version: "v1", kind: "StatefulSet", plural: "statefulsets" };
/// Daemon sets.
pub const DAEMON_SET: Kind = Kind { group: "apps", version: "v1", kind: "DaemonSet", plural: "daemonsets" };
/// Replica sets.
pub const REPLICA_SET: Kind =
    Kind { group: "apps", version: "v1", kind: "ReplicaSet", plural: "replicasets" };

/// The kinds that run pods and have a rollout.
pub const WORKLOADS: [Kind; 3] = [DEPLOYMENT, STATEFUL_SET, DAEMON_SET];

/// The workload kind of that name, as a manifest (`Deployment`) or a person (`deployment`, `deploy`) writes it.
pub fn workload(name: &str) -> Option<Kind> {
    match name.to_ascii_lowercase().as_str() {
        "deployment" | "deployments" | "deploy" => Some(DEPLOYMENT),
        "statefulset" | "statefulsets" | "sts" => Some(STATEFUL_SET),
        "daemonset" | "daemonsets" | "ds" => Some(DAEMON_SET),
        _ => None,
    }
}
