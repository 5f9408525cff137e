//! Events in words: the lines of a log.

use super::ending;
use super::line::{Line, Tone};
use super::state::{RunView, ViewState};
use super::words;
use crate::event::{Direction, Entered, Event, Level, PinChange, Place, Summary, Taken, What};
use crate::queue::{ServiceState, Verdict};

/// The event in words, one line or more. The state has taken it in already.
pub fn narrate(event: &Event, state: &ViewState) -> Vec<Line> {
    let Some(run) = state.shown() else { return Vec::new() };
    let lines = tell(&event.what, run, state.is_own());
    if state.is_own() {
        return lines;
    }
    let whose =
        run.number.map_or_else(|| format!("run {}: ", run.run.short()), |number| format!("#{number}: "));
    lines.into_iter().map(|line| Line::toned(Tone::Dim, &whose).and(line)).collect()
}

/// Whether a live view, which shows all progress anyway, has to say it too.
pub fn is_news(what: &What) -> bool {
    match what {
        What::Waiting(_) | What::Stage { .. } | What::GateBegan { .. } | What::Checked => false,
        What::Service { state, .. } => match state {
            ServiceState::Failed | ServiceState::RollbackFailed => true,
            ServiceState::Pending
            | ServiceState::Syncing
            | ServiceState::Deployed
            | ServiceState::RollingBack
            | ServiceState::RolledBack => false,
        },
        What::Entered(_)
        | What::Started(_)
        | What::TakingOver { .. }
        | What::Adopted { .. }
        | What::Rendered(_)
        | What::Promoting { .. }
        | What::Pinned { .. }
        | What::GateEnded { .. }
        | What::RollingBack { .. }
        | What::Reverted { .. }
        | What::Verified { .. }
        | What::Frozen { .. }
        | What::Note { .. }
        | What::Finished(_) => true,
    }
}

/// `stage 1/3: abn`, of the index and how many there are.
pub fn stage_title((index, of): (usize, usize), environments: &[String]) -> String {
    format!("stage {}/{of}: {}", index + 1, environments.join(", "))
}

fn tell(what: &What, run: &RunView, own: bool) -> Vec<Line> {
    match what {
        What::Entered(entered) => vec![entered_line(entered, run)],
        What::Waiting(waiting) => vec![Line::plain(format!("waiting, {}", words::place(waiting)))],
        What::Started(summary) => started(summary),
        What::TakingOver { left, number, who, direction } => {
            let text = format!("taking over #{number} (run {left}), left by {who}: {}", whither(*direction));
            vec![Line::toned(Tone::Warn, text)]
        }
        What::Adopted { environments, commit, author, subject, taken } => {
            let names = environments.join(", ");
            vec![adopted(&names, commit.short(), author, subject, *taken)]
        }
        What::Checked => vec![Line::plain("checked: nothing stands against it")],
        What::Rendered(change) => vec![Line::plain(change.words())],
        What::Promoting { environment, objects, of_objects, bytes, of_bytes, left } => {
            let share = words::copied((*objects, *of_objects), (*bytes, *of_bytes), *left);
            vec![Line::plain(format!("promoting to {environment}: {share}"))]
        }
        What::Stage { index, of, environments } => {
            vec![Line::toned(Tone::Strong, stage_title((*index, *of), environments))]
        }
        What::Pinned { environments, branch, commit, changes } => {
            vec![Line::plain(pinned(run, environments, branch, commit.short(), changes))]
        }
        What::Service { environment, service, state, reason, log } => {
            let text = format!("{environment}/{service} {}", words::service(*state));
            with_log(Line::toned(service_tone(*state), words::colon(text, reason)), log)
        }
        What::GateBegan { gate, attempt, .. } => {
            let again = if *attempt > 1 { format!(", try {attempt}") } else { String::new() };
            vec![Line::plain(format!("gate {gate} began{again}"))]
        }
        What::GateEnded { gate, verdict, summary, url, log, .. } => {
            let text = words::colon(format!("gate {gate} {}", verdict.word()), summary);
            let link = if url.is_empty() { String::new() } else { format!(" ({url})") };
            with_log(Line::toned(verdict_tone(*verdict), text).with(Tone::Dim, link), log)
        }
        What::RollingBack { cause, environments } => vec![rolling_back(environments, &cause.text)],
        What::Reverted { environments, branch, commit, subject } => {
            let text = format!("reverted {}: {subject}", environments.join(", "));
            vec![Line::plain(text).with(Tone::Dim, format!(" (commit {} on {branch})", commit.short()))]
        }
        What::Verified { environments, version } => {
            vec![Line::toned(Tone::Good, format!("verified {}: {version}", environments.join(", ")))]
        }
        What::Frozen { environment, reason } => {
            vec![Line::toned(Tone::Bad, format!("{environment} is frozen: {reason}"))]
        }
        What::Note { level, text } => vec![match level {
            Level::Info => Line::plain(text),
            Level::Warning => Line::toned(Tone::Warn, format!("warning: {text}")),
        }],
        What::Finished(finished) => ending::block(finished, run, own),
    }
}

fn rolling_back(environments: &[String], cause: &str) -> Line {
    let what = match environments {
        [] => "nothing to roll back".to_owned(),
        names => format!("rolling back {}", names.join(", ")),
    };
    Line::toned(Tone::Bad, format!("{what}: {cause}"))
}

fn whither(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "finishing it",
        Direction::Back => "taking it back",
    }
}

fn adopted(names: &str, commit: &str, author: &str, subject: &str, taken: Taken) -> Line {
    let what = match taken {
        Taken::Deployment => format!("adopting what {author} committed for {names}"),
        Taken::Rollback => format!("rollback by {author} of {names}"),
    };
    Line::plain(format!("{what}: {subject}")).with(Tone::Dim, format!(" (commit {commit})"))
}

fn entered_line(entered: &Entered, run: &RunView) -> Line {
    let how = match entered.place {
        Place::New => "queued as",
        Place::Kept => "back in the queue, still",
        Place::Again => "queued again, since the old place was dropped, as",
    };
    let text = format!("{how} #{}: {}", entered.number, words::what(&entered.summary));
    Line::plain(text).with(Tone::Dim, format!(" (run {})", run.run))
}

fn started(summary: &Summary) -> Vec<Line> {
    let text = format!("started: {} for {}", words::what(summary), summary.actor);
    let link = if summary.url.is_empty() { String::new() } else { format!(" ({})", summary.url) };
    vec![Line::toned(Tone::Strong, text).with(Tone::Dim, link)]
}

/// Services that change alike are named together.
fn pinned(
    run: &RunView,
    environments: &[String],
    branch: &str,
    commit: &str,
    changes: &[PinChange],
) -> String {
    let names = environments.join(", ");
    if changes.is_empty() {
        return format!("{names}: the pins hold the version already; watching commit {commit} on {branch}");
    }
    let version = run.summary.as_ref().map_or("", |summary| summary.version.as_str());
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    for change in changes {
        let who = if environments.len() > 1 {
            format!("{}/{}", change.environment, change.service)
        } else {
            change.service.clone()
        };
        let to = format!("{}{} → {}", setting(change, version), change.before, change.after);
        match groups.iter_mut().find(|(_, known)| *known == to) {
            Some((who_else, _)) => who_else.push(who),
            None => groups.push((vec![who], to)),
        }
    }
    let groups: Vec<String> = groups.iter().map(|(who, to)| format!("{} {to}", who.join(", "))).collect();
    format!("pinned {names}: {} (commit {commit} on {branch})", groups.join("; "))
}

/// The path of a value that is not the data version, since nobody could guess it.
fn setting(change: &PinChange, version: &str) -> String {
    if change.after == version {
        return String::new();
    }
    let path = change.place.split_once(':').map_or(change.place.as_str(), |(_, path)| path);
    format!("{path} ")
}

fn with_log(line: Line, log: &[String]) -> Vec<Line> {
    let log = log.iter().map(|text| Line::toned(Tone::Dim, "    | ").with(Tone::Plain, text));
    std::iter::once(line).chain(log).collect()
}

fn service_tone(state: ServiceState) -> Tone {
    match state {
        ServiceState::Deployed => Tone::Good,
        ServiceState::Failed | ServiceState::RollbackFailed => Tone::Bad,
        ServiceState::Pending
        | ServiceState::Syncing
        | ServiceState::RollingBack
        | ServiceState::RolledBack => Tone::Plain,
    }
}

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Passed => Tone::Good,
        Verdict::Warned => Tone::Warn,
        Verdict::Failed | Verdict::Errored | Verdict::TimedOut => Tone::Bad,
        Verdict::Skipped => Tone::Dim,
    }
}
