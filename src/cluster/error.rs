//! What can go wrong with a cluster. No message ever has a token or a key in it.

use std::path::PathBuf;
use std::time::Duration;

use super::connection::{Asked, Missing};
use crate::causes::chain;
use crate::config::suggest::suggest;

/// Why a cluster could not be reached, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no cluster is configured: {looked} not there, and datapin runs in no cluster; set `kubeconfig`, \
         `context` or `eks`, or the variable KUBECONFIG"
    )]
    NoKubeconfig {
        /// Where it was looked for.
        looked: String,
    },
    /// A kubeconfig can't be used.
    #[error("kubeconfig {place}: {reason}")]
    Kubeconfig {
        /// The file or files.
        place: String,
        /// Why.
        reason: String,
    },
    /// The context is not there.
    #[error("kubeconfig {place} has no context `{context}`; {}", suggest(context, known, "contexts").join(" "))]
    UnknownContext {
        /// As configured.
        context: String,
        /// The file or files.
        place: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// The credential plug-in is not there.
    #[error(
        "context `{context}` logs in with the program `{program}`, which is not there; install it, or use \
         another way (`eks = {{ … }}` needs no program)"
    )]
    NoPlugIn {
        /// Context.
        context: String,
        /// Its program.
        program: String,
    },
    /// The login failed before the cluster was asked.
    #[error("cannot log in to {cluster}: {reason}")]
    Login {
        /// Which cluster.
        cluster: String,
        /// Why.
        reason: String,
    },
    /// AWS said no, or could not be reached.
    #[error("EKS cluster `{cluster}` in {region}: {reason}")]
    Eks {
        /// Name of the cluster.
        cluster: String,
        /// Region.
        region: String,
        /// Why.
        reason: String,
    },
    /// No connection.
    #[error("{cluster} cannot be reached: {reason}")]
    Unreachable {
        /// Which cluster, with its address.
        cluster: String,
        /// Why.
        reason: String,
    },
    /// The server is not who it should be.
    #[error(
        "{cluster} is not trusted: {reason}; check `certificate-authority` and `server` of the kubeconfig"
    )]
    NotTrusted {
        /// Which cluster, with its address.
        cluster: String,
        /// Why.
        reason: String,
    },
    /// 401.
    #[error("{cluster} does not know who asks (401): the token or certificate is unknown or expired")]
    Unauthorized {
        /// Which cluster, with its address.
        cluster: String,
    },
    /// 403.
    #[error("not allowed to {doing} in {cluster} (403): {said}")]
    Forbidden {
        /// Which cluster, with its address.
        cluster: String,
        /// Verb, resource, namespace.
        doing: String,
        /// The server's words.
        said: String,
    },
    /// 404 on a list.
    #[error("{cluster} has no resource {resource}: is its operator installed, in this version?")]
    NotInstalled {
        /// Which cluster, with its address.
        cluster: String,
        /// Plural, group and version.
        resource: String,
    },
    /// 404 on an object.
    #[error("{cluster} has no {object}")]
    NotFound {
        /// Which cluster, with its address.
        cluster: String,
        /// Kind, name, namespace.
        object: String,
    },
    /// 409: it is there already, or was changed meanwhile.
    #[error("cannot {doing} in {cluster} (409): {said}")]
    Conflict {
        /// Which cluster, with its address.
        cluster: String,
        /// What was tried.
        doing: String,
        /// The server's words.
        said: String,
    },
    /// Another answer that is no success.
    #[error("cannot {doing} in {cluster} ({code}): {said}")]
    Refused {
        /// Which cluster, with its address.
        cluster: String,
        /// What was tried.
        doing: String,
        /// HTTP status.
        code: u16,
        /// The server's words.
        said: String,
    },
    /// No answer in time.
    #[error("{cluster} gave no answer within {after:?}: {doing}")]
    TimedOut {
        /// Which cluster, with its address.
        cluster: String,
        /// What was tried.
        doing: String,
        /// How long it had.
        after: Duration,
    },
    /// An answer that can't be read.
    #[error("{cluster} answered what cannot be read ({doing}): {reason}")]
    Garbled {
        /// Which cluster, with its address.
        cluster: String,
        /// What was tried.
        doing: String,
        /// Why.
        reason: String,
    },
}

impl ClusterError {
    /// Whether the same may work a moment later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            ClusterError::Unreachable { .. }
            | ClusterError::TimedOut { .. }
            | ClusterError::Garbled { .. }
            | ClusterError::Conflict { .. } => true,
            ClusterError::Refused { code, .. } => *code >= 500 || matches!(code, 408 | 410 | 429),
            _ => false,
        }
    }

    /// Whether a right is missing.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, ClusterError::Forbidden { .. })
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ClusterError::NotFound { .. })
    }
}

/// The files in words.
pub(super) fn places(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl ClusterError {
    /// What a failed request says.
    pub(super) fn of(error: kube::Error, cluster: &str, asked: &Asked) -> Self {
        let (cluster, doing) = (cluster.to_owned(), asked.doing.clone());
        match error {
            kube::Error::Api(status) => Self::of_status(&status, cluster, asked),
            kube::Error::Auth(error) => Self::Login { cluster, reason: login(&error) },
            kube::Error::Service(error) => Self::of_connection(error.as_ref(), cluster),
            kube::Error::HyperError(error) => Self::of_connection(&error, cluster),
            kube::Error::ReadEvents(error) => Self::of_connection(&error, cluster),
            other => Self::Garbled { cluster, doing, reason: chain(&other) },
        }
    }

    pub(super) fn of_status(status: &kube::core::Status, cluster: String, asked: &Asked) -> Self {
        let doing = asked.doing.clone();
        let said = crate::process::one_line(&status.message, 300);
        match (status.code, &asked.missing) {
            (401, _) => Self::Unauthorized { cluster },
            (403, _) => Self::Forbidden { cluster, doing, said },
            (404, Missing::Kind(resource)) => Self::NotInstalled { cluster, resource: resource.clone() },
            (404, Missing::Object(object)) => Self::NotFound { cluster, object: object.clone() },
            (409, _) => Self::Conflict { cluster, doing, said },
            (code, _) => Self::Refused { cluster, doing, code, said },
        }
    }

    fn of_connection(error: &(dyn std::error::Error + 'static), cluster: String) -> Self {
        let mut cause = Some(error);
        while let Some(one) = cause {
            if let Some(error) = one.downcast_ref::<kube::client::AuthError>() {
                return Self::Login { cluster, reason: login(error) };
            }
            cause = one.source();
        }
        let reason = chain(error);
        match reason.contains("certificate") {
            true => Self::NotTrusted { cluster, reason },
            false => Self::Unreachable { cluster, reason },
        }
    }
}

/// Never what a plug-in printed: that may be a token.
fn login(error: &kube::client::AuthError) -> String {
    match error {
        kube::client::AuthError::AuthExecRun { cmd, out } => {
            format!("program `{cmd}` failed ({})", out.status)
        }
        kube::client::AuthError::AuthExecParse(_) => "its program printed no credentials".to_owned(),
        other => other.to_string(),
    }
}
