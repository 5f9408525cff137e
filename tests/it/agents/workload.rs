//! Plain workloads: what their running pods carry is the only proof.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use git2::Repository;

use super::*;
use crate::world::pinned_at;

/// Somebody who applies what is in git: a pipeline, a script.
struct Applier {
    breaks_on: Arc<Mutex<Option<String>>>,
    waits: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Applier {
    fn start(kube: &Shared, bare: &Path) -> Self {
        let breaks_on: Arc<Mutex<Option<String>>> = Arc::default();
        let ends = Arc::new(AtomicBool::new(false));
        let (kube, bare, breaks, flag) = (kube.clone(), bare.to_owned(), breaks_on.clone(), ends.clone());
        let waits: Arc<AtomicBool> = Arc::default();
        let waiting = waits.clone();
        let look = move || {
            if waiting.load(Ordering::Relaxed) {
                return;
            }
            let repo = Repository::open_bare(&bare).unwrap();
            let tip = repo.refname_to_id("refs/heads/main").unwrap();
            for service in SERVICES {
                let version = pinned_at(&repo, tip, "int", service).unwrap();
                let kube = kube.read().unwrap();
                let made = kube.object(DEPLOYMENT, "apps", service);
                let same = made.is_some_and(|made| made["spec"].to_string().contains(&version));
                let breaks = service == "mds" && breaks.lock().unwrap().as_ref() == Some(&version);
                if !same {
                    deployment(&kube, service, &version, &if breaks { crashing() } else { well() });
                }
            }
        };
        look();
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                look();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { breaks_on, waits, ends, thread: Some(thread) }
    }
}

impl Drop for Applier {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Bed {
    applier: Applier,
    kube: Shared,
    world: World,
}

fn bed(which: &str) -> Bed {
    let world = World::new();
    let kube = server();
    let applier = Applier::start(&kube, &world.bare());
    let config = kube.read().unwrap().kubeconfig();
    let config = config.display();
    agent(
        &world,
        &format!(
            r#"{{ kind = "workload", {which}, namespace = "apps", proof = {{ env = "DATA_VERSION" }}, kubeconfig = {{ file = "{config}" }}, interval = "200ms" }}"#
        ),
    );
    world.verified("int", OLD);
    Bed { applier, kube, world }
}

#[test]
fn a_good_version_is_verified() {
    let bed = bed(r#"resource = "deployment/{service}""#);
    bed.world.datapin(&["deploy", "int", NEW]).run().code(0);
}

#[test]
fn workloads_are_found_by_label() {
    let bed = bed(r#"resource = "deployment/{service}""#);
    for service in SERVICES {
        let patch = json!({ "metadata": { "labels": { "team": service } } });
        bed.kube.read().unwrap().patch(DEPLOYMENT, "apps", service, &patch);
    }
    bed.world.config(|text| {
        let agent = text["environment"]["int"]["agent"].as_inline_table_mut().unwrap();
        agent.remove("resource");
        agent.insert("selector", "team={service}".into());
    });
    // the applier makes new ones without labels
    let done = bed.world.datapin(&["deploy", "int", OLD]).run().code(0);
    done.says("nothing to do");
}

#[test]
fn what_crashes_is_rolled_back_until_the_pods_carry_the_old_version_again() {
    let bed = bed(r#"resource = "deployment/{service}""#);
    *bed.applier.breaks_on.lock().unwrap() = Some(NEW.to_owned());
    let pod = format!("mds-{NEW}-pod");
    bed.kube.read().unwrap().log("apps", &pod, "mds", "previous", "ERROR: checksum of stations.csv\n");
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says(&format!("Deployment mds: pod {pod}, container mds: CrashLoopBackOff"))
        .says("ended with exit code 3 Error, restarted 4 times")
        .says("ERROR: checksum of stations.csv");
    for pod in bed.kube.read().unwrap().objects(Kind::POD, "apps") {
        assert!(pod["spec"].to_string().contains(OLD), "{pod}");
    }
}

/// The pods carry another version, and name no commit: the branch says that it is somebody else's.
#[test]
fn a_person_who_pushes_another_version_supersedes_the_run() {
    let bed = bed(r#"resource = "deployment/{service}""#);
    bed.applier.waits.store(true, Ordering::Relaxed);
    let before = bed.world.tip("main");
    let running = bed.world.datapin(&["deploy", "int", NEW]).spawn();
    let limit = Duration::from_secs(80);
    bed.world.until("the commit is pushed", limit, || bed.world.tip("main") != before);
    bed.world.push_as_person(&[("values/int/kv.yaml", NEW, "2026.11.23-9")], "kv gets a hot fix");
    bed.applier.waits.store(false, Ordering::Relaxed);
    running.wait(limit).code(13).says("kv gets a hot fix");
    assert_eq!(bed.world.pinned("int", "kv"), "2026.11.23-9", "theirs stays");
    assert_eq!(bed.world.pinned("int", "mds"), OLD, "ours goes back");
}

#[test]
fn a_workload_that_is_not_there_is_2() {
    let bed = bed(r#"resource = "deployment/{service}""#);
    bed.world.config(|text| {
        let agent = text["environment"]["int"]["agent"].as_inline_table_mut().unwrap();
        agent.insert("resource", "statefulset/{service}".into());
    });
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(2);
    done.says("StatefulSet kv in namespace apps does not exist");
}
