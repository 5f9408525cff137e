//! Jobs beside one that failed: they end by its failure, as they would in one process, and not by their own limit.

use std::time::Duration;

use toml_edit::{Array, Table, value};

use super::jobs::{Runner, publish, world};
use crate::world::{NEW, OLD, World};

/// Less than what those that are ended here would take.
const SOON: Duration = Duration::from_secs(60);
const ALL: [&str; 4] = ["mds", "fbv", "kv", "remo"];

fn state(world: &World, service: &str) -> String {
    let services = world.queue().tickets[0]["stages"][0]["environments"][0]["services"].clone();
    let own = services.as_array().unwrap().iter().find(|own| own["name"] == service).unwrap();
    own["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_service_that_stalls_is_not_waited_for_once_another_failed() {
    let world = world();
    world.config(|text| text["environment"]["int"]["sync_timeout"] = value("5m"));
    publish(&world);
    world.service("int", "mds").stalls_on(NEW);
    let runner = Runner::new(&world, "91");
    runner.step(&["enter", "int", NEW]).code(0);
    let stalled = runner.start(&["deploy", "int", "mds"]);
    world.until("it is pinned", SOON, || world.versions("int") == [NEW]);
    world.service("int", "kv").breaks_on(NEW);
    runner.step(&["deploy", "int", "kv"]).code(20);
    stalled.wait(SOON).code(20).says("the run goes back: int/kv");
    assert_ne!(state(&world, "mds"), "failed", "nothing is known of it");
    runner.step(&["deploy", "int", "mds"]).code(20).says("the run goes back");
    ALL.iter().for_each(|name| drop(runner.step(&["rollback", "int", name]).code(0)));
    runner.step(&["finish"]).code(0);
    assert_eq!(
        (world.last()["outcome"].as_str(), world.versions("int")),
        (Some("rolled-back"), vec![OLD.into()])
    );
}

/// How often the agent was asked about a service.
fn looks(world: &World, service: &str) -> usize {
    let file = world.dir().join(format!("agent/int/{service}.json.looks"));
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// As in one process: the others have a few looks left to say how they are.
#[test]
fn a_service_that_comes_up_soon_after_another_failed_still_says_so() {
    let world = world();
    world.config(|text| {
        text["environment"]["int"]["sync_timeout"] = value("5m");
        let agent = &mut text["environment"]["int"]["agent"];
        let file = agent["command"].as_array().unwrap().get(1).unwrap().as_str().unwrap().to_owned();
        let script = "echo >> \"$1.looks\"; exec cat \"$1\"";
        agent["command"] = value(["/bin/sh", "-c", script, "sh", &file].into_iter().collect::<Array>());
        agent["interval"] = value("5s");
    });
    publish(&world);
    world.service("int", "kv").breaks_on(NEW);
    world.service("int", "mds").stalls_on(NEW);
    let runner = Runner::new(&world, "92");
    runner.step(&["enter", "int", NEW]).code(0);
    runner.step(&["deploy", "int", "kv"]).code(20);
    let late = runner.start(&["deploy", "int", "mds"]);
    let before = looks(&world, "mds");
    world.until("it was looked at again", SOON, || looks(&world, "mds") >= before + 2);
    world.service("int", "mds").heals();
    late.wait(SOON).code(0);
    assert_eq!(state(&world, "mds"), "deployed");
}

#[test]
fn a_gate_is_ended_once_another_failed() {
    let world = world();
    world.config(|text| {
        let mut gate = Table::new();
        gate["kind"] = value("command");
        gate["command"] = text["gate"]["int-test"]["command"].clone();
        let words = gate["command"].as_array_mut().unwrap();
        words.replace(words.len() - 1, "quick");
        text["gate"]["int-test"]["timeout"] = value("5m");
        text["gate"]["quick"] = toml_edit::Item::Table(gate);
        let gates: Array = ["int-test", "quick"].into_iter().collect();
        let stages = text["pipeline"]["int"]["stages"].as_array_mut().unwrap();
        stages.get_mut(0).unwrap().as_inline_table_mut().unwrap().insert("gates", gates.into());
    });
    publish(&world);
    world.gate("int-test").hangs();
    world.gate("quick").fails();
    let runner = Runner::new(&world, "93");
    runner.step(&["enter", "int", NEW]).code(0);
    ALL.iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
    let slow = runner.start(&["gate", "int", "int-test"]);
    world.until("it runs", SOON, || !world.gate("int-test").began().is_empty());
    runner.step(&["gate", "int", "quick"]).code(20);
    slow.wait(SOON).code(20).says("the run goes back: gate quick failed");
    let gates = world.queue().tickets[0]["stages"][0]["gates"].clone();
    assert!(gates[0]["verdict"].is_null(), "it did not come to a verdict: {gates:#}");
}
