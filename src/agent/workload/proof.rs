//! What a pod carries: the version of its data, as its own spec says.

use super::object::Container;
use crate::cluster::object::Metadata;

/// Where a pod says which version it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// In an environment variable.
    Env(String),
    /// In an annotation.
    Annotation(String),
}

/// What something carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// This, each once.
    Values(Vec<String>),
    /// A value that is taken from somewhere else when the container starts.
    Elsewhere,
    /// Nothing.
    Nothing,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Proof::Env(name) => write!(f, "environment variable {name}"),
            Proof::Annotation(name) => write!(f, "annotation {name}"),
        }
    }
}

impl Proof {
    /// What a pod, or a pod's template, carries.
    pub fn of(&self, metadata: &Metadata, containers: &[Container]) -> Carried {
        match self {
            Proof::Annotation(name) => match metadata.annotations.get(name) {
                Some(value) => Carried::Values(vec![value.clone()]),
                None => Carried::Nothing,
            },
            Proof::Env(name) => env(name, containers),
        }
    }
}

fn env(name: &str, containers: &[Container]) -> Carried {
    let found = containers.iter().flat_map(|container| &container.env).filter(|one| one.name == name);
    let mut values: Vec<String> = Vec::new();
    for one in found {
        match &one.value {
            Some(value) if values.contains(value) => {}
            Some(value) => values.push(value.clone()),
            None => return Carried::Elsewhere,
        }
    }
    if values.is_empty() { Carried::Nothing } else { Carried::Values(values) }
}

impl Carried {
    /// Whether it is nothing but one of `wanted`.
    pub fn is(&self, wanted: &[String]) -> bool {
        match self {
            Carried::Values(values) => values.iter().all(|value| wanted.contains(value)),
            Carried::Elsewhere | Carried::Nothing => false,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Carried::Values(values) => values.join(" and "),
            Carried::Elsewhere => "a value from somewhere else".to_owned(),
            Carried::Nothing => "nothing".to_owned(),
        }
    }
}
