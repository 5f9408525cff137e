//! How runs ended: `datapin history`.

use super::Color;
use super::json::{self, v1};
use super::line::Tone;
use super::status::tone;
use super::table::Table;
use super::words;
use crate::queue::HistoryLine;

const HEADS: [&str; 9] =
    ["RUN", "FINISHED", "PIPELINE", "DATASET", "VERSION", "OUTCOME", "TOOK", "ACTOR", "REASON"];

/// The lines as a table, in the order that they come in.
pub fn history_text(lines: &[HistoryLine], color: Color) -> String {
    let mut table = Table::new(&HEADS);
    for line in lines {
        table.row(cells(line), Vec::new());
    }
    table.render(color)
}

/// The lines for machines: one JSON document.
pub fn history_json(lines: &[HistoryLine]) -> String {
    json::pretty(&v1::Document::new(v1::history::History::from(lines)))
}

/// The lines for machines: a JSON document a line.
pub fn history_json_lines(lines: &[HistoryLine]) -> String {
    lines.iter().map(|line| json::line(&v1::Document::new(v1::history::Run::from(line)))).collect()
}

fn cells(line: &HistoryLine) -> Vec<(Tone, String)> {
    let plain = |text: &str| (Tone::Plain, text.to_owned());
    vec![
        (Tone::Strong, format!("#{}", line.number)),
        (Tone::Plain, words::moment(line.finished)),
        plain(&line.pipeline),
        plain(&line.dataset),
        plain(&line.version),
        (tone(&line.outcome), line.outcome.word().to_owned()),
        (Tone::Plain, line.started.map_or_else(String::new, |from| words::between(from, line.finished))),
        plain(&line.actor),
        (Tone::Plain, line.outcome.reason().unwrap_or_default()),
    ]
}
