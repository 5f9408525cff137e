//! One view of toml_edit's many value types.

use std::ops::Range;

use toml_edit::{Item, Table, TableLike, Value};

/// A value with its place.
pub(super) struct Node<'a> {
    pub(super) range: Range<usize>,
    pub(super) data: Data<'a>,
}

/// A value.
pub(super) enum Data<'a> {
    Text(&'a str),
    Count(i64),
    Flag(bool),
    List(Vec<Node<'a>>),
    Table(&'a dyn TableLike),
    /// What no key takes.
    Other(&'static str),
}

impl<'a> Node<'a> {
    /// `item`, which stands at `around` where it has no place of its own.
    pub(super) fn of_item(item: &'a Item, around: &Range<usize>) -> Self {
        let range = item.span().unwrap_or_else(|| around.clone());
        let data = match item {
            Item::Value(value) => return Self::of_value(value, &range),
            Item::Table(table) => Data::Table(table),
            Item::ArrayOfTables(tables) => {
                Data::List(tables.iter().map(|table| Self::of_table(table, &range)).collect())
            }
            Item::None => Data::Other("nothing"),
        };
        Self { range, data }
    }

    fn of_table(table: &'a Table, around: &Range<usize>) -> Self {
        Self { range: table.span().unwrap_or_else(|| around.clone()), data: Data::Table(table) }
    }

    fn of_value(value: &'a Value, around: &Range<usize>) -> Self {
        let range = value.span().unwrap_or_else(|| around.clone());
        let data = match value {
            Value::String(text) => Data::Text(text.value()),
            Value::Integer(number) => Data::Count(*number.value()),
            Value::Boolean(flag) => Data::Flag(*flag.value()),
            Value::Array(array) => Data::List(array.iter().map(|v| Self::of_value(v, &range)).collect()),
            Value::InlineTable(table) => Data::Table(table),
            Value::Float(_) => Data::Other("a number with a point"),
            Value::Datetime(_) => Data::Other("a date or time"),
        };
        Self { range, data }
    }
}

impl Data<'_> {
    /// What it is, in words.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Data::Text(_) => "a string",
            Data::Count(_) => "a number",
            Data::Flag(_) => "true or false",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
            Data::Other(words) => words,
        }
    }
}
