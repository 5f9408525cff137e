//! Where a listener writes to.

use std::io::Write;

/// An output that may go away at any time: then everything else that is written to it is dropped.
///
/// A closed pipe is no reason for a run to fail.
pub struct Sink {
    out: Option<Box<dyn Write + Send>>,
}

impl Sink {
    /// Writes to `out` until that fails once.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Some(out) }
    }

    /// Writes the text at once.
    pub fn write(&mut self, text: &str) {
        let Some(out) = &mut self.out else { return };
        if text.is_empty() {
            return;
        }
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.out = None;
        }
    }
}
