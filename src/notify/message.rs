//! Everything that datapin says in a chat: one function a message.

use serde::Serialize;

use super::escape::{code, data, title};
use super::{Announcement, Asked};
use crate::event::{Finished, StageSummary, Summary};
use crate::exit::Exit;
use crate::queue::{Cause, CauseKind, Outcome, RunId};
use crate::report::link::web;

/// Rocket.Chat refuses a text of more than 5,000 (`Message_MaxAllowedSize`).
const MAX_TEXT: usize = 4000;
const MAX_NAME: usize = 80;
const MAX_REASON: usize = 600;
const MAX_FIELDS: usize = 24;
const NAMES_A_LINE: usize = 8;
/// For the words that tell how much is missing.
const RESERVE: usize = 24;

/// A message, without where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// What a notification on a phone shows; never empty.
    pub text: String,
    /// Details below; exactly one.
    pub attachments: [Attachment; 1],
}

/// Details of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// Colour of its bar.
    pub color: Color,
    /// First line.
    pub title: String,
    /// Where the first line links to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title_link: Option<String>,
    /// Longer text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether it is folded at first.
    pub collapsed: bool,
    /// Facts.
    pub fields: Vec<Field>,
}

/// How it stands, at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Color {
    /// Good.
    #[serde(rename = "#2e7d32")]
    Green,
    /// Not what was asked for, but in order.
    #[serde(rename = "#ef6c00")]
    Orange,
    /// A person is needed.
    #[serde(rename = "#c62828")]
    Red,
    /// Nothing happened, or not yet.
    #[serde(rename = "#757575")]
    Grey,
}

/// A fact with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Name.
    pub title: String,
    /// Fact.
    pub value: String,
    /// Whether two fit side by side.
    pub short: bool,
}

/// The message of an announcement.
pub fn compose(announcement: &Announcement<'_>) -> Message {
    match *announcement {
        Announcement::Started { run, number, summary } => started(run, number, summary),
        Announcement::Asked { run, number, summary, asked } => waits_for_people(run, number, summary, asked),
        Announcement::Finished { run, number, finished } => {
            let (color, lines, text) = ending(finished);
            let mut fields = standing(finished);
            fields.extend(warnings(finished));
            fields.extend(facts(run, number, &finished.summary, Some(finished.seconds)));
            message(color, lines, text, &finished.summary, fields)
        }
    }
}

fn started(run: &RunId, number: u64, summary: &Summary) -> Message {
    let count = summary.stages.len();
    let mut fields: Vec<Field> =
        summary.stages.iter().enumerate().map(|(index, stage)| stage_field(index, count, stage)).collect();
    fields.extend(facts(run, number, summary, None));
    let word = format!("*started* by {}", or_unknown(data(&summary.actor, MAX_NAME)));
    message(Color::Grey, vec![headline(summary, &word)], None, summary, fields)
}

fn waits_for_people(run: &RunId, number: u64, summary: &Summary, asked: Asked<'_>) -> Message {
    let who = asked.who.map_or_else(|| "a person".to_owned(), |who| data(who, MAX_REASON));
    let word = format!("*waits for {who}*");
    let ask = format!(
        "Gate {} of {}: approve it with {}, or by its job in the CI pipeline; no is {}. It waits {} at most.",
        data(asked.gate, MAX_NAME),
        stage_names(summary, asked.stage),
        code(&format!("datapin approve {number} --gate {}", asked.gate), MAX_REASON),
        code(&format!("datapin cancel {number}"), MAX_NAME),
        duration(asked.timeout.as_secs()),
    );
    let fields = facts(run, number, summary, None);
    message(Color::Orange, vec![headline(summary, &word), ask], None, summary, fields)
}

fn stage_names(summary: &Summary, stage: usize) -> String {
    let environments = summary.stages.get(stage).map(|stage| &stage.environments[..]).unwrap_or_default();
    environments.iter().map(|(name, _)| data(name, MAX_NAME)).collect::<Vec<_>>().join(", ")
}

type Ending = (Color, Vec<String>, Option<String>);

fn ending(finished: &Finished) -> Ending {
    let about = &finished.summary;
    match &finished.outcome {
        Outcome::NotRecorded { .. } => not_recorded(about),
        Outcome::Verified if finished.exit == Exit::NotRecorded.code() => not_recorded(about),
        Outcome::Verified if finished.warnings.is_empty() => verified(about),
        Outcome::Verified => verified_with_warnings(about),
        Outcome::NothingToDo => nothing_to_do(about),
        Outcome::Restored => restored(about),
        Outcome::RolledBack { cause } => rolled_back(about, cause),
        Outcome::RollbackFailed { cause, failures } => rollback_failed(about, cause, failures),
        Outcome::Stopped { cause } => stopped(about, cause),
        Outcome::Withdrawn { by } => withdrawn(about, by),
        Outcome::GaveUp => gave_up(about),
        Outcome::Dropped { reason } => dropped(about, reason),
    }
}

fn verified(about: &Summary) -> Ending {
    (Color::Green, vec![headline(about, "*verified*")], None)
}

fn verified_with_warnings(about: &Summary) -> Ending {
    let warned = "A gate that is allowed to fail did not pass: see below.".to_owned();
    (Color::Green, vec![headline(about, "*verified*, with warnings"), warned], None)
}

fn not_recorded(about: &Summary) -> Ending {
    let todo = "It is deployed and its gates passed, but a record outside git could not be written. \
                `datapin reconcile` writes it later.";
    (Color::Orange, vec![headline(about, "*verified, but not recorded*"), todo.to_owned()], None)
}

fn nothing_to_do(about: &Summary) -> Ending {
    let why = "Every environment was verified on it already; nothing was written.".to_owned();
    (Color::Grey, vec![headline(about, "*nothing to do*"), why], None)
}

fn restored(about: &Summary) -> Ending {
    (Color::Green, vec![headline(about, "*restored*")], None)
}

fn rolled_back(about: &Summary, cause: &Cause) -> Ending {
    let back = match cause.kind {
        CauseKind::Superseded => "What was still this run's own is back and healthy.",
        CauseKind::Deployment
        | CauseKind::Gate
        | CauseKind::NotAllowed
        | CauseKind::Cancelled
        | CauseKind::Abandoned
        | CauseKind::Unreachable => "Everything that the run touched is back and healthy.",
    };
    (Color::Orange, vec![headline(about, "*rolled back*"), because(cause), back.to_owned()], None)
}

fn rollback_failed(about: &Summary, cause: &Cause, failures: &[String]) -> Ending {
    let failures: Vec<(&str, &str)> =
        failures.iter().map(|failure| failure.split_once(": ").unwrap_or((failure, ""))).collect();
    let names: Vec<String> = failures.iter().map(|(name, _)| data(name, MAX_NAME)).collect();
    let mut lines =
        vec![headline(about, "*ROLLBACK FAILED: a person is needed*"), because(cause), frozen(&failures)];
    lines.extend(names.chunks(NAMES_A_LINE).map(|names| format!("*Not back*: {}", names.join(", "))));
    let reasons = failures
        .iter()
        .filter(|(_, reason)| !reason.is_empty())
        .map(|(name, reason)| format!("*{}*: {}", data(name, MAX_NAME), data(reason, MAX_REASON)))
        .collect::<Vec<_>>();
    (Color::Red, lines, (!reasons.is_empty()).then(|| bounded(&reasons)))
}

fn frozen(failures: &[(&str, &str)]) -> String {
    let mut environments: Vec<String> = Vec::new();
    for (environment, _) in failures.iter().filter_map(|(name, _)| name.split_once('/')) {
        let environment = data(environment, MAX_NAME);
        if !environments.contains(&environment) {
            environments.push(environment);
        }
    }
    let which = match environments.len() {
        0 => "Its environments are".to_owned(),
        1 => format!("Environment {} is", environments.join("")),
        _ => format!("Environments {} are", environments.join(", ")),
    };
    format!(
        "*{which} frozen*: no run deploys there until somebody puts it right and thaws it (`datapin queue thaw`)."
    )
}

fn stopped(about: &Summary, cause: &Cause) -> Ending {
    let untouched = "This run changed nothing in any environment.".to_owned();
    (
        quietness(cause.kind),
        vec![headline(about, "*stopped before the first commit*"), because(cause), untouched],
        None,
    )
}

fn withdrawn(about: &Summary, by: &str) -> Ending {
    let why = format!("Replaced by {} while it waited; no environment was touched.", data(by, MAX_NAME));
    (Color::Grey, vec![headline(about, "*withdrawn*"), why], None)
}

fn gave_up(about: &Summary) -> Ending {
    let why = "It waited longer than `max_wait` for its turn; no environment was touched.".to_owned();
    (Color::Orange, vec![headline(about, "*gave up waiting*"), why], None)
}

fn dropped(about: &Summary, reason: &str) -> Ending {
    let why = format!(
        "It could have started and did not, so it lost its place ({}); no environment was touched.",
        data(reason, MAX_REASON)
    );
    (Color::Orange, vec![headline(about, "*dropped from the line*"), why], None)
}

/// Whether a run that touched nothing is worth a look.
fn quietness(kind: CauseKind) -> Color {
    match kind {
        CauseKind::Superseded | CauseKind::Cancelled => Color::Grey,
        CauseKind::Deployment
        | CauseKind::Gate
        | CauseKind::NotAllowed
        | CauseKind::Abandoned
        | CauseKind::Unreachable => Color::Orange,
    }
}

fn because(cause: &Cause) -> String {
    let kind = match cause.kind {
        CauseKind::Deployment => "the deployment failed",
        CauseKind::Gate => "a required gate did not pass",
        CauseKind::Superseded => "superseded, somebody else changed a pin meanwhile and theirs stays",
        CauseKind::NotAllowed => "not allowed now",
        CauseKind::Cancelled => "cancelled",
        CauseKind::Abandoned => "its driver fell silent and another one ended it",
        CauseKind::Unreachable => "an outside system was out of reach",
    };
    match data(&cause.text, MAX_REASON) {
        text if text.is_empty() => format!("*Cause*: {kind}"),
        text => format!("*Cause*: {kind}: {text}"),
    }
}

fn headline(about: &Summary, word: &str) -> String {
    format!(
        "datapin: {} {} {} {word}",
        code(&about.pipeline, MAX_NAME),
        data(&about.dataset, MAX_NAME),
        data(&about.version, MAX_NAME)
    )
}

fn stage_field(index: usize, count: usize, stage: &StageSummary) -> Field {
    let mut lines: Vec<String> = stage
        .environments
        .iter()
        .map(|(environment, services)| format!("*{}*: {}", data(environment, MAX_NAME), listed(services)))
        .collect();
    if !stage.gates.is_empty() {
        lines.push(format!("then gates: {}", listed(&stage.gates)));
    }
    let title = if count == 1 { "Deploys to".to_owned() } else { format!("Stage {} of {count}", index + 1) };
    Field { title, value: bounded(&lines), short: false }
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| data(name, MAX_NAME)).collect();
    if names.is_empty() { "no service".to_owned() } else { names.join(", ") }
}

fn standing(finished: &Finished) -> Vec<Field> {
    let field = |standing: &crate::event::Standing| Field {
        title: format!("{} now", title(&standing.environment, MAX_NAME)),
        value: or_unknown(data(&standing.words, MAX_REASON)),
        short: true,
    };
    finished.standing.iter().map(field).collect()
}

fn warnings(finished: &Finished) -> Option<Field> {
    let lines: Vec<String> = finished.warnings.iter().map(|warning| data(warning, MAX_REASON)).collect();
    (!lines.is_empty()).then(|| Field {
        title: "Gates that warned".to_owned(),
        value: bounded(&lines),
        short: false,
    })
}

fn facts(run: &RunId, number: u64, summary: &Summary, seconds: Option<u64>) -> Vec<Field> {
    let short = |title: &str, value: String| Field { title: title.to_owned(), value, short: true };
    let by = short("Asked for by", or_unknown(data(&summary.actor, MAX_NAME)));
    let took = seconds.filter(|seconds| *seconds > 0).map(|seconds| short("Took", duration(seconds)));
    let run = short("Run", format!("{number}, {}", code(&run.0, MAX_NAME)));
    [Some(by), took, Some(run)].into_iter().flatten().collect()
}

fn or_unknown(text: String) -> String {
    if text.is_empty() { "unknown".to_owned() } else { text }
}

fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn message(
    color: Color,
    lines: Vec<String>,
    text: Option<String>,
    about: &Summary,
    mut fields: Vec<Field>,
) -> Message {
    if fields.len() > MAX_FIELDS {
        let more = fields.len() - MAX_FIELDS;
        fields.truncate(MAX_FIELDS);
        fields.push(Field { title: "…".to_owned(), value: format!("and {more} more"), short: true });
    }
    let title_link = web(&about.url);
    let title = match title_link {
        Some(_) => "CI pipeline".to_owned(),
        None => format!("{} {}", title(&about.pipeline, MAX_NAME), title(&about.version, MAX_NAME)),
    };
    let attachment = Attachment { color, title, title_link, text, collapsed: false, fields };
    Message { text: bounded(&lines), attachments: [attachment] }
}

/// Lines as one text that Rocket.Chat accepts: what is too long is told, not sent.
fn bounded(lines: &[String]) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let room = MAX_TEXT - RESERVE - units(&text);
        if units(line) >= room {
            text.push_str(&format!("… and {} more", lines.len() - index));
            break;
        }
        if index > 0 {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
}

/// Length as the server counts it.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
