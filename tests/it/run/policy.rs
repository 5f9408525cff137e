//! What is not allowed: freezes and rejections.

use super::*;
use crate::world::NEW;

#[test]
fn a_frozen_environment_takes_nothing_until_it_is_thawed() {
    let world = int();
    world.datapin(&["queue", "freeze", "int", "--reason", "trade fair"]).by("bob").run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(15).says("trade fair").says("bob");
    world.datapin(&["queue", "show"]).run().code(0).says("trade fair");
    world.datapin(&["status"]).run().code(0).says("trade fair");
    world.datapin(&["queue", "freeze", "int", "--reason", "me too"]).run().code(15).says("bob");
    assert_eq!(world.versions("int"), [OLD]);
    world.datapin(&["queue", "thaw", "int"]).run().code(0).says("trade fair");
    world.datapin(&["queue", "thaw", "int"]).run().code(2).says("not frozen");
    world.datapin(&["deploy", "int", NEW]).run().code(0);
}

#[test]
fn a_freeze_ends_by_itself() {
    let world = int();
    world.datapin(&["queue", "freeze", "int", "--reason", "lunch", "--for", "3s"]).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(15).says("lunch");
    world.until("it is over", LONG, || world.datapin(&["deploy", "int", NEW]).run().code == Some(0));
    for wrong in ["soon", "-1h", "0s"] {
        let arg = format!("--for={wrong}");
        world.datapin(&["queue", "freeze", "int", "--reason", "x", &arg]).run().code(2).says("time span");
    }
}

#[test]
fn reconcile_lifts_a_freeze_that_is_over() {
    let world = int();
    world.datapin(&["queue", "freeze", "int", "--reason", "lunch", "--for", "1s"]).run().code(0);
    world.until("it is lifted", LONG, || {
        world.datapin(&["reconcile"]).run().code(0);
        world.freeze("int").is_none()
    });
}

#[test]
fn a_freeze_during_a_run_stops_what_is_not_pinned_yet() {
    let world = World::new();
    for (pipeline, version) in [("int", OLD), ("preprod", OLD), ("int", NEW)] {
        world.verified(pipeline, version);
    }
    world.gate("abn-test").hangs();
    let running = world.datapin(&["deploy", "preprod", NEW]).spawn();
    world.until("abn's gate begins", LONG, || world.gate("abn-test").began().len() == 2);
    world.datapin(&["queue", "freeze", "lup", "--reason", "load test"]).by("bob").run().code(0);
    world.gate("abn-test").passes();
    running.wait(LONG).code(15).says("load test");
    let line = ended(&world, NEW, "rolled-back");
    assert_eq!(line["cause"]["kind"], "not-allowed", "{line:#}");
    for name in ["abn", "lup", "prd"] {
        assert_eq!(world.versions(name), [OLD], "{name}");
    }
    assert!(!world.subjects().iter().any(|subject| subject.contains("data(lup): timetable 2026.11.23-1")));
}

#[test]
fn a_freeze_during_a_run_does_not_stop_its_way_back() {
    let world = int();
    let running = hanging(&world, NEW);
    world.datapin(&["queue", "freeze", "int", "--reason", "stop"]).by("bob").run().code(0);
    world.gate("int-test").fails();
    running.wait(LONG).code(11);
    assert_eq!(world.versions("int"), [OLD]);
    assert_eq!(world.freeze("int").unwrap()["reason"], "stop", "the person's freeze stays");
}

#[test]
fn a_rejected_version_is_kept_out_until_it_is_allowed() {
    let world = int();
    world.datapin(&["reject", "timetable", NEW, "--reason", "no fares"]).by("bob").run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(15).says("no fares").says("bob");
    world.datapin(&["deploy", "play-test", NEW]).run().code(15).says("no fares");
    world.datapin(&["allow", "timetable", NEW, "--environment", "int"]).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    world.datapin(&["deploy", "play-test", NEW]).run().code(15);
    world.datapin(&["allow", "timetable", NEW]).run().code(0);
    world.datapin(&["deploy", "play-test", NEW]).run().code(0);
}

#[test]
fn a_version_is_rejected_in_one_environment_only() {
    let world = int();
    let args = ["reject", "timetable", NEW, "--environment", "int", "--reason", "no fares"];
    world.datapin(&args).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(15);
    world.datapin(&["deploy", "play-test", NEW]).run().code(0);
    world.datapin(&["reject", "timetabel", NEW, "--reason", "x"]).run().code(2).says("timetable");
}

#[test]
fn a_version_rejected_where_it_was_verified_is_not_promoted() {
    let world = int();
    world.verified("int", NEW);
    let args = ["reject", "timetable", NEW, "--environment", "int", "--reason", "no fares"];
    world.datapin(&args).run().code(0);
    world.datapin(&["deploy", "preprod", NEW]).run().code(15).says("int");
}
