//! Large files and many edits: linear, in seconds even in a debug build.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use datapin::values::{self, Change, Edit};

const EDITS: usize = 10_000;
/// Generous: a quadratic step takes minutes.
const LIMIT: Duration = Duration::from_secs(90);

fn edits(path: impl Fn(usize) -> String) -> Vec<Edit> {
    let edit = |number| Edit {
        target: path(number).parse::<values::Path>().unwrap().into(),
        change: Change::Text(format!("2026.11.{number}")),
    };
    (0..EDITS).map(edit).collect()
}

fn check(name: &str, text: &str, edits: &[Edit]) {
    let start = Instant::now();
    let after = values::edit("large.yaml", text.as_bytes(), edits).unwrap();
    let elapsed = start.elapsed();
    println!("{name}: {} bytes, {} edits in {elapsed:?}", text.len(), edits.len());
    assert_eq!(String::from_utf8(after).unwrap().matches("2026.11.").count(), EDITS);
    assert!(elapsed < LIMIT, "{name} took {elapsed:?}");
}

#[test]
fn a_hundred_thousand_lines() {
    let filler = "x".repeat(85);
    let mut text = String::from("services:\n");
    for number in 0..EDITS {
        writeln!(text, "  service-{number}:\n    version: old # the data version").unwrap();
        (0..8).for_each(|line| writeln!(text, "    setting-{line}: \"{filler}\"").unwrap());
    }
    check("lines", &text, &edits(|number| format!("services.service-{number}.version")));
}

#[test]
fn one_list_of_named_items() {
    let mut text = String::from("env:\n");
    (0..EDITS).for_each(|number| writeln!(text, "  - name: V{number}\n    value: old").unwrap());
    check("items", &text, &edits(|number| format!("env[name=V{number}].value")));
}

#[test]
fn one_very_long_line() {
    let items: Vec<String> = (0..EDITS).map(|number| format!("\"k{number}\":{{\"v\":\"ä\"}}")).collect();
    check("line", &format!("{{{}}}\n", items.join(",")), &edits(|number| format!("k{number}.v")));
}

#[test]
fn the_diff_of_many_edits() {
    let line = |number: usize, value: &str| {
        format!("service-{number}:\n  version: {value}\n  a: 1\n  b: 2\n  c: 3\n")
    };
    let before: String = (0..EDITS).map(|number| line(number, "old")).collect();
    let after: String = (0..EDITS).map(|number| line(number, "new")).collect();
    let start = Instant::now();
    let diff = values::render_diff("v.yaml", before.as_bytes(), after.as_bytes());
    println!("diff in {:?}", start.elapsed());
    assert_eq!(diff.matches("\n+  version: new").count(), EDITS);
    assert!(start.elapsed() < LIMIT);
}
