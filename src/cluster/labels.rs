//! Label selectors, as kubectl writes them.

use std::collections::BTreeMap;

use kube::core::{Expression, Selector, SelectorExt as _};
use serde_json::Value;

/// A label selector: `app=mds,tier in (a, b),!canary`.
#[derive(Debug, Clone)]
pub struct Labels {
    text: String,
    selector: Selector,
}

/// A text that is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{part}` is no part of a label selector; use `key=value`, `key!=value`, `key in (a, b)`, `key` or `!key`"
)]
pub struct BadLabels {
    /// What is wrong.
    pub part: String,
}

impl Labels {
    /// As it was written: what the API server is asked with.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an object has such labels.
    pub fn match_object(&self, object: &Value) -> bool {
        let labels: BTreeMap<String, String> = object["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        self.selector.matches(&labels)
    }
}

impl std::str::FromStr for Labels {
    type Err = BadLabels;

    fn from_str(text: &str) -> Result<Self, BadLabels> {
        let expressions = parts(text).into_iter().map(expression).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { text: text.trim().to_owned(), selector: expressions.into_iter().collect() })
    }
}

/// Split at commas outside of brackets.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}

fn expression(part: &str) -> Result<Expression, BadLabels> {
    let bad = || BadLabels { part: part.to_owned() };
    let key = |key: &str| Some(key.trim().to_owned()).filter(|key| is_key(key)).ok_or_else(bad);
    let value = |value: &str| Some(value.trim().to_owned()).filter(|value| is_value(value)).ok_or_else(bad);
    if let Some((left, right)) = part.split_once("!=") {
        return Ok(Expression::NotEqual(key(left)?, value(right)?));
    }
    if let Some((left, right)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Expression::Equal(key(left)?, value(right)?));
    }
    if let Some(inner) = part.strip_suffix(')') {
        let (left, values) = inner.split_once('(').ok_or_else(bad)?;
        let values = values.split(',').map(value).collect::<Result<_, _>>()?;
        let (left, word) = left.trim_end().rsplit_once(char::is_whitespace).ok_or_else(bad)?;
        return match word {
            "in" => Ok(Expression::In(key(left)?, values)),
            "notin" => Ok(Expression::NotIn(key(left)?, values)),
            _ => Err(bad()),
        };
    }
    match part.strip_prefix('!') {
        Some(left) => Ok(Expression::DoesNotExist(key(left)?)),
        None => Ok(Expression::Exists(key(part)?)),
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
}

fn is_value(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
