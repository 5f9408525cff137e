//! Harm to one request, or to many.

use super::proxy::{Harm, Kind};
use super::*;
use crate::world::{NEW, QUEUE};

fn to(branch: &'static str) -> impl Fn(&Kind) -> bool {
    move |kind| *kind == Kind::Push(branch.to_owned())
}

/// The key case: the server took the push, and we do not hear of it. One commit, and the run goes on.
#[test]
fn the_answer_to_a_push_of_the_pins_is_lost() {
    for harm in [Harm::CutAfter, Harm::CutWithin] {
        let line = Line::new();
        line.proxy.harm(0, 1, harm, to("main"));
        line.world.datapin(&["deploy", "int", NEW]).run().code(0);
        assert_eq!(line.proxy.behave(), [Kind::Push("main".to_owned())]);
        ended(&line.world, NEW, "verified");
        assert_eq!(
            count(&line.world, &format!("data(int): timetable {NEW}")),
            1,
            "{:?}",
            line.world.subjects()
        );
        assert_eq!(line.world.versions("int"), [NEW]);
    }
}

#[test]
fn the_answer_to_a_push_of_the_revert_is_lost() {
    let line = Line::new();
    line.world.gate("int-test").fails();
    line.proxy.harm(1, 1, Harm::CutAfter, to("main"));
    line.world.datapin(&["deploy", "int", NEW]).run().code(11);
    assert_eq!(line.proxy.behave().len(), 1);
    ended(&line.world, NEW, "rolled-back");
    let subjects = line.world.subjects();
    assert_eq!(subjects.iter().filter(|subject| subject.starts_with("Revert")).count(), 1, "{subjects:?}");
    assert_eq!(line.world.versions("int"), [OLD]);
}

/// Every answer to a push of the queue is lost: each change is written once all the same.
#[test]
fn every_answer_to_a_push_of_the_queue_is_lost() {
    let line = Line::new();
    line.proxy.harm(0, usize::MAX, Harm::CutAfter, to(QUEUE));
    let before = line.world.log(QUEUE).len();
    line.world.datapin(&["deploy", "int", NEW]).run().code(0);
    let harmed = line.proxy.behave().len();
    let subjects: Vec<String> = line.world.log(QUEUE).into_iter().map(|commit| commit.subject).collect();
    let new = &subjects[..subjects.len() - before];
    assert!(harmed >= new.len(), "{harmed} pushes, {new:?}");
    for word in ["enters", "starts", "pin ", "verified"] {
        let count = new.iter().filter(|subject| subject.contains(word)).count();
        assert!(count == 1 || (word == "verified" && count == 2), "`{word}` {count} times in {new:#?}");
    }
    ended(&line.world, NEW, "verified");
    assert_eq!(line.world.queue().history.len(), 2);
}

/// The push did not come through, and is made again.
#[test]
fn a_push_is_cut_on_its_way_there() {
    let line = Line::new();
    line.proxy.harm(0, 2, Harm::CutBefore, to("main"));
    line.world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(line.proxy.behave().len(), 2);
    ended(&line.world, NEW, "verified");
    assert_eq!(count(&line.world, &format!("data(int): timetable {NEW}")), 1);
}

#[test]
fn the_server_answers_with_errors_for_a_while() {
    for status in ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"] {
        let line = Line::new();
        let mut running = hanging(&line.world, NEW);
        line.proxy.harm(0, 6, Harm::Answer(status), |_| true);
        line.world.gate("int-test").passes();
        assert!(running.runs());
        running.wait(LONG).code(0);
        assert_eq!(line.proxy.behave().len(), 6, "{status}");
        ended(&line.world, NEW, "verified");
    }
}

/// Before anything is written: safe to repeat.
#[test]
fn the_server_answers_with_errors_from_the_start() {
    let line = Line::new();
    let (main, queue) = (line.world.tip("main"), line.world.tip(QUEUE));
    for status in [
        "500 Internal Server Error",
        "503 Service Unavailable",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
    ] {
        line.proxy.harm(0, usize::MAX, Harm::Answer(status), |_| true);
        let done = line.world.datapin(&["deploy", "int", NEW]).run().code(3);
        assert!(!done.stderr.is_empty());
        line.proxy.behave();
    }
    assert_eq!((line.world.tip("main"), line.world.tip(QUEUE)), (main, queue));
    line.world.verified("int", NEW);
}

#[test]
fn everything_is_slow() {
    let line = Line::new();
    line.proxy.harm(0, usize::MAX, Harm::Drip, |_| true);
    line.world.datapin(&["deploy", "int", NEW]).run().code(0);
    line.proxy.behave();
    line.proxy
        .harm(0, usize::MAX, Harm::Delay(Duration::from_millis(700)), |kind| matches!(kind, Kind::Push(_)));
    line.world.datapin(&["deploy", "int", LATER]).run().code(0);
    ended(&line.world, LATER, "verified");
    assert_eq!(count(&line.world, &format!("data(int): timetable {LATER}")), 1);
}

/// The token is not good any more once the pins are there: everything is taken back when it is good again, by
/// this process or by the next one.
#[test]
fn the_token_expires_after_the_pins_are_pushed() {
    let line = Line::new();
    line.world.ttl("3s");
    let running = hanging(&line.world, NEW);
    line.proxy.harm(0, usize::MAX, Harm::Answer("401 Unauthorized"), |_| true);
    line.world.gate("int-test").passes();
    let done = running.wait(LONG).code(19);
    assert!(done.stderr.contains("reconcile"), "{}", done.stderr);
    assert_eq!(line.world.versions("int"), [NEW]);
    line.world.datapin(&["reconcile"]).by("bob").run().code(3);
    line.proxy.behave();
    line.world.datapin(&["reconcile"]).by("bob").run().code(0);
    ended(&line.world, NEW, "rolled-back");
    assert_eq!(line.world.versions("int"), [OLD]);
}

/// A push that was refused once, after it was sent, is asked about and made again: one commit.
#[test]
fn one_push_is_refused_after_it_was_sent() {
    let line = Line::new();
    line.proxy.harm(0, 1, Harm::Answer("401 Unauthorized"), to("main"));
    line.world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(line.proxy.behave().len(), 1);
    ended(&line.world, NEW, "verified");
    assert_eq!(count(&line.world, &format!("data(int): timetable {NEW}")), 1);
}
