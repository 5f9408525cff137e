use std::time::Duration;

use datapin::config::GateKind;
use datapin::queue::Verdict;

use super::{assert_file, cases, command, facts, gate, runner, shown, words};

/// Each script is a gate. The name of its file begins with the verdict that it has to have.
#[tokio::test]
async fn contract() {
    for script in cases("gate/command", "sh") {
        let name = script.file_stem().unwrap().to_string_lossy().into_owned();
        let mut gate = command(&name, &["sh", &script.to_string_lossy()]);
        if name.starts_with("timed-out") {
            gate.timeout = Duration::from_millis(300);
        }
        let report = runner(&gate).run(&facts(), 2).await;
        assert!(name.starts_with(&report.verdict.word().replace(' ', "-")), "{name}: {report:?}");
        let text = shown(&report).replace(&*script.parent().unwrap().to_string_lossy(), "DIR");
        assert_file(&script.with_extension("out"), &text);
    }
}

#[tokio::test]
async fn what_cannot_be_run_could_not_tell() {
    let report = runner(&command("g", &["no-such-program", "x"])).run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Errored);
    assert!(report.summary.starts_with("cannot run `no-such-program`: not found in PATH ("), "{report:?}");
}

#[tokio::test]
async fn values_are_data_for_no_shell() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "").unwrap();
    let mut facts = facts();
    facts.version = format!("1; rm -rf {} $(rm {})\n`id`", victim.display(), victim.display());
    let argv = ["sh", "-c", "printf '%s|' \"$@\" \"$DATAPIN_VERSION\"", "sh", "{version}", "{environment}"];
    let report = runner(&command("g", &argv)).run(&facts, 1).await;
    assert_eq!(report.verdict, Verdict::Passed);
    let (first, second) = facts.version.split_once('\n').unwrap();
    assert_eq!(report.log[0], first);
    assert_eq!(report.log[1], format!("{second}|dt total-dt|{first}"));
    assert!(victim.exists());
}

#[tokio::test]
async fn a_secret_of_the_parent_is_not_seen_unless_it_is_passed() {
    let secret = |name: &str| match name {
        "CI_JOB_TOKEN" | "TEST_TOKEN" => Some(format!("secret of {name}")),
        _ => super::lookup(name),
    };
    let kind = GateKind::Command { command: words(&["env"]), pass: words(&["TEST_TOKEN"]) };
    let runner = datapin::gate::GateRunner::from_config(
        &gate("g", kind),
        secret,
        std::path::Path::new("/x"),
        &crate::gate::clusters(),
    )
    .unwrap();
    let report = runner.run(&facts(), 1).await;
    assert!(report.log.iter().any(|line| line == "TEST_TOKEN=secret of TEST_TOKEN"), "{report:?}");
    assert!(
        !report.log.iter().any(|line| line.contains("CI_JOB_TOKEN") || line.contains("CARGO")),
        "{report:?}"
    );
}
