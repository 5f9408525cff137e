//! One call: what is asked, what it takes, and what a failure means.

use gitlab::api::common::path_escaped;
use gitlab::api::{ApiError, AsyncQuery, Endpoint, Pageable, Pagination, paged};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::endpoint::Raw;
use super::settings::TOKEN_VARIABLE;
use super::wire::{Wire, WireError};
use super::{GitLab, GitLabError, Override};

/// Longest text of GitLab's that is shown.
const SAID: usize = 300;

/// What is asked, and what it takes.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// Completes “cannot …”.
    pub(super) what: String,
    pub(super) right: Right,
    /// A secret that is sent beside the token, and told no more than that.
    hidden: Option<SecretString>,
}

/// What it takes to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) scope: Scope,
    pub(super) role: Role,
    pub(super) job: JobToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Read,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Reporter,
    Developer,
}

/// Whether GitLab lets the token of a job do it.
/// <https://docs.gitlab.com/ci/jobs/ci_job_token/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobToken {
    May,
    MayNot,
}

impl Right {
    pub(super) const READ: Right = Right { scope: Scope::Read, role: Role::Reporter, job: JobToken::MayNot };
    pub(super) const WRITE: Right =
        Right { scope: Scope::Write, role: Role::Developer, job: JobToken::MayNot };

    pub(super) const fn also_for_jobs(self) -> Self {
        Self { job: JobToken::May, ..self }
    }

    fn scope(self) -> &'static str {
        match self.scope {
            Scope::Read => "`read_api` (or `api`)",
            Scope::Write => "`api`",
        }
    }

    fn role(self) -> &'static str {
        match self.role {
            Role::Reporter => "Reporter",
            Role::Developer => "Developer",
        }
    }
}

impl Ask {
    pub(super) fn read(what: impl Into<String>) -> Self {
        Self { what: what.into(), right: Right::READ, hidden: None }
    }

    pub(super) fn write(what: impl Into<String>) -> Self {
        Self { what: what.into(), right: Right::WRITE, hidden: None }
    }

    pub(super) fn also_for_jobs(self) -> Self {
        Self { right: self.right.also_for_jobs(), ..self }
    }

    pub(super) fn hiding(self, secret: &SecretString) -> Self {
        Self { hidden: Some(secret.clone()), ..self }
    }
}

impl GitLab {
    /// The answer to one request. A request that can't be built is refused with status 0.
    pub(super) async fn ask<T, E, B>(&self, ask: &Ask, endpoint: Result<E, B>) -> Result<T, GitLabError>
    where
        T: DeserializeOwned + 'static,
        E: Endpoint + Sync,
        B: std::fmt::Display,
    {
        let endpoint = self.built(ask, endpoint)?;
        endpoint.query_async(&self.wire).await.map_err(|error| self.fault(ask, error))
    }

    /// Deletes what is at `path` of the project.
    pub(super) async fn delete(&self, ask: &Ask, path: String) -> Result<(), GitLabError> {
        let endpoint =
            gitlab::api::ignore(Raw::delete(format!("projects/{}/{path}", path_escaped(self.project()))));
        endpoint.query_async(&self.wire).await.map_err(|error| self.fault(ask, error))
    }

    /// Up to `most` of a list.
    pub(super) async fn list<T, E, B>(
        &self,
        ask: &Ask,
        endpoint: Result<E, B>,
        most: usize,
    ) -> Result<Vec<T>, GitLabError>
    where
        T: DeserializeOwned + Send + 'static,
        E: Endpoint + Pageable + Sync,
        B: std::fmt::Display,
    {
        let endpoint = paged(self.built(ask, endpoint)?, Pagination::Limit(most));
        endpoint.query_async(&self.wire).await.map_err(|error| self.fault(ask, error))
    }

    /// The end of a text.
    pub(super) async fn end_of<E, B>(&self, ask: &Ask, endpoint: Result<E, B>) -> Result<Vec<u8>, GitLabError>
    where
        E: Endpoint + Sync,
        B: std::fmt::Display,
    {
        let endpoint = gitlab::api::raw(self.built(ask, endpoint)?);
        let wire: Wire = self.wire.keeping_the_end();
        endpoint.query_async(&wire).await.map_err(|error| self.fault(ask, error))
    }

    fn built<E, B: std::fmt::Display>(&self, ask: &Ask, endpoint: Result<E, B>) -> Result<E, GitLabError> {
        endpoint.map_err(|error| self.refused(ask, 0, error.to_string()))
    }

    pub(super) fn refused(&self, ask: &Ask, status: u16, said: String) -> GitLabError {
        GitLabError::Refused { host: self.host().to_owned(), what: ask.what.clone(), status, said }
    }

    pub(super) fn bad_answer(&self, ask: &Ask, reason: impl Into<String>) -> GitLabError {
        let (host, what) = (self.host().to_owned(), ask.what.clone());
        GitLabError::BadAnswer { host, what, reason: reason.into() }
    }

    fn fault(&self, ask: &Ask, error: ApiError<WireError>) -> GitLabError {
        let (host, what) = (self.host().to_owned(), ask.what.clone());
        let source = match error {
            ApiError::Client { source } => source,
            ApiError::GitlabService { data, .. } => {
                let said = self.told(ask, &Said::of(&data).text);
                return self.bad_answer(ask, format!("it is no JSON, but {said}"));
            }
            other => return self.bad_answer(ask, self.told(ask, &other.to_string())),
        };
        match source {
            WireError::NoAnswer { reason, tries } => {
                GitLabError::Unreachable { host, what, reason: self.told(ask, &reason), tries }
            }
            WireError::Limited { wait } => GitLabError::RateLimited { host, what, wait },
            WireError::Broken { status, body, tries } => {
                let said = self.told(ask, &Said::of(&body).text);
                let reason = format!("{} ({said})", status.as_u16());
                GitLabError::Unreachable { host, what, reason, tries }
            }
            WireError::Answer { status, body, location } => {
                self.meaning(ask, status, &Said::of(&body), location)
            }
            other @ (WireError::TooLong | WireError::Elsewhere { .. }) => {
                self.bad_answer(ask, other.to_string())
            }
        }
    }

    fn meaning(&self, ask: &Ask, status: StatusCode, body: &Said, location: Option<String>) -> GitLabError {
        let (host, what) = (self.host().to_owned(), ask.what.clone());
        let said = self.told(ask, &body.text);
        let code = status.as_u16();
        match code {
            301 | 302 | 307 | 308 => {
                let to = location.unwrap_or_default();
                self.bad_answer(
                    ask,
                    format!(
                        "it moved to {}; set `gitlab.url` and `gitlab.project` to that",
                        self.told(ask, &to)
                    ),
                )
            }
            401 if body.code == "invalid_token" => GitLabError::Token { host, what, said, fix: self.renew() },
            401 if body.text.is_empty() || body.text.starts_with("401") => match self.has_job_token() {
                true => GitLabError::Denied { host, what, status: code, said, need: self.need(ask, body) },
                false => GitLabError::Token { host, what, said, fix: self.renew() },
            },
            401 | 403 | 404 => {
                GitLabError::Denied { host, what, status: code, said, need: self.need(ask, body) }
            }
            409 => GitLabError::Conflict { host, what, said },
            400 if said.contains("set pipeline variables") => {
                let said = format!("{said}; {}", Override::place(self.project()));
                GitLabError::Refused { host, what, status: code, said }
            }
            _ => GitLabError::Refused { host, what, status: code, said },
        }
    }

    /// What it takes, and what to do.
    fn need(&self, ask: &Ask, body: &Said) -> String {
        let Ask { what, right, .. } = ask;
        let (scope, role, project) = (right.scope(), right.role(), self.project());
        match (self.has_job_token(), right.job) {
            (true, JobToken::MayNot) => format!(
                "CI_JOB_TOKEN cannot {what}: this needs a token with the scope {scope} and at least the role {role} in {project}; make a project access token and put it into the CI variable {TOKEN_VARIABLE} (masked)"
            ),
            (true, JobToken::May) => format!(
                "CI_JOB_TOKEN may do this only where {project} lists the job's project in Settings → CI/CD → Job token permissions, and if whoever started the job has at least the role {role} there"
            ),
            (false, _) if body.code == "insufficient_scope" => format!(
                "the token lacks a scope: this needs a token with the scope {scope}; make a new one, scopes can't be added"
            ),
            (false, _) if body.text.contains("Pipeline for pipeline_id") => {
                "a status is shown in a pipeline of that commit and branch only, and in no child pipeline; a child pipeline that `datapin step graph` wrote shows them in its parent's".to_owned()
            }
            (false, _) => format!(
                "there is no such thing, or the token may not see or do it (GitLab doesn't say which): it needs the scope {scope} and at least the role {role} in {project}"
            ),
        }
    }

    fn renew(&self) -> String {
        match self.has_job_token() {
            true => "CI_JOB_TOKEN is valid only while its job runs".to_owned(),
            false => format!(
                "it is expired, revoked or not copied as a whole; make a new one and put it into {TOKEN_VARIABLE} or where `gitlab.token` says"
            ),
        }
    }

    /// A text of somebody else: without secrets, on one line, and not too much of it.
    fn told(&self, ask: &Ask, text: &str) -> String {
        let secrets = [Some(self.wire.secret()), ask.hidden.as_ref()].into_iter().flatten();
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***"));
        crate::process::one_line(&text, SAID)
    }
}

/// What GitLab says about a failure.
struct Said {
    text: String,
    /// `error` of an OAuth answer, such as `insufficient_scope`.
    code: String,
}

impl Said {
    fn of(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let text = String::from_utf8_lossy(body);
            // a page of markup says nothing to people
            let text = if text.trim_start().starts_with('<') { "a web page" } else { text.trim() };
            return Self { text: text.to_owned(), code: String::new() };
        };
        let code = value["error"].as_str().unwrap_or_default().to_owned();
        let parts = ["message", "error_description", "error"].map(|key| &value[key]);
        let text = parts.into_iter().find(|part| !part.is_null()).map(words).unwrap_or_default();
        Self { text, code }
    }
}

/// A message: a text, a list of texts, or lists by field.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name} {}", words(value));
            fields.iter().map(field).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}
