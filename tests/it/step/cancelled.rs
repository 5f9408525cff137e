//! A pipeline that is over in the middle of its run: found by GitLab's word.

use std::time::Duration;

use toml_edit::value;

use super::gitlab::GitLab;
use super::jobs::{Runner, publish};
use crate::gitlab_server::Fault;
use crate::world::{NEW, OLD, Signal, World};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn where_nobody_can_be_asked_reconcile_notes_the_silence_and_a_later_one_finishes() {
    let world = World::new();
    world.config(|text| text["queue"]["default"]["step_idle_ttl"] = value("3s"));
    publish(&world);
    world.verified("int", OLD);
    let runner = Runner::new(&world, "81");
    runner.step(&["enter", "int", NEW]).code(0);
    runner.step(&["deploy", "int", "mds"]).code(0);
    world.datapin(&["reconcile"]).by("cron").run().code(0).says("nothing was left");
    assert!(!world.queue().tickets[0]["idle"].is_null(), "{}", world.queue());
    world.until("the silence is long enough", SOON, || {
        world.datapin(&["reconcile"]).by("cron").run().code(0);
        world.queue().tickets.is_empty()
    });
    let line = world.last();
    assert_eq!((&line["outcome"], &line["cause"]["kind"]), (&"rolled-back".into(), &"abandoned".into()));
    assert_eq!(world.versions("int"), [OLD]);
    runner.step(&["deploy", "int", "kv"]).code(20).says("rolled back");
}

/// A world in which GitLab answers, with a verified version, and a run of which `mds` is deployed.
fn begun<'w>(gitlab: &'w GitLab, world: &'w World) -> Runner<'w> {
    publish(world);
    world.verified("int", OLD);
    let runner = gitlab.runner(world);
    runner.step(&["enter", "int", NEW]).code(0);
    runner.step(&["announce"]).code(0);
    runner.step(&["deploy", "int", "mds"]).code(0);
    runner
}

#[test]
fn the_next_in_line_finishes_a_cancelled_pipeline() {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    let runner = begun(&gitlab, &world);
    let pipeline = &runner.pipeline;
    let next = gitlab.may_ask(world.datapin(&["deploy", "int", "2026.11.24-1"]).by("berta")).spawn();
    world.until("it waits", SOON, || world.queue().tickets.len() == 2);
    world.until("GitLab is asked", SOON, || gitlab.asked(&format!("pipelines/{pipeline}")) > 3);
    assert_eq!(world.versions("int"), [NEW], "the pipeline lives, however silent it is");
    gitlab.cancels(pipeline);
    next.wait(SOON).code(0);
    let history = world.queue().history;
    let line = history.iter().find(|line| line["version"] == NEW).unwrap();
    assert_eq!((&line["outcome"], &line["cause"]["kind"]), (&"rolled-back".into(), &"abandoned".into()));
    assert!(line["cause"]["text"].to_string().contains(&format!("pipeline {pipeline}")), "{line:#}");
    assert_eq!(world.versions("int"), ["2026.11.24-1"]);
    gitlab.revives(pipeline);
    runner.step(&["deploy", "int", "kv"]).code(20).says("rolled back");
}

#[test]
fn reconcile_finishes_a_cancelled_pipeline_and_leaves_a_living_one_alone() {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    let runner = begun(&gitlab, &world);
    let reconcile = || gitlab.may_ask(world.datapin(&["reconcile"]).by("cron")).run().code(0);
    reconcile().says("nothing was left");
    assert_eq!(world.versions("int"), [NEW]);
    gitlab.cancels(&runner.pipeline);
    reconcile().says("rolled back");
    assert_eq!(world.versions("int"), [OLD]);
    assert!(world.queue().tickets.is_empty());
}

#[test]
fn a_verified_run_of_a_cancelled_pipeline_is_finished_forward() {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    let runner = begun(&gitlab, &world);
    ["fbv", "kv", "remo"].iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["record", "int"]).code(0);
    gitlab.cancels(&runner.pipeline);
    gitlab.may_ask(world.datapin(&["reconcile"]).by("cron")).run().code(0).says("verified");
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn what_gitlab_denies_counts_as_alive_and_force_is_the_way_out() {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    let runner = begun(&gitlab, &world);
    gitlab.cancels(&runner.pipeline);
    let waiting = gitlab.may_not_ask(world.datapin(&["deploy", "int", "2026.11.24-1"]).by("berta")).spawn();
    world.until("it says what it may not", SOON, || waiting.stdout().contains("--force"));
    assert!(waiting.stdout().contains(&format!("pipeline {}", runner.pipeline)), "{}", waiting.stdout());
    assert_eq!(world.versions("int"), [NEW]);
    let number = world.queue().tickets[0]["number"].to_string();
    world.datapin(&["resume", &number, "--force"]).by("carla").run().code(0);
    waiting.wait(SOON).code(0);
    assert_eq!(world.versions("int"), ["2026.11.24-1"]);
}

#[test]
fn a_job_goes_on_where_a_killed_one_drove() {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    publish(&world);
    world.verified("int", OLD);
    let commits = world.log("main").len();
    let runner = gitlab.runner(&world);
    runner.step(&["enter", "int", NEW]).code(0);
    let (bot, id) = runner.job(&["deploy", "int", "mds"]);
    let mut pusher = bot.spawn();
    let drives = || world.queue().tickets[0]["lives"]["pipeline"]["job"] == id.as_str();
    world.until("it drives, or has pushed", SOON, || drives() || world.log("main").len() > commits);
    pusher.kill();
    let still_drives = drives();
    let other = runner.start(&["deploy", "int", "fbv"]);
    if still_drives {
        world.until("GitLab is asked about it", SOON, || gitlab.asked(&format!("jobs/{id}")) > 0);
    }
    gitlab.job_ends(&id, "failed");
    other.wait(SOON).code(0);
    assert_eq!(world.log("main").len(), commits + 1, "{:#?}", world.subjects());
    ["mds", "kv", "remo"].iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

#[test]
fn a_job_that_waited_and_is_over_is_dropped_from_the_line() {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    let first = begun(&gitlab, &world);
    let second_runner = gitlab.runner(&world);
    let (bot, id) = second_runner.job(&["enter", "int", "2026.11.24-1"]);
    let mut second = bot.spawn();
    world.until("it waits", SOON, || world.queue().tickets.len() == 2);
    second.kill();
    gitlab.job_ends(&id, "canceled");
    let third = gitlab.may_ask(world.datapin(&["deploy", "int", "2026.11.25-1"]).by("berta")).spawn();
    let dropped = |line: &serde_json::Value| line["outcome"] == "dropped";
    world.until("the dead one is dropped", SOON, || world.queue().history.iter().any(dropped));
    first.step(&["finish"]).code(0);
    third.wait(SOON).code(0);
}

/// What the gate of a job that is cancelled had started is cancelled before the job ends, though GitLab is busy.
#[test]
fn the_pipeline_of_a_gate_is_cancelled_with_its_job() {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    let tests = gitlab.server.project("tests/int");
    world.config(|text| {
        let gate = text["gate"]["int-test"].as_table_mut().unwrap();
        gate.remove("command");
        for (key, text) in [("kind", "gitlab-pipeline"), ("project", "tests/int"), ("ref", "main")] {
            gate[key] = value(text);
        }
    });
    publish(&world);
    let runner = gitlab.showing(&world);
    runner.step(&["enter", "int", NEW]).code(0);
    ["mds", "fbv", "kv", "remo"].iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
    let job = runner.start(&["gate", "int", "int-test"]);
    let started = || gitlab.server.state().project(tests).pipelines.len() == 1;
    world.until("its pipeline is started", SOON, started);
    gitlab.server.fault("/cancel", 1, Fault::Limited(Some(1)));
    job.signal(Signal::TERM);
    job.wait(SOON);
    assert!(gitlab.server.state().project(tests).pipelines[0].cancelled);
}
