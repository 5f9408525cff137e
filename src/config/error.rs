//! Errors of a configuration, shown the way compilers do: place, line, caret, why, and what to do.

mod problem;
mod source_line;

use std::fmt;
use std::ops::Range;

pub use problem::{FileFault, Problem};
use source_line::SourceLine;

/// More than anybody reads.
const MOST_SHOWN: usize = 50;
/// Longest message, in characters.
const LONGEST_MESSAGE: usize = 500;

/// Everything that is wrong with one file, by position; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    name: String,
    errors: Vec<ConfigError>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problem: Problem,
    place: SourceLine,
}

impl ConfigError {
    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Line, from 1.
    pub fn line(&self) -> usize {
        self.place.line
    }

    /// Column in characters, from 1.
    pub fn column(&self) -> usize {
        self.place.column
    }
}

impl ConfigErrors {
    /// Sorts `found` by place and drops repetitions. `text` is what the ranges (in bytes) point into.
    pub(super) fn new(name: &str, text: &str, mut found: Vec<(Range<usize>, Problem)>) -> Self {
        found.sort_by_key(|(range, _)| (range.start, range.end));
        let mut errors: Vec<ConfigError> = Vec::new();
        for (range, problem) in found {
            let secret = matches!(problem, Problem::PlainSecret { .. });
            let place = if secret { SourceLine::hidden(text, range) } else { SourceLine::new(text, range) };
            let error = ConfigError { problem, place };
            if errors.last() != Some(&error) {
                errors.push(error);
            }
        }
        Self { name: name.to_owned(), errors }
    }

    /// The errors, by position.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.errors.len()
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().take(MOST_SHOWN).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            error.render(&self.name, f)?;
        }
        if self.errors.len() > 1 {
            let more = if self.errors.len() > MOST_SHOWN { ", the first of them above" } else { "" };
            writeln!(f, "\n{} errors in {}{more}", self.errors.len(), self.name)?;
        }
        Ok(())
    }
}

impl ConfigError {
    fn render(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SourceLine { line, column, shown, offset, width } = &self.place;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "error: {}", fit(&self.problem.to_string()))?;
        writeln!(f, "{margin}--> {name}:{line}:{column}")?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{}", format!("{number} | {shown}").trim_end())?;
        writeln!(f, "{margin} | {}{}", " ".repeat(*offset), "^".repeat(*width))?;
        for help in self.problem.help() {
            writeln!(f, "{margin} = help: {}", fit(&help))?;
        }
        Ok(())
    }
}

/// A message on one line, whatever names and values are in it.
fn fit(message: &str) -> String {
    let mut line = String::new();
    for c in message.chars().take(LONGEST_MESSAGE) {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    if message.chars().nth(LONGEST_MESSAGE).is_some() {
        line.push('…');
    }
    line
}
