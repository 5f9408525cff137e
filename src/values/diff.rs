//! Showing an edit to people.

use similar::TextDiff;

/// Returns the unified diff of a file, empty if nothing differs; bytes that are no text are replaced.
#[must_use]
pub fn render_diff(file: &str, before: &[u8], after: &[u8]) -> String {
    if before == after {
        return String::new();
    }
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
    diff.unified_diff().context_radius(3).header(&format!("a/{file}"), &format!("b/{file}")).to_string()
}
