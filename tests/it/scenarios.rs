//! The six pictures of the concept and the playground, by the real binary over each transport, and the demo itself.

use std::time::Duration;

use serde_json::Value;

use crate::world::{NEW, OLD, Transport, World};

/// Runs that make what a picture begins with.
fn before(world: &World, pipelines: &[(&str, &str)]) {
    for (pipeline, version) in pipelines {
        world.verified(pipeline, version);
    }
}

const PREPROD: &[(&str, &str)] = &[("int", OLD), ("preprod", OLD), ("int", NEW)];

/// A run is over: nobody is in the queue, and the last line of history says how it ended.
#[track_caller]
fn ended(world: &World, version: &str, outcome: &str) -> Value {
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "the queue is not empty:\n{queue}");
    let line = queue.history.last().cloned().unwrap();
    assert_eq!((&line["version"], &line["outcome"]), (&version.into(), &outcome.into()), "{line:#}");
    line
}

#[track_caller]
fn all_on(world: &World, environments: &[&str], version: &str) {
    for environment in environments {
        assert_eq!(world.versions(environment), [version], "{environment}");
        assert_eq!(world.verified_on(environment).as_deref(), Some(version), "record of {environment}");
    }
}

#[track_caller]
fn nothing_frozen(world: &World) {
    for name in world.queue().environments.keys() {
        assert_eq!(world.freeze(name), None, "{name}");
    }
}

/// Each scenario once per transport.
macro_rules! over_each_transport {
    ($($name:ident),* $(,)?) => { $(
        mod $name {
            use super::{Transport, World};

            #[test]
            fn over_a_path() {
                super::scenario::$name(&World::over(Transport::File));
            }

            #[test]
            fn over_http() {
                super::scenario::$name(&World::over(Transport::Http));
            }

            #[test]
            fn over_ssh() {
                super::scenario::$name(&World::over(Transport::Ssh));
            }
        }
    )* };
}

over_each_transport!(
    int_success,
    int_gate_failed_rollback,
    int_deploy_failed_rollback_failed,
    preprod_success,
    preprod_gate_allowed_to_fail,
    preprod_gate_failed_rollback,
    playground,
);

mod scenario {
    use super::*;

    pub(super) fn int_success(world: &World) {
        before(world, &[("int", OLD)]);
        world.datapin(&["deploy", "int", NEW]).run().code(0).says("verified");
        ended(world, NEW, "verified");
        all_on(world, &["int"], NEW);
        assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
        let tip = &world.log("main")[0];
        assert_eq!(tip.subject, format!("data(int): timetable {NEW}"));
        for words in ["mds, fbv, kv, remo", OLD, "Datapin-Run: ", "Datapin-Stage: int"] {
            assert!(tip.message.contains(words), "no `{words}` in\n{}", tip.message);
        }
    }

    pub(super) fn int_gate_failed_rollback(world: &World) {
        before(world, &[("int", OLD)]);
        let found = world.file("main", "values/int/kv.yaml");
        world.gate("int-test").fails();
        world.datapin(&["deploy", "int", NEW]).run().code(11).says("3 connections have no fare");
        let line = ended(world, NEW, "rolled-back");
        assert_eq!(line["cause"]["kind"], "gate", "{line:#}");
        all_on(world, &["int"], OLD);
        assert_eq!(world.file("main", "values/int/kv.yaml"), found, "byte by byte");
        let log = world.log("main");
        assert_eq!(log[0].subject, format!("Revert \"data(int): timetable {NEW}\""));
        assert!(log[0].message.contains(&format!("This reverts commit {}", log[1].id)), "{}", log[0].message);
        nothing_frozen(world);
    }

    pub(super) fn int_deploy_failed_rollback_failed(world: &World) {
        before(world, &[("int", OLD)]);
        world.service("int", "fbv").breaks_on(NEW);
        world.service("int", "remo").breaks_on(NEW);
        world.service("int", "kv").never_comes_back();
        let done = world.datapin(&["deploy", "int", NEW]).run().code(12);
        done.says("fbv cannot load").says("int/kv");
        let line = ended(world, NEW, "rollback-failed");
        let failures = line["failures"].to_string();
        assert!(failures.contains("int/kv: ") && !failures.contains("int/fbv"), "{failures}");
        let freeze = world.freeze("int").expect("int is frozen");
        assert!(freeze["reason"].to_string().contains("int/kv"), "{freeze:#}");
        assert_eq!(freeze["origin"]["kind"], "rollback-failed");
        assert_eq!(world.versions("int"), [OLD], "the pins are back all the same");
        world.datapin(&["deploy", "int", "2026.11.24-1"]).run().code(15).says("int/kv");
    }

    pub(super) fn preprod_success(world: &World) {
        before(world, PREPROD);
        world.datapin(&["deploy", "preprod", NEW]).run().code(0);
        ended(world, NEW, "verified");
        all_on(world, &["abn", "lup", "prd"], NEW);
        let subjects = world.subjects();
        let stages = ["prd", "lup", "abn"].map(|name| format!("data({name}): timetable {NEW}"));
        assert_eq!(subjects[..3], stages, "one commit a stage, in order");
        assert_eq!(world.gate("abn-test").began(), [OLD, NEW]);
        assert_eq!(world.gate("lup-test").began(), [OLD, NEW]);
    }

    pub(super) fn preprod_gate_allowed_to_fail(world: &World) {
        before(world, PREPROD);
        world.gate("lup-test").fails();
        let done = world.datapin(&["deploy", "preprod", NEW]).run().code(0);
        done.says("warned").says("lup-test").says("3 connections have no fare");
        ended(world, NEW, "verified");
        all_on(world, &["abn", "lup", "prd"], NEW);
    }

    pub(super) fn preprod_gate_failed_rollback(world: &World) {
        before(world, PREPROD);
        world.gate("abn-test").fails();
        let tip = world.log("main").len();
        world.datapin(&["deploy", "preprod", NEW]).run().code(11).says("abn-test");
        let line = ended(world, NEW, "rolled-back");
        assert_eq!(line["cause"]["kind"], "gate");
        all_on(world, &["abn", "lup", "prd"], OLD);
        let log = world.log("main");
        assert_eq!(log.len(), tip + 2, "one pin and its revert: later stages are untouched");
        assert_eq!(log[1].subject, format!("data(abn): timetable {NEW}"));
        assert_eq!(world.gate("lup-test").began(), [OLD], "no gate of a later stage runs");
        nothing_frozen(world);
    }

    pub(super) fn playground(world: &World) {
        before(world, &[("play-test", OLD)]);
        let early = world.datapin(&["deploy", "play-koala", NEW]).run();
        early.code(15).says("play-test");
        world.datapin(&["deploy", "play-test", NEW]).run().code(0);
        world.datapin(&["deploy", "play-koala", NEW]).run().code(0);
        ended(world, NEW, "verified");
        all_on(world, &["play-test", "play-koala"], NEW);
        assert_eq!(world.versions("int"), [OLD], "no other environment is touched");
    }
}

/// `datapin demo` on a directory of its own, as a person runs it.
#[track_caller]
fn demo(scenario: &str, code: i32) {
    let world = World::without_queue(Transport::File);
    let dir = world.dir().join("demo");
    let args = ["demo", scenario, "--dir", &dir.display().to_string()];
    let done = world.datapin(&args).config(None).run().code(code);
    assert!(done.took < Duration::from_secs(20), "it took {:?}", done.took);
    assert!(done.stdout.contains("the chat heard:"), "{}", done.stdout);
}

#[test]
fn demo_int_success() {
    demo("int-success", 0);
}

#[test]
fn demo_int_gate_failed_rollback() {
    demo("int-gate-failed-rollback", 11);
}

#[test]
fn demo_int_deploy_failed_rollback_failed() {
    demo("int-deploy-failed-rollback-failed", 12);
}

#[test]
fn demo_preprod_success() {
    demo("preprod-success", 0);
}

#[test]
fn demo_preprod_gate_allowed_to_fail() {
    demo("preprod-gate-allowed-to-fail", 0);
}

#[test]
fn demo_preprod_gate_failed_rollback() {
    demo("preprod-gate-failed-rollback", 11);
}

#[test]
fn demo_playground() {
    demo("playground", 0);
}

#[test]
fn demo_parallel() {
    demo("parallel", 0);
}

#[test]
fn demo_names_its_scenarios() {
    let world = World::without_queue(Transport::File);
    let list = world.datapin(&["demo", "list"]).config(None).run().code(0);
    for name in ["int-success", "int-gate-failed-rollback", "preprod-gate-allowed-to-fail", "playground"] {
        assert!(list.stdout.contains(name), "{}", list.stdout);
    }
    world.datapin(&["demo", "nothing"]).config(None).run().code(2).says("int-success");
}
