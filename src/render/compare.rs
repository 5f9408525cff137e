//! How two renderings of one environment differ.

use std::collections::BTreeSet;

use serde_yaml::Value;
use similar::TextDiff;

use super::ReleaseChange;
use super::manifest::{Content, Key, Objects, Rendered};
use super::mask::masked;

/// Lines of a diff around a change.
const CONTEXT: usize = 3;
/// Longest diff of one release, in lines.
const LONGEST: usize = 400;
/// Instead of a value that differs whenever it is rendered.
const UNSTEADY: &str = "(differs each time)";

/// The releases that differ. What differs between `before` and `again`, two renderings of the same files, is
/// left out.
pub fn changes(
    environment: &str,
    before: &Rendered,
    after: &Rendered,
    again: Option<&Rendered>,
) -> Vec<ReleaseChange> {
    let none = Objects::new();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|release| {
            let of = |rendered: &Rendered| rendered.get(release).unwrap_or(&none).clone();
            let (mut before, mut after) = (of(before), of(after));
            if let Some(again) = again {
                steady(&mut before, &mut after, &of(again));
            }
            change(environment, release, &before, &after)
        })
        .collect()
}

fn change(environment: &str, release: &str, before: &Objects, after: &Objects) -> Option<ReleaseChange> {
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let mut found = ReleaseChange { release: release.to_owned(), objects: Vec::new(), diff: String::new() };
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        if old != new {
            found.objects.push(key.name.clone());
            found.diff += &diff(&format!("{environment}/{release}/{}", key.name), old, new);
        }
    }
    (!found.objects.is_empty()).then(|| ReleaseChange { diff: shortened(&found.diff), ..found })
}

fn diff(name: &str, old: Option<&Content>, new: Option<&Content>) -> String {
    let (before, after) = (text(old, old), text(new, old));
    let lines = TextDiff::from_lines(&before, &after);
    lines
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string()
}

/// A manifest as people may see it.
fn text(content: Option<&Content>, before: Option<&Content>) -> String {
    match (content, before) {
        (None, _) => String::new(),
        (Some(Content::Yaml(value)), before) => {
            let before = match before {
                Some(Content::Yaml(before)) => Some(before),
                Some(Content::Opaque(_)) | None => None,
            };
            serde_yaml::to_string(&masked(value, before)).unwrap_or_else(|_| "(not shown)\n".to_owned())
        }
        (Some(new @ Content::Opaque(_)), Some(old)) if new == old => {
            "(no plain YAML: not shown)\n".to_owned()
        }
        (Some(Content::Opaque(_)), _) => "(no plain YAML: not shown, changed)\n".to_owned(),
    }
}

fn shortened(diff: &str) -> String {
    let count = diff.lines().count();
    if count <= LONGEST {
        return diff.to_owned();
    }
    let kept: String = diff.split_inclusive('\n').take(LONGEST).collect();
    format!("{kept}… {} more lines\n", count - LONGEST)
}

/// Takes out of both what two renderings of the same files do not agree on.
fn steady(before: &mut Objects, after: &mut Objects, again: &Objects) {
    let kind = |key: &Key| (key.file.clone(), key.name.split('/').next().unwrap_or_default().to_owned());
    // an object with a random name: none of its kind in that file can be told from the others
    let nameless: BTreeSet<(String, String)> = before
        .keys()
        .filter(|key| !again.contains_key(key))
        .chain(again.keys().filter(|key| !before.contains_key(key)))
        .map(kind)
        .collect();
    before.retain(|key, _| !nameless.contains(&kind(key)));
    after.retain(|key, _| !nameless.contains(&kind(key)));
    for (key, old) in before.iter_mut() {
        let Some(other) = again.get(key) else { continue };
        let unsteady = old.clone();
        if let Some(new) = after.get_mut(key) {
            blank(new, &unsteady, other);
        }
        blank(old, &unsteady, other);
    }
}

/// Blanks in `content` what differs between the other two.
fn blank(content: &mut Content, one: &Content, other: &Content) {
    match (content, one, other) {
        (Content::Yaml(content), Content::Yaml(one), Content::Yaml(other)) => {
            blank_value(content, one, other)
        }
        (content, one, other) if one != other => *content = Content::Yaml(Value::from(UNSTEADY)),
        _ => {}
    }
}

fn blank_value(value: &mut Value, one: &Value, other: &Value) {
    if one == other {
        return;
    }
    match (value, one, other) {
        (Value::Mapping(value), Value::Mapping(one), Value::Mapping(other)) => {
            for (key, old) in one {
                match (value.get_mut(key), other.get(key)) {
                    (Some(inner), Some(other)) => blank_value(inner, old, other),
                    (Some(inner), None) => *inner = Value::from(UNSTEADY),
                    (None, _) => {}
                }
            }
        }
        (Value::Sequence(value), Value::Sequence(one), Value::Sequence(other))
            if value.len() == one.len() && one.len() == other.len() =>
        {
            for ((inner, one), other) in value.iter_mut().zip(one).zip(other) {
                blank_value(inner, one, other);
            }
        }
        (value, _, _) => *value = Value::from(UNSTEADY),
    }
}
