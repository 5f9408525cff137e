//! What a command answers.

use std::io::Write;

/// Prints what a command answers. A reader that went away is no failure.
pub fn emit(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
