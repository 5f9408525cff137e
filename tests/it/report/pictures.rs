//! The pictures that were asked for, and two more, as events.

use datapin::event::{Ahead, Direction, Level, What};
use datapin::queue::{CauseKind, Outcome, RunId, ServiceState, Verdict};
use datapin::render::{EnvironmentChange, ReleaseChange};

use super::script::{NEW, OLD, Script, cause};

const PIN: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

/// Every scripted run by name.
pub fn all() -> Vec<(&'static str, Script)> {
    vec![
        ("int-success", int_success()),
        ("int-gate-failed-rollback", int_gate_failed()),
        ("int-deploy-failed-rollback-failed", int_deploy_failed()),
        ("preprod-success", preprod_success()),
        ("preprod-gate-allowed-to-fail", preprod_warned()),
        ("preprod-gate-failed-rollback", preprod_gate_failed()),
        ("queue-and-takeover", takeover()),
        ("hostile-text", hostile()),
        ("helmfile-proof", proof()),
    ]
}

fn int() -> Script {
    let mut script = Script::new("int", &[("int", &["int-test"])]);
    script.enter(42).start().pin(0, PIN);
    script
}

fn int_success() -> Script {
    let mut script = int();
    script.look("syncing").all("int", ServiceState::Deployed).gate_begins(0, "int-test").look("gate runs");
    script.gate_ends(0, "int-test", Verdict::Passed, "214 tests", &[]).verify(&["int"]);
    script.finish(Outcome::Verified, &[("int", "2026.11.23-1, verified")], &[]);
    script
}

fn int_gate_failed() -> Script {
    let why = "gate int-test failed: 3 of 214 tests";
    let mut script = int();
    script.all("int", ServiceState::Deployed).gate_begins(0, "int-test");
    script.gate_ends(
        0,
        "int-test",
        Verdict::Failed,
        "3 of 214 tests",
        &["FAILED connections::night", "exit 1"],
    );
    script
        .roll_back(CauseKind::Gate, why, &["int"])
        .look("rolling back")
        .all("int", ServiceState::RolledBack);
    let outcome = Outcome::RolledBack { cause: cause(CauseKind::Gate, why) };
    script.finish(outcome, &[("int", "2026.11.20-2, as before")], &[]);
    script
}

fn int_deploy_failed() -> Script {
    let why = "2 of 4 services of int failed: fbv, kv";
    let mut script = int();
    script.service("int", "mds", ServiceState::Deployed).service("int", "remo", ServiceState::Deployed);
    let log = ["loading timetable 2026.11.23-1", "panic: index is of a newer format"];
    let crash = "pod fbv-7d9 crashes: CrashLoopBackOff";
    script.service_because("int", "fbv", ServiceState::Failed, crash, &log);
    script
        .service_because("int", "kv", ServiceState::Failed, "the image cannot be pulled", &[])
        .look("failed");
    script.roll_back(CauseKind::Deployment, why, &["int"]);
    ["mds", "kv", "remo"].iter().for_each(|one| _ = script.service("int", one, ServiceState::RolledBack));
    let stuck = "still runs 2026.11.23-1 after 15 min";
    script.service_because("int", "fbv", ServiceState::RollbackFailed, stuck, &[]);
    let reason = "rollback of #42 failed: fbv".to_owned();
    script.say(What::Frozen { environment: "int".to_owned(), reason });
    let failures = vec![format!("int/fbv: {stuck}")];
    let outcome = Outcome::RollbackFailed { cause: cause(CauseKind::Deployment, why), failures };
    script.finish(outcome, &[("int", "frozen; fbv is not back on 2026.11.20-2")], &[]);
    script
}

fn preprod() -> Script {
    let stages: [(&str, &[&str]); 3] =
        [("abn", &["e2e-test-abn"]), ("lup", &["e2e-test-lup", "load-lup"]), ("prd", &[])];
    let mut script = Script::new("preprod", &stages);
    script.enter(43).look("entered").start().pin(0, PIN);
    script
}

fn abn_and_lup(load: Verdict) -> Script {
    let mut script = preprod();
    script.all("abn", ServiceState::Deployed).gate_begins(0, "e2e-test-abn");
    script.gate_ends(0, "e2e-test-abn", Verdict::Passed, "", &[]);
    script.pin(1, "2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d1a").service("lup", "mds", ServiceState::Deployed);
    script
        .service_because("lup", "kv", ServiceState::Syncing, "1 of 3 pods are ready", &[])
        .look("second stage");
    script.all("lup", ServiceState::Deployed).gate_begins(1, "e2e-test-lup").gate_begins(1, "load-lup");
    script.look("two gates").gate_ends(1, "e2e-test-lup", Verdict::Passed, "88 tests", &[]);
    script.gate_ends(1, "load-lup", load, "p95 is 840 ms, limit 500 ms", &[]);
    script.pin(2, "3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d1a2b").all("prd", ServiceState::Deployed);
    script.verify(&["abn", "lup", "prd"]);
    script
}

const ALL_VERIFIED: [(&str, &str); 3] =
    [("abn", "2026.11.23-1, verified"), ("lup", "2026.11.23-1, verified"), ("prd", "2026.11.23-1, verified")];

fn preprod_success() -> Script {
    let mut script = abn_and_lup(Verdict::Passed);
    script.finish(Outcome::Verified, &ALL_VERIFIED, &[]);
    script
}

fn preprod_warned() -> Script {
    let mut script = abn_and_lup(Verdict::Warned);
    script.finish(Outcome::Verified, &ALL_VERIFIED, &["lup/load-lup: p95 is 840 ms, limit 500 ms"]);
    script
}

fn preprod_gate_failed() -> Script {
    let why = "gate e2e-test-abn timed out after 30 min";
    let mut script = preprod();
    script.all("abn", ServiceState::Deployed).gate_begins(0, "e2e-test-abn");
    script.gate_ends(0, "e2e-test-abn", Verdict::TimedOut, "after 30 min", &[]);
    script
        .roll_back(CauseKind::Gate, why, &["abn"])
        .look("rolling back")
        .all("abn", ServiceState::RolledBack);
    let outcome = Outcome::RolledBack { cause: cause(CauseKind::Gate, why) };
    let untouched = "2026.11.20-2, untouched";
    script.finish(
        outcome,
        &[("abn", "2026.11.20-2, as before"), ("lup", untouched), ("prd", untouched)],
        &[],
    );
    script
}

fn ahead(number: u64, actor: &str, holder: bool) -> Ahead {
    Ahead {
        number,
        run: RunId(format!("01KAZ2000000000000000000{number}")),
        what: format!("int timetable 2026.11.22-{number}"),
        actor: actor.to_owned(),
        state: if holder { "stage 1/1 int: runs the gates" } else { "waiting" }.to_owned(),
        holder,
    }
}

/// Waits behind two; the holder falls silent and is taken back first.
fn takeover() -> Script {
    let mut script = Script::new("int", &[("int", &["int-test"])]);
    script.enter(44).wait(2, vec![ahead(41, "bo", true), ahead(42, "cleo", false)], Some(4)).look("second");
    script.wait(2, vec![ahead(41, "bo", true), ahead(42, "cleo", false)], Some(4)).pass(90);
    script.wait(1, vec![ahead(41, "bo", true)], None).look("next").pass(300);
    let mine = script.events[0].run.0.clone();
    let left = "01KAZ200000000000000000041";
    script.say(What::TakingOver {
        left: RunId(left.to_owned()),
        number: 41,
        who: "runner-7".to_owned(),
        direction: Direction::Back,
    });
    let why = "runner-7 has been silent for 5 min";
    script.about(left).roll_back(CauseKind::Abandoned, why, &["int"]).look("takes the other one back");
    script.all("int", ServiceState::RolledBack);
    let outcome = Outcome::RolledBack { cause: cause(CauseKind::Abandoned, why) };
    script.finish(outcome, &[("int", "2026.11.20-2, as before")], &[]);
    let text = format!("int: the store said {NEW}, the record says {OLD}; the record was written");
    script
        .about(&mine)
        .start()
        .say(What::Note { level: Level::Warning, text })
        .pin(0, PIN)
        .look("its own turn");
    script
}

/// A run whose manifests were looked at, in a repository that has a strange name in it.
fn proof() -> Script {
    let mut script = Script::new("int", &[("int", &["int-test"])]);
    let summary = script.summary.clone();
    let release = |name: &str, object: &str| ReleaseChange {
        release: name.to_owned(),
        objects: vec![object.to_owned()],
        diff: format!(
            "--- a/int/{name}/{object}\n+++ b/int/{name}/{object}\n@@ -1,2 +1,2 @@\n kind: Deployment\n-v: {OLD}\n+v: {NEW}\n"
        ),
    };
    let releases = vec![release("mds", "Deployment/mds"), release("kv", "Secret/\x1b[2Jkv")];
    let note = "helmfile cannot render `dt` as it is now, so nothing is known about it: boom".to_owned();
    script.enter(42).say(What::Started(summary)).say(What::Note { level: Level::Warning, text: note });
    script.say(What::Rendered(EnvironmentChange { environment: "int".to_owned(), releases }));
    script.say(What::Checked).pin(0, PIN);
    script
}

/// Text that would move the cursor, forge a section or a line, or never end.
fn hostile() -> Script {
    let mut script = int();
    let reason = "\x1b[2J\x1b]0;owned\x07gone\r\n15:04:05Z verified int\u{202e}evil\u{9b}31m";
    let long = "x".repeat(5000);
    let log = ["\x1b[0Ksection_start:1:x\r\x1b[0Kforged", "tab\there 漢字", long.as_str()];
    script.service_because("int", "kv", ServiceState::Failed, reason, &log).look("failed");
    script
}
