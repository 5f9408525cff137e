//! Manifests as people may see them: what is in Secrets is hidden.

use serde_yaml::{Mapping, Value};

/// What a Secret shows.
const SHOWN: [&str; 6] = ["apiVersion", "kind", "type", "immutable", "name", "namespace"];
/// What the metadata of a Secret shows; an annotation may repeat its content.
const METADATA: [&str; 3] = ["name", "namespace", "labels"];
/// Instead of what is hidden.
const HIDDEN: &str = "(hidden)";
/// Instead of what is hidden and is not what it was.
const CHANGED: &str = "(hidden, changed)";

/// An object as people may see it. Against what it was `before` a hidden value says whether it changed.
pub fn masked(value: &Value, before: Option<&Value>) -> Value {
    match value {
        Value::Mapping(mapping) if is_secret(mapping) => secret(mapping, before),
        Value::Mapping(mapping) if kind(mapping) == Some("SecretList") => {
            hide_all_but(mapping, before, &SHOWN)
        }
        Value::Mapping(mapping) => Value::Mapping(
            mapping.iter().map(|(key, inner)| (key.clone(), masked(inner, was(before, key)))).collect(),
        ),
        Value::Sequence(items) => Value::Sequence(
            items
                .iter()
                .enumerate()
                .map(|(at, item)| masked(item, before.and_then(|before| before.get(at))))
                .collect(),
        ),
        Value::Tagged(tagged) => masked(&tagged.value, before),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn kind(mapping: &Mapping) -> Option<&str> {
    mapping.get("kind")?.as_str()
}

fn is_secret(mapping: &Mapping) -> bool {
    kind(mapping).is_some_and(|kind| kind.eq_ignore_ascii_case("secret"))
}

fn was<'a>(before: Option<&'a Value>, key: &Value) -> Option<&'a Value> {
    before?.as_mapping()?.get(key)
}

fn secret(mapping: &Mapping, before: Option<&Value>) -> Value {
    let mut shown = hide_all_but(mapping, before, &SHOWN);
    let metadata = Value::from("metadata");
    if let (Some(Value::Mapping(own)), Some(place)) = (mapping.get("metadata"), shown.get_mut("metadata")) {
        *place = hide_all_but(own, was(before, &metadata), &METADATA);
    }
    shown
}

fn hide_all_but(mapping: &Mapping, before: Option<&Value>, shown: &[&str]) -> Value {
    let inner = mapping.iter().map(|(key, value)| {
        let known = key.as_str().is_some_and(|key| shown.contains(&key));
        (key.clone(), if known { value.clone() } else { hide(value, was(before, key)) })
    });
    Value::Mapping(inner.collect())
}

/// Names of keys stay: people have to see which one changed.
fn hide(value: &Value, before: Option<&Value>) -> Value {
    match value {
        Value::Mapping(mapping) => hide_all_but(mapping, before, &[]),
        _ if before == Some(value) => Value::from(HIDDEN),
        _ => Value::from(CHANGED),
    }
}
