//! How pods fail, and what they belong to.

use crate::world::{NEW, OLD, World};

fn under_argocd(name: &str) -> World {
    let world = World::plain(name, &["mds"]);
    world.under_argocd();
    world.configure(&world.argocd(), |text| text);
    world
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn an_image_that_cannot_be_pulled() {
    let world = under_argocd("badpull");
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.badpull"]).run().code(10);
    done.says("container mds: ImagePullBackOff: Back-off pulling image")
        .says("Failed to pull image: not found");
    assert_eq!(world.running("mds"), [OLD], "at once");
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn an_init_container_that_crashes() {
    let world = under_argocd("initcrash");
    let init = "    spec:\n      initContainers: [{ name: unpack, image: registry.example.com/unpack:1 }]\n      containers:";
    world.push(&[(&World::file_of("mds"), "    spec:\n      containers:", init)]);
    world.argocd_is_healthy_on(&world.tip());
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.initcrash"]).run().code(10);
    done.says("init container unpack: CrashLoopBackOff").says("stop 8507000 has no coordinates");
    assert_eq!(world.running("mds"), [OLD], "at once");
}

fn daemon_set(world: &World) -> String {
    world.workload().replace("deployment/", "daemonset/")
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn of_a_daemon_set_alone() {
    let world = World::plain("daemonset", &["remo"]);
    world.under_flux_every("1s");
    world.configure(&daemon_set(&world), |text| text);
    world.datapin(&["deploy", "int", NEW]).run().code(0).says("verified");
    assert_eq!(world.running("remo"), [NEW], "at once");
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.crashloop"]).run().code(10);
    done.says("DaemonSet remo")
        .says("container remo: CrashLoopBackOff")
        .says("stop 8507000 has no coordinates");
    assert_eq!(world.running("remo"), [NEW], "at once");
}

/// Argo CD never calls a DaemonSet degraded: its pods do.
#[test]
#[ignore = "needs the real cluster: see README"]
fn of_a_daemon_set_under_argocd() {
    let world = World::plain("daemonset-argocd", &["remo"]);
    world.under_argocd();
    let agent =
        format!("{}, after_sync = [{}] }}", world.argocd().trim_end_matches(" }"), daemon_set(&world));
    world.configure(&agent, |text| text);
    world.datapin(&["deploy", "int", NEW]).run().code(0).says("verified");
    assert_eq!(world.running("remo"), [NEW], "at once");
}

/// A StatefulSet, which is never Degraded, is waited for to the end; the cause is told all the same. Kubernetes never
/// replaces its broken pod by itself, whatever the template says by then, so that a person is needed.
#[test]
#[ignore = "needs the real cluster: see README"]
fn of_a_stateful_set() {
    let world = World::plain("statefulset", &["kv"]);
    world.under_argocd();
    let shorter = |text: String| text.replace("sync_timeout = \"60s\"", "sync_timeout = \"20s\"");
    world.configure(&world.argocd(), shorter);
    world.datapin(&["deploy", "int", NEW]).run().code(0).says("verified");
    assert_eq!(world.running("kv"), [NEW], "at once");
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.unready"]).run().code(12);
    done.says("StatefulSet kv").says("container kv: runs, but is not ready").says("Readiness probe failed");
}
