//! A revert that the server refuses to datapin: a merge request has it, and its merge by a person ends the freeze.

use super::gitlab::Place;
use super::*;
use crate::gitlab_server::{MergeMethod, Role};
use crate::transport::hook;
use crate::world::{Transport, World};

/// What a protected branch says to the bot.
const PROTECTED: &str = "while read old new ref; do case $ref in refs/heads/main) echo 'GitLab: You are not allowed to push code to protected branches on this project.' >&2; exit 1;; esac; done";
/// A push rule that lets pins through, and no way back.
const RULE: &str = "while read old new ref; do case \"$ref $(git log -1 --format=%s $new)\" in 'refs/heads/main Revert'*|'refs/heads/main Restore'*) echo 'GitLab: Commit message does not follow the pattern' >&2; exit 1;; esac; done";
/// Nobody may push anything but the queue.
const CLOSED: &str = "while read old new ref; do case $ref in refs/heads/datapin/queue) ;; *) echo 'GitLab: the project is read-only' >&2; exit 1;; esac; done";

/// int was verified on [`OLD`], its gate fails from now on.
fn place() -> Place {
    let world = World::over(Transport::Http).with_chat();
    world.verified("int", OLD);
    world.gate("int-test").fails();
    Place::of(world)
}

/// A person's bump, which may not be taken back.
fn bumped(place: &Place) -> String {
    let sha = bump(&place.world, "int", OLD, NEW);
    hook(&place.world.bare(), "pre-receive", PROTECTED);
    sha
}

fn why(place: &Place) -> String {
    place.world.freeze("int").expect("it is frozen")["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_merge_request_has_it_and_its_merge_thaws() {
    for method in [MergeMethod::MergeCommit, MergeMethod::Squash, MergeMethod::FastForward] {
        let place = place();
        place.server.state().project(place.project).method = method;
        let sha = bumped(&place);
        let done = place.bot(&["adopt", &sha, "--before", ZEROS]).run().code(12);
        done.says("protected branches").says("merge request !1 has the revert");
        assert!(why(&place).contains("merge request !1 has the revert (http"), "{}", why(&place));
        let chat = format!("{:?}", place.world.chat().messages());
        assert!(chat.contains("has the revert (http"), "{chat}");
        ended(&place.world, NEW, "rollback-failed");
        let request = place.request(1);
        assert_eq!(
            (&request.state[..], &request.target_branch[..], &request.title[..]),
            ("opened", "main", "Revert ·int: use 2026.11.23-1·")
        );
        assert_eq!(place.world.versions("int"), [NEW], "nothing is on main yet");
        assert_eq!(place.world.pinned_on(&request.source_branch, "int", "kv"), OLD);
        place.check(1).code(0).says("a rollback of int to timetable 2026.11.20-2");
        let merged = place.merge(1);
        place.adopt(&merged).code(0).says("rollback by ");
        assert_eq!(place.world.freeze("int"), None, "{method:?}");
        assert_eq!(place.world.verified_on("int").as_deref(), Some(OLD));
        assert_eq!((rejected(&place.world, "int"), place.requests()), (vec![NEW.to_owned()], 1));
    }
}

#[test]
fn that_of_a_run_of_its_own_is_finished_by_reconcile_too() {
    let place = place();
    hook(&place.world.bare(), "pre-receive", RULE);
    place.bot(&["deploy", "int", NEW]).run().code(12).says("does not follow the pattern").says("!1 has");
    let request = place.request(1);
    let message = git(&place.world.bare(), &["log", "-1", "--format=%B", &request.source_branch]);
    assert!(message.contains("This reverts commit ") && message.contains("Datapin-Run: "), "{message}");
    // it is not merged yet: it stays frozen, and is asked for once
    place.bot(&["reconcile"]).run().code(12);
    assert_eq!((place.requests(), place.request(1).state.as_str()), (1, "opened"));
    place.merge(1);
    place.bot(&["reconcile"]).run().code(0);
    assert_eq!((place.world.versions("int"), place.world.freeze("int")), (vec![OLD.to_owned()], None));
}

#[test]
fn without_the_right_to_make_one_the_rollback_fails_and_says_which() {
    let place = place();
    let sha = bumped(&place);
    let poor = place.server.token("poor", Role::Developer, &["read_api"]);
    let adopt = || place.bot(&["adopt", &sha, "--before", ZEROS]);
    adopt().env("DATAPIN_GITLAB_TOKEN", &poor).run().code(12).says("no merge request with the revert: ");
    assert!(why(&place).contains("this needs a token with the scope `api`"), "{}", why(&place));
    let place = self::place();
    let sha = bumped(&place);
    let job = place.server.job_token(place.project);
    let adopt = place.bot(&["adopt", &sha, "--before", ZEROS]).env("DATAPIN_GITLAB_TOKEN", "");
    adopt.env("CI_JOB_TOKEN", &job).run().code(12).says("CI_JOB_TOKEN cannot make merge requests");
    assert_eq!(place.requests(), 0);
}

#[test]
fn a_server_that_takes_no_branch_at_all_is_told_of() {
    let place = place();
    let sha = bump(&place.world, "int", OLD, NEW);
    hook(&place.world.bare(), "pre-receive", CLOSED);
    let done = place.bot(&["adopt", &sha, "--before", ZEROS]).run().code(12);
    done.says("the project is read-only").says("revert int on `main` by hand");
    assert_eq!(place.requests(), 0);
}
