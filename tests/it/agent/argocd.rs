//! Argo CD: what follows from the objects that the real program writes.

use std::time::Duration;

use datapin::agent::Repository;
use datapin::agent::argocd::application::Application;
use datapin::agent::argocd::ready::{Expected, SyncBy, ready};
use datapin::agent::argocd::verdict::{Ask, Seen};
use serde::Deserialize;
use serde_json::Value;

use super::shown;
use crate::gate::{assert_file, cases, commit};

fn repository() -> Repository {
    Repository::new("gitlab.example.org/data/environments", "main", "main")
}

#[derive(Deserialize)]
struct Row {
    #[serde(default = "one")]
    retries: u32,
    seen: Vec<Step>,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
struct Step {
    /// Seconds since the wait began.
    at: f64,
    /// Whether a comparison is asked for then.
    #[serde(default)]
    asked: bool,
    object: Value,
}

/// Each file is a row of objects; next to it, what each said.
#[test]
fn verdicts() {
    for case in cases("agent/argocd", "yaml") {
        let row: Row = serde_yaml::from_str(&std::fs::read_to_string(&case).unwrap()).unwrap();
        let ask = Ask { repository: repository(), commit: commit('a'), retries: row.retries };
        let mut seen = Seen::default();
        let mut said = String::new();
        for step in row.seen {
            let app = Application::deserialize(&step.object).unwrap();
            let observed = seen.next(&app, &ask, Duration::from_secs_f64(step.at));
            said += &format!("{}: {}\n", step.at, shown(&observed));
            if step.asked {
                seen.asked(&app);
            }
        }
        assert_file(&case.with_extension("out"), &said);
    }
}

#[derive(Deserialize)]
struct Readiness {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    request: bool,
    object: Value,
}

/// Each file is an Application before anything is committed; next to it, what stands in the way.
#[test]
fn readiness() {
    for case in cases("agent/argocd/ready", "yaml") {
        let row: Readiness = serde_yaml::from_str(&std::fs::read_to_string(&case).unwrap()).unwrap();
        let app = Application::deserialize(&row.object).unwrap();
        let by = if row.request { SyncBy::Datapin } else { SyncBy::Argo };
        let repository = repository();
        let findings = ready(&app, &Expected { repository: &repository, files: &row.files, by });
        assert_file(&case.with_extension("out"), &super::found(&findings));
    }
}
