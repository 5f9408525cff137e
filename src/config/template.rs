//! Placeholders: `{dataset} {environment} {service} {version}`, and no others.

use std::ops::Range;

use super::key::PLACEHOLDERS;
use super::suggest::nearest;

/// What placeholders stand for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// `{dataset}`
    pub dataset: &'a str,
    /// `{environment}`
    pub environment: &'a str,
    /// `{service}`, where there is one.
    pub service: Option<&'a str>,
    /// `{version}`, where there is one.
    pub version: Option<&'a str>,
}

impl Facts<'_> {
    fn of(&self, name: &str) -> Option<&str> {
        match name {
            "dataset" => Some(self.dataset),
            "environment" => Some(self.environment),
            "service" => self.service,
            "version" => self.version,
            _ => None,
        }
    }
}

/// `template` with its placeholders filled in; what `facts` does not have, and any other brace, stays.
pub fn fill(template: &str, facts: &Facts<'_>) -> String {
    replace(template, |name| facts.of(name).map(str::to_owned))
}

/// `template` with letters in place of its placeholders: same length, so that columns stay true.
pub(super) fn stand_in(template: &str) -> String {
    replace(template, |name| PLACEHOLDERS.contains(&name).then(|| "x".repeat(name.len() + 2)))
}

fn replace(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        let found = rest.find('}').and_then(|close| value(&rest[1..close]).map(|text| (close, text)));
        match found {
            Some((close, text)) => {
                filled.push_str(&text);
                rest = &rest[close + 1..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled + rest
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No such placeholder.
    Unknown(String),
    /// `{` without `}`.
    Unclosed,
    /// `}` without `{`.
    Stray,
}

/// The first fault of a template in which every brace has to be a placeholder's.
pub(super) fn strict(template: &str, known: &[&str]) -> Option<(Fault, Range<usize>)> {
    let mut at = 0;
    while let Some(found) = template[at..].find(['{', '}']) {
        let open = at + found;
        if template[open..].starts_with('}') {
            return Some((Fault::Stray, open..open + 1));
        }
        let Some(length) = template[open + 1..].find(['{', '}']) else {
            return Some((Fault::Unclosed, open..open + 1));
        };
        let close = open + 1 + length;
        if template[close..].starts_with('{') {
            return Some((Fault::Unclosed, open..open + 1));
        }
        let name = &template[open + 1..close];
        if !known.contains(&name) {
            return Some((Fault::Unknown(name.to_owned()), open..close + 1));
        }
        at = close + 1;
    }
    None
}

/// The first placeholder that looks misspelt, in text where braces may mean something else (JSON, awk).
pub(super) fn misspelt(template: &str, known: &[&str]) -> Option<(Fault, Range<usize>)> {
    let names: Vec<String> = PLACEHOLDERS.iter().map(|name| (*name).to_owned()).collect();
    let opened = template.match_indices('{').map(|(open, _)| open);
    for open in opened {
        let Some(length) = template[open..].find('}') else { continue };
        let name = &template[open + 1..open + length];
        if nearest(name, &names).is_some() && !known.contains(&name) {
            return Some((Fault::Unknown(name.to_owned()), open..open + length + 1));
        }
    }
    None
}
