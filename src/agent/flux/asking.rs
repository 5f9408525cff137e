//! Our requests for reconciliations: what is asked next.

use tokio::time::Instant;

use super::object::{Object, Request};
use super::verdict::Requests;
use crate::agent::Question;
use crate::repo::CommitId;

/// Our requests for one commit, and when they are sent again.
#[derive(Debug)]
pub struct Asking {
    /// The same for all services of one wait, so that a source of many is asked once.
    token: String,
    attempt: u32,
    pub requests: Requests,
    /// When the source was asked.
    pub since: Option<Instant>,
    /// What the source held at first sight.
    pub first: Option<Option<CommitId>>,
}

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Source,
    Kustomization,
    Release,
}

impl Asking {
    pub fn new(wait: &str, question: &Question) -> Self {
        Self {
            token: format!("datapin-{}-{wait}", question.commit.short()),
            attempt: 0,
            requests: Requests::all(&Request::Open),
            since: None,
            first: None,
        }
    }

    pub fn token(&self) -> String {
        match self.attempt {
            0 => self.token.clone(),
            attempt => format!("{}-{attempt}", self.token),
        }
    }

    /// All of it once more.
    pub fn again(&mut self) {
        self.attempt += 1;
        self.since = None;
        self.requests = Requests::all(&Request::Open);
    }

    pub fn is_allowed(&self) -> bool {
        self.requests.source != Request::Impossible
    }

    /// The source first, then the Kustomization, then the HelmRelease, each once it can have anything new.
    pub fn next(&self, source: &Object, kustomization: &Object, release: Option<&Object>) -> Option<Next> {
        let requests = &self.requests;
        if requests.source == Request::Open {
            return Some(Next::Source);
        }
        if requests.kustomization == Request::Open {
            return source.has_handled(&requests.source).then_some(Next::Kustomization);
        }
        let is_due = requests.release == Request::Open && kustomization.has_handled(&requests.kustomization);
        (is_due && release.is_some()).then_some(Next::Release)
    }
}
