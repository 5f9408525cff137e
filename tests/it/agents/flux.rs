//! Flux: a source, a Kustomization for each service, and a controller that writes them as the real ones do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use git2::Repository;

use super::*;
use crate::world::pinned_at;

/// How a Kustomization behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// Its health check fails on this version.
    BreaksOn(String),
    /// Its dependency is not ready on this version.
    WaitsOn(String),
}

struct Controller {
    faults: Arc<Mutex<BTreeMap<String, Fault>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Controller {
    fn start(kube: &Shared, bare: &Path) -> Self {
        let faults: Arc<Mutex<BTreeMap<String, Fault>>> = Arc::default();
        let ends = Arc::new(AtomicBool::new(false));
        let worker = Worker { kube: kube.clone(), bare: bare.to_owned(), faults: faults.clone() };
        worker.create();
        let flag = ends.clone();
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                worker.look();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { faults, ends, thread: Some(thread) }
    }

    fn fault(&self, service: &str, fault: Fault) {
        self.faults.lock().unwrap().insert(service.to_owned(), fault);
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    kube: Shared,
    bare: PathBuf,
    faults: Arc<Mutex<BTreeMap<String, Fault>>>,
}

const NAMESPACE: &str = "flux-system";

fn ready(status: &str, reason: &str, message: &str) -> Value {
    json!([{ "type": "Ready", "status": status, "reason": reason, "message": message }])
}

fn requested(object: &Value) -> Option<String> {
    let asked = object["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].as_str()?;
    (object["status"]["lastHandledReconcileAt"].as_str() != Some(asked)).then(|| asked.to_owned())
}

impl Worker {
    fn create(&self) {
        let kube = self.kube.read().unwrap();
        let (tip, _) = self.tip("mds");
        let revision = format!("main@sha1:{tip}");
        let source = json!({
            "metadata": { "name": "environments" },
            "spec": { "url": url(&self.bare), "ref": { "branch": "main" } },
            "status": { "observedGeneration": 1, "artifact": { "revision": revision }, "conditions": ready("True", "Succeeded", "stored") },
        });
        kube.put(GIT_REPOSITORY, NAMESPACE, source);
        for service in SERVICES {
            let object = json!({
                "metadata": { "name": service, "generation": 1 },
                "spec": { "path": "./", "sourceRef": { "kind": "GitRepository", "name": "environments" }, "dependsOn": [{ "name": "infra" }] },
                "status": {
                    "observedGeneration": 1, "lastAppliedRevision": revision, "lastAttemptedRevision": revision,
                    "conditions": ready("True", "ReconciliationSucceeded", "Applied"),
                    "inventory": { "entries": [{ "id": format!("apps_{service}_apps_Deployment"), "v": "v1" }] },
                },
            });
            kube.put(KUSTOMIZATION, NAMESPACE, object);
        }
        let infra = json!({
            "metadata": { "name": "infra" }, "spec": {},
            "status": { "conditions": ready("False", "HealthCheckFailed", "StatefulSet/infra/db is not ready") },
        });
        kube.put(KUSTOMIZATION, NAMESPACE, infra);
    }

    fn tip(&self, service: &str) -> (String, String) {
        let repo = Repository::open_bare(&self.bare).unwrap();
        let tip = repo.refname_to_id("refs/heads/main").unwrap();
        (tip.to_string(), pinned_at(&repo, tip, "int", service).unwrap())
    }

    fn look(&self) {
        let kube = self.kube.read().unwrap();
        let source = kube.object(GIT_REPOSITORY, NAMESPACE, "environments").unwrap();
        if let Some(token) = requested(&source).filter(|_| source["spec"]["suspend"] != true) {
            let (tip, _) = self.tip("mds");
            let status = json!({ "artifact": { "revision": format!("main@sha1:{tip}") }, "lastHandledReconcileAt": token });
            kube.patch(GIT_REPOSITORY, NAMESPACE, "environments", &json!({ "status": status }));
        }
        for service in SERVICES {
            let object = kube.object(KUSTOMIZATION, NAMESPACE, service).unwrap();
            let held = source["status"]["artifact"]["revision"].clone();
            let token = requested(&object);
            if token.is_some() || object["status"]["lastAttemptedRevision"] != held {
                self.reconcile(&kube, service, &held, token);
            }
        }
    }

    fn reconcile(&self, kube: &KubeServer, service: &str, held: &Value, token: Option<String>) {
        let write =
            |status: Value| kube.patch(KUSTOMIZATION, NAMESPACE, service, &json!({ "status": status }));
        let commit = held.as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        let repo = Repository::open_bare(&self.bare).unwrap();
        let version = pinned_at(&repo, commit, "int", service).unwrap();
        let fault = self.faults.lock().unwrap().get(service).cloned().unwrap_or_default();
        if fault == Fault::WaitsOn(version.clone()) {
            let message = "dependency 'flux-system/infra' is not ready";
            return write(json!({ "conditions": ready("False", "DependencyNotReady", message) }));
        }
        write(
            json!({ "conditions": ready("Unknown", "Progressing", "Reconciliation in progress"), "lastAttemptedRevision": held }),
        );
        let breaks = fault == Fault::BreaksOn(version.clone());
        deployment(kube, service, &version, &if breaks { crashing() } else { well() });
        if breaks {
            let message = format!("timeout waiting for: [Deployment/apps/{service} status: 'Failed']");
            write(json!({ "conditions": ready("False", "HealthCheckFailed", &message) }));
        } else {
            // the new revision is applied before Ready is true, and the token is handled after that
            write(json!({ "lastAppliedRevision": held }));
            write(json!({ "conditions": ready("True", "ReconciliationSucceeded", "Applied") }));
        }
        if let Some(token) = token {
            write(json!({ "lastHandledReconcileAt": token }));
        }
    }
}

struct Bed {
    flux: Controller,
    kube: Shared,
    world: World,
}

fn bed() -> Bed {
    let world = World::new();
    let kube = server();
    let flux = Controller::start(&kube, &world.bare());
    let config = kube.read().unwrap().kubeconfig();
    let config = config.display();
    agent(
        &world,
        &format!(
            r#"{{ kind = "flux", kustomization = "{{service}}", kubeconfig = {{ file = "{config}" }}, interval = "200ms" }}"#
        ),
    );
    world.verified("int", OLD);
    Bed { flux, kube, world }
}

#[test]
fn a_good_version_is_verified() {
    let bed = bed();
    bed.world.datapin(&["deploy", "int", NEW]).run().code(0);
    let kube = bed.kube.read().unwrap();
    let kustomization = kube.object(KUSTOMIZATION, NAMESPACE, "kv").unwrap();
    let applied = kustomization["status"]["lastAppliedRevision"].as_str().unwrap();
    assert!(applied.ends_with(&bed.world.tip("main")), "{applied}");
}

#[test]
fn what_never_gets_ready_is_rolled_back_with_its_cause() {
    let bed = bed();
    bed.flux.fault("mds", Fault::BreaksOn(NEW.to_owned()));
    let pod = format!("mds-{NEW}-pod");
    bed.kube.read().unwrap().log("apps", &pod, "mds", "previous", "ERROR: checksum of stations.csv\n");
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says("Kustomization flux-system/mds: HealthCheckFailed")
        .says(&format!("Deployment mds: pod {pod}, container mds: CrashLoopBackOff"))
        .says("ERROR: checksum of stations.csv");
    assert_eq!(bed.world.versions("int"), [OLD]);
    let deployed = bed.kube.read().unwrap().object(DEPLOYMENT, "apps", "mds").unwrap();
    assert!(deployed.to_string().contains(OLD), "{deployed}");
}

#[test]
fn a_dependency_that_is_not_ready_is_named_with_its_own_reason() {
    let bed = bed();
    bed.flux.fault("mds", Fault::WaitsOn(NEW.to_owned()));
    bed.world.config(|text| text["environment"]["int"]["sync_timeout"] = toml_edit::value("3s"));
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says("dependency 'flux-system/infra' is not ready")
        .says("Kustomization flux-system/infra: HealthCheckFailed: StatefulSet/infra/db is not ready");
}

#[test]
fn without_the_right_to_ask_it_waits_for_flux_and_says_so() {
    let bed = bed();
    bed.kube.read().unwrap().deny("patch", "gitrepositories.source.toolkit.fluxcd.io");
    let running = bed.world.datapin(&["deploy", "int", NEW]).spawn();
    let limit = Duration::from_secs(30);
    bed.world.until("it says so", limit, || running.stdout().contains("cannot be asked to reconcile"));
    // Flux looks by itself
    let revision = format!("main@sha1:{}", bed.world.tip("main"));
    let patch = json!({ "status": { "artifact": { "revision": revision } } });
    bed.kube.read().unwrap().patch(GIT_REPOSITORY, NAMESPACE, "environments", &patch);
    running.wait(limit).code(0);
}

#[test]
fn somebody_suspended_it_is_15_before_anything_is_written() {
    let bed = bed();
    let tip = bed.world.tip("main");
    let patch = json!({ "spec": { "suspend": true } });
    bed.kube.read().unwrap().patch(KUSTOMIZATION, NAMESPACE, "kv", &patch);
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(15);
    done.says("Kustomization flux-system/kv is suspended: `flux resume kustomization kv -n flux-system`");
    assert_eq!(bed.world.tip("main"), tip);
}
