//! What only one agent knows: an apply that fails, a chart that ignores the value.

use crate::bed::{alone, bed};
use crate::world::{NEW, OLD, World};

/// A version that no label may have, so that the API server refuses the manifest.
const NO_LABEL: &str = "2026.11.23-7.bad.";

/// A world whose data version is also a label.
fn labelled(name: &str) -> World {
    let world = World::plain(name, &["mds"]);
    let label = format!("labels: {{ app: mds, data-version: \"{OLD}\" }}\n      annotations");
    world.push(&[(&World::file_of("mds"), "labels: { app: mds }\n      annotations", &label)]);
    world
}

/// datapin's configuration of it.
fn pins_the_label(text: String) -> String {
    text.replace(
        "spec.template.spec.containers[0].env[name=DATA_VERSION].value",
        "spec.template.metadata.labels.data-version",
    )
}

fn label(world: &World) -> String {
    let path = "jsonpath={.spec.template.metadata.labels.data-version}";
    bed().kubectl(&["-n", world.name(), "get", "deployment", "mds", "-o", path])
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn argocd_cannot_apply_it() {
    let world = labelled("sync-error");
    world.under_argocd();
    world.configure(&world.argocd(), pins_the_label);
    let done = world.datapin(&["deploy", "int", NO_LABEL]).run().code(10);
    done.says("mds").says("Invalid value");
    assert_eq!(label(&world), OLD);
    world.application_is_healthy_on("mds", &world.tip());
}

/// Argo CD's own retries keep its operation `Running` for five minutes: nobody waits for that.
#[test]
#[ignore = "needs the real cluster: see README"]
fn argocd_tries_again_to_apply_it() {
    let world = labelled("sync-retries");
    world.under_argocd_with("{}");
    world.configure(&world.argocd(), pins_the_label);
    let done = world.datapin(&["deploy", "int", NO_LABEL]).run();
    assert!(done.took.as_secs() < 150, "{:?}", done.took);
    done.says("mds").says("Invalid value");
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn flux_cannot_apply_it() {
    let world = labelled("flux-error");
    world.under_flux();
    world.configure(&world.flux(), pins_the_label);
    let done = world.datapin(&["deploy", "int", NO_LABEL]).run().code(10);
    done.says("mds").says("Invalid value");
    assert_eq!(label(&world), OLD);
    world.flux_is_ready_on("mds", &world.tip());
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn a_helm_release_of_flux() {
    let world = World::helm("release");
    world.under_flux();
    let release = format!(
        "{}, helm_release = \"{}/{{service}}\" }}",
        world.flux().trim_end_matches(" }"),
        world.name()
    );
    world.configure(&release, |text| text);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(world.running("remo"), [NEW]);
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.crashloop"]).run().code(10);
    done.says("remo").says("CrashLoopBackOff");
    world.settles_on("remo", NEW);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn the_sample_under_argocd_by_helmfile() {
    let world = World::sample("helmfile");
    world.under_helmfile();
    world.configure(&world.argocd(), |text| text);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    for service in ["mds", "fbv", "kv", "remo"] {
        assert_eq!(world.running(service), [NEW], "{service}");
    }
    let done = world.datapin(&["deploy", "int", "2026.11.23-2.crashloop.kv"]).run().code(10);
    done.says("kv").says("CrashLoopBackOff");
    for service in ["mds", "fbv", "kv", "remo"] {
        world.settles_on(service, NEW);
    }
}

/// Argo CD's health says nothing of the data; the pods themselves do.
#[test]
#[ignore = "needs the real cluster: see README"]
fn a_chart_that_ignores_the_value() {
    let world = World::sample("ignores");
    let chart = "charts/data-service/templates/deployment.yaml";
    world.push(&[(chart, "{{ .Values.data.timetable.version | quote }}", &format!("\"{OLD}\""))]);
    world.under_helmfile();
    let proof = format!("{}, after_sync = [{}] }}", world.argocd().trim_end_matches(" }"), world.workload());
    world.configure(&proof, |text| text);
    let done = world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says("DATA_VERSION").says(OLD);

    world.configure(&world.argocd(), |text| text);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(world.running("mds"), [OLD], "verified without the proof, with the old data");
}

/// Everybody loses the connection, and the run goes on.
#[test]
#[ignore = "needs the real cluster: see README"]
fn the_api_server_is_away_for_a_while() {
    let _alone = alone();
    let world = World::plain_alone("api-server", &["mds", "fbv"]);
    world.under_argocd();
    world.configure(&world.argocd(), |text| text);
    let slow = "2026.11.23-8.slow";
    let run = world.datapin(&["deploy", "int", slow]).spawn();
    world.is_pinned("mds", slow);
    let held = bed().hold_down("kube-apiserver");
    run.says("cannot be reached");
    drop(held);
    run.wait().code(0).says("verified");
    world.settles_on("mds", slow);
    world.argocd_is_healthy_on(&world.tip()); // so that the next test finds the bed awake
}
