//! The last lines about a run.

use super::line::{Line, Tone};
use super::state::RunView;
use super::words;
use crate::event::Finished;
use crate::queue::Outcome;

/// How it ended, what every environment is on now, what somebody should look at, and the exit code.
///
/// A run that was taken over has no exit code here: that belongs to this process's own run.
pub fn block(finished: &Finished, run: &RunView, own: bool) -> Vec<Line> {
    let mut lines = vec![headline(finished, run)];
    lines.extend(causes(&finished.outcome).into_iter().map(|why| Line::toned(Tone::Bad, format!("  {why}"))));
    let widest = finished.standing.iter().map(|one| one.environment.chars().count()).max().unwrap_or(0);
    for one in &finished.standing {
        lines.push(Line::plain(format!("  {:<widest$}  {}", one.environment, one.words)));
    }
    let warnings = finished.warnings.iter();
    lines.extend(warnings.map(|warning| Line::toned(Tone::Warn, format!("  ! {warning}"))));
    if matches!(finished.outcome, Outcome::RollbackFailed { .. }) {
        lines.push(Line::toned(Tone::Bad, "  a person is needed: datapin status says what is frozen"));
    }
    if own {
        lines.push(Line::toned(Tone::Dim, format!("  exit code {}", finished.exit)));
    }
    lines
}

fn headline(finished: &Finished, run: &RunView) -> Line {
    let (glyph, tone) = match finished.outcome {
        Outcome::Verified if !finished.warnings.is_empty() => ("!", Tone::Warn),
        Outcome::Verified | Outcome::NothingToDo | Outcome::Restored => ("✓", Tone::Good),
        Outcome::NotRecorded { .. } => ("!", Tone::Warn),
        Outcome::RolledBack { .. }
        | Outcome::RollbackFailed { .. }
        | Outcome::Stopped { .. }
        | Outcome::Withdrawn { .. }
        | Outcome::GaveUp
        | Outcome::Dropped { .. } => ("✗", Tone::Bad),
    };
    let number = run.number.map_or_else(String::new, |number| format!("#{number}, "));
    let details = format!(" ({number}{})", words::elapsed(finished.seconds));
    Line::toned(tone, format!("{glyph} {}", finished.outcome.word()))
        .with(Tone::Strong, format!(": {}", words::what(&finished.summary)))
        .with(Tone::Dim, details)
}

fn causes(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::RollbackFailed { cause, failures } => {
            let failures = failures.iter().map(|failure| format!("not back: {failure}"));
            std::iter::once(format!("cause: {}", cause.text)).chain(failures).collect()
        }
        Outcome::RolledBack { .. }
        | Outcome::Stopped { .. }
        | Outcome::Withdrawn { .. }
        | Outcome::Dropped { .. }
        | Outcome::NotRecorded { .. }
        | Outcome::Verified
        | Outcome::NothingToDo
        | Outcome::Restored
        | Outcome::GaveUp => outcome.reason().map(|why| format!("cause: {why}")).into_iter().collect(),
    }
}
