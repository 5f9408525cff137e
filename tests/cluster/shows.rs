//! The bed itself works: what a person pushes is what runs.

use crate::world::{NEW, OLD, World};

#[test]
#[ignore = "needs the real cluster: see README"]
fn argocd_deploys_what_is_pushed() {
    let world = World::plain("shows-argocd", &["mds", "kv"]);
    world.under_argocd();
    assert_eq!((world.running("mds"), world.running("kv")), (vec![OLD.into()], vec![OLD.into()]));
    let commit = world.push(&[(&World::file_of("mds"), OLD, NEW)]);
    world.argocd_is_healthy_on(&commit);
    assert_eq!((world.running("mds"), world.running("kv")), (vec![NEW.into()], vec![OLD.into()]));
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn flux_deploys_what_is_pushed() {
    let world = World::plain("shows-flux", &["mds", "kv"]);
    world.under_flux();
    let commit = world.push(&[(&World::file_of("kv"), OLD, NEW)]);
    world.flux_is_ready_on("kv", &commit);
    world.flux_is_ready_on("mds", &commit);
    assert_eq!((world.running("mds"), world.running("kv")), (vec![OLD.into()], vec![NEW.into()]));
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn flux_deploys_a_helm_release() {
    let world = World::helm("shows-helm");
    world.under_flux();
    let commit = world.push(&[("int/remo/release.yaml", OLD, NEW)]);
    world.flux_is_ready_on("remo", &commit);
    assert_eq!(world.running("remo"), [NEW]);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn the_sample_repository_is_deployed_by_the_helmfile_plugin() {
    let world = World::sample("shows-helmfile");
    world.whole_under_helmfile("all");
    let edit = ("values/int/kv.yaml", OLD, NEW);
    world.application_is_healthy_on("all", &world.push(&[edit]));
    assert_eq!(world.running("kv"), [NEW]);
    for service in ["mds", "fbv", "remo"] {
        assert_eq!(world.running(service), [OLD], "{service}");
    }
}
