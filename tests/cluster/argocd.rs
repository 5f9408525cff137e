//! Applications that do not simply follow a branch.

use crate::bed::bed;
use crate::world::{NEW, OLD, World};

/// What is deployed is another commit, on another branch, than the one that datapin has pushed.
#[test]
#[ignore = "needs the real cluster: see README"]
fn a_hydrator_that_renders_into_another_branch() {
    let world = World::plain("hydrator", &["mds"]);
    world.under_hydrator();
    world.configure(&world.argocd(), |text| text);
    world.datapin(&["deploy", "int", NEW]).run().code(0).says("verified");
    assert_eq!(world.running("mds"), [NEW], "at once");
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.crashloop"]).run().code(10);
    done.says("CrashLoopBackOff").says("stop 8507000 has no coordinates");
    assert_eq!(world.running("mds"), [NEW], "at once");
}

/// Without `sync = "request"` nothing is begun that nobody would sync.
#[test]
#[ignore = "needs the real cluster: see README"]
fn auto_sync_is_off() {
    let world = World::plain("no-auto-sync", &["mds"]);
    world.under_argocd_on_request();
    world.configure(&world.argocd(), |text| text);
    let before = world.tip();
    world.datapin(&["deploy", "int", NEW]).run().code(15).says("does not sync by itself");
    assert_eq!(world.tip(), before, "a commit was pushed");
}

fn requests(agent: &str) -> String {
    format!("{}, sync = \"request\" }}", agent.strip_suffix(" }").unwrap())
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn a_sync_that_datapin_begins_by_kubernetes() {
    let world = World::plain("request", &["mds"]);
    world.under_argocd_on_request();
    world.configure(&requests(&world.argocd()), |text| text);
    world.datapin(&["deploy", "int", NEW]).run().code(0).says("verified");
    assert_eq!(world.running("mds"), [NEW], "at once");
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.crashloop"]).run().code(10);
    done.says("CrashLoopBackOff");
    assert_eq!(world.running("mds"), [NEW], "at once");
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn a_sync_that_datapin_begins_by_rest() {
    let world = World::plain("request-rest", &["mds"]);
    world.under_argocd_on_request();
    world.configure(&requests(&world.argocd_rest()), |text| text);
    let run = |version| {
        world.datapin(&["deploy", "int", version]).env("ARGOCD_TOKEN", bed().fact("/argocd/syncer")).run()
    };
    run(NEW).code(0).says("verified");
    assert_eq!(world.running("mds"), [NEW], "at once");
    run("2026.11.23-2.crashloop").code(10).says("rolled back");
    assert_eq!(world.running("mds"), [NEW], "at once");
}

/// While a window is closed Argo CD only says that it is out of sync; both ways name the window.
fn in_a_closed_window(world: &World, agent: &str) {
    let project = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {{ name: {0}, namespace: argocd, labels: {{ world: {0} }} }}\n\
         spec:\n  sourceRepos: [\"*\"]\n  destinations: [{{ server: \"*\", namespace: \"*\" }}]\n\
         \x20 syncWindows: [{{ kind: deny, schedule: \"0 0 29 2 *\", duration: 1h, applications: [\"*\"] }}]\n",
        world.name()
    );
    bed().apply(&project);
    world.under_argocd();
    let name = world.application("mds");
    let into = format!(r#"{{"spec":{{"project":"{}"}}}}"#, world.name());
    bed().kubectl(&["-n", "argocd", "patch", "application", &name, "--type=merge", "-p", &into]);
    bed().apply(&project.replace("0 0 29 2 *", "* * * * *"));
    // it looks at a closed window every 30 s
    let patient = |text: String| text.replace("sync_timeout = \"60s\"", "sync_timeout = \"150s\"");
    world.configure(agent, patient);
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    running.says("a sync window forbids it now: deny `* * * * *` for 1h");
    assert_eq!(world.running("mds"), [OLD]);
    // the run goes on as soon as it may
    bed().apply(&project);
    running.wait().code(0).says("verified");
    assert_eq!(world.running("mds"), [NEW]);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn a_closed_sync_window_by_kubernetes() {
    let world = World::plain("window", &["mds"]);
    in_a_closed_window(&world, &world.argocd());
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn a_closed_sync_window_by_rest() {
    let world = World::plain("window-rest", &["mds"]);
    in_a_closed_window(&world, &world.argocd_rest());
}

/// A token that may look, and not sync.
#[test]
#[ignore = "needs the real cluster: see README"]
fn a_sync_that_datapin_may_not_begin() {
    let world = World::plain("request-denied", &["mds"]);
    world.under_argocd_on_request();
    world.configure(&requests(&world.argocd_rest()), |text| {
        text.replace("sync_timeout = \"60s\"", "sync_timeout = \"5s\"")
            .replace("rollback_timeout = \"60s\"", "rollback_timeout = \"5s\"")
    });
    let done = world.datapin(&["deploy", "int", NEW]).run();
    done.says("cannot be asked to sync").says("(403)");
    assert_eq!(world.running("mds"), [OLD]);
}
