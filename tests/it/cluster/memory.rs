//! What 1,000 watched objects cost, measured in a process that does nothing else.

use std::process::Command;

use datapin::cluster::{Clusters, Kind, Seen};
use datapin::config::ClusterAccess;
use serde_json::{Value, json};

use crate::kube_server::KubeServer;

const APPLICATION: Kind =
    Kind { group: "argoproj.io", version: "v1alpha1", kind: "Application", plural: "applications" };

/// An Application as they are: about 22 kB, most of it about resources and history.
fn application(name: &str) -> Value {
    let resource = |number: i32| {
        json!({ "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "apps",
            "name": format!("{name}-{number}"), "status": "Synced", "health": { "status": "Healthy" } })
    };
    let history = |number: i32| {
        json!({ "id": number, "revision": "a".repeat(40), "deployedAt": "2026-11-24T10:00:00Z",
            "source": { "repoURL": "https://gitlab.example.org/data/environments.git", "path": "apps/x" } })
    };
    json!({
        "metadata": { "name": name, "managedFields": [{ "fieldsV1": { "x": "y".repeat(6000) } }] },
        "spec": { "source": { "repoURL": "https://gitlab.example.org/data/environments.git", "path": "apps/x" } },
        "status": {
            "sync": { "status": "Synced", "revision": "a".repeat(40) }, "health": { "status": "Healthy" },
            "resources": (0..60).map(resource).collect::<Vec<_>>(),
            "history": (0..10).map(history).collect::<Vec<_>>(),
        },
    })
}

fn prune(object: &mut Value) {
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("resources");
        status.remove("history");
    }
}

/// Not a test by itself: what the measured process does.
#[tokio::test]
#[ignore = "started by the test below"]
async fn watcher() {
    let Some(file) = std::env::var_os("DATAPIN_TEST_WATCH") else { return };
    let access = ClusterAccess { kubeconfig: Some(file.into()), ..ClusterAccess::default() };
    let cluster = Clusters::new(std::sync::Arc::new(|_| None)).get(&access).await.unwrap();
    let mut watched = cluster.watch(APPLICATION, "argocd", prune);
    while !matches!(watched.get("app-0000"), Seen::Object(_)) {
        watched.changed().await;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}

/// Peak memory in kB of a process that watches so many.
fn peak(count: usize) -> u64 {
    let server = KubeServer::start();
    server.install(APPLICATION);
    for number in 0..count {
        server.put(APPLICATION, "argocd", application(&format!("app-{number:04}")));
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["cluster::memory::watcher", "--exact", "--ignored", "--nocapture"]);
    let output = child.env("DATAPIN_TEST_WATCH", server.kubeconfig()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_objects_cost_less_than_60_mb() {
    let (one, thousand) = (peak(1), peak(1000));
    println!("1: {one} kB, 1,000: {thousand} kB");
    assert!(thousand - one < 60_000, "1: {one} kB, 1,000: {thousand} kB");
}
