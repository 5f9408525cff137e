//! The texts, against `fixtures/notify`: `UPDATE_FIXTURES=1` writes them anew.

use datapin::notify::message::{Message, compose};

use super::*;

/// Compares with a file of `fixtures/notify`. What cannot be seen is written as `\u2060`.
pub fn same_as_file(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/notify").join(name);
    let actual = format!("{}\n", actual.replace('\u{2060}', "\\u2060"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let diff = similar::TextDiff::from_lines(&expected, &actual);
    let diff = diff.unified_diff().header("expected", "actual").to_string();
    assert!(expected == actual, "{}\n{diff}", path.display());
}

fn check(name: &str, message: &Message) {
    let json = serde_json::to_string_pretty(message).unwrap();
    same_as_file(&format!("messages/{name}.json"), &json);
}

fn finished(outcome: Outcome, standing: &[(&str, &str)]) -> Run {
    let mut run = Run::new(outcome);
    run.finished.standing = standing
        .iter()
        .map(|(environment, words)| Standing {
            environment: (*environment).to_owned(),
            words: (*words).to_owned(),
        })
        .collect();
    run
}

fn preprod(run: &mut Run) {
    let services = ["mds", "fbv", "kv", "remo"].map(str::to_owned).to_vec();
    let stage = |environments: &[&str], gates: &[&str]| StageSummary {
        environments: environments.iter().map(|name| ((*name).to_owned(), services.clone())).collect(),
        gates: gates.iter().map(|name| (*name).to_owned()).collect(),
    };
    let about = &mut run.finished.summary;
    about.pipeline = "preprod".to_owned();
    about.stages =
        vec![stage(&["abn"], &["abn-test"]), stage(&["lup", "lup2"], &["lup-test"]), stage(&["prd"], &[])];
}

const BEFORE: &[(&str, &str)] = &[("int", "2026.11.20-2, verified")];

#[test]
fn starts() {
    let mut run = Run::new(Outcome::Verified);
    check("started", &compose(&run.start()));
    preprod(&mut run);
    run.finished.summary.url = String::new();
    check("started-by-hand-in-stages", &compose(&run.start()));
}

#[test]
fn asks_people() {
    let run = Run::new(Outcome::Verified);
    let asked = |who, gate| Asked { gate, who, timeout: std::time::Duration::from_secs(8 * 3600), stage: 0 };
    let ask = |asked| {
        compose(&Announcement::Asked { run: &run.id, number: 17, summary: &run.finished.summary, asked })
    };
    check("asked", &ask(asked(Some("the timetable team"), "go")));
    check("asked-hostile", &ask(asked(Some("@all *everybody* [x](https://x)"), "go`; rm")));
}

#[test]
fn good_ends() {
    let now = &[("int", "2026.11.23-1, verified")];
    check("verified", &compose(&finished(Outcome::Verified, now).finish()));
    check("nothing-to-do", &compose(&finished(Outcome::NothingToDo, now).finish()));

    let mut warned =
        finished(Outcome::Verified, &[("abn", "2026.11.23-1, verified"), ("lup", "2026.11.23-1, verified")]);
    preprod(&mut warned);
    warned.finished.warnings = vec!["2/lup-test: p95 is 812 ms, 600 ms are allowed".to_owned()];
    warned.finished.seconds = 4380;
    check("verified-with-warnings", &compose(&warned.finish()));

    let mut unrecorded = finished(Outcome::Verified, now);
    unrecorded.finished.exit = 17;
    check("verified-not-recorded", &compose(&unrecorded.finish()));

    let mut restored = finished(Outcome::Restored, BEFORE);
    restored.finished.summary.pipeline = "rollback int".to_owned();
    restored.finished.summary.version = "2026.11.20-2".to_owned();
    check("restored", &compose(&restored.finish()));
}

#[test]
fn rolled_back_for_every_cause() {
    for (name, cause) in causes() {
        let run = finished(Outcome::RolledBack { cause }, BEFORE);
        check(&format!("rolled-back-{name}"), &compose(&run.finish()));
    }
}

#[test]
fn stopped_for_every_cause() {
    for (name, cause) in causes() {
        let run = finished(Outcome::Stopped { cause }, BEFORE);
        check(&format!("stopped-{name}"), &compose(&run.finish()));
    }
}

fn causes() -> [(&'static str, Cause); 6] {
    [
        (
            "deployment",
            cause(
                CauseKind::Deployment,
                "int/kv did not come up: pod kv-7d9f crashes (exit 1): no such table",
            ),
        ),
        ("gate", cause(CauseKind::Gate, "int-test failed: 3 of 120 checks, https://ci.example.org/jobs/9_1")),
        (
            "superseded",
            cause(CauseKind::Superseded, "Grace Hopper pinned 2026.11.24-1 in int with commit 1a2b3c4d"),
        ),
        (
            "not-allowed",
            cause(CauseKind::NotAllowed, "int is frozen by Grace Hopper since 09:12: maintenance"),
        ),
        ("cancelled", cause(CauseKind::Cancelled, "by Ada Lovelace")),
        ("abandoned", cause(CauseKind::Abandoned, "")),
    ]
}

#[test]
fn rollback_failed_names_each_service() {
    let failures =
        ["int/mds: still on 2026.11.23-1 after 15 min", "int/kv: pod kv-7d9f crashes", "abn/kv: no answer"];
    let outcome = Outcome::RollbackFailed {
        cause: cause(CauseKind::Deployment, "int/kv did not come up"),
        failures: failures.map(str::to_owned).to_vec(),
    };
    let standing =
        &[("int", "2026.11.20-2 pinned, mds and kv not on it; frozen"), ("abn", "2026.11.20-2; frozen")];
    let message = compose(&finished(outcome, standing).finish());
    check("rollback-failed", &message);
    for told in ["int/mds", "int/kv", "abn/kv", "person is needed", "int, abn are frozen"] {
        assert!(message.text.contains(told), "{told}: {}", message.text);
    }
}

#[test]
fn rollback_failed_and_rolled_back_cannot_be_confused() {
    let cause = cause(CauseKind::Gate, "int-test failed");
    let back = compose(&Run::new(Outcome::RolledBack { cause: cause.clone() }).finish());
    let failed = compose(&Run::new(Outcome::RollbackFailed { cause, failures: Vec::new() }).finish());
    assert!(!failed.text.contains("rolled back") && !back.text.to_lowercase().contains("rollback failed"));
    assert_ne!(back.attachments[0].color, failed.attachments[0].color);
}

#[test]
fn ends_in_the_queue() {
    let by = "run 18 of `int` timetable 2026.11.24-1".to_owned();
    let mut withdrawn = finished(Outcome::Withdrawn { by }, BEFORE);
    withdrawn.finished.seconds = 0;
    check("withdrawn", &compose(&withdrawn.finish()));
    check("gave-up", &compose(&finished(Outcome::GaveUp, BEFORE).finish()));
    let reason = "no sign of life for 5 min".to_owned();
    check("dropped", &compose(&finished(Outcome::Dropped { reason }, BEFORE).finish()));
}

/// Values are data: they neither format nor link nor call anybody.
#[test]
fn data_stays_data() {
    let evil = "@all *bold* _it_ ~no~ `code` [here](https://evil.example) <https://evil.example|bank> \
                ||spoiler|| > quote\n# head\n@here #general \u{202e}x\u{7} https://ci.example.org/a_b_c?x=1#l2";
    let mut run = finished(Outcome::RolledBack { cause: cause(CauseKind::Gate, evil) }, &[("@all", evil)]);
    let about = &mut run.finished.summary;
    about.pipeline = "`@all` x".to_owned();
    about.dataset = "@here".to_owned();
    about.version = "1_2_3*".to_owned();
    about.actor = "@all".to_owned();
    about.url = "javascript:alert(1)".to_owned();
    let message = compose(&run.finish());
    check("hostile", &message);
    let everything = serde_json::to_string(&message).unwrap();
    for mention in ["@all", "@here", "#general", "javascript", "](", "<https", "\n# "] {
        assert!(!everything.contains(mention), "{mention}: {everything}");
    }
}

/// Rocket.Chat counts UTF-16 units and refuses more than 5,000.
#[test]
fn no_length_breaks_it() {
    let long = "> 𝔘 ".repeat(500);
    let failures: Vec<String> = (0..400).map(|n| format!("int/service-number-{n}: {long}")).collect();
    let outcome = Outcome::RollbackFailed { cause: cause(CauseKind::Deployment, &long), failures };
    let mut run = finished(outcome, &[("int", long.as_str()); 40]);
    run.finished.warnings = vec![long.clone(); 40];
    let about = &mut run.finished.summary;
    (about.pipeline, about.version, about.actor, about.url) =
        (long.clone(), long.clone(), long.clone(), long.clone());
    about.stages[0].environments = vec![(long.clone(), vec![long.clone(); 20]); 20];
    for message in [compose(&run.start()), compose(&run.finish())] {
        let details = &message.attachments[0];
        let texts = [Some(&message.text), details.text.as_ref()].into_iter().flatten();
        for text in texts.chain(details.fields.iter().map(|field| &field.value)) {
            assert!((1..=4000).contains(&text.encode_utf16().count()), "{}", text.len());
        }
        assert!(details.fields.len() <= 25);
    }
    assert!(compose(&run.finish()).text.contains("int/service-number-7"), "the first services are named");
}
