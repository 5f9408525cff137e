//! Output of a program: the beginning and the end of it, fit to be shown.

use std::collections::VecDeque;

/// Longest line that is shown, in characters.
const LINE: usize = 500;

/// The first and the last bytes of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    room: usize,
    dropped: u64,
}

impl Captured {
    /// Nothing yet; a quarter of `keep` bytes will be the beginning, the rest the end.
    pub(super) fn keeping(keep: usize) -> Self {
        Self { room: keep, ..Self::default() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let free = (self.room / 4).saturating_sub(self.head.len());
        let (head, rest) = bytes.split_at(free.min(bytes.len()));
        self.head.extend_from_slice(head);
        let room = self.room - self.room / 4;
        let late = &rest[rest.len().saturating_sub(room)..];
        let over = (self.tail.len() + late.len()).saturating_sub(room);
        self.tail.drain(..over);
        self.tail.extend(late);
        self.dropped += (over + rest.len() - late.len()) as u64;
    }

    /// How many bytes in the middle were not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Every byte, or `None` if some were not kept.
    pub fn whole(&self) -> Option<Vec<u8>> {
        (self.dropped == 0).then(|| self.head.iter().chain(&self.tail).copied().collect())
    }

    /// Its lines, as people may see them ([`plain`]), without those that are empty. Where bytes were not
    /// kept a line says how many.
    pub fn lines(&self) -> Vec<String> {
        let (front, back) = self.tail.as_slices();
        if self.dropped == 0 {
            return plain(&[&self.head, front, back].concat());
        }
        let mut lines = plain(&self.head);
        lines.push(format!("… {} bytes left out …", self.dropped));
        lines.extend(plain(&[front, back].concat()));
        lines
    }

    /// The last `count` lines.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let mut lines = self.lines();
        lines.drain(..lines.len().saturating_sub(count));
        lines
    }

    /// The last line that is not empty as it was printed, for machines; without its beginning if that was
    /// not kept.
    pub fn raw_last_line(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let head: &[u8] = if self.dropped == 0 { &self.head } else { &[] };
        let bytes = [head, front, back].concat();
        let text = bytes.trim_ascii_end();
        let line = text.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }

    /// The first line, if there is any.
    pub fn first_line(&self) -> Option<String> {
        self.lines().into_iter().next()
    }

    /// The last line, if there is any.
    pub fn last_line(&self) -> Option<String> {
        self.lines().pop()
    }
}

/// Lines of foreign bytes as people may see them: UTF-8 made valid, without escape sequences and control
/// characters, of a progress bar only what stood there last, cut where too long, none of them empty.
pub fn plain(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = anstream::adapter::strip_str(&text).to_string();
    text.split('\n').map(visible).filter(|line| !line.is_empty()).collect()
}

/// A foreign text as one line of at most `most` characters.
pub fn one_line(text: &str, most: usize) -> String {
    cut(&plain(text.as_bytes()).join(" "), most)
}

fn visible(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|&c| c == '\t' || !is_control(c)).collect();
    cut(line.trim_end(), LINE)
}

/// Control characters, and those that turn the direction of writing and so can show a line as another.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
