//! Whose the token is, and what it may do.

use gitlab::api::personal_access_tokens::PersonalAccessTokenSelf;
use gitlab::api::users::CurrentUser;
use serde::Deserialize;

use super::ask::Ask;
use super::endpoint::Raw;
use super::merge_requests::Author;
use super::{GitLab, GitLabError};

/// Whose the token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Id of the user; that of a bot for project and group access tokens.
    pub id: u64,
    /// Login name.
    pub username: String,
}

/// What GitLab says about the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenFacts {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Scopes: `api`, `read_api`, `write_repository` …
    pub scopes: Vec<String>,
    /// Its last day, as `2026-12-31`; `None` if it has none.
    #[serde(default)]
    pub expires_at: Option<String>,
}

impl GitLab {
    /// Whose the token is.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn user(&self) -> Result<Owner, GitLabError> {
        let ask = Ask::read("ask whose the token is").also_for_jobs();
        let author: Author = match self.has_job_token() {
            false => self.ask(&ask, CurrentUser::builder().build()).await?,
            true => {
                #[derive(Deserialize)]
                struct OfJob {
                    user: Author,
                }
                let job: OfJob = self.ask(&ask, Raw::get("job".to_owned(), Vec::new()).built()).await?;
                job.user
            }
        };
        Ok(Owner { id: author.id, username: author.username })
    }

    /// What GitLab says about the token; `None` for the token of a job, which has no scopes.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn token_facts(&self) -> Result<Option<TokenFacts>, GitLabError> {
        if self.has_job_token() {
            return Ok(None);
        }
        let ask = Ask::read("ask what the token may do");
        self.ask(&ask, PersonalAccessTokenSelf::builder().build()).await.map(Some)
    }

    /// The id of the user with that login name.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn user_id(&self, username: &str) -> Result<Option<u64>, GitLabError> {
        let ask = Ask::read(format!("look up the user `{username}`"));
        let query = vec![("username", username.to_owned())];
        let found: Vec<Author> = self.ask(&ask, Raw::get("users".to_owned(), query).built()).await?;
        Ok(found.into_iter().find(|user| user.username.eq_ignore_ascii_case(username)).map(|user| user.id))
    }
}
