//! What people and machines read.
//!
//! A [`Listener`] hears the events of a run and shows them: as a live view on a terminal, as plain lines in
//! CI and pipes, or as JSON lines. The other functions here turn a plan, a status, the history or the queue
//! into text or JSON. Nothing here fails a run, prints by itself or reads the environment.
//!
//! Whatever came from outside (names, versions, reasons, log lines) is shown without its control characters.

pub mod account;
pub mod clean;
mod ending;
mod error;
pub mod history;
pub mod html;
pub mod json;
pub mod junit;
mod line;
pub mod lines;
pub mod link;
pub mod live;
pub mod markdown;
mod narrate;
pub mod outputs;
pub mod plan;
pub mod queue;
mod sink;
pub mod state;
pub mod status;
mod table;
mod words;

use std::io::Write;

pub use error::error;
pub use history::{history_json, history_json_lines, history_text};
pub use line::{Line, Tone};
pub use plan::{FileDiff, PlanView, Work, plan_json, plan_text};
pub use queue::page::{page, queue_page};
pub use queue::{queue_json, queue_text};
pub use status::{EnvironmentStatus, Recorded, StatusView, VerifiedOn, status_json, status_text};
pub use words::{copied, size};

use crate::event::Event;

/// How a run is to be shown; decided by the edge from arguments, environment and terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What the output is.
    pub terminal: Terminal,
    /// Whether text has colours.
    pub color: Color,
    /// Whose log it ends up in.
    pub ci: Ci,
    /// For people or for machines.
    pub output: Output,
}

/// What the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// A terminal that lines can be redrawn on.
    Interactive {
        /// Its columns.
        width: usize,
    },
    /// A pipe, a file, a CI log.
    Plain,
}

/// Whether text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// It has.
    Always,
    /// It has not.
    Never,
}

/// Whose log the output ends up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ci {
    /// GitLab's, which folds sections.
    Gitlab,
    /// Any other, or none.
    Other,
}

/// For people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Shows the events of a run. A closed output is noticed and forgiven.
pub enum Listener {
    /// A redrawn view on a terminal.
    Live(live::View),
    /// A line an event.
    Lines(lines::Printer),
    /// A JSON object an event.
    Json(json::Printer),
    /// Nothing.
    Quiet,
}

impl Listener {
    /// The listener that fits the look.
    pub fn new(look: Look, out: Box<dyn Write + Send>) -> Self {
        match (look.output, look.terminal) {
            (Output::Json, Terminal::Interactive { .. } | Terminal::Plain) => {
                Self::Json(json::Printer::new(out))
            }
            (Output::Text, Terminal::Interactive { width }) => {
                Self::Live(live::View::new(width, look.color, out))
            }
            (Output::Text, Terminal::Plain) => Self::Lines(lines::Printer::new(look.color, look.ci, out)),
        }
    }

    /// Shows one event.
    pub fn hear(&mut self, event: &Event) {
        match self {
            Self::Live(view) => view.hear(event),
            Self::Lines(printer) => printer.hear(event),
            Self::Json(printer) => printer.hear(event),
            Self::Quiet => {}
        }
    }

    /// Draws the live view again, so that its clocks go on; nothing elsewhere. Four times a second is plenty.
    pub fn tick(&mut self) {
        match self {
            Self::Live(view) => view.draw(jiff::Timestamp::now()),
            Self::Lines(_) | Self::Json(_) | Self::Quiet => {}
        }
    }

    /// Tells the live view the terminal's new size; nothing elsewhere.
    pub fn resize(&mut self, width: usize, height: usize) {
        match self {
            Self::Live(view) => view.resize(width, height),
            Self::Lines(_) | Self::Json(_) | Self::Quiet => {}
        }
    }

    /// Ends what is open: the live view stays as it is, GitLab's section is closed.
    pub fn close(&mut self) {
        match self {
            Self::Live(view) => view.close(),
            Self::Lines(printer) => printer.close(),
            Self::Json(_) | Self::Quiet => {}
        }
    }
}
