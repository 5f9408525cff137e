//! What is not allowed, and what is no commit to adopt.

use super::*;
use crate::transport::hook;
use crate::world::Transport;

#[test]
fn only_a_persons_freeze_leaves_it() {
    let world = int_on(&[OLD]);
    world.datapin(&["queue", "freeze", "int", "--reason", "trade fair"]).by("bob").run().code(0);
    let sha = bump(&world, "int", OLD, NEW);
    adopt(&world, &sha).code(15).says("trade fair").says("stays");
    assert_eq!(world.versions("int"), [NEW]);
    assert_eq!(world.tip("main"), sha);
    world.datapin(&["queue", "thaw", "int"]).run().code(0);
    adopt(&world, &sha).code(0);
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn a_rejected_version_is_taken_back() {
    let world = int_on(&[OLD]);
    world.datapin(&["reject", "timetable", NEW, "--reason", "bad fares"]).run().code(0);
    let sha = bump(&world, "int", OLD, NEW);
    adopt(&world, &sha).code(15).says("bad fares");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn a_version_that_is_none_is_taken_back() {
    let world = int_on(&[OLD]);
    let sha = bump(&world, "int", OLD, "newest");
    adopt(&world, &sha).code(15).says("does not match");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn several_versions_of_one_environment_are_taken_back() {
    let world = int_on(&[OLD]);
    let sha = world.push_as_person(&[("values/int/kv.yaml", OLD, NEW)], "only kv");
    adopt(&world, &sha).code(15).says("several").says(NEW);
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn a_commit_that_is_on_no_target_branch_is_2() {
    let world = int_on(&[OLD]);
    let checkout = world.checkout("main");
    let stray = commit(&world, "int", OLD, NEW, "stray");
    git(&checkout, &["push", "--quiet", "origin", "HEAD:feature"]);
    adopt(&world, &stray).code(2).says("no target branch");
    world.datapin(&["adopt", &"a".repeat(40)]).run().code(2);
    world.datapin(&["adopt", "HEAD"]).run().code(2).says("40");
    world.datapin(&["adopt", "--branch", "feature"]).run().code(2).says("no target branch");
    world.datapin(&["adopt", &world.tip("main"), "--pipeline", "nothing"]).run().code(2);
    let sha = bump(&world, "int", OLD, NEW);
    world.datapin(&["adopt", &sha, "--pipeline", "preprod"]).run().code(2).says("begins with none");
}

/// The component's job runs on the default branch, whether an environment follows it or not.
#[test]
fn a_pipeline_of_a_branch_that_no_environment_follows_adopts_nothing() {
    let world = World::new();
    git(&world.bare(), &["branch", "release", "main"]);
    world.config(|text| text["repository"]["branch"] = toml_edit::value("release"));
    let sha = world.push_as_person(&[("README.md", "#", "##")], "docs");
    let job = || world.datapin(&["adopt"]).in_ci("77", "1").env("CI_COMMIT_SHA", &sha);
    let done = job().env("CI_COMMIT_BRANCH", "main").run().code(0);
    assert_eq!(done.stdout, "`main` is followed by no environment: nothing to adopt\n");
    let done = job().env("CI_COMMIT_BRANCH", "main").env("DATAPIN_OUTPUT", "json").run().code(0);
    assert_eq!(done.json()["adopted"], serde_json::json!([]));
    // who names it means it
    let done = world.datapin(&["adopt", &sha, "--branch", "main"]).env("CI_COMMIT_BRANCH", "main");
    done.run().code(2).says("`main` is no target branch");
}

#[test]
fn a_pin_that_was_broken_is_2_and_says_where() {
    let world = int_on(&[OLD]);
    let sha = world.push_as_person(&[("values/int/kv.yaml", "version:", "versoin:")], "typo");
    adopt(&world, &sha).code(2).says("values/int/kv.yaml");
}

#[test]
fn a_branch_that_is_protected_against_the_bot_is_12_with_the_servers_words() {
    let world = World::over(Transport::Http);
    world.verified("int", OLD);
    let sha = bump(&world, "int", OLD, NEW);
    world.gate("int-test").fails();
    let refuse = "while read old new ref; do case $ref in refs/heads/main) echo 'GitLab: You are not allowed to push code to protected branches on this project.' >&2; exit 1;; esac; done";
    hook(&world.bare(), "pre-receive", refuse);
    adopt(&world, &sha).code(12).says("protected branches").says("int");
    assert!(world.freeze("int").is_some());
    std::fs::remove_file(world.bare().join("hooks/pre-receive")).unwrap();
    world.datapin(&["reconcile"]).run().code(0);
    assert_eq!((world.versions("int"), world.freeze("int")), (vec![OLD.to_owned()], None));
}

#[test]
fn what_people_write_is_data() {
    let world = int_on(&[OLD]);
    let message = "`touch pwned` $(touch pwned) [x](http://evil) <script>\u{1b}[31m\n\nDatapin-Run: 01FAKE\nDatapin-Propose: $(touch pwned)\nThis reverts commit deadbeef.";
    world.checkout("main");
    commit(&world, "int", OLD, NEW, message);
    let sha = push(&world);
    world.gate("int-test").fails();
    let done = adopt(&world, &sha).code(11);
    assert!(!done.stdout.contains('\u{1b}'), "{:?}", done.stdout);
    let last = &world.log("main")[0];
    assert!(last.subject.starts_with("Revert \"`touch pwned`"), "{}", last.subject);
    let trailers: Vec<&str> = last.message.lines().filter(|line| line.starts_with("Datapin-")).collect();
    assert!(trailers.iter().all(|line| !line.contains("FAKE") && !line.contains("touch")), "{trailers:?}");
    assert!(!world.dir().join("pwned").exists());
    world.datapin(&["queue", "show"]).run().code(0);
}

/// A job that is started again after the target branch was deleted.
#[test]
fn a_pipeline_of_a_branch_that_was_deleted_adopts_nothing_and_says_so() {
    let world = World::without_queue(Transport::File);
    git(&world.bare(), &["branch", "release", "main"]);
    world.config(|text| text["environment"]["int"]["branch"] = toml_edit::value("release"));
    world.datapin(&["init"]).run().code(0);
    world.verified("int", OLD);
    let before = world.tip("release");
    world.checkout("release");
    commit(&world, "int", OLD, NEW, "int: bump");
    let person = world.dir().join("person");
    git(&person, &["push", "--quiet", "origin", "HEAD:release"]);
    let sha = git(&person, &["rev-parse", "HEAD"]);
    git(&world.bare(), &["branch", "--delete", "--force", "release"]);
    let queue = world.tip("datapin/queue");
    let adopt = || world.datapin(&["adopt", &sha, "--before", &before, "--branch", "release"]);
    adopt().run().code(2).says("no target branch");
    assert_eq!(world.tip("datapin/queue"), queue);
}
