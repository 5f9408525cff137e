//! Argo CD's application controller, as far as its writing of Applications goes: the sequence of states after a
//! push is the measured one of the real program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use git2::Repository;

use super::*;
use crate::world::pinned_at;

/// How an application behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    /// As it should.
    #[default]
    None,
    /// Degraded on this version.
    BreaksOn(String),
    /// On this version: healthy of before for a moment, then degraded.
    StaleOn(String),
    /// Its sync fails on this version.
    SyncFailsOn(String),
    /// Its sync is tried again and again on this version.
    RetriesOn(String),
    /// It cannot be rendered on this version.
    NotRenderedOn(String),
    /// It stays at what it has.
    Stuck,
}

/// Whether it looks at git by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Only when it is asked.
    Asked,
    /// By itself too.
    Itself,
}

/// The controller until it is dropped.
pub struct Controller {
    state: Arc<Mutex<State>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    faults: BTreeMap<String, Fault>,
    pace: Pace,
    applied: BTreeMap<String, String>,
}

impl Controller {
    /// Applications of all services, at the tip of the repository.
    pub fn start(kube: &Shared, bare: &Path) -> Self {
        let state = State { faults: BTreeMap::new(), pace: Pace::Asked, applied: BTreeMap::new() };
        let state = Arc::new(Mutex::new(state));
        let ends = Arc::new(AtomicBool::new(false));
        let worker =
            Worker { kube: kube.clone(), bare: bare.to_owned(), state: state.clone(), ends: ends.clone() };
        for service in SERVICES {
            worker.create(service);
        }
        let thread = std::thread::spawn(move || worker.work());
        Self { state, ends, thread: Some(thread) }
    }

    /// How the application of a service behaves from now on.
    pub fn fault(&self, service: &str, fault: Fault) {
        self.state.lock().unwrap().faults.insert(service.to_owned(), fault);
    }

    /// Whether it looks at git by itself from now on.
    pub fn pace(&self, pace: Pace) {
        self.state.lock().unwrap().pace = pace;
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
    state: Arc<Mutex<State>>,
    ends: Arc<AtomicBool>,
}

fn name(service: &str) -> String {
    format!("{service}-int")
}

impl Worker {
    fn create(&self, service: &str) {
        let (tip, value) = self.tip(service);
        deployment(&self.kube.read().unwrap(), service, &value, &well());
        self.state.lock().unwrap().applied.insert(service.to_owned(), value);
        let old = "2026-01-01T00:00:00Z";
        let object = json!({
            "metadata": { "name": name(service) },
            "spec": {
                "source": { "repoURL": url(&self.bare), "path": ".", "targetRevision": "main" },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": "apps" },
                "syncPolicy": { "automated": {} },
            },
            "status": {
                "sync": { "status": "Synced", "revision": tip },
                "health": { "status": "Healthy", "lastTransitionTime": old },
                "reconciledAt": old,
                "operationState": { "phase": "Succeeded", "syncResult": { "revision": tip }, "finishedAt": "2025-12-31T23:59:00Z" },
                "resources": [{ "group": "apps", "kind": "Deployment", "namespace": "apps", "name": service, "status": "Synced" }],
            },
        });
        self.kube.read().unwrap().put(APPLICATION, "argocd", object);
    }

    fn tip(&self, service: &str) -> (String, String) {
        let repo = Repository::open_bare(&self.bare).unwrap();
        let tip = repo.refname_to_id("refs/heads/main").unwrap();
        (tip.to_string(), pinned_at(&repo, tip, "int", service).unwrap())
    }

    fn work(&self) {
        while !self.ends.load(Ordering::Relaxed) {
            for service in SERVICES {
                self.look(service);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn patch(&self, service: &str, patch: &Value) {
        self.kube.read().unwrap().patch(APPLICATION, "argocd", &name(service), patch);
    }

    fn status(&self, service: &str, status: &Value) {
        self.patch(service, &json!({ "status": status }));
    }

    fn look(&self, service: &str) {
        let Some(app) = self.kube.read().unwrap().object(APPLICATION, "argocd", &name(service)) else {
            return;
        };
        let (fault, pace) = {
            let state = self.state.lock().unwrap();
            (state.faults.get(service).cloned().unwrap_or_default(), state.pace)
        };
        if fault == Fault::Stuck {
            return;
        }
        if let Some(revision) = app["operation"]["sync"]["revision"].as_str() {
            self.patch(service, &json!({ "operation": null }));
            return self.sync(service, revision, &fault);
        }
        if app["status"]["operationState"]["phase"] == "Terminating" {
            let revision = app["status"]["sync"]["revision"].as_str().unwrap();
            self.operation(service, "Failed", "", "Operation terminated", 0);
            return self.sync(service, revision, &fault);
        }
        // a failed sync that is tried again stands before all later ones
        let busy = app["status"]["operationState"]["phase"] == "Running";
        let asked = !app["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();
        let (tip, value) = self.tip(service);
        if !asked && (pace == Pace::Asked || app["status"]["sync"]["revision"] == tip.as_str()) {
            return;
        }
        if fault == Fault::NotRenderedOn(value.clone()) {
            let status = json!({
                "sync": { "status": "Unknown", "revision": "main" }, "reconciledAt": now(),
                "conditions": [{ "type": "ComparisonError", "message": "helmfile: values/int/mds.yaml: no such key" }],
            });
            return self.compared(service, &status);
        }
        let same = self.state.lock().unwrap().applied[service] == value;
        let sync = json!({ "status": if same { "Synced" } else { "OutOfSync" }, "revision": tip });
        self.compared(service, &json!({ "sync": sync, "reconciledAt": now(), "conditions": [] }));
        if !same && !busy && !app["spec"]["syncPolicy"]["automated"].is_null() {
            self.sync(service, &tip, &fault);
        }
    }

    /// What a comparison writes: the status, and the request for it is gone.
    fn compared(&self, service: &str, status: &Value) {
        let metadata = json!({ "annotations": { "argocd.argoproj.io/refresh": null } });
        self.patch(service, &json!({ "metadata": metadata, "status": status }));
    }

    fn operation(&self, service: &str, phase: &str, revision: &str, message: &str, retries: u32) {
        let mut state = json!({
            "phase": phase, "message": message, "syncResult": { "revision": revision }, "retryCount": retries,
            "finishedAt": null,
        });
        if phase != "Running" {
            state["finishedAt"] = json!(now());
        }
        self.status(service, &json!({ "operationState": state }));
    }

    /// Waits until the second of the last comparison is over: what it said is from before whatever comes then.
    fn pass_the_second(&self, service: &str) {
        let app = self.kube.read().unwrap().object(APPLICATION, "argocd", &name(service)).unwrap();
        while app["status"]["reconciledAt"] == now() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn sync(&self, service: &str, revision: &str, fault: &Fault) {
        let (_, value) = self.tip(service);
        self.operation(service, "Running", revision, "one or more tasks are running", 0);
        match fault {
            Fault::SyncFailsOn(version) if *version == value => {
                return self.operation(service, "Failed", revision, "one or more objects failed to apply", 0);
            }
            Fault::RetriesOn(version) if *version == value => {
                let message = |attempt| {
                    format!("ConfigMap {service} is immutable. Retrying attempt #{attempt} at 10:00AM.")
                };
                self.operation(service, "Running", revision, &message(1), 1);
                return self.operation(service, "Running", revision, &message(2), 2);
            }
            _ => {}
        }
        if *fault == Fault::StaleOn(value.clone()) {
            self.pass_the_second(service);
        }
        self.operation(service, "Succeeded", revision, "successfully synced", 0);
        self.state.lock().unwrap().applied.insert(service.to_owned(), value.clone());
        let stale = *fault == Fault::StaleOn(value.clone());
        let synced = json!({ "status": "Synced", "revision": revision });
        if stale {
            self.status(service, &json!({ "sync": synced }));
            // long enough for whoever believes it
            std::thread::sleep(Duration::from_millis(700));
        }
        let health = |status: &str| json!({ "status": status, "lastTransitionTime": now() });
        self.status(
            service,
            &json!({ "sync": synced, "health": health("Progressing"), "reconciledAt": now() }),
        );
        let breaks = stale || *fault == Fault::BreaksOn(value.clone());
        let kube = self.kube.read().unwrap();
        let pod = if breaks { crashing() } else { well() };
        deployment(&kube, service, &value, &pod);
        drop(kube);
        if breaks {
            // `Degraded` is from after the sync only if its second is a later one
            std::thread::sleep(Duration::from_millis(1100));
        }
        let status = if breaks { "Degraded" } else { "Healthy" };
        self.status(service, &json!({ "health": health(status) }));
    }
}
