//! Tables: known keys, kinds, required keys, and keys that exclude each other.

use std::collections::BTreeMap;
use std::ops::Range;

use toml_edit::TableLike;

use super::{At, Data, Fields, Form, Key, Node, Problem, ROOT, Raw, Reader, Shape, Site, Spot, form};
use crate::config::key::{Choice, Keys, Kind, Need, Way};
use crate::config::suggest::nearest;

/// A table with the kind that it turned out to be.
#[derive(Clone, Copy)]
struct Known {
    keys: &'static Keys,
    kind: Option<&'static Kind>,
}

impl Known {
    fn keys(self) -> impl Iterator<Item = &'static Key> {
        self.keys.keys.iter().chain(self.kind.map_or(&[][..], |kind| kind.keys))
    }

    /// Whether the table has kinds, and its own is none of them: then its other keys cannot be judged.
    fn is_lost(self) -> bool {
        self.kind.is_none() && !self.keys.kinds.is_empty()
    }
}

impl Reader<'_> {
    /// The good values of a table.
    pub(super) fn table(
        &mut self,
        table: &dyn TableLike,
        range: Range<usize>,
        keys: &'static Keys,
        site: &Site,
    ) -> Fields {
        self.reading.spans.put(&site.address, range.clone());
        let known = Known { keys, kind: self.kind(table, &range, keys, site) };
        if let Some(kind) = known.kind {
            self.reading.spans.set_kind(&site.address, kind.name);
        }
        let mut fields = Fields { kind: known.kind.map(|kind| kind.name), ..Fields::default() };
        for (name, item) in table.iter() {
            let at = key_range(table, name, &range);
            match known.keys().find(|key| key.name == name) {
                Some(key) => {
                    let value = self.value(Node::of_item(item, &at), key, site);
                    fields.values.extend(value.map(|value| (key.name, value)));
                }
                None if name == "kind" && !keys.kinds.is_empty() => {}
                None if known.is_lost() => {}
                None => self.stranger(name, at, known, site),
            }
        }
        for key in known.keys().filter(|key| is_missing(table, key, known)) {
            let (place, doc) = (site.place(), key.doc.to_owned());
            self.problem(range.clone(), Problem::MissingKey { key: key.name.to_owned(), place, doc });
        }
        self.choice(table, &range, keys.choice, site);
        fields
    }

    fn kind(
        &mut self,
        table: &dyn TableLike,
        range: &Range<usize>,
        keys: &'static Keys,
        site: &Site,
    ) -> Option<&'static Kind> {
        let known: Vec<String> = keys.kinds.iter().map(|kind| kind.name.to_owned()).collect();
        if known.is_empty() {
            return None;
        }
        let place = site.place();
        let Some(item) = table.get("kind") else {
            let doc = format!("one of {}", known.join(", "));
            self.problem(range.clone(), Problem::MissingKey { key: "kind".to_owned(), place, doc });
            return None;
        };
        let node = Node::of_item(item, range);
        let Data::Text(name) = node.data else {
            let at = At { range: node.range, key: "kind", site };
            self.wrong_type(Shape::Text(Form::Any), &node.data, "`kind`".to_owned(), at);
            return None;
        };
        let found = keys.kind(name);
        if found.is_none() {
            let kind = name.to_owned();
            self.problem(node.range, Problem::UnknownKind { kind, place, known });
        }
        found
    }

    /// A key that the table does not have.
    fn stranger(&mut self, name: &str, at: Range<usize>, known: Known, site: &Site) {
        let (key, place) = (name.to_owned(), site.place());
        let owner = known.keys.kinds.iter().find(|kind| kind.keys.iter().any(|key| key.name == name));
        let mut names: Vec<String> = known.keys().map(|key| key.name.to_owned()).collect();
        names.extend(known.kind.map(|_| "kind".to_owned()));
        let problem = match (owner, known.kind) {
            (Some(owner), Some(kind)) => Problem::KeyOfOtherKind {
                key,
                place,
                kind: kind.name.to_owned(),
                owner: owner.name.to_owned(),
            },
            _ if known.keys.later.contains(&name) => Problem::KeyNotBuilt { key, place, known: names },
            _ => Problem::UnknownKey { key, place, known: names, elsewhere: elsewhere(name) },
        };
        self.problem(at, problem);
    }

    fn choice(&mut self, table: &dyn TableLike, range: &Range<usize>, choice: Choice, site: &Site) {
        let place = site.place();
        let ways = choice.ways();
        let chosen = ways.iter().find_map(|way| {
            let first = way.needs.first()?;
            table.contains_key(first).then_some((way, *first))
        });
        let Some((way, first)) = chosen else { return self.without_way(table, range, choice, &place) };
        for needs in way.needs.iter().filter(|key| !table.contains_key(key)) {
            let (key, needs) = (first.to_owned(), (*needs).to_owned());
            self.problem(range.clone(), Problem::Incomplete { key, needs, place: place.clone() });
        }
        let others = ways.iter().flat_map(|way| way.needs.iter().chain(way.allows));
        let foreign = |key: &&&str| !way.needs.contains(key) && !way.allows.contains(key);
        for other in others.filter(foreign).filter(|key| table.contains_key(key)) {
            let (key, other_key) = (first.to_owned(), (*other).to_owned());
            let problem = Problem::Exclusive { key, other: other_key, place: place.clone() };
            self.problem(key_range(table, other, range), problem);
        }
    }

    /// No way was chosen: an error where one has to be, or where a key waits for its way.
    fn without_way(&mut self, table: &dyn TableLike, range: &Range<usize>, choice: Choice, place: &str) {
        match choice {
            Choice::Free => {}
            Choice::One(ways) => {
                let ways = ways.iter().map(needs).collect::<Vec<_>>().join(", or ");
                self.problem(range.clone(), Problem::MissingWay { ways, place: place.to_owned() });
            }
            Choice::AtMostOne(ways) => {
                let waiting = ways.iter().flat_map(|way| way.allows.iter().map(move |key| (way, *key)));
                for (way, key) in waiting.filter(|(_, key)| table.contains_key(key)) {
                    let (needs, place) = (way.needs.join("`, `"), place.to_owned());
                    let problem = Problem::Incomplete { key: key.to_owned(), needs, place };
                    self.problem(key_range(table, key, range), problem);
                }
            }
        }
    }

    /// An array of tables.
    pub(super) fn tables(&mut self, keys: &'static Keys, list: Vec<Node<'_>>, at: At<'_>) -> Option<Raw> {
        if list.is_empty() {
            let problem = match at.site.address.strip_prefix("pipeline/") {
                Some(pipeline) => Problem::NoStages { pipeline: pipeline.to_owned() },
                None => Problem::Empty { what: format!("`{}`", at.key), place: at.site.place() },
            };
            self.problem(at.range, problem);
            return None;
        }
        let count = list.len();
        let mut tables = Vec::with_capacity(count);
        for (index, node) in list.into_iter().enumerate() {
            if let Data::Table(table) = node.data {
                tables.push(self.table(table, node.range, keys, &at.site.item(at.key, index)));
            } else {
                let what = format!("item {} of `{}`", index + 1, at.key);
                self.wrong_type(Shape::Table(keys), &node.data, what, at.moved(node.range));
            }
        }
        (tables.len() == count).then_some(Raw::Tables(tables))
    }

    /// Tables by name.
    pub(super) fn named(
        &mut self,
        keys: &'static Keys,
        table: &dyn TableLike,
        key: &'static str,
        at: At<'_>,
    ) -> Raw {
        let mut named = BTreeMap::new();
        for (name, item) in table.iter() {
            let range = key_range(table, name, &at.range);
            if let Some((problem, _)) = form::name(name, Spot { key, place: &format!("in [{key}]") }) {
                self.problem(range, problem);
                continue;
            }
            self.reading.spans.declare(key, name);
            let node = Node::of_item(item, &range);
            if let Data::Table(table) = node.data {
                let fields = self.table(table, node.range, keys, &at.site.named(key, name));
                named.insert(name.to_owned(), fields);
            } else {
                let site = at.site.child(key);
                let here = At { range: node.range, key: name, site: &site };
                self.wrong_type(Shape::Table(keys), &node.data, format!("`{name}`"), here);
            }
        }
        Raw::Named(named)
    }
}

/// Whether a required key is missing. One that is there with a slip of the fingers has its error already.
fn is_missing(table: &dyn TableLike, key: &Key, known: Known) -> bool {
    let only = [key.name.to_owned()];
    let misspelt = || {
        let mut strangers = table.iter().filter(|(name, _)| known.keys().all(|key| key.name != *name));
        strangers.any(|(name, _)| nearest(name, &only).is_some())
    };
    key.need == Need::Required && !table.contains_key(key.name) && !misspelt()
}

/// The place of a key, else of the table around it.
fn key_range(table: &dyn TableLike, key: &str, around: &Range<usize>) -> Range<usize> {
    table.key(key).and_then(|key| key.span()).unwrap_or_else(|| around.clone())
}

/// The keys of a way, in words.
fn needs(way: &Way) -> String {
    let quoted: Vec<String> = way.needs.iter().map(|key| format!("`{key}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} with {}", rest.join(", ")),
    }
}

/// Which table has a key of that name, in words.
fn elsewhere(name: &str) -> Option<String> {
    ROOT.keys.iter().find_map(|top| {
        let (keys, place) = match top.shape {
            Shape::Table(keys) => (keys, format!("of [{}]", top.name)),
            Shape::Named(keys) => (keys, format!("of [{}.…]", top.name)),
            _ => return None,
        };
        keys.keys.iter().any(|key| key.name == name).then_some(place)
    })
}
