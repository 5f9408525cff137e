//! From how a cluster is reached to a client.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::error::places;
use super::{ClusterError, Lookup, eks};
use crate::config::ClusterAccess;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A client and what it was made of.
pub(super) struct Connected {
    pub(super) client: Client,
    /// Context or EKS name, and address.
    pub(super) label: String,
    /// When its credentials end, if they do and the client does not renew them by itself.
    pub(super) until: Option<Instant>,
}

/// A client for the cluster.
pub(super) async fn connect(access: &ClusterAccess, lookup: &Lookup) -> Result<Connected, ClusterError> {
    if let Some(cluster) = &access.eks {
        let (config, until) = eks::config(cluster, lookup).await?;
        let label = format!("EKS cluster `{}` ({})", cluster.cluster, address(&config));
        let mut connected = client(config, label, "").await?;
        connected.until = Some(until);
        return Ok(connected);
    }
    let files = files(access, lookup);
    let there = files.iter().any(|file| file.exists());
    if !there && access.kubeconfig.is_none() && access.context.is_none() && lookup("KUBECONFIG").is_none() {
        return in_cluster(&files).await;
    }
    let place = places(&files);
    let kubeconfig = read(&files, &place)?;
    let context = chosen(access, &kubeconfig, &place)?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| ClusterError::Kubeconfig { place, reason: broken(&context, &error) })?;
    let label = format!("context `{context}` ({})", address(&config));
    client(config, label, &context).await
}

/// Where kubectl looks: the file that is configured, else `KUBECONFIG`'s, else the user's own.
fn files(access: &ClusterAccess, lookup: &Lookup) -> Vec<PathBuf> {
    if let Some(file) = &access.kubeconfig {
        return vec![file.clone()];
    }
    match lookup("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => lookup("HOME").map(|home| PathBuf::from(home).join(".kube/config")).into_iter().collect(),
    }
}

/// The files as one; as kubectl does, those of a list that are not there are passed over.
fn read(files: &[PathBuf], place: &str) -> Result<Kubeconfig, ClusterError> {
    let unusable = |reason: String| ClusterError::Kubeconfig { place: place.to_owned(), reason };
    let there: Vec<&PathBuf> = files.iter().filter(|file| file.exists()).collect();
    if there.is_empty() {
        return Err(unusable("no such file".to_owned()));
    }
    let mut all = Kubeconfig::default();
    for file in there {
        let next = Kubeconfig::read_from(file).map_err(|error| unusable(unreadable(&error)))?;
        all = all.merge(next).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(all)
}

/// The parser's own words show the text around an error, and that may be a token.
fn unreadable(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, _) => source.to_string(),
        KubeconfigError::Parse(_) => "it is no valid kubeconfig: the YAML can't be read".to_owned(),
        other => other.to_string(),
    }
}

fn chosen(access: &ClusterAccess, kubeconfig: &Kubeconfig, place: &str) -> Result<String, ClusterError> {
    let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let current = || kubeconfig.current_context.clone().filter(|name| !name.is_empty());
    match access.context.clone().or_else(current) {
        Some(context) if known.contains(&context) => Ok(context),
        Some(context) => Err(ClusterError::UnknownContext { context, place: place.to_owned(), known }),
        None => Err(ClusterError::Kubeconfig {
            place: place.to_owned(),
            reason: format!("it has no current context; set `context` to one of: {}", known.join(", ")),
        }),
    }
}

fn broken(context: &str, error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("context `{context}` names the cluster `{name}`, which is not there")
        }
        KubeconfigError::MissingClusterUrl => format!("the cluster of context `{context}` has no `server`"),
        other => format!("context `{context}`: {other}"),
    }
}

async fn in_cluster(looked: &[PathBuf]) -> Result<Connected, ClusterError> {
    let config = Config::incluster().map_err(|_| ClusterError::NoKubeconfig {
        looked: if looked.is_empty() {
            "~/.kube/config is".to_owned()
        } else {
            format!("{} is", places(looked))
        },
    })?;
    let label = format!("the cluster that datapin runs in ({})", address(&config));
    client(config, label, "").await
}

/// The client. A credential plug-in is run here, so not on a thread that others wait for.
async fn client(mut config: Config, label: String, context: &str) -> Result<Connected, ClusterError> {
    config.connect_timeout = Some(CONNECT);
    // what is worth trying again is tried again by whoever waits
    config.default_retry = false;
    let login = config.auth_info.clone();
    let made = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
    let reason = match made {
        Ok(Ok(client)) => {
            let until = client.valid_until().and_then(|until| {
                let left = until.as_second().saturating_sub(jiff::Timestamp::now().as_second());
                Instant::now().checked_add(Duration::from_secs(left.try_into().unwrap_or(0)))
            });
            return Ok(Connected { client, label, until });
        }
        Ok(Err(kube::Error::Auth(error))) => return Err(refused(&error, &login, label, context)),
        Ok(Err(error)) => crate::causes::chain(&error),
        Err(error) => error.to_string(),
    };
    Err(ClusterError::Login { cluster: label, reason })
}

fn refused(
    error: &kube::client::AuthError,
    login: &AuthInfo,
    cluster: String,
    context: &str,
) -> ClusterError {
    use kube::client::AuthError;
    let program = login.exec.as_ref().and_then(|exec| exec.command.clone()).unwrap_or_default();
    match error {
        AuthError::AuthExecStart(source) if source.kind() == std::io::ErrorKind::NotFound => {
            ClusterError::NoPlugIn { context: context.to_owned(), program }
        }
        // what it printed may be a token: only its complaints are shown
        AuthError::AuthExecRun { out, .. } => {
            let complaint = String::from_utf8_lossy(&out.stderr);
            let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let reason = format!(
                "program `{program}` failed ({}): {}",
                out.status,
                crate::process::one_line(last, 300)
            );
            ClusterError::Login { cluster, reason }
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            let reason = format!("program `{program}` printed no credentials");
            ClusterError::Login { cluster, reason }
        }
        other => ClusterError::Login { cluster, reason: other.to_string() },
    }
}

fn address(config: &Config) -> String {
    config.cluster_url.to_string().trim_end_matches('/').to_owned()
}
