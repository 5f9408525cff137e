//! The values editor: on success only the pinned scalars differ for a second parser, every byte outside them is the
//! same, and the sources that were there bring the very same bytes back.
//!
//! The input is `format path, kind, text`, each on a line, and then the values file: see `seeds.py`.

#![no_main]

use datapin::values::{self, Change, Edit, Kind, Path, Target};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_yaml::Value;

fuzz_target!(|bytes: &[u8]| {
    let Some(input) = Input::read(bytes) else { return };
    let before = values::read(input.file, input.bytes, &input.target);
    let edit = Edit { target: input.target.clone(), change: input.change.clone() };
    let Ok(after) = values::edit(input.file, input.bytes, std::slice::from_ref(&edit)) else { return };
    let before = before.expect("what can be edited can be read");
    let now = values::read(input.file, &after, &input.target).expect("what was edited can be read");
    match &input.change {
        Change::Text(text) => assert_eq!((&now.text, now.kind), (text, Kind::Text)),
        Change::Keep(text) => {
            let number = [Kind::Integer, Kind::Float];
            let both = number.contains(&before.kind) && number.contains(&now.kind);
            assert_eq!(&now.text, text);
            assert!(both || now.kind == before.kind, "{} became {}", before.kind, now.kind);
        }
        Change::Source(source) => assert_eq!(&now.source, source),
    }
    if input.change == Change::Source(String::new()) {
        // `key: x` becomes `key:` with its blanks: a value that was left out is only ever restored to such a place
        return;
    }
    outside_is_identical(&input, &before, &now, &after);
    if input.file.ends_with(".yaml") {
        only_the_pin_differs(input.bytes, &after);
    }
    let back = Edit { target: input.target.clone(), change: Change::Source(before.source.clone()) };
    let restored = values::edit(input.file, &after, &[back]).expect("the source that was there fits");
    assert_eq!(restored, input.bytes, "the source does not bring the bytes back");
});

struct Input<'a> {
    file: &'static str,
    target: Target,
    change: Change,
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
        let mut line = || std::str::from_utf8(lines.next()?).ok();
        let (path, kind, text) = (line()?, line()?, line()?);
        let (format, path) = path.split_at_checked(1)?;
        let file = match format {
            "t" => "values.toml",
            "g" => "values.yaml.gotmpl",
            _ => "values.yaml",
        };
        let change = match kind {
            "keep" => Change::Keep(text.to_owned()),
            "source" => Change::Source(text.to_owned()),
            _ => Change::Text(text.to_owned()),
        };
        let target = Target::from(path.parse::<Path>().ok()?);
        Some(Self { file, target, change, bytes: lines.next()? })
    }
}

/// The file is `head + source + tail` before and after, and only the source differs; an empty value may get a space.
fn outside_is_identical(input: &Input<'_>, before: &values::Scalar, now: &values::Scalar, after: &[u8]) {
    let (old, new) = (input.bytes, after);
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count().min(most);
    let changed = &old[head..old.len() - tail];
    let put = &new[head..new.len() - tail];
    assert!(
        changed.len() <= before.source.len(),
        "{:?} was replaced by {:?}, more than the scalar {:?}",
        String::from_utf8_lossy(changed),
        String::from_utf8_lossy(put),
        before.source
    );
    assert!(
        put.len() <= now.source.len() + 1,
        "{:?} was written, more than the scalar {:?}",
        String::from_utf8_lossy(put),
        now.source
    );
}

/// For `serde_yaml` at most one leaf differs.
fn only_the_pin_differs(before: &[u8], after: &[u8]) {
    let (Some(before), Some(after)) = (documents(before), documents(after)) else {
        panic!("the second parser cannot read what was edited");
    };
    assert_eq!(before.len(), after.len(), "another number of documents");
    let differing: usize = before.iter().zip(&after).map(|(a, b)| differences(a, b)).sum();
    assert!(differing <= 1, "{differing} values differ");
}

fn documents(bytes: &[u8]) -> Option<Vec<Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).ok()).collect()
}

fn differences(before: &Value, after: &Value) -> usize {
    match (before, after) {
        (Value::Mapping(a), Value::Mapping(b)) => {
            let keys = a.len() == b.len() && a.keys().zip(b.keys()).all(|(a, b)| a == b);
            assert!(keys, "the keys of a mapping changed");
            a.values().zip(b.values()).map(|(a, b)| differences(a, b)).sum()
        }
        (Value::Sequence(a), Value::Sequence(b)) => {
            assert_eq!(a.len(), b.len(), "a list changed its length");
            a.iter().zip(b).map(|(a, b)| differences(a, b)).sum()
        }
        (Value::Tagged(a), Value::Tagged(b)) if a.tag == b.tag => differences(&a.value, &b.value),
        _ => usize::from(before != after && !both_nan(before, after)),
    }
}

fn both_nan(before: &Value, after: &Value) -> bool {
    let nan = |value: &Value| value.as_f64().is_some_and(f64::is_nan);
    nan(before) && nan(after)
}
