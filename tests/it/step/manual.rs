//! A person's word: `datapin approve` where a process waits, a click on a job of the graph where none does.

use std::time::Duration;

use toml_edit::{Array, Table, value};

use super::jobs::{Runner, publish};
use crate::hostile::{edit_json, last_ticket};
use crate::world::{NEW, OLD, World};

const ALL: [&str; 4] = ["mds", "fbv", "kv", "remo"];
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

/// A run whose services and tests are good: it waits for a person.
fn asks<'w>(world: &'w World, pipeline: &str) -> Runner<'w> {
    let runner = Runner::new(world, pipeline);
    runner.step(&["enter", "int", NEW]).code(0);
    ALL.iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner
}

fn reconciled(world: &World) -> crate::world::Done {
    world.datapin(&["reconcile"]).by("cron").run()
}

/// The configuration changes while the run waits: `go` is called otherwise.
fn renamed(world: &World) {
    world.config(|text| {
        let gate = text["gate"].as_table_mut().unwrap().remove("go").unwrap();
        text["gate"]["board"] = gate;
        let stages = text["pipeline"]["int"]["stages"].as_array_mut().unwrap();
        let gates: Array = ["int-test", "board"].into_iter().collect();
        stages.get_mut(0).unwrap().as_inline_table_mut().unwrap().insert("gates", gates.into());
    });
}

/// The same, and `go` is a program now.
fn automated(world: &World) {
    world.config(|text| {
        let go = &mut text["gate"]["go"];
        *go = toml_edit::Item::Table(Table::new());
        go["kind"] = value("command");
        go["command"] = ["true"].into_iter().collect::<Array>().into();
    });
}

#[test]
fn a_gate_that_the_configuration_lost_times_out_all_the_same() {
    for change in [renamed, automated] {
        let world = world("2s");
        let runner = asks(&world, "74");
        change(&world);
        reconciled(&world);
        assert!(!world.queue().tickets[0]["stages"][0]["gates"][1]["seen"].is_null(), "{}", world.queue());
        world.until("its time is over", SOON, || {
            reconciled(&world);
            world.queue().tickets.is_empty()
        });
        let line = world.last();
        assert_eq!((&line["outcome"], &line["cause"]["kind"]), (&"rolled-back".into(), &"gate".into()));
        assert!(line["cause"]["text"].to_string().contains("go timed out: nobody approved"), "{line:#}");
        assert_eq!(world.versions("int"), [OLD]);
        runner.step(&["gate", "int", "go"]).code(20).says("rolled back");
    }
}

/// The pipeline has the configuration of its own commit: its job is a person's yes still.
#[test]
fn a_click_counts_after_the_configuration_lost_the_gate() {
    let world = world("1h");
    let runner = asks(&world, "75");
    renamed(&world);
    reconciled(&world).code(0).says("nothing was left");
    runner.step(&["gate", "int", "go"]).code(0).says("approved by");
    runner.step(&["record", "int"]).code(0);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

#[test]
fn what_is_cancelled_is_taken_back_by_reconcile_whatever_the_configuration_has() {
    let world = world("1h");
    asks(&world, "76");
    renamed(&world);
    let no = world.datapin(&["cancel", "--reason", "no"]).by("berta").run();
    no.code(0).says("waits for a person at gate go").says("`datapin reconcile`");
    reconciled(&world).says("cancelled by berta: no");
    assert_eq!(
        (world.last()["outcome"].as_str(), world.versions("int")),
        (Some("rolled-back"), vec![OLD.into()])
    );
}

/// Between two jobs nobody acts, and none may come: the next `reconcile` is what ends it.
#[test]
fn what_is_cancelled_between_two_jobs_is_taken_back_by_reconcile() {
    let world = world("1h");
    world.service("int", "kv").stalls_on(NEW);
    let runner = Runner::new(&world, "77");
    runner.step(&["enter", "int", NEW]).code(0);
    runner.step(&["deploy", "int", "mds"]).code(0);
    let watching = runner.start(&["deploy", "int", "kv"]);
    world
        .datapin(&["cancel", "--reason", "no"])
        .by("berta")
        .run()
        .code(0)
        .says("its jobs stop")
        .says("reconcile");
    reconciled(&world).says("cancelled by berta: no");
    watching.wait(SOON).code(20);
    assert_eq!(
        (world.last()["outcome"].as_str(), world.versions("int")),
        (Some("rolled-back"), vec![OLD.into()])
    );
    runner.step(&["rollback", "int", "mds"]).code(0);
    runner.step(&["finish"]).code(0);
}

/// A queue may be shared with another repository, whose `reconcile` could only freeze what it does not know.
#[test]
fn another_configuration_leaves_it_to_its_own() {
    let world = world("1h");
    asks(&world, "78");
    let other = world.another_config("other.toml", |text| text["repository"]["branch"] = value("elsewhere"));
    world.datapin(&["cancel", "--reason", "no"]).by("berta").run().code(0);
    world.datapin(&["reconcile"]).config(Some(&other)).by("stranger").run();
    assert_eq!((world.queue().tickets.len(), world.freeze("int")), (1, None));
    assert_eq!(world.versions("int"), [NEW]);
    reconciled(&world).says("cancelled by berta: no");
}

/// Whoever wrote that the time is over died before it took the run over: no job is ever going to.
#[test]
fn what_was_timed_out_and_left_is_taken_back() {
    let world = world("1h");
    asks(&world, "79");
    edit_json(&world, last_ticket, |ticket| {
        let text = "gate go timed out: nobody approved within 1h";
        ticket["stages"][0]["gates"][1]["verdict"] = "timed-out".into();
        ticket["fault"] = serde_json::json!({ "kind": "gate", "text": text });
    });
    reconciled(&world).says("nobody approved");
    assert_eq!(
        (world.last()["outcome"].as_str(), world.versions("int")),
        (Some("rolled-back"), vec![OLD.into()])
    );
}

/// What `cancel` says is what comes.
#[test]
fn cancel_says_what_becomes_of_the_run() {
    let world = world("1h");
    let runner = asks(&world, "80");
    let cancel = || world.datapin(&["cancel", "2", "--reason", "x"]).run().code(0);
    world.gate("int-test").hangs();
    let waiting = world.datapin(&["deploy", "int", OLD]).spawn();
    world.until("it waits", SOON, || world.queue().tickets.len() == 2);
    cancel().says("it leaves the line");
    waiting.wait(SOON).code(16);
    runner.step(&["gate", "int", "go"]).code(0);
    runner.step(&["record", "int"]).code(0);
    let late = world.datapin(&["cancel", "--reason", "x"]).run().code(0);
    late.says("it is verified already");
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}
