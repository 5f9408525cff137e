//! Text from outside (log lines, versions, names) made safe to show.
//!
//! Versions, reasons and log lines come from other people's systems: an escape sequence in them must not
//! reach a terminal, nor may a line break forge a line of ours.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Longest text that is shown, in columns.
pub const LONGEST: usize = 1000;

/// The text as one line: escape sequences and control characters gone, line breaks and tabs as spaces,
/// cut at [`LONGEST`].
pub fn one_line(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        return Cow::Borrowed(text);
    }
    let stripped = anstream::adapter::strip_str(text).to_string();
    let shown: String = stripped.chars().filter_map(shown).collect();
    Cow::Owned(cut(shown.trim_end(), LONGEST).into_owned())
}

/// The same for each line of a text; its line breaks stay.
pub fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.trim_end().split('\n').map(one_line)
}

/// The beginning of the text, at most `columns` wide; ends with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 0;
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used + 1 > columns {
            break;
        }
        kept.push(char);
    }
    if columns > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

/// How many columns a terminal gives the text.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

fn is_harmless(text: &str) -> bool {
    text.len() <= LONGEST && text.chars().all(|char| shown(char) == Some(char))
}

/// What is shown for a character: bidirectional overrides make text read otherwise than it is.
fn shown(char: char) -> Option<char> {
    match char {
        '\n' | '\t' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => None,
        char if char.is_control() => None,
        char => Some(char),
    }
}
