//! The pictures of the preprod pipeline: three environments in one graph of jobs, each job a process of its own.

use rustix::process::{Signal, kill_process};

use super::requests::is_report;
use super::runs::{process, ran, world};
use super::{GitLab, LONG};
use crate::world::{NEW, OLD, World};

const STAGES: [&str; 3] = ["abn", "lup", "prd"];
const SERVICES: [&str; 4] = ["fbv", "kv", "mds", "remo"];

/// Everything was on [`OLD`], and int is verified on [`NEW`].
fn preprod() -> World {
    let world = world();
    world.verified("preprod", OLD);
    world.verified("int", NEW);
    world
}

fn trigger() -> [(&'static str, &'static str); 3] {
    [("CI_PIPELINE_SOURCE", "trigger"), ("DATAPIN_PIPELINE", "preprod"), ("DATAPIN_VERSION", NEW)]
}

/// The twelve jobs of that name.
fn twelve(what: &str) -> Vec<String> {
    let of = |stage: &&str| SERVICES.map(|service| format!("{what}-{stage}-{service}"));
    STAGES.iter().flat_map(of).collect()
}

#[track_caller]
fn ended(world: &World, outcome: &str, version: &str) {
    assert_eq!((&world.last()["outcome"], &world.last()["version"]), (&outcome.into(), &NEW.into()));
    for name in STAGES {
        assert_eq!(world.versions(name), [version], "{name}");
        assert_eq!(world.verified_on(name).as_deref(), Some(version), "{name}");
    }
    assert!(world.queue().tickets.is_empty());
}

/// `preprod-gate-allowed-to-fail.png`: the gate of lup is orange, and the run goes on to prd.
#[test]
fn three_environments_succeed_and_a_gate_that_may_fail_is_orange() {
    let world = preprod();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    world.gate("lup-test").fails();
    let done = gitlab.pipeline(&trigger());
    assert!(done.succeeded, "{}", done.output);
    let passed = ran(&done, "PASS");
    for job in
        twelve("deploy").iter().chain(&["store-ssm-prd".to_owned(), "notify-success:preprod".to_owned()])
    {
        assert!(passed.contains(job), "{job} in {passed:?}\n{}", done.output);
    }
    assert_eq!(ran(&done, "WARN"), ["lup-test:lup"], "{}", done.output);
    assert!(!passed.iter().any(|job| job.starts_with("rollback")), "{passed:?}");
    ended(&world, "verified", NEW);
    let report = gitlab.artifact("notify-success:preprod", "datapin-report.html");
    is_report(&report, &[NEW, "abn", "lup", "prd", "abn-test", "lup-test", "verified"]);
}

/// `preprod-gate-failed-rollback.png`, one stage later: a failure in prd takes back all three, by twelve jobs.
#[test]
fn a_failure_in_the_last_environment_takes_back_all_three() {
    let world = preprod();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    world.service("prd", "kv").breaks_on(NEW);
    let done = gitlab.pipeline(&trigger());
    assert!(!done.succeeded, "{}", done.output);
    assert_eq!(ran(&done, "FAIL"), ["deploy-prd-kv"], "{}", done.output);
    let passed = ran(&done, "PASS");
    for job in twelve("rollback").iter().chain(&["notify-failure:preprod".to_owned()]) {
        assert!(passed.contains(job), "{job} in {passed:?}\n{}", done.output);
    }
    assert!(!passed.iter().any(|job| job.starts_with("store-ssm")), "{passed:?}");
    ended(&world, "rolled-back", OLD);
    let back = world.subjects();
    let reverts: Vec<&String> = back.iter().take(3).collect();
    for (name, subject) in STAGES.iter().zip(reverts) {
        assert!(subject.contains(&format!("data({name})")), "newest stage first: {back:?}");
    }
    let report = gitlab.artifact("notify-failure:preprod", "datapin-report.html");
    is_report(&report, &[NEW, "prd", "kv", "rolled back"]);
}

/// Cancelled while abn's gate runs: no later job runs, and the next in line takes abn back.
#[test]
fn a_cancelled_pipeline_is_finished_by_somebody_else() {
    let world = preprod();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    world.gate("abn-test").hangs();
    let started = gitlab.start(&trigger());
    world.until("abn's gate runs", LONG, || world.gate("abn-test").began().contains(&NEW.to_owned()));
    let job = process(&world, "gate");
    drop(started);
    kill_process(job, Signal::KILL).unwrap();
    assert_eq!((world.versions("abn"), world.versions("lup")), (vec![NEW.to_owned()], vec![OLD.to_owned()]));
    world.gate("abn-test").passes();
    world.datapin(&["cancel", "--reason", "cancelled in GitLab"]).run().code(0);
    world.datapin(&["resume", "--force"]).run().code(16);
    ended(&world, "rolled-back", OLD);
    let report = world.dir().join("report.html");
    world.datapin(&["report", "--out", &report.display().to_string()]).run().code(0);
    is_report(&std::fs::read_to_string(report).unwrap(), &[NEW, "abn", "cancelled in GitLab"]);
}
