//! Why nothing can be proven.

use std::io;
use std::path::PathBuf;

use crate::process::ProcessError;
use crate::repo::RepoError;

/// Why nothing can be proven.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A program is not there.
    #[error(
        "`verify = \"helmfile\"` in [repository] needs `{program}`: {source}; or take `verify` out of datapin.toml"
    )]
    Program {
        /// Which.
        program: String,
        /// Why.
        source: ProcessError,
    },
    /// The scratch checkout cannot be made.
    #[error("cannot write the scratch checkout for helmfile, {}: {source}; is there room in TMPDIR?", path.display())]
    Scratch {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The commit cannot be written out.
    #[error("cannot write out the commit for helmfile: {0}")]
    Repo(#[from] RepoError),
}

impl RenderError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            RenderError::Repo(error) => error.is_transient(),
            RenderError::Program { .. } | RenderError::Scratch { .. } => false,
        }
    }
}
