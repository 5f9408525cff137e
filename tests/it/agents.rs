//! Runs of the real binary against agents on the wire: Kubernetes objects that a controller writes as the real ones
//! do, and Argo CD's own API.

mod argo;
mod argocd;
mod flux;
mod prerequisites;
mod server;
mod workload;

use std::path::Path;
use std::sync::{Arc, RwLock};

use datapin::agent::kinds::{
    APP_PROJECT, APPLICATION, DAEMON_SET, DEPLOYMENT, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION,
    REPLICA_SET, STATEFUL_SET,
};
use datapin::cluster::Kind;
use serde_json::{Value, json};

use crate::kube_server::KubeServer;
use crate::world::{NEW, OLD, World};

/// Services of the environment that all of this is about.
const SERVICES: [&str; 4] = ["mds", "fbv", "kv", "remo"];

/// A server that a controller and a test share.
type Shared = Arc<RwLock<KubeServer>>;

/// A server with all kinds.
fn server() -> Shared {
    let kube = KubeServer::start();
    for kind in [
        APP_PROJECT,
        APPLICATION,
        GIT_REPOSITORY,
        KUSTOMIZATION,
        HELM_RELEASE,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
    ] {
        kube.install(kind);
    }
    Arc::new(RwLock::new(kube))
}

/// Makes `agent` the agent of environment `int`, with times for tests.
fn agent(world: &World, agent: &str) {
    world.config(|text| {
        let agent: toml_edit::Value = agent.parse().unwrap();
        text["environment"]["int"].as_table_mut().unwrap().remove("agent");
        text["environment"]["int"]["agent"] = toml_edit::value(agent);
        // a busy machine is no failure
        text["environment"]["int"]["sync_timeout"] = toml_edit::value("60s");
        text["environment"]["int"]["rollback_timeout"] = toml_edit::value("40s");
    });
}

/// Times as objects have them: whole seconds.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A Deployment, its ReplicaSet and one pod of a version; the pod is as `pod` says.
fn deployment(kube: &KubeServer, name: &str, version: &str, pod: &Value) {
    let labels = json!({ "app": name });
    let containers = json!([{ "name": name, "env": [{ "name": "DATA_VERSION", "value": version }] }]);
    let ready = pod["ready"] == true;
    let count = i32::from(ready);
    let set = format!("{name}-{version}").to_lowercase();
    let revision = json!({ "deployment.kubernetes.io/revision": version });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": containers } });
    let spec = json!({ "replicas": 1, "selector": { "matchLabels": labels }, "template": template });
    let metadata = json!({ "name": name, "annotations": revision });
    kube.put(DEPLOYMENT, "apps", json!({ "metadata": metadata, "spec": spec }));
    let made = kube.object(DEPLOYMENT, "apps", name).unwrap();
    let owner = json!([{ "uid": made["metadata"]["uid"] }]);
    let metadata =
        json!({ "name": set, "labels": labels, "ownerReferences": owner, "annotations": revision });
    kube.put(REPLICA_SET, "apps", json!({ "metadata": metadata }));
    let owner = json!([{ "uid": kube.object(REPLICA_SET, "apps", &set).unwrap()["metadata"]["uid"] }]);
    for old in kube.objects(Kind::POD, "apps") {
        if old["metadata"]["labels"] == labels {
            kube.delete(Kind::POD, "apps", old["metadata"]["name"].as_str().unwrap());
        }
    }
    let metadata = json!({ "name": format!("{set}-pod"), "labels": labels, "ownerReferences": owner });
    let status = json!({
        "phase": "Running",
        "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        "containerStatuses": [{
            "name": name, "ready": ready, "restartCount": if ready { 0 } else { 4 }, "state": pod["state"],
            "lastState": pod["lastState"],
        }],
    });
    let spec = json!({ "containers": containers });
    kube.put(Kind::POD, "apps", json!({ "metadata": metadata, "spec": spec, "status": status }));
    let status = json!({ "status": {
        "observedGeneration": made["metadata"]["generation"], "replicas": 1, "updatedReplicas": 1,
        "readyReplicas": count, "availableReplicas": count,
    } });
    kube.patch(DEPLOYMENT, "apps", name, &status);
}

/// A pod that is well.
fn well() -> Value {
    json!({ "ready": true, "state": { "running": {} } })
}

/// A pod that crashes.
fn crashing() -> Value {
    json!({
        "ready": false, "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s" } },
        "lastState": { "terminated": { "exitCode": 3, "reason": "Error" } },
    })
}

/// The path of a bare repository, as an agent would read it.
fn url(bare: &Path) -> String {
    bare.display().to_string()
}
