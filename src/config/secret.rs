//! Reading secrets. What they are never enters a message.

use std::path::PathBuf;

use secrecy::SecretString;

use super::SecretRef;

/// Why a secret cannot be had. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error(
        "environment variable `{0}`, which should hold a secret, is not set; a CI variable that is *protected* is there only on protected branches"
    )]
    NotSet(String),
    /// The variable's bytes are no text.
    #[error("environment variable `{0}`, which should hold a secret, is not UTF-8")]
    VariableNotText(String),
    /// The file cannot be read.
    #[error("file `{}`, which should hold a secret, cannot be read", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file's bytes are no text.
    #[error("file `{}`, which should hold a secret, is not UTF-8", .0.display())]
    FileNotText(PathBuf),
    /// There is nothing there.
    #[error("{0}, which should hold a secret, is empty")]
    Empty(SecretRef),
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "environment variable `{name}`"),
            SecretRef::File(file) => write!(f, "file `{}`", file.display()),
        }
    }
}

impl SecretRef {
    /// The secret, without its last line break.
    ///
    /// # Errors
    ///
    /// The variable or file is missing, unreadable, no text, or empty.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        self.read_by(variable)
    }

    /// The same with variables that `lookup` reads.
    ///
    /// # Errors
    ///
    /// The variable or file is missing, unreadable, no text, or empty.
    pub fn read_with(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<SecretString, SecretError> {
        self.read_by(|name| lookup(name).ok_or_else(|| SecretError::NotSet(name.to_owned())))
    }

    fn read_by(
        &self,
        variable: impl Fn(&str) -> Result<String, SecretError>,
    ) -> Result<SecretString, SecretError> {
        let mut text = match self {
            SecretRef::Env(name) => variable(name)?,
            SecretRef::File(file) => contents(file)?,
        };
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.trim().is_empty() { Err(SecretError::Empty(self.clone())) } else { Ok(text.into()) }
    }
}

fn variable(name: &str) -> Result<String, SecretError> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => SecretError::NotSet(name.to_owned()),
        std::env::VarError::NotUnicode(_) => SecretError::VariableNotText(name.to_owned()),
    })
}

fn contents(file: &PathBuf) -> Result<String, SecretError> {
    let bytes =
        std::fs::read(file).map_err(|source| SecretError::Unreadable { file: file.clone(), source })?;
    String::from_utf8(bytes).map_err(|_| SecretError::FileNotText(file.clone()))
}
