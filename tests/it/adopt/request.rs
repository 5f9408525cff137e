//! `datapin check` in the pipeline of a merge request, without a token: the verdict is the exit code.

use super::*;
use crate::world::Bot;

/// A person's branch from main; the commit that it began at.
pub(super) fn branch(world: &World, name: &str) -> String {
    let checkout = world.checkout("main");
    git(&checkout, &["checkout", "--quiet", "-B", name]);
    git(&checkout, &["rev-parse", "HEAD"])
}

pub(super) fn push_branch(world: &World, name: &str) -> String {
    let checkout = world.dir().join("person");
    git(&checkout, &["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{name}")]);
    git(&checkout, &["rev-parse", "HEAD"])
}

pub(super) fn checking(world: &World, name: &str, base: &str) -> Bot {
    world
        .datapin(&["check"])
        .env("CI_MERGE_REQUEST_IID", "12")
        .env("CI_MERGE_REQUEST_DIFF_BASE_SHA", base)
        .env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
        .env("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", name)
        .env("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "7")
        .env("CI_MERGE_REQUEST_PROJECT_ID", "7")
}

/// A merge request that bumps an environment.
fn bumped(world: &World, environment: &str, to: &str) -> Done {
    let base = branch(world, "bump");
    commit(world, environment, OLD, to, "bump");
    push_branch(world, "bump");
    checking(world, "bump", &base).run()
}

#[test]
fn a_bump_that_would_work_is_0_and_says_what_it_would_do() {
    let world = int_on(&[OLD]);
    let tips = (world.tip("main"), world.tip("datapin/queue"));
    let done = bumped(&world, "int", NEW).code(0).says("timetable 2026.11.23-1 through pipeline int");
    done.says("int/kv values/int/kv.yaml:data.timetable.version: 2026.11.20-2 → 2026.11.23-1")
        .says("no note");
    assert_eq!((world.tip("main"), world.tip("datapin/queue")), tips, "it writes nothing");
}

#[test]
fn json_says_the_same() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "bump");
    commit(&world, "int", OLD, NEW, "bump");
    push_branch(&world, "bump");
    let done = checking(&world, "bump", &base).env("DATAPIN_OUTPUT", "json").run().code(0);
    let json = done.json();
    assert_eq!(json["merge_request"]["exit"], 0, "{json:#}");
    assert_eq!(json["merge_request"]["changes"].as_array().unwrap().len(), 4, "{json:#}");
}

#[test]
fn what_changes_no_pin_is_0() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "docs");
    let checkout = world.dir().join("person");
    std::fs::write(checkout.join("README.md"), "new").unwrap();
    git(&checkout, &["commit", "--quiet", "--all", "--message", "docs"]);
    push_branch(&world, "docs");
    checking(&world, "docs", &base).run().code(0).says("changes no pin");
}

#[test]
fn pins_and_other_files_are_2() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "bump");
    let checkout = world.dir().join("person");
    std::fs::write(checkout.join("README.md"), "new").unwrap();
    commit(&world, "int", OLD, NEW, "bump");
    push_branch(&world, "bump");
    checking(&world, "bump", &base).run().code(2).says("README.md");
}

#[test]
fn another_value_in_the_same_file_is_another_change_too() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "bump");
    let path = world.dir().join("person/values/int/mds.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("4.12.0", "4.13.0")).unwrap();
    commit(&world, "int", OLD, NEW, "bump");
    push_branch(&world, "bump");
    checking(&world, "bump", &base).run().code(2).says("values/int/mds.yaml");
}

#[test]
fn a_settable_value_goes_with_a_bump() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "bump");
    let path = world.dir().join("person/values/int/mds.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("size: 512", "size: 1024")).unwrap();
    commit(&world, "int", OLD, NEW, "bump");
    push_branch(&world, "bump");
    checking(&world, "bump", &base).run().code(0).says("cache.size: 512 → 1024");
}

#[test]
fn two_versions_several_environments_and_no_version_are_2() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "two");
    let path = world.dir().join("person/values/int/kv.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(OLD, MID)).unwrap();
    git(&world.dir().join("person"), &["commit", "--quiet", "--all", "--message", "only kv"]);
    push_branch(&world, "two");
    checking(&world, "two", &base).run().code(2).says("several").says(MID);
    let base = branch(&world, "both");
    commit(&world, "int", OLD, NEW, "int");
    commit(&world, "abn", OLD, NEW, "abn");
    push_branch(&world, "both");
    checking(&world, "both", &base).run().code(2).says("several environments");
    bumped(&world, "int", "latest").code(2).says("does not match");
}

#[test]
fn environments_of_one_stage_go_together() {
    let world = World::new();
    let base = branch(&world, "dt");
    commit(&world, "dt", OLD, NEW, "dt");
    commit(&world, "total-dt", OLD, NEW, "total-dt");
    push_branch(&world, "dt");
    checking(&world, "dt", &base).run().code(0).says("pipeline data-test");
}

#[test]
fn frozen_rejected_and_required_are_15() {
    let world = int_on(&[OLD]);
    bumped(&world, "abn", NEW).code(15).says("requires");
    world.datapin(&["queue", "freeze", "int", "--reason", "fair"]).run().code(0);
    bumped(&world, "int", NEW).code(15).says("fair");
    world.datapin(&["queue", "thaw", "int"]).run().code(0);
    world.datapin(&["reject", "timetable", NEW, "--reason", "bad fares"]).run().code(0);
    bumped(&world, "int", NEW).code(15).says("bad fares");
}

#[test]
fn a_plain_revert_is_0_and_called_a_rollback() {
    let world = int_on(&[OLD, NEW]);
    let base = branch(&world, "back");
    git(&world.dir().join("person"), &["revert", "--no-edit", "HEAD"]);
    push_branch(&world, "back");
    checking(&world, "back", &base)
        .run()
        .code(0)
        .says("a rollback of int")
        .says("2026.11.23-1 is rejected there");
}

#[test]
fn a_fork_is_15_and_a_broken_pin_2() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "bump");
    commit(&world, "int", OLD, NEW, "bump");
    push_branch(&world, "bump");
    let fork = checking(&world, "bump", &base).env("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "8");
    fork.run().code(15).says("fork");
    let base = branch(&world, "typo");
    let path = world.dir().join("person/values/int/kv.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("version:", "versoin:")).unwrap();
    git(&world.dir().join("person"), &["commit", "--quiet", "--all", "--message", "typo"]);
    push_branch(&world, "typo");
    checking(&world, "typo", &base).run().code(2).says("values/int/kv.yaml");
}

/// The pipeline ran for a commit of the branch: that is what is judged, not what was pushed since.
#[test]
fn the_commit_of_the_pipeline_is_judged_and_of_a_merged_result_the_branch() {
    let world = int_on(&[OLD]);
    let base = branch(&world, "bump");
    commit(&world, "int", OLD, "latest", "one");
    let first = push_branch(&world, "bump");
    commit(&world, "int", "latest", NEW, "two");
    push_branch(&world, "bump");
    checking(&world, "bump", &base).run().code(0).says(NEW);
    checking(&world, "bump", &base).env("CI_COMMIT_SHA", &first).run().code(2).says("does not match");
    // a pipeline for the merged result runs for a commit that is on no branch
    checking(&world, "bump", &base).env("CI_COMMIT_SHA", &"b".repeat(40)).run().code(0).says(NEW);
}

#[test]
fn what_is_not_there_is_2() {
    let world = int_on(&[OLD]);
    let base = world.tip("main");
    checking(&world, "gone", &base).run().code(2).says("gone");
    checking(&world, "main", &"a".repeat(40)).run().code(2).says("began at");
    world.datapin(&["check", "--merge-request", "12"]).run().code(2).says("CI_MERGE_REQUEST_DIFF_BASE_SHA");
    let odd = "$(touch pwned);`x`";
    checking(&world, odd, &base).run().code(2);
    assert!(!world.dir().join("pwned").exists());
}

#[test]
fn a_job_that_is_too_short_is_named() {
    let world = int_on(&[OLD]);
    let done = world.datapin(&["check"]).env("CI_JOB_TIMEOUT", "60").run().code(0);
    let done = done.says("pipeline `preprod` may take").says("CI_JOB_TIMEOUT");
    assert!(done.stdout.contains("killed after 1 min"), "{}", done.stdout);
    // what the runs take fits into two hours, what they wait before does not
    let done = world.datapin(&["check"]).env("CI_JOB_TIMEOUT", "7200").run().code(0);
    done.says("pipeline `preprod` may take").says("after 2 h 0 min in the queue (max_wait)");
    let day = || world.datapin(&["check"]).env("CI_JOB_TIMEOUT", "86400").run().code(0);
    let done = day();
    assert!(!done.stdout.contains("warning"), "{}", done.stdout);
    // a copy takes its time, too
    crate::aws::promoted::from_int(&world);
    crate::aws::promoted::within(&world, "23h");
    let done = day().says("pipeline `preprod` may take").says("(promote, sync_timeout");
    assert!(done.stdout.contains("killed after 24 h 0 min"), "{}", done.stdout);
}

/// Another configuration, in which an environment is new.
fn with_new_environment(world: &World, name: &str) -> std::path::PathBuf {
    world.another_config(name, |text| {
        let mut new = text["environment"]["int"].clone();
        new["services"] = toml_edit::value(["mds"].into_iter().collect::<toml_edit::Array>());
        text["environment"]["play-new"] = new;
    })
}

/// The person's checkout gets a file, which is committed.
fn adds(world: &World, file: &str, text: &str) {
    let checkout = world.dir().join("person");
    let path = checkout.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    git(&checkout, &["add", "--all"]);
    git(&checkout, &["commit", "--quiet", "--message", file]);
}

/// On its target's tip the new pin is not there.
#[test]
fn a_request_that_adds_an_environment_is_looked_at_as_it_is() {
    let world = int_on(&[OLD]);
    let config = with_new_environment(&world, "new.toml");
    let base = branch(&world, "new");
    let mds = world.file("main", "values/int/mds.yaml").unwrap();
    adds(&world, "values/play-new/mds.yaml", &mds);
    push_branch(&world, "new");
    let done = checking(&world, "new", &base).config(Some(&config)).run().code(0);
    done.says("0 problems").says("changes no pin");
    world.datapin(&["check"]).config(Some(&config)).run().code(2).says("values/play-new/mds.yaml");
}

/// What the configuration names and the request forgets was not there before either: no reason to let it pass.
#[test]
fn a_request_that_adds_an_environment_without_its_files_is_2() {
    let world = int_on(&[OLD]);
    let config = with_new_environment(&world, "new.toml");
    let base = branch(&world, "new");
    adds(&world, "ci/new.toml", &std::fs::read_to_string(&config).unwrap());
    push_branch(&world, "new");
    checking(&world, "new", &base).config(Some(&config)).run().code(2).says("values/play-new/mds.yaml");
}

const BREAK: (&str, &str, &str) = ("values/play-test/kv.yaml", "version:", "versoin:");

#[test]
fn a_request_that_mends_a_pin_is_0() {
    let world = int_on(&[OLD]);
    world.push_as_person(&[BREAK], "typo");
    world.datapin(&["check"]).run().code(2).says(BREAK.0);
    let base = branch(&world, "mend");
    git(&world.dir().join("person"), &["revert", "--no-edit", "HEAD"]);
    push_branch(&world, "mend");
    checking(&world, "mend", &base).run().code(0).says("0 problems");
}

#[test]
fn what_was_unreadable_before_the_request_is_a_warning() {
    let world = int_on(&[OLD]);
    world.push_as_person(&[BREAK], "typo");
    let done = bumped(&world, "int", NEW).code(0).says("timetable 2026.11.23-1 through pipeline int");
    done.says("warning: play-test").says("leaves it as it was");
    // one more that breaks there is the request's own
    let base = branch(&world, "worse");
    let path = world.dir().join("person/values/play-test/mds.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("version:", "versoin:")).unwrap();
    git(&world.dir().join("person"), &["commit", "--quiet", "--all", "--message", "worse"]);
    push_branch(&world, "worse");
    checking(&world, "worse", &base).run().code(2).says("a pin would not be readable");
}

/// A merge leaves the version that the target is on by now, and not the one that the branch began with.
#[test]
fn what_the_request_does_not_change_is_as_its_target_has_it() {
    let world = int_on(&[OLD, NEW]);
    let base = branch(&world, "size");
    let path = world.dir().join("person/values/int/mds.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("size: 512", "size: 1024")).unwrap();
    git(&world.dir().join("person"), &["commit", "--quiet", "--all", "--message", "more"]);
    push_branch(&world, "size");
    checking(&world, "size", &base).run().code(0).says(&format!("timetable {NEW} through"));
    world.datapin(&["rollback", "int", "--reject"]).run().code(0);
    let done = checking(&world, "size", &base).run().code(0).says(&format!("timetable {OLD} through"));
    let done = done.says("cache.size: 512 → 1024");
    assert!(!done.stdout.contains(NEW), "{}", done.stdout);
    // what it changes itself counts as it says
    let base = branch(&world, "again");
    commit(&world, "int", OLD, NEW, "again");
    push_branch(&world, "again");
    checking(&world, "again", &base).run().code(15).says("rejected");
}

#[test]
fn two_datasets_of_one_environment_are_named() {
    let world = int_on(&[OLD]);
    more_datasets(&world, &[("images", "mds", "images")]);
    let base = branch(&world, "both");
    let path = world.dir().join("person/values/int/mds.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("4.12.0", "4.13.0")).unwrap();
    commit(&world, "int", OLD, NEW, "both");
    push_branch(&world, "both");
    let done = checking(&world, "both", &base).run().code(2);
    done.says("images in int").says("timetable in int");
}
