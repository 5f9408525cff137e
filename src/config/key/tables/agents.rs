//! The keys of agents, and those with which a cluster is reached.

use super::super::{Choice, Form, Key, Keys, Kind, Shape, Way};
use super::{SECRET, SERVICE};

static KUBECONFIG_FILE: Keys =
    Keys::of(&[Key::required("file", Shape::Text(Form::Any), "path of the kubeconfig file")]);

static EKS_CLUSTER: Keys = Keys::of(&[
    Key::required("cluster", Shape::Text(Form::Any), "name of the cluster"),
    Key::required("region", Shape::Text(Form::Any), "AWS region"),
    Key::optional("role_arn", Shape::Text(Form::Any), "role that is assumed first"),
]);

// The keys of every kind that reaches a cluster; `check/clusters.rs` says which exclude each other.
pub(super) const KUBECONFIG: Key = Key::optional(
    "kubeconfig",
    Shape::Table(&KUBECONFIG_FILE),
    "kubeconfig file; by default KUBECONFIG, ~/.kube/config, or the cluster that datapin runs in",
);
pub(super) const CONTEXT: Key = Key::optional(
    "context",
    Shape::Text(Form::Any),
    "context of the kubeconfig, also `path/to/project:agent` of GitLab; its current one by default",
);
pub(super) const EKS: Key =
    Key::optional("eks", Shape::Table(&EKS_CLUSTER), "EKS cluster, with AWS credentials and no kubeconfig");

static PROOF: Keys = Keys::of(&[
    Key::optional("env", Shape::Text(Form::Variable), "environment variable of a container"),
    Key::optional("annotation", Shape::Text(Form::Any), "annotation of the pods"),
])
.choice(Choice::One(&[Way { needs: &["env"], allows: &[] }, Way { needs: &["annotation"], allows: &[] }]));

const INTERVAL: Key = Key::optional(
    "interval",
    Shape::Text(Form::Duration),
    "pause between two looks where nothing is told by itself; 2s by default",
);
const OUR_REPOSITORY: Key = Key::optional(
    "repository",
    Shape::Text(Form::Remote),
    "URL under which it reads the environment repository, where it is another than datapin's",
);
const AFTER_SYNC: Key = Key::optional(
    "after_sync",
    Shape::Tables(&WORKLOAD_AFTER),
    "workloads that have to be up too, after the sync",
);
const NAMESPACE: Key = Key::optional(
    "namespace",
    Shape::Text(Form::Filled(SERVICE)),
    "namespace; `default` by default, in `after_sync` that of the application",
);

const RESOURCE: Key = Key::optional(
    "resource",
    Shape::Text(Form::Resource),
    "`deployment/{service}`, or a statefulset or daemonset",
);
const SELECTOR: Key =
    Key::optional("selector", Shape::Text(Form::Selector), "labels of the workloads: `app={service}`");
const PROVEN: Key =
    Key::optional("proof", Shape::Table(&PROOF), "where the running pods themselves carry the version");

static WORKLOAD_AFTER: Keys = Keys::of(&[]).kinds(&[Kind {
    name: "workload",
    keys: &[RESOURCE, SELECTOR, NAMESPACE, PROVEN, CONTEXT, KUBECONFIG, EKS],
    doc: "Deployments, StatefulSets and DaemonSets",
}]);

const COMMAND: Kind = Kind {
    name: "command",
    keys: &[
        Key::required("command", Shape::Argv, "program and arguments; placeholders are filled in"),
        Key::optional("interval", Shape::Text(Form::Duration), "pause between two questions; 2s by default"),
        Key::optional("timeout", Shape::Text(Form::Duration), "how long one answer may take; 10s by default"),
        Key::optional("pass", Shape::Set(Form::Variable, 0), "environment variables that it gets"),
    ],
    doc: "a program that says what a service runs",
};

const ARGOCD: Kind = Kind {
    name: "argocd",
    keys: &[
        Key::required("application", Shape::Text(Form::Filled(SERVICE)), "name of the Application"),
        Key::optional(
            "namespace",
            Shape::Text(Form::Filled(SERVICE)),
            "namespace of the Application; `argocd` by default",
        ),
        CONTEXT,
        KUBECONFIG,
        EKS,
        Key::optional(
            "server",
            Shape::Text(Form::HttpUrl),
            "address of Argo CD's own API, where the cluster itself cannot be reached",
        ),
        Key::optional("token", Shape::Table(&SECRET), "where the token for `server` is"),
        Key::optional("ca", Shape::Text(Form::Any), "file with the certificate that `server` is trusted by"),
        Key::optional(
            "sync",
            Shape::Text(Form::OneOf(&["auto", "request"])),
            "who begins a sync: Argo CD by itself, or datapin; auto by default",
        ),
        Key::optional(
            "sync_retries",
            Shape::Count(20),
            "how often Argo CD may try a failed sync again before it counts as failed; 1 by default",
        ),
        OUR_REPOSITORY,
        AFTER_SYNC,
        INTERVAL,
    ],
    doc: "an Application of Argo CD",
};

const FLUX: Kind = Kind {
    name: "flux",
    keys: &[
        Key::required("kustomization", Shape::Text(Form::Filled(SERVICE)), "name of the Kustomization"),
        Key::optional(
            "namespace",
            Shape::Text(Form::Filled(SERVICE)),
            "namespace of the Kustomization; `flux-system` by default",
        ),
        Key::optional(
            "helm_release",
            Shape::Text(Form::Filled(SERVICE)),
            "HelmRelease that has to be up too: its name, or `namespace/name`",
        ),
        CONTEXT,
        KUBECONFIG,
        EKS,
        OUR_REPOSITORY,
        AFTER_SYNC,
        INTERVAL,
    ],
    doc: "a Kustomization of Flux",
};

const WORKLOAD: Kind = Kind {
    name: "workload",
    keys: &[RESOURCE, SELECTOR, NAMESPACE, PROVEN, CONTEXT, KUBECONFIG, EKS, INTERVAL],
    doc: "Deployments, StatefulSets and DaemonSets: what their running pods carry",
};

pub(super) static AGENT: Keys = Keys::of(&[]).kinds(&[COMMAND, ARGOCD, FLUX, WORKLOAD]);
