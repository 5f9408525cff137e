//! `datapin rollback`.

use toml_edit::value;

use super::*;
use crate::world::NEW;

/// int is verified on these versions, in order.
fn int_on(versions: &[&str]) -> World {
    let world = World::new();
    for version in versions {
        world.verified("int", version);
    }
    world
}

#[test]
fn drifted_pins_go_back_to_the_last_verified_set() {
    let world = int_on(&[OLD, NEW]);
    world.push_as_person(&[("values/int/kv.yaml", NEW, MID)], "try kv");
    let gates = world.gate("int-test").began().len();
    world.datapin(&["rollback", "int"]).run().code(0);
    assert_eq!(world.versions("int"), [NEW]);
    let line = ended(&world, NEW, "restored");
    assert_eq!(line["pipeline"], "rollback int");
    assert_eq!(world.gate("int-test").began().len(), gates, "no gates");
}

#[test]
fn the_last_verified_set_goes_back_to_the_one_before() {
    let world = int_on(&[OLD, NEW]);
    world.datapin(&["rollback", "int"]).run().code(0);
    assert_eq!(world.versions("int"), [OLD]);
    ended(&world, OLD, "restored");
    assert_eq!(world.verified_on("int").as_deref(), Some(OLD));
    world.datapin(&["rollback", "int"]).run().code(15);
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn sets_passed_by_are_reached_by_to_only() {
    let world = int_on(&[OLD, MID, NEW]);
    world.datapin(&["rollback", "int"]).run().code(0);
    assert_eq!(world.versions("int"), [MID]);
    world.datapin(&["rollback", "int"]).run().code(0);
    assert_eq!(world.versions("int"), [OLD]);
    world.datapin(&["rollback", "int"]).run().code(15);
    world.datapin(&["rollback", "int", "--to", NEW]).run().code(0);
    assert_eq!((world.versions("int"), world.verified_on("int")), (vec![NEW.into()], Some(NEW.into())));
}

#[test]
fn to_a_version_that_was_never_verified_is_15() {
    let world = int_on(&[OLD]);
    world.datapin(&["rollback", "int", "--to", LATER]).run().code(15).says("never verified");
    world.datapin(&["rollback", "int"]).run().code(15);
    world.datapin(&["rollback", "abn"]).run().code(15);
    world.datapin(&["rollback", "nowhere"]).run().code(2);
    assert_eq!(world.versions("int"), [OLD]);
    assert!(world.queue().tickets.is_empty());
}

#[test]
fn a_settable_value_goes_back_with_it() {
    let world = int_on(&[OLD]);
    world.datapin(&["deploy", "int", NEW, "--set", "mds:cache.size=1024"]).run().code(0);
    world.datapin(&["rollback", "int"]).run().code(0);
    let text = world.file("main", "values/int/mds.yaml").unwrap();
    assert!(text.contains("  size: 512 # MiB") && text.contains(OLD), "{text}");
}

#[test]
fn reject_keeps_the_version_out() {
    let world = int_on(&[OLD, NEW]);
    world.datapin(&["rollback", "int", "--reject"]).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(15).says("rejected");
    world.datapin(&["allow", "timetable", NEW]).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
}

fn reject(world: &World, version: &str) {
    let args = ["reject", "timetable", version, "--environment", "int", "--reason", "bad fares"];
    world.datapin(&args).run().code(0);
}

#[test]
fn what_was_rejected_is_passed_by_and_named() {
    let world = int_on(&[OLD, MID, NEW]);
    reject(&world, MID);
    let words = format!("passed by, because rejected in `int`: {MID}");
    world.datapin(&["rollback", "int"]).run().code(0).says(&words);
    assert_eq!((world.versions("int"), world.verified_on("int")), (vec![OLD.into()], Some(OLD.into())));
}

#[test]
fn drifted_pins_do_not_go_back_to_what_was_rejected() {
    let world = int_on(&[OLD, NEW]);
    reject(&world, NEW);
    world.push_as_person(&[("values/int/kv.yaml", NEW, MID)], "try kv");
    world.datapin(&["rollback", "int"]).run().code(0).says("passed by");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn where_all_that_was_verified_is_rejected_it_is_15_and_to_goes_there_with_a_warning() {
    let world = int_on(&[OLD, NEW]);
    reject(&world, OLD);
    world.datapin(&["rollback", "int"]).run().code(15).says(&format!("is rejected ({OLD})")).says("--to");
    assert_eq!(world.versions("int"), [NEW]);
    world.datapin(&["rollback", "int", "--to", OLD]).run().code(0).says("bad fares").says("it was named");
    assert_eq!(world.versions("int"), [OLD]);
}

/// A failed run goes back to what stood there, whatever was said of that meanwhile.
#[test]
fn a_failed_run_goes_back_to_the_last_verified_set_though_it_is_rejected() {
    let world = int_on(&[OLD]);
    reject(&world, OLD);
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(11);
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn cancel_running_does_not_stay_on_what_was_rejected() {
    let world = int_on(&[OLD, MID]);
    let running = hanging(&world, NEW);
    reject(&world, MID);
    world.datapin(&["rollback", "int", "--cancel-running"]).by("bob").run().code(0);
    running.wait(LONG).code(16);
    assert_eq!((world.versions("int"), world.verified_on("int")), (vec![OLD.into()], Some(OLD.into())));
}

#[test]
fn without_reject_the_version_may_come_again() {
    let world = int_on(&[OLD, NEW]);
    world.datapin(&["rollback", "int"]).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(world.versions("int"), [NEW]);
}

#[test]
fn an_active_run_is_in_its_way() {
    let world = int_on(&[OLD, MID]);
    let running = hanging(&world, NEW);
    world.datapin(&["rollback", "int"]).by("bob").run().code(15).says("--cancel-running");
    world.gate("int-test").passes();
    running.wait(LONG).code(0);
    assert_eq!(world.versions("int"), [NEW]);
}

#[test]
fn cancel_running_takes_the_active_run_back_first() {
    let world = int_on(&[OLD, MID]);
    world.ttl("3s");
    let running = hanging(&world, NEW);
    let waiting = world.datapin(&["deploy", "int", LATER]).by("carl").spawn();
    until_tickets(&world, 2);
    world.datapin(&["rollback", "int", "--cancel-running"]).by("bob").run().code(0);
    running.wait(LONG).code(16);
    world.gate("int-test").passes();
    waiting.wait(LONG).code(0);
    let runs = [(NEW, "rolled-back"), (MID, "restored"), (LATER, "verified")];
    assert_eq!(history(&world)[2..], pairs(&runs), "a rollback goes before those that wait");
}

#[test]
fn a_persons_freeze_yields_to_force_only() {
    let world = int_on(&[OLD, NEW]);
    world.datapin(&["queue", "freeze", "int", "--reason", "trade fair"]).by("bob").run().code(0);
    world.datapin(&["rollback", "int"]).run().code(15).says("--force");
    assert_eq!(world.versions("int"), [NEW]);
    world.datapin(&["rollback", "int", "--force"]).run().code(0);
    assert_eq!(world.versions("int"), [OLD]);
    assert!(world.freeze("int").is_some(), "the person's freeze stays");
}

/// int is frozen because its rollback to [`OLD`] failed.
fn failed() -> World {
    let world = int_on(&[OLD]);
    world.config(|text| text["environment"]["int"]["rollback_timeout"] = value("2s"));
    world.service("int", "kv").never_comes_back();
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(12).says("int/kv");
    world.gate("int-test").passes();
    world
}

#[test]
fn a_failed_rollback_that_succeeds_thaws() {
    let world = failed();
    world.datapin(&["queue", "thaw", "int"]).run().code(15).says("datapin rollback int");
    world.datapin(&["rollback", "int"]).run().code(12).says("int/kv");
    assert!(world.freeze("int").is_some());
    world.service("int", "kv").heals();
    world.datapin(&["rollback", "int"]).run().code(0);
    assert_eq!((world.freeze("int"), world.versions("int")), (None, vec![OLD.into()]));
    world.datapin(&["deploy", "int", LATER]).run().code(0);
}

#[test]
fn reconcile_mends_a_failed_rollback() {
    let world = failed();
    world.datapin(&["reconcile"]).run().code(12);
    world.service("int", "kv").heals();
    world.datapin(&["reconcile"]).run().code(0).says("int");
    assert_eq!(world.freeze("int"), None);
    world.datapin(&["reconcile"]).run().code(0).says("nothing was left");
}

#[test]
fn resume_mends_a_failed_rollback() {
    let world = failed();
    world.service("int", "kv").heals();
    let run = world.last()["run"].as_str().unwrap().to_owned();
    world.datapin(&["resume", &run]).run().code(0);
    assert_eq!((world.freeze("int"), world.versions("int")), (None, vec![OLD.into()]));
}

#[test]
fn thaw_with_force_leaves_the_work_to_a_person() {
    let world = failed();
    world.datapin(&["queue", "thaw", "int", "--force"]).run().code(0);
    world.service("int", "kv").heals();
    world.datapin(&["deploy", "int", LATER]).run().code(0);
}

#[test]
fn a_rollback_that_fails_freezes() {
    let world = int_on(&[OLD, NEW]);
    world.config(|text| text["environment"]["int"]["rollback_timeout"] = value("2s"));
    world.service("int", "kv").breaks_on(OLD);
    world.datapin(&["rollback", "int"]).run().code(12).says("int/kv");
    assert!(world.freeze("int").is_some());
}
