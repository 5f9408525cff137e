//! The line that an error points at, made fit to be shown: no secrets, no control characters, not too long.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Longest part of a line that is shown, in characters.
const SHOWN: usize = 120;
/// How much of a long line is shown before the place.
const BEFORE: usize = 50;

/// A line with a marked part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceLine {
    /// Line, from 1.
    pub(super) line: usize,
    /// Column in characters, from 1.
    pub(super) column: usize,
    /// What is shown.
    pub(super) shown: String,
    /// Characters of `shown` before the mark.
    pub(super) offset: usize,
    /// Characters of the mark, at least one.
    pub(super) width: usize,
}

impl SourceLine {
    /// The line of `range`.
    pub(super) fn new(text: &str, range: Range<usize>) -> Self {
        Self::cut(text, range, |line, _| mask_secrets(line))
    }

    /// The line of `range`, with the marked part made unreadable.
    pub(super) fn hidden(text: &str, range: Range<usize>) -> Self {
        Self::cut(text, range, |line, mark| {
            line.iter().enumerate().map(|(index, c)| if mark.contains(&index) { '*' } else { *c }).collect()
        })
    }

    fn cut(text: &str, range: Range<usize>, mask: impl Fn(&[char], Range<usize>) -> Vec<char>) -> Self {
        let at = floor(text, range.start);
        let start = text[..at].rfind('\n').map_or(0, |index| index + 1);
        let end = text[at..].find('\n').map_or(text.len(), |index| at + index);
        let line: Vec<char> = text[start..end].trim_end_matches('\r').chars().collect();
        let column = text[start..at].chars().count().min(line.len());
        let marked = text[at..floor(text, range.end.clamp(at, end))].chars().count();
        let width = marked.min(line.len() - column).max(1);
        let masked = mask(&line, column..column + width);
        let bom = usize::from(start == 0 && masked.first() == Some(&'\u{feff}'));
        let (shown, offset, width) = window(&masked[bom..], column.saturating_sub(bom), width);
        let line = text[..start].matches('\n').count() + 1;
        Self { line, column: column.saturating_sub(bom) + 1, shown, offset, width }
    }
}

/// The nearest character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index.min(text.len()))
}

/// The part of a line around the mark.
fn window(line: &[char], column: usize, width: usize) -> (String, usize, usize) {
    let from = if line.len() <= SHOWN { 0 } else { column.saturating_sub(BEFORE) };
    let to = line.len().min(from + SHOWN);
    let clean = |c: &char| if *c == '\t' { ' ' } else { if c.is_control() { '\u{fffd}' } else { *c } };
    let mut shown: String = line[from..to].iter().map(clean).collect();
    let mut offset = column - from;
    if from > 0 {
        shown.insert(0, '…');
        offset += 1;
    }
    if to < line.len() {
        shown.push('…');
    }
    (shown, offset, width.min(to.saturating_sub(column)).max(1))
}

/// Any line may hold a secret that someone wrote as a plain value: the message ends up in a CI log.
static SECRET_VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let keys = r"(?i)(?:token|passphrase|password|webhook|user_id|secret|authorization|api-?key|cookie)";
    let value = r#""+(?:\\.|[^"\\])*"*|'+[^']*'*|[^{\s,}][^,}]*"#;
    Regex::new(&format!(r#"{keys}["']?\s*=\s*({value})|://([^/\s"'@:]*:[^/\s"'@]*)@"#)).ok()
});

fn mask_secrets(line: &[char]) -> Vec<char> {
    let text: String = line.iter().collect();
    let mut masked = line.to_vec();
    let Some(pattern) = SECRET_VALUE.as_ref() else { return masked };
    for found in pattern.captures_iter(&text).filter_map(|c| c.get(1).or_else(|| c.get(2))) {
        let from = text[..found.start()].chars().count();
        let to = from + found.as_str().chars().count();
        masked[from..to].fill('*');
    }
    masked
}
