//! A line an event, with its time: for CI logs and pipes.

use std::io::Write;

use super::line::{Line, Tone, paint};
use super::live::render;
use super::narrate;
use super::sink::Sink;
use super::state::ViewState;
use super::{Ci, Color, words};
use crate::event::{Event, What};

mod sections;

use sections::Sections;

/// Width of the picture at the end: that of GitLab's log on a small screen.
const WIDTH: usize = 100;

/// Prints lines.
pub struct Printer {
    state: ViewState,
    color: Color,
    sections: Option<Sections>,
    last: Vec<Line>,
    out: Sink,
}

impl Printer {
    /// A printer to `out`; with GitLab's sections around stages, gates and rollback where it is GitLab's log.
    pub fn new(color: Color, ci: Ci, out: Box<dyn Write + Send>) -> Self {
        let sections = match ci {
            Ci::Gitlab => Some(Sections::default()),
            Ci::Other => None,
        };
        Self { state: ViewState::default(), color, sections, last: Vec::new(), out: Sink::new(out) }
    }

    /// Prints one event; where a section begins with it, its title is the first line. A wait that is told again without news is printed once.
    pub fn hear(&mut self, event: &Event) {
        self.state.hear(event);
        let mut lines = self.picture(event);
        lines.extend(narrate::narrate(event, &self.state));
        lines.extend(details(event));
        if matches!(event.what, What::Waiting(_)) && lines == self.last {
            return;
        }
        let mut text = self.section(event);
        let time = paint(&words::clock(event.at), Tone::Dim, self.color);
        let said = self.sections.is_some() && matches!(event.what, What::Stage { .. } | What::Rendered(_));
        let told = if said { 1 } else { 0 };
        for line in lines.iter().skip(told) {
            text += &format!("{time} {}\n", line.paint(self.color));
        }
        self.last = lines;
        self.out.write(&text);
    }

    /// Closes the open section.
    pub fn close(&mut self) {
        if let Some(sections) = &mut self.sections {
            let text = sections.close();
            self.out.write(&text);
        }
    }

    /// The stages once more at the end, so that nobody has to scroll up to see what became of them.
    fn picture(&self, event: &Event) -> Vec<Line> {
        match (&event.what, self.state.shown()) {
            (What::Finished(_), Some(run)) if self.state.is_own() && run.has_begun() => {
                render::stages(run, WIDTH, event.at)
            }
            (_, _) => Vec::new(),
        }
    }

    fn section(&mut self, event: &Event) -> String {
        match (&mut self.sections, self.state.shown()) {
            (Some(sections), Some(run)) => sections.around(event, run),
            (None, _) | (_, None) => String::new(),
        }
    }
}

/// What a log keeps, and a live view has no room for: how manifests change.
fn details(event: &Event) -> Vec<Line> {
    match &event.what {
        What::Rendered(change) => {
            change.releases.iter().flat_map(|release| super::plan::diff_lines(&release.diff)).collect()
        }
        _ => Vec::new(),
    }
}
