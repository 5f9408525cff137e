//! Links that a report may have.

use crate::repo::{CommitId, Location};

/// Longest URL that becomes a link.
const LONGEST: usize = 2000;

/// The URL, if it is one that people may be sent to: http or https, and no password in it.
pub fn web(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let safe =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (safe && url.as_str().len() <= LONGEST).then(|| url.into())
}

/// Where commits can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    base: Option<String>,
}

impl Links {
    /// Links for the web pages of a repository; none where it is a directory of this machine.
    ///
    /// GitLab's form, which it is made for; GitHub's on github.com.
    pub fn of(location: &Location) -> Self {
        let identity = location.identity();
        let base = match (location.is_local(), identity.starts_with("github.com/")) {
            (true, _) => None,
            (false, true) => web(&format!("https://{identity}/commit/")),
            (false, false) => web(&format!("https://{identity}/-/commit/")),
        };
        Self { base }
    }

    /// The page of a commit.
    pub fn commit(&self, commit: &CommitId) -> Option<String> {
        self.base.as_ref().map(|base| format!("{base}{commit}"))
    }
}
