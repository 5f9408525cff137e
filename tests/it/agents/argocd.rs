//! Argo CD through the Kubernetes API.

use super::argo::{Controller, Fault, Pace};
use super::*;
use crate::kube_server::TOKEN;

/// A world whose environment `int` is deployed by Argo CD, and verified.
pub struct Bed {
    // ends before the world that it reads
    pub argo: Controller,
    pub kube: Shared,
    pub world: World,
}

pub fn bed() -> Bed {
    bed_with("")
}

/// The same with more keys of the agent.
pub fn bed_with(more: &str) -> Bed {
    let world = World::new();
    let kube = server();
    let argo = Controller::start(&kube, &world.bare());
    let config = kube.read().unwrap().kubeconfig();
    agent(
        &world,
        &format!(
            r#"{{ kind = "argocd", application = "{{service}}-int", kubeconfig = {{ file = "{}" }}, interval = "200ms"{more} }}"#,
            config.display()
        ),
    );
    world.verified("int", OLD);
    Bed { world, kube, argo }
}

impl Bed {
    fn health(&self, service: &str) -> Value {
        let app = self.kube.read().unwrap().object(APPLICATION, "argocd", &format!("{service}-int")).unwrap();
        app["status"].clone()
    }

    /// Deploys the new version; once the commit is there, does something, and waits for the end.
    fn deploy_and(&self, then: impl FnOnce(&Self)) -> crate::world::Done {
        self.argo.fault("kv", Fault::Stuck);
        let before = self.world.tip("main");
        let running = self.world.datapin(&["deploy", "int", NEW]).spawn();
        let limit = std::time::Duration::from_secs(80);
        self.world.until("the commit is pushed", limit, || self.world.tip("main") != before);
        let watches = |kube: &KubeServer| kube.watches(APPLICATION) > 0;
        self.kube.read().unwrap().until("the applications are watched", watches);
        then(self);
        running.wait(limit)
    }

    fn heals(&self) {
        self.argo.fault("kv", Fault::None);
    }
}

#[test]
fn a_good_version_is_verified_with_one_watch_for_all() {
    let bed = bed();
    bed.world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(bed.world.versions("int"), [NEW]);
    let asked = bed.kube.read().unwrap().asked();
    let count = |verb: &str| asked.iter().filter(|asked| asked.verb == verb).count();
    // two runs, each with two looks before the commit, the wait and the last look: not four times as many
    assert!(count("get") == 0 && count("list") <= 10 && count("watch") <= 10, "{asked:#?}");
}

#[test]
fn what_never_gets_ready_is_rolled_back_with_its_cause() {
    let bed = bed();
    bed.argo.fault("mds", Fault::BreaksOn(NEW.to_owned()));
    let pod = format!("mds-{NEW}-pod");
    bed.kube.read().unwrap().log(
        "apps",
        &pod,
        "mds",
        "previous",
        "loading\nERROR: checksum of stations.csv\n",
    );
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
    let cause = format!("Deployment mds: pod {pod}, container mds: CrashLoopBackOff");
    let done =
        done.says("Application mds-int: Degraded").says(&cause).says("ERROR: checksum of stations.csv");
    assert_eq!(bed.world.versions("int"), [OLD], "{}", done.stdout);
    let status = bed.health("mds");
    assert_eq!(status["health"]["status"], "Healthy");
    assert_eq!(status["sync"]["revision"], bed.world.tip("main"));
}

#[test]
fn health_from_before_the_sync_is_not_believed() {
    let bed = bed();
    bed.argo.fault("mds", Fault::StaleOn(NEW.to_owned()));
    let done =
        bed.world.datapin(&["deploy", "int", NEW]).run().code(10).says("Application mds-int: Degraded");
    assert!(!done.stdout.contains("int/mds deployed"), "{}", done.stdout);
    assert_eq!(bed.world.versions("int"), [OLD]);
}

#[test]
fn a_failed_sync_is_told_at_once() {
    let bed = bed();
    bed.argo.fault("fbv", Fault::SyncFailsOn(NEW.to_owned()));
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says("Application fbv-int: one or more objects failed to apply");
    assert_eq!(bed.world.versions("int"), [OLD]);
}

#[test]
fn a_sync_that_is_tried_again_and_again_has_failed() {
    let bed = bed();
    bed.argo.fault("fbv", Fault::RetriesOn(NEW.to_owned()));
    bed.world.datapin(&["deploy", "int", NEW]).run().code(10).says("ConfigMap fbv is immutable");
}

#[test]
fn what_cannot_be_rendered_is_told_after_a_second_look() {
    let bed = bed();
    bed.argo.fault("mds", Fault::NotRenderedOn(NEW.to_owned()));
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says("ComparisonError: helmfile: values/int/mds.yaml: no such key");
    assert_eq!(bed.world.versions("int"), [OLD]);
}

#[test]
fn a_watch_that_is_cut_and_a_history_that_is_gone_are_no_news() {
    let bed = bed();
    let done = bed.deploy_and(|bed| {
        let kube = bed.kube.read().unwrap();
        kube.compact();
        kube.cut();
        bed.heals();
    });
    done.code(0);
}

#[test]
fn a_token_that_is_unknown_for_a_while_is_waited_for() {
    let bed = bed();
    let done = bed.deploy_and(|bed| {
        let kube = bed.kube.read().unwrap();
        kube.only_token("another");
        kube.cut();
        kube.until("it was refused", |kube| kube.asked().iter().any(|asked| asked.status == 401));
        kube.only_token(TOKEN);
        bed.heals();
    });
    done.code(0);
}

#[test]
fn an_api_server_that_restarts_is_waited_for() {
    let bed = bed();
    let done = bed.deploy_and(|bed| {
        bed.kube.write().unwrap().again();
        bed.heals();
    });
    done.code(0);
}

#[test]
fn without_the_right_to_ask_it_goes_on_at_argos_own_pace_and_says_so() {
    let bed = bed();
    bed.kube.read().unwrap().deny("patch", "applications.argoproj.io");
    let running = bed.world.datapin(&["deploy", "int", NEW]).spawn();
    let limit = std::time::Duration::from_secs(80);
    let says = || running.stdout().contains("cannot be asked to look at git");
    bed.world.until("it was refused", limit, says);
    bed.argo.pace(Pace::Itself);
    let done = running.wait(limit).code(0);
    let said = done.stdout.clone() + &done.stderr;
    let told = |service: &str| {
        said.matches(&format!("{service}-int in namespace argocd cannot be asked to look at git")).count()
    };
    let told = SERVICES.map(told);
    assert!(told.contains(&1) && told.iter().all(|times| *times <= 1), "{told:?}\n{said}");
}

#[test]
fn a_revision_past_ours_that_holds_our_value_will_do() {
    let bed = bed();
    let done = bed.deploy_and(|bed| {
        bed.world.push_as_person(&[("values/int/mds.yaml", "size:", "size: # MiB\n  #")], "A comment");
        bed.heals();
    });
    done.code(0);
}

#[test]
fn a_persons_push_of_another_version_supersedes() {
    let bed = bed();
    let other = "2026.11.24-1";
    let done = bed.deploy_and(|bed| {
        bed.world.push_as_person(&[("values/int/kv.yaml", NEW, other)], "kv needs another one");
        bed.heals();
    });
    done.code(13).says("kv needs another one");
    assert_eq!(bed.world.pinned("int", "kv"), other);
}

#[test]
fn a_rollback_is_only_done_when_the_old_version_runs_again() {
    let bed = bed();
    bed.argo.fault("mds", Fault::SyncFailsOn(NEW.to_owned()));
    bed.world.config(|text| text["environment"]["int"]["rollback_timeout"] = toml_edit::value("5s"));
    let mut running = bed.world.datapin(&["deploy", "int", NEW]).spawn();
    let limit = std::time::Duration::from_secs(80);
    bed.world.until("mds has failed", limit, || running.stdout().contains("failed to apply"));
    bed.argo.fault("mds", Fault::Stuck);
    bed.world.until("the revert is pushed", limit, || bed.world.versions("int") == [OLD]);
    assert!(running.runs());
    running.wait(limit).code(12);
}

/// Argo CD only says that it is out of sync; the project says why that stays so.
#[test]
fn a_closed_sync_window_is_named() {
    let bed = bed();
    let window =
        json!({ "kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["mds-*"] });
    let project = json!({ "metadata": { "name": "default" }, "spec": { "syncWindows": [window] } });
    bed.kube.read().unwrap().put(APP_PROJECT, "argocd", project);
    for service in SERVICES {
        bed.argo.fault(service, Fault::Stuck);
    }
    let before = bed.world.tip("main");
    let running = bed.world.datapin(&["deploy", "int", NEW]).spawn();
    let limit = std::time::Duration::from_secs(80);
    bed.world.until("the commit is pushed", limit, || bed.world.tip("main") != before);
    for service in ["mds", "fbv"] {
        let sync =
            json!({ "status": { "sync": { "status": "OutOfSync", "revision": bed.world.tip("main") } } });
        bed.kube.read().unwrap().patch(APPLICATION, "argocd", &format!("{service}-int"), &sync);
    }
    let words = "out of sync; a sync window forbids it now: deny `* * * * *` for 1h";
    bed.world.until("the window is named", limit, || running.stdout().contains(words));
    let told = running.stdout();
    assert!(told.lines().filter(|line| line.contains(words)).all(|line| line.contains("int/mds")), "{told}");
}

#[test]
fn an_argo_cd_that_does_not_sync_by_itself_is_asked_to() {
    let bed = bed_with(r#", sync = "request""#);
    for service in SERVICES {
        let patch = json!({ "spec": { "syncPolicy": null } });
        bed.kube.read().unwrap().patch(APPLICATION, "argocd", &format!("{service}-int"), &patch);
    }
    bed.world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(bed.health("kv")["operationState"]["syncResult"]["revision"], bed.world.tip("main"));
}

#[test]
fn a_chart_that_ignores_the_value_is_caught_by_its_pods() {
    let bed = bed_with(
        r#", after_sync = [{ kind = "workload", resource = "deployment/{service}", proof = { env = "DATA_VERSION" } }]"#,
    );
    // the controller makes what the chart would; here it is put back
    let kube = bed.kube.clone();
    let ends = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                let kube = kube.read().unwrap();
                let mds = kube.object(DEPLOYMENT, "apps", "mds");
                if mds.is_some_and(|mds| mds.to_string().contains(NEW)) {
                    deployment(&kube, "mds", OLD, &well());
                }
                drop(kube);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        done.says(&format!(
            "Deployment mds carries {OLD} in environment variable DATA_VERSION: it was synced"
        ));
    });
    assert_eq!(bed.world.versions("int"), [OLD]);
}
