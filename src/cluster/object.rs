//! What all objects have in common, and how an object is read as the type that knows the parts which matter.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Name, owners and so on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Id.
    pub uid: String,
    /// Version of the spec.
    pub generation: i64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Owners.
    pub owner_references: Vec<Owner>,
    /// When somebody deleted it.
    pub deletion_timestamp: Option<String>,
}

/// An owner.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Its id.
    pub uid: String,
}

/// A condition.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`; Argo CD's have none.
    pub status: String,
    /// One word.
    pub reason: String,
    /// What it says.
    pub message: String,
}

impl Metadata {
    /// Whether the object with that id owns it.
    pub fn is_owned_by(&self, uid: &str) -> bool {
        self.owner_references.iter().any(|owner| owner.uid == uid)
    }
}

impl Condition {
    /// The first of `all` that has that type.
    pub fn find<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
        all.iter().find(|condition| condition.kind == kind)
    }

    /// Whether it is so.
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// An object as the type that knows the parts which matter; a `null` is as good as nothing.
///
/// # Errors
/// A field has another type than it should.
pub fn parsed<T: DeserializeOwned>(object: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(object).or_else(|_| {
        let mut object = object.clone();
        drop_nulls(&mut object);
        T::deserialize(&object)
    })
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
