//! Gate `command`: exit 0 passed, 1 failed, anything else errored.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{Facts, LOG, Report, SUMMARY};
use crate::process::{self, Captured, Ended, Finished, Program};
use crate::queue::Verdict;

/// Version of the contract.
const API: u32 = 1;
/// Bytes that are kept of each output.
const KEEP: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub(super) struct CommandGate {
    pub(super) command: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) own: PathBuf,
}

impl CommandGate {
    pub(super) async fn run(&self, gate: &str, facts: &Facts, attempt: u32, timeout: Duration) -> Report {
        let argv = self.argv(facts);
        let mut env = self.env.clone();
        env.extend(variables(gate, facts, attempt));
        let program = Program { argv: &argv, env, stdin: None, timeout, keep: KEEP, cwd: None };
        match process::run(program).await {
            Ok(finished) => report(&finished, timeout),
            Err(error) => Report::without_output(Verdict::Errored, error.to_string()),
        }
    }

    fn argv(&self, facts: &Facts) -> Vec<String> {
        let environment = facts.environment();
        let facts = [
            ("dataset", facts.dataset.as_str()),
            ("environment", environment.as_str()),
            ("version", facts.version.as_str()),
        ];
        process::fill_all(&self.command, &facts, &self.own)
    }
}

/// The facts as variables. `DATAPIN_ENVIRONMENT` and `DATAPIN_ENVIRONMENTS` are the same list, separated by
/// spaces: a script for one environment reads well, and one that forgot that there are two fails.
pub(super) fn variables(gate: &str, facts: &Facts, attempt: u32) -> Vec<(String, String)> {
    let first = facts.commits.first().map(|(_, commit)| commit.to_string()).unwrap_or_default();
    let commits: Vec<_> = facts.commits.iter().map(|(name, commit)| format!("{name}={commit}")).collect();
    [
        ("API", API.to_string()),
        ("RUN", facts.run.clone()),
        ("PIPELINE", facts.pipeline.clone()),
        ("DATASET", facts.dataset.clone()),
        ("VERSION", facts.version.clone()),
        ("STAGE", facts.stage.to_string()),
        ("ENVIRONMENT", facts.environment()),
        ("ENVIRONMENTS", facts.environment()),
        ("COMMIT", first),
        ("COMMITS", commits.join(" ")),
        ("SERVICES", facts.services.join(" ")),
        ("ACTOR", facts.actor.clone()),
        ("URL", facts.url.clone()),
        ("GATE", gate.to_owned()),
        ("ATTEMPT", attempt.to_string()),
    ]
    .map(|(name, value)| (format!("DATAPIN_{name}"), value))
    .into()
}

fn report(finished: &Finished, timeout: Duration) -> Report {
    let word = Word::read(&finished.stdout);
    let said = word.as_ref().map(|word| process::one_line(&word.summary, SUMMARY));
    let said = said.filter(|summary| !summary.is_empty()).or_else(|| last_words(finished, word.is_some()));
    let (verdict, what) = match finished.ended {
        Ended::Exited { code: 0 } => (Verdict::Passed, None),
        Ended::Exited { code: 1 } => (Verdict::Failed, None),
        Ended::Exited { code } => (Verdict::Errored, Some(format!("exit code {code} is neither 0 nor 1"))),
        Ended::Signalled { signal } => (Verdict::Errored, Some(format!("ended by signal {signal}"))),
        Ended::TimedOut => (Verdict::TimedOut, Some(format!("not finished after {timeout:?}"))),
    };
    let summary = match (what, said) {
        (None, Some(said)) => said,
        (None, None) => format!("{}, and printed nothing", verdict.word()),
        (Some(what), Some(said)) => format!("{what}: {said}"),
        (Some(what), None) => format!("{what}, and printed nothing"),
    };
    let url = word.as_ref().map(Word::link).unwrap_or_default();
    Report { verdict, summary, url, log: log(finished, word.is_some()) }
}

/// The optional last line of stdout: `{api:1, summary, url}`.
#[derive(Debug, Deserialize)]
struct Word {
    api: u32,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    url: String,
}

impl Word {
    /// `None` if the last line is something else: a gate need not know this contract.
    fn read(stdout: &Captured) -> Option<Self> {
        serde_json::from_str(&stdout.raw_last_line()).ok().filter(|word: &Self| word.api == API)
    }

    /// The link, or nothing if it isn't one for a browser: it is shown as a link in chat and CI.
    fn link(&self) -> String {
        let url = reqwest::Url::parse(&self.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty());
        url.map(String::from).unwrap_or_default()
    }
}

fn last_words(finished: &Finished, has_word: bool) -> Option<String> {
    let line = stdout(finished, has_word).pop().or_else(|| finished.stderr.last_line())?;
    Some(process::one_line(&line, SUMMARY))
}

fn stdout(finished: &Finished, has_word: bool) -> Vec<String> {
    let mut lines = finished.stdout.last_lines(LOG + 1);
    if has_word {
        lines.pop();
    }
    lines.drain(..lines.len().saturating_sub(LOG));
    lines
}

fn log(finished: &Finished, has_word: bool) -> Vec<String> {
    let mut lines = stdout(finished, has_word);
    lines.extend(finished.stderr.last_lines(LOG));
    lines
}
