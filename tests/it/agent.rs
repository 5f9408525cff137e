//! Agents: real programs that are asked, their answers, and what follows from a row of them.
#![allow(clippy::unwrap_used)]

mod argocd;
mod flux;
mod wait;
mod window;
mod workload;

use std::path::Path;
use std::time::Duration;

use datapin::agent::{
    Agent, Finding, Observation, ObservationError, PinFact, Question, Repository, Surroundings,
};
use datapin::cluster::Clusters;
use datapin::config;

use crate::gate::{assert_file, cases, commit, lookup, script, words};

pub(crate) fn question() -> Question {
    Question {
        environment: "int".to_owned(),
        service: "mds".to_owned(),
        dataset: "timetable".to_owned(),
        version: "2026.11.23-1".to_owned(),
        commit: commit('a'),
        pins: vec![PinFact {
            file: "environments/int/mds.yaml".to_owned(),
            path: "data.timetable.version".to_owned(),
            value: "2026.11.23-1".to_owned(),
        }],
    }
}

fn agent(argv: &[&str], timeout: Duration) -> Agent {
    let config = config::Agent::Command {
        command: words(argv),
        interval: Duration::from_secs(2),
        timeout,
        pass: Vec::new(),
    };
    Agent::from_config(&config, surroundings(), lookup, Path::new("/opt/datapin"))
}

pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        environment: "int".to_owned(),
        repository: Repository::new("gitlab.example.org/data/environments", "main", "main"),
        clusters: Clusters::new(std::sync::Arc::new(lookup)),
    }
}

async fn ask(argv: &[&str]) -> Result<Observation, ObservationError> {
    agent(argv, Duration::from_secs(30)).follow(question()).observe().await
}

#[tokio::test]
async fn is_asked_in_json_and_answers_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked");
    let body = format!(
        "cat > {}; echo \"$1 $2\" >&2; echo '{{\"api\":1,\"sync\":\"synced\",\"health\":\"healthy\",\"reason\":\"'$1 $2'\"}}'",
        asked.display()
    );
    let program = script(folder.path(), "agent", &body);
    let seen = ask(&[&program, "{service}-{environment}", "{dataset}@{version}"]).await.unwrap();
    assert_eq!(seen.reason, "mds-int timetable@2026.11.23-1");
    let asked: serde_json::Value = serde_json::from_slice(&std::fs::read(asked).unwrap()).unwrap();
    let expected = serde_json::json!({
        "api": 1, "environment": "int", "service": "mds", "dataset": "timetable", "version": "2026.11.23-1",
        "commit": "a".repeat(40),
        "pins": [{"file": "environments/int/mds.yaml", "path": "data.timetable.version", "value": "2026.11.23-1"}],
    });
    assert_eq!(asked, expected);
}

/// Each file is what an agent prints.
#[tokio::test]
async fn answers() {
    for case in cases("agent/answers", "in") {
        let text = match ask(&["cat", &case.to_string_lossy()]).await {
            Ok(Observation { revision, sync, health, reason, log }) => {
                let revision = revision.map_or("none".to_owned(), |revision| revision.to_string());
                let log: String = log.iter().map(|line| format!("  {line}\n")).collect();
                format!(
                    "revision: {revision}\nsync: {sync:?}\nhealth: {health:?}\nreason: {reason}\nlog:\n{log}"
                )
            }
            Err(error) => format!("error: {error}\n"),
        };
        let good = case.file_stem().unwrap().to_string_lossy().starts_with("good-");
        assert_eq!(good, !text.starts_with("error: "), "{}: {text}", case.display());
        assert_file(&case.with_extension("out"), &text);
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let mut messages = String::new();
    for body in [
        "echo '{\"api\":1,\"sync\":\"synced\",\"health\":\"healthy\"}'; echo 'cluster unreachable' >&2; exit 3",
        "exit 1",
        "kill -9 $$",
        "head -c 2000000 /dev/zero | tr '\\0' x",
    ] {
        messages += &format!("{}\n", ask(&["sh", "-c", body]).await.unwrap_err());
    }
    let late =
        agent(&["sh", "-c", "sleep 300"], Duration::from_millis(200)).follow(question()).observe().await;
    messages += &format!("{}\n", late.unwrap_err());
    messages += &format!("{}\n", ask(&["/no/such/agent"]).await.unwrap_err());
    assert_file(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/agent/messages/failures.txt"),
        &messages,
    );
}

#[tokio::test]
async fn datapin_is_the_running_program() {
    let error = ask(&["datapin", "demo"]).await.unwrap_err();
    assert!(error.to_string().contains("/opt/datapin"), "{error}");
    assert_eq!(agent(&["x"], Duration::ZERO).interval(), Duration::from_secs(2));
}

/// An observation in one line.
fn shown(seen: &Observation) -> String {
    let revision = seen.revision.as_ref().map_or("none", |revision| revision.short());
    format!("{revision} {:?} {:?}: {}", seen.sync, seen.health, seen.reason)
}

/// Findings, one a line.
fn found(findings: &[Finding]) -> String {
    let line = |finding: &Finding| match finding {
        Finding::Wrong(text) => format!("wrong: {text}\n"),
        Finding::Held(text) => format!("held: {text}\n"),
        Finding::Unreachable(text) => format!("unreachable: {text}\n"),
        Finding::Warning(text) => format!("warning: {text}\n"),
    };
    if findings.is_empty() { "ready\n".to_owned() } else { findings.iter().map(line).collect() }
}
