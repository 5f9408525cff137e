//! What every environment is on: `datapin status`.

use jiff::Timestamp;

use super::Color;
use super::json::{self, v1};
use super::line::{Line, Tone};
use super::table::Table;
use super::words;
use crate::queue::{HistoryLine, Outcome};
use crate::repo::CommitId;

/// What the environments are on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusView {
    /// One entry an environment and dataset, in the order of the configuration.
    pub environments: Vec<EnvironmentStatus>,
}

/// What one environment is on, for one dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentStatus {
    /// Environment.
    pub name: String,
    /// Dataset.
    pub dataset: String,
    /// What it was verified with last; `None` if it never was.
    pub version_verified: Option<VerifiedOn>,
    /// Service and the value that its pin has now.
    pub pinned: Vec<(String, String)>,
    /// What its parameter outside git says; `None` if it has none.
    pub recorded: Option<Recorded>,
    /// How pins, record and outside stores differ, in plain words.
    pub drift: Option<String>,
    /// Why nothing is deployed there, and who says so.
    pub frozen: Option<String>,
    /// Who holds it: `#42 int timetable 2026.11.23-1 (anna)`.
    pub holder: Option<String>,
    /// Versions that are kept out.
    pub rejected: Vec<String>,
    /// The last run that named it.
    pub last: Option<HistoryLine>,
}

/// What a parameter outside git says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Name of the parameter.
    pub parameter: String,
    /// Its value; `None` if it does not exist, or could not be read.
    pub value: Option<String>,
    /// Why it could not be read.
    pub trouble: Option<String>,
}

/// What an environment was verified with last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedOn {
    /// Version.
    pub version: String,
    /// Commit that was watched.
    pub commit: CommitId,
    /// When.
    pub at: Timestamp,
}

/// The status as a table; what is out of the ordinary stands below its environment.
pub fn status_text(status: &StatusView, color: Color) -> String {
    let mut columns = vec!["ENVIRONMENT", "DATASET", "VERIFIED", "PINNED", "HOLDER", "LAST RUN"];
    let outside = status.environments.iter().any(|one| one.recorded.is_some());
    if outside {
        columns.insert(PARAMETER, "PARAMETER");
    }
    let mut table = Table::new(&columns);
    for one in &status.environments {
        let mut cells = cells(one);
        if outside {
            cells.insert(PARAMETER, recorded(one));
        }
        table.row(cells, details(one));
    }
    table.render(color)
}

/// Where the column of parameters stands: beside what they should say.
const PARAMETER: usize = 3;

fn recorded(one: &EnvironmentStatus) -> (Tone, String) {
    let verified = one.version_verified.as_ref().map(|on| &on.version);
    match &one.recorded {
        None => (Tone::Dim, String::new()),
        Some(Recorded { trouble: Some(_), .. }) => (Tone::Warn, "unknown".to_owned()),
        Some(Recorded { value, .. }) => {
            let tone = if value.as_ref() == verified { Tone::Good } else { Tone::Warn };
            (tone, value.clone().unwrap_or_else(|| "none".to_owned()))
        }
    }
}

/// The status for machines: one JSON document.
pub fn status_json(status: &StatusView) -> String {
    json::pretty(&v1::Document::new(v1::status::Status::from(status)))
}

fn cells(one: &EnvironmentStatus) -> Vec<(Tone, String)> {
    let verified = one.version_verified.as_ref().map_or("never", |on| on.version.as_str());
    let pinned = pinned(one);
    let pinned_tone = if pinned == verified { Tone::Good } else { Tone::Warn };
    let last = one.last.as_ref().map_or((Tone::Dim, String::new()), last);
    vec![
        (Tone::Strong, one.name.clone()),
        (Tone::Plain, one.dataset.clone()),
        (Tone::Plain, verified.to_owned()),
        (pinned_tone, pinned),
        (Tone::Plain, one.holder.clone().unwrap_or_default()),
        last,
    ]
}

/// One value where all services have the same, else each service with its own.
fn pinned(one: &EnvironmentStatus) -> String {
    match one.pinned.split_first() {
        None => String::new(),
        Some(((_, first), others)) if others.iter().all(|(_, value)| value == first) => first.clone(),
        Some(_) => "differs".to_owned(),
    }
}

fn last(line: &HistoryLine) -> (Tone, String) {
    let words = format!("#{} {} {}", line.number, line.outcome.word(), words::moment(line.finished));
    (tone(&line.outcome), words)
}

fn details(one: &EnvironmentStatus) -> Vec<Line> {
    let mut lines = Vec::new();
    if pinned(one) == "differs" {
        let each: Vec<String> =
            one.pinned.iter().map(|(service, value)| format!("{service} {value}")).collect();
        lines.push(Line::plain(format!("pinned: {}", each.join(", "))));
    }
    let push = |lines: &mut Vec<Line>, tone, label: &str, text: &Option<String>| {
        lines.extend(text.iter().map(|text| Line::toned(tone, format!("{label}: {text}"))));
    };
    push(&mut lines, Tone::Bad, "frozen", &one.frozen);
    push(&mut lines, Tone::Warn, "drift", &one.drift);
    if !one.rejected.is_empty() {
        lines.push(Line::plain(format!("rejected: {}", one.rejected.join(", "))));
    }
    lines
}

/// How an outcome is coloured in tables.
pub(super) fn tone(outcome: &Outcome) -> Tone {
    match outcome {
        Outcome::Verified | Outcome::NothingToDo | Outcome::Restored => Tone::Good,
        Outcome::RollbackFailed { .. } => Tone::Bad,
        Outcome::NotRecorded { .. }
        | Outcome::RolledBack { .. }
        | Outcome::Stopped { .. }
        | Outcome::Withdrawn { .. }
        | Outcome::GaveUp
        | Outcome::Dropped { .. } => Tone::Warn,
    }
}
