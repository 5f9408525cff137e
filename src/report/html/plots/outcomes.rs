//! Failures and rollbacks over time: how runs ended, by day, week or month.

use jiff::Timestamp;
use serde::Serialize;

use super::{LEFT, RIGHT, Tick, WIDTH, count, day, height, place, shade};
use crate::queue::HistoryLine;
use crate::report::html::Shade;

/// Most bars; days become weeks, and weeks become longer, until they are enough.
const MOST: i64 = 40;
const DAY: i64 = 24 * 3600;
const WIDEST: f64 = 40.0;
/// From the bottom of a bar to its top.
const ORDER: [Shade; 4] = [Shade::Good, Shade::Warn, Shade::Bad, Shade::Skip];

#[derive(Debug, Serialize)]
pub(super) struct Plot {
    /// `day`, `week`, `4 weeks`.
    every: String,
    pieces: Vec<Piece>,
    counts: Vec<Tick>,
    days: Vec<Tick>,
}

#[derive(Debug, Serialize)]
struct Piece {
    x: String,
    y: String,
    width: String,
    height: String,
    shade: Shade,
    title: String,
}

impl Plot {
    pub(super) fn new(runs: &[&HistoryLine]) -> Self {
        let Some((first, last)) = runs.first().zip(runs.last()) else { return Self::empty() };
        let from = first.finished.as_second().div_euclid(DAY);
        let days = last.finished.as_second().div_euclid(DAY) - from + 1;
        let length = match days {
            ..=MOST => 1,
            _ => (days + 7 * MOST - 1) / (7 * MOST) * 7,
        };
        let bars = usize::try_from((days + length - 1) / length).unwrap_or(1).max(1);
        let mut counts = vec![[0_usize; ORDER.len()]; bars];
        for run in runs {
            let at = (run.finished.as_second().div_euclid(DAY) - from) / length;
            let at = usize::try_from(at).unwrap_or(0).min(bars - 1);
            let kind = ORDER.iter().position(|kind| *kind == shade(run)).unwrap_or(0);
            counts[at][kind] += 1;
        }
        let most = counts.iter().map(|bar| bar.iter().sum::<usize>()).max().unwrap_or(0).max(1);
        let start = |at: usize| {
            let days = from + length * i64::try_from(at).unwrap_or(0);
            Timestamp::from_second(days * DAY).map(day).unwrap_or_default()
        };
        Self {
            every: every(length),
            pieces: counts
                .iter()
                .enumerate()
                .flat_map(|(at, bar)| pieces(at, bars, bar, most, &start(at)))
                .collect(),
            counts: [most, 0]
                .map(|n| Tick { at: place(height(count(n) / count(most))), text: n.to_string() })
                .to_vec(),
            days: vec![
                Tick { at: place(LEFT + 40.0), text: start(0) },
                Tick { at: place(WIDTH - RIGHT - 40.0), text: start(bars - 1) },
            ],
        }
    }

    fn empty() -> Self {
        Self { every: every(1), pieces: Vec::new(), counts: Vec::new(), days: Vec::new() }
    }
}

fn every(days: i64) -> String {
    match days {
        1 => "day".to_owned(),
        7 => "week".to_owned(),
        days => format!("{} weeks", days / 7),
    }
}

fn pieces(at: usize, bars: usize, bar: &[usize; ORDER.len()], most: usize, start: &str) -> Vec<Piece> {
    let room = (WIDTH - LEFT - RIGHT) / count(bars);
    let width = (room * 0.8).min(WIDEST);
    let mut below = 0;
    let mut pieces = Vec::new();
    for (shade, number) in ORDER.into_iter().zip(bar).filter(|(_, number)| **number > 0) {
        let (low, top) = (height(count(below) / count(most)), height(count(below + number) / count(most)));
        pieces.push(Piece {
            x: place(LEFT + room * count(at) + (room - width) / 2.0),
            y: place(top),
            width: place(width),
            height: place(low - top),
            shade,
            title: format!("from {start}: {number} {}", name(shade)),
        });
        below += number;
    }
    pieces
}

fn name(shade: Shade) -> &'static str {
    match shade {
        Shade::Good => "verified or restored",
        Shade::Warn => "rolled back",
        Shade::Bad => "rollback failed",
        Shade::Skip | Shade::Run | Shade::Wait => "ended before the first commit",
    }
}
