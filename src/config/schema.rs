//! The JSON schema of `datapin.toml`, made from the very table that the reader follows.

use serde_json::{Map, Value, json};

use super::key::{Choice, Form, Key, Keys, Kind, Need, ROOT, SECRET, Shape};

const NAME: &str = "^[a-z0-9][a-z0-9._-]{0,62}$";

/// The JSON schema (draft 2020-12) of `datapin.toml`.
///
/// It has every key that [`super::load`] reads and no other. What goes beyond single values (references,
/// shared files, cycles) only `load` finds.
pub fn schema() -> Value {
    let mut schema = table(&ROOT);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("datapin.toml");
    schema
}

fn table(keys: &Keys) -> Value {
    if keys.kinds.is_empty() {
        return object(keys, None);
    }
    let kinds: Vec<Value> = keys.kinds.iter().map(|kind| object(keys, Some(kind))).collect();
    json!({ "type": "object", "oneOf": kinds })
}

fn object(keys: &Keys, kind: Option<&Kind>) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    if let Some(kind) = kind {
        properties.insert("kind".to_owned(), json!({ "const": kind.name, "description": kind.doc }));
        required.push("kind");
    }
    for key in keys.keys.iter().chain(kind.map_or(&[][..], |kind| kind.keys)) {
        properties.insert(key.name.to_owned(), property(key));
        if key.need == Need::Required {
            required.push(key.name);
        }
    }
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if let Some(ways) = ways(keys.choice) {
        object["oneOf"] = json!(ways);
    }
    object
}

/// One schema for each way: its keys are there, the keys of the others are not.
fn ways(choice: Choice) -> Option<Vec<Value>> {
    let all = choice.ways();
    let keys = || all.iter().flat_map(|way| way.needs.iter().chain(way.allows));
    let without = |kept: &[&str]| -> Map<String, Value> {
        keys().filter(|key| !kept.contains(key)).map(|key| ((*key).to_owned(), json!(false))).collect()
    };
    let mut schemas: Vec<Value> = all
        .iter()
        .map(|way| json!({ "required": way.needs, "properties": without(&[way.needs, way.allows].concat()) }))
        .collect();
    match choice {
        Choice::Free => None,
        Choice::One(_) => Some(schemas),
        Choice::AtMostOne(_) => {
            schemas.push(json!({ "properties": without(&[]) }));
            Some(schemas)
        }
    }
}

fn property(key: &Key) -> Value {
    let mut schema = shape(key.shape);
    schema["description"] = json!(key.doc);
    schema
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text(form) => text(form),
        Shape::Set(form, least) => set(form, least),
        Shape::OneOrSet(form) => json!({ "anyOf": [text(form), set(form, 1)] }),
        Shape::Argv => json!({
            "type": "array", "minItems": 1, "items": { "type": "string" }, "prefixItems": [text(Form::Any)],
        }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Count(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        Shape::Table(keys) => table(keys),
        Shape::OneOrTables(keys) => {
            json!({ "anyOf": [table(keys), { "type": "array", "minItems": 1, "items": table(keys) }] })
        }
        Shape::Tables(keys) => json!({ "type": "array", "minItems": 1, "items": table(keys) }),
        Shape::Named(keys) => json!({
            "type": "object", "propertyNames": { "pattern": NAME }, "additionalProperties": table(keys),
        }),
        Shape::Words => json!({ "type": "object", "additionalProperties": text(Form::Any) }),
        Shape::Variables(form) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "anyOf": [{ "const": "" }, text(form)] },
        }),
        Shape::Headers => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9_-]+$" },
            "additionalProperties": { "anyOf": [text(Form::Any), table(&SECRET)] },
        }),
    }
}

fn set(form: Form, least: usize) -> Value {
    json!({ "type": "array", "minItems": least, "uniqueItems": true, "items": text(form) })
}

/// The part of a form's rules that a schema can say.
fn text(form: Form) -> Value {
    match form {
        Form::Name => json!({ "type": "string", "pattern": NAME }),
        Form::OneOf(words) => json!({ "enum": words }),
        Form::HttpUrl | Form::HttpTemplate => json!({ "type": "string", "pattern": "^https?://[^/]" }),
        Form::BucketUrl => json!({ "type": "string", "pattern": "^s3://[^/]+/.*\\{version\\}" }),
        Form::ObjectName => json!({ "type": "string", "pattern": "^[^/]" }),
        Form::Person => json!({ "type": "string", "pattern": "^[^<>]+<[^<>@\\s]+@[^<>\\s]+>\\s*$" }),
        Form::Variable => json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
        Form::Environment => json!({ "type": "string", "pattern": "^[A-Za-z0-9 ._/-]+$", "maxLength": 255 }),
        Form::Condition => json!({ "type": "string", "pattern": "^\\s*(<=?|>=?|==|!=)\\s*[-+0-9.]" }),
        Form::Resource => json!({ "type": "string", "pattern": "^[A-Za-z]+/[^/\\s]+$" }),
        Form::Settable => json!({ "type": "string", "pattern": "^[^:]+:.+$" }),
        Form::Duration => json!({ "type": "string", "pattern": "[0-9]", "examples": ["90s", "15m", "2h"] }),
        Form::Pattern => json!({ "type": "string", "minLength": 1, "format": "regex" }),
        Form::Any
        | Form::Reference
        | Form::Branch
        | Form::Remote
        | Form::Template(_)
        | Form::Filled(_)
        | Form::Selector
        | Form::RepositoryFile
        | Form::PinFile
        | Form::PinPath => json!({ "type": "string", "minLength": 1 }),
    }
}
