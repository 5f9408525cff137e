//! Reading an agent's answer.

use serde::Deserialize;
use serde_json::Value;

use super::{Health, Observation, Sync};
use crate::process::{self, Captured};
use crate::repo::CommitId;

/// Version of the contract.
pub(super) const API: u32 = 1;
/// Longest reason that is kept, in characters.
const REASON: usize = 500;
/// Longest first line that an error shows, in characters.
const FIRST: usize = 120;
/// Log lines that are kept.
const LOG: usize = 20;

/// Why something is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BadAnswer {
    /// Nothing was printed.
    #[error("printed nothing; expected one JSON object {{\"api\":1, \"revision\", \"sync\", \"health\", …}}")]
    Empty,
    /// Too much was printed.
    #[error("printed {bytes} bytes too many for an answer; the first line was: {first}")]
    TooLong {
        /// How many bytes were not kept.
        bytes: u64,
        /// First line.
        first: String,
    },
    /// It is no JSON.
    #[error(
        "printed no JSON: {problem} at line {line} column {column}; expected one JSON object with \"api\":1, \
         the first line was: {first}"
    )]
    Json {
        /// What is wrong.
        problem: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// First line.
        first: String,
    },
    /// It is another contract.
    #[error("\"api\" is {found}; this datapin understands 1, the first line was: {first}")]
    Api {
        /// What was found; `missing` if nothing.
        found: String,
        /// First line.
        first: String,
    },
    /// A field is wrong.
    #[error("\"{field}\" is {found}; expected {expected}, the first line was: {first}")]
    Field {
        /// Name.
        field: &'static str,
        /// What was found; `missing` if nothing.
        found: String,
        /// What would be right.
        expected: &'static str,
        /// First line.
        first: String,
    },
}

/// Reads an answer: `{api:1, revision, sync, health, reason, log}`. Unknown fields are for others; without
/// `revision`, `reason` and `log` there is none.
///
/// # Errors
/// When it is no answer, with the first line of what was printed.
pub fn read(stdout: &Captured) -> Result<Observation, BadAnswer> {
    let first = process::one_line(&stdout.first_line().ok_or(BadAnswer::Empty)?, FIRST);
    let Some(bytes) = stdout.whole() else {
        return Err(BadAnswer::TooLong { bytes: stdout.dropped(), first });
    };
    let answer: Value = serde_json::from_slice(&bytes).map_err(|error| BadAnswer::Json {
        problem: problem(&error),
        line: error.line(),
        column: error.column(),
        first: first.clone(),
    })?;
    if answer.get("api").and_then(Value::as_u64) != Some(API.into()) {
        return Err(BadAnswer::Api { found: found(answer.get("api")), first });
    }
    let fields = Fields { answer: &answer, first };
    Ok(Observation {
        revision: fields.revision()?,
        sync: fields.sync()?,
        health: fields.health()?,
        reason: process::one_line(fields.optional::<String>("reason", "a string")?.as_str(), REASON),
        log: fields.log()?,
    })
}

/// serde_json's words without the position, which has a place of its own.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn found(value: Option<&Value>) -> String {
    value.map_or_else(|| "missing".to_owned(), |value| process::one_line(&value.to_string(), 80))
}

struct Fields<'a> {
    answer: &'a Value,
    first: String,
}

impl Fields<'_> {
    fn wrong(&self, field: &'static str, expected: &'static str) -> BadAnswer {
        BadAnswer::Field { field, found: found(self.answer.get(field)), expected, first: self.first.clone() }
    }

    /// A field that may be missing or null.
    fn optional<T: for<'a> Deserialize<'a> + Default>(
        &self,
        field: &'static str,
        expected: &'static str,
    ) -> Result<T, BadAnswer> {
        match self.answer.get(field) {
            None | Some(Value::Null) => Ok(T::default()),
            Some(value) => T::deserialize(value).map_err(|_| self.wrong(field, expected)),
        }
    }

    fn revision(&self) -> Result<Option<CommitId>, BadAnswer> {
        const EXPECTED: &str = "a commit id of 40 hexadecimal digits, or null";
        let id: Option<String> = self.optional("revision", EXPECTED)?;
        match id {
            None => Ok(None),
            Some(id) if id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                id.to_ascii_lowercase().parse().map(Some).map_err(|_| self.wrong("revision", EXPECTED))
            }
            Some(_) => Err(self.wrong("revision", EXPECTED)),
        }
    }

    fn sync(&self) -> Result<Sync, BadAnswer> {
        match self.answer.get("sync").and_then(Value::as_str) {
            Some("pending") => Ok(Sync::Pending),
            Some("synced") => Ok(Sync::Synced),
            Some("failed") => Ok(Sync::Failed),
            _ => Err(self.wrong("sync", "\"pending\", \"synced\" or \"failed\"")),
        }
    }

    fn health(&self) -> Result<Health, BadAnswer> {
        match self.answer.get("health").and_then(Value::as_str) {
            Some("progressing") => Ok(Health::Progressing),
            Some("healthy") => Ok(Health::Healthy),
            Some("degraded") => Ok(Health::Degraded),
            Some("unknown") => Ok(Health::Unknown),
            _ => Err(self.wrong("health", "\"progressing\", \"healthy\", \"degraded\" or \"unknown\"")),
        }
    }

    fn log(&self) -> Result<Vec<String>, BadAnswer> {
        let log: Vec<String> = self.optional("log", "a list of strings")?;
        let mut lines = process::plain(log.join("\n").as_bytes());
        lines.drain(..lines.len().saturating_sub(LOG));
        Ok(lines)
    }
}
