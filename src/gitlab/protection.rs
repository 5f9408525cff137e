//! Whether the token's user may push a branch, and which setting says no.

use gitlab::api::projects::repository::branches;
use serde::Deserialize;

use super::ask::Ask;
use super::{GitLab, GitLabError};

/// Whether a branch may be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// It may.
    Allowed,
    /// It may not.
    Denied {
        /// Which setting says so, and where it is changed.
        why: String,
    },
    /// It can't be told.
    Unknown {
        /// Why, and which right is missing.
        why: String,
    },
}

#[derive(Debug, Deserialize)]
struct Branch {
    #[serde(default)]
    protected: bool,
    #[serde(default)]
    can_push: Option<bool>,
}

impl GitLab {
    /// Whether the token's user may push a branch. GitLab tells it only of branches that are there.
    ///
    /// # Errors
    /// What may pass: no answer, or rate-limited.
    pub async fn branch_protection(&self, branch: &str) -> Result<Push, GitLabError> {
        let project = self.project();
        let ask = Ask::read(format!("read the protection of branch `{branch}` of {project}"));
        let endpoint = branches::Branch::builder().project(project).branch(branch).build();
        let found = match self.ask::<Branch, _, _>(&ask, endpoint).await {
            Ok(found) => found,
            Err(error) if error.may_pass() => return Err(error),
            Err(error) => return Ok(Push::Unknown { why: error.to_string() }),
        };
        Ok(match found {
            Branch { can_push: Some(true), .. } => Push::Allowed,
            Branch { can_push: Some(false), protected: true } => Push::Denied {
                why: format!(
                    "branch `{branch}` of {project} is protected against the token's user: in Settings → Repository → Protected branches, add that user (or its role) to “Allowed to push and merge” of `{branch}`"
                ),
            },
            Branch { can_push: Some(false), protected: false } => Push::Denied {
                why: format!(
                    "the token's user may not push to {project}: give it at least the role Developer in Manage → Members"
                ),
            },
            Branch { can_push: None, .. } => Push::Unknown {
                why: format!("GitLab at {} does not say who may push `{branch}`", self.host()),
            },
        })
    }
}
