//! A person's word: `datapin approve` where a process waits, a click on a job of the graph where none does.

use std::time::Duration;

use toml_edit::{Array, Table, value};

use super::jobs::{Runner, publish};
use crate::world::{NEW, OLD, World};

const SOON: Duration = Duration::from_secs(30);

/// `int` with a manual gate beside its own.
fn world(timeout: &str) -> World {
    let world = World::new().with_chat();
    world.config(|text| {
        let mut gate = Table::new();
        gate["kind"] = value("manual");
        gate["timeout"] = value(timeout);
        gate["who"] = value("the timetable team");
        text["gate"]["go"] = toml_edit::Item::Table(gate);
        let gates: Array = ["int-test", "go"].into_iter().collect();
        let stages = text["pipeline"]["int"]["stages"].as_array_mut().unwrap();
        stages.get_mut(0).unwrap().as_inline_table_mut().unwrap().insert("gates", gates.into());
        text["queue"]["default"]["step_idle_ttl"] = value("1h");
    });
    publish(&world);
    world
}

fn heard(world: &World) -> String {
    world.chat().messages().iter().map(|one| one.text.clone() + "\n").collect()
}

#[test]
fn a_process_waits_for_approve() {
    let world = world("1m");
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    let asked = |world: &World| heard(world).contains("waits for the timetable team");
    world.datapin(&["approve", "--reason", "too early"]).by("berta").run();
    world.until("people are asked", SOON, || asked(&world));
    world.datapin(&["approve", "--gate", "int-test", "--reason", "x"]).run().code(2).says("go");
    world.datapin(&["approve", "--reason", "looks good"]).by("berta").run().code(0).says("go");
    running.wait(SOON).code(0).says("approved by berta: looks good");
    assert_eq!(world.last()["outcome"], "verified");
    world.datapin(&["approve", "--reason", "again"]).run().code(2);
}

#[test]
fn nobody_answers_and_it_goes_back() {
    let world = world("2s");
    world.datapin(&["deploy", "int", NEW]).run().code(11).says("nobody approved").says("the timetable team");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn no_is_cancel() {
    let world = world("1m");
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    world.until("people are asked", SOON, || heard(&world).contains("waits for"));
    world.datapin(&["cancel", "--reason", "not today"]).by("berta").run().code(0);
    running.wait(SOON).code(16).says("not today");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn a_click_on_the_job_is_the_approval() {
    let world = world("1m");
    let runner = Runner::new(&world, "71");
    runner.step(&["enter", "int", NEW]).code(0);
    runner.step(&["gate", "int", "go"]).code(20);
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    assert!(!heard(&world).contains("waits for"), "nobody can start the job yet: {}", heard(&world));
    runner.step(&["gate", "int", "int-test"]).code(0).says("start its job in the CI pipeline");
    assert_eq!(heard(&world).matches("waits for the timetable team").count(), 1, "{}", heard(&world));
    world.datapin(&["approve", "--reason", "x"]).run().code(15).says("manual job");
    runner.step(&["record", "int"]).code(20);
    runner
        .job(&["gate", "int", "go"])
        .0
        .env("GITLAB_USER_LOGIN", "berta")
        .run()
        .code(0)
        .says("approved by berta");
    let gates = world.queue().tickets[0]["stages"][0]["gates"].clone();
    assert_eq!(gates[1]["summary"], "approved by berta", "{gates:#}");
    runner.step(&["record", "int"]).code(0);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

/// A no in a pipeline that waits for a person: no job of it is going to see it.
#[test]
fn what_is_cancelled_while_a_job_waits_for_a_person_is_taken_back_by_reconcile() {
    let world = world("1m");
    let runner = Runner::new(&world, "73");
    runner.step(&["enter", "int", NEW]).code(0);
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    runner.step(&["gate", "int", "int-test"]).code(0);
    let no = world.datapin(&["cancel", "--reason", "not today"]).by("berta").run();
    no.code(0).says("waits for a person at gate go").says("`datapin reconcile`");
    world.datapin(&["reconcile"]).by("cron").run().says("cancelled by berta: not today");
    let line = world.last();
    assert_eq!((&line["outcome"], &line["cause"]["kind"]), (&"rolled-back".into(), &"cancelled".into()));
    assert_eq!(world.versions("int"), [OLD]);
    runner.step(&["gate", "int", "go"]).code(20).says("cancelled by berta");
    runner.step(&["rollback", "int", "mds"]).code(0);
    runner.step(&["finish"]).code(0);
}

#[test]
fn reconcile_times_out_what_nobody_answered() {
    let world = world("4s");
    let runner = Runner::new(&world, "72");
    runner.step(&["enter", "int", NEW]).code(0);
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    let reconciled = || world.datapin(&["reconcile"]).by("cron").run();
    reconciled();
    let seen = world.queue().tickets[0]["stages"][0]["gates"][1]["seen"].clone();
    assert!(seen.is_null(), "its time begins once its job can be started");
    runner.step(&["gate", "int", "int-test"]).code(0);
    world.until("its time is over", SOON, || {
        reconciled();
        world.queue().tickets.is_empty()
    });
    let line = world.last();
    assert_eq!(
        (&line["outcome"], &line["cause"]["kind"]),
        (&"rolled-back".into(), &"gate".into()),
        "{line:#}"
    );
    assert!(line["cause"]["text"].to_string().contains("nobody approved"), "{line:#}");
    runner.step(&["gate", "int", "go"]).code(20).says("rolled back");
}
