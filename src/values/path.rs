//! The path grammar: `data.timetable.version`, `"a.b".c`, `env[0].value`, `env[name=DATA_VERSION].value`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A path to one scalar of a document.
///
/// Keys are separated by dots, `"…"` quotes one, `[0]` is an index from 0, `[name=X]` selects the one
/// item of a list whose `name` is `X`. There are no wildcards. [`fmt::Display`] gives text that parses to
/// the same path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Segment>);

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a mapping.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
    /// The one item of a list that is a mapping with this key and value.
    Item {
        /// The key looked at in every item.
        key: String,
        /// The value it must have.
        value: String,
    },
}

/// A path that cannot be read, with the column in characters, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path `{path}`, column {column}: {reason}")]
pub struct PathError {
    /// The whole text.
    pub path: String,
    /// Where reading stopped, in characters from 1.
    pub column: usize,
    /// Why, and what is accepted there.
    pub reason: &'static str,
}

const BARE_KEY: &str =
    "a key is expected here; put a key with dots, brackets, spaces, `=`, `*` or quotes in \"…\"";

impl Path {
    /// The steps, at least one.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Splits `PATH=VALUE`, where the path may itself contain `[name=X]`.
    ///
    /// # Errors
    ///
    /// The path cannot be read, or no `=` follows it.
    pub fn split_assignment(text: &str) -> Result<(Self, &str), PathError> {
        let mut parser = Parser { text, at: 0 };
        let path = parser.path()?;
        match parser.rest().strip_prefix('=') {
            Some(value) => Ok((path, value)),
            None => Err(parser.error("`=` and a value are expected after the path")),
        }
    }

    /// The path's first `length` steps as text; `the top` for none.
    pub(crate) fn reached(&self, length: usize) -> String {
        match self.0.get(..length) {
            None | Some([]) => "the top of the document".to_owned(),
            Some(segments) => format!("`{}`", Written(segments)),
        }
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parser = Parser { text, at: 0 };
        let path = parser.path()?;
        if parser.rest().is_empty() { Ok(path) } else { Err(parser.unexpected()) }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn error(&self, reason: &'static str) -> PathError {
        let column = self.text.get(..self.at).unwrap_or("").chars().count() + 1;
        PathError { path: self.text.to_owned(), column, reason }
    }

    fn unexpected(&self) -> PathError {
        self.error(match self.rest().chars().next() {
            Some('*') => "wildcards are not supported; a path names exactly one scalar",
            Some(']') => "this `]` closes nothing",
            _ => "`.` or `[` is expected here; put a key with dots, brackets, spaces, `=`, `*` or quotes in \"…\"",
        })
    }

    fn eat(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    fn path(&mut self) -> Result<Path, PathError> {
        let mut segments = Vec::new();
        if !self.rest().starts_with('[') {
            segments.push(Segment::Key(self.key(BARE_KEY)?));
        }
        loop {
            if self.eat('[') {
                segments.push(self.brackets()?);
            } else if self.eat('.') {
                segments.push(Segment::Key(self.key(BARE_KEY)?));
            } else {
                return Ok(Path(segments));
            }
        }
    }

    fn key(&mut self, reason: &'static str) -> Result<String, PathError> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let rest = self.rest();
        let length = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
        if length == 0 {
            let wildcard = rest.starts_with('*');
            return Err(if wildcard { self.unexpected() } else { self.error(reason) });
        }
        self.at += length;
        Ok(rest.get(..length).unwrap_or("").to_owned())
    }

    fn quoted(&mut self) -> Result<String, PathError> {
        let open = self.at;
        self.at += 1;
        let mut key = String::new();
        while let Some(character) = self.rest().chars().next() {
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(key),
                '\\' => match self.rest().chars().next() {
                    Some(escaped @ ('"' | '\\')) => {
                        self.at += 1;
                        key.push(escaped);
                    }
                    _ => return Err(self.error("only \\\" and \\\\ may follow a backslash")),
                },
                other => key.push(other),
            }
        }
        self.at = open;
        Err(self.error("this quote is not closed"))
    }

    fn brackets(&mut self) -> Result<Segment, PathError> {
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits > 0 && rest.get(digits..).is_some_and(|after| after.starts_with(']')) {
            let index = rest.get(..digits).and_then(|number| number.parse().ok());
            let index = index.ok_or_else(|| self.error("this index is too large"))?;
            self.at += digits + 1;
            return Ok(Segment::Index(index));
        }
        let key = self.key("an index (`[0]`) or `[name=VALUE]` is expected here")?;
        if !self.eat('=') {
            return Err(self.error("`=` is expected here, as in `[name=VALUE]`"));
        }
        let value = self.selected()?;
        if !self.eat(']') {
            return Err(self.error("`]` is expected here"));
        }
        Ok(Segment::Item { key, value })
    }

    fn selected(&mut self) -> Result<String, PathError> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let rest = self.rest();
        let length = rest.find(|c| !is_bare_value(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error("a value is expected here, as in `[name=VALUE]`"));
        }
        self.at += length;
        Ok(rest.get(..length).unwrap_or("").to_owned())
    }
}

fn is_bare(character: char) -> bool {
    !matches!(character, '.' | '[' | ']' | '"' | '=' | '*' | '\\')
        && !character.is_whitespace()
        && !character.is_control()
}

fn is_bare_value(character: char) -> bool {
    is_bare(character) || matches!(character, '.' | '=')
}

struct Written<'a>(&'a [Segment]);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) => {
                    f.write_str(if position == 0 { "" } else { "." })?;
                    write_word(f, key, is_bare)?;
                }
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Item { key, value } => {
                    f.write_str("[")?;
                    write_word(f, key, is_bare)?;
                    f.write_str("=")?;
                    write_word(f, value, is_bare_value)?;
                    f.write_str("]")?;
                }
            }
        }
        Ok(())
    }
}

fn write_word(f: &mut fmt::Formatter<'_>, word: &str, bare: fn(char) -> bool) -> fmt::Result {
    if !word.is_empty() && word.chars().all(bare) {
        return f.write_str(word);
    }
    f.write_str("\"")?;
    for character in word.chars() {
        f.write_str(if matches!(character, '"' | '\\') { "\\" } else { "" })?;
        fmt::Write::write_char(f, character)?;
    }
    f.write_str("\"")
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written(&self.0).fmt(f)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
