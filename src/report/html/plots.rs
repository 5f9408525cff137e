//! The page of an environment: what it was on, how long that took, and what went wrong.

mod lead;
mod outcomes;
mod versions;

use jiff::Timestamp;
use serde::Serialize;

use super::{PageError, Shade, line, render};
use crate::queue::{HistoryLine, Outcome};
use crate::report::link::Links;
use crate::report::words;

/// Runs of one environment, for its page.
#[derive(Debug, Clone)]
pub struct EnvironmentHistory {
    /// Environment.
    pub environment: String,
    /// Its finished runs, newest first.
    pub runs: Vec<HistoryLine>,
}

/// The page of an environment's history.
///
/// # Errors
/// A template that is wrong: a bug.
pub fn environment_page(history: &EnvironmentHistory, links: &Links) -> Result<String, PageError> {
    let mut oldest_first: Vec<&HistoryLine> = history.runs.iter().collect();
    oldest_first.reverse();
    render("environment.html", &Page::new(&history.environment, &oldest_first, links))
}

#[derive(Debug, Serialize)]
struct Page {
    title: String,
    version: &'static str,
    span: String,
    numbers: Vec<(String, &'static str)>,
    versions: versions::Plot,
    lead: lead::Plot,
    outcomes: outcomes::Plot,
    runs: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    number: u64,
    run: String,
    finished: String,
    pipeline: String,
    dataset: String,
    version: String,
    shade: Shade,
    word: &'static str,
    took: String,
    actor: String,
    reason: String,
    commits: Vec<(String, Option<String>)>,
}

impl Page {
    fn new(environment: &str, runs: &[&HistoryLine], links: &Links) -> Self {
        let span = runs.first().zip(runs.last()).map(|(first, last)| {
            format!("{} to {}", words::moment(first.finished), words::moment(last.finished))
        });
        Self {
            title: line(environment),
            version: env!("CARGO_PKG_VERSION"),
            span: span.unwrap_or_default(),
            numbers: numbers(runs),
            versions: versions::Plot::new(runs),
            lead: lead::Plot::new(runs),
            outcomes: outcomes::Plot::new(runs),
            runs: runs.iter().rev().map(|run| row(run, links)).collect(),
        }
    }
}

/// How an outcome counts.
fn shade(run: &HistoryLine) -> Shade {
    match run.outcome {
        Outcome::Verified | Outcome::NotRecorded { .. } | Outcome::Restored => Shade::Good,
        Outcome::RolledBack { .. } => Shade::Warn,
        Outcome::RollbackFailed { .. } => Shade::Bad,
        Outcome::NothingToDo
        | Outcome::Stopped { .. }
        | Outcome::Withdrawn { .. }
        | Outcome::GaveUp
        | Outcome::Dropped { .. } => Shade::Skip,
    }
}

/// From entering to the end, in seconds: how long a version took to be verified there.
fn lead(run: &HistoryLine) -> u64 {
    u64::try_from(run.finished.as_second() - run.entered.as_second()).unwrap_or(0)
}

fn numbers(runs: &[&HistoryLine]) -> Vec<(String, &'static str)> {
    let of = |wanted: Shade| runs.iter().filter(move |run| shade(run) == wanted);
    let back = of(Shade::Warn).count() + of(Shade::Bad).count();
    let touched = of(Shade::Good).count() + back;
    let share =
        (100 * back).checked_div(touched).map_or_else(|| "–".to_owned(), |share| format!("{share} %"));
    let median = |mut all: Vec<u64>| {
        all.sort_unstable();
        all.get(all.len() / 2).map_or_else(|| "–".to_owned(), |middle| words::elapsed(*middle))
    };
    let verified = runs.iter().filter(|run| run.outcome == Outcome::Verified);
    let taken_back = of(Shade::Warn).chain(of(Shade::Bad));
    vec![
        (runs.len().to_string(), "runs"),
        (verified.clone().count().to_string(), "verified"),
        (share, "of those that changed it were taken back"),
        (of(Shade::Bad).count().to_string(), "rollbacks failed"),
        (median(verified.map(|run| lead(run)).collect()), "median lead time to verified"),
        (median(taken_back.map(|run| lead(run)).collect()), "median time until taken back"),
    ]
}

fn row(run: &HistoryLine, links: &Links) -> Row {
    Row {
        number: run.number,
        run: line(&run.run.0),
        finished: words::moment(run.finished),
        pipeline: line(&run.pipeline),
        dataset: line(&run.dataset),
        version: line(&run.version),
        shade: shade(run),
        word: run.outcome.word(),
        took: run.started.map(|from| words::between(from, run.finished)).unwrap_or_default(),
        actor: line(&run.actor),
        reason: run.outcome.reason().map(|why| line(&why)).unwrap_or_default(),
        commits: run.commits.iter().map(|one| (one.short().to_owned(), links.commit(one))).collect(),
    }
}

/// Size of every plot, in the units of its view box.
const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;

/// A label at a place on an axis.
#[derive(Debug, Clone, Serialize)]
struct Tick {
    at: String,
    text: String,
}

/// A coordinate, with as many digits as are seen.
fn place(value: f64) -> String {
    format!("{value:.1}")
}

/// A share of the height, from below.
fn height(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
}

/// A share of the width, from the left.
fn along(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

#[expect(clippy::cast_precision_loss, reason = "counts of runs and seconds are far below 2^52")]
fn float(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> f64 {
    float(u64::try_from(value).unwrap_or(u64::MAX))
}

/// Where a moment is between two others.
fn share(at: Timestamp, from: Timestamp, to: Timestamp) -> f64 {
    let part = |from: Timestamp, to: Timestamp| {
        float(u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0))
    };
    let whole = part(from, to);
    if whole > 0.0 { (part(from, at) / whole).min(1.0) } else { 0.5 }
}

/// The day of a moment.
fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
