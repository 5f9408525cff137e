//! Pins in values files: scalars found by a path, replaced byte-exactly, proven by a second parser.
//!
//! A file is indexed once by a parser that gives byte ranges ([`granit_parser`] for YAML, [`toml_edit`]
//! for TOML). Only the bytes of the scalars named are replaced. Then `serde_yaml` reads both texts, and
//! the edit is refused unless exactly the scalars named differ and are what was asked for.

mod diff;
mod error;
mod path;
mod proof;
mod quoting;
mod replace;
mod resolve;
mod source;
mod template;
mod toml;
mod tree;
mod yaml;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use diff::render_diff;
pub use error::{Place, ValuesError};
pub use path::{Path, PathError, Segment};

use resolve::Resolver;
use source::Source;

/// Which document of a file with several: by `kind`, by `metadata.name`, or by both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentSelector {
    /// The document's top-level `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The document's `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl fmt::Display for DocumentSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, &self.name) {
            (Some(kind), Some(name)) => write!(f, "{{ kind = {kind:?}, name = {name:?} }}"),
            (Some(kind), None) => write!(f, "{{ kind = {kind:?} }}"),
            (None, Some(name)) => write!(f, "{{ name = {name:?} }}"),
            (None, None) => f.write_str("{}"),
        }
    }
}

/// One scalar in one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The way to the scalar from the top of its document.
    pub path: Path,
    /// The document; without it exactly one document must have the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentSelector>,
}

impl From<Path> for Target {
    fn from(path: Path) -> Self {
        Self { path, document: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.document {
            Some(document) => write!(f, "{} in document {document}", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

/// The type of a scalar, as the second parser reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction, an exponent, or one too large for an integer.
    Float,
    /// `true` or `false`.
    Boolean,
    /// `null`, `~`, or nothing at all.
    Null,
    /// A date or time; only TOML has it.
    Datetime,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "an integer",
            Self::Float => "a number",
            Self::Boolean => "a boolean",
            Self::Null => "null",
            Self::Datetime => "a date or time",
        })
    }
}

/// A scalar as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scalar {
    /// The value: without quotes and escapes for text, as written for everything else.
    pub text: String,
    /// The value's type.
    pub kind: Kind,
    /// The exact bytes in the file, quotes included; empty for a value left out (`key:`).
    pub source: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// What becomes of a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Becomes this string; the quote style stays, and quotes are added where any YAML could read
    /// the text as something else.
    Text(String),
    /// Becomes this value of the type that is there: a number stays a number, a boolean a boolean.
    Keep(String),
    /// Becomes exactly these bytes of one scalar, from [`Scalar::source`].
    Source(String),
}

/// One change of one scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edit {
    /// Which scalar.
    pub target: Target,
    /// What becomes of it.
    pub change: Change,
}

/// Returns the scalar that `target` names in the file's `bytes`.
///
/// `file` tells the format (`.toml`, `.gotmpl`, else YAML) and is named in messages; nothing is opened.
///
/// # Errors
///
/// Whatever makes the path not lead to exactly one scalar that both parsers read alike.
pub fn read(file: &str, bytes: &[u8], target: &Target) -> Result<Scalar, ValuesError> {
    let scalars = read_all(file, bytes, std::slice::from_ref(target))?;
    scalars.into_iter().next().ok_or_else(|| ValuesError::ProofFailed {
        file: file.to_owned(),
        reason: "no scalar was read".to_owned(),
    })
}

/// Returns the scalars that `targets` name, in their order, reading the file once.
///
/// # Errors
///
/// As [`read`], for the first target that fails.
pub fn read_all(file: &str, bytes: &[u8], targets: &[Target]) -> Result<Vec<Scalar>, ValuesError> {
    let source = Source::new(file, bytes)?;
    let tree = source.index()?;
    let documents = proof::documents(&source, &tree)?;
    let mut resolver = Resolver::new(&source, &tree)?;
    targets
        .iter()
        .map(|target| {
            let found = resolver.find(target)?;
            replace::check_plain_scalar(&source, &tree, target, &found)?;
            proof::read_scalar(&source, &tree, &documents, target, &found)
        })
        .collect()
}

/// Returns the file's bytes with all `edits` made: only the bytes of the scalars named differ.
///
/// The file is indexed once, whatever the number of edits. See [`read`] for `file`.
///
/// # Errors
///
/// As [`read`], and whatever makes an edit unsafe: see [`ValuesError`]. Nothing is returned unless the
/// second parser has proven the result.
pub fn edit(file: &str, bytes: &[u8], edits: &[Edit]) -> Result<Vec<u8>, ValuesError> {
    let source = Source::new(file, bytes)?;
    let tree = source.index()?;
    let before = proof::documents(&source, &tree)?;
    let mut resolver = Resolver::new(&source, &tree)?;
    let found = edits.iter().map(|edit| resolver.find(&edit.target)).collect::<Result<Vec<_>, _>>()?;
    let plan = replace::plan(&source, &tree, &before, edits, &found)?;
    let after = plan.splice(source.text());
    proof::prove(&source, &tree, before, &plan, &after)?;
    Ok(source.with_mark(after))
}
