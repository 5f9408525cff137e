//! Walks the file along the table of keys.

use std::ops::Range;

use toml_edit::Document;

use super::node::{Data, Node};
use super::{Fields, Raw, Reading};
use crate::config::error::Problem;
use crate::config::form::{self, Spot};
use crate::config::key::{Form, Key, ROOT, SECRET, Shape};

mod header;
mod list;
mod table;
mod variables;
mod words;

/// Reads `text`, or says why it is no TOML.
pub(in crate::config) fn read(text: &str) -> Result<Reading, (Range<usize>, Problem)> {
    let document = Document::parse(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        (error.span().unwrap_or(0..0), Problem::Syntax { message })
    })?;
    let mut reader = Reader { text, reading: Reading::default() };
    let root = reader.table(document.as_table(), 0..0, &ROOT, &Site::root());
    Ok(Reading { root, ..reader.reading })
}

/// Which table is being read.
struct Site {
    /// Address for [`super::Spans`].
    address: String,
    /// Words for messages: `[environment.int]`, `stage 1 of [pipeline.int]`; empty for the root.
    label: String,
}

impl Site {
    fn root() -> Self {
        Self { address: String::new(), label: String::new() }
    }

    fn place(&self) -> String {
        if self.label.is_empty() { "at the top level".to_owned() } else { format!("in {}", self.label) }
    }

    fn address(&self, step: &str) -> String {
        if self.address.is_empty() { step.to_owned() } else { format!("{}/{step}", self.address) }
    }

    fn child(&self, key: &str) -> Self {
        let top = self.label.is_empty();
        let label = if top { format!("[{key}]") } else { format!("`{key}` of {}", self.label) };
        Self { address: self.address(key), label }
    }

    fn item(&self, key: &str, index: usize) -> Self {
        let word = key.strip_suffix('s').unwrap_or(key);
        let address = format!("{}/{index}", self.address(key));
        Self { address, label: format!("{word} {} of {}", index + 1, self.label) }
    }

    /// The only table where there may be several.
    fn only(&self, key: &str) -> Self {
        Self { address: self.item(key, 0).address, label: self.child(key).label }
    }

    fn named(&self, key: &str, name: &str) -> Self {
        Self { address: format!("{}/{name}", self.address(key)), label: format!("[{key}.{name}]") }
    }
}

/// Where a value stands: its bytes, its key and the table around it.
#[derive(Clone)]
struct At<'s> {
    range: Range<usize>,
    key: &'s str,
    site: &'s Site,
}

impl At<'_> {
    fn moved(&self, range: Range<usize>) -> Self {
        Self { range, ..self.clone() }
    }
}

struct Reader<'t> {
    text: &'t str,
    reading: Reading,
}

impl Reader<'_> {
    fn problem(&mut self, range: Range<usize>, problem: Problem) {
        self.reading.problems.push((range, problem));
    }

    /// The value of one key; `None` after an error.
    fn value(&mut self, node: Node<'_>, key: &Key, site: &Site) -> Option<Raw> {
        self.reading.spans.put(&site.address(key.name), node.range.clone());
        let at = At { range: node.range, key: key.name, site };
        match (key.shape, node.data) {
            (Shape::Text(Form::Duration), Data::Text(text)) => self.time(text, at),
            (Shape::Text(form), Data::Text(text)) => self.form(form, text, at).map(Raw::Text),
            (Shape::OneOrSet(form), Data::Text(text)) => {
                self.form(form, text, at).map(|text| Raw::Texts(vec![text]))
            }
            (Shape::Set(form, least), Data::List(list)) => self.set(form, least, list, at),
            (Shape::OneOrSet(form), Data::List(list)) => self.set(form, 1, list, at),
            (Shape::Argv, Data::List(list)) => self.argv(list, at),
            (Shape::Flag, Data::Flag(flag)) => Some(Raw::Flag(flag)),
            (Shape::Count(most), Data::Count(number)) => self.count(number, most, at),
            (Shape::Table(keys), Data::Table(table)) => {
                Some(Raw::Table(self.table(table, at.range, keys, &site.child(key.name))))
            }
            (Shape::OneOrTables(keys), Data::Table(table)) => {
                Some(Raw::Tables(vec![self.table(table, at.range, keys, &site.only(key.name))]))
            }
            (Shape::OneOrTables(keys) | Shape::Tables(keys), Data::List(list)) => self.tables(keys, list, at),
            (Shape::Named(keys), Data::Table(table)) => Some(self.named(keys, table, key.name, at)),
            (Shape::Headers, Data::Table(table)) => Some(self.headers(table, at)),
            (Shape::Words, Data::Table(table)) => Some(self.words(table, at)),
            (Shape::Variables(form), Data::Table(table)) => Some(self.variables(form, table, at)),
            (shape, data) => {
                self.wrong_type(shape, &data, format!("`{}`", key.name), at);
                None
            }
        }
    }

    fn wrong_type(&mut self, shape: Shape, data: &Data<'_>, what: String, at: At<'_>) {
        let place = at.site.place();
        let secret = matches!(shape, Shape::Table(keys) if std::ptr::eq(keys, &SECRET));
        let problem = match data {
            Data::Text(_) if secret => Problem::PlainSecret { key: at.key.to_owned(), place },
            data => Problem::WrongType {
                what,
                place,
                expected: expected(shape),
                found: data.describe().to_owned(),
            },
        };
        self.problem(at.range, problem);
    }

    /// A text of that form. A finding is shown at its own characters where the literal has no escapes.
    fn form(&mut self, form: Form, text: &str, at: At<'_>) -> Option<String> {
        let place = at.site.place();
        match form::check(form, text, Spot { key: at.key, place: &place }) {
            None => Some(text.to_owned()),
            Some((problem, within)) => {
                let exact = within.and_then(|within| inside(self.text, &at.range, text, within));
                self.problem(exact.unwrap_or(at.range), problem);
                None
            }
        }
    }

    fn time(&mut self, text: &str, at: At<'_>) -> Option<Raw> {
        let place = at.site.place();
        match form::duration(text, Spot { key: at.key, place: &place }) {
            Ok(time) => Some(Raw::Time(time)),
            Err(problem) => {
                self.problem(at.range, problem);
                None
            }
        }
    }

    fn count(&mut self, found: i64, most: u32, at: At<'_>) -> Option<Raw> {
        let count = u32::try_from(found).ok().filter(|count| *count <= most).map(Raw::Count);
        if count.is_none() {
            let problem = Problem::OutOfRange { key: at.key.to_owned(), place: at.site.place(), most, found };
            self.problem(at.range, problem);
        }
        count
    }
}

/// What a shape takes, in words.
fn expected(shape: Shape) -> String {
    match shape {
        Shape::Text(Form::Duration) => "a duration such as \"15m\"".to_owned(),
        Shape::Text(Form::OneOf(words)) => format!("one of \"{}\"", words.join("\", \"")),
        Shape::Text(_) => "a string".to_owned(),
        Shape::Set(..) => "a list of strings".to_owned(),
        Shape::OneOrSet(_) => "a string or a list of strings".to_owned(),
        Shape::Argv => "a list: the program and its arguments, never a shell string".to_owned(),
        Shape::Flag => "true or false".to_owned(),
        Shape::Count(most) => format!("a whole number from 0 to {most}"),
        Shape::Table(keys) if std::ptr::eq(keys, &SECRET) => "{ env = \"…\" } or { file = \"…\" }".to_owned(),
        Shape::Table(_) | Shape::Named(_) => "a table".to_owned(),
        Shape::OneOrTables(_) => "a table or a list of tables".to_owned(),
        Shape::Tables(_) => "a list of tables".to_owned(),
        Shape::Words => "a table of strings".to_owned(),
        Shape::Variables(_) => "a table of strings".to_owned(),
        Shape::Headers => "a table of strings, { env = \"…\" } or { file = \"…\" }".to_owned(),
    }
}

/// Where `within` of a string's content stands in the file, if its literal has no escapes.
fn inside(file: &str, literal: &Range<usize>, content: &str, within: Range<usize>) -> Option<Range<usize>> {
    let source = file.get(literal.clone())?;
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| source.starts_with(quotes))?;
    let inner = source.get(quotes.len()..source.len().checked_sub(quotes.len())?)?;
    let start = literal.start + quotes.len();
    (inner == content).then(|| start + within.start..start + within.end)
}
