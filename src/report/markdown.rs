//! A run in Markdown, for job summaries and notes of merge requests.
//!
//! Everything from outside is escaped: it neither formats, links, mentions nor commands.

use super::account::{Account, EnvironmentAccount, GateAccount, StageAccount, Step, StepState};
use super::link::{self, Links};
use super::{clean, words};
use crate::event::Finished;
use crate::queue::Outcome;

/// Longest text in a cell or paragraph.
const LONGEST: usize = 300;
/// Most rows of a table.
const ROWS: usize = 200;

/// The run, and those that it took over; ends with a line break.
pub fn markdown(accounts: &[Account], links: &Links) -> String {
    let parts: Vec<String> = accounts.iter().map(|account| one(account, links)).collect();
    parts.join("\n---\n\n")
}

fn one(account: &Account, links: &Links) -> String {
    let mut text = format!("### {}\n\n", headline(account));
    for cause in causes(account) {
        text += &format!("**Cause**: {}\n\n", escape(&cause));
    }
    for stage in account.stages.iter().filter(|_| !account.only_back()) {
        text += &gates(stage);
    }
    text += &services(account);
    text += &standing(account);
    for environment in account.environments() {
        text += &commits(environment, links);
    }
    text += &foot(account);
    text
}

fn headline(account: &Account) -> String {
    let what = account.summary.as_ref().map_or_else(|| account.run.0.clone(), words::what);
    let (sign, word) = match &account.ending {
        Some(finished) => (sign(finished), finished.outcome.word()),
        None => ("🔵", "not finished"),
    };
    format!("{sign} {}: {word}", escape(&what))
}

fn sign(finished: &Finished) -> &'static str {
    match finished.outcome {
        Outcome::NotRecorded { .. } => "⚠️",
        Outcome::Verified if !finished.warnings.is_empty() => "⚠️",
        Outcome::Verified | Outcome::NothingToDo | Outcome::Restored => "✅",
        Outcome::RolledBack { .. } | Outcome::Stopped { .. } | Outcome::GaveUp => "❌",
        Outcome::RollbackFailed { .. } => "🚨",
        Outcome::Withdrawn { .. } | Outcome::Dropped { .. } => "⏭️",
    }
}

fn causes(account: &Account) -> Vec<String> {
    let ended = account.ending.as_ref().map(|finished| finished.outcome.reason().into_iter().collect());
    ended.unwrap_or_else(|| account.cause.iter().map(|cause| cause.text.clone()).collect())
}

fn gates(stage: &StageAccount) -> String {
    if stage.gates.is_empty() {
        return String::new();
    }
    let mut text = "| Gate | | Took | |\n|---|---|---|---|\n".to_owned();
    let names = stage.names();
    for gate in &stage.gates {
        let name = format!("{names}/{}", gate.name);
        text += &format!(
            "| {} | {} | {} | {} |\n",
            linked(&name, gate),
            cell(&gate.step, gate.verdict.map_or("not run", |verdict| verdict.word())),
            took(&gate.step),
            escape(&gate.step.reason)
        );
    }
    text + "\n"
}

fn linked(name: &str, gate: &GateAccount) -> String {
    match link::web(&gate.url) {
        Some(url) => format!("[{}](<{url}>)", escape(name)),
        None => escape(name),
    }
}

fn services(account: &Account) -> String {
    let mut text = "| Service | Before | After | Deployed | Taken back |\n|---|---|---|---|---|\n".to_owned();
    let all = account
        .environments()
        .flat_map(|environment| environment.services.iter().map(move |service| (environment, service)));
    for (environment, service) in all.take(ROWS) {
        let change = environment.changes.iter().find(|change| change.service == service.name);
        let (before, after) = change.map_or(("", ""), |one| (one.before.as_str(), one.after.as_str()));
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            escape(&format!("{}/{}", environment.name, service.name)),
            escape(before),
            escape(after),
            step(&service.deploy, "deployed"),
            step(&service.rollback, "back"),
        );
    }
    text + "\n"
}

/// A step in a cell: a sign, a word, the time, and why if it failed.
fn step(step: &Step, good: &str) -> String {
    let word = match step.state {
        StepState::Good => good,
        StepState::Bad | StepState::Warned => "failed",
        StepState::NotBegun => return String::new(),
        StepState::Running => "not finished",
        StepState::GivenUp => "given up",
    };
    let why = if step.state == StepState::Bad { escape(&step.reason) } else { String::new() };
    format!("{} {} {why}", cell(step, word), took(step)).trim_end().to_owned()
}

fn cell(step: &Step, word: &str) -> String {
    let sign = match step.state {
        StepState::Good => "✅",
        StepState::Bad => "❌",
        StepState::Warned => "⚠️",
        StepState::NotBegun | StepState::GivenUp => "⏭️",
        StepState::Running => "🔵",
    };
    format!("{sign} {word}")
}

fn took(step: &Step) -> String {
    step.seconds().map(words::elapsed).unwrap_or_default()
}

fn standing(account: &Account) -> String {
    let Some(finished) = &account.ending else { return String::new() };
    let each = finished
        .standing
        .iter()
        .map(|one| format!("- **{}** now: {}\n", escape(&one.environment), escape(&one.words)));
    let frozen = account.environments().filter_map(|one| {
        let why = one.frozen.as_ref()?;
        Some(format!("- **{} is frozen, a person is needed**: {}\n", escape(&one.name), escape(why)))
    });
    each.chain(frozen).chain(["\n".to_owned()]).collect()
}

fn commits(environment: &EnvironmentAccount, links: &Links) -> String {
    environment
        .commits()
        .map(|(what, commit)| {
            let short = format!("`{}`", commit.short());
            let shown =
                links.commit(commit).map_or_else(|| short.clone(), |url| format!("[{short}](<{url}>)"));
            format!("{} {what} {shown}  \n", escape(&environment.name))
        })
        .collect()
}

fn foot(account: &Account) -> String {
    let number = account.number.map_or_else(String::new, |number| format!("\\#{number}, "));
    let by =
        account.summary.as_ref().map_or_else(String::new, |about| format!(" for {}", escape(&about.actor)));
    let url = account.summary.as_ref().and_then(|about| link::web(&about.url));
    let link = url.map_or_else(String::new, |url| format!(", [pipeline](<{url}>)"));
    let took = words::between(account.first, account.last);
    format!("\n<sub>datapin {number}run {}{by}, {took}{link}</sub>\n", escape(&account.run.0))
}

/// Data that reads as it is, wherever it stands in a line.
///
/// GitLab looks for mentions and references also behind a backslash: an invisible word joiner disarms those.
pub fn escape(text: &str) -> String {
    let text = clean::one_line(text);
    clean::cut(&text, LONGEST).chars().fold(String::new(), |mut safe, char| {
        match char {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' | '#' | '!' | '~' | '%' | '$' | '^' => safe.extend(['\\', char, '\u{2060}']),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '+' => {
                safe.extend(['\\', char])
            }
            char => safe.push(char),
        }
        safe
    })
}
