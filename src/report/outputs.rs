//! What later jobs and people find at a CI job: variables for `artifacts:reports:dotenv`, and links for
//! `artifacts:reports:annotations`.

use serde_json::json;

use super::account::Account;
use super::clean;
use super::link::{self, Links};

/// GitLab's limits of a dotenv report.
const VARIABLES: usize = 20;
const BYTES: usize = 5 * 1024;
/// GitLab shows each link at the job; more than these nobody reads.
const MOST_LINKS: usize = 50;

/// Variables about the run, a line each. What has no form that a dotenv report may have (spaces, line breaks, quotes,
/// `$`) is left out: another value would be worse than none.
pub fn dotenv(account: &Account) -> String {
    let mut text = String::new();
    let all = variables(account).into_iter().filter(|(_, value)| is_plain(value));
    for (name, value) in all.take(VARIABLES) {
        let line = format!("{name}={value}\n");
        if text.len() + line.len() <= BYTES {
            text += &line;
        }
    }
    text
}

fn variables(account: &Account) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut push = |name: &str, value: String| all.push((format!("DATAPIN_RUN{name}"), value));
    push("", account.run.0.clone());
    if let Some(number) = account.number {
        push("_NUMBER", number.to_string());
    }
    if let Some(finished) = &account.ending {
        push("_OUTCOME", finished.outcome.word().replace(' ', "-"));
        push("_EXIT", finished.exit.to_string());
        push("_SECONDS", finished.seconds.to_string());
    }
    if let Some(about) = &account.summary {
        push("_PIPELINE", about.pipeline.clone());
        push("_DATASET", about.dataset.clone());
        push("_VERSION", about.version.clone());
    }
    let names: Vec<&str> = account.environments().map(|one| one.name.as_str()).collect();
    push("_ENVIRONMENTS", names.join(","));
    for environment in account.environments() {
        let name: String = environment
            .name
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' })
            .collect();
        if let Some(commit) = environment.revert.as_ref().or(environment.commit.as_ref()) {
            push(&format!("_COMMIT_{name}"), commit.to_string());
        }
    }
    all
}

fn is_plain(value: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.,:/+@=".contains(char);
    !value.is_empty() && value.chars().all(plain)
}

/// Links of the run: the commits that it made, and what its gates link to. A JSON document.
pub fn annotations(account: &Account, links: &Links) -> String {
    let commits = account.environments().flat_map(|environment| {
        environment.commits().filter_map(|(what, commit)| {
            Some((format!("{} {what} {}", environment.name, commit.short()), links.commit(commit)?))
        })
    });
    let gates = account.stages.iter().flat_map(|stage| {
        stage
            .gates
            .iter()
            .filter_map(|gate| Some((format!("gate {}/{}", stage.names(), gate.name), link::web(&gate.url)?)))
    });
    let all: Vec<_> = commits
        .chain(gates)
        .take(MOST_LINKS)
        .map(|(label, url)| json!({ "external_link": { "label": clean::one_line(&label), "url": url } }))
        .collect();
    format!("{:#}\n", json!({ "datapin": all }))
}
