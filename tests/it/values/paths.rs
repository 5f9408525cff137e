//! The path grammar.

use datapin::values::{Path, Segment};
use proptest::prelude::*;

fn error(text: &str) -> String {
    text.parse::<Path>().unwrap_err().to_string()
}

#[test]
fn keys_indexes_and_items_are_read() {
    let path: Path = r#"data."a.b".env[0][name=DATA_VERSION].value"#.parse().unwrap();
    let key = |key: &str| Segment::Key(key.to_owned());
    assert_eq!(
        path.segments(),
        [
            key("data"),
            key("a.b"),
            key("env"),
            Segment::Index(0),
            Segment::Item { key: "name".to_owned(), value: "DATA_VERSION".to_owned() },
            key("value"),
        ]
    );
}

#[test]
fn wrong_paths_say_the_column() {
    let cases = [
        ("", 1, "a key is expected"),
        ("a..b", 3, "a key is expected"),
        ("a.", 3, "a key is expected"),
        ("ä.*", 3, "wildcards"),
        ("a[*]", 3, "wildcards"),
        ("a[", 3, "an index"),
        ("a[0", 4, "`=` is expected"),
        ("a[name=", 8, "a value is expected"),
        ("a[name=x", 9, "`]` is expected"),
        ("a]", 2, "closes nothing"),
        ("a b", 2, "`.` or `[`"),
        ("a.\"b", 3, "not closed"),
        ("\"a\\n\"", 4, "backslash"),
        ("a[99999999999999999999999]", 3, "too large"),
    ];
    for (text, column, reason) in cases {
        let message = error(text);
        assert!(message.contains(&format!("column {column}:")), "{text}: {message}");
        assert!(message.contains(reason), "{text}: {message}");
    }
}

#[test]
fn an_assignment_splits_after_the_path() {
    let (path, value) = Path::split_assignment("env[name=X].value=a=b").unwrap();
    assert_eq!((path.to_string().as_str(), value), ("env[name=X].value", "a=b"));
    let (_, value) = Path::split_assignment("cache.size=").unwrap();
    assert_eq!(value, "");
    let message = Path::split_assignment("cache.size").unwrap_err().to_string();
    assert!(message.contains("column 11: `=` and a value"), "{message}");
}

#[test]
fn serde_takes_it_as_a_string() {
    let path: Path = serde_json::from_str(r#""a.\"b c\"""#).unwrap();
    assert_eq!(serde_json::to_string(&path).unwrap(), r#""a.\"b c\"""#);
    assert!(serde_json::from_str::<Path>(r#""a..b""#).unwrap_err().to_string().contains("column 3"));
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|key| format!(".\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))),
        any::<usize>().prop_map(|index| format!("[{index}]")),
        ("[a-z_]{1,5}", "[A-Za-z0-9.=_-]{1,8}").prop_map(|(key, value)| format!("[{key}={value}]")),
    ]
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(segments in prop::collection::vec(segment(), 0..5)) {
        let text = format!("top{}", segments.concat());
        let path: Path = text.parse().unwrap();
        prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Ok(path) = text.parse::<Path>() {
            prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
        }
    }
}
