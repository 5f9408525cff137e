//! Whole pipelines: the real binary in the jobs that GitLab would start.

use toml_edit::value;

use rustix::process::{Pid, Signal, kill_process};

use super::{GitLab, LONG, Pipeline};
use crate::transport::git;
use crate::world::{NEW, OLD, World};

pub(super) const ONE_JOB: &[(&str, &str)] = &[("graph: true", "graph: false")];

/// int is on [`OLD`]. Nobody can ask GitLab here: silence counts, and only after an hour.
pub(super) fn world() -> World {
    let world = World::new();
    world.config(|text| text["queue"]["default"]["step_idle_ttl"] = value("1h"));
    let checkout = world.checkout("main");
    std::fs::copy(world.dir().join("datapin.toml"), checkout.join("datapin.toml")).unwrap();
    git(&checkout, &["commit", "--quiet", "--all", "--message", "Configuration of this world"]);
    git(&checkout, &["push", "--quiet", "origin", "HEAD:main"]);
    world.verified("int", OLD);
    world
}

/// What the data-management tool triggers.
fn trigger() -> [(&'static str, &'static str); 3] {
    [("CI_PIPELINE_SOURCE", "trigger"), ("DATAPIN_PIPELINE", "int"), ("DATAPIN_VERSION", NEW)]
}

#[track_caller]
fn ended(world: &World, outcome: &str, version: &str) {
    let line = world.last();
    assert_eq!((&line["version"], &line["outcome"]), (&NEW.into(), &outcome.into()), "{line:#}");
    assert_eq!(world.versions("int"), [version]);
    assert!(world.queue().tickets.is_empty());
}

/// The jobs of a pipeline that ran, without those of the bridge.
pub(super) fn ran(done: &Pipeline, end: &str) -> Vec<String> {
    let own = |name: &String| !name.starts_with("datapin-");
    done.ends().into_iter().filter(|(_, how)| how == end).map(|(name, _)| name).filter(own).collect()
}

#[test]
fn one_job_succeeds() {
    let world = world();
    let Some(gitlab) = GitLab::new(&world, ONE_JOB) else { return };
    let set = ("DATAPIN_SET", "mds:cache.size=1024");
    let done = gitlab.pipeline(&[trigger().as_slice(), &[set]].concat());
    assert!(done.succeeded, "{}", done.output);
    assert_eq!(done.end("datapin-deploy").as_deref(), Some("PASS"), "{}", done.output);
    ended(&world, "verified", NEW);
    assert!(
        world.file("main", "values/int/mds.yaml").unwrap().contains("1024"),
        "the config change went with it"
    );
}

#[test]
fn one_job_fails() {
    let world = world();
    let Some(gitlab) = GitLab::new(&world, ONE_JOB) else { return };
    world.gate("int-test").fails();
    let done = gitlab.pipeline(&trigger());
    assert!(!done.succeeded, "{}", done.output);
    assert!(done.output.contains("FAIL 11"), "{}", done.output);
    ended(&world, "rolled-back", OLD);
}

/// Some runners pass SIGTERM on to the script.
#[test]
fn one_job_is_cancelled() {
    let world = world();
    let Some(gitlab) = GitLab::new(&world, ONE_JOB) else { return };
    world.gate("int-test").hangs();
    let started = gitlab.start(&trigger());
    world.until("the gate runs", LONG, || world.gate("int-test").began().contains(&NEW.to_owned()));
    kill_process(process(&world, "deploy"), Signal::TERM).unwrap();
    let done = started.wait();
    assert!(done.output.contains("FAIL 16"), "{}", done.output);
    ended(&world, "rolled-back", OLD);
}

/// The process of the real binary that a job of this world started with that argument.
pub(super) fn process(world: &World, argument: &str) -> Pid {
    let home = format!("HOME={}", world.dir().join("runner").display());
    let read = |pid: i32, what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let has = |bytes: &[u8], text: &str| bytes.split(|byte| *byte == 0).any(|part| part == text.as_bytes());
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let own = |pid: &i32| {
        let arguments = read(*pid, "cmdline");
        arguments.starts_with(b"datapin\0") && has(&arguments, argument) && has(&read(*pid, "environ"), &home)
    };
    Pid::from_raw(pids.into_iter().find(own).unwrap_or_else(|| panic!("no `datapin {argument}`"))).unwrap()
}

#[test]
fn the_graph_succeeds() {
    let world = world();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    let done = gitlab.pipeline(&trigger());
    assert!(done.succeeded, "{}", done.output);
    let all = [
        "deploy-int-fbv",
        "deploy-int-kv",
        "deploy-int-mds",
        "deploy-int-remo",
        "int-test:int",
        "notify-start:int",
        "notify-success:int",
        "store-ssm-int",
        "wait-for-pipeline",
    ];
    assert_eq!(ran(&done, "PASS"), all, "{}", done.output);
    ended(&world, "verified", NEW);
    assert_eq!(world.subjects()[0], format!("data(int): timetable {NEW}"), "one commit for all services");
}

/// A variable of the file, such as one that GitLab's page offers, stands below what a trigger says; handed on to the child
/// pipeline it would stand above what that was written with.
#[test]
fn the_graph_that_is_drawn_is_the_one_that_runs() {
    let world = world();
    let prefilled = "stages: [test, deploy]\nvariables:\n  DATAPIN_PIPELINE:\n    value: play-test\n    \
                     options: [play-test, int]\n    description: Which pipeline";
    let Some(gitlab) = GitLab::new(&world, &[("stages: [test, deploy]", prefilled)]) else { return };
    let done = gitlab.pipeline(&trigger());
    assert!(done.succeeded, "{}", done.output);
    assert!(ran(&done, "PASS").contains(&"notify-success:int".to_owned()), "{}", done.output);
    ended(&world, "verified", NEW);
}

#[test]
fn the_graph_fails_and_goes_back() {
    let world = world();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    world.service("int", "fbv").breaks_on(NEW);
    let done = gitlab.pipeline(&trigger());
    assert!(!done.succeeded, "the bridge fails with its child:\n{}", done.output);
    assert_eq!(ran(&done, "FAIL"), ["deploy-int-fbv"], "{}", done.output);
    let passed = ran(&done, "PASS");
    for service in ["mds", "fbv", "kv", "remo"] {
        assert!(passed.contains(&format!("rollback-int-{service}")), "{passed:?}\n{}", done.output);
    }
    assert!(passed.contains(&"notify-failure:int".to_owned()), "{passed:?}");
    for skipped in ["int-test:int", "store-ssm-int", "notify-success:int"] {
        assert_eq!(done.end(skipped), None, "{skipped} is skipped");
    }
    ended(&world, "rolled-back", OLD);
}

/// A cancelled pipeline runs none of its later jobs: whoever is next finishes it, here a person with `resume --force`.
#[test]
fn the_graph_is_cancelled() {
    let world = world();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    world.gate("int-test").hangs();
    let started = gitlab.start(&trigger());
    world.until("the gate runs", LONG, || world.gate("int-test").began().contains(&NEW.to_owned()));
    let job = process(&world, "gate");
    drop(started);
    kill_process(job, Signal::KILL).unwrap();
    world.gate("int-test").passes();
    assert_eq!(world.queue().tickets.len(), 1, "the run is still open");
    world.datapin(&["cancel", "--reason", "cancelled in GitLab"]).run().code(0);
    world.datapin(&["resume", "--force"]).run().code(16);
    ended(&world, "rolled-back", OLD);
}

/// The picture of an allowed failure: the gate is orange, the run goes on to the end.
#[test]
fn a_gate_that_may_fail_is_a_warning() {
    let world = world();
    world.config(|text| text["gate"]["int-test"]["allow_failure"] = value(true));
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    world.gate("int-test").fails();
    let done = gitlab.pipeline(&trigger());
    assert!(done.succeeded, "{}", done.output);
    assert_eq!(ran(&done, "WARN"), ["int-test:int"], "{}", done.output);
    assert_eq!(done.end("notify-success:int").as_deref(), Some("PASS"));
    assert_eq!((done.end("rollback-int-kv"), done.end("notify-failure:int")), (None, None));
    ended(&world, "verified", NEW);
}
