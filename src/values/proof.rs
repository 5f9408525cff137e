//! The proof: a second parser reads the text before and after, and only what was asked for differs.

use serde::Deserialize;
use serde_yaml::Value;

use super::error::ValuesError;
use super::replace::Plan;
use super::resolve::{Found, Step};
use super::source::{Format, Source};
use super::tree::{Shape, Tree};
use super::{Kind, Scalar, Target, toml};

/// Returns the documents as the second parser reads them.
pub(crate) fn documents(source: &Source<'_>, tree: &Tree<'_>) -> Result<Vec<Value>, ValuesError> {
    if tree.documents.is_empty() {
        return Ok(Vec::new());
    }
    let documents = parse(source, source.masked())?;
    if documents.len() == tree.documents.len() {
        return Ok(documents);
    }
    let reason = format!("{} documents against {}", tree.documents.len(), documents.len());
    Err(ValuesError::ParsersDisagree { at: source.place(0), path: "the file".to_owned(), reason })
}

fn parse(source: &Source<'_>, text: &str) -> Result<Vec<Value>, ValuesError> {
    if source.format() == Format::Toml {
        return toml::documents(source, text);
    }
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).map_err(|error| unreadable(source, &error)))
        .collect()
}

fn unreadable(source: &Source<'_>, error: &serde_yaml::Error) -> ValuesError {
    let at = match error.location() {
        Some(location) => source.place_at(location.line(), location.column()),
        None => source.place(0),
    };
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text).replace('\n', " ");
    ValuesError::Unreadable { at, format: source.format().name(), reason }
}

/// Returns the scalar as both parsers read it.
pub(crate) fn read_scalar(
    source: &Source<'_>,
    tree: &Tree<'_>,
    documents: &[Value],
    target: &Target,
    found: &Found,
) -> Result<Scalar, ValuesError> {
    let node = tree.node(found.node);
    let place = source.place(node.span.start);
    let disagree = |reason: String| ValuesError::ParsersDisagree {
        at: place.clone(),
        path: target.path.to_string(),
        reason,
    };
    let Some(text) = tree.text(found.node) else { return Err(disagree("no scalar".to_owned())) };
    let Some(value) = documents.get(found.document).and_then(|top| value_at(tree, top, &found.steps)) else {
        return Err(disagree("the second one does not find it".to_owned()));
    };
    let Some(kind) = kind(value) else { return Err(disagree("the second one finds no scalar".to_owned())) };
    let written = match node.shape {
        Shape::Alias(anchor) => &tree.node(anchor).span,
        Shape::Scalar { .. } | Shape::Mapping(_) | Shape::Sequence(_) => &node.span,
    };
    match value {
        Value::String(second) if second != text => Err(disagree(format!("{text:?} against {second:?}"))),
        _ => Ok(Scalar {
            text: text.to_owned(),
            kind,
            source: source.slice(written).to_owned(),
            line: place.line,
            column: place.column,
        }),
    }
}

fn kind(value: &Value) -> Option<Kind> {
    match value {
        Value::Null => Some(Kind::Null),
        Value::Bool(_) => Some(Kind::Boolean),
        Value::Number(number) if number.is_f64() => Some(Kind::Float),
        Value::Number(_) => Some(Kind::Integer),
        Value::String(_) => Some(Kind::Text),
        Value::Tagged(tagged) if tagged.tag == toml::DATETIME => Some(Kind::Datetime),
        Value::Tagged(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

fn value_at<'v>(tree: &Tree<'_>, top: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(top, |value, step| match step {
        Step::Index(index) => value.as_sequence()?.get(*index),
        Step::Key(node) => {
            let (mapping, key) = (value.as_mapping()?, tree.text(*node)?);
            mapping.get(key).or_else(|| mapping.get(typed_key(key)?))
        }
    })
}

fn value_at_mut<'v>(tree: &Tree<'_>, top: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(top, |value, step| match step {
        Step::Index(index) => value.as_sequence_mut()?.get_mut(*index),
        Step::Key(node) => {
            let (mapping, key) = (value.as_mapping_mut()?, tree.text(*node)?);
            if mapping.contains_key(key) { mapping.get_mut(key) } else { mapping.get_mut(typed_key(key)?) }
        }
    })
}

/// A key that is no text to the second parser: `1`, `true`. It cannot stand beside the same text
/// in quotes, since that is refused as a duplicate.
fn typed_key(text: &str) -> Option<Value> {
    serde_yaml::from_str(text).ok()
}

/// Proves that `after` differs from the file only where planned, and says there what was asked for.
pub(crate) fn prove(
    source: &Source<'_>,
    tree: &Tree<'_>,
    before: Vec<Value>,
    plan: &Plan<'_>,
    after: &str,
) -> Result<(), ValuesError> {
    let failed =
        |reason: &str| ValuesError::ProofFailed { file: source.file().to_owned(), reason: reason.to_owned() };
    if !plan.only_touches_its_own(source.text(), after) {
        return Err(failed("bytes outside of the pinned values would change"));
    }
    let bytes = source.with_mark(after.to_owned());
    let edited = Source::new(source.file(), &bytes).map_err(|error| failed(&error.to_string()))?;
    if edited.masked() != plan.splice(source.masked()) {
        return Err(failed("the new text would make or break a template"));
    }
    let edited_tree = edited.index().map_err(|error| failed(&error.to_string()))?;
    let read = documents(&edited, &edited_tree).map_err(|error| failed(&error.to_string()))?;
    let mut wanted = before;
    for expected in &plan.expected {
        let top = wanted.get_mut(expected.found.document);
        let slot = top.and_then(|top| value_at_mut(tree, top, &expected.found.steps));
        *slot.ok_or_else(|| failed("a pinned value is not found by the second parser"))? =
            expected.value.clone();
    }
    if read != wanted {
        return Err(failed("the second parser reads other values than asked for"));
    }
    // The parsers number nodes in reading order, so the same node is the same place.
    let text = |expected: &super::replace::Expected<'_>| match &expected.value {
        Value::String(text) => edited_tree.text(expected.found.node) == Some(text),
        _ => true,
    };
    let agree = edited_tree.nodes.len() == tree.nodes.len() && plan.expected.iter().all(text);
    if agree { Ok(()) } else { Err(failed("the first parser reads other values than asked for")) }
}
