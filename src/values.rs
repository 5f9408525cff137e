//! Pins in values files.
//! (placeholder until the editor lands)

use serde::{Deserialize, Serialize};

/// A path to one scalar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path(String);

/// Why a path cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{reason} (column {column})")]
pub struct PathError {
    /// Why.
    pub reason: String,
    /// Column, from 1.
    pub column: usize,
}

impl std::str::FromStr for Path {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which document of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentSelector {
    /// `kind` of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `metadata.name` of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
