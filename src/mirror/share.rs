//! Which part of a run a process shows. The jobs of a run in steps share it: each shows what it moved itself, and the
//! last one puts right whatever is shown otherwise.

use std::collections::{HashMap, HashSet};

use super::statuses::{self, Subject, Wanted};
use super::{Mirror, deployments};
use crate::event::Event;
use crate::gitlab::{CommitStatus, DeploymentStatus, GitLabError, StatusState};

/// Which part of a run this process shows.
#[derive(Debug, Default)]
pub(super) enum Share {
    /// All of it: nobody else does.
    #[default]
    Whole,
    /// What moves while this job is at work.
    Job(Part),
    /// What GitLab shows otherwise at the end.
    Last {
        /// What this process moved.
        moved: HashSet<Subject>,
        /// Commits whose statuses were read.
        read: HashSet<String>,
    },
}

/// What one job shows.
#[derive(Debug, Default)]
pub(super) struct Part {
    moved: HashSet<Subject>,
    /// How the run stood when the job began: others show that.
    statuses: HashMap<Subject, StatusState>,
    deployments: HashMap<String, DeploymentStatus>,
}

impl Share {
    /// Notes that this process moved something.
    pub(super) fn hear(&mut self, event: &Event) {
        match self {
            Share::Whole => {}
            Share::Job(Part { moved, .. }) | Share::Last { moved, .. } => {
                moved.extend(Subject::of(&event.what));
            }
        }
    }

    /// Whether a status is this process's to show. Whoever is at work says that it is: said by another job it could come
    /// after the end that was shown, and would stay.
    pub(super) fn has_status(&self, wanted: &Wanted) -> bool {
        let moved = match self {
            Share::Whole => return true,
            Share::Job(Part { moved, .. }) | Share::Last { moved, .. } => moved.contains(&wanted.subject),
        };
        match self {
            _ if wanted.state == StatusState::Running => moved,
            Share::Job(part) => moved || part.statuses.get(&wanted.subject) != Some(&wanted.state),
            Share::Whole | Share::Last { .. } => true,
        }
    }

    /// Whether a deployment is this process's to show.
    pub(super) fn has_deployment(&self, shown: &deployments::Shown) -> bool {
        match self {
            Share::Job(part) => part.deployments.get(&shown.key) != Some(&shown.status),
            Share::Whole | Share::Last { .. } => true,
        }
    }

    /// Whether other processes may have shown something of the run.
    pub(super) fn is_shared(&self) -> bool {
        match self {
            Share::Whole => false,
            Share::Job(_) | Share::Last { .. } => true,
        }
    }
}

impl Mirror {
    /// The same for one job of a run that is spread over several; `told` is what the record has of it. It shows what moves
    /// from here on.
    #[must_use]
    pub fn of_a_job(mut self, told: &[Event]) -> Self {
        told.iter().for_each(|event| self.accounts.hear(event));
        let mut part = Part::default();
        for account in self.accounts.all() {
            part.statuses.extend(statuses::wanted(account).into_iter().map(|one| (one.subject, one.state)));
            part.deployments
                .extend(deployments::wanted(account).into_iter().map(|one| (one.key, one.status)));
        }
        self.share = Share::Job(part);
        self
    }

    /// The same for the job that ends such a run: it reads what is shown, and puts right what other jobs were killed
    /// before they could.
    #[must_use]
    pub fn of_the_last_job(mut self, told: &[Event]) -> Self {
        told.iter().for_each(|event| self.accounts.hear(event));
        self.share = Share::Last { moved: HashSet::new(), read: HashSet::new() };
        self
    }

    /// Reads once what other jobs showed of a commit.
    pub(super) async fn read_statuses(&mut self, like: &CommitStatus) -> Result<(), GitLabError> {
        let Share::Last { read, .. } = &mut self.share else { return Ok(()) };
        if read.contains(&like.sha) {
            return Ok(());
        }
        let found = self.gitlab.statuses_beside(like).await?;
        read.insert(like.sha.clone());
        for (name, state) in found {
            self.statuses.entry((like.sha.clone(), name)).or_insert(state);
        }
        Ok(())
    }

    /// The deployment that another job made of this one.
    pub(super) async fn made_before(
        &self,
        shown: &deployments::Shown,
    ) -> Result<Option<(u64, DeploymentStatus)>, GitLabError> {
        if !self.share.is_shared() {
            return Ok(None);
        }
        let all = self.gitlab.deployments().newest(&shown.environment).await?;
        let Some(found) = all.into_iter().find(|one| one.sha == shown.commit) else { return Ok(None) };
        Ok(match (DeploymentStatus::ended(&found.status), shown.status) {
            (None, _) => Some((found.id, DeploymentStatus::Running)),
            // of an earlier run, which watched the same commit
            (Some(_), DeploymentStatus::Running) => None,
            // what has ended stays as it is
            (Some(_), DeploymentStatus::Success | DeploymentStatus::Failed | DeploymentStatus::Canceled) => {
                Some((found.id, shown.status))
            }
        })
    }
}
