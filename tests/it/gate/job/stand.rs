//! A cluster, and a gate in it.

use std::path::Path;
use std::time::Duration;

use datapin::cluster::{Clusters, Kind};
use datapin::config::{Afterwards, ClusterAccess, Gate, GateKind, JobSource, KubernetesJob};
use datapin::gate::{GateRunner, Report};
use serde_json::{Value, json};

use crate::gate::{facts, gate, lookup, shown};
use crate::kube_server::KubeServer;

pub(super) const MANIFEST: &str = r"
apiVersion: batch/v1
kind: Job
metadata:
  name: e2e
  labels: { team: data }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      initContainers:
      - { name: prepare, image: registry.example.org/prepare }
      containers:
      - name: test
        image: registry.example.org/e2e
        env: [{ name: DATAPIN_VERSION, value: old }, { name: OWN, value: kept }]
";

/// A cluster, and a gate in it.
pub(super) struct Stand {
    pub(super) server: KubeServer,
    pub(super) settings: KubernetesJob,
}

impl Stand {
    pub(super) fn new() -> Self {
        let server = KubeServer::start();
        let manifest = server.dir().join("e2e.yaml");
        std::fs::write(&manifest, MANIFEST).unwrap();
        let settings = KubernetesJob {
            access: ClusterAccess { kubeconfig: Some(server.kubeconfig()), ..ClusterAccess::default() },
            namespace: None,
            source: JobSource::Manifest(manifest),
            afterwards: Afterwards::Deleted,
        };
        Self { server, settings }
    }

    pub(super) fn gate(&self) -> Gate {
        gate("e2e", GateKind::KubernetesJob(self.settings.clone()))
    }

    pub(super) fn runner(&self) -> GateRunner {
        let clusters = Clusters::new(std::sync::Arc::new(|_| None));
        GateRunner::from_config(&self.gate(), lookup, Path::new("/x"), &clusters).unwrap()
    }

    pub(super) fn job(&self) -> Option<Value> {
        self.server.objects(Kind::JOB, "apps").into_iter().next()
    }

    /// The Job, once it is there.
    pub(super) async fn created(&self) -> Value {
        crate::gate::eventually("the Job is created", || self.job().is_some()).await;
        self.job().unwrap()
    }

    /// A pod of the Job with that status, as its controller and the kubelet would have it.
    pub(super) fn pod(&self, job: &Value, status: Value) -> String {
        let job = job["metadata"]["name"].as_str().unwrap();
        let name = format!("{job}-x7k2p");
        let pod = json!({
            "metadata": { "name": name, "labels": { "job-name": job } },
            "spec": { "containers": [{ "name": "test" }] }, "status": status,
        });
        self.server.put(Kind::POD, "apps", pod);
        name
    }

    pub(super) fn condition(&self, job: &Value, condition: Value) {
        let name = job["metadata"]["name"].as_str().unwrap();
        self.server.patch(Kind::JOB, "apps", name, &json!({ "status": { "conditions": [condition] } }));
    }

    /// Runs the gate while `play` plays the cluster.
    pub(super) async fn run(&self, runner: &GateRunner, play: impl AsyncFnOnce(Value)) -> Report {
        let (facts, played) = (facts(), async { play(self.created().await).await });
        let both = async { tokio::join!(runner.run(&facts, 1), played) };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("the gate ends").0
    }

    pub(super) fn shown(&self, report: &Report) -> String {
        let text = shown(report).replace(&self.server.url(), "SERVER");
        text.replace(&self.server.dir().display().to_string(), "DIR")
    }
}
