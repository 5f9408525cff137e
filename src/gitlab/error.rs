//! Why a call has no result.

use std::time::Duration;

/// Why a call has no result. `what` completes “cannot …”. Tokens are in none of the texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitLabError {
    /// No answer, or a server error, for as long as it was tried.
    #[error(
        "cannot {what}: GitLab at {host} gave no good answer: {reason} (tries: {tries}); check `gitlab.url` and the network, or try again later"
    )]
    Unreachable {
        /// Server.
        host: String,
        /// What was asked.
        what: String,
        /// What happened.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// GitLab wants to be asked later than there is time.
    #[error("cannot {what}: GitLab at {host} limits requests{}; try again later", waiting(*.wait))]
    RateLimited {
        /// Server.
        host: String,
        /// What was asked.
        what: String,
        /// When it may be asked again.
        wait: Option<Duration>,
    },
    /// Not allowed, or not there: GitLab says the same for both.
    #[error("cannot {what}: GitLab at {host} says {status} ({said}): {need}")]
    Denied {
        /// Server.
        host: String,
        /// What was asked.
        what: String,
        /// HTTP status: 401, 403 or 404.
        status: u16,
        /// Its words.
        said: String,
        /// What it takes, and what to do.
        need: String,
    },
    /// The token is not valid.
    #[error("cannot {what}: GitLab at {host} does not take the token ({said}): {fix}")]
    Token {
        /// Server.
        host: String,
        /// What was asked.
        what: String,
        /// Its words.
        said: String,
        /// What to do.
        fix: String,
    },
    /// Something else happened to it meanwhile, or it is there already.
    #[error("cannot {what}: GitLab at {host} says that it conflicts: {said}")]
    Conflict {
        /// Server.
        host: String,
        /// What was asked.
        what: String,
        /// Its words.
        said: String,
    },
    /// Asked in a way or at a time that GitLab does not take.
    #[error("cannot {what}: GitLab at {host} refuses with {status}: {said}")]
    Refused {
        /// Server.
        host: String,
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// Its words.
        said: String,
    },
    /// The answer is not GitLab's.
    #[error("cannot {what}: the answer of {host} is not that of GitLab's API: {reason}; check `gitlab.url`")]
    BadAnswer {
        /// Server.
        host: String,
        /// What was asked.
        what: String,
        /// Why.
        reason: String,
    },
}

impl GitLabError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            GitLabError::Unreachable { .. } | GitLabError::RateLimited { .. } => true,
            GitLabError::Denied { .. }
            | GitLabError::Token { .. }
            | GitLabError::Conflict { .. }
            | GitLabError::Refused { .. }
            | GitLabError::BadAnswer { .. } => false,
        }
    }

    /// Whether GitLab says that there is no such thing, or that the token may not see it.
    pub fn is_not_found(&self) -> bool {
        matches!(self, GitLabError::Denied { status: 404, .. })
    }
}

fn waiting(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" for {} s", wait.as_secs())).unwrap_or_default()
}
