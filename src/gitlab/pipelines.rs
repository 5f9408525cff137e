//! Pipelines: started, followed, cancelled.

use gitlab::api::projects::pipelines as requests;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::endpoint::{Raw, segment};
use super::{GitLab, GitLabError, Status};

/// Newest pipelines of a branch that are looked through.
const MOST: usize = 50;

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pipeline {
    /// Id.
    pub id: u64,
    /// Project.
    #[serde(default)]
    pub project_id: Option<u64>,
    /// State.
    pub status: Status,
    /// Branch or tag.
    #[serde(rename = "ref")]
    pub branch: String,
    /// Commit.
    pub sha: String,
    /// What started it: `push`, `trigger`, `pipeline` …
    #[serde(default)]
    pub source: Option<String>,
    /// Link.
    #[serde(default)]
    pub web_url: String,
}

/// Who starts a pipeline.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// A trigger token of the other project.
    Token(SecretString),
    /// The token of this job: GitLab then links the two pipelines.
    Job,
}

/// Pipelines of a project.
#[derive(Debug, Clone, Copy)]
pub struct Pipelines<'g> {
    gitlab: &'g GitLab,
}

impl<'g> Pipelines<'g> {
    pub(super) fn new(gitlab: &'g GitLab) -> Self {
        Self { gitlab }
    }

    pub(super) fn gitlab(&self) -> &'g GitLab {
        self.gitlab
    }

    /// Starts a pipeline by `POST /trigger/pipeline`.
    ///
    /// # Errors
    /// See [`GitLabError`]; after [`GitLabError::Unreachable`] it may have been started all the same.
    pub async fn trigger(
        &self,
        branch: &str,
        with: &Trigger,
        variables: &[(String, String)],
    ) -> Result<Pipeline, GitLabError> {
        let project = self.gitlab.project();
        let ask = Ask::write(format!("start a pipeline of `{branch}` in {project}")).also_for_jobs();
        let token = match with {
            Trigger::Token(secret) => secret.expose_secret(),
            Trigger::Job => self.gitlab.wire.secret().expose_secret(),
        };
        let variables: Map<String, Value> =
            variables.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let path = format!("projects/{}/trigger/pipeline", segment(project));
        let body = json!({ "token": token, "ref": branch, "variables": variables });
        let answer = self.gitlab.ask(&ask, Raw::post(path, body).built()).await;
        answer.map_err(|error| without(error, token))
    }

    /// Starts a pipeline with this token's own rights.
    ///
    /// # Errors
    /// See [`GitLabError`]; after [`GitLabError::Unreachable`] it may have been started all the same.
    pub async fn create(
        &self,
        branch: &str,
        variables: &[(String, String)],
    ) -> Result<Pipeline, GitLabError> {
        let project = self.gitlab.project();
        let ask = Ask::write(format!("start a pipeline of `{branch}` in {project}"));
        // not the crate's: it sends `variables[][key]` of a form, which GitLab's document does not have
        let variables: Vec<Value> =
            variables.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let path = format!("projects/{}/pipeline", segment(project));
        let body = json!({ "ref": branch, "variables": variables });
        self.gitlab.ask(&ask, Raw::post(path, body).built()).await
    }

    /// One by its id.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn get(&self, id: u64) -> Result<Pipeline, GitLabError> {
        let project = self.gitlab.project();
        let ask = Ask::read(format!("read pipeline {id} of {project}"));
        let endpoint = requests::Pipeline::builder().project(project).pipeline(id).build();
        self.gitlab.ask(&ask, endpoint).await
    }

    /// The newest ones of a branch, newest first.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn newest(&self, branch: &str) -> Result<Vec<Pipeline>, GitLabError> {
        let project = self.gitlab.project();
        let ask = Ask::read(format!("list the pipelines of {project}"));
        let endpoint = requests::Pipelines::builder()
            .project(project)
            .ref_(branch)
            .order_by(requests::PipelineOrderBy::Id)
            .sort(gitlab::api::common::SortOrder::Descending)
            .build();
        self.gitlab.list(&ask, endpoint, MOST).await
    }

    /// The variables that a pipeline was started with, by name.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn variables(&self, id: u64) -> Result<Vec<(String, String)>, GitLabError> {
        #[derive(Deserialize)]
        struct Variable {
            key: String,
            #[serde(default)]
            value: String,
        }
        let project = self.gitlab.project();
        let ask = Ask::read(format!("read the variables of pipeline {id} of {project}"));
        let path = format!("projects/{}/pipelines/{id}/variables", segment(project));
        let found: Vec<Variable> = self.gitlab.ask(&ask, Raw::get(path, Vec::new()).built()).await?;
        Ok(found.into_iter().map(|variable| (variable.key, variable.value)).collect())
    }

    /// Asks to cancel one. Its jobs that run may go on for a moment.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn cancel(&self, id: u64) -> Result<(), GitLabError> {
        let project = self.gitlab.project();
        let ask = Ask::write(format!("cancel pipeline {id} of {project}"));
        let endpoint = requests::CancelPipeline::builder().project(project).pipeline(id).build();
        self.gitlab.ask::<IgnoredAny, _, _>(&ask, endpoint).await.map(|_| ())
    }
}

/// The error without a secret that GitLab may have told back.
fn without(error: GitLabError, secret: &str) -> GitLabError {
    let clean = |text: String| text.replace(secret, "***");
    match error {
        GitLabError::Denied { host, what, status, said, need } => {
            GitLabError::Denied { host, what, status, said: clean(said), need }
        }
        GitLabError::Refused { host, what, status, said } => {
            GitLabError::Refused { host, what, status, said: clean(said) }
        }
        GitLabError::Conflict { host, what, said } => GitLabError::Conflict { host, what, said: clean(said) },
        GitLabError::Token { host, what, said, fix } => {
            GitLabError::Token { host, what, said: clean(said), fix }
        }
        GitLabError::BadAnswer { host, what, reason } => {
            GitLabError::BadAnswer { host, what, reason: clean(reason) }
        }
        GitLabError::Unreachable { host, what, reason, tries } => {
            GitLabError::Unreachable { host, what, reason: clean(reason), tries }
        }
        GitLabError::RateLimited { .. } => error,
    }
}
