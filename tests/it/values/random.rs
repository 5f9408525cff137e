//! Random nested YAML in random styles: after an edit a second parser sees exactly that one change.

use std::fmt::Write as _;

use datapin::values::{self, Change, Edit, Target};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_yaml::{Mapping, Value};

#[derive(Debug, Clone)]
enum Model {
    Map(Vec<Model>, Layout),
    List(Vec<Model>, Layout),
    /// What is written, and what it means.
    Scalar(String, Value),
}

#[derive(Debug, Clone, Copy)]
enum Layout {
    Block,
    Flow,
}

fn scalar() -> impl Strategy<Value = Model> {
    let text = |value: &str| Value::String(value.to_owned());
    let plain = prop::sample::select(vec!["old", "2026.11.20-2", "two words", "a#b", "x:y", "größe", "it's"]);
    prop_oneof![
        plain.prop_map(move |value| Model::Scalar(value.to_owned(), text(value))),
        "[ -~äß🚆]{0,12}".prop_map(|value| {
            Model::Scalar(serde_json::to_string(&value).unwrap(), Value::String(value))
        }),
        "[ -~äß🚆]{0,12}".prop_map(|value| {
            Model::Scalar(format!("'{}'", value.replace('\'', "''")), Value::String(value))
        }),
        any::<i32>().prop_map(|number| Model::Scalar(number.to_string(), Value::Number(number.into()))),
        any::<bool>().prop_map(|value| Model::Scalar(value.to_string(), Value::Bool(value))),
        prop::sample::select(vec!["~", "null"])
            .prop_map(|value| Model::Scalar(value.to_owned(), Value::Null)),
    ]
}

fn layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(vec![Layout::Block, Layout::Block, Layout::Flow])
}

fn model() -> impl Strategy<Value = Model> {
    let tree = scalar().prop_recursive(4, 40, 5, |inner| {
        let children = || prop::collection::vec(inner.clone(), 1..5);
        prop_oneof![
            (children(), layout()).prop_map(|(children, layout)| Model::Map(children, layout)),
            (children(), layout()).prop_map(|(children, layout)| Model::List(children, layout)),
        ]
    });
    prop::collection::vec(tree, 1..5).prop_map(|children| Model::Map(children, Layout::Block))
}

fn key(number: usize) -> String {
    ["version", "a.b", "über", "data", "x-y"]
        .get(number)
        .map_or_else(|| format!("k{number}"), |key| (*key).to_owned())
}

fn written_key(number: usize) -> String {
    if number == 1 { format!("\"{}\"", key(number)) } else { key(number) }
}

impl Model {
    fn value(&self) -> Value {
        match self {
            Self::Map(children, _) => {
                let entry = |(number, child): (usize, &Self)| (Value::String(key(number)), child.value());
                Value::Mapping(children.iter().enumerate().map(entry).collect::<Mapping>())
            }
            Self::List(children, _) => Value::Sequence(children.iter().map(Self::value).collect()),
            Self::Scalar(_, value) => value.clone(),
        }
    }

    fn paths(&self, path: &str, paths: &mut Vec<String>) {
        match self {
            Self::Map(children, _) => {
                for (number, child) in children.iter().enumerate() {
                    let dot = if path.is_empty() { "" } else { "." };
                    child.paths(&format!("{path}{dot}{}", written_key(number)), paths);
                }
            }
            Self::List(children, _) => {
                children
                    .iter()
                    .enumerate()
                    .for_each(|(number, child)| child.paths(&format!("{path}[{number}]"), paths));
            }
            Self::Scalar(..) => paths.push(path.to_owned()),
        }
    }

    fn flow(&self) -> String {
        match self {
            Self::Map(children, _) => {
                let entry =
                    |(number, child): (usize, &Self)| format!("{}: {}", written_key(number), child.flow());
                format!("{{ {} }}", children.iter().enumerate().map(entry).collect::<Vec<_>>().join(" , "))
            }
            Self::List(children, _) => {
                format!("[{}]", children.iter().map(Self::flow).collect::<Vec<_>>().join(", "))
            }
            Self::Scalar(written, _) => written.clone(),
        }
    }

    fn block(&self, indent: usize, text: &mut String) {
        match self {
            Self::Map(children, Layout::Block) => {
                for (number, child) in children.iter().enumerate() {
                    write!(text, "{:indent$}{}:", "", written_key(number)).unwrap();
                    child.below(indent, text);
                }
            }
            Self::List(children, Layout::Block) => {
                for child in children {
                    write!(text, "{:indent$}-", "").unwrap();
                    child.below(indent, text);
                }
            }
            Self::Map(_, Layout::Flow) | Self::List(_, Layout::Flow) | Self::Scalar(..) => {
                writeln!(text, "{:indent$}{}", "", self.flow()).unwrap();
            }
        }
    }

    fn below(&self, indent: usize, text: &mut String) {
        match self {
            Self::Map(_, Layout::Block) | Self::List(_, Layout::Block) => {
                text.push_str("  # below: old\n\n");
                self.block(indent + 2, text);
            }
            Self::Map(_, Layout::Flow) | Self::List(_, Layout::Flow) | Self::Scalar(..) => {
                writeln!(text, "  {} # \"here\": 'old'", self.flow()).unwrap();
            }
        }
    }
}

/// The model's value with the `number`th scalar replaced.
fn replace(value: &mut Value, number: &mut usize, new: &Value) {
    match value {
        Value::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| replace(value, number, new)),
        Value::Sequence(items) => items.iter_mut().for_each(|value| replace(value, number, new)),
        scalar => {
            if *number == 0 {
                *scalar = new.clone();
            }
            *number = number.wrapping_sub(1);
        }
    }
}

fn new_text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~\n\täß🚆]{0,16}", "[0-9.:eE+_-]{1,10}", "\\PC{0,10}", Just("2026.11.23-1".to_owned()),]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_pin_changes(model in model(), pick in any::<Index>(), new in new_text(), windows in any::<bool>()) {
        let mut text = String::from("# top\n");
        model.block(0, &mut text);
        let text = if windows { text.replace('\n', "\r\n") } else { text };
        let mut paths = Vec::new();
        model.paths("", &mut paths);
        let mut number = pick.index(paths.len());
        let target = Target::from(paths[number].parse::<values::Path>().unwrap());
        let scalar = values::read("v.yaml", text.as_bytes(), &target).unwrap();

        let edit = Edit { target: target.clone(), change: Change::Text(new.clone()) };
        let after = String::from_utf8(values::edit("v.yaml", text.as_bytes(), &[edit]).unwrap()).unwrap();

        let mut expected = model.value();
        prop_assert_eq!(&serde_yaml::from_str::<Value>(&text).unwrap(), &expected);
        replace(&mut expected, &mut number, &Value::String(new));
        prop_assert_eq!(&serde_yaml::from_str::<Value>(&after).unwrap(), &expected);

        let line: usize = text.split_inclusive('\n').take(scalar.line - 1).map(str::len).sum();
        let column: usize = text[line..].chars().take(scalar.column - 1).map(char::len_utf8).sum();
        let (before, rest) = text.split_at(line + column);
        let behind = rest.strip_prefix(scalar.source.as_str()).unwrap();
        let new_source = values::read("v.yaml", after.as_bytes(), &target).unwrap().source;
        prop_assert_eq!(after, format!("{before}{new_source}{behind}"));
    }
}
