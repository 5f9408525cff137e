//! What people and machines read.

use serde_json::Value;

use crate::world::{Done, NEW, OLD, World};

/// int is on [`OLD`], then a run to [`NEW`] failed.
fn world() -> World {
    let world = World::new();
    world.verified("int", OLD);
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(11);
    world.gate("int-test").passes();
    world
}

fn escapes(done: &Done) -> bool {
    done.stdout.contains('\u{1b}') || done.stderr.contains('\u{1b}')
}

#[test]
fn a_run_as_json_lines() {
    let world = World::new();
    let done = world.datapin(&["deploy", "int", NEW, "--output", "json"]).run().code(0);
    let lines = done.json_lines();
    let kinds: Vec<String> = lines
        .iter()
        .map(|line| {
            assert_eq!(line["schema"], 1, "{line}");
            line["event"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    let position = |kind: &str| {
        kinds.iter().position(|one| one == kind).unwrap_or_else(|| panic!("no {kind}: {kinds:?}"))
    };
    let order = [
        "entered",
        "started",
        "checked",
        "stage",
        "pinned",
        "gate-began",
        "gate-ended",
        "verified",
        "finished",
    ];
    assert!(order.windows(2).all(|pair| position(pair[0]) < position(pair[1])), "{kinds:?}");
    let last = lines.last().unwrap();
    assert_eq!((&last["exit"], &last["outcome"]), (&0.into(), &"verified".into()), "{last:#}");
    assert!(!escapes(&done));
}

#[test]
fn a_failed_run_says_its_exit_code_as_json() {
    let world = World::new();
    world.verified("int", OLD);
    world.service("int", "kv").breaks_on(NEW);
    let done = world.datapin(&["deploy", "int", NEW, "--output", "json"]).run().code(10);
    let lines = done.json_lines();
    let last = lines.last().unwrap();
    assert_eq!(last["exit"], 10, "{last:#}");
    assert!(last.to_string().contains("kv cannot load"), "{last:#}");
}

#[test]
fn history_as_text_and_json() {
    let world = world();
    let text = world.datapin(&["history"]).run().code(0);
    for word in [OLD, NEW, "verified", "rolled back", "anna", "3 connections have no fare"] {
        assert!(text.stdout.contains(word), "no `{word}` in\n{}", text.stdout);
    }
    let json = world.datapin(&["history", "--output", "json"]).run().code(0).json();
    assert_eq!(json["schema"], 1);
    let runs = runs(&json);
    assert_eq!(runs.len(), 2, "{json:#}");
    assert_eq!(runs[0]["version"], NEW, "newest first: {json:#}");
    let one = world.datapin(&["history", "-n", "1", "--output", "json"]).run().code(0).json();
    assert_eq!(self::runs(&one).len(), 1, "{one:#}");
    let other = world.datapin(&["history", "--environment", "prd", "--output", "json"]).run().code(0).json();
    assert_eq!(self::runs(&other).len(), 0, "{other:#}");
}

fn runs(json: &Value) -> Vec<Value> {
    let lists = json.as_object().unwrap().values();
    lists.filter_map(Value::as_array).next().unwrap_or_else(|| panic!("no list in {json:#}")).clone()
}

#[test]
fn status_as_text_and_json() {
    let world = world();
    world.push_as_person(&[("values/int/kv.yaml", OLD, "2026.11.22-1")], "try kv");
    world.datapin(&["queue", "freeze", "abn", "--reason", "trade fair"]).run().code(0);
    world.datapin(&["reject", "timetable", NEW, "--environment", "int", "--reason", "bad"]).run().code(0);
    let text = world.datapin(&["status"]).run().code(0);
    for word in ["int", "prd", "never", "trade fair", "kv holds 2026.11.22-1", NEW] {
        assert!(text.stdout.contains(word), "no `{word}` in\n{}", text.stdout);
    }
    let json = world.datapin(&["status", "--output", "json"]).run().code(0).json();
    assert_eq!(json["schema"], 1);
    assert_eq!(runs(&json).len(), 9, "one entry an environment: {json:#}");
    let only = world.datapin(&["status", "--environment", "int", "--output", "json"]).run().code(0).json();
    assert_eq!(runs(&only).len(), 1);
    world.datapin(&["status", "--environment", "itn"]).run().code(2).says("int");
}

#[test]
fn the_queue_as_text_and_json() {
    let world = world();
    world.datapin(&["queue", "freeze", "int", "--reason", "trade fair"]).run().code(0);
    let json = world.datapin(&["queue", "show", "--output", "json"]).run().code(0).json();
    assert_eq!(json["schema"], 1);
    assert!(json.to_string().contains("trade fair"), "{json:#}");
    world.datapin(&["queue", "show"]).run().code(0).says("trade fair");
    world.datapin(&["queue", "show", "--queue", "other"]).run().code(2).says("other");
}

#[test]
fn colours_in_gitlab_unless_no_color() {
    let world = World::new();
    let plain = world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert!(!escapes(&plain), "{}", plain.stdout);
    let coloured = world.datapin(&["status"]).env("GITLAB_CI", "true").run().code(0);
    assert!(escapes(&coloured), "{}", coloured.stdout);
    let asked = world.datapin(&["status"]).env("GITLAB_CI", "true").env("NO_COLOR", "1").run().code(0);
    assert!(!escapes(&asked), "{}", asked.stdout);
    let error = world.datapin(&["deploy", "nothing", NEW]).env("NO_COLOR", "1").run().code(2);
    assert!(!escapes(&error), "{}", error.stderr);
}

#[test]
fn gitlab_folds_each_stage() {
    let world = World::new();
    let done = world.datapin(&["deploy", "int", NEW]).env("GITLAB_CI", "true").in_ci("77", "1").run().code(0);
    let count = |word: &str| done.stdout.matches(word).count();
    assert!(count("section_start:") >= 2, "stage and gates: {}", done.stdout);
    assert_eq!(count("section_start:"), count("section_end:"), "{}", done.stdout);
}

#[test]
fn check_counts_what_resolves() {
    let world = World::new();
    world.datapin(&["check"]).run().code(0).says("0 problems");
    let json = world.datapin(&["check", "--output", "json"]).run().code(0).json();
    assert_eq!(json["problems"], Value::Array(Vec::new()), "{json:#}");
    world.push_as_person(&[("values/int/kv.yaml", "  timetable:", "  timetables:")], "a typo");
    world.datapin(&["check"]).run().code(2).says("values/int/kv.yaml");
    let tip = world.tip("main");
    world.datapin(&["deploy", "int", NEW]).run().code(2).says("values/int/kv.yaml");
    assert_eq!(world.tip("main"), tip);
}
