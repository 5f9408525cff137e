//! What GitLab and the files of a job show of a run that is spread over jobs: the same as of a run in one process.

use std::time::Duration;

use toml_edit::value;

use super::gitlab::GitLab;
use super::jobs::{Runner, publish};
use crate::gitlab_server::{CommitStatus, Fault};
use crate::world::{NEW, OLD, World};

const SOON: Duration = Duration::from_secs(30);
const SERVICES: [&str; 4] = ["fbv", "kv", "mds", "remo"];

/// A world whose commits are in a project of GitLab, with a verified version.
fn world() -> (World, GitLab) {
    let world = World::new();
    let gitlab = GitLab::start(&world);
    world.config(|text| text["gitlab"]["project"] = value(gitlab.project.to_string()));
    publish(&world);
    world.verified("int", OLD);
    (world, gitlab)
}

fn deploys(runner: &Runner<'_>) {
    runner.step(&["enter", "int", NEW]).code(0);
    SERVICES.iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
}

fn lines(of: &[&str], then: &str) -> Vec<String> {
    of.iter().map(|name| format!("int/{name}: {then}")).collect()
}

#[test]
fn every_job_shows_what_it_moved_and_a_retried_one_nothing_twice() {
    let (world, gitlab) = world();
    let runner = gitlab.showing(&world);
    deploys(&runner);
    assert_eq!(gitlab.shown(), lines(&SERVICES, "success"));
    assert_eq!(gitlab.deployed(), ["int: running"]);
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["record", "int"]).code(0);
    assert_eq!(gitlab.deployed(), ["int: running success"]);
    runner.step(&["finish"]).code(0);
    let all = ["fbv", "gate int-test", "kv", "mds", "remo"];
    assert_eq!(gitlab.shown(), lines(&all, "success"));
    assert_eq!(gitlab.deployed(), ["int: running success"]);
    let beside = |one: &CommitStatus| one.pipeline == gitlab.parent();
    assert!(gitlab.statuses().iter().all(beside), "the jobs' own is a child, which GitLab shows none in");

    for args in [&["deploy", "int", "mds"][..], &["gate", "int", "int-test"], &["record", "int"], &["finish"]]
    {
        runner.step(args).code(0);
    }
    assert_eq!(gitlab.shown(), lines(&all, "success"));
    assert_eq!(gitlab.deployed(), ["int: running success"]);
}

/// GitLab then takes the newest pipeline of the commit that is no child.
#[test]
fn who_wrote_the_graph_need_not_be_known() {
    let (world, gitlab) = world();
    gitlab.server.state().notice_pushes();
    let parent = gitlab.pipeline_by(&world, "trigger");
    let runner = gitlab.showing_without_parent(&world);
    deploys(&runner);
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["record", "int"]).code(0);
    let done = runner.step(&["finish"]).code(0);
    assert!(!done.stderr.contains("will not show"), "{}", done.stderr);
    assert_eq!(gitlab.shown(), lines(&["fbv", "gate int-test", "kv", "mds", "remo"], "success"));
    assert!(gitlab.statuses().iter().all(|one| one.pipeline == Some(parent)));
}

/// Said by another job it could come after the end that was shown, and would stay.
#[test]
fn no_job_says_of_another_ones_service_that_it_is_at_work() {
    let (world, gitlab) = world();
    let runner = gitlab.showing(&world);
    runner.step(&["enter", "int", NEW]).code(0);
    world.service("int", "mds").stalls_on(NEW);
    let carrying = world.datapin(&["resume", "--force"]).by("carla").spawn();
    let syncs = |world: &World| {
        let part = &world.queue().tickets[0]["stages"][0]["environments"][0];
        let services = part["services"].as_array().cloned().unwrap_or_default();
        services.iter().any(|one| one["name"] == "mds" && one["state"] == "syncing")
    };
    world.until("the record says that mds is waited for", SOON, || syncs(&world));
    runner.step(&["deploy", "int", "kv"]);
    let shown = gitlab.shown();
    assert!(!shown.iter().any(|line| line.starts_with("int/mds")), "{shown:#?}");
    world.service("int", "mds").heals();
    carrying.wait(SOON).code(0);
}

#[test]
fn a_rollback_in_jobs_is_a_deployment_of_its_own() {
    let (world, gitlab) = world();
    let runner = gitlab.showing(&world);
    world.gate("int-test").fails();
    deploys(&runner);
    runner.step(&["gate", "int", "int-test"]).code(20);
    assert_eq!(gitlab.deployed(), ["int: running"]);
    runner.step(&["rollback", "int", "mds"]).code(0);
    assert_eq!(gitlab.deployed(), ["int: running failed", "int: running"]);
    ["fbv", "kv", "remo"].iter().for_each(|name| drop(runner.step(&["rollback", "int", name]).code(0)));
    runner.step(&["finish"]).code(0);
    assert_eq!(gitlab.deployed(), ["int: running failed", "int: running success"]);
    assert_eq!(gitlab.deployments()[1].sha, world.tip("main"));
    let shown = gitlab.shown();
    assert!(shown.contains(&"int/gate int-test: failed".to_owned()), "{shown:#?}");
    for name in SERVICES {
        assert!(shown.contains(&format!("int/{name} rollback: success")), "{shown:#?}");
    }
    assert_eq!(shown.len(), 9, "{shown:#?}");
}

/// A job that was stopped had no end to show.
#[test]
fn the_last_job_ends_what_a_stopped_one_left_running() {
    let (world, gitlab) = world();
    let runner = gitlab.showing(&world);
    runner.step(&["enter", "int", NEW]).code(0);
    world.service("int", "fbv").stalls_on(NEW);
    runner.step(&["deploy", "int", "mds"]).code(0);
    let (bot, id) = runner.job(&["deploy", "int", "fbv"]);
    let mut watching = bot.spawn();
    let runs = || gitlab.shown().contains(&"int/fbv: running".to_owned());
    world.until("it is shown", SOON, runs);
    watching.kill();
    gitlab.job_ends(&id, "failed");
    runner.step(&["finish"]).code(0);
    assert!(gitlab.shown().contains(&"int/fbv: canceled".to_owned()), "{:#?}", gitlab.shown());
    assert_eq!(gitlab.deployed(), ["int: running failed", "int: running success"]);
}

#[test]
fn what_gitlab_did_not_take_then_is_shown_by_the_last_job() {
    let (world, gitlab) = world();
    let runner = gitlab.showing(&world);
    runner.step(&["enter", "int", NEW]).code(0);
    // of the pushing job and of another one: statuses and deployments
    gitlab.server.fault("POST /api/v4/", usize::MAX, Fault::Status(500));
    SERVICES.iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
    assert_eq!((gitlab.shown(), gitlab.deployed()), (Vec::new(), Vec::new()));
    gitlab.server.state().faults.clear();
    runner.step(&["gate", "int", "int-test"]).code(0);
    runner.step(&["finish"]).code(0);
    let mut all = lines(&SERVICES, "success");
    all.insert(1, "int/gate int-test: success".to_owned());
    assert_eq!(gitlab.shown(), all);
    assert_eq!(gitlab.deployed(), ["int: running success"]);
}

#[test]
fn the_files_of_a_job_are_about_the_whole_run() {
    let world = super::jobs::world();
    world.verified("int", OLD);
    world.gate("int-test").fails();
    let runner = Runner::new(&world, "91");
    deploys(&runner);
    let file = |name: &str| world.dir().join(name).display().to_string();
    let read = |name: &str| std::fs::read_to_string(world.dir().join(name)).unwrap();
    runner.step(&["gate", "int", "int-test", "--junit", &file("gate.xml")]).code(20);
    let gate = read("gate.xml");
    assert!(SERVICES.iter().all(|name| gate.contains(name)) && gate.contains("int-test"), "{gate}");
    runner
        .step(&[
            "finish",
            "--report",
            &file("run.html"),
            "--junit",
            &file("run.xml"),
            "--markdown",
            &file("run.md"),
            "--dotenv",
            &file("run.env"),
            "--annotations",
            &file("run.json"),
        ])
        .code(0);
    let (junit, dotenv) = (read("run.xml"), read("run.env"));
    assert!(junit.contains("int-test") && junit.contains("<failure"), "{junit}");
    assert!(dotenv.contains("DATAPIN_RUN_OUTCOME=rolled-back"), "{dotenv}");
    assert!(read("run.md").contains("rolled back") && read("run.html").contains("int-test"));
    assert!(serde_json::from_str::<serde_json::Value>(&read("run.json")).is_ok());
    // a retried one tells the same of a run that is over
    runner.step(&["finish", "--dotenv", &file("again.env")]).code(0);
    assert!(read("again.env").contains("DATAPIN_RUN_OUTCOME=rolled-back"));
}

/// A job tells of no other, and still says which part of the run it is.
#[test]
fn a_job_says_how_many_stages_there_are() {
    let world = super::jobs::world();
    world.verified("int", NEW);
    let runner = Runner::new(&world, "95");
    runner.step(&["enter", "preprod", NEW]).code(0);
    runner.step(&["deploy", "abn", "mds"]).code(0).says("stage 1/3: abn");
}
