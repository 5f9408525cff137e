//! Makes data safe to show in a chat.
//!
//! A branch, a person's name or a log line must not format, link, mention or notify. Rocket.Chat's message
//! parser obeys a backslash before `*`, `_`, `~` and `` ` ``, and shows it before `@`, `[` or `<`; mentions are
//! also looked for by the server, which knows no backslash. So an invisible word joiner disarms the others.

/// Takes a mark's power without being seen; neither white space nor part of a name.
const JOINER: char = '\u{2060}';
const MORE: char = '…';

/// Data inside of running text: one line, at most `max` characters of it, nothing in it acts.
pub(super) fn data(raw: &str, max: usize) -> String {
    cut(&line(raw), max).split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Data as code.
pub(super) fn code(raw: &str, max: usize) -> String {
    let text: String = cut(&line(raw), max).replace('`', "'").chars().flat_map(quiet).collect();
    if text.is_empty() { "-".to_owned() } else { format!("`{text}`") }
}

/// Data where Rocket.Chat formats nothing: titles.
pub(super) fn title(raw: &str, max: usize) -> String {
    cut(&line(raw), max).chars().flat_map(quiet).collect()
}

/// At most `max` characters; the last one tells that there was more.
fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push(MORE);
    short
}

/// One line: white space and control characters become one space, direction marks vanish.
fn line(raw: &str) -> String {
    let visible = raw.chars().filter(
        |c| !matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'),
    );
    let spaced: String = visible.map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    if is_plain_url(word) { word.to_owned() } else { word.chars().flat_map(disarm).collect() }
}

/// A URL would break if it was escaped; one with nothing but these characters does no harm.
fn is_plain_url(word: &str) -> bool {
    let rest = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-._/?=&%:+#,;".contains(c))
    })
}

fn disarm(c: char) -> impl Iterator<Item = char> {
    let (before, after) = match c {
        '*' | '_' | '~' | '`' => (Some('\\'), None),
        '@' | '#' | '[' | ']' | '<' | '|' | '!' | '$' => (None, Some(JOINER)),
        '>' => (Some(JOINER), Some(JOINER)),
        _ => (None, None),
    };
    before.into_iter().chain([c]).chain(after)
}

fn quiet(c: char) -> impl Iterator<Item = char> {
    [c].into_iter().chain(matches!(c, '@' | '#').then_some(JOINER))
}
