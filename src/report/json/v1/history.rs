//! How runs ended.

use serde::Serialize;

use super::{Ending, moment};
use crate::queue::HistoryLine;

/// Finished runs.
#[derive(Debug, Serialize)]
pub struct History<'a> {
    runs: Vec<Run<'a>>,
}

/// One finished run.
#[derive(Debug, Serialize)]
pub struct Run<'a> {
    number: u64,
    run: &'a str,
    key: &'a str,
    attempt: u32,
    pipeline: &'a str,
    environments: &'a [String],
    dataset: &'a str,
    version: &'a str,
    actor: &'a str,
    finished_by: &'a str,
    #[serde(flatten)]
    ending: Ending<'a>,
    exit: u8,
    commits: Vec<&'a str>,
    entered: String,
    /// `null` if it never started.
    started: Option<String>,
    finished: String,
    /// From start to end.
    seconds: Option<i64>,
}

impl<'a> From<&'a [HistoryLine]> for History<'a> {
    fn from(lines: &'a [HistoryLine]) -> Self {
        Self { runs: lines.iter().map(Run::from).collect() }
    }
}

impl<'a> From<&'a HistoryLine> for Run<'a> {
    fn from(from: &'a HistoryLine) -> Self {
        Self {
            number: from.number,
            run: &from.run.0,
            key: &from.key,
            attempt: from.attempt,
            pipeline: &from.pipeline,
            environments: &from.environments,
            dataset: &from.dataset,
            version: &from.version,
            actor: &from.actor,
            finished_by: &from.finished_by,
            ending: Ending::from(&from.outcome),
            exit: from.outcome.exit().code(),
            commits: from.commits.iter().map(|commit| commit.as_str()).collect(),
            entered: moment(from.entered),
            started: from.started.map(moment),
            finished: moment(from.finished),
            seconds: from.started.map(|started| from.finished.as_second() - started.as_second()),
        }
    }
}
