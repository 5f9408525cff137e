//! Merge requests: what `propose` opened is checked by the component's job, merged by a person, and adopted by its job.

use super::GitLab;
use super::place::Place;
use super::runs::ONE_JOB;
use crate::transport::git;
use crate::world::{NEW, OLD};

/// The page that the job leaves tells of the run.
#[track_caller]
pub(super) fn is_report(html: &str, words: &[&str]) {
    assert!(html.starts_with("<!doctype html>") || html.starts_with("<!DOCTYPE html>"), "{html:.100}");
    for word in words {
        assert!(html.contains(word), "the report does not say {word:?}");
    }
}

#[test]
fn proposed_checked_merged_and_adopted_by_the_jobs() {
    let place = Place::new();
    let Some(gitlab) = GitLab::new(&place.world, ONE_JOB) else { return };
    place.bot(&["propose", "int", NEW]).run().code(0).says("opened !1");
    let checked = gitlab.run(&place.of_request(1));
    assert_eq!(checked.ends(), [("datapin-check".to_owned(), "PASS".to_owned())], "{}", checked.output);
    assert!(checked.output.contains("the note on !1 says so"), "{}", checked.output);
    assert!(place.notes(1)[0].contains("through pipeline int"), "{:?}", place.notes(1));
    // pushed again: the same note
    gitlab.run(&place.of_request(1));
    assert_eq!(place.notes(1).len(), 1);
    let before = place.merge(1);
    let adopted = gitlab.run(&place.of_push("main", &before));
    assert_eq!(adopted.ends(), [("datapin-adopt".to_owned(), "PASS".to_owned())], "{}", adopted.output);
    assert_eq!(place.world.verified_on("int").as_deref(), Some(NEW));
    let notes = place.notes(1);
    assert!(notes.len() == 2 && notes[1].contains("datapin: verified"), "{notes:?}");
    is_report(&gitlab.artifact("datapin-adopt", "datapin-report.html"), &[NEW, "mds", "remo", "int-test"]);
}

#[test]
fn what_the_gate_refuses_is_taken_back_by_the_job_and_told() {
    let place = Place::new();
    let Some(gitlab) = GitLab::new(&place.world, ONE_JOB) else { return };
    place.bot(&["propose", "int", NEW]).run().code(0);
    let before = place.merge(1);
    place.world.gate("int-test").fails();
    let adopted = gitlab.run(&place.of_push("main", &before));
    assert!(!adopted.succeeded && adopted.output.contains("FAIL 11"), "{}", adopted.output);
    assert_eq!(place.world.versions("int"), [OLD]);
    assert!(place.notes(1)[0].contains("rolled back"), "{:?}", place.notes(1));
    let report = gitlab.artifact("datapin-adopt", "datapin-report.html");
    is_report(&report, &[NEW, "3 connections have no fare"]);
    // datapin's own revert is a push too: there is nothing to adopt
    let own = gitlab.run(&place.of_push("main", &place.world.log("main")[1].id));
    assert!(own.succeeded && own.output.contains("nothing to adopt"), "{}", own.output);
}

#[test]
fn a_merge_request_that_may_not_be_fails_its_job_with_the_reason_in_the_note() {
    let place = Place::new();
    let Some(gitlab) = GitLab::new(&place.world, ONE_JOB) else { return };
    place.bot(&["propose", "int", NEW]).run().code(0);
    place.world.datapin(&["reject", "timetable", NEW, "--reason", "bad fares"]).run().code(0);
    let checked = gitlab.run(&place.of_request(1));
    assert!(!checked.succeeded && checked.output.contains("FAIL 15"), "{}", checked.output);
    assert!(place.notes(1)[0].contains("bad fares"), "{:?}", place.notes(1));
    let mut forked = place.of_request(1);
    for (name, value) in &mut forked {
        if name == "CI_MERGE_REQUEST_SOURCE_PROJECT_ID" {
            "4711".clone_into(value);
        }
    }
    let checked = gitlab.run(&forked);
    assert!(checked.output.contains("FAIL 15") && checked.output.contains("fork"), "{}", checked.output);
    assert_eq!(place.notes(1).len(), 1, "updated in place");
}

/// What people call their branches, and write into messages, is data in every shell, note and message.
#[test]
fn branch_names_and_messages_with_shell_and_markdown_do_nothing() {
    let place = Place::new();
    let Some(gitlab) = GitLab::new(&place.world, ONE_JOB) else { return };
    let branch = "x$(id>pwned)`id>pwned`;<b>@all|<script>!1#2";
    let message =
        "$(touch pwned) `touch pwned`\n\n<script>@all</script> \u{1b}[31m ${CI_JOB_TOKEN} [x](http://evil)";
    let checkout = place.world.checkout("main");
    git(&checkout, &["checkout", "--quiet", "-B", "hostile"]);
    for service in ["mds", "fbv", "kv", "remo"] {
        let path = checkout.join(format!("values/int/{service}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen(OLD, NEW, 1)).unwrap();
    }
    git(&checkout, &["commit", "--quiet", "--all", "--message", message]);
    git(&checkout, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
    let iid = place.request(branch);
    let checked = gitlab.run(&place.of_request(iid));
    assert!(checked.succeeded, "{}", checked.output);
    let before = place.merge(iid);
    place.world.gate("int-test").fails();
    let adopted = gitlab.run(&place.of_push("main", &before));
    assert!(adopted.output.contains("FAIL 11"), "{}", adopted.output);
    assert!(!adopted.output.contains("\u{1b}[31m"), "{:?}", adopted.output);
    for note in place.notes(iid) {
        for piece in note.split('`').step_by(2) {
            for bad in ["@all", "<b>", "<script>", "](http://evil)"] {
                assert!(!piece.contains(bad), "`{bad}` is not in code: {note}");
            }
        }
    }
    for dir in [place.world.dir().to_owned(), gitlab.checkout.clone(), place.world.bare()] {
        assert!(!dir.join("pwned").exists(), "{}", dir.display());
    }
    let report = gitlab.artifact("datapin-adopt", "datapin-report.html");
    assert!(!report.contains("<script>@all") && !report.contains("<b>@all"), "{report}");
}
