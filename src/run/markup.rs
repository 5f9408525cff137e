//! GitLab's Markdown from what others wrote: it is shown, and does nothing.
//!
//! Data stands in code, where GitLab looks for no link, mention, reference, emoji, formula or HTML.

/// Data as code inside of a line; at most 400 characters of it.
pub fn code(text: &str) -> String {
    const LONGEST: usize = 400;
    let line = text
        .split(|c: char| c.is_whitespace() || c.is_control() || is_direction(c))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let mut short: String = line.chars().take(LONGEST).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    let short = short.replace('`', "'");
    if short.is_empty() { "–".to_owned() } else { format!("`{short}`") }
}

/// The same in a cell of a table.
pub fn cell(text: &str) -> String {
    code(&text.replace('|', "¦"))
}

/// A block of lines as they are, in a language that GitLab colours.
pub fn block(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
}

/// Data in a title, where there is no code: on one line, with nothing that GitLab makes a link of.
pub fn title(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " ._+-/():,=".contains(c);
    let kept = text.chars().map(|c| if plain(c) { c } else { '·' });
    kept.take(200).collect()
}

/// The marks that turn the direction of text.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
