//! The six pictures of the concept, as GitLab draws them: `fixtures/step`, one line a job.

use std::path::PathBuf;

use super::jobs::{Graph, Runner, world};
use crate::world::{NEW, OLD, World};

const PREPROD: &[(&str, &str)] = &[("int", OLD), ("preprod", OLD), ("int", NEW)];

/// Compares with a file of `fixtures/step`.
#[track_caller]
fn same(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/step/{name}.txt"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let diff = similar::TextDiff::from_lines(expected.as_str(), actual);
    let diff = diff.unified_diff().header("expected", "actual").to_string();
    assert!(expected == actual, "{}\n{diff}", path.display());
}

/// Runs the graph of a pipeline to its end, and holds it to its picture.
#[track_caller]
fn picture(world: &World, name: &str, pipeline: &'static str) {
    let runner = Runner::new(world, "41");
    let graph = Graph::new(&runner, pipeline).run(NEW);
    same(name, &graph);
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "the queue is not empty:\n{queue}");
}

#[track_caller]
fn ended(world: &World, outcome: &str) -> serde_json::Value {
    let line = world.last();
    assert_eq!((&line["version"], &line["outcome"]), (&NEW.into(), &outcome.into()), "{line:#}");
    line
}

#[track_caller]
fn all_on(world: &World, environments: &[&str], version: &str) {
    for environment in environments {
        assert_eq!(world.versions(environment), [version], "{environment}");
        assert_eq!(world.verified_on(environment).as_deref(), Some(version), "record of {environment}");
    }
}

#[test]
fn int_success() {
    let world = world().with_chat();
    super::jobs::publish(&world);
    world.verified("int", OLD);
    let heard = world.chat().messages().len();
    picture(&world, "int-success", "int");
    ended(&world, "verified");
    all_on(&world, &["int"], NEW);
    assert_eq!(world.subjects()[0], format!("data(int): timetable {NEW}"), "one commit for all services");
    assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
    let said: Vec<String> = world.chat().messages()[heard..].iter().map(|one| one.text.clone()).collect();
    let said = said.join("\n");
    assert!(said.contains("*started*") && said.contains("*verified*"), "{said}");
}

#[test]
fn int_gate_failed_rollback() {
    let world = world();
    world.verified("int", OLD);
    world.gate("int-test").fails();
    picture(&world, "int-gate-failed-rollback", "int");
    let line = ended(&world, "rolled-back");
    assert_eq!(line["cause"]["kind"], "gate", "{line:#}");
    all_on(&world, &["int"], OLD);
    assert_eq!(world.subjects()[0], format!("Revert \"data(int): timetable {NEW}\""));
}

#[test]
fn int_deploy_failed_rollback_failed() {
    let world = world();
    world.verified("int", OLD);
    world.service("int", "fbv").breaks_on(NEW);
    world.service("int", "remo").breaks_on(NEW);
    world.service("int", "kv").never_comes_back();
    picture(&world, "int-deploy-failed-rollback-failed", "int");
    let line = ended(&world, "rollback-failed");
    let (cause, failures) = (line["cause"]["text"].to_string(), line["failures"].to_string());
    assert!(cause.contains("int/fbv: ") && cause.contains("int/remo: "), "{cause}");
    assert!(failures.contains("int/kv: ") && !failures.contains("int/fbv"), "{failures}");
    assert!(world.freeze("int").is_some(), "int is frozen");
    assert_eq!(world.versions("int"), [OLD], "the pins are back all the same");
}

#[test]
fn preprod_success() {
    let world = world();
    PREPROD.iter().for_each(|(pipeline, version)| world.verified(pipeline, version));
    picture(&world, "preprod-success", "preprod");
    ended(&world, "verified");
    all_on(&world, &["abn", "lup", "prd"], NEW);
    let stages = ["prd", "lup", "abn"].map(|name| format!("data({name}): timetable {NEW}"));
    assert_eq!(world.subjects()[..3], stages, "one commit a stage, in order");
}

#[test]
fn preprod_gate_allowed_to_fail() {
    let world = world();
    PREPROD.iter().for_each(|(pipeline, version)| world.verified(pipeline, version));
    world.gate("lup-test").fails();
    picture(&world, "preprod-gate-allowed-to-fail", "preprod");
    ended(&world, "verified");
    all_on(&world, &["abn", "lup", "prd"], NEW);
}

#[test]
fn preprod_gate_failed_rollback() {
    let world = world();
    PREPROD.iter().for_each(|(pipeline, version)| world.verified(pipeline, version));
    world.gate("abn-test").fails();
    let commits = world.log("main").len();
    picture(&world, "preprod-gate-failed-rollback", "preprod");
    let line = ended(&world, "rolled-back");
    assert_eq!(line["cause"]["kind"], "gate", "{line:#}");
    all_on(&world, &["abn", "lup", "prd"], OLD);
    assert_eq!(world.log("main").len(), commits + 2, "one pin and its revert: later stages are untouched");
}
