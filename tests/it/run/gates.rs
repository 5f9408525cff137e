//! Verdicts of gates, and what follows from them.

use toml_edit::value;

use super::*;
use crate::world::NEW;

#[test]
fn a_gate_that_cannot_tell_takes_the_run_back() {
    let world = int();
    world.config(|text| text["gate"]["int-test"]["retries"] = value(0));
    world.gate("int-test").errors();
    world.datapin(&["deploy", "int", NEW]).run().code(11).says("the test machine is gone");
    let line = ended(&world, NEW, "rolled-back");
    assert_eq!(line["cause"]["kind"], "gate");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn a_gate_that_could_not_tell_is_asked_again() {
    let world = int();
    world.config(|text| text["gate"]["int-test"]["retries"] = value(1));
    world.gate("int-test").errors();
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    world.until("it is asked once", LONG, || world.gate("int-test").began() == [OLD, NEW]);
    world.until("it errors", LONG, || running.stdout().contains("tried again"));
    world.gate("int-test").passes();
    running.wait(LONG).code(0);
    assert_eq!(world.gate("int-test").began(), [OLD, NEW, NEW]);
}

#[test]
fn a_verdict_is_not_asked_for_again() {
    let world = int();
    world.config(|text| text["gate"]["int-test"]["retries"] = value(3));
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(11);
    assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
}

#[test]
fn a_gate_that_takes_too_long_takes_the_run_back() {
    let world = int();
    world.config(|text| {
        text["gate"]["int-test"]["timeout"] = value("1s");
        text["gate"]["int-test"]["retries"] = value(0);
    });
    world.gate("int-test").hangs();
    world.datapin(&["deploy", "int", NEW]).run().code(11).says("timed out");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn gates_that_follow_each_other_do() {
    let world = World::new();
    world.config(|text| {
        text["gate"]["later"] = text["gate"]["int-test"].clone();
        text["gate"]["later"]["command"][2] = value("later");
        text["gate"]["later"]["after"] = value(toml_edit::Array::from_iter(["int-test"]));
        let stage = text["pipeline"]["int"]["stages"][0].as_inline_table_mut().unwrap();
        stage.insert("gates", toml_edit::Array::from_iter(["later", "int-test"]).into());
    });
    let running = hanging(&world, NEW);
    assert_eq!(world.gate("later").began(), [""; 0], "it waits for int-test");
    world.gate("int-test").passes();
    running.wait(LONG).code(0);
    assert_eq!(world.gate("later").began(), [NEW]);
}

#[test]
fn the_second_stage_failing_takes_the_first_one_back_too() {
    let world = World::new();
    for (pipeline, version) in [("int", OLD), ("preprod", OLD), ("int", NEW)] {
        world.verified(pipeline, version);
    }
    world.service("lup", "remo").breaks_on(NEW);
    world.datapin(&["deploy", "preprod", NEW]).run().code(10).says("lup/remo");
    let subjects = world.subjects();
    assert!(subjects[0].starts_with("Revert \"data(abn)"), "newest stage first: {subjects:?}");
    assert!(subjects[1].starts_with("Revert \"data(lup)"), "{subjects:?}");
    for name in ["abn", "lup", "prd"] {
        assert_eq!(world.versions(name), [OLD], "{name}");
    }
}
