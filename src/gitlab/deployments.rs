//! Deployments of environments.

use gitlab::api::projects::deployments as requests;
use serde::Deserialize;

use super::ask::Ask;
use super::endpoint::{Raw, segment};
use super::{GitLab, GitLabError};

/// Newest deployments of an environment that are looked through.
const MOST: usize = 100;

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
            Err(GitLabError::Refused { status: 400, said, .. })
                if said.contains("Cannot transition status")
                    && said.contains(&format!("from :{}", status.word())) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The newest one of an environment and a commit.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn find(&self, environment: &str, sha: &str) -> Result<Option<Deployment>, GitLabError> {
        let what = format!("list the deployments of `{environment}` in {}", self.gitlab.project());
        // the crate's own endpoint knows no pages
        let path = format!("projects/{}/deployments", segment(self.gitlab.project()));
        let query = [("environment", environment), ("order_by", "id"), ("sort", "desc")];
        let query = query.map(|(key, value)| (key, value.to_owned()));
        let endpoint = Raw::get(path, query.to_vec()).built();
        let ask = Ask::read(what).also_for_jobs();
        let found: Vec<Deployment> = self.gitlab.list(&ask, endpoint, MOST).await?;
        Ok(found.into_iter().find(|deployment| deployment.sha == sha))
    }
}
