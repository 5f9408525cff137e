//! A run as GitLab shows it: a commit status for each service and gate, and deployments of environments. What a merge
//! request is told is up to [`crate::run::adopt`].
//!
//! It listens to the events like every other listener, and compares what GitLab should show with what it was told: it
//! never fails a run, never holds one up, and says once of each kind what it may not do.

mod deployments;
mod share;
mod statuses;

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::event::Event;
use crate::gitlab::{CommitStatus, DeploymentStatus, GitLab, GitLabError, NewDeployment, StatusState};
use crate::report::account::{Account, Accounts};
use deployments::Shown;
use share::Share;
use statuses::Wanted;

/// How long the end of a command waits until GitLab shows the end of its run.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long GitLab is left alone after it gave no good answer.
const REST: Duration = Duration::from_secs(10);

/// Where statuses are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the graph of the CI pipeline that the run is part of, or of its parent: a child pipeline has none.
    Pipeline {
        /// Its commit.
        sha: String,
        /// Its branch.
        branch: String,
        /// Its id; `None` lets GitLab take the newest of that commit and branch.
        id: Option<u64>,
    },
    /// On the commits of the run: the pipeline is not one of this project, or there is none.
    Commits,
}

/// Mirrors the runs of this process.
pub struct Mirror {
    gitlab: GitLab,
    place: Place,
    accounts: Accounts,
    statuses: HashMap<(String, String), StatusState>,
    deployments: HashMap<String, (u64, DeploymentStatus)>,
    share: Share,
    off: Off,
    rest_until: Option<Instant>,
}

/// What is not tried any more.
#[derive(Debug, Clone, Copy, Default)]
struct Off {
    statuses: bool,
    deployments: bool,
}

/// What is shown in GitLab.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Statuses,
    Deployments,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Statuses => "commit statuses",
            Kind::Deployments => "deployments",
        }
    }
}

impl Mirror {
    /// A mirror in the project of `gitlab`. The token of a CI job may only record deployments: that is said once, here.
    pub fn new(gitlab: GitLab, place: Place) -> Self {
        let job = gitlab.has_job_token();
        if job {
            tracing::warn!(
                "GitLab shows the deployments of this run only: CI_JOB_TOKEN cannot set commit statuses or write notes; \
                 for those put a project access token with the scope `api` into the CI variable DATAPIN_GITLAB_TOKEN"
            );
        }
        Self {
            gitlab,
            place,
            accounts: Accounts::default(),
            statuses: HashMap::new(),
            deployments: HashMap::new(),
            share: Share::default(),
            off: Off { statuses: job, deployments: false },
            rest_until: None,
        }
    }

    /// The same where the commits of the run are not in the project: GitLab has no deployment of a commit that it does
    /// not know.
    #[must_use]
    pub fn without_deployments(mut self) -> Self {
        self.off.deployments = true;
        self
    }

    /// Listens until nobody speaks any more. Events that come while GitLab is slow are shown together.
    pub async fn listen(mut self, mut heard: UnboundedReceiver<Event>) {
        while let Some(event) = heard.recv().await {
            self.hear(&event);
            while let Ok(event) = heard.try_recv() {
                self.hear(&event);
            }
            self.show().await;
        }
        self.rest_until = None;
        self.show().await;
    }

    fn hear(&mut self, event: &Event) {
        self.accounts.hear(event);
        self.share.hear(event);
    }

    async fn show(&mut self) {
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        // a clone, for what is asked of GitLab meanwhile changes what is known here
        for account in self.accounts.all().to_vec() {
            self.show_deployments(&account).await;
            self.show_statuses(&account).await;
        }
    }

    async fn show_statuses(&mut self, account: &Account) {
        for wanted in statuses::wanted(account) {
            if self.off.statuses || self.rest_until.is_some_and(|until| Instant::now() < until) {
                return;
            }
            let Some(status) = self.status(&wanted).filter(|_| self.share.has_status(&wanted)) else {
                continue;
            };
            if let Err(error) = self.read_statuses(&status).await {
                self.off.statuses = self.give_up(Kind::Statuses, &error);
                continue;
            }
            let key = (status.sha.clone(), status.name.clone());
            if self.statuses.get(&key) == Some(&status.state) {
                continue;
            }
            match self.gitlab.commit_status(&status).await {
                Ok(_) => _ = self.statuses.insert(key, status.state),
                // this one only, such as one with the name of a job: the others are shown all the same
                Err(GitLabError::Refused { status: 400, said, .. }) => {
                    tracing::debug!(status.name, said, "GitLab does not take a commit status");
                    self.statuses.insert(key, status.state);
                }
                Err(error) => self.off.statuses = self.give_up(Kind::Statuses, &error),
            }
        }
    }

    fn status(&self, wanted: &Wanted) -> Option<CommitStatus> {
        let (sha, branch, pipeline_id) = match &self.place {
            Place::Pipeline { sha, branch, id } => (sha.clone(), branch.clone(), *id),
            Place::Commits => (wanted.commit.clone()?, wanted.branch.clone(), None),
        };
        Some(CommitStatus {
            sha,
            state: wanted.state,
            name: wanted.name.clone(),
            branch: Some(branch).filter(|branch| !branch.is_empty()),
            target_url: wanted.url.clone(),
            description: wanted.description.clone(),
            pipeline_id,
        })
    }

    async fn show_deployments(&mut self, account: &Account) {
        for shown in deployments::wanted(account) {
            if self.off.deployments || self.rest_until.is_some_and(|until| Instant::now() < until) {
                return;
            }
            if !self.share.has_deployment(&shown) {
                continue;
            }
            if let Err(error) = self.deploy(&shown).await {
                self.off.deployments = self.give_up(Kind::Deployments, &error);
            }
        }
    }

    /// A deployment is made once, as running, and then only moved on: so that GitLab shows how long it took.
    async fn deploy(&mut self, shown: &Shown) -> Result<(), GitLabError> {
        let known = match self.deployments.get(&shown.key) {
            Some(known) => Some(*known),
            None => self.made_before(shown).await?,
        };
        let (id, status) = match known {
            Some(known) => known,
            None => {
                let new = NewDeployment {
                    environment: shown.environment.clone(),
                    sha: shown.commit.clone(),
                    branch: shown.branch.clone(),
                    status: DeploymentStatus::Running,
                };
                (self.gitlab.deployments().create(&new).await?.id, DeploymentStatus::Running)
            }
        };
        self.deployments.insert(shown.key.clone(), (id, status));
        if status != shown.status {
            self.gitlab.deployments().update(id, shown.status).await?;
            self.deployments.insert(shown.key.clone(), (id, shown.status));
        }
        Ok(())
    }

    /// Whether that kind is not tried again: what may pass is tried after a rest.
    fn give_up(&mut self, kind: Kind, error: &GitLabError) -> bool {
        if error.may_pass() {
            tracing::debug!(%error, "GitLab is left alone for a while");
            self.rest_until = Some(Instant::now() + REST);
            return false;
        }
        tracing::warn!("GitLab will not show {} of this run, which goes on without: {error}", kind.word());
        true
    }
}
