//! The wait for one service.

use std::sync::Arc;

use tokio::time::Instant;

use super::relations::{Look, Relations};
use super::{Awaited, Context, Ended, How, Journal, Talk};
use crate::agent::wait::{Mode, Progress, Relation, Watch};
use crate::agent::{Agent, Following, Observation, ObservationError, PinFact, Question};
use crate::config::Place;
use crate::event::{Level, What};
use crate::queue::ServiceState;
use crate::repo::CommitId;

/// Everything that the wait for one service needs.
pub(super) struct Wait {
    pub(super) context: Context,
    pub(super) journal: Journal,
    pub(super) agent: Agent,
    pub(super) relations: Arc<Relations>,
    pub(super) awaited: Awaited,
    pub(super) service: String,
    pub(super) values: Vec<(Place, String)>,
    pub(super) mode: Mode,
    pub(super) talk: Talk,
}

/// What was seen last.
struct Last {
    /// In words.
    reason: String,
    /// The revision that the agent named.
    revision: Option<CommitId>,
}

impl Wait {
    /// Waits for the service's end.
    pub(super) async fn run(self) -> Ended {
        let mut following = self.agent.follow(self.question());
        let how = self.wait(&mut following).await;
        match &how {
            How::Up => self.tell(self.good(), "", &[]),
            How::Superseded { by } => self.tell(self.good(), &format!("superseded by {by}"), &[]),
            How::Failed { .. } => {}
        }
        Ended { environment: self.awaited.environment, service: self.service, how }
    }

    async fn wait(&self, following: &mut Following) -> How {
        let begun = Instant::now();
        let mut watch = Watch::new(self.mode, self.agent.patience());
        let mut last = Last { reason: "nothing yet".to_owned(), revision: None };
        loop {
            let observed = self.observe(following).await;
            let answered = observed.is_ok();
            last.revision = observed.as_ref().ok().and_then(|(seen, _)| seen.revision.clone());
            if let Some(notice) = following.take_notice() {
                self.context.events.note(&self.journal.run(), Level::Warning, notice);
            }
            match watch.next(observed) {
                Progress::Done => return How::Up,
                Progress::Superseded { by } => return How::Superseded { by },
                Progress::Failed { reason, log } => return self.failed(following, &last, reason, log).await,
                Progress::Waiting { reason } => self.moves(&mut last, reason),
            }
            let Some(left) = self.awaited.limit.checked_sub(begun.elapsed()) else {
                let reason = format!("not up within {:?}; last seen: {}", self.awaited.limit, last.reason);
                return self.failed(following, &last, reason, Vec::new()).await;
            };
            let news = async {
                match answered {
                    true => following.changed().await,
                    false => following.pause().await,
                }
            };
            // the limit is looked at above
            let _ = tokio::time::timeout(left, news).await;
        }
    }

    /// Tells how far it is, where that is news.
    fn moves(&self, last: &mut Last, reason: String) {
        if reason != last.reason {
            self.tell(self.moving(), &reason, &[]);
        }
        last.reason = reason;
    }

    /// Says that the service did not come up, with everything that is known of why; unless somebody else's version is
    /// what it should come up with by now, which an agent that names no revision does not know.
    async fn failed(
        &self,
        following: &mut Following,
        last: &Last,
        reason: String,
        mut log: Vec<String>,
    ) -> How {
        if last.revision.is_none()
            && let Relation::Superseded { by } = self.at_tip(Look::Now).await
        {
            return How::Superseded { by };
        }
        let cause = following.cause().await;
        let known = cause.reason.is_empty() || reason.contains(&cause.reason);
        let reason = if known { reason } else { format!("{reason}; {}", cause.reason) };
        log.extend(cause.log);
        self.tell(self.bad(), &reason, &log);
        How::Failed { reason }
    }

    fn question(&self) -> Question {
        Question {
            environment: self.awaited.environment.clone(),
            service: self.service.clone(),
            dataset: self.awaited.dataset.clone(),
            version: self.awaited.version.clone(),
            commit: self.awaited.commit.clone(),
            pins: self
                .values
                .iter()
                .map(|(place, text)| PinFact {
                    file: place.file.clone(),
                    path: place.path.to_string(),
                    value: text.clone(),
                })
                .collect(),
        }
    }

    async fn observe(&self, following: &mut Following) -> Result<(Observation, Relation), ObservationError> {
        let seen = following.observe().await?;
        let relation = match &seen.revision {
            None => self.at_tip(Look::Seldom).await,
            Some(revision) => self.relations.of(revision, &self.service, &self.values).await,
        };
        Ok((seen, relation))
    }

    async fn at_tip(&self, look: Look) -> Relation {
        self.relations.at_tip(look, &self.service, &self.values).await
    }

    fn tell(&self, state: ServiceState, reason: &str, log: &[String]) {
        let failed = matches!(state, ServiceState::Failed | ServiceState::RollbackFailed);
        if self.talk == Talk::Failures && !failed {
            return;
        }
        let (environment, service) = (self.awaited.environment.clone(), self.service.clone());
        self.journal.note(|ticket| ticket.service(&environment, &service, state, reason));
        self.context.events.tell(
            &self.journal.run(),
            What::Service { environment, service, state, reason: reason.to_owned(), log: log.to_vec() },
        );
    }

    fn moving(&self) -> ServiceState {
        match self.mode {
            Mode::Deploy => ServiceState::Syncing,
            Mode::Rollback => ServiceState::RollingBack,
        }
    }

    fn good(&self) -> ServiceState {
        match self.mode {
            Mode::Deploy => ServiceState::Deployed,
            Mode::Rollback => ServiceState::RolledBack,
        }
    }

    fn bad(&self) -> ServiceState {
        match self.mode {
            Mode::Deploy => ServiceState::Failed,
            Mode::Rollback => ServiceState::RollbackFailed,
        }
    }
}
