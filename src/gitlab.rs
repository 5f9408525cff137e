//! GitLab's REST API, version 4: merge requests, notes, commit statuses, deployments, pipelines.
//!
//! [`GitLab`] is one project of one server, seen with one token. Requests are those of the `gitlab` crate,
//! or `endpoint` where it has none; they go out through `wire`, which has limits for everything. Every
//! failure is a [`GitLabError`], which says what was asked and which right is missing.

mod ask;
mod deployments;
mod endpoint;
mod error;
mod jobs;
mod merge_requests;
mod notes;
mod pipelines;
mod protection;
mod settings;
mod status;
mod statuses;
mod user;
mod variables;
mod wire;
mod word;

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

pub use deployments::{Deployment, DeploymentStatus, Deployments, NewDeployment};
pub use error::GitLabError;
pub use jobs::{Job, JobKind};
pub use merge_requests::{
    Accepted, Author, Change, Event, MergeRequest, MergeRequests, MergeState, NewMergeRequest, SourceBranch,
    When,
};
pub use notes::{Note, Noted, marker};
pub use pipelines::{Pipeline, Pipelines, Trigger};
pub use protection::Push;
pub use settings::{Bounds, Settings, SettingsError, Token};
pub use status::{Finished, Status};
pub use statuses::{CommitStatus, StatusSet, StatusState};
pub use user::{Owner, TokenFacts};
pub use variables::Override;
pub use word::{Subject, Word};

use crate::repo::Location;

/// One project of a GitLab server, seen with one token.
#[derive(Debug, Clone)]
pub struct GitLab {
    wire: wire::Wire,
    project: Arc<str>,
    ssh_host: Option<Arc<str>>,
}

impl GitLab {
    /// The project of `settings`. Nothing is asked yet.
    ///
    /// # Errors
    /// The URL is none, or the token can't be sent.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            wire: wire::Wire::new(settings)?,
            project: settings.project.as_str().into(),
            ssh_host: settings.ssh_host.as_deref().map(Into::into),
        })
    }

    /// The project of the configuration, completed by the environment of a CI job, which `lookup` reads.
    ///
    /// # Errors
    /// What is missing or can't be used; [`SettingsError::is_unset`] where nothing was set at all.
    pub fn from_config(
        config: &crate::config::GitLab,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        Self::new(&Settings::resolve(config, lookup)?)
    }

    /// Another project of the same server, seen with the same token.
    #[must_use]
    pub fn of_project(&self, project: &str) -> Self {
        Self { project: project.into(), ..self.clone() }
    }

    /// Path or id of the project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Host of the server, without port; as `CI_SERVER_HOST` has it.
    pub fn host(&self) -> &str {
        self.wire.host()
    }

    /// Whether a repository is that of the project at `path` of this server. Its identity is host and path: over http those
    /// of the project's page, with the server's relative URL; over ssh without that, perhaps of a host of its own.
    pub fn serves(&self, identity: &str, path: &str) -> bool {
        let page = format!("{}/{path}", self.wire.base().as_str().trim_end_matches('/'));
        let web = Location::parse(&page).is_ok_and(|location| location.identity() == identity);
        let mut hosts = std::iter::once(self.host()).chain(self.ssh_host.as_deref());
        web || hosts.any(|host| identity == format!("{host}/{path}"))
    }

    /// Whether the token is that of a CI job, which may do little.
    pub fn has_job_token(&self) -> bool {
        self.wire.has_job_token()
    }

    /// Whether its token is this one.
    pub fn signs_in_with(&self, token: &SecretString) -> bool {
        self.wire.secret().expose_secret() == token.expose_secret()
    }

    /// Merge requests.
    pub fn merge_requests(&self) -> MergeRequests<'_> {
        MergeRequests::new(self)
    }

    /// Deployments.
    pub fn deployments(&self) -> Deployments<'_> {
        Deployments::new(self)
    }

    /// Pipelines.
    pub fn pipelines(&self) -> Pipelines<'_> {
        Pipelines::new(self)
    }
}
