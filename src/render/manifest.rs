//! What helm wrote: releases, and the objects in them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::Value;

/// Releases by name, each with its objects.
pub type Rendered = BTreeMap<String, Objects>;

/// The objects of a release.
pub type Objects = BTreeMap<Key, Content>;

/// Which object: the same one before and after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// File of its template, with the namespace of the release.
    pub file: String,
    /// `Deployment/mds`, or the number of what has no name.
    pub name: String,
    /// How many of that name came before it in the file.
    pub nth: usize,
}

/// What an object says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Read.
    Yaml(Value),
    /// Helm takes it, and our parser does not: compared as it is, never shown.
    Opaque(String),
}

/// Reads what helm wrote into a directory; nothing if it is not there.
pub fn read(dir: &Path) -> io::Result<Rendered> {
    let mut rendered = Rendered::new();
    let releases = match fs::read_dir(dir) {
        Ok(releases) => releases,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(rendered),
        Err(error) => return Err(error),
    };
    for entry in releases {
        let entry = entry?;
        let mut objects = Objects::new();
        for path in files(&entry.path())? {
            let file = path.strip_prefix(entry.path()).unwrap_or(&path).to_string_lossy().into_owned();
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            add(&mut objects, &file, &text);
        }
        rendered.insert(entry.file_name().to_string_lossy().into_owned(), objects);
    }
    Ok(rendered)
}

/// All files below a directory, sorted.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Adds the documents of a file. One that cannot be read makes the whole file opaque.
fn add(objects: &mut Objects, file: &str, text: &str) {
    let documents: Result<Vec<Value>, _> =
        serde_yaml::Deserializer::from_str(text).map(Value::deserialize).collect();
    let contents = match documents {
        Ok(documents) => documents.into_iter().filter(|one| !one.is_null()).map(Content::Yaml).collect(),
        Err(_) => vec![Content::Opaque(text.to_owned())],
    };
    for (at, content) in contents.into_iter().enumerate() {
        let name = name(&content).unwrap_or_else(|| format!("document {}", at + 1));
        let mut key = Key { file: file.to_owned(), name, nth: 0 };
        while objects.contains_key(&key) {
            key.nth += 1;
        }
        objects.insert(key, content);
    }
}

fn name(content: &Content) -> Option<String> {
    let Content::Yaml(value) = content else { return None };
    let metadata = value.get("metadata")?;
    let (kind, name) = (value.get("kind")?.as_str()?, metadata.get("name")?.as_str()?);
    Some(match metadata.get("namespace").and_then(Value::as_str) {
        Some(namespace) => format!("{kind}/{namespace}/{name}"),
        None => format!("{kind}/{name}"),
    })
}
