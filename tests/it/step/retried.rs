//! Jobs that die, are retried, come too early, too late, or with another configuration.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use toml_edit::value;

use super::jobs::{Runner, publish, world};
use crate::world::{NEW, OLD, World};

const SOON: Duration = Duration::from_secs(30);

/// A run of `int` that is in its turn and announced.
fn entered<'w>(world: &'w World, pipeline: &str) -> Runner<'w> {
    let runner = Runner::new(world, pipeline);
    runner.step(&["enter", "int", NEW]).code(0);
    runner
}

fn service(world: &World, environment: &str, name: &str) -> Value {
    let queue = world.queue();
    let ticket = queue.tickets.first().cloned().unwrap_or_default();
    let parts = ticket["stages"].as_array().cloned().unwrap_or_default();
    let parts = parts.iter().flat_map(|stage| stage["environments"].as_array().cloned().unwrap_or_default());
    let part = parts.into_iter().find(|part| part["name"] == environment).unwrap_or_default();
    let services = part["services"].as_array().cloned().unwrap_or_default();
    services.into_iter().find(|service| service["name"] == name).unwrap_or_default()
}

#[test]
fn a_killed_job_is_retried_on_another_machine_and_continues() {
    let world = world();
    world.verified("int", OLD);
    let runner = entered(&world, "51");
    world.service("int", "fbv").stalls_on(NEW);
    for name in ["mds", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    let mut watching = runner.start(&["deploy", "int", "fbv"]);
    world.until("it watches", SOON, || watching.stdout().contains("int/fbv"));
    watching.kill();
    assert_eq!(service(&world, "int", "fbv")["state"], "pending", "nothing was reported");
    world.service("int", "fbv").heals();
    runner.step(&["deploy", "int", "fbv"]).code(0);
    // A result is written once: what was green stays green without a look.
    world.service("int", "mds").is_silent();
    runner.step(&["deploy", "int", "mds"]).code(0).says("int/mds is deployed");
    world.service("int", "mds").heals();
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["gate", "int", "int-test"]).code(0).says("passed");
    assert_eq!(world.gate("int-test").began(), [OLD, NEW], "a verdict is not asked for twice");
    runner.step(&["record", "int"]).code(0);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

#[test]
fn a_failed_service_stays_failed_in_its_attempt() {
    let world = world();
    world.verified("int", OLD);
    let runner = entered(&world, "52");
    world.service("int", "fbv").breaks_on(NEW);
    runner.step(&["deploy", "int", "fbv"]).code(20).says("fbv cannot load");
    world.service("int", "fbv").heals();
    runner.step(&["deploy", "int", "fbv"]).code(20).says("fbv cannot load");
    runner.step(&["gate", "int", "int-test"]).code(20).says("goes back");
    runner.step(&["record", "int"]).code(20);
    runner.step(&["rollback", "int", "fbv"]).code(0);
    runner.step(&["deploy", "int", "mds"]).code(20).says("goes back");
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn after_the_end_every_step_says_so_and_writes_nothing_and_enter_begins_again() {
    let world = world();
    world.verified("int", OLD);
    let runner = entered(&world, "53");
    runner.step(&["finish"]).code(0);
    let line = world.last();
    assert_eq!((&line["outcome"], &line["attempt"]), (&"stopped".into(), &1.into()), "{line:#}");
    let (queue, main) = (world.tip(crate::world::QUEUE), world.tip("main"));
    let said = "stopped before the first commit";
    runner.step(&["deploy", "int", "mds"]).code(20).says(said);
    runner.step(&["gate", "int", "int-test"]).code(20).says(said);
    runner.step(&["rollback", "int", "mds"]).code(0).says(said);
    runner.step(&["record", "int"]).code(20).says(said);
    runner.step(&["announce"]).code(0).says(said);
    runner.step(&["finish"]).code(0).says(said);
    assert_eq!((world.tip(crate::world::QUEUE), world.tip("main")), (queue, main), "nothing is written");

    runner.step(&["enter", "int", NEW]).code(0);
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["finish"]).code(0);
    let line = world.last();
    assert_eq!((&line["outcome"], &line["attempt"]), (&"verified".into(), &2.into()), "{line:#}");
    runner.step(&["deploy", "int", "mds"]).code(0).says("verified");
}

#[test]
fn a_step_before_its_time_writes_nothing() {
    let world = world();
    [("int", OLD), ("preprod", OLD), ("int", NEW)]
        .iter()
        .for_each(|(name, version)| world.verified(name, version));
    let runner = Runner::new(&world, "54");
    runner.step(&["deploy", "abn", "mds"]).code(20).says("step enter");
    runner.step(&["rollback", "abn", "mds"]).code(0);
    runner.step(&["finish"]).code(0);
    runner.step(&["enter", "preprod", NEW]).code(0);
    let (queue, main) = (world.tip(crate::world::QUEUE), world.tip("main"));
    runner.step(&["deploy", "lup", "mds"]).code(20).says("stage 1 (abn)");
    runner.step(&["gate", "abn", "abn-test"]).code(20);
    runner.step(&["record", "prd"]).code(20);
    runner.step(&["deploy", "abn", "mdx"]).code(2).says("mds");
    runner.step(&["gate", "abn", "lup-test"]).code(2).says("abn-test");
    assert_eq!((world.tip(crate::world::QUEUE), world.tip("main")), (queue, main));
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "stopped");
}

#[test]
fn deploy_jobs_at_once_push_one_commit() {
    let world = world();
    world.verified("int", OLD);
    let commits = world.log("main").len();
    let runner = entered(&world, "55");
    let jobs = ["mds", "mds", "fbv", "fbv", "kv", "remo"].map(|name| runner.start(&["deploy", "int", name]));
    for job in jobs {
        // Two jobs of one service: the slower one may find it reported already.
        job.wait(SOON).code(0);
    }
    assert_eq!(world.log("main").len(), commits + 1);
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

/// Whoever finds that it is done already becomes no driver.
#[test]
fn later_jobs_of_a_stage_and_of_the_way_back_write_no_commit_and_raise_no_epoch() {
    let world = world();
    world.verified("int", OLD);
    world.gate("int-test").fails();
    let runner = entered(&world, "63");
    let epoch = || world.queue().tickets[0]["driver"]["epoch"].clone();
    runner.step(&["deploy", "int", "mds"]).code(0);
    let pinned = (epoch(), world.tip("main"));
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    assert_eq!((epoch(), world.tip("main")), pinned);
    runner.step(&["gate", "int", "int-test"]).code(20);
    runner.step(&["rollback", "int", "mds"]).code(0);
    let reverted = (epoch(), world.tip("main"));
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["rollback", "int", name]).code(0);
    }
    assert_eq!((epoch(), world.tip("main")), reverted);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "rolled-back");
}

/// What rollback jobs reported of a revert says nothing of the next one.
#[test]
fn a_revert_that_a_person_undoes_is_made_again_and_waited_for() {
    let world = world();
    world.verified("int", OLD);
    world.gate("int-test").fails();
    let runner = entered(&world, "65");
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    runner.step(&["gate", "int", "int-test"]).code(20);
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["rollback", "int", name]).code(0);
    }
    let commits = world.log("main").len();
    let files = ["mds", "fbv", "kv", "remo"].map(|name| format!("values/int/{name}.yaml"));
    let edits: Vec<_> = files.iter().map(|file| (file.as_str(), OLD, NEW)).collect();
    world.push_as_person(&edits, "It was good after all");
    world.service("int", "kv").breaks_on(OLD);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.log("main").len(), commits + 2, "{:#?}", world.subjects());
    assert_eq!(world.last()["outcome"], "rollback-failed");
    assert!(world.freeze("int").is_some(), "kv is not back");
}

#[test]
fn the_push_of_a_job_that_stalls_is_taken_over_and_never_done_twice() {
    let world = world();
    world.config(|text| text["queue"]["default"]["step_idle_ttl"] = value("3s"));
    publish(&world);
    world.verified("int", OLD);
    let commits = world.log("main").len();
    let runner = entered(&world, "56");
    let (bot, id) = runner.job(&["deploy", "int", "mds"]);
    let pusher = bot.spawn();
    let drives = |world: &World| world.queue().tickets[0]["lives"]["pipeline"]["job"] == id.as_str();
    world.until("it drives, or has pushed", SOON, || drives(&world) || world.log("main").len() > commits);
    pusher.signal(Signal::STOP);
    runner.step(&["deploy", "int", "fbv"]).code(0);
    pusher.signal(Signal::CONT);
    pusher.wait(SOON).code(0);
    assert_eq!(world.log("main").len(), commits + 1, "{:#?}", world.subjects());
    for name in ["mds", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["record", "int"]).code(0);
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

/// Whoever drives and lives is not taken over, however long it takes.
#[test]
fn a_job_waits_for_one_that_drives() {
    let world = world();
    world.verified("int", OLD);
    let runner = entered(&world, "64");
    runner.step(&["deploy", "int", "mds"]).code(0);
    let drives = |world: &World| world.queue().tickets[0]["driver"].clone();
    world.service("int", "mds").stalls_on(OLD);
    let (bot, id) = runner.job(&["finish"]);
    let first = bot.spawn();
    world.until("it drives, and took the pins back", SOON, || world.versions("int") == [OLD]);
    let driver = drives(&world);
    let mut second = runner.start(&["finish"]);
    world.until("the other one waits", SOON, || second.stdout().contains("waits for"));
    assert!(second.runs());
    assert_eq!(drives(&world)["epoch"], driver["epoch"], "job {id} is not taken over");
    world.service("int", "mds").heals();
    first.wait(SOON).code(0).says("the run ended");
    second.wait(SOON).code(0).says("over already");
    assert_eq!(world.last()["outcome"], "rolled-back");
}

#[test]
fn with_another_configuration_nothing_goes_forward_and_everything_goes_back() {
    let world = world();
    world.verified("int", OLD);
    let runner = entered(&world, "57");
    for name in ["mds", "fbv", "kv", "remo"] {
        runner.step(&["deploy", "int", name]).code(0);
    }
    world.config(|text| text["queue"]["default"]["max_wait"] = value("3h"));
    publish(&world);
    runner.step(&["gate", "int", "int-test"]).code(20).says("configuration changed");
    runner.step(&["rollback", "int", "mds"]).code(0);
    runner.step(&["finish"]).code(0);
    let line = world.last();
    assert_eq!((&line["outcome"], &line["cause"]["kind"]), (&"rolled-back".into(), &"not-allowed".into()));
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn who_is_not_the_first_waits_or_gives_up_at_once() {
    let world = world();
    world.verified("int", OLD);
    let first = entered(&world, "58");
    let second = Runner::new(&world, "59");
    second.step(&["enter", "int", "2026.11.24-1", "--no-wait"]).code(14);
    let mut waiting = second.start(&["enter", "int", "2026.11.24-1"]);
    world.until("both are in the queue", SOON, || world.queue().tickets.len() == 2);
    assert!(waiting.runs());
    first.step(&["finish"]).code(0);
    waiting.wait(SOON).code(0);
    second.step(&["finish"]).code(0);
    assert!(world.queue().tickets.is_empty());
}

/// One that GitLab lost sight of, and its retry: the slower one finds that the run has started.
#[test]
fn two_enter_jobs_of_one_pipeline_start_its_run_once_and_both_end() {
    let world = world();
    world.verified("int", OLD);
    let first = entered(&world, "65");
    let second = Runner::new(&world, "66");
    let jobs = [1, 2].map(|_| second.start(&["enter", "int", "2026.11.24-1"]));
    world.until("both wait", SOON, || jobs.iter().all(|job| job.stdout().contains("waiting, ")));
    first.step(&["finish"]).code(0);
    for job in jobs {
        job.wait(SOON).code(0);
    }
    second.step(&["finish"]).code(0);
    assert!(world.queue().tickets.is_empty());
}

#[test]
fn a_cancelled_run_goes_back_at_its_next_job() {
    let world = world();
    world.verified("int", OLD);
    let runner = entered(&world, "60");
    world.service("int", "fbv").stalls_on(NEW);
    let watching = runner.start(&["deploy", "int", "fbv"]);
    world.until("it is pinned", SOON, || world.versions("int") == [NEW]);
    world.datapin(&["cancel", "--reason", "wrong version"]).run().code(0);
    watching.wait(SOON).code(20).says("wrong version");
    runner.step(&["finish"]).code(0);
    let line = world.last();
    assert_eq!((&line["outcome"], &line["cause"]["kind"]), (&"rolled-back".into(), &"cancelled".into()));
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn outside_of_a_pipeline_or_without_a_word_about_it_nothing_begins() {
    let world = World::new();
    publish(&world);
    let runner = Runner::new(&world, "61");
    runner.step(&["enter", "int", NEW]).code(2).says("step_idle_ttl");
    world.datapin(&["step", "finish"]).run().code(2).says("CI_PIPELINE_ID");
    assert!(world.queue().tickets.is_empty() && world.queue().history.is_empty());
}

#[test]
fn a_run_in_jobs_can_be_finished_as_a_whole() {
    let world = world();
    world.verified("int", OLD);
    let runner = entered(&world, "62");
    runner.step(&["deploy", "int", "mds"]).code(0);
    world.datapin(&["resume", "--force"]).run().code(0);
    assert_eq!(world.last()["outcome"], "verified");
    runner.step(&["deploy", "int", "fbv"]).code(0).says("verified");
    runner.step(&["finish"]).code(0);
}
