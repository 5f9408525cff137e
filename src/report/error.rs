//! An error with its causes, and what to do.

use std::error::Error;

use super::Color;
use super::clean;
use super::line::{Tone, paint};

/// `error: …`, a line `caused by: …` for each cause, and `hint: …`; ends with a line break.
///
/// A cause that the message above it already ends with is not said twice.
pub fn error(error: &dyn Error, hint: Option<&str>, color: Color) -> String {
    let mut text = String::new();
    let mut said = error.to_string();
    push(&mut text, ("error", Tone::Bad), &said, color);
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !said.ends_with(&words) {
            push(&mut text, ("caused by", Tone::Strong), &words, color);
            said = words;
        }
        next = cause.source();
    }
    if let Some(hint) = hint {
        push(&mut text, ("hint", Tone::Good), hint, color);
    }
    text
}

/// Further lines of a message stand as they are: configuration errors point at columns with them.
fn push(text: &mut String, (label, tone): (&str, Tone), message: &str, color: Color) {
    let mut lines = clean::lines(message);
    let first = lines.next().unwrap_or_default();
    *text += &format!("{} {first}\n", paint(&format!("{label}:"), tone, color));
    for line in lines {
        *text += &format!("{line}\n");
    }
}
