//! A line of text with tones, which a printer paints or not.

use anstyle::{AnsiColor, Style};

use super::Color;
use super::clean;

/// What a piece of text says by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    Plain,
    /// All is well.
    Good,
    /// Failed.
    Bad,
    /// Somebody should look.
    Warn,
    /// Less important.
    Dim,
    /// More important.
    Strong,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Warn => AnsiColor::Yellow.on_default(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
        }
    }
}

/// The text painted in a tone, or as it is.
pub fn paint(text: &str, tone: Tone, color: Color) -> String {
    match color {
        Color::Never => text.to_owned(),
        Color::Always if tone == Tone::Plain => text.to_owned(),
        Color::Always => {
            let style = tone.style();
            format!("{}{text}{}", style.render(), style.render_reset())
        }
    }
}

/// One line. Whatever is put in is cleaned: it never holds a control character.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    spans: Vec<(Tone, String)>,
}

impl Line {
    /// A line in the plain tone.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::toned(Tone::Plain, text)
    }

    /// A line in one tone.
    pub fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::default().with(tone, text)
    }

    /// The line with more at its end.
    pub fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        let text = clean::one_line(text.as_ref());
        if !text.is_empty() {
            self.spans.push((tone, text.into_owned()));
        }
        self
    }

    /// The line with another one at its end.
    pub fn and(mut self, other: Line) -> Self {
        self.spans.extend(other.spans);
        self
    }

    /// The line, filled up so that `text` ends at column `width`; what is too long is cut before it.
    pub fn right(self, width: usize, text: &str) -> Self {
        let room = width.saturating_sub(clean::width(text) + 1);
        let left = self.cut(room);
        let gap = width.saturating_sub(left.width() + clean::width(text));
        left.pad(gap).with(Tone::Dim, text)
    }

    /// The line, at most `width` columns wide; ends with `…` where something is missing.
    pub fn cut(self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut kept = Self::default();
        for (tone, text) in self.spans {
            let room = width - kept.width();
            let whole = clean::width(&text) < room;
            kept.spans.push((tone, if whole { text } else { cut_short(&text, room) }));
            if !whole {
                break;
            }
        }
        kept
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| clean::width(text)).sum()
    }

    /// How the line sounds: the tone of its first piece that has one.
    pub fn tone(&self) -> Tone {
        let toned = self.spans.iter().find(|(tone, _)| *tone != Tone::Plain);
        toned.map_or(Tone::Plain, |(tone, _)| *tone)
    }

    /// The line without its tones.
    pub fn text(&self) -> String {
        self.paint(Color::Never)
    }

    /// The line for an output.
    pub fn paint(&self, color: Color) -> String {
        self.spans.iter().map(|(tone, text)| paint(text, *tone, color)).collect()
    }

    fn pad(mut self, columns: usize) -> Self {
        self.spans.push((Tone::Plain, " ".repeat(columns)));
        self
    }
}

/// The beginning of a text that something follows that has no room.
fn cut_short(text: &str, room: usize) -> String {
    clean::cut(&format!("{text} "), room).into_owned()
}
