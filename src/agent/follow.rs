//! The wait for one service: when to look, and what is seen.

use std::time::Duration;

use super::cause::Cause;
use super::{Agent, CommandAgent, Observation, ObservationError, Question, argocd, flux, workload};

/// How long a cause is looked for.
const CAUSE: Duration = Duration::from_secs(10);

/// One service that somebody waits for.
#[derive(Debug)]
pub struct Following {
    question: Question,
    interval: Duration,
    how: How,
}

#[derive(Debug)]
enum How {
    Command(CommandAgent),
    ArgoCd(Box<argocd::Following>),
    Flux(Box<flux::Following>),
    Workload(Box<workload::Following>),
}

impl Following {
    pub(super) fn new(agent: &Agent, question: Question) -> Self {
        let how = match agent {
            Agent::Command(agent) => How::Command(agent.clone()),
            Agent::ArgoCd(agent) => How::ArgoCd(Box::new(agent.follow(&question))),
            Agent::Flux(agent) => How::Flux(Box::new(agent.follow(&question))),
            Agent::Workload { agent, .. } => How::Workload(Box::new(agent.follow(&question, None))),
        };
        Self { interval: agent.interval(), question, how }
    }

    /// What the agent says now. Dropping the future stops the asking.
    ///
    /// # Errors
    /// When its word could not be had: that says nothing about the service.
    pub async fn observe(&mut self) -> Result<Observation, ObservationError> {
        match &mut self.how {
            How::Command(agent) => agent.observe(&self.question).await,
            How::ArgoCd(following) => following.observe(&self.question).await,
            How::Flux(following) => following.observe(&self.question).await,
            How::Workload(following) => following.observe(&self.question).await,
        }
    }

    /// Returns when asking again is worth it: at news, at the latest after the interval.
    pub async fn changed(&mut self) {
        let news = async {
            match &mut self.how {
                How::Command(_) => std::future::pending().await,
                How::ArgoCd(following) => following.changed().await,
                How::Flux(following) => following.changed().await,
                How::Workload(following) => following.changed().await,
            }
        };
        // nothing new in time is as good as news
        let _ = tokio::time::timeout(self.interval, news).await;
    }

    /// The pause before asking again after an error.
    pub async fn pause(&self) {
        tokio::time::sleep(self.interval).await;
    }

    /// What people should know of how it is asked; given once.
    pub fn take_notice(&mut self) -> Option<String> {
        match &mut self.how {
            How::Command(_) => None,
            How::Workload(following) => following.take_notice(),
            How::ArgoCd(following) => following.take_notice(),
            How::Flux(following) => following.take_notice(),
        }
    }

    /// Why the service is not up, as far as the cluster tells. Never takes long, never fails.
    pub async fn cause(&mut self) -> Cause {
        let found = async {
            match &mut self.how {
                How::Command(_) => Cause::default(),
                How::ArgoCd(following) => following.cause().await,
                How::Flux(following) => following.cause().await,
                How::Workload(following) => following.cause().await,
            }
        };
        tokio::time::timeout(CAUSE, found).await.unwrap_or_default()
    }
}
