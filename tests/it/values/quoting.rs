//! The quoting table: whatever the text, every YAML reads it back as text.

use std::fmt::Write as _;
use std::fs;

use datapin::values::{self, Change, Edit};
use regex::Regex;
use serde_yaml::Value;

/// The implicit types of YAML 1.1 other than text, as <https://yaml.org/type/> writes them, and those
/// that go-yaml (Helm) adds.
const YAML_1_1: [&str; 10] = [
    "~|null|Null|NULL|",
    "(?i:y|yes|n|no|true|false|on|off)",
    r"[-+]?0b[0-1_]+",
    r"[-+]?0o?[0-7_]+",
    r"[-+]?(0|[1-9][0-9_]*)",
    r"[-+]?0x[0-9a-fA-F_]+",
    r"[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?",
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(?i:inf)|\.(?i:nan)",
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?",
    "<<|=",
];

struct Row {
    text: String,
    expected: String,
}

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/values/quoting.tsv");

/// Lines of `text<TAB>source`, the text with the escapes of a JSON string.
fn table() -> Vec<Row> {
    let text = fs::read_to_string(TABLE).unwrap();
    text.lines().filter(|line| !line.starts_with("# ")).map(row).collect()
}

fn update() {
    let mut updated =
        String::from("# text (escapes of a JSON string), then what an unquoted value becomes\n");
    for Row { text, .. } in table() {
        let json = serde_json::to_string(&text).unwrap();
        writeln!(updated, "{}\t{}", &json[1..json.len() - 1], source(&text, "v: old\n", "v")).unwrap();
    }
    fs::write(TABLE, updated).unwrap();
}

fn row(line: &str) -> Row {
    let (text, expected) = line.split_once('\t').unwrap_or((line, ""));
    Row { text: serde_json::from_str(&format!("\"{text}\"")).unwrap(), expected: expected.to_owned() }
}

fn edited(text: &str, file: &str, path: &str) -> String {
    let edit =
        Edit { target: path.parse::<values::Path>().unwrap().into(), change: Change::Text(text.to_owned()) };
    let bytes =
        values::edit("v.yaml", file.as_bytes(), &[edit]).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    String::from_utf8(bytes).unwrap()
}

fn source(text: &str, file: &str, path: &str) -> String {
    let target = path.parse::<values::Path>().unwrap().into();
    values::read("v.yaml", edited(text, file, path).as_bytes(), &target).unwrap().source
}

#[test]
fn a_plain_scalar_is_quoted_where_the_table_says() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        update();
    }
    let mut failures = String::new();
    for Row { text, expected } in table() {
        let actual = source(&text, "v: old\n", "v");
        if actual != expected {
            writeln!(failures, "{text:?}: {actual} instead of {expected}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_yaml_reads_text_wherever_it_stands() {
    let typed = Regex::new(&format!("^(?:{})$", YAML_1_1.join("|"))).unwrap();
    let places = [
        ("v: old\n", "v"),
        ("v: 'old'\n", "v"),
        ("v: \"old\"\n", "v"),
        ("v: 1\n", "v"),
        ("v:\nw: 1\n", "v"),
        ("{v: old, w: 1}\n", "v"),
        ("{\"v\":1,\"w\":1}\n", "v"),
        ("[old, x]\n", "[0]"),
        ("- - old\n  - x\n", "[0][0]"),
        ("v: old # comment\n", "v"),
    ];
    for Row { text, .. } in table() {
        for (file, path) in places {
            let after = edited(&text, file, path);
            let value: Value = serde_yaml::from_str(&after).unwrap();
            let read = match path {
                "v" => &value["v"],
                "[0]" => &value[0],
                _ => &value[0][0],
            };
            assert_eq!(read, &Value::String(text.clone()), "{after}");
            let source = source(&text, file, path);
            let plain = !source.starts_with(['"', '\'']);
            assert!(!plain || !typed.is_match(&source), "YAML 1.1 reads {source} as something else");
            assert!(
                !plain || source.chars().all(|c| c.is_ascii_alphanumeric() || "._/+-".contains(c)),
                "{source}"
            );
        }
    }
}
