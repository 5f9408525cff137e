//! The git server goes away and comes back.

use super::*;
use crate::world::NEW;

#[test]
fn while_a_run_is_in_its_gate() {
    let mut line = Line::new();
    let mut running = hanging(&line.world, NEW);
    line.server.stop();
    line.world.gate("int-test").passes();
    line.world.until("the run goes on", LONG, || running.stdout().contains("passed") || !running.runs());
    line.server.again();
    running.wait(LONG).code(0);
    ended(&line.world, NEW, "verified");
}

/// A rollback is due while the server is away: it is made once it is back.
#[test]
fn while_a_rollback_is_due() {
    let mut line = Line::new();
    line.world.config(|text| text["environment"]["int"]["rollback_timeout"] = value("60s"));
    let mut running = hanging(&line.world, NEW);
    line.server.stop();
    line.world.gate("int-test").fails();
    line.world.until("the run goes back", LONG, || {
        assert!(running.runs(), "{}{}", running.stdout(), running.stderr());
        running.stdout().contains("rolling back") || running.stdout().contains("oll")
    });
    line.server.again();
    running.wait(LONG).code(11);
    ended(&line.world, NEW, "rolled-back");
    assert_eq!(line.world.versions("int"), [OLD]);
}

/// It stays away until `rollback_timeout`: this process stops half-way, and the next one finishes.
#[test]
fn for_longer_than_rollback_timeout() {
    let mut line = Line::new();
    line.world.ttl("3s");
    line.world.config(|text| text["environment"]["int"]["rollback_timeout"] = value("2s"));
    let running = hanging(&line.world, NEW);
    line.server.stop();
    line.world.gate("int-test").fails();
    running.wait(LONG).code(19).says("reconcile");
    line.server.again();
    assert_eq!(line.world.versions("int"), [NEW]);
    line.world.gate("int-test").passes();
    line.world.datapin(&["deploy", "int", LATER]).by("bob").run().code(0);
    let outcomes: Vec<_> = line.world.queue().history.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["verified", "rolled-back", "verified"]);
    ended(&line.world, LATER, "verified");
}

/// A bot that waits in the line does not lose its place.
#[test]
fn while_a_bot_waits() {
    let mut line = Line::new();
    let running = hanging(&line.world, NEW);
    let mut waiter = line.world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    line.world.until("bob waits", LONG, || waiter.stdout().contains(NEW));
    line.server.stop();
    line.server.again();
    line.world.gate("int-test").passes();
    running.wait(LONG).code(0);
    assert!(waiter.runs() || line.world.verified_on("int").as_deref() == Some(LATER));
    waiter.wait(LONG).code(0);
    ended(&line.world, LATER, "verified");
}
