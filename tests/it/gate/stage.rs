use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use datapin::config::{Gate, Requirement};
use datapin::gate::{GateEvent, GateRunner, Report, run_stage};
use datapin::queue::Verdict;

use super::{command, eventually, facts, is_gone, runner};

fn sh(name: &str, body: &str) -> Gate {
    command(name, &["sh", "-c", body])
}

fn after(gate: Gate, names: &[&str]) -> Gate {
    Gate { after: super::words(names), ..gate }
}

fn optional(gate: Gate) -> Gate {
    Gate { requirement: Requirement::AllowedToFail, ..gate }
}

/// Verdicts with summaries by gate, and the events as words.
async fn stage(gates: &[Gate]) -> (Vec<String>, Vec<String>) {
    let gates: Vec<GateRunner> = gates.iter().map(runner).collect();
    let heard = Mutex::new(Vec::new());
    let hear = |event: GateEvent| {
        heard.lock().unwrap().push(match event {
            GateEvent::Began { gate, attempt } => format!("{gate} {attempt}"),
            GateEvent::Retrying { gate, attempt, report, pause } => {
                assert!(pause <= Duration::from_millis(10 << (attempt - 1)), "{pause:?}");
                format!("{gate} {attempt} {} again", report.verdict.word())
            }
            GateEvent::Ended { gate, report } => format!("{gate} {}", report.verdict.word()),
        });
    };
    let reports = run_stage(&gates, &facts(), hear).await;
    let words =
        |(name, report): &(String, Report)| format!("{name} {}: {}", report.verdict.word(), report.summary);
    (reports.iter().map(words).collect(), heard.into_inner().unwrap())
}

#[tokio::test]
async fn nothing_to_do() {
    assert_eq!(stage(&[]).await, (vec![], vec![]));
}

#[tokio::test]
async fn side_by_side_unless_after() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    // `a` and `b` wait for each other: one after the other they would not end.
    let meet = |mine: &str, other: &str| {
        format!(
            "touch {at}/{mine}; while [ ! -e {at}/{other} ]; do sleep 0.01; done; echo met; touch {at}/done-{mine}"
        )
    };
    let last = format!("[ -e {at}/done-a ] && [ -e {at}/done-b ] && echo both were there");
    let gates = [
        after(sh("c", &last), &["a", "b", "of-another-stage"]),
        sh("a", &meet("a", "b")),
        sh("b", &meet("b", "a")),
    ];
    let (reports, events) = stage(&gates).await;
    assert_eq!(reports, ["c passed: both were there", "a passed: met", "b passed: met"]);
    assert_eq!(events[..2], ["a 1", "b 1"]);
    assert_eq!(events[4..], ["c 1", "c passed"]);
}

#[tokio::test]
async fn a_required_failure_stops_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let slow = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 300", pid.display());
    let bad =
        format!("while [ ! -e {} ]; do sleep 0.01; done; echo 3 of 7 tests failed; exit 1", pid.display());
    let gates = [sh("slow", &slow), sh("bad", &bad), after(sh("later", "true"), &["slow"])];
    let (reports, events) = stage(&gates).await;
    assert_eq!(
        reports,
        [
            "slow skipped: stopped: `bad` failed",
            "bad failed: 3 of 7 tests failed",
            "later skipped: not run: `bad` failed"
        ]
    );
    assert_eq!(events[2..], ["bad failed", "slow skipped", "later skipped"]);
    let pid = std::fs::read_to_string(&pid).unwrap();
    eventually("the stopped gate is gone", || is_gone(&pid)).await;
}

#[tokio::test]
async fn allowed_to_fail_warns_and_holds_nothing_up() {
    let late = Gate { timeout: Duration::from_millis(200), ..sh("late", "sleep 300") };
    let gates = [
        optional(sh("failed", "echo too slow; exit 1")),
        optional(sh("errored", "echo no token; exit 2")),
        optional(late),
        after(sh("next", "echo fine"), &["failed", "errored", "late"]),
        optional(sh("good", "echo good")),
    ];
    let (reports, _) = stage(&gates).await;
    assert_eq!(
        reports,
        [
            "failed warned: failed: too slow",
            "errored warned: errored: exit code 2 is neither 0 nor 1: no token",
            "late warned: timed out: not finished after 200ms, and printed nothing",
            "next passed: fine",
            "good passed: good",
        ]
    );
}

#[tokio::test]
async fn errors_are_tried_again_and_verdicts_are_not() {
    let flaky = "echo try $DATAPIN_ATTEMPT; [ $DATAPIN_ATTEMPT -ge 3 ] || exit 2";
    let hopeless = "exit 7";
    let late = Gate { timeout: Duration::from_millis(100), ..sh("late", "sleep 300") };
    for (gate, expected, events) in [
        (
            sh("flaky", flaky),
            "flaky passed: try 3",
            vec![
                "flaky 1",
                "flaky 1 errored again",
                "flaky 2",
                "flaky 2 errored again",
                "flaky 3",
                "flaky passed",
            ],
        ),
        (sh("bad", "exit 1"), "bad failed: failed, and printed nothing", vec!["bad 1", "bad failed"]),
        (
            late,
            "late timed out: not finished after 100ms, and printed nothing",
            vec!["late 1", "late timed out"],
        ),
        (
            Gate { retries: 1, ..sh("hopeless", hopeless) },
            "hopeless errored: exit code 7 is neither 0 nor 1, and printed nothing (2 attempts)",
            vec!["hopeless 1", "hopeless 1 errored again", "hopeless 2", "hopeless errored"],
        ),
    ] {
        let retries = gate.retries.max(if gate.name == "hopeless" { 1 } else { 3 });
        assert_eq!(
            stage(&[Gate { retries, ..gate }]).await,
            (vec![expected.to_owned()], super::words(&events))
        );
    }
}

#[tokio::test]
async fn gates_that_wait_for_each_other_end() {
    let gates = [after(sh("a", "true"), &["b"]), after(sh("b", "true"), &["a"]), sh("c", "echo c")];
    let (reports, _) = stage(&gates).await;
    assert_eq!(
        reports,
        ["a skipped: not run: it waits for b", "b skipped: not run: it waits for a", "c passed: c"]
    );
}

#[tokio::test]
async fn dropping_the_stage_ends_its_gates() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let body = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 300", pid.display());
    let (gates, facts) = ([runner(&sh("slow", &body))], facts());
    tokio::select! {
        reports = run_stage(&gates, &facts, |_| ()) => panic!("{reports:?}"),
        () = eventually("it begins", || pid.exists()) => {}
    }
    let pid = std::fs::read_to_string(&pid).unwrap();
    eventually("it is gone", || is_gone(&pid)).await;
}

#[tokio::test]
async fn the_command_datapin_is_the_running_program() {
    let folder = tempfile::tempdir().unwrap();
    let own = super::script(folder.path(), "something", "echo own \"$@\"");
    let gate = command("own", &["datapin", "demo-gate"]);
    let runner =
        GateRunner::from_config(&gate, super::lookup, Path::new(&own), &crate::gate::clusters()).unwrap();
    let report = runner.run(&facts(), 1).await;
    assert_eq!((report.verdict, &*report.summary), (Verdict::Passed, "own demo-gate"));
}
