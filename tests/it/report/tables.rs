//! Plan, status, history, queue and errors.

use std::time::{Duration, Instant};

use datapin::event::{Ahead, StageSummary, Summary, Waiting};
use datapin::queue::*;
use datapin::render::{EnvironmentChange, ReleaseChange};
use datapin::report::{
    Color, EnvironmentStatus, FileDiff, PlanView, StatusView, VerifiedOn, Work, error, history_json,
    history_json_lines, history_text, plan_json, plan_text, queue_json, queue_page, queue_text, status_json,
    status_text,
};
use jiff::Timestamp;

use super::compare;
use super::script::{NEW, OLD, cause};

fn at(text: &str) -> Timestamp {
    format!("2026-11-24T{text}Z").parse().unwrap()
}

fn line(number: u64, outcome: Outcome) -> HistoryLine {
    HistoryLine {
        run: RunId(format!("01KAZ{number:021}")),
        number,
        key: format!("gitlab.example:data/deploy:{number}:int:timetable:{NEW}"),
        attempt: 1,
        pipeline: "int".to_owned(),
        environments: vec!["int".to_owned()],
        dataset: "timetable".to_owned(),
        version: NEW.to_owned(),
        actor: "anna".to_owned(),
        finished_by: "runner-1".to_owned(),
        outcome,
        commits: vec!["1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".parse().unwrap()],
        adopted: None,
        entered: at("15:00:00"),
        started: (number % 5 != 4).then(|| at("15:01:00")),
        finished: at("15:08:30"),
        unknown: Unknown::default(),
    }
}

fn outcomes() -> Vec<Outcome> {
    let failed = || cause(CauseKind::Gate, "gate int-test failed: 3 of 214 tests");
    vec![
        Outcome::Verified,
        Outcome::RolledBack { cause: failed() },
        Outcome::RollbackFailed { cause: failed(), failures: vec!["int/kv: still runs it".to_owned()] },
        Outcome::Stopped { cause: cause(CauseKind::NotAllowed, "int is frozen by bo: \x1b[31maudit\nweek") },
        Outcome::Withdrawn { by: "#57".to_owned() },
    ]
}

fn history() -> Vec<HistoryLine> {
    (50..).zip(outcomes()).map(|(number, outcome)| line(number, outcome)).collect()
}

/// Runs of some months, newest first: a version every other day, some of them taken back.
pub fn months() -> Vec<HistoryLine> {
    let begun: Timestamp = "2026-09-01T08:00:00Z".parse().unwrap();
    let mut lines: Vec<HistoryLine> = (0..36)
        .map(|day: u64| {
            let outcome = match day {
                7 | 19 | 31 => Outcome::RolledBack { cause: cause(CauseKind::Gate, "3 of 214 tests") },
                20 => outcomes().swap_remove(2),
                11 => Outcome::Withdrawn { by: "#57".to_owned() },
                _ => Outcome::Verified,
            };
            let entered = begun + jiff::SignedDuration::from_hours(48 * i64::try_from(day).unwrap());
            let wait = jiff::SignedDuration::from_secs(i64::try_from(day * 37 % 400).unwrap());
            let work = jiff::SignedDuration::from_secs(i64::try_from(300 + day * 61 % 500).unwrap());
            HistoryLine {
                version: format!("2026.{:02}.{:02}-1", 9 + day / 15, 1 + day % 15 * 2),
                entered,
                started: Some(entered + wait),
                finished: entered + wait + work,
                ..line(100 + day, outcome)
            }
        })
        .collect();
    lines.reverse();
    lines
}

#[test]
fn history_is_a_table_and_json() {
    compare("tables/history.txt", &history_text(&history(), Color::Never));
    compare("tables/history.colour.txt", &history_text(&history(), Color::Always));
    compare("tables/history.json", &history_json(&history()));
    let lines = history_json_lines(&history());
    assert_eq!(lines.lines().count(), 5);
    for line in lines.lines() {
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["schema"], 1);
    }
}

#[test]
fn ten_thousand_history_lines_are_one_table() {
    let lines: Vec<HistoryLine> = (0..10_000)
        .zip(outcomes().into_iter().cycle())
        .map(|(number, outcome)| line(number, outcome))
        .collect();
    let begin = Instant::now();
    let text = history_text(&lines, Color::Always);
    let took = begin.elapsed();
    assert_eq!(text.lines().count(), 10_001);
    // debug build, loaded machine: only something quadratic takes this long
    assert!(took < Duration::from_secs(20), "took {took:?}");
}

fn summary() -> Summary {
    let stage = |name: &str, gates: &[&str]| StageSummary {
        environments: vec![(name.to_owned(), vec!["mds".to_owned(), "kv".to_owned()])],
        gates: gates.iter().map(|gate| (*gate).to_owned()).collect(),
    };
    Summary {
        pipeline: "preprod".to_owned(),
        dataset: "timetable".to_owned(),
        version: NEW.to_owned(),
        actor: "anna".to_owned(),
        url: String::new(),
        stages: vec![stage("abn", &["e2e-test-abn"]), stage("prd", &[])],
    }
}

fn plan() -> PlanView {
    let before = format!("data:\n  timetable:\n    version: {OLD}\n# \x1b[2Jnever seen\n");
    let after = before.replace(OLD, NEW);
    let file = |name: &str| {
        let path = format!("environments/{name}/mds.yaml");
        FileDiff::between(vec![name.to_owned()], &path, &before, &after)
    };
    let holder = Ahead {
        number: 41,
        run: RunId("01KAZ200000000000000000041".to_owned()),
        what: format!("preprod timetable {OLD}"),
        actor: "bo".to_owned(),
        state: "stage 1/2 abn: runs the gates".to_owned(),
        holder: true,
    };
    let position = Waiting { position: 1, ahead: vec![holder], expected: Some(Duration::from_secs(4000)) };
    PlanView {
        summary: summary(),
        position: Some(position),
        work: Work::Pins,
        files: vec![file("abn"), file("prd")],
        rendered: vec![EnvironmentChange {
            environment: "abn".to_owned(),
            releases: vec![ReleaseChange {
                release: "mds".to_owned(),
                objects: vec!["Deployment/mds".to_owned()],
                diff: format!(
                    "--- a/abn/mds/Deployment/mds\n+++ b/abn/mds/Deployment/mds\n@@ -1 +1 @@\n-v: {OLD}\n+v: {NEW}\n"
                ),
            }],
        }],
        notes: vec!["abn is on 2026.11.22-1 by carl (commit 77aa88bb), which no run explains".to_owned()],
    }
}

#[test]
fn a_plan_is_text_and_json() {
    compare("tables/plan.txt", &plan_text(&plan(), Color::Never));
    compare("tables/plan.json", &plan_json(&plan()));
    let nothing = PlanView {
        position: None,
        work: Work::Nothing,
        files: vec![],
        rendered: vec![],
        notes: vec![],
        ..plan()
    };
    compare("tables/plan.nothing.txt", &plan_text(&nothing, Color::Never));
}

#[test]
fn a_status_is_a_table_and_json() {
    let pinned = |kv: &str| vec![("mds".to_owned(), NEW.to_owned()), ("kv".to_owned(), kv.to_owned())];
    let commit = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".parse().unwrap();
    let good = EnvironmentStatus {
        name: "int".to_owned(),
        dataset: "timetable".to_owned(),
        version_verified: Some(VerifiedOn { version: NEW.to_owned(), commit, at: at("15:08:30") }),
        pinned: pinned(NEW),
        drift: None,
        recorded: None,
        frozen: None,
        holder: None,
        rejected: vec![],
        last: Some(line(42, Outcome::Verified)),
    };
    let bad = EnvironmentStatus {
        name: "total-dt".to_owned(),
        pinned: pinned(OLD),
        drift: Some("kv is not on what was verified (commit 77aa88bb by carl)".to_owned()),
        frozen: Some("rollback of #41 failed: kv (bo)".to_owned()),
        holder: Some("#43 rollback total-dt (bo)".to_owned()),
        rejected: vec!["2026.11.22-1".to_owned()],
        last: Some(line(41, outcomes().remove(2))),
        ..good.clone()
    };
    let new = EnvironmentStatus {
        name: "play".to_owned(),
        version_verified: None,
        pinned: vec![],
        last: None,
        ..good.clone()
    };
    let status = StatusView { environments: vec![good, bad, new] };
    compare("tables/status.txt", &status_text(&status, Color::Never));
    compare("tables/status.json", &status_json(&status));
}

fn part(name: &str) -> EnvironmentPart {
    EnvironmentPart {
        identity: identity(name),
        intents: vec![],
        goal: None,
        pins: vec![],
        commit: None,
        revert: None,
        package: None,
        services: vec![],
        unknown: Unknown::default(),
    }
}

fn identity(name: &str) -> Identity {
    Identity {
        repository: "git.example/data/env".to_owned(),
        branch: "main".to_owned(),
        name: name.to_owned(),
    }
}

fn ticket(number: u64, environments: &[&str], state: State) -> Ticket {
    let started = state.holds().then(|| at("15:01:00"));
    Ticket {
        schema: 1,
        run: RunId(format!("01KAZ{number:021}")),
        number,
        key: number.to_string(),
        kind: RunKind::Deploy,
        pipeline: "preprod".to_owned(),
        dataset: "timetable".to_owned(),
        version: NEW.to_owned(),
        set: vec![],
        actor: "anna".to_owned(),
        ci: None,
        config: String::new(),
        priority: Priority::Normal,
        driver: Driver { epoch: 1, who: "runner-1".to_owned(), beat: 0 },
        lives: Lives::Process,
        state,
        stages: environments
            .iter()
            .map(|name| StageRecord { environments: vec![part(name)], gates: vec![] })
            .collect(),
        attempt: 1,
        notify: Announced::default(),
        adopts: None,
        cancel: None,
        fault: None,
        idle: None,
        times: Times { entered: at("15:00:00"), started, verified: None },
        unknown: Unknown::default(),
    }
}

fn tickets() -> Vec<Ticket> {
    let gates = State::Deploying { stage: 1, step: StageStep::Gate };
    let mut tickets =
        vec![ticket(44, &["prd"], State::Waiting), ticket(43, &["abn", "lup", "prd"], State::Waiting)];
    tickets.push(ticket(42, &["abn", "lup", "prd"], gates));
    tickets.push(ticket(46, &["int"], State::Waiting));
    let mut rollback = ticket(45, &["prd"], State::Waiting);
    rollback.priority = Priority::Rollback;
    rollback.kind = RunKind::Rollback {
        to: None,
        mends: None,
        left: None,
        reject: Rejection::Keep,
        frozen: FrozenBy::Obey,
    };
    tickets.push(rollback);
    tickets[0].version = "1|2](javascript:x) <img> `x` @all #7\n# head \\|".to_owned();
    tickets[0].ci = Some(ci("javascript:alert(1)"));
    tickets[2].ci = Some(ci("https://gitlab.example/data/-/pipelines/7?a=(1)>|x y"));
    tickets[2].cancel = Some(Wish { by: "bo".to_owned(), reason: "wrong version".to_owned() });
    tickets
}

fn ci(url: &str) -> Ci {
    Ci { url: url.to_owned(), pipeline: "7".to_owned(), job: String::new() }
}

fn environments() -> Vec<EnvironmentFile> {
    let set = VerifiedSet {
        version: OLD.to_owned(),
        values: vec![],
        commit: "77aa88bb".repeat(5).parse().unwrap(),
        run: RunId("01KAZ".to_owned()),
        at: at("09:00:00"),
        standing: Standing::Good,
        package: None,
        unknown: Unknown::default(),
    };
    let rejected = Rejected {
        version: "2026.11.22-1".to_owned(),
        by: "bo".into(),
        reason: "bad".into(),
        at: at("10:00:00"),
    };
    let dataset = DatasetFile {
        verified: vec![set],
        rejected: vec![rejected],
        unrecorded: None,
        unknown: Unknown::default(),
    };
    let carried = Carried {
        run: RunId("01KAZ41".to_owned()),
        number: 41,
        dataset: "timetable".to_owned(),
        version: NEW.to_owned(),
        part: part("play"),
    };
    let freeze = |origin, reason: &str| Freeze {
        origin,
        owner: "bo".to_owned(),
        reason: reason.to_owned(),
        since: at("11:00:00"),
        until: None,
        unknown: Unknown::default(),
    };
    let mut person = freeze(Origin::Person, "audit *week*");
    person.until = Some(at("23:00:00"));
    let failed = freeze(Origin::RollbackFailed { carried: Box::new(carried) }, "kv still runs it");
    let file = |name: &str, freeze| EnvironmentFile {
        identity: identity(name),
        datasets: [("timetable".to_owned(), dataset.clone())].into(),
        freeze,
        unknown: Unknown::default(),
    };
    vec![file("prd", Some(person)), file("int", None), file("play", Some(failed))]
}

#[test]
fn the_queue_is_a_table_a_page_and_json() {
    let (tickets, environments) = (tickets(), environments());
    let tickets: Vec<&Ticket> = tickets.iter().collect();
    let environments: Vec<&EnvironmentFile> = environments.iter().collect();
    compare("tables/queue.txt", &queue_text(&tickets, &environments, Color::Never));
    compare("tables/queue.json", &queue_json(&tickets, &environments));
    compare("tables/queue.md", &queue_page(&tickets, &environments));
    compare("tables/queue.empty.txt", &queue_text(&[], &[], Color::Never));
    compare("tables/queue.empty.md", &queue_page(&[], &[]));
    let other_way: Vec<&Ticket> = tickets.iter().rev().copied().collect();
    assert_eq!(queue_page(&tickets, &environments), queue_page(&other_way, &environments));
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("cannot push the pin of int to main: {0}")]
    Push(#[source] Box<Trouble>),
    #[error("the server refused it")]
    Refused(#[source] Box<Trouble>),
    #[error("datapin.toml:3:1: unknown key\n  3 | versoin\n    | ^^^^^^^\x1b[31m")]
    Rule,
}

#[test]
fn an_error_says_its_causes_once_and_what_to_do() {
    let trouble = Trouble::Push(Box::new(Trouble::Refused(Box::new(Trouble::Rule))));
    let hint = Some("ask for the right to push to main");
    let text = error(&trouble, hint, Color::Never) + &error(&Trouble::Rule, None, Color::Always);
    compare("tables/error.txt", &text);
}
