//! The file as it stands: every value read by the table of [`super::key`], with its place.
//!
//! Reading never stops at an error: what is wrong is noted and left out.

mod node;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

pub(super) use reader::read;

use super::error::Problem;
use super::{HeaderValue, SecretRef};

/// A table of the file: its good values by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    values: BTreeMap<&'static str, Raw>,
    kind: Option<&'static str>,
}

/// A good value.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
    Count(u32),
    Time(Duration),
    Table(Fields),
    Tables(Vec<Fields>),
    Named(BTreeMap<String, Fields>),
    Headers(BTreeMap<String, HeaderValue>),
    Words(BTreeMap<String, String>),
    Variables(BTreeMap<String, String>),
}

impl Fields {
    pub(super) fn kind(&self) -> Option<&'static str> {
        self.kind
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key)? {
            Raw::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        match self.values.get(key)? {
            Raw::Texts(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.values.get(key)? {
            Raw::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: &str) -> Option<u32> {
        match self.values.get(key)? {
            Raw::Count(count) => Some(*count),
            _ => None,
        }
    }

    pub(super) fn time(&self, key: &str) -> Option<Duration> {
        match self.values.get(key)? {
            Raw::Time(time) => Some(*time),
            _ => None,
        }
    }

    pub(super) fn table(&self, key: &str) -> Option<&Fields> {
        match self.values.get(key)? {
            Raw::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn tables(&self, key: &str) -> Option<&[Fields]> {
        match self.values.get(key)? {
            Raw::Tables(tables) => Some(tables),
            _ => None,
        }
    }

    /// The tables under `key` by name; none where it is not there.
    pub(super) fn named(&self, key: &str) -> impl Iterator<Item = (&String, &Fields)> {
        let found = match self.values.get(key) {
            Some(Raw::Named(named)) => Some(named),
            _ => None,
        };
        found.into_iter().flatten()
    }

    pub(super) fn headers(&self, key: &str) -> BTreeMap<String, HeaderValue> {
        match self.values.get(key) {
            Some(Raw::Headers(headers)) => headers.clone(),
            _ => BTreeMap::new(),
        }
    }

    pub(super) fn words(&self, key: &str) -> BTreeMap<String, String> {
        match self.values.get(key) {
            Some(Raw::Words(words)) => words.clone(),
            _ => BTreeMap::new(),
        }
    }

    pub(super) fn variables(&self, key: &str) -> BTreeMap<String, String> {
        match self.values.get(key) {
            Some(Raw::Variables(variables)) => variables.clone(),
            _ => BTreeMap::new(),
        }
    }

    pub(super) fn secret(&self, key: &str) -> Option<SecretRef> {
        self.table(key).and_then(secret)
    }

    /// Whether any of `keys` is there.
    pub(super) fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.values.contains_key(key))
    }
}

/// Where a secret is.
pub(super) fn secret(fields: &Fields) -> Option<SecretRef> {
    let file = || fields.text("file").map(|file| SecretRef::File(file.into()));
    fields.text("env").map(SecretRef::Env).or_else(file)
}

/// Where each value stands, by address: keys and indices, joined by `/`.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    by_address: BTreeMap<String, Range<usize>>,
    /// Names of named tables (`gate`), broken ones too, so that one error does not bring others.
    declared: BTreeMap<&'static str, BTreeSet<String>>,
    /// Kinds of tables that have one.
    kinds: BTreeMap<String, &'static str>,
}

impl Spans {
    fn put(&mut self, address: &str, range: Range<usize>) {
        self.by_address.insert(address.to_owned(), range);
    }

    fn declare(&mut self, key: &'static str, name: &str) {
        self.declared.entry(key).or_default().insert(name.to_owned());
    }

    fn set_kind(&mut self, address: &str, kind: &'static str) {
        self.kinds.insert(address.to_owned(), kind);
    }

    /// The kind of the table at `address`, if it has a good one.
    pub(super) fn kind(&self, address: &str) -> Option<&'static str> {
        self.kinds.get(address).copied()
    }

    /// The place of `address`, else of the nearest table around it.
    pub(super) fn of(&self, address: &str) -> Range<usize> {
        let mut address = address;
        loop {
            if let Some(range) = self.by_address.get(address) {
                return range.clone();
            }
            match address.rsplit_once('/') {
                Some((parent, _)) => address = parent,
                None => return 0..0,
            }
        }
    }

    /// Whether something stands at `address`, good or not.
    pub(super) fn has(&self, address: &str) -> bool {
        self.by_address.contains_key(address)
    }

    /// Names of the tables under `key`.
    pub(super) fn declared(&self, key: &str) -> Vec<String> {
        self.declared.get(key).into_iter().flatten().cloned().collect()
    }
}

/// What reading found.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) root: Fields,
    pub(super) spans: Spans,
    pub(super) problems: Vec<(Range<usize>, Problem)>,
}
