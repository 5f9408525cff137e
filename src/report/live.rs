//! The view on a terminal: the picture of the run below, redrawn; what happened above, scrolled.

use std::io::Write;

use jiff::Timestamp;

use super::line::{Line, Tone};
use super::narrate;
use super::sink::Sink;
use super::state::ViewState;
use super::{Color, words};
use crate::event::{Event, What};

pub mod render;

/// Height that is assumed until the terminal's is known: that of the smallest one in use.
const HEIGHT: usize = 24;

/// Draws.
pub struct View {
    state: ViewState,
    width: usize,
    height: usize,
    color: Color,
    /// Lines of the picture that stand on the terminal.
    drawn: usize,
    out: Sink,
}

impl View {
    /// A view on a terminal of that width.
    pub fn new(width: usize, color: Color, out: Box<dyn Write + Send>) -> Self {
        Self { state: ViewState::default(), width, height: HEIGHT, color, drawn: 0, out: Sink::new(out) }
    }

    /// The terminal's size has changed.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
    }

    /// Takes an event in, scrolls what it says, and draws again.
    pub fn hear(&mut self, event: &Event) {
        self.state.hear(event);
        if matches!(event.what, What::Finished(_)) {
            return self.finish(event);
        }
        let mut above = Vec::new();
        if narrate::is_news(&event.what) {
            let time = Line::toned(Tone::Dim, format!("{} ", words::clock(event.at)));
            above.extend(narrate::narrate(event, &self.state).into_iter().map(|line| time.clone().and(line)));
        }
        let below = self.picture(event.at);
        self.replace(&above, &below);
    }

    /// Draws again for another moment.
    pub fn draw(&mut self, now: Timestamp) {
        if self.drawn > 0 {
            let below = self.picture(now);
            self.replace(&[], &below);
        }
    }

    /// The picture stays where it is.
    pub fn close(&mut self) {
        self.drawn = 0;
    }

    /// The last picture in full and the ending; a run that follows is drawn below them.
    fn finish(&mut self, event: &Event) {
        let mut lines = vec![Line::default()];
        lines.extend(render::render(&self.state, self.width, event.at));
        lines.push(Line::default());
        lines.extend(narrate::narrate(event, &self.state));
        self.replace(&lines, &[]);
    }

    /// The picture, with fewer details where the terminal has no room for all.
    fn picture(&self, now: Timestamp) -> Vec<Line> {
        let room = self.height.saturating_sub(1);
        let full = render::render(&self.state, self.width, now);
        if full.len() <= room {
            return full;
        }
        let mut brief = render::render_brief(&self.state, self.width, now);
        brief.truncate(room);
        brief
    }

    fn replace(&mut self, above: &[Line], below: &[Line]) {
        let mut text = match self.drawn {
            0 => String::new(),
            drawn => format!("\x1b[{drawn}A\r\x1b[J"),
        };
        for line in above.iter().chain(below) {
            text += &line.paint(self.color);
            text.push('\n');
        }
        self.drawn = below.len();
        self.out.write(&text);
    }
}
