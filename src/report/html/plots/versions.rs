//! Versions over time.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use serde::Serialize;

use super::{Tick, along, count, day, height, place, shade, share};
use crate::queue::{HistoryLine, Outcome};
use crate::report::html::{Shade, line};

/// So many versions have a label.
const LABELS: usize = 12;

#[derive(Debug, Serialize)]
pub(super) struct Plot {
    /// The version that the environment was verified on, as a path.
    step: String,
    points: Vec<Point>,
    versions: Vec<Tick>,
    days: Vec<Tick>,
}

#[derive(Debug, Serialize)]
struct Point {
    x: String,
    y: String,
    shade: Shade,
    title: String,
}

impl Plot {
    pub(super) fn new(runs: &[&HistoryLine]) -> Self {
        let versions = in_order(runs);
        let places: HashMap<&str, usize> =
            versions.iter().enumerate().map(|(at, version)| (*version, at)).collect();
        let y = |version: &str| {
            let at = places.get(version).copied().unwrap_or(0);
            height((count(at) + 0.5) / count(versions.len().max(1)))
        };
        let span = runs.first().zip(runs.last()).map(|(first, last)| (first.finished, last.finished));
        let x = |run: &HistoryLine| {
            along(span.map_or(0.5, |(from, to)| 0.01 + 0.98 * share(run.finished, from, to)))
        };
        let point = |run: &&HistoryLine| Point {
            x: place(x(run)),
            y: place(y(&run.version)),
            shade: shade(run),
            title: format!(
                "#{} {}: {}, {}",
                run.number,
                line(&run.version),
                run.outcome.word(),
                day(run.finished)
            ),
        };
        Self {
            step: step(runs, x, y),
            points: runs.iter().map(point).collect(),
            versions: labels(&versions, y),
            days: span.map_or_else(Vec::new, |(from, to)| {
                vec![
                    Tick { at: place(along(0.05)), text: day(from) },
                    Tick { at: place(along(0.95)), text: day(to) },
                ]
            }),
        }
    }
}

/// Every version once, in the order in which they came.
fn in_order<'a>(runs: &[&'a HistoryLine]) -> Vec<&'a str> {
    let mut known = HashSet::new();
    let versions = runs.iter().map(|run| run.version.as_str());
    versions.filter(|version| !version.is_empty() && known.insert(*version)).collect()
}

fn step(runs: &[&HistoryLine], x: impl Fn(&HistoryLine) -> f64, y: impl Fn(&str) -> f64) -> String {
    let mut path = String::new();
    let reached = |outcome: &Outcome| {
        matches!(outcome, Outcome::Verified | Outcome::NotRecorded { .. } | Outcome::Restored)
    };
    for run in runs.iter().filter(|run| reached(&run.outcome)) {
        let (x, y) = (place(x(run)), place(y(&run.version)));
        // writing to a string never fails
        let _ = match path.is_empty() {
            true => write!(path, "M{x} {y}"),
            false => write!(path, "H{x}V{y}"),
        };
    }
    if !path.is_empty() {
        let _ = write!(path, "H{}", place(along(1.0)));
    }
    path
}

fn labels(versions: &[&str], y: impl Fn(&str) -> f64) -> Vec<Tick> {
    let every = versions.len().div_ceil(LABELS).max(1);
    let shown = versions.iter().rev().step_by(every);
    shown
        .map(|version| Tick {
            at: place(y(version)),
            text: crate::report::clean::cut(&line(version), 18).into_owned(),
        })
        .collect()
}
