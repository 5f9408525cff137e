//! `datapin propose`, as far as it needs no GitLab.

use super::*;

#[test]
fn a_draft_says_all_and_writes_nothing() {
    let world = int_on(&[OLD]);
    let tips = (world.tip("main"), world.tip("datapin/queue"));
    let done = world.datapin(&["propose", "int", NEW, "--dry-run"]).run().code(0);
    for words in [
        "datapin/propose/int-timetable → main",
        "data(int): timetable 2026.11.23-1",
        "1. `int`: gated by `int-test`",
        "+    version: \"2026.11.23-1\"",
        "mds, fbv, kv, remo: 2026.11.20-2 → 2026.11.23-1",
        "Datapin-Propose: int",
    ] {
        assert!(done.stdout.contains(words), "no `{words}` in\n{}", done.stdout);
    }
    assert_eq!((world.tip("main"), world.tip("datapin/queue")), tips);
}

#[test]
fn what_is_there_already_is_0() {
    let world = int_on(&[OLD]);
    world.datapin(&["propose", "int", OLD]).run().code(0).says("nothing to propose");
}

#[test]
fn what_may_not_be_deployed_is_not_proposed() {
    let world = int_on(&[OLD]);
    world.datapin(&["propose", "preprod", NEW]).run().code(15).says("requires");
    world.datapin(&["propose", "int", "latest"]).run().code(2).says("does not match");
    world.datapin(&["propose", "itn", NEW]).run().code(2).says("int");
    world.datapin(&["reject", "timetable", NEW, "--reason", "bad fares"]).run().code(0);
    world.datapin(&["propose", "int", NEW]).run().code(15).says("bad fares");
}

#[test]
fn what_is_frozen_is_not_proposed() {
    let world = int_on(&[OLD]);
    world.datapin(&["queue", "freeze", "int", "--reason", "fair"]).run().code(0);
    let tips = (world.tip("main"), world.tip("datapin/queue"));
    for args in [&["propose", "int", NEW][..], &["propose", "int", NEW, "--dry-run"]] {
        world.datapin(args).run().code(15).says("fair");
    }
    assert_eq!((world.tip("main"), world.tip("datapin/queue")), tips);
    let branches = git(&world.bare(), &["branch", "--list", "datapin/propose/*"]);
    assert_eq!(branches, "", "nothing was pushed");
    world.datapin(&["queue", "thaw", "int"]).run().code(0);
    world.datapin(&["propose", "int", NEW, "--dry-run"]).run().code(0);
}

#[test]
fn without_gitlab_it_is_2_and_with_the_token_of_a_job_3() {
    let world = int_on(&[OLD]);
    let branches = || git(&world.bare(), &["branch", "--list"]);
    let before = branches();
    world.datapin(&["propose", "int", NEW]).run().code(2);
    let job = world.datapin(&["propose", "int", NEW]).env("CI_SERVER_URL", "https://gitlab.example.com");
    let job = job.env("CI_PROJECT_ID", "7").env("CI_JOB_TOKEN", "glcbt-64_abcdefgh");
    job.run().code(3).says("CI_JOB_TOKEN cannot make merge requests");
    assert_eq!(branches(), before, "nothing was pushed");
}

#[test]
fn what_people_write_is_data_in_a_description() {
    let world = int_on(&[OLD]);
    world.config(|text| {
        text["dataset"]["timetable"]["version_pattern"] = toml_edit::value(".+");
    });
    let version = "1|`x` <b>@all</b> [a](http://evil) #1";
    let done =
        world.datapin(&["propose", "int", version, "--dry-run"]).by("*mallory* @root `rm`").run().code(0);
    let (head, _) = done.stdout.split_once("<details>").unwrap();
    for piece in head.split('`').step_by(2) {
        for bad in ["@all", "@root", "[a]", "<b>", "*mallory*"] {
            assert!(!piece.contains(bad), "`{bad}` is not in code: {head}");
        }
    }
}
