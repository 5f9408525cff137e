//! How long verified versions took: waiting below, working above.

use serde::Serialize;

use super::{LEFT, RIGHT, Tick, WIDTH, count, day, float, height, lead, place};
use crate::queue::{HistoryLine, Outcome};
use crate::report::html::line;
use crate::report::words;

/// The last so many are drawn.
const MOST: usize = 80;
const WIDEST: f64 = 24.0;

#[derive(Debug, Serialize)]
pub(super) struct Plot {
    bars: Vec<Bar>,
    times: Vec<Tick>,
    days: Vec<Tick>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: String,
    width: String,
    /// Top and height of the wait.
    wait: (String, String),
    /// The same for the work.
    work: (String, String),
    title: String,
}

impl Plot {
    pub(super) fn new(runs: &[&HistoryLine]) -> Self {
        let verified: Vec<&&HistoryLine> =
            runs.iter().filter(|run| run.outcome == Outcome::Verified).collect();
        let shown = &verified[verified.len().saturating_sub(MOST)..];
        let longest = shown.iter().map(|run| lead(run)).max();
        let scale = float(longest.unwrap_or(0).max(1));
        let room = (WIDTH - LEFT - RIGHT) / count(shown.len().max(1));
        let bars = shown.iter().enumerate().map(|(at, run)| bar(run, LEFT + room * count(at), room, scale));
        let ends = shown.first().zip(shown.last());
        Self {
            bars: bars.collect(),
            times: times(longest),
            days: ends.map_or_else(Vec::new, |(first, last)| {
                vec![
                    Tick { at: place(LEFT + 40.0), text: day(first.finished) },
                    Tick { at: place(WIDTH - RIGHT - 40.0), text: day(last.finished) },
                ]
            }),
        }
    }
}

fn bar(run: &HistoryLine, x: f64, room: f64, longest: f64) -> Bar {
    let whole = lead(run);
    let started = run.started.unwrap_or(run.entered);
    let waited = u64::try_from(started.as_second() - run.entered.as_second()).unwrap_or(0).min(whole);
    let (low, middle, top) = (height(0.0), height(float(waited) / longest), height(float(whole) / longest));
    let width = (room * 0.8).min(WIDEST);
    Bar {
        x: place(x + (room - width) / 2.0),
        width: place(width),
        wait: (place(middle), place(low - middle)),
        work: (place(top), place((middle - top).max(1.0))),
        title: format!(
            "#{} {}: {} in all, {} of it waiting",
            run.number,
            line(&run.version),
            words::elapsed(whole),
            words::elapsed(waited)
        ),
    }
}

fn times(longest: Option<u64>) -> Vec<Tick> {
    let Some(longest) = longest else { return Vec::new() };
    let tick = |at: f64, seconds: u64| Tick { at: place(at), text: words::elapsed(seconds) };
    // half a second has no label
    let half = (longest > 1).then(|| tick(height(0.5), longest / 2));
    [Some(tick(height(1.0), longest)), half, Some(tick(height(0.0), 0))].into_iter().flatten().collect()
}
