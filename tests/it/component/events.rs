//! Which jobs there are for which event, and that GitLab's schema allows what is generated.

use std::path::Path;
use std::process::Command;

use super::{GitLab, program};
use crate::transport::git;
use crate::world::{NEW, World};

const TRIGGER: (&str, &str) = ("CI_PIPELINE_SOURCE", "trigger");

fn names(gitlab: &GitLab<'_>, variables: &[(&str, &str)]) -> Vec<String> {
    gitlab.jobs(variables, &[]).into_iter().map(|[name, ..]| name).collect()
}

#[test]
fn every_event_has_its_jobs() {
    let world = World::new();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    let version = ("DATAPIN_VERSION", NEW);
    let source = |name| ("CI_PIPELINE_SOURCE", name);
    assert_eq!(names(&gitlab, &[source("merge_request_event")]), ["datapin-check"]);
    assert_eq!(names(&gitlab, &[source("push"), ("CI_COMMIT_BRANCH", "main")]), ["datapin-adopt"]);
    assert_eq!(names(&gitlab, &[source("push"), ("CI_COMMIT_BRANCH", "topic")]), [""; 0]);
    assert_eq!(names(&gitlab, &[source("schedule")]), ["datapin-reconcile"]);
    assert_eq!(names(&gitlab, &[source("web")]), [""; 0], "nobody named a version");
    for event in ["trigger", "pipeline", "api", "web", "schedule"] {
        assert_eq!(names(&gitlab, &[source(event), version]), ["datapin-graph", "datapin-run"], "{event}");
    }
    // a variable that somebody set for the whole project deploys nothing where a change is only looked at
    assert_eq!(names(&gitlab, &[source("merge_request_event"), version]), ["datapin-check"]);
}

#[test]
fn inputs_choose_the_jobs() {
    let world = World::new();
    let inputs =
        [("graph: true", "graph: false\n      reconcile: false\n      check: false\n      prefix: data")];
    let Some(gitlab) = GitLab::new(&world, &inputs) else { return };
    assert_eq!(names(&gitlab, &[TRIGGER, ("DATAPIN_VERSION", NEW)]), ["data-deploy"]);
    assert_eq!(names(&gitlab, &[("CI_PIPELINE_SOURCE", "schedule")]), [""; 0]);
    assert_eq!(names(&gitlab, &[("CI_PIPELINE_SOURCE", "merge_request_event")]), [""; 0]);
}

#[test]
fn a_version_may_be_an_input_of_the_pipeline() {
    let world = World::new();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    let input = format!("version={NEW}");
    let jobs = gitlab.jobs(&[("CI_PIPELINE_SOURCE", "api")], &["--input", &input]);
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    for bad in ["version=1 2", "version=$(id)", "set=\""] {
        let done = gitlab.command(&[TRIGGER], &["--list", "--input", bad]).output().unwrap();
        assert!(!done.status.success(), "{bad}");
    }
}

/// Every generated file is held to GitLab's schema, and read as it is meant.
#[test]
fn generated_pipelines_are_valid() {
    let world = World::new();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    for pipeline in ["int", "preprod", "data-test", "play-test", "play-koala"] {
        let done = world.datapin(&["step", "graph", pipeline, NEW, "--image", "datapin:1"]).run().code(0);
        std::fs::write(gitlab.checkout.join("child.yml"), done.stdout).unwrap();
        let jobs = gitlab.jobs(&[("CI_PIPELINE_SOURCE", "parent_pipeline")], &["--file", "child.yml"]);
        let of = |name: &str| {
            jobs.iter().find(|[own, ..]| own == name).unwrap_or_else(|| panic!("{name}: {jobs:?}"))
        };
        assert_eq!(of("wait-for-pipeline")[1..], [".pre", "on_success", "false"]);
        assert_eq!(of(&format!("notify-failure:{pipeline}"))[1..], ["Notify-end", "on_failure", "false"]);
        match pipeline {
            "int" => assert_eq!(jobs.len(), 14),
            "preprod" => {
                assert_eq!(jobs.len(), 33);
                assert_eq!(of("lup-test:lup")[1..], ["Lup-test", "on_success", "[21]"]);
                assert_eq!(of("rollback-prd-kv")[1..], ["Rollback", "on_failure", "false"]);
            }
            "data-test" => assert_eq!(of("data-test:dt+total-dt")[1], "Data-test"),
            _ => {}
        }
    }
}

/// A manual gate whose starters an environment of GitLab says.
#[test]
fn a_protected_gate_is_valid() {
    let world = World::new();
    let Some(gitlab) = GitLab::new(&world, &[]) else { return };
    world.config(|text| {
        let mut gate = toml_edit::Table::new();
        gate["kind"] = toml_edit::value("manual");
        gate["timeout"] = toml_edit::value("8h");
        gate["protected_by"] = toml_edit::value("release");
        text["gate"]["play-test"] = toml_edit::Item::Table(gate);
    });
    let done = world.datapin(&["step", "graph", "play-test", NEW]).run().code(0);
    assert!(done.stdout.contains("action: prepare"), "{}", done.stdout);
    std::fs::write(gitlab.checkout.join("child.yml"), done.stdout).unwrap();
    let jobs = gitlab.jobs(&[("CI_PIPELINE_SOURCE", "parent_pipeline")], &["--file", "child.yml"]);
    let gate = jobs.iter().find(|[name, ..]| name == "play-test:play-test").expect("the gate's job");
    assert_eq!(gate[1..], ["Play-test", "manual", "false"]);
}

/// This project's own pipelines: they include the component of their commit.
#[test]
fn the_projects_own_pipelines_are_valid() {
    let Some(program) = program() else { return };
    let dir = tempfile::tempdir().unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir(dir.path().join("templates")).unwrap();
    for file in [".gitlab-ci.yml", "templates/datapin.yml"] {
        std::fs::copy(own.join(file), dir.path().join(file)).unwrap();
    }
    git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
    git(dir.path(), &["remote", "add", "origin", "https://gitlab.example.com/data/datapin.git"]);
    git(dir.path(), &["add", "--all"]);
    git(dir.path(), &["commit", "--quiet", "--message", "As it is"]);
    let list = |variable: &str| {
        let mut command = Command::new("node");
        command
            .arg(&program)
            .args(["--list-csv", "--no-color", "--variable", variable])
            .current_dir(dir.path());
        let done =
            command.env("GCL_IGNORE_PREDEFINED_VARS", "CI_PIPELINE_SOURCE,CI_COMMIT_TAG").output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
        let lines = text.lines().skip_while(|line| !line.starts_with("name;")).skip(1);
        lines.filter_map(|line| Some(line.split(';').next()?.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(list("CI_PIPELINE_SOURCE=push"), ["test", "publish-image"]);
    assert_eq!(list("CI_COMMIT_TAG=0.1.0"), ["test", "publish-image", "publish-component"]);
}

/// `check` compares `CI_JOB_TIMEOUT`, which is its own job's, with what a run may take: so both have the same limit.
#[test]
fn the_job_that_compares_the_limits_has_that_of_the_jobs_that_run() {
    let text = include_str!("../../../templates/datapin.yml");
    let (_, jobs) = text.split_once("\n---\n").unwrap();
    let jobs: serde_yaml::Value = serde_yaml::from_str(jobs).unwrap();
    let limit = |job: &str| jobs[job]["timeout"].as_str().map(str::to_owned);
    assert_eq!(limit("$[[ inputs.prefix ]]-check"), limit(".$[[ inputs.prefix ]]-whole"));
    assert_eq!(limit("$[[ inputs.prefix ]]-check").as_deref(), Some("$[[ inputs.timeout ]]"));
}
