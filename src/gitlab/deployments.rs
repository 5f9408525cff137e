//! Deployments of environments.

use gitlab::api::common::SortOrder;
use gitlab::api::projects::deployments as requests;
use serde::Deserialize;

use super::ask::Ask;
use super::{GitLab, GitLabError};

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Deployment {
    /// Id.
    pub id: u64,
    /// Commit.
    pub sha: String,
    /// Branch or tag.
    #[serde(rename = "ref")]
    pub branch: String,
    /// GitLab's word for its state: `created`, `running`, `success`, `failed`, `canceled`, `blocked`.
    pub status: String,
}

/// State of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentStatus {
    /// Runs.
    Running,
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Was cancelled.
    Canceled,
}

/// A deployment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// Environment; GitLab makes it if it is new.
    pub environment: String,
    /// Commit.
    pub sha: String,
    /// Branch that the commit is on.
    pub branch: String,
    /// State.
    pub status: DeploymentStatus,
}

/// Deployments of a project.
#[derive(Debug, Clone, Copy)]
pub struct Deployments<'g> {
    gitlab: &'g GitLab,
}

impl DeploymentStatus {
    /// GitLab's word for it.
    pub fn word(self) -> &'static str {
        match self {
            DeploymentStatus::Running => "running",
            DeploymentStatus::Success => "success",
            DeploymentStatus::Failed => "failed",
            DeploymentStatus::Canceled => "canceled",
        }
    }

    /// The one that has ended and that GitLab calls so.
    pub fn ended(word: &str) -> Option<Self> {
        let ends = [DeploymentStatus::Success, DeploymentStatus::Failed, DeploymentStatus::Canceled];
        ends.into_iter().find(|status| status.word() == word)
    }

    fn of_crate(self) -> requests::DeploymentStatus {
        match self {
            DeploymentStatus::Running => requests::DeploymentStatus::Running,
            DeploymentStatus::Success => requests::DeploymentStatus::Success,
            DeploymentStatus::Failed => requests::DeploymentStatus::Failed,
            DeploymentStatus::Canceled => requests::DeploymentStatus::Canceled,
        }
    }
}

impl<'g> Deployments<'g> {
    pub(super) fn new(gitlab: &'g GitLab) -> Self {
        Self { gitlab }
    }

    /// Makes one.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn create(&self, new: &NewDeployment) -> Result<Deployment, GitLabError> {
        let what = format!("record a deployment of `{}` in {}", new.environment, self.gitlab.project());
        let endpoint = requests::CreateDeployment::builder()
            .project(self.gitlab.project())
            .environment(&new.environment)
            .sha(&new.sha)
            .ref_(&new.branch)
            .tag(false)
            .status(new.status.of_crate())
            .build();
        self.gitlab.ask(&Ask::write(what).also_for_jobs(), endpoint).await
    }

    /// The newest ones of an environment, newest first; a page of them, 20 by default.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn newest(&self, environment: &str) -> Result<Vec<Deployment>, GitLabError> {
        let what = format!("list the deployments of `{environment}` in {}", self.gitlab.project());
        let endpoint = requests::Deployments::builder()
            .project(self.gitlab.project())
            .environment(environment)
            .order_by(requests::DeploymentOrderBy::Id)
            .sort(SortOrder::Descending)
            .build();
        self.gitlab.ask(&Ask::read(what).also_for_jobs(), endpoint).await
    }

    /// Changes the state of one; one that is in it already stays as it is.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn update(&self, id: u64, status: DeploymentStatus) -> Result<(), GitLabError> {
        let what = format!("update deployment {id} of {}", self.gitlab.project());
        let endpoint = requests::EditDeployment::builder()
            .project(self.gitlab.project())
            .deployment_id(id)
            .status(status.of_crate())
            .build();
        let changed = self.gitlab.ask::<Deployment, _, _>(&Ask::write(what).also_for_jobs(), endpoint).await;
        match changed {
            Ok(_) => Ok(()),
            Err(error) if error.is_in_state(status.word()) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
