//! Commit statuses: what people see beside a commit and, as external jobs, in its pipeline.

use std::time::Duration;

use gitlab::api::projects::repository::commits::{CommitStatusState, CommitStatuses, CreateCommitStatus};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::ask::Ask;
use super::{GitLab, GitLabError};

/// Longest field, in bytes.
const LONGEST: usize = 255;
/// Longest list that is read.
const MOST: usize = 1000;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A status of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus {
    /// Commit.
    pub sha: String,
    /// State.
    pub state: StatusState,
    /// Which status; another text of the same name replaces it.
    pub name: String,
    /// Branch that the commit is on; `None` lets GitLab choose.
    pub branch: Option<String>,
    /// Link; may be empty.
    pub target_url: String,
    /// One line; may be empty. What is longer than 255 bytes is cut.
    pub description: String,
    /// Pipeline in whose graph it is shown.
    pub pipeline_id: Option<u64>,
}

/// State of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusState {
    /// Waits.
    Pending,
    /// Runs.
    Running,
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Was cancelled.
    Canceled,
    /// Was not run.
    Skipped,
}

/// What was done to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusSet {
    /// It is as asked for.
    Changed,
    /// It was in that state already; GitLab then changes nothing of it.
    Already,
}

impl StatusState {
    const ALL: [StatusState; 6] = [
        StatusState::Pending,
        StatusState::Running,
        StatusState::Success,
        StatusState::Failed,
        StatusState::Canceled,
        StatusState::Skipped,
    ];

    /// The one that GitLab calls so; a job has others besides.
    pub fn called(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// GitLab's word for it.
    pub fn word(self) -> &'static str {
        match self {
            StatusState::Pending => "pending",
            StatusState::Running => "running",
            StatusState::Success => "success",
            StatusState::Failed => "failed",
            StatusState::Canceled => "canceled",
            StatusState::Skipped => "skipped",
        }
    }

    fn of_crate(self) -> CommitStatusState {
        match self {
            StatusState::Pending => CommitStatusState::Pending,
            StatusState::Running => CommitStatusState::Running,
            StatusState::Success => CommitStatusState::Success,
            StatusState::Failed => CommitStatusState::Failed,
            StatusState::Canceled => CommitStatusState::Canceled,
            StatusState::Skipped => CommitStatusState::Skipped,
        }
    }
}

impl GitLab {
    /// Sets a status. While GitLab is busy with another one of the same pipeline, it is asked again.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn commit_status(&self, status: &CommitStatus) -> Result<StatusSet, GitLabError> {
        let end = Instant::now() + self.wire.bounds().total;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.set_status(status).await {
                Ok(()) => return Ok(StatusSet::Changed),
                Err(error) => error,
            };
            match &error {
                refused if refused.is_in_state(status.state.word()) => return Ok(StatusSet::Already),
                GitLabError::Conflict { .. } if Instant::now() + pause < end => {}
                _ => return Err(error),
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// The newest status of each name where `like` is: of its commit, branch and pipeline.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn statuses_beside(
        &self,
        like: &CommitStatus,
    ) -> Result<Vec<(String, StatusState)>, GitLabError> {
        #[derive(Deserialize)]
        struct Found {
            name: String,
            status: String,
        }
        let ask = Ask::read(format!("list the statuses of commit {} in {}", like.sha, self.project()));
        let mut endpoint = CommitStatuses::builder();
        endpoint.project(self.project()).commit(&like.sha);
        if let Some(branch) = &like.branch {
            endpoint.ref_(branch);
        }
        if let Some(pipeline) = like.pipeline_id {
            endpoint.pipeline_id(pipeline);
        }
        let found: Vec<Found> = self.list(&ask, endpoint.build(), MOST).await?;
        let named = |one: Found| StatusState::called(&one.status).map(|state| (one.name, state));
        Ok(found.into_iter().filter_map(named).collect())
    }

    async fn set_status(&self, status: &CommitStatus) -> Result<(), GitLabError> {
        let project = self.project();
        let ask =
            Ask::write(format!("set the status `{}` of commit {} in {project}", status.name, status.sha));
        let mut endpoint = CreateCommitStatus::builder();
        endpoint.project(project).commit(&status.sha).state(status.state.of_crate());
        endpoint.name(cut(&status.name));
        if let Some(branch) = &status.branch {
            endpoint.ref_(branch);
        }
        if !status.target_url.is_empty() && status.target_url.len() <= LONGEST {
            endpoint.target_url(&status.target_url);
        }
        if !status.description.is_empty() {
            endpoint.description(cut(&status.description));
        }
        if let Some(pipeline) = status.pipeline_id {
            endpoint.pipeline_id(pipeline);
        }
        self.ask::<IgnoredAny, _, _>(&ask, endpoint.build()).await.map(|_| ())
    }
}

/// At most so many bytes, whole characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
