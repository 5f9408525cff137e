//! The words of the starting file.

use super::Found;
use crate::config::form::{self, Spot};
use crate::config::key::Form;

/// The file for what was found.
pub(super) fn compose(found: &Found, remote: Option<&str>) -> String {
    let mut text = String::from(
        "# How datapin deploys data versions in this repository.\n\
         # `datapin check` reads it, `datapin schema` describes every key.\n",
    );
    if !found.notes.is_empty() {
        text.push_str("#\n# Please look at this:\n");
        for note in &found.notes {
            text.push_str(&format!("# - {}\n", note.escape_debug()));
        }
    }
    text.push_str(&repository(remote));
    let ready = found.path.is_some() && !found.environments.is_empty() && !found.services.is_empty();
    let body = [dataset(found), environments(found), pipelines(found)].concat();
    text.push_str(&if ready { body } else { commented(&body) });
    text.push_str(REST);
    text
}

const REST: &str = r#"
# Gates check an environment after its services are deployed; name them in a stage: gates = ["smoke-test"]
# [gate.smoke-test]
# kind = "command"                     # exit code 0 passed, 1 failed, anything else: could not tell
# command = ["./smoke-test", "--all"]
# timeout = "30m"
# allow_failure = false

# Runs that need the same environment take turns. The branch is the queue, the lock and the log.
[queue.default]
branch = "datapin/queue"
# ttl = "5m"                           # a run that is silent for so long is taken over
# max_wait = "2h"                      # how long a run waits for its turn

# Start and finish of every run are told here.
# [notify.rocketchat]
# webhook = { env = "ROCKETCHAT_WEBHOOK" }
"#;

fn repository(remote: Option<&str>) -> String {
    let login = match remote {
        Some(remote) if remote.starts_with("http") => "token = { env = \"DATAPIN_TOKEN\" }",
        Some(remote) if remote.starts_with("ssh://") || (remote.contains('@') && !remote.contains("://")) => {
            "ssh_key = { file = \"/path/to/key\" }"
        }
        _ => "token = { env = \"DATAPIN_TOKEN\" }   # or ssh_key = { file = \"/path/to/key\" }",
    };
    // one that holds a password, or cannot be one, is not repeated
    let good = |remote: &&str| form::check(Form::Remote, remote, Spot { key: "url", place: "" }).is_none();
    let url = remote.filter(good).map_or_else(|| "…".to_owned(), str::to_owned);
    format!(
        "\n# Everything here is optional: the origin of the checkout, its default branch, git's own credentials.\n\
         # [repository]\n# url = {}\n# branch = \"main\"\n# {login}\n",
        quoted(&url)
    )
}

fn dataset(found: &Found) -> String {
    let name = found.dataset.as_deref().unwrap_or("data");
    let services = if found.services.is_empty() { vec!["app".to_owned()] } else { found.services.clone() };
    let file = found.file.as_deref().unwrap_or("environments/{environment}/{service}.yaml");
    let path = found.path.as_deref().unwrap_or("data.version");
    let mut text = format!("\n[dataset.{name}]\n");
    if let Some(version) = found.versions.values().next() {
        let pattern = format!("'{}'", pattern(version));
        text.push_str(&format!("# version_pattern = {pattern}   # as in {}\n", version.escape_debug()));
    }
    text.push_str(
        "# They read the same data: one commit changes them all, one failure takes them all back.\n",
    );
    text.push_str(&format!("services = {}\n", list(&services)));
    text.push_str(&format!("pin = {{ file = {}, path = {} }}\n", quoted(file), quoted(path)));
    text.push_str("# settable = [\"service:path\"]          # what --set may change beside the version\n");
    text
}

fn environments(found: &Found) -> String {
    let some = ["int".to_owned()];
    let names = if found.environments.is_empty() { &some[..] } else { &found.environments };
    let mut text = String::from(
        "\n# The agent says which commit a service runs and whether it is healthy. Replace ./agent by a program that asks\n\
         # yours: it gets the question as JSON on stdin and answers on stdout.\n",
    );
    for name in names {
        let separator = if text.ends_with("stdout.\n") { "" } else { "\n" };
        text.push_str(&format!("{separator}[environment.{name}]\n"));
        if let Some(services) = found.fewer.get(name) {
            text.push_str(&format!("services = {}\n", list(services)));
        }
        text.push_str(
            "agent = { kind = \"command\", command = [\"./agent\", \"{environment}\", \"{service}\"] }\n",
        );
    }
    text
}

fn pipelines(found: &Found) -> String {
    let some = ["int".to_owned()];
    let names = if found.environments.is_empty() { &some[..] } else { &found.environments };
    let mut text = String::from(
        "\n# A pipeline succeeds as a whole or is rolled back as a whole. Several environments in order are several stages:\n\
         # stages = [{ environment = \"abn\", gates = [\"smoke-test\"] }, { environment = \"prd\" }]\n",
    );
    for name in names {
        let separator = if text.ends_with("]\n") && text.contains("[pipeline.") { "\n" } else { "" };
        text.push_str(&format!(
            "{separator}[pipeline.{name}]\nstages = [{{ environment = {} }}]\n",
            quoted(name)
        ));
    }
    text
}

/// Every line made a comment.
fn commented(text: &str) -> String {
    let comment = |line: &str| match line {
        "" => "\n".to_owned(),
        line if line.starts_with('#') => format!("{line}\n"),
        line => format!("# {line}\n"),
    };
    text.lines().map(comment).collect()
}

/// A regular expression for versions like this one.
fn pattern(version: &str) -> String {
    let runs = || version.split(|c: char| !c.is_ascii_digit()).map(str::len);
    let dated = runs().any(|run| run == 4 || run == 8);
    let mut pattern = String::new();
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match digits {
            // `regex` escapes it needlessly
            0 if first == '-' => pattern.push('-'),
            0 => pattern.push_str(&regex::escape(&first.to_string())),
            // years, months and days have a fixed width
            2 | 4 | 8 if dated => pattern.push_str(&format!(r"\d{{{digits}}}")),
            _ => pattern.push_str(r"\d+"),
        }
        rest = &rest[if digits == 0 { first.len_utf8() } else { digits }..];
    }
    pattern
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
