//! A queue as the files of its branch, and back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::repo::{Change, CommitId, Content, Repo, RepoError};

/// Schema that this build reads and writes.
pub const SCHEMA: u32 = 1;

/// Why the files of a queue branch cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A newer build raised the schema.
    #[error("the queue has schema {found}, this build knows {SCHEMA}; use a newer datapin")]
    Newer {
        /// What the branch says.
        found: u32,
    },
    /// A file is not what datapin writes.
    #[error(
        "{file} on the queue branch cannot be read ({reason}); was it edited by hand, or written by a newer datapin? restore it with `git revert` on that branch"
    )]
    Damaged {
        /// File.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `queue.json` is not there.
    #[error(
        "something else than a queue is on the queue branch: it has no queue.json; name another `branch` under [queue.…] in datapin.toml, and let `datapin init` create it"
    )]
    NotAQueue,
    /// Git.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// File `queue.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    schema: u32,
    next: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reconciled: Option<Sign>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Reads the queue as it is at `tip`, whatever its schema. Finished runs are not read.
pub fn read(repo: &Repo, tip: &CommitId) -> Result<Queue, TreeError> {
    let head = repo.read(tip, "queue.json")?.ok_or(TreeError::NotAQueue)?;
    let head: Head = parse("queue.json", &head.bytes)?;
    let Head { schema, next, reconciled, unknown } = head;
    let mut queue = Queue { schema, next, reconciled, unknown, ..Queue::default() };
    for (file, bytes) in files(repo, tip, "tickets")? {
        let ticket: Ticket = parse(&file, &bytes)?;
        named(&file, &ticket.file())?;
        if let Some(part) = ticket.parts().find(|part| part.identity.name.contains(['/', '\\', '\0'])) {
            let reason = format!("`{}` is no name of an environment", part.identity.name);
            return Err(TreeError::Damaged { file, reason });
        }
        queue.tickets.insert(ticket.number, ticket);
    }
    for (file, bytes) in files(repo, tip, "environments")? {
        let environment: EnvironmentFile = parse(&file, &bytes)?;
        named(&file, &environment_file(&environment.identity.name))?;
        queue.environments.insert(environment.identity.name.clone(), environment);
    }
    Ok(queue)
}

fn files(repo: &Repo, tip: &CommitId, dir: &str) -> Result<Vec<(String, Vec<u8>)>, TreeError> {
    let mut found = Vec::new();
    for name in repo.list(tip, dir)?.into_iter().filter(|name| name.ends_with(".json")) {
        let file = format!("{dir}/{name}");
        if let Some(content) = repo.read(tip, &file)? {
            found.push((file, content.bytes));
        }
    }
    Ok(found)
}

/// A file counts only under the name that it is written to: else a change of it would leave the old one behind,
/// and a name from within could lead elsewhere.
fn named(file: &str, own: &str) -> Result<(), TreeError> {
    match file == own {
        true => Ok(()),
        false => {
            Err(TreeError::Damaged { file: file.to_owned(), reason: format!("by what it says it is {own}") })
        }
    }
}

fn environment_file(name: &str) -> String {
    format!("environments/{name}.json")
}

fn parse<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, TreeError> {
    serde_json::from_slice(bytes)
        .map_err(|error| TreeError::Damaged { file: file.to_owned(), reason: error.to_string() })
}

/// So many lines of a month are read before `enough` is asked again.
const SOME: usize = 64;

/// Reads the finished runs of every month, newest first, until `enough` says so of the lines so far. It may get some
/// more: a month is read in parts.
///
/// A line that cannot be read is passed over: history is for people, and never decides what is deployed.
pub fn history(
    repo: &Repo,
    tip: &CommitId,
    mut enough: impl FnMut(&[HistoryLine]) -> bool,
) -> Result<Vec<HistoryLine>, TreeError> {
    let mut months: Vec<String> =
        repo.list(tip, "history")?.into_iter().filter(|name| name.ends_with(".jsonl")).collect();
    months.sort_unstable_by(|a, b| b.cmp(a));
    let mut lines = Vec::new();
    for month in months {
        let Some(file) = repo.read(tip, &format!("history/{month}"))? else { continue };
        let text = String::from_utf8_lossy(&file.bytes);
        let mut rest = text.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        loop {
            let before = lines.len();
            lines.extend(rest.by_ref().take(SOME));
            if enough(&lines) {
                return Ok(lines);
            }
            if lines.len() == before {
                break;
            }
        }
    }
    Ok(lines)
}

/// Renders README.md of the branch, for people who open it. The same queue gives the same text.
pub type Page = fn(&Queue) -> String;

/// The files that differ between two states of a queue; `tip` is where `before` was read.
pub fn changes(
    repo: &Repo,
    tip: Option<&CommitId>,
    before: &Queue,
    after: &Queue,
    page: Page,
) -> Result<Vec<Change>, TreeError> {
    let mut changes = Vec::new();
    if tip.is_none() || before.next != after.next || before.reconciled != after.reconciled {
        let head = Head {
            schema: after.schema.max(SCHEMA),
            next: after.next,
            reconciled: after.reconciled.clone(),
            unknown: after.unknown.clone(),
        };
        changes.push(write("queue.json".to_owned(), &head)?);
    }
    for ticket in before.tickets.values().filter(|old| !after.tickets.contains_key(&old.number)) {
        changes.push(Change { path: ticket.file(), content: Content::Delete });
    }
    for ticket in after.tickets.values().filter(|new| before.tickets.get(&new.number) != Some(new)) {
        changes.push(write(ticket.file(), ticket)?);
    }
    for (name, file) in &after.environments {
        if before.environments.get(name) != Some(file) {
            changes.push(write(environment_file(name), file)?);
        }
    }
    changes.extend(finished(repo, tip, &after.finished)?);
    if tip.is_none() || page(before) != page(after) {
        let page = page(after);
        changes.push(Change { path: "README.md".to_owned(), content: Content::Write(page.into_bytes()) });
    }
    Ok(changes)
}

fn finished(repo: &Repo, tip: Option<&CommitId>, lines: &[HistoryLine]) -> Result<Vec<Change>, TreeError> {
    let mut months: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines {
        let month = format!("history/{}.jsonl", line.finished.strftime("%Y-%m"));
        if !months.iter().any(|(name, _)| *name == month) {
            let old = match tip {
                Some(tip) => repo.read(tip, &month)?.map(|file| file.bytes).unwrap_or_default(),
                None => Vec::new(),
            };
            months.push((month.clone(), old));
        }
        if let Some((_, bytes)) = months.iter_mut().find(|(name, _)| *name == month) {
            bytes.extend(to_json(&month, line, Layout::Line)?);
        }
    }
    Ok(months.into_iter().map(|(path, bytes)| Change { path, content: Content::Write(bytes) }).collect())
}

enum Layout {
    Line,
    Pretty,
}

fn write<T: Serialize>(path: String, value: &T) -> Result<Change, TreeError> {
    let bytes = to_json(&path, value, Layout::Pretty)?;
    Ok(Change { path, content: Content::Write(bytes) })
}

fn to_json<T: Serialize>(path: &str, value: &T, layout: Layout) -> Result<Vec<u8>, TreeError> {
    let json = match layout {
        Layout::Line => serde_json::to_vec(value),
        Layout::Pretty => serde_json::to_vec_pretty(value),
    };
    let mut bytes =
        json.map_err(|error| TreeError::Damaged { file: path.to_owned(), reason: error.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}
