//! JSON lines: an object an event.
//!
//! What is written is a contract: see [`v1`].

use std::io::Write;

use serde::Serialize;

use super::sink::Sink;
use crate::event::Event;

pub mod v1;

/// Prints JSON lines.
pub struct Printer {
    out: Sink,
}

impl Printer {
    /// A printer to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Sink::new(out) }
    }

    /// Prints one event.
    pub fn hear(&mut self, event: &Event) {
        self.out.write(&line(&v1::Document::new(v1::event::Event::from(event))));
    }
}

/// A value on one line that ends with a line break.
pub(super) fn line(value: &impl Serialize) -> String {
    // The documents hold nothing that JSON can't say.
    serde_json::to_string(value).map_or_else(|_| String::new(), |text| text + "\n")
}

/// A value for a reader: indented, ends with a line break.
pub(super) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).map_or_else(|_| String::new(), |text| text + "\n")
}
