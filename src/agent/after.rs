//! Workloads that have to be up after another agent's sync.

use std::time::Duration;

use super::cause::Cause;
use super::workload::verdict::Standing;
use super::workload::{self, WorkloadAgent};
use super::{Health, Observation, ObservationError, Question, Sync};
use crate::repo::CommitId;

/// After this time a template that still carries something else will not change: what the agent applied and what
/// the watch tells may be a moment apart.
const IGNORED: Duration = Duration::from_secs(5);

/// The workloads of one service.
#[derive(Debug, Default)]
pub struct AfterSync {
    followings: Vec<workload::Following>,
    /// When which sync was first seen done.
    since: Option<(Option<CommitId>, tokio::time::Instant)>,
    /// Whether they are looked at.
    looking: bool,
}

impl AfterSync {
    /// The workloads that `agents` name for a service.
    pub fn new(agents: &[WorkloadAgent], question: &Question, namespace: Option<&str>) -> Self {
        let followings = agents.iter().map(|agent| agent.follow(question, namespace)).collect();
        Self { followings, since: None, looking: false }
    }

    /// What follows for the service: a healthy one is only healthy if its workloads are.
    pub async fn confirm(&mut self, seen: Observation) -> Result<Observation, ObservationError> {
        if self.followings.is_empty() || seen.sync != Sync::Synced || seen.health != Health::Healthy {
            self.since = None;
            self.looking = false;
            return Ok(seen);
        }
        self.looking = true;
        let since = match &self.since {
            Some((revision, since)) if *revision == seen.revision => *since,
            _ => tokio::time::Instant::now(),
        };
        self.since = Some((seen.revision.clone(), since));
        for following in &mut self.followings {
            let (health, reason) = match following.standing().await? {
                Standing::Up => continue,
                Standing::Moving(reason) => (Health::Progressing, reason),
                Standing::Bad { reason, .. } => (Health::Degraded, reason),
                Standing::Other(reason) if since.elapsed() < IGNORED => (Health::Progressing, reason),
                Standing::Other(reason) => {
                    (Health::Degraded, format!("{reason}: it was synced, and its pods are not changed by it"))
                }
            };
            return Ok(Observation { health, reason, ..seen });
        }
        Ok(seen)
    }

    /// Returns when there may be something new.
    pub async fn changed(&mut self) {
        if !self.looking {
            return std::future::pending().await;
        }
        let changes = self.followings.iter_mut().map(|following| Box::pin(following.changed()));
        futures_util::future::select_all(changes).await;
    }

    /// What people should know of how they are watched; given once.
    pub fn take_notice(&self) -> Option<String> {
        self.followings.iter().find_map(workload::Following::take_notice)
    }

    /// Why they are not up; `None` if nothing was found.
    pub async fn cause(&mut self) -> Option<Cause> {
        for following in &mut self.followings {
            let cause = following.cause().await;
            if cause != Cause::default() {
                return Some(cause);
            }
        }
        None
    }
}
