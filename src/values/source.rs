//! The text of one file: its format, its positions, its templates out of the way.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Place, ValuesError};
use super::tree::Tree;
use super::{template, toml, yaml};

const BYTE_ORDER_MARK: &str = "\u{feff}";
const BLOCK: usize = 1024;

/// How a file is read, told by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Template,
    Toml,
}

impl Format {
    fn of(file: &str) -> Self {
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        match extension.to_ascii_lowercase().as_str() {
            "toml" => Self::Toml,
            "gotmpl" => Self::Template,
            _ => Self::Yaml,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Template => "YAML with templates",
            Self::Toml => "TOML",
        }
    }
}

/// One file's text. All offsets are bytes from after a byte order mark.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    marked: bool,
    format: Format,
    masked: Cow<'a, str>,
    templates: Vec<template::Region>,
    lines: Vec<usize>,
    /// How many characters stand before every [`BLOCK`]th byte, for columns in very long lines.
    characters: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, bytes: &'a [u8]) -> Result<Self, ValuesError> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let at = place_after(file, &String::from_utf8_lossy(valid));
                return Err(if bytes.contains(&0) {
                    ValuesError::Binary { at }
                } else {
                    ValuesError::NotUtf8 { at }
                });
            }
        };
        let (marked, text) = match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let format = Format::of(file);
        let (masked, templates, characters) = (Cow::Borrowed(text), Vec::new(), count_blocks(text));
        let mut source = Self { file, text, marked, format, masked, templates, lines, characters };
        if let Some(at) = text.find('\0') {
            return Err(ValuesError::Binary { at: source.place(at) });
        }
        if format == Format::Template {
            let (masked, templates) = template::mask(&source)?;
            source.masked = Cow::Owned(masked);
            source.templates = templates;
        }
        Ok(source)
    }

    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The text as it is.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The text as the parsers see it: as long as [`Self::text`], with templates masked.
    pub(crate) fn masked(&self) -> &str {
        &self.masked
    }

    pub(crate) fn templates(&self) -> &[template::Region] {
        &self.templates
    }

    /// The original text of a range.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &'a str {
        self.text.get(range.clone()).unwrap_or("")
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    pub(crate) fn place(&self, offset: usize) -> Box<Place> {
        let line = self.line(offset);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column =
            (self.characters_before(offset) + 1).saturating_sub(self.characters_before(start)).max(1);
        Box::new(Place { file: self.file.to_owned(), line, column })
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        self.characters.get(block).copied().unwrap_or(0) + starts(rest)
    }

    /// The place of a line and column that a parser reported, kept inside the file.
    pub(crate) fn place_at(&self, line: usize, column: usize) -> Box<Place> {
        let line = line.clamp(1, self.lines.len());
        Box::new(Place { file: self.file.to_owned(), line, column: column.max(1) })
    }

    /// The text of a line, from 1, without its end.
    pub(crate) fn line_text(&self, line: usize) -> &'a str {
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("")
    }

    pub(crate) fn index(&self) -> Result<Tree<'_>, ValuesError> {
        let tree = match self.format {
            Format::Yaml | Format::Template => yaml::index(self)?,
            Format::Toml => toml::index(self)?,
        };
        template::check_inside(self, &tree)?;
        Ok(tree)
    }

    /// The bytes of an edited text, with the byte order mark that the file had.
    pub(crate) fn with_mark(&self, text: String) -> Vec<u8> {
        if self.marked { [BYTE_ORDER_MARK, &text].concat().into_bytes() } else { text.into_bytes() }
    }
}

fn place_after(file: &str, text: &str) -> Box<Place> {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Box::new(Place { file: file.to_owned(), line, column })
}

fn count_blocks(text: &str) -> Vec<usize> {
    let sum = |before: &mut usize, block: &[u8]| {
        let start = *before;
        *before += starts(block);
        Some(start)
    };
    text.as_bytes().chunks(BLOCK).chain(std::iter::once(&[][..])).scan(0, sum).collect()
}

/// The number of bytes that begin a character.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}
