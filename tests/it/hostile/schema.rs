//! An older and a newer bot side by side.

use super::*;
use crate::world::NEW;

fn raise(world: &World) {
    edit_json(world, |dir| dir.join("queue.json"), |json| json["schema"] = 2.into());
}

#[test]
fn a_newer_queue_is_not_entered() {
    let world = int();
    raise(&world);
    let (main, queue) = (world.tip("main"), world.tip(QUEUE));
    for args in [&["deploy", "int", NEW][..], &["reconcile"], &["rollback", "int"], &["resume"]] {
        world.datapin(args).run().code(2).says("schema 2");
    }
    assert_eq!((world.tip("main"), world.tip(QUEUE)), (main, queue));
}

/// It is raised only when nothing is started; should it happen all the same, what is held is given back.
#[test]
fn a_holder_gives_back_what_it_holds() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let waiter = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    world.until("bob waits", LONG, || world.queue().tickets.len() == 2);
    raise(&world);
    running.wait(LONG).code(16).says("schema 2");
    waiter.wait(LONG).code(2).says("schema 2");
    let queue = world.queue();
    assert_eq!((&queue.queue["schema"], queue.tickets.len()), (&2.into(), 1), "{queue}");
    assert_eq!(queue.history.last().unwrap()["outcome"], "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

/// What a newer bot calls a run or a state is not guessed.
#[test]
fn words_of_a_newer_bot() {
    let changes: [fn(&mut Value); 4] = [
        |ticket| ticket["kind"] = serde_json::json!({ "do": "adopt" }),
        |ticket| ticket["state"] = serde_json::json!({ "name": "promoting", "stage": 0 }),
        |ticket| ticket["lives"] = "pipeline".into(),
        |ticket| ticket["stages"][0]["environments"][0]["intents"][0]["fate"] = "doubtful".into(),
    ];
    for change in changes {
        let world = int();
        world.ttl("3s");
        hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW).kill();
        edit_json(&world, last_ticket, change);
        let (main, queue) = (world.tip("main"), world.tip(QUEUE));
        world
            .datapin(&["deploy", "int", LATER])
            .by("bob")
            .run()
            .code(1)
            .says("newer datapin")
            .says("tickets/");
        world.datapin(&["reconcile"]).by("bob").run().code(1);
        assert_eq!((world.tip("main"), world.tip(QUEUE)), (main, queue), "nothing is lost");
    }
}
