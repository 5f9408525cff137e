//! Merge requests.

mod accept;

use gitlab::api::projects::merge_requests as requests;
use gitlab::api::projects::repository::commits;
use serde::Deserialize;

use super::ask::Ask;
use super::{GitLab, GitLabError};

pub use accept::{Accepted, When};

/// Most merge requests of a list that are looked at.
const MOST: usize = 100;

/// A merge request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MergeRequest {
    /// Number within the project.
    pub iid: u64,
    /// State.
    pub state: MergeState,
    /// Title.
    pub title: String,
    /// Description; may be empty.
    #[serde(default, deserialize_with = "or_empty")]
    pub description: String,
    /// Branch that is merged.
    pub source_branch: String,
    /// Branch that it is merged into.
    pub target_branch: String,
    /// Project of the source branch: another one if it comes from a fork.
    #[serde(default)]
    pub source_project_id: Option<u64>,
    /// Project of the target branch.
    pub target_project_id: u64,
    /// Tip of the source branch.
    #[serde(default)]
    pub sha: Option<String>,
    /// The merge commit.
    #[serde(default)]
    pub merge_commit_sha: Option<String>,
    /// The squash commit.
    #[serde(default)]
    pub squash_commit_sha: Option<String>,
    /// Whether it can be merged, in GitLab's word: `mergeable`, `checking`, `ci_still_running` …
    #[serde(default, deserialize_with = "or_empty")]
    pub detailed_merge_status: String,
    /// Labels.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Link.
    #[serde(default, deserialize_with = "or_empty")]
    pub web_url: String,
    /// Who made it.
    #[serde(default)]
    pub author: Option<Author>,
    /// Who merged it, or set it to merge.
    #[serde(default)]
    pub merge_user: Option<Author>,
}

/// A user, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Author {
    /// Id.
    pub id: u64,
    /// Login name.
    pub username: String,
}

/// State of a merge request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeState {
    /// Open.
    Opened,
    /// Closed without a merge.
    Closed,
    /// Being merged just now.
    Locked,
    /// Merged.
    Merged,
}

/// A merge request to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMergeRequest {
    /// Branch that is merged.
    pub source_branch: String,
    /// Branch that it is merged into.
    pub target_branch: String,
    /// Title, at most 255 characters.
    pub title: String,
    /// Description in Markdown.
    pub description: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Ids of users, see [`GitLab::user_id`].
    pub assignees: Vec<u64>,
    /// What becomes of the source branch when it is merged.
    pub source: SourceBranch,
}

/// What becomes of the source branch when it is merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceBranch {
    /// It is removed.
    #[default]
    Removed,
    /// It stays.
    Kept,
}

/// What is changed of a merge request; `None` and empty lists leave it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Title.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Labels that it gets beside its own.
    pub labels: Vec<String>,
    /// Ids of users; they replace its own.
    pub assignees: Vec<u64>,
    /// Whether it is closed or opened again.
    pub state: Option<Event>,
}

/// What happens to the state of a merge request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is closed.
    Close,
    /// It is opened again.
    Reopen,
}

/// Merge requests of a project.
#[derive(Debug, Clone, Copy)]
pub struct MergeRequests<'g> {
    gitlab: &'g GitLab,
}

impl MergeRequest {
    /// Whether its source is in another project.
    pub fn is_from_fork(&self) -> bool {
        self.source_project_id != Some(self.target_project_id)
    }

    /// The commits that it put on its target branch, as far as it names them.
    pub fn merged_as(&self) -> impl Iterator<Item = &str> {
        [&self.merge_commit_sha, &self.squash_commit_sha, &self.sha].into_iter().filter_map(Option::as_deref)
    }
}

impl<'g> MergeRequests<'g> {
    pub(super) fn new(gitlab: &'g GitLab) -> Self {
        Self { gitlab }
    }

    pub(super) fn gitlab(&self) -> &'g GitLab {
        self.gitlab
    }

    /// Makes one. There can be only one open one a source and target branch: another is a
    /// [`GitLabError::Conflict`].
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn create(&self, new: &NewMergeRequest) -> Result<MergeRequest, GitLabError> {
        let ask = Ask::write(format!("make a merge request in {}", self.gitlab.project()));
        let mut endpoint = requests::CreateMergeRequest::builder();
        endpoint
            .project(self.gitlab.project())
            .source_branch(&new.source_branch)
            .target_branch(&new.target_branch)
            .title(&new.title)
            .description(&new.description)
            .remove_source_branch(new.source == SourceBranch::Removed);
        if !new.labels.is_empty() {
            endpoint.labels(new.labels.iter());
        }
        if !new.assignees.is_empty() {
            endpoint.assignees(new.assignees.iter().copied());
        }
        self.gitlab.ask(&ask, endpoint.build()).await
    }

    /// Changes one.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn update(&self, iid: u64, change: &Change) -> Result<MergeRequest, GitLabError> {
        let ask = Ask::write(format!("change merge request !{iid} of {}", self.gitlab.project()));
        let mut endpoint = requests::EditMergeRequest::builder();
        endpoint.project(self.gitlab.project()).merge_request(iid);
        if let Some(title) = &change.title {
            endpoint.title(title);
        }
        if let Some(description) = &change.description {
            endpoint.description(description);
        }
        for label in &change.labels {
            endpoint.add_label(label);
        }
        if !change.assignees.is_empty() {
            endpoint.assignees(change.assignees.iter().copied());
        }
        match change.state {
            Some(Event::Close) => drop(endpoint.state_event(requests::MergeRequestStateEvent::Close)),
            Some(Event::Reopen) => drop(endpoint.state_event(requests::MergeRequestStateEvent::Reopen)),
            None => {}
        }
        self.gitlab.ask(&ask, endpoint.build()).await
    }

    /// The open one of a source branch, whatever its target.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn find_open(&self, source_branch: &str) -> Result<Option<MergeRequest>, GitLabError> {
        let project = self.gitlab.project();
        let ask = Ask::read(format!("list the merge requests of {project}")).also_for_jobs();
        let endpoint = requests::MergeRequests::builder()
            .project(project)
            .state(requests::MergeRequestState::Opened)
            .source_branch(source_branch)
            .build();
        let found: Vec<MergeRequest> = self.gitlab.list(&ask, endpoint, MOST).await?;
        // GitLab filters; a fork may have a branch of the same name
        Ok(found
            .into_iter()
            .find(|request| request.source_branch == source_branch && !request.is_from_fork()))
    }

    /// One by its number.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn get(&self, iid: u64) -> Result<MergeRequest, GitLabError> {
        let ask =
            Ask::read(format!("read merge request !{iid} of {}", self.gitlab.project())).also_for_jobs();
        let endpoint =
            requests::MergeRequest::builder().project(self.gitlab.project()).merge_request(iid).build();
        self.gitlab.ask(&ask, endpoint).await
    }

    /// Those that a commit came with, newest first.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn of_commit(&self, sha: &str) -> Result<Vec<MergeRequest>, GitLabError> {
        let project = self.gitlab.project();
        let ask = Ask::read(format!("list the merge requests of commit {sha} in {project}"));
        let endpoint = commits::MergeRequests::builder().project(project).sha(sha).build();
        let mut found: Vec<MergeRequest> = self.gitlab.list(&ask, endpoint, MOST).await?;
        found.sort_by_key(|request| std::cmp::Reverse(request.iid));
        Ok(found)
    }
}

/// GitLab writes `null` where there is no text.
fn or_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}
