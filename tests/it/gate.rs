//! Gates and the child programs that they are: real processes, a real HTTP server.
#![allow(clippy::unwrap_used)]

mod command;
mod gitlab;
mod http;
mod job;
mod process;
mod prometheus;
mod stage;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datapin::config::{Gate, GateKind, Requirement};
use datapin::gate::{Facts, GateRunner, Report};
use datapin::repo::CommitId;

/// What the programs of tests may see of the environment.
pub(crate) fn lookup(name: &str) -> Option<String> {
    (name == "PATH").then(|| std::env::var(name).unwrap())
}

pub(crate) fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process is no more, or nothing but a zombie that init has not fetched yet.
pub(crate) fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.map_or(true, |stat| stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

/// Compares a text with a file; `UPDATE_FIXTURES=1` writes the file.
pub(crate) fn assert_file(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    let diff = similar::TextDiff::from_lines(expected.as_str(), actual);
    assert!(
        expected == actual,
        "{} differs (- file, + actual; UPDATE_FIXTURES=1 rewrites it):\n{}",
        path.display(),
        diff.unified_diff()
    );
}

/// The files of a folder under `fixtures/` with an ending; never none.
pub(crate) fn cases(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    files
}

/// An executable script.
pub(crate) fn script(folder: &Path, name: &str, body: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_string_lossy().into_owned()
}

fn facts() -> Facts {
    Facts {
        run: "01K0RUN".to_owned(),
        pipeline: "preprod".to_owned(),
        dataset: "timetable".to_owned(),
        version: "2026.11.23-1".to_owned(),
        stage: 1,
        environments: words(&["dt", "total-dt"]),
        commits: vec![("dt".to_owned(), commit('a')), ("total-dt".to_owned(), commit('b'))],
        services: words(&["mds", "kv"]),
        actor: "Ada".to_owned(),
        url: "https://ci.example/1".to_owned(),
    }
}

pub(crate) fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

fn gate(name: &str, kind: GateKind) -> Gate {
    Gate {
        name: name.to_owned(),
        kind,
        timeout: Duration::from_secs(30),
        requirement: Requirement::Required,
        after: Vec::new(),
        retries: 0,
    }
}

fn command(name: &str, argv: &[&str]) -> Gate {
    gate(name, GateKind::Command { command: words(argv), pass: Vec::new() })
}

fn runner(gate: &Gate) -> GateRunner {
    let runner =
        GateRunner::from_config(gate, lookup, Path::new("/opt/datapin"), &crate::gate::clusters()).unwrap();
    runner.with_back_off(Duration::from_millis(10))
}

fn shown(report: &Report) -> String {
    let Report { verdict, summary, url, log } = report;
    let log: String = log.iter().map(|line| format!("  {line}\n")).collect();
    format!("verdict: {}\nsummary: {summary}\nurl: {url}\nlog:\n{log}", verdict.word())
}

/// Connections to clusters that no variable leads to.
pub(crate) fn clusters() -> datapin::cluster::Clusters {
    datapin::cluster::Clusters::new(std::sync::Arc::new(|_| None))
}
