//! From a path to the one scalar that it names.

use std::collections::HashMap;

use super::error::{Hint, Place, ValuesError};
use super::path::{Path, Segment};
use super::source::Source;
use super::tree::{Entry, NodeId, Shape, Tag, Tree};
use super::{DocumentSelector, Target, template};

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) node: NodeId,
    /// The document's number, from 0.
    pub(crate) document: usize,
    /// The way there, for the second parser's values.
    pub(crate) steps: Vec<Step>,
    /// The nearest mapping or list around it that aliases repeat.
    pub(crate) shared: Option<NodeId>,
}

/// One step of the way to a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Key(NodeId),
    Index(usize),
}

/// Why a walk stopped: the path is not in this document, or must not be used at all.
enum Stop {
    /// After so many segments, at this node.
    Missing(usize, NodeId),
    Refused(ValuesError),
}

/// Finds paths; looks at every mapping and list once, whatever the number of paths.
pub(crate) struct Resolver<'t> {
    source: &'t Source<'t>,
    tree: &'t Tree<'t>,
    keys: HashMap<NodeId, HashMap<&'t str, Entry>>,
    items: HashMap<(NodeId, String), HashMap<&'t str, Items>>,
    names: HashMap<&'t str, Vec<usize>>,
}

/// The items of a list with a certain value: the first, and the second if there is one.
#[derive(Clone, Copy)]
struct Items {
    first: usize,
    second: Option<usize>,
}

impl<'t> Resolver<'t> {
    pub(crate) fn new(source: &'t Source<'t>, tree: &'t Tree<'t>) -> Result<Self, ValuesError> {
        let (keys, items, names) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut resolver = Self { source, tree, keys, items, names };
        if tree.documents.len() > 1 {
            for document in 0..tree.documents.len() {
                if let Some(name) = resolver.document_text(document, &["metadata", "name"]) {
                    resolver.names.entry(name).or_default().push(document);
                }
            }
        }
        Ok(resolver)
    }

    /// Returns the node that the target names.
    pub(crate) fn find(&mut self, target: &Target) -> Result<Found, ValuesError> {
        let documents = match &target.document {
            Some(selector) => vec![self.select(selector, &target.path)?],
            None => (0..self.tree.documents.len()).collect(),
        };
        let mut found: Option<Found> = None;
        let mut missed = Vec::new();
        for &document in &documents {
            match self.walk(document, &target.path) {
                Ok(other) => match &found {
                    Some(first) => return Err(self.ambiguous_document(&target.path, first, &other)),
                    None => found = Some(other),
                },
                Err(Stop::Missing(length, node)) => missed.push((length, node)),
                Err(Stop::Refused(error)) => return Err(error),
            }
        }
        found.ok_or_else(|| self.nowhere(&target.path, &missed))
    }

    fn ambiguous_document(&self, path: &Path, first: &Found, other: &Found) -> ValuesError {
        let first = self.place(first.node).line;
        ValuesError::AmbiguousDocument { at: self.place(other.node), path: path.to_string(), first }
    }

    fn nowhere(&self, path: &Path, missed: &[(usize, NodeId)]) -> ValuesError {
        let Some(&(length, node)) = missed.iter().rev().max_by_key(|(length, _)| *length) else {
            return ValuesError::Empty { file: self.source.file().to_owned(), path: path.to_string() };
        };
        let nearest = self.missing(path, length, node);
        if missed.len() == 1 {
            return nearest;
        }
        let (at, documents) = (self.place(node), missed.len());
        let nearest = nearest.to_string();
        let nearest = nearest.strip_prefix(&format!("{at}: ")).unwrap_or(&nearest).to_owned();
        ValuesError::NoDocument { at, path: path.to_string(), documents, nearest }
    }

    fn place(&self, node: NodeId) -> Box<Place> {
        self.source.place(self.tree.node(node).span.start)
    }

    fn select(&mut self, selector: &DocumentSelector, path: &Path) -> Result<usize, ValuesError> {
        let all = || (0..self.tree.documents.len()).collect::<Vec<_>>();
        let named = match &selector.name {
            Some(name) if self.tree.documents.len() > 1 => {
                self.names.get(name.as_str()).cloned().unwrap_or_default()
            }
            Some(_) | None => all(),
        };
        let matching: Vec<usize> =
            named.into_iter().filter(|document| self.matches(*document, selector)).collect();
        match matching.as_slice() {
            [only] => Ok(*only),
            [] => Err(ValuesError::NoSuchDocument {
                file: self.source.file().to_owned(),
                path: path.to_string(),
                selector: selector.to_string(),
                available: self.available(),
            }),
            [first, second, ..] => {
                let first = self.place(self.tree.documents[*first]).line;
                let at = self.place(self.tree.documents[*second]);
                Err(ValuesError::AmbiguousSelector { at, selector: selector.to_string(), first })
            }
        }
    }

    fn matches(&self, document: usize, selector: &DocumentSelector) -> bool {
        let is = |path: &[&str], wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| self.document_text(document, path) == Some(wanted))
        };
        is(&["kind"], &selector.kind) && is(&["metadata", "name"], &selector.name)
    }

    fn document_text(&self, document: usize, path: &[&str]) -> Option<&'t str> {
        let mut node = self.tree.documents[document];
        for key in path {
            let Shape::Mapping(entries) = &self.tree.node(node).shape else { return None };
            node = entries.iter().find(|entry| self.tree.text(entry.key) == Some(key))?.value;
        }
        self.tree.text(node)
    }

    fn available(&self) -> String {
        let count = self.tree.documents.len();
        let names = (0..count).take(8).map(|document| {
            let kind = self.document_text(document, &["kind"]).unwrap_or("no kind");
            let name = self.document_text(document, &["metadata", "name"]).unwrap_or("no name");
            format!("{kind}/{name}")
        });
        match count {
            0 => "none".to_owned(),
            _ => names.chain((count > 8).then(|| "…".to_owned())).collect::<Vec<_>>().join(", "),
        }
    }

    fn walk(&mut self, document: usize, path: &Path) -> Result<Found, Stop> {
        let mut node = self.tree.documents[document];
        let mut steps = Vec::with_capacity(path.segments().len());
        let mut shared = None;
        for (length, segment) in path.segments().iter().enumerate() {
            self.check_container(path, length, node).map_err(Stop::Refused)?;
            if self.tree.aliases.contains_key(&node) {
                shared = Some(node);
            }
            let (step, next) = match segment {
                Segment::Key(key) => self.key(path, length, node, key)?,
                Segment::Index(index) => self.index(length, node, *index)?,
                Segment::Item { key, value } => self.item(path, length, node, key, value)?,
            };
            steps.push(step);
            node = next;
        }
        Ok(Found { node, document, steps, shared })
    }

    fn check_container(&self, path: &Path, length: usize, node: NodeId) -> Result<(), ValuesError> {
        let words = || (self.place(node), path.to_string(), path.reached(length));
        match (&self.tree.node(node).shape, &self.tree.node(node).tag) {
            (Shape::Alias(_), _) => {
                let (at, path, reached) = words();
                Err(ValuesError::AliasInTheWay { at, path, reached })
            }
            (Shape::Mapping(_) | Shape::Sequence(_), Tag::Other(tag)) => {
                let (at, path, reached) = words();
                Err(ValuesError::TagInTheWay { at, path, reached, tag: tag.clone() })
            }
            (Shape::Mapping(_) | Shape::Sequence(_) | Shape::Scalar { .. }, _) => Ok(()),
        }
    }

    fn key(&mut self, path: &Path, length: usize, node: NodeId, key: &str) -> Result<(Step, NodeId), Stop> {
        let Shape::Mapping(entries) = &self.tree.node(node).shape else {
            return Err(Stop::Missing(length, node));
        };
        if !self.keys.contains_key(&node) {
            let keys = self.index_keys(entries, path).map_err(Stop::Refused)?;
            self.keys.insert(node, keys);
        }
        let keys = self.keys.get(&node);
        if let Some(entry) = keys.and_then(|keys| keys.get(key)) {
            return Ok((Step::Key(entry.key), entry.value));
        }
        match keys.and_then(|keys| keys.get("<<")) {
            Some(merge) => Err(Stop::Refused(ValuesError::MergeKey {
                at: self.place(merge.key),
                path: path.to_string(),
                reached: path.reached(length),
                key: key.to_owned(),
            })),
            None => Err(Stop::Missing(length, node)),
        }
    }

    fn index_keys(&self, entries: &[Entry], path: &Path) -> Result<HashMap<&'t str, Entry>, ValuesError> {
        let mut keys = HashMap::with_capacity(entries.len());
        for entry in entries {
            if template::writes_in(self.source, &self.tree.node(entry.key).span) {
                return Err(ValuesError::TemplateKey { at: self.place(entry.key), path: path.to_string() });
            }
            if let Some(text) = self.tree.text(entry.key) {
                keys.insert(text, *entry);
            }
        }
        Ok(keys)
    }

    fn index(&self, length: usize, node: NodeId, index: usize) -> Result<(Step, NodeId), Stop> {
        let Shape::Sequence(items) = &self.tree.node(node).shape else {
            return Err(Stop::Missing(length, node));
        };
        items.get(index).map(|item| (Step::Index(index), *item)).ok_or(Stop::Missing(length, node))
    }

    fn item(
        &mut self,
        path: &Path,
        length: usize,
        node: NodeId,
        key: &str,
        value: &str,
    ) -> Result<(Step, NodeId), Stop> {
        let Shape::Sequence(items) = &self.tree.node(node).shape else {
            return Err(Stop::Missing(length, node));
        };
        let index =
            self.items.entry((node, key.to_owned())).or_insert_with(|| index_items(self.tree, items, key));
        let Some(found) = index.get(value).copied() else { return Err(Stop::Missing(length, node)) };
        match found.second {
            None => Ok((Step::Index(found.first), items[found.first])),
            Some(second) => Err(Stop::Refused(ValuesError::AmbiguousItem {
                at: self.place(items[second]),
                path: path.to_string(),
                reached: path.reached(length),
                wanted: format!("{key}={value}"),
                first: self.place(items[found.first]).line,
            })),
        }
    }

    /// Says how far the path got, and what is there instead.
    fn missing(&self, path: &Path, length: usize, node: NodeId) -> ValuesError {
        let (at, reached, full) = (self.place(node), path.reached(length), path.to_string());
        let found = self.tree.describe(node);
        match (path.segments().get(length), &self.tree.node(node).shape) {
            (Some(Segment::Key(key)), Shape::Mapping(entries)) => {
                let hint = Hint::new(key, entries.iter().filter_map(|entry| self.tree.text(entry.key)));
                ValuesError::MissingKey { at, path: full, reached, key: key.clone(), hint }
            }
            (Some(Segment::Key(key)), _) => {
                ValuesError::NotAMapping { at, path: full, reached, found, key: key.clone() }
            }
            (Some(Segment::Index(_)), Shape::Sequence(items)) => {
                ValuesError::IndexOutOfRange { at, path: full, reached, length: items.len() }
            }
            (Some(Segment::Item { key, value }), Shape::Sequence(items)) => {
                let values = item_values(self.tree, items, key).map(|(_, value)| value);
                let (wanted, hint) = (format!("{key}={value}"), Hint::new(value, values));
                ValuesError::NoItem { at, path: full, reached, wanted, hint }
            }
            (Some(Segment::Index(_) | Segment::Item { .. }) | None, _) => {
                ValuesError::NotAList { at, path: full, reached, found }
            }
        }
    }
}

fn index_items<'t>(tree: &'t Tree<'t>, items: &'t [NodeId], key: &str) -> HashMap<&'t str, Items> {
    let mut index: HashMap<&str, Items> = HashMap::with_capacity(items.len());
    for (position, value) in item_values(tree, items, key) {
        index
            .entry(value)
            .and_modify(|found| found.second = found.second.or(Some(position)))
            .or_insert(Items { first: position, second: None });
    }
    index
}

/// The scalar that each item of a list has under a key, where it has one.
fn item_values<'t>(
    tree: &'t Tree<'t>,
    items: &'t [NodeId],
    key: &str,
) -> impl Iterator<Item = (usize, &'t str)> {
    items.iter().enumerate().filter_map(move |(position, item)| {
        let Shape::Mapping(entries) = &tree.node(*item).shape else { return None };
        let entry = entries.iter().find(|entry| tree.text(entry.key) == Some(key))?;
        Some((position, tree.text(entry.value)?))
    })
}
