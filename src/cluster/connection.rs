//! One cluster: its client, made anew when its credentials end.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::access::{self, Connected};
use super::watch::Watches;
use super::{ClusterError, Lookup};
use crate::config::ClusterAccess;

/// Credentials are renewed so long before they end.
const EARLY: Duration = Duration::from_secs(60);

/// Requests that are under way at once, watches aside: a thousand Applications are not asked for all in one moment.
const AT_ONCE: usize = 24;

/// A cluster that is reached with one login. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    access: ClusterAccess,
    lookup: Lookup,
    /// How long one answer may take.
    pub(super) limit: Duration,
    now: RwLock<Arc<Connected>>,
    renewing: tokio::sync::Mutex<()>,
    turns: tokio::sync::Semaphore,
    pub(super) watches: Watches,
}

/// What is asked, in words and as the path of a request.
#[derive(Clone)]
pub(super) struct Asked {
    /// `list applications.argoproj.io in namespace argocd`.
    pub(super) doing: String,
    /// What a 404 means.
    pub(super) missing: Missing,
    pub(super) request: http::Request<Vec<u8>>,
}

/// What a 404 means.
#[derive(Debug, Clone)]
pub(super) enum Missing {
    /// The kind is not installed: its resource, group and version.
    Kind(String),
    /// The object is not there: its kind, name and namespace.
    Object(String),
}

impl Cluster {
    pub(super) async fn connect(
        access: &ClusterAccess,
        lookup: &Lookup,
        limit: Duration,
    ) -> Result<Self, ClusterError> {
        let connected = access::connect(access, lookup).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                access: access.clone(),
                lookup: lookup.clone(),
                limit,
                now: RwLock::new(Arc::new(connected)),
                renewing: tokio::sync::Mutex::default(),
                turns: tokio::sync::Semaphore::new(AT_ONCE),
                watches: Watches::default(),
            }),
        })
    }

    /// Which cluster this is, for messages: context or EKS name, and address.
    pub fn label(&self) -> String {
        self.inner.connected().label.clone()
    }

    /// The namespace of the context; `default` where it names none.
    pub fn namespace(&self) -> String {
        self.inner.connected().client.default_namespace().to_owned()
    }

    /// The answer's body, with a limit in time; credentials that ended are renewed once.
    pub(super) async fn send(&self, asked: &Asked) -> Result<Vec<u8>, ClusterError> {
        let connected = self.inner.ready().await?;
        match self.try_once(&connected, asked).await {
            Err(ClusterError::Unauthorized { .. }) => {
                let renewed = self.inner.renew(&connected).await?;
                self.try_once(&renewed, asked).await
            }
            other => other,
        }
    }

    /// The answer's body as JSON.
    pub(super) async fn ask(&self, asked: &Asked) -> Result<Value, ClusterError> {
        let body = self.send(asked).await?;
        serde_json::from_slice(&body).map_err(|error| ClusterError::Garbled {
            cluster: self.label(),
            doing: asked.doing.clone(),
            reason: error.to_string(),
        })
    }

    async fn try_once(&self, connected: &Connected, asked: &Asked) -> Result<Vec<u8>, ClusterError> {
        // it is never closed
        let _turn = self.inner.turns.acquire().await;
        let answer = connected.client.request_text(asked.request.clone());
        match tokio::time::timeout(self.inner.limit, answer).await {
            Ok(Ok(text)) => Ok(text.into_bytes()),
            // a log may be cut within a letter
            Ok(Err(kube::Error::FromUtf8(error))) => Ok(error.into_bytes()),
            Ok(Err(error)) => Err(ClusterError::of(error, &connected.label, asked)),
            Err(_) => Err(ClusterError::TimedOut {
                cluster: connected.label.clone(),
                doing: asked.doing.clone(),
                after: self.inner.limit,
            }),
        }
    }
}

impl Inner {
    fn connected(&self) -> Arc<Connected> {
        // nothing panics while it is held
        self.now.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The client, with credentials that still last.
    pub(super) async fn ready(&self) -> Result<Arc<Connected>, ClusterError> {
        let connected = self.connected();
        match connected.until {
            Some(until) if Instant::now() + EARLY >= until => self.renew(&connected).await,
            _ => Ok(connected),
        }
    }

    /// A client made anew, unless somebody did so since `old` was had.
    pub(super) async fn renew(&self, old: &Arc<Connected>) -> Result<Arc<Connected>, ClusterError> {
        let _one = self.renewing.lock().await;
        let current = self.connected();
        if !Arc::ptr_eq(&current, old) {
            return Ok(current);
        }
        let renewed = Arc::new(access::connect(&self.access, &self.lookup).await?);
        *self.now.write().unwrap_or_else(std::sync::PoisonError::into_inner) = renewed.clone();
        Ok(renewed)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cluster").field(&self.label()).finish()
    }
}
