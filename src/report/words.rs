//! Words that several reports share.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Ahead, Summary, Waiting};
use crate::queue::{ServiceState, StageStep, State, Ticket};

/// `40s`, `1m 12s`, `2h 05m`.
pub fn elapsed(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The same for the time from one moment to another; a clock that went back counts as 0.
pub fn between(from: Timestamp, to: Timestamp) -> String {
    elapsed(u64::try_from(to.as_second() - from.as_second()).unwrap_or(0))
}

/// `1.5 GiB`; whole bytes below 1 KiB.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    #[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut amount = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if amount < 1024.0 {
            break;
        }
        (amount, unit) = (amount / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{amount:.1} {unit}") }
}

/// `120 of 3000 objects, 1.5 of 20.0 GiB, 2m 10s left`.
pub fn copied(objects: (usize, usize), bytes: (u64, u64), left: Option<u64>) -> String {
    let (done, all) = objects;
    let text = format!("{done} of {all} objects, {} of {}", size(bytes.0), size(bytes.1));
    left.map_or_else(|| text.clone(), |seconds| format!("{text}, {} left", elapsed(seconds)))
}

/// An expected wait: `about 4 min`.
pub fn about(wait: Duration) -> String {
    let minutes = wait.as_secs().div_ceil(60);
    match minutes {
        0 | 1 => "about a minute".to_owned(),
        2..60 => format!("about {minutes} min"),
        _ => format!("about {} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// `2026-11-24 20:00:27Z`.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `20:00:27Z`.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

/// `int timetable 2026.11.23-1`.
pub fn what(summary: &Summary) -> String {
    format!("{} {} {}", summary.pipeline, summary.dataset, summary.version)
}

/// The same for a ticket.
pub fn ticket(ticket: &Ticket) -> String {
    format!("{} {} {}", ticket.title(), ticket.dataset, ticket.version)
}

/// The environments of a ticket: `abn, lup, prd`.
pub fn environments(ticket: &Ticket) -> String {
    let names: Vec<&str> = ticket.parts().map(|part| part.identity.name.as_str()).collect();
    names.join(", ")
}

/// `position 2 behind #41 int timetable 2026.11.22-4 (anna), about 4 min`.
pub fn place(waiting: &Waiting) -> String {
    let mut text = format!("position {}", waiting.position);
    if let Some(first) = waiting.ahead.first() {
        text += &format!(" behind {}", ahead(first));
    }
    if waiting.ahead.len() > 1 {
        text += &format!(" and {} more", waiting.ahead.len() - 1);
    }
    if let Some(wait) = waiting.expected {
        text += &format!(", {}", about(wait));
    }
    text
}

/// `#41 int timetable 2026.11.22-4 (anna)`.
pub fn ahead(ahead: &Ahead) -> String {
    format!("#{} {} ({})", ahead.number, ahead.what, ahead.actor)
}

/// What a ticket does now: `stage 1/3 abn: waits for the agent`.
pub fn state(ticket: &Ticket) -> String {
    match &ticket.state {
        State::Waiting => "waiting".to_owned(),
        State::Started => "started".to_owned(),
        State::Deploying { stage, step } => {
            let names: Vec<&str> = ticket.stages.get(*stage).map_or_else(Vec::new, |stage| {
                stage.environments.iter().map(|part| part.identity.name.as_str()).collect()
            });
            format!("stage {}/{} {}: {}", stage + 1, ticket.stages.len(), names.join(", "), doing(*step))
        }
        State::Verified => "verified, finishing".to_owned(),
        State::RollingBack { cause } => format!("rolling back: {}", cause.text),
    }
}

fn doing(step: StageStep) -> &'static str {
    match step {
        StageStep::Pin => "pushes the pins",
        StageStep::Sync => "waits for the agent",
        StageStep::Gate => "runs the gates",
    }
}

/// How far a service is.
pub fn service(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Pending => "not begun",
        ServiceState::Syncing => "syncing",
        ServiceState::Deployed => "deployed",
        ServiceState::Failed => "failed",
        ServiceState::RollingBack => "rolling back",
        ServiceState::RolledBack => "rolled back",
        ServiceState::RollbackFailed => "rollback failed",
    }
}

/// `text: more`, or `text` where there is no more.
pub fn colon(text: String, more: &str) -> String {
    if more.is_empty() { text } else { format!("{text}: {more}") }
}
