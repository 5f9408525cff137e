//! The JSON schema and the reader know the same keys.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use datapin::config::{Config, load, schema};

use super::{fixtures, plain, samples};

/// TOML as JSON: what an editor with the schema sees.
fn json(text: &str) -> serde_json::Value {
    fn value(found: &toml_edit::Value) -> serde_json::Value {
        match found {
            toml_edit::Value::String(text) => text.value().as_str().into(),
            toml_edit::Value::Integer(number) => (*number.value()).into(),
            toml_edit::Value::Float(number) => (*number.value()).into(),
            toml_edit::Value::Boolean(flag) => (*flag.value()).into(),
            toml_edit::Value::Datetime(time) => time.to_string().into(),
            toml_edit::Value::Array(array) => array.iter().map(value).collect(),
            toml_edit::Value::InlineTable(table) => {
                table.iter().map(|(k, v)| (k.to_owned(), value(v))).collect()
            }
        }
    }
    fn table(found: &toml_edit::Table) -> serde_json::Value {
        found.iter().map(|(key, item)| (key.to_owned(), json_item(item))).collect()
    }
    fn json_item(item: &toml_edit::Item) -> serde_json::Value {
        match item {
            toml_edit::Item::None => serde_json::Value::Null,
            toml_edit::Item::Value(found) => value(found),
            toml_edit::Item::Table(found) => table(found),
            toml_edit::Item::ArrayOfTables(tables) => tables.iter().map(table).collect(),
        }
    }
    table(toml_edit::Document::parse(text).unwrap().as_table())
}

#[test]
fn the_schema_accepts_the_samples() {
    let schema = schema();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut samples = samples("good");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments/datapin.toml");
    samples.push((own.clone(), fs::read_to_string(own).unwrap()));
    for (file, text) in samples {
        plain(&text);
        let errors: Vec<String> = validator
            .iter_errors(&json(&text))
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {}", file.display(), errors.join("\n"));
    }
}

/// Bad files that are bad by a single value are bad by the schema too.
#[test]
fn the_schema_refuses_what_single_values_show() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let shown =
        ["unknown", "missing-", "type-", "later-", "ways-", "name-", "secret-plain", "retries-", "key-of"];
    let mut seen = 0;
    for (file, text) in samples("bad") {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name != "type-date.toml"
            && shown.iter().any(|start| name.starts_with(start))
            && toml_edit::Document::parse(&text).is_ok()
        {
            assert!(!validator.is_valid(&json(&text)), "{name} is valid by the schema");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen}");
}

/// The keys of a schema, by the object that has them: the description tells equal names apart.
fn schema_keys(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(object) => {
            if let Some(properties) = object.get("properties").and_then(|p| p.as_object()) {
                found.extend(properties.iter().filter_map(|(key, schema)| {
                    schema.get("description").map(|words| format!("{key}: {}", words.as_str().unwrap()))
                }));
            }
            object.values().for_each(|schema| schema_keys(schema, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|schema| schema_keys(schema, found)),
        _ => {}
    }
}

/// Every key of a TOML table, as the path to it.
fn toml_paths(item: &serde_json::Value, path: &[String], found: &mut Vec<Vec<String>>) {
    let mut go = |step: String, value| {
        let path = [path, &[step]].concat();
        toml_paths(value, &path, found);
        found.push(path);
    };
    match item {
        serde_json::Value::Object(object) => object.iter().for_each(|(key, value)| go(key.clone(), value)),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| go(i.to_string(), value))
        }
        _ => {}
    }
}

fn remove(item: &mut toml_edit::Item, path: &[String]) {
    let (first, rest) = path.split_first().unwrap();
    let next = match first.parse::<usize>() {
        Ok(index) if item.is_array() => {
            let array = item.as_array_mut().unwrap();
            if rest.is_empty() {
                array.remove(index);
                return;
            }
            let mut inner = toml_edit::Item::Value(array.get(index).unwrap().clone());
            remove(&mut inner, rest);
            array.replace(index, inner.into_value().unwrap());
            return;
        }
        Ok(index) if item.is_array_of_tables() => {
            let tables = item.as_array_of_tables_mut().unwrap();
            if rest.is_empty() {
                tables.remove(index);
                return;
            }
            let mut inner = toml_edit::Item::Table(tables.get(index).unwrap().clone());
            remove(&mut inner, rest);
            *tables.get_mut(index).unwrap() = inner.into_table().unwrap();
            return;
        }
        _ => item.as_table_like_mut().unwrap(),
    };
    if rest.is_empty() {
        next.remove(first).unwrap();
    } else {
        remove(next.get_mut(first).unwrap(), rest);
    }
}

/// Reader and schema agree: every key of the schema is in the samples, and taking any key of them away
/// changes what is loaded, or is an error. A key that only one of the two knows fails here.
#[test]
fn every_key_of_the_schema_is_read() {
    let schema = schema();
    let mut unused = BTreeSet::new();
    schema_keys(&schema, &mut unused);
    let total = unused.len();
    for name in ["everything.toml", "everything-else.toml"] {
        let text = fs::read_to_string(fixtures("good").join(name)).unwrap();
        let tree = json(&text);
        let whole = without_source(plain(&text));
        let mut paths = Vec::new();
        toml_paths(&tree, &[], &mut paths);
        for path in &paths {
            let mut document: toml_edit::DocumentMut = text.parse().unwrap();
            remove(document.as_item_mut(), path);
            if let Ok(config) = load("datapin.toml", &document.to_string()) {
                assert_ne!(without_source(config), whole, "{name}: nobody reads {}", path.join("."));
            }
            if let Some(words) = description(&schema, &tree, path) {
                unused.remove(&format!("{}: {words}", path.last().unwrap()));
            }
        }
    }
    assert!(unused.is_empty(), "keys of the schema that the samples do not use: {unused:#?}");
    assert!(total > 60, "{total}");
}

fn without_source(mut config: Config) -> String {
    config.source.blob.clear();
    format!("{config:#?}")
}

/// The description that the schema has for the key at `path`.
fn description<'s>(
    schema: &'s serde_json::Value,
    item: &serde_json::Value,
    path: &[String],
) -> Option<&'s str> {
    let Some((first, rest)) = path.split_first() else {
        return schema.get("description").and_then(|words| words.as_str());
    };
    let down = |schema, step: &String| {
        let inner = item.get(step).or_else(|| item.get(step.parse::<usize>().ok()?))?;
        description(schema, inner, rest)
    };
    for choice in ["anyOf", "oneOf"] {
        let fits = |schema: &&serde_json::Value| {
            schema
                .get("properties")
                .is_none_or(|p| p.get("kind").and_then(|k| k.get("const")) == item.get("kind"))
                || schema["properties"].get("kind").is_none_or(|k| k.get("const").is_none())
        };
        for schema in schema.get(choice).and_then(|c| c.as_array()).into_iter().flatten().filter(fits) {
            if let Some(found) = description(schema, item, path) {
                return Some(found);
            }
        }
    }
    if let Some(own) = schema.get("properties").and_then(|p| p.get(first)) {
        return down(own, first);
    }
    if let Some(items) = schema.get("items").filter(|_| item.is_array()) {
        return down(items, first);
    }
    schema.get("additionalProperties").filter(|s| s.is_object()).and_then(|schema| down(schema, first))
}
