//! Deployments: what is written, and what takes them back.

use toml_edit::{Array, value};

use super::*;
use crate::transport::git;
use crate::world::{NEW, QUEUE, Transport};

#[test]
fn nothing_to_do_is_0_and_writes_nothing() {
    let world = int();
    let tips = (world.tip("main"), world.tip(QUEUE));
    world.datapin(&["deploy", "int", OLD]).run().code(0).says("nothing to do");
    assert_eq!((world.tip("main"), world.tip(QUEUE)), tips);
}

#[test]
fn the_first_run_of_a_version_that_is_there_makes_no_commit_and_verifies_it() {
    let world = World::new();
    let tip = world.tip("main");
    world.datapin(&["deploy", "int", OLD]).run().code(0);
    assert_eq!(world.tip("main"), tip);
    assert_eq!(world.verified_on("int").as_deref(), Some(OLD));
    assert_eq!(world.gate("int-test").began(), [OLD]);
}

#[test]
fn a_version_that_was_there_unverified_stays_when_its_gate_fails() {
    let world = World::new();
    let tip = world.tip("main");
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", OLD]).run().code(11);
    assert_eq!((world.tip("main"), world.verified_on("int"), world.freeze("int")), (tip, None, None));
}

#[test]
fn dry_run_shows_the_diff_and_writes_nothing() {
    let world = int();
    let tips = (world.tip("main"), world.tip(QUEUE));
    let args = ["deploy", "int", NEW, "--set", "mds:cache.size=1024", "--dry-run"];
    let done = world.datapin(&args).run().code(0);
    for line in ["-    version: \"2026.11.20-2\"", "+    version: \"2026.11.23-1\"", "+  size: 1024 # MiB"] {
        assert!(done.stdout.contains(line), "no `{line}` in\n{}", done.stdout);
    }
    let plan = world.datapin(&[&args[..], &["--output", "json"]].concat()).run().code(0).json();
    assert_eq!(plan["schema"], 1, "{plan:#}");
    assert!(plan.to_string().contains("values/int/remo.yaml"), "{plan:#}");
    assert_eq!((world.tip("main"), world.tip(QUEUE)), tips);
    assert!(world.gate("int-test").began().len() == 1);
}

#[test]
fn dry_run_of_what_is_not_allowed_is_15() {
    let world = int();
    world.datapin(&["queue", "freeze", "int", "--reason", "fair"]).run().code(0);
    world.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(15).says("fair");
}

#[test]
fn a_settable_value_changes_in_the_same_commit_and_keeps_its_type() {
    let world = int();
    let commits = world.log("main").len();
    world.datapin(&["deploy", "int", NEW, "--set", "mds:cache.size=1024"]).run().code(0);
    assert_eq!(world.log("main").len(), commits + 1);
    let text = world.file("main", "values/int/mds.yaml").unwrap();
    assert!(text.contains("  size: 1024 # MiB"), "{text}");
    assert!(text.contains(&format!("version: \"{NEW}\" # written by datapin")), "{text}");
}

#[test]
fn a_settable_value_is_rolled_back_with_the_version() {
    let world = int();
    let found = world.file("main", "values/int/mds.yaml");
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW, "--set", "mds:cache.size=1024"]).run().code(11);
    assert_eq!(world.file("main", "values/int/mds.yaml"), found);
}

#[test]
fn set_takes_what_is_settable_and_no_other_type() {
    let world = int();
    let tips = (world.tip("main"), world.tip(QUEUE));
    world.datapin(&["deploy", "int", NEW, "--set", "kv:cache.size=1"]).run().code(2).says("not settable");
    world.datapin(&["deploy", "int", NEW, "--set", "mds:cache.size=much"]).run().code(2).says("cache.size");
    assert_eq!((world.tip("main"), world.tip(QUEUE)), tips);
}

#[test]
fn the_verified_set_has_every_pin_and_every_settable_value() {
    let world = int();
    world.datapin(&["deploy", "int", NEW, "--set", "mds:cache.size=1024"]).run().code(0);
    let queue = world.queue();
    let set =
        queue.environments["int"]["datasets"]["timetable"]["verified"].as_array().unwrap().last().unwrap();
    let mut values: Vec<String> = set["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| {
            [&value["service"], &value["role"], &value["text"]].map(|v| v.as_str().unwrap()).join(" ")
        })
        .collect();
    values.sort();
    let pin = |service: &str| format!("{service} pin {NEW}");
    let wanted = [pin("fbv"), pin("kv"), pin("mds"), "mds setting 1024".to_owned(), pin("remo")];
    assert_eq!(values, wanted, "{set:#}");
    assert_eq!(set["commit"], world.tip("main"));
}

#[test]
fn a_service_that_fails_takes_all_back_with_its_cause() {
    let world = int();
    world.service("int", "kv").breaks_on(NEW);
    let done = world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says("kv cannot load 2026.11.23-1").says("ERROR 2026.11.23-1: checksum");
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
    assert_eq!(world.gate("int-test").began(), [OLD], "no gate of a version that is not up");
}

#[test]
fn a_service_that_does_not_come_up_in_time_takes_all_back() {
    let world = int();
    world.config(|text| text["environment"]["int"]["sync_timeout"] = value("1s"));
    world.service("int", "mds").stalls_on(NEW);
    world.datapin(&["deploy", "int", NEW]).run().code(10).says("not up within 1s");
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn an_agent_that_does_not_apply_the_commit_takes_all_back() {
    let world = int();
    world.config(|text| text["environment"]["int"]["sync_timeout"] = value("1s"));
    world.service("int", "mds").is_stuck();
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    world.until("the revert is there", LONG, || world.subjects()[0].starts_with("Revert"));
    world.service("int", "mds").heals();
    running.wait(LONG).code(10).says("commit not seen by the agent yet");
}

#[test]
fn an_agent_that_cannot_be_asked_takes_all_back() {
    let world = int();
    world.service("int", "mds").is_silent();
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    world.until("the revert is there", LONG, || world.subjects()[0].starts_with("Revert"));
    world.service("int", "mds").heals();
    running.wait(LONG).code(10).says("in a row");
    ended(&world, NEW, "rolled-back");
}

#[test]
fn two_environments_on_two_branches_are_one_stage() {
    let world = World::without_queue(Transport::File);
    git(&world.bare(), &["branch", "live", "main"]);
    world.config(|text| text["environment"]["total-dt"]["branch"] = value("live"));
    world.datapin(&["init"]).run().code(0);
    world.verified("data-test", OLD);
    world.verified("data-test", NEW);
    assert_eq!(world.pinned("dt", "mds"), NEW);
    assert_eq!(world.pinned_on("live", "total-dt", "mds"), NEW);
    assert_eq!(world.pinned("total-dt", "mds"), OLD, "its branch is another one");
    world.gate("billing-test").fails();
    world.datapin(&["deploy", "data-test", LATER]).run().code(11);
    assert_eq!((world.pinned("dt", "mds"), world.pinned("pres", "kv")), (NEW.into(), NEW.into()));
    assert_eq!(world.pinned_on("live", "total-dt", "mds"), NEW);
}

#[test]
fn two_environments_of_one_branch_are_one_commit() {
    let world = World::new();
    let commits = world.log("main").len();
    world.verified("data-test", NEW);
    let log = world.log("main");
    assert_eq!(log.len(), commits + 2, "dt and total-dt, then pres");
    assert_eq!((world.versions("dt"), world.versions("total-dt")), (vec![NEW.into()], vec![NEW.into()]));
    assert_eq!(world.gate("data-test").began(), [NEW], "one gate for both");
}

#[test]
fn a_push_by_a_person_during_the_gate_supersedes_the_run() {
    let world = int();
    let running = hanging(&world, NEW);
    world.push_as_person(&[("values/int/kv.yaml", NEW, "2026.11.23-9")], "kv gets a hot fix");
    world.gate("int-test").passes();
    running.wait(LONG).code(13).says("kv gets a hot fix");
    let line = ended(&world, NEW, "rolled-back");
    assert_eq!(line["cause"]["kind"], "superseded", "{line:#}");
    assert_eq!(world.pinned("int", "kv"), "2026.11.23-9", "theirs stays");
    assert_eq!(world.pinned("int", "mds"), OLD, "ours goes back");
}

/// An agent that names no revision cannot know; the branch is looked at before its failure is believed.
#[test]
fn a_failure_of_no_commit_is_no_failure_of_ours_where_a_person_has_pushed() {
    let world = int();
    world.service("int", "kv").is_stuck();
    let before = world.tip("main");
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    world.until("the commit is pushed", LONG, || world.tip("main") != before);
    world.push_as_person(&[("values/int/kv.yaml", NEW, "2026.11.23-9")], "kv gets a hot fix");
    world.service("int", "kv").fails_unnamed();
    world.until("the revert is there", LONG, || world.subjects()[0].starts_with("Revert"));
    world.service("int", "kv").heals();
    running.wait(LONG).code(13).says("kv gets a hot fix");
    assert_eq!(world.pinned("int", "kv"), "2026.11.23-9", "theirs stays");
}

#[test]
fn a_push_by_a_person_elsewhere_disturbs_nobody() {
    let world = int();
    let running = hanging(&world, NEW);
    world.push_as_person(&[("values/int/kv.yaml", "tag: 7.0.2", "tag: 7.0.3")], "kv 7.0.3");
    world.gate("int-test").passes();
    running.wait(LONG).code(0);
    assert_eq!(world.versions("int"), [NEW]);
    assert!(world.file("main", "values/int/kv.yaml").unwrap().contains("tag: 7.0.3"));
}

#[test]
fn the_revert_keeps_what_a_person_pushed_meanwhile() {
    let world = int();
    let running = hanging(&world, NEW);
    world.push_as_person(&[("values/int/kv.yaml", "tag: 7.0.2", "tag: 7.0.3")], "kv 7.0.3");
    world.gate("int-test").fails();
    running.wait(LONG).code(11);
    assert_eq!(world.versions("int"), [OLD]);
    assert!(world.file("main", "values/int/kv.yaml").unwrap().contains("tag: 7.0.3"));
}

#[test]
fn drift_is_told_and_deployed_over() {
    let world = int();
    world.push_as_person(&[("values/int/kv.yaml", OLD, MID)], "try kv");
    let done = world.datapin(&["deploy", "int", NEW]).run().code(0);
    done.says("kv holds 2026.11.22-1, verified was 2026.11.20-2");
    assert_eq!(world.versions("int"), [NEW]);
}

#[test]
fn a_failed_run_over_drift_goes_back_to_the_verified_set() {
    let world = int();
    world.push_as_person(&[("values/int/kv.yaml", OLD, MID)], "try kv");
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(11);
    assert_eq!(world.versions("int"), [OLD]);
    assert!(world.subjects()[0].starts_with("Restore int to 2026.11.20-2"), "{:?}", world.subjects());
}

#[test]
fn requires_a_version_that_was_verified_there() {
    let world = World::new();
    let tips = (world.tip("main"), world.tip(QUEUE));
    world.datapin(&["deploy", "preprod", NEW]).run().code(15).says("int");
    assert_eq!((world.tip("main"), world.tip(QUEUE)), tips);
    world.verified("int", NEW);
    world.datapin(&["deploy", "preprod", NEW]).run().code(0);
}

#[test]
fn usage_errors_are_2_and_touch_nothing() {
    let world = int();
    let tips = (world.tip("main"), world.tip(QUEUE));
    world.datapin(&["deploy", "int", "latest"]).run().code(2).says("latest");
    world.datapin(&["deploy", "itn", NEW]).run().code(2).says("int");
    world.datapin(&["deploy", "int"]).run().code(2).says("VERSION");
    world.datapin(&["deploy", "int", NEW, "--output", "xml"]).run().code(2).says("xml");
    world.datapin(&["deplyo", "int", NEW]).run().code(2).says("deploy");
    assert_eq!((world.tip("main"), world.tip(QUEUE)), tips);
}

#[test]
fn services_that_are_left_out_are_left_alone() {
    let world = World::new();
    let services: Array = ["mds", "kv"].into_iter().collect();
    world.config(|text| text["environment"]["int"]["services"] = value(services));
    world.verified("int", NEW);
    let all = ["mds", "kv", "fbv", "remo"].map(|service| world.pinned("int", service));
    assert_eq!(all, [NEW, NEW, OLD, OLD]);
}
