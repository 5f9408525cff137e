use std::fmt::Write as _;
use std::time::Duration;

use datapin::agent::wait::{Mode, Progress, Relation, Watch};
use datapin::agent::{Health, Observation, ObservationError, Sync};
use toml_edit::{DocumentMut, Table};

use crate::gate::{assert_file, cases, commit};

/// Each file is a row of observations; next to it, what followed from each.
#[test]
fn rows_of_observations() {
    for case in cases("agent/wait", "toml") {
        let document: DocumentMut = std::fs::read_to_string(&case).unwrap().parse().unwrap();
        let mode = match document["mode"].as_str().unwrap() {
            "deploy" => Mode::Deploy,
            "rollback" => Mode::Rollback,
            other => panic!("mode {other}"),
        };
        let mut watch = Watch::new(mode, 5);
        let mut followed = String::new();
        for step in document["seen"].as_array_of_tables().unwrap() {
            let times = step.get("times").map_or(1, |times| times.as_integer().unwrap());
            for _ in 0..times {
                writeln!(followed, "{}", words(watch.next(observed(step)))).unwrap();
            }
        }
        let end = followed.lines().last().unwrap().split(':').next().unwrap();
        assert_eq!(end, document["ends"].as_str().unwrap(), "{}:\n{followed}", case.display());
        assert_file(&case.with_extension("out"), &followed);
    }
}

fn observed(step: &Table) -> Result<(Observation, Relation), ObservationError> {
    let text = |key: &str| step.get(key).map_or("", |value| value.as_str().unwrap());
    if step.contains_key("error") {
        return Err(ObservationError::TimedOut { program: "ask".to_owned(), after: Duration::from_secs(9) });
    }
    let (relation, revision) = match text("at") {
        "none" => (Relation::Before, None),
        "before" => (Relation::Before, Some(commit('b'))),
        "ours" => (Relation::Holds, Some(commit('a'))),
        "theirs" => (Relation::Superseded { by: "Ada, cccccccc".to_owned() }, Some(commit('c'))),
        other => panic!("at {other}"),
    };
    let sync = match text("sync") {
        "pending" => Sync::Pending,
        "synced" => Sync::Synced,
        "failed" => Sync::Failed,
        other => panic!("sync {other}"),
    };
    let health = match text("health") {
        "progressing" => Health::Progressing,
        "healthy" => Health::Healthy,
        "degraded" => Health::Degraded,
        "unknown" => Health::Unknown,
        other => panic!("health {other}"),
    };
    let log = vec!["last log line".to_owned()];
    Ok((Observation { revision, sync, health, reason: text("reason").to_owned(), log }, relation))
}

fn words(progress: Progress) -> String {
    match progress {
        Progress::Waiting { reason } => format!("waiting: {reason}"),
        Progress::Done => "done".to_owned(),
        Progress::Failed { reason, log } => format!("failed: {reason} {log:?}"),
        Progress::Superseded { by } => format!("superseded: {by}"),
    }
}
