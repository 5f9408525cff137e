//! Our repository, as an agent may spell it.

use crate::repo::Location;

/// The repository and the branch that are pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Host and path.
    identity: String,
    /// Another spelling that the configuration knows.
    alias: Option<String>,
    /// Branch.
    pub branch: String,
    /// Its default branch.
    pub default_branch: String,
}

impl Repository {
    /// Host and path of the repository, the branch that is pushed to, and the repository's default branch.
    pub fn new(identity: &str, branch: &str, default_branch: &str) -> Self {
        Self {
            identity: identity.to_owned(),
            alias: None,
            branch: branch.to_owned(),
            default_branch: default_branch.to_owned(),
        }
    }

    /// The same with a URL under which an agent reads it.
    #[must_use]
    pub fn alias(self, url: Option<&str>) -> Self {
        Self { alias: url.map(identity_of), ..self }
    }

    /// Whether `url` is this repository: scheme, user, port and `.git` do not matter.
    pub fn is(&self, url: &str) -> bool {
        let theirs = identity_of(url);
        theirs == self.identity || self.alias.as_ref() == Some(&theirs)
    }

    /// Whether an agent that follows `revision` follows our branch; nothing and `HEAD` are the default branch.
    pub fn is_branch(&self, revision: &str) -> bool {
        let name = revision.strip_prefix("refs/heads/").unwrap_or(revision);
        let named = if name.is_empty() || name == "HEAD" { &self.default_branch } else { name };
        named == self.branch
    }

    /// Host and path.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

/// Host and path of a URL; the text itself where it is none.
fn identity_of(url: &str) -> String {
    Location::parse(url).map_or_else(|_| url.to_owned(), |location| location.identity())
}

/// How a repository's URL is shown: without user and password.
pub fn shown(url: &str) -> String {
    Location::parse(url).map_or_else(|_| "a URL that is none".to_owned(), |location| location.identity())
}
