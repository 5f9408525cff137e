//! Why an agent's word could not be had.

use std::sync::Arc;
use std::time::Duration;

use super::{BadAnswer, Finding};
use crate::cluster::ClusterError;
use crate::process::ProcessError;

/// Why an agent's word could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ObservationError {
    /// Its program could not be run.
    #[error("the agent could not be asked: {0}")]
    Program(#[from] ProcessError),
    /// Its program failed.
    #[error("agent `{program}` ended with exit code {code}; an answer needs 0{}", complaint(stderr))]
    Exit {
        /// Program.
        program: String,
        /// Exit code.
        code: i32,
        /// The end of its complaints.
        stderr: Vec<String>,
    },
    /// Its program was killed.
    #[error("agent `{program}` was ended by signal {signal}{}", complaint(stderr))]
    Signal {
        /// Program.
        program: String,
        /// Number of the signal.
        signal: i32,
        /// The end of its complaints.
        stderr: Vec<String>,
    },
    /// Its program took too long.
    #[error(
        "agent `{program}` gave no answer within {after:?}; raise the agent's `timeout` if it needs longer"
    )]
    TimedOut {
        /// Program.
        program: String,
        /// How long it had.
        after: Duration,
    },
    /// What it printed is no answer.
    #[error("agent `{program}`: {source}")]
    Answer {
        /// Program.
        program: String,
        /// Why not.
        source: BadAnswer,
    },
    /// A cluster could not be asked.
    #[error("{0}")]
    Cluster(Arc<ClusterError>),
    /// Argo CD's own API could not be asked.
    #[error("{0}")]
    Argo(#[from] super::argocd::rest::RestError),
    /// A watch has said nothing yet.
    #[error("the cluster has not told its {what} yet")]
    Silent {
        /// What is watched.
        what: String,
    },
    /// An object is not what it should be.
    #[error("{object} cannot be read: {reason}; is it of a version that this datapin does not know?")]
    Object {
        /// Kind and name.
        object: String,
        /// Why.
        reason: String,
    },
}

impl From<ClusterError> for ObservationError {
    fn from(error: ClusterError) -> Self {
        ObservationError::Cluster(Arc::new(error))
    }
}

impl ObservationError {
    /// Whether a right is missing.
    pub fn is_forbidden(&self) -> bool {
        match self {
            ObservationError::Cluster(error) => error.is_forbidden(),
            ObservationError::Argo(error) => error.is_forbidden(),
            ObservationError::Program(_)
            | ObservationError::Exit { .. }
            | ObservationError::Signal { .. }
            | ObservationError::TimedOut { .. }
            | ObservationError::Answer { .. }
            | ObservationError::Silent { .. }
            | ObservationError::Object { .. } => false,
        }
    }

    /// The same, found before anything was written.
    pub fn finding(&self) -> Finding {
        match self {
            ObservationError::Cluster(error) => match **error {
                ClusterError::NoKubeconfig { .. }
                | ClusterError::Kubeconfig { .. }
                | ClusterError::UnknownContext { .. }
                | ClusterError::NoPlugIn { .. }
                | ClusterError::NotInstalled { .. }
                | ClusterError::NotFound { .. } => Finding::Wrong(self.to_string()),
                _ => Finding::Unreachable(self.to_string()),
            },
            ObservationError::Argo(error) if error.is_configuration() => Finding::Wrong(self.to_string()),
            ObservationError::Object { .. } => Finding::Wrong(self.to_string()),
            ObservationError::Program(_)
            | ObservationError::Exit { .. }
            | ObservationError::Signal { .. }
            | ObservationError::TimedOut { .. }
            | ObservationError::Answer { .. }
            | ObservationError::Argo(_)
            | ObservationError::Silent { .. } => Finding::Unreachable(self.to_string()),
        }
    }
}

fn complaint(stderr: &[String]) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {}", stderr.join(" / ")) }
}
