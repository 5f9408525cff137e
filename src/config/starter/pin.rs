//! The scalar that looks like a data version.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use super::layout::{ValuesFile, is_name};
use super::yaml::{documents, scalar};

/// A likely pin.
#[derive(Debug, Clone)]
pub(super) struct Guess {
    /// Path, perhaps with `{service}`.
    pub(super) path: String,
    /// Keys of the path.
    pub(super) keys: Vec<String>,
    /// Version by environment.
    pub(super) versions: BTreeMap<String, String>,
    /// Services by environment; empty where the layout does not show them.
    pub(super) services: BTreeMap<String, BTreeSet<String>>,
    /// How many scalars it explains.
    pub(super) hits: usize,
    /// What a person has to look at.
    pub(super) notes: Vec<String>,
}

/// One scalar that may be a pin.
struct Hit {
    keys: Vec<Step>,
    environment: String,
    service: Option<String>,
    value: String,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    /// The item of a list with this name, as in Helm's `env:`.
    Named(String),
    /// The service's own key.
    Service,
}

impl Step {
    fn name(&self) -> &str {
        match self {
            Step::Key(name) | Step::Named(name) => name,
            Step::Service => "{service}",
        }
    }
}

/// The best guess for these files, if any scalar looks like a data version.
pub(super) fn guess(files: &[ValuesFile<'_>]) -> Option<Guess> {
    let mut hits = Vec::new();
    for file in files {
        for document in documents(file.bytes) {
            walk(&document, &mut Vec::new(), file, &mut hits);
        }
    }
    if files.iter().all(|file| file.service.is_none()) {
        by_service_key(&mut hits);
    }
    let mut groups: BTreeMap<Vec<Step>, Vec<Hit>> = BTreeMap::new();
    for hit in hits {
        groups.entry(hit.keys.clone()).or_default().push(hit);
    }
    let rank = |hits: &Vec<Hit>| (equal(hits), hits.len());
    let (best, hits) =
        groups.iter().reduce(|best, next| if rank(next.1) > rank(best.1) { next } else { best })?;
    let others: Vec<String> =
        groups.keys().filter(|keys| *keys != best).map(|keys| format!("`{}`", text(keys))).collect();
    let mut found = summary(best, hits);
    if !others.is_empty() {
        found.notes.push(format!("these look like data versions too: {}", others.join(", ")));
    }
    Some(found)
}

fn summary(keys: &[Step], hits: &[Hit]) -> Guess {
    let mut notes = Vec::new();
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for hit in hits {
        let version = versions.entry(hit.environment.clone()).or_insert_with(|| hit.value.clone());
        if *version != hit.value {
            notes.push(format!(
                "services of {} have different versions: {version}, {}",
                hit.environment, hit.value
            ));
        }
        if let Some(service) = &hit.service {
            services.entry(hit.environment.clone()).or_default().insert(service.clone());
        }
    }
    notes.dedup();
    let names = keys.iter().map(|step| step.name().to_owned()).collect();
    Guess { path: text(keys), keys: names, versions, services, hits: hits.len(), notes }
}

/// Environments in which several services agree.
fn equal(hits: &[Hit]) -> usize {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for hit in hits {
        values.entry(&hit.environment).or_default().push(&hit.value);
    }
    let agree = |values: &&Vec<&str>| values.len() > 1 && values.iter().all(|value| *value == values[0]);
    values.values().filter(agree).count()
}

/// Notes the scalars below `value` that may be pins.
fn walk(value: &Value, keys: &mut Vec<Step>, file: &ValuesFile<'_>, hits: &mut Vec<Hit>) {
    match value {
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                let Some(key) = key.as_str() else { continue };
                keys.push(Step::Key(key.to_owned()));
                walk(value, keys, file, hits);
                keys.pop();
            }
        }
        Value::Sequence(items) => {
            for item in items {
                let Some(name) = item.get("name").and_then(Value::as_str) else { continue };
                keys.push(Step::Named(name.to_owned()));
                walk(item, keys, file, hits);
                keys.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Tagged(_) => {
            if let Some(value) = scalar(value).filter(|_| is_data_version(keys)) {
                let (environment, service) = (file.environment.clone(), file.service.clone());
                hits.push(Hit { keys: keys.clone(), environment, service, value });
            }
        }
    }
}

/// `…version…` under `…data…`, or the value of a list's item with such a name.
fn is_data_version(keys: &[Step]) -> bool {
    let has = |step: &Step, word: &str| step.name().to_ascii_lowercase().contains(word);
    let last = match keys {
        [.., Step::Named(_), Step::Key(key)] if key != "value" => return false,
        [.., name @ Step::Named(_), Step::Key(_)] => name,
        [.., last] => last,
        [] => return false,
    };
    // `metadata` is Kubernetes' own word
    let data = |step: &Step| has(step, "data") && !has(step, "metadata") && !has(step, "database");
    has(last, "version") && keys.iter().any(data)
}

/// Turns `mds.data.version` and `kv.data.version` into `{service}.data.version`.
fn by_service_key(hits: &mut [Hit]) {
    let mut heads: BTreeMap<Vec<Step>, BTreeSet<String>> = BTreeMap::new();
    for hit in hits.iter() {
        let Some((Step::Key(head), rest)) = hit.keys.split_first() else { continue };
        if is_name(head) && is_data_version(rest) {
            heads.entry(rest.to_vec()).or_default().insert(head.clone());
        }
    }
    for hit in hits {
        let Some((Step::Key(head), rest)) = hit.keys.split_first() else { continue };
        if heads.get(rest).is_some_and(|names| names.len() > 1 && names.contains(head)) {
            hit.service = Some(head.clone());
            hit.keys[0] = Step::Service;
        }
    }
}

/// The path as datapin writes it.
fn text(keys: &[Step]) -> String {
    let mut text = String::new();
    for step in keys {
        match step {
            Step::Named(name) => text.push_str(&format!("[name={name}]")),
            Step::Key(_) | Step::Service => {
                if !text.is_empty() {
                    text.push('.');
                }
                let name = step.name();
                let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
                let quoted = || format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
                text.push_str(&if bare || *step == Step::Service { name.to_owned() } else { quoted() });
            }
        }
    }
    text
}
