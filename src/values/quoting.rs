//! When and how text is quoted.

use std::fmt::Write;
use std::sync::LazyLock;

use regex::Regex;

use super::tree::Style;

/// Words that some YAML reads as something other than text, in lower case.
const WORDS: [&str; 13] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "~"];

/// What YAML 1.1 reads as a number, a date or a merge key (<https://yaml.org/type/>).
static YAML_1_1: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let types = [
        r"[-+]?0b[01_]+",
        r"[-+]?0o?[0-7_]+",
        r"[-+]?0x[0-9a-fA-F_]+",
        r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?",
        r"[-+]?([0-9][0-9_]*)?\.?[0-9_]*([eE][-+]?[0-9]+)?",
        r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?",
        r"<<|=",
    ];
    Regex::new(&format!("^(?:{})$", types.join("|"))).ok()
});

/// Whether the text can stand without quotes wherever a value can, and every YAML reads it as text.
///
/// The rule was checked against Helm's parser with 348 cases (facts/toolbox.md).
pub(crate) fn is_plain_safe(text: &str) -> bool {
    let simple = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '+' | '-'));
    match text.chars().next() {
        Some(first) if simple && first.is_ascii_alphabetic() => !is_word(text),
        Some(first) if simple && first.is_ascii_digit() => text.matches('.').count() >= 2,
        Some(_) | None => false,
    }
}

fn is_word(text: &str) -> bool {
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether YAML 1.1 reads this plain scalar as something other than text.
pub(crate) fn is_typed_in_yaml_1_1(text: &str) -> bool {
    is_word(text) || YAML_1_1.as_ref().is_none_or(|types| types.is_match(text))
}

/// The first character that no value should have: a control character that is no tab or line break.
pub(crate) fn control_character(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

/// Whether the character may stand in a quoted scalar as it is.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The text in the style that is there, or double-quoted where that style cannot carry it.
///
/// `single_quote` is how the format writes `'` inside single quotes, if it can.
pub(crate) fn quote(text: &str, style: Style, single_quote: Option<&str>) -> String {
    match (style, single_quote) {
        (Style::Plain, _) if is_plain_safe(text) => text.to_owned(),
        (Style::Single, Some(escaped)) if text.chars().all(is_printable) => {
            format!("'{}'", text.replace('\'', escaped))
        }
        (Style::Single, None) if text.chars().all(|c| is_printable(c) && c != '\'') => format!("'{text}'"),
        (Style::Plain | Style::Single | Style::Double | Style::Block | Style::Multiline, _) => double(text),
    }
}

/// The text in double quotes, with escapes that YAML and TOML share.
pub(crate) fn double(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            // Writing to a string cannot fail.
            c => drop(write!(quoted, "\\u{:04X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
