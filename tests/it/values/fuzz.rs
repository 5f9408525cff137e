//! Whatever the bytes: an answer or a refusal, never a panic, and never an unproven edit.

use datapin::values::{self, Change, Edit, Kind, Target};
use proptest::prelude::*;

const TOKENS: [&str; 52] = [
    "a",
    "b",
    "a: ",
    "b: ",
    "a:",
    "- ",
    "-",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&x ",
    "*x",
    "!t ",
    "!!str ",
    "|",
    ">",
    "|-\n",
    "'",
    "\"",
    "'v'",
    "\"v\"",
    "# c",
    "#",
    "%YAML 1.1\n",
    "---\n",
    "...\n",
    "? ",
    ": ",
    "<<: ",
    "~",
    "1.0",
    "é",
    "\u{feff}",
    "\u{2028}",
    "\\",
    "{{ .x }}",
    "{{- $x := 1 -}}",
    "{{/* c */}}",
    "{{ if .x }}",
    "{{ end }}",
    "= ",
];

const PATHS: [&str; 6] = ["a", "b", "a.b", "a.a", "[0]", "a[0]"];
const FILES: [&str; 3] = ["v.yaml", "v.yaml.gotmpl", "v.toml"];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..24).prop_map(|tokens| tokens.concat())
}

fn change() -> impl Strategy<Value = Change> {
    let value =
        prop_oneof![Just("2026.11.23-1".to_owned()), Just("1.10".to_owned()), any::<String>(), text()];
    (value, 0..3).prop_map(|(value, kind)| match kind {
        0 => Change::Text(value),
        1 => Change::Keep(value),
        _ => Change::Source(value),
    })
}

fn target(path: &str) -> Target {
    path.parse::<values::Path>().unwrap().into()
}

fn check(file: &str, bytes: &[u8], path: &str, change: Change) -> Result<(), TestCaseError> {
    let edit = Edit { target: target(path), change: change.clone() };
    let before = values::read(file, bytes, &edit.target);
    let Ok(after) = values::edit(file, bytes, std::slice::from_ref(&edit)) else { return Ok(()) };
    let scalar =
        values::read(file, &after, &edit.target).map_err(|error| TestCaseError::fail(error.to_string()))?;
    match change {
        Change::Text(text) => prop_assert_eq!((scalar.text, scalar.kind), (text, Kind::Text)),
        Change::Keep(text) => prop_assert_eq!(scalar.text, text),
        Change::Source(source) => prop_assert_eq!(scalar.source, source),
    }
    let source = before.map_err(|error| TestCaseError::fail(error.to_string()))?.source;
    let back = Edit { target: target(path), change: Change::Source(source) };
    if let Ok(restored) = values::edit(file, &after, &[back]) {
        prop_assert_eq!(restored, bytes);
    }
    Ok(())
}

/// PROPTEST_CASES asks for more.
fn config() -> ProptestConfig {
    let known = ProptestConfig::default();
    ProptestConfig { cases: known.cases.max(3000), failure_persistence: None, ..known }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn texts_of_yaml_pieces(
        file in prop::sample::select(&FILES[..]),
        text in text(),
        path in prop::sample::select(&PATHS[..]),
        change in change(),
    ) {
        check(file, text.as_bytes(), path, change)?;
    }

    #[test]
    fn any_bytes(
        file in prop::sample::select(&FILES[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        path in prop::sample::select(&PATHS[..]),
    ) {
        check(file, &bytes, path, Change::Text("x".to_owned()))?;
    }
}
