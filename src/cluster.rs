//! Kubernetes clusters: connections that are shared by everybody in the process, watches that survive what
//! happens to watches, and errors that say what to do.
//!
//! [`Clusters::get`] gives the [`Cluster`] of a [`ClusterAccess`]; [`Cluster::watch`] gives a [`Watched`], of
//! which there is one per kind and namespace however many ask.

mod access;
mod call;
mod connection;
mod eks;
mod error;
mod kind;
mod labels;
pub mod object;
mod rights;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::config::ClusterAccess;

pub use call::{Happening, LogsOf, Propagation, Stream};
pub use connection::Cluster;
pub use error::ClusterError;
pub use kind::{Kind, Prune};
pub use labels::{BadLabels, Labels};
pub use rights::{Permission, Right, role};
pub use watch::{Seen, Selected, Watched, WatchedOne, Way};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads an environment variable.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The process's connections: one for each way to reach a cluster, made when it is first asked for.
#[derive(Clone)]
pub struct Clusters {
    lookup: Lookup,
    limit: Duration,
    known: Arc<Mutex<HashMap<ClusterAccess, Arc<OnceCell<Cluster>>>>>,
}

impl Clusters {
    /// No connection yet. `lookup` reads `KUBECONFIG`, `HOME` and `AWS_*`; the rest of AWS's credential
    /// chain and credential plug-ins read the environment by themselves.
    pub fn new(lookup: Lookup) -> Self {
        Self { lookup, limit: LIMIT, known: Arc::default() }
    }

    /// The same with another limit for one answer than 10 s.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The cluster that is reached that way. Its address and login are looked up, nothing is asked of it yet.
    ///
    /// # Errors
    /// The kubeconfig, the context, the plug-in or AWS. It is looked up anew when asked again.
    pub async fn get(&self, access: &ClusterAccess) -> Result<Cluster, ClusterError> {
        let made = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(access.clone()).or_default().clone()
        };
        // one that is slow to log in holds up nobody who wants another
        made.get_or_try_init(|| Cluster::connect(access, &self.lookup, self.limit)).await.cloned()
    }
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clusters").finish_non_exhaustive()
    }
}
