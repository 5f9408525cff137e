//! Values files, read leniently: only to find names, never to change anything.

use serde::Deserialize;
use serde_yaml::Value;

/// Stands for a template.
const TEMPLATE: &str = "TEMPLATE";

/// The documents of a file; those that cannot be read are left out.
pub(super) fn documents(bytes: &[u8]) -> Vec<Value> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    match parse(text) {
        Some(documents) => documents,
        None => parse(&masked(text)).unwrap_or_default(),
    }
}

fn parse(text: &str) -> Option<Vec<Value>> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).ok()).collect()
}

/// The text without lines that are templates, and with a word in place of templates inside lines.
fn masked(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("{{") {
            lines.push(String::new());
            continue;
        }
        let mut kept = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            kept.push_str(before);
            kept.push_str(TEMPLATE);
            rest = after.split_once("}}").map_or("", |(_, rest)| rest);
        }
        lines.push(kept + rest);
    }
    lines.join("\n")
}

/// A scalar as text; `None` for templates, nulls and collections.
pub(super) fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(_) | Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
            return None;
        }
    };
    (!text.contains(TEMPLATE) && !text.contains("{{") && !text.trim().is_empty()).then_some(text)
}
