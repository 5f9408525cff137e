//! The target branch is rewritten or deleted while a run is on its way.

use super::*;
use crate::world::NEW;
use toml_edit::value;

fn impatient(world: &World) {
    world.config(|text| {
        text["environment"]["int"]["sync_timeout"] = value("3s");
        text["environment"]["int"]["rollback_timeout"] = value("3s");
    });
}

fn move_main(world: &World, to: &str) {
    git(&world.bare(), &["update-ref", "refs/heads/main", to]);
}

/// Our commit is gone: nothing is ours at the tip, so nothing is taken back.
#[test]
fn rewritten_without_our_commit_while_the_agent_syncs() {
    let world = int();
    impatient(&world);
    let running = syncing(&world, NEW);
    let old = world.log("main")[1].id.clone();
    move_main(&world, &old);
    heal(&world);
    running.wait(LONG).code(10);
    ended(&world, NEW, "rolled-back");
    assert_eq!(pins(&world), [OLD; 4].map(str::to_owned));
    assert!(world.freeze("int").is_none());
    world.verified("int", NEW);
}

/// The same during the gate: the last look finds it.
#[test]
fn rewritten_without_our_commit_during_the_gate() {
    let world = int();
    impatient(&world);
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let old = world.log("main")[1].id.clone();
    move_main(&world, &old);
    world.until("the agent is back", LONG, || {
        std::fs::read_to_string(world.dir().join("agent/int/kv.json")).unwrap().contains(&old)
    });
    world.gate("int-test").passes();
    let done = running.wait(LONG);
    assert!(matches!(done.code, Some(10 | 13)), "{done:?}");
    ended(&world, NEW, "rolled-back");
    assert_eq!((world.tip("main"), world.verified_on("int").as_deref()), (old, Some(OLD)));
}

/// A branch that is gone cannot be taken back: a person is needed, and once the branch is there again the next
/// `reconcile` does the rest.
#[test]
fn deleted_while_the_agent_syncs() {
    let world = int();
    impatient(&world);
    let running = syncing(&world, NEW);
    let ours = world.tip("main");
    git(&world.bare(), &["update-ref", "-d", "refs/heads/main"]);
    running.wait(LONG).code(12).says("main");
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "{queue}");
    assert!(world.freeze("int").is_some());
    move_main(&world, &ours);
    heal(&world);
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    assert_eq!(world.versions("int"), [OLD]);
    assert!(world.freeze("int").is_none());
}

#[test]
fn deleted_before_the_rollback() {
    let world = int();
    impatient(&world);
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let ours = world.tip("main");
    git(&world.bare(), &["update-ref", "-d", "refs/heads/main"]);
    world.gate("int-test").fails();
    running.wait(LONG).code(12);
    assert!(world.queue().tickets.is_empty());
    assert!(world.freeze("int").is_some());
    world.datapin(&["deploy", "int", LATER]).by("bob").run().code(3);
    move_main(&world, &ours);
    world.datapin(&["rollback", "int"]).by("bob").run().code(0);
    assert_eq!(world.versions("int"), [OLD]);
}
