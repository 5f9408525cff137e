//! TOML to a [`Tree`], and to the values that the proof compares.

use std::borrow::Cow;

use serde_yaml::Value as Second;
use serde_yaml::value::{Tag as SecondTag, TaggedValue};
use toml_edit::{Document, Item, Table, TableLike, Value};

use super::error::ValuesError;
use super::source::Source;
use super::tree::{Entry, Node, NodeId, Shape, Style, Tag, Tree};

/// The tag that dates and times get in the values compared, since YAML has no type for them.
pub(crate) const DATETIME: &str = "datetime";

fn parse<'t>(source: &Source<'_>, text: &'t str) -> Result<Document<&'t str>, ValuesError> {
    Document::parse(text).map_err(|error| ValuesError::Unreadable {
        at: source.place(error.span().map_or(0, |span| span.start)),
        format: source.format().name(),
        reason: error.message().trim().replace('\n', ", "),
    })
}

/// Returns the file as one document.
pub(crate) fn index<'s>(source: &'s Source<'_>) -> Result<Tree<'s>, ValuesError> {
    let document = parse(source, source.masked())?;
    let mut builder = Builder { text: source.masked(), tree: Tree::default() };
    let top = builder.table(document.as_table());
    builder.tree.documents.push(top);
    Ok(builder.tree)
}

struct Builder<'s> {
    text: &'s str,
    tree: Tree<'s>,
}

impl<'s> Builder<'s> {
    fn push(&mut self, span: Option<std::ops::Range<usize>>, shape: Shape<'s>) -> NodeId {
        self.tree.push(Node { span: span.unwrap_or(0..0), shape, tag: Tag::None })
    }

    fn table(&mut self, table: &Table) -> NodeId {
        let entries = self.entries(table);
        self.push(table.span(), Shape::Mapping(entries))
    }

    fn entries(&mut self, table: &dyn TableLike) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (key, item) in table.iter() {
            let span = table.key(key).and_then(toml_edit::Key::span);
            let shape = Shape::Scalar { text: Cow::Owned(key.to_owned()), style: Style::Plain };
            let key = self.push(span, shape);
            if let Some(value) = self.item(item) {
                entries.push(Entry { key, value });
            }
        }
        entries
    }

    fn item(&mut self, item: &Item) -> Option<NodeId> {
        match item {
            Item::None => None,
            Item::Value(value) => Some(self.value(value)),
            Item::Table(table) => Some(self.table(table)),
            Item::ArrayOfTables(tables) => {
                let items = tables.iter().map(|table| self.table(table)).collect();
                Some(self.push(tables.span(), Shape::Sequence(items)))
            }
        }
    }

    fn value(&mut self, value: &Value) -> NodeId {
        let shape = match value {
            Value::Array(array) => Shape::Sequence(array.iter().map(|value| self.value(value)).collect()),
            Value::InlineTable(table) => Shape::Mapping(self.entries(table)),
            Value::String(text) => {
                Shape::Scalar { text: Cow::Owned(text.value().clone()), style: self.style(value) }
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
                let written = value.span().and_then(|span| self.text.get(span)).unwrap_or("");
                Shape::Scalar { text: Cow::Borrowed(written), style: Style::Plain }
            }
        };
        self.push(value.span(), shape)
    }

    fn style(&self, value: &Value) -> Style {
        let written = value.span().and_then(|span| self.text.get(span)).unwrap_or("");
        match written {
            text if text.starts_with("\"\"\"") || text.starts_with("'''") => Style::Multiline,
            text if text.starts_with('\'') => Style::Single,
            _ => Style::Double,
        }
    }
}

/// Returns what the file says, for comparing.
pub(crate) fn documents(source: &Source<'_>, text: &str) -> Result<Vec<Second>, ValuesError> {
    Ok(vec![second_table(parse(source, text)?.as_table())])
}

/// The value that a scalar written alone has, if it is exactly one scalar.
pub(crate) fn scalar(written: &str) -> Option<Second> {
    let text = format!("v = {written}");
    let document = Document::parse(text.as_str()).ok()?;
    let mut items = document.as_table().iter();
    let (("v", Item::Value(value)), None) = (items.next()?, items.next()) else { return None };
    let whole = value.span()? == (4..text.len());
    let single = !matches!(value, Value::Array(_) | Value::InlineTable(_));
    let lines = written.starts_with("\"\"\"") || written.starts_with("'''");
    (whole && single && !lines).then(|| second(value))
}

fn second_table(table: &dyn TableLike) -> Second {
    let entry = |(key, item): (&str, &Item)| (Second::String(key.to_owned()), second_item(item));
    Second::Mapping(table.iter().map(entry).collect())
}

fn second_item(item: &Item) -> Second {
    match item {
        Item::None => Second::Null,
        Item::Value(value) => second(value),
        Item::Table(table) => second_table(table),
        Item::ArrayOfTables(tables) => {
            Second::Sequence(tables.iter().map(|table| second_table(table)).collect())
        }
    }
}

fn second(value: &Value) -> Second {
    match value {
        Value::String(text) => Second::String(text.value().clone()),
        Value::Integer(number) => Second::Number((*number.value()).into()),
        Value::Float(number) => Second::Number((*number.value()).into()),
        Value::Boolean(value) => Second::Bool(*value.value()),
        Value::Datetime(time) => Second::Tagged(Box::new(TaggedValue {
            tag: SecondTag::new(DATETIME),
            value: Second::String(time.value().to_string()),
        })),
        Value::Array(array) => Second::Sequence(array.iter().map(second).collect()),
        Value::InlineTable(table) => second_table(table),
    }
}
