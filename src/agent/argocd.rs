//! Argo CD: an Application for each service, read through the Kubernetes API or through Argo CD's own.

pub mod application;
mod cluster;
mod follow;
pub mod ready;
pub mod rest;
mod source;
pub mod verdict;
pub mod window;

use std::time::Duration;

use tokio::time::Instant;

use self::application::Application;
use self::cluster::InCluster;
use self::ready::{Expected, SyncBy};
use self::rest::OnServer;
use self::source::Source;
use self::verdict::{Ask, Seen};
use super::kinds::{APP_PROJECT, APPLICATION};
use super::workload::{Need, WorkloadAgent};
use super::{Finding, Question, Repository, Surroundings, Want};
use crate::cluster::Right;
use crate::config::{self, ArgoReach, ClusterAccess};

pub use follow::Following;
use follow::Waits;

/// The agent: the templates of its configuration and where it looks.
#[derive(Debug, Clone)]
pub struct ArgoCdAgent {
    settings: config::ArgoCd,
    repository: Repository,
    surroundings: Surroundings,
    after: Vec<WorkloadAgent>,
}

impl ArgoCdAgent {
    /// The agent that `settings` describe.
    pub fn new(settings: &config::ArgoCd, surroundings: Surroundings) -> Self {
        let access = match &settings.reach {
            ArgoReach::Cluster(access) => access.clone(),
            ArgoReach::Server { .. } => ClusterAccess::default(),
        };
        let after = settings
            .after_sync
            .iter()
            .map(|workload| WorkloadAgent::new(workload, surroundings.clone(), &access))
            .collect();
        let repository = surroundings.repository.clone().alias(settings.repository.as_deref());
        Self { settings: settings.clone(), repository, surroundings, after }
    }

    /// Pause between two looks where nothing is told by itself.
    pub fn interval(&self) -> Duration {
        self.settings.interval
    }

    /// Namespace and name of a service's Application.
    fn place(&self, question: &Question) -> (String, String) {
        (
            self.surroundings.filled(&self.settings.namespace, question),
            self.surroundings.filled(&self.settings.application, question),
        )
    }

    fn source(&self, question: &Question) -> Source {
        let (namespace, name) = self.place(question);
        match &self.settings.reach {
            ArgoReach::Cluster(access) => {
                let clusters = self.surroundings.clusters.clone();
                Source::Cluster(InCluster::new(clusters, access.clone(), namespace, name))
            }
            ArgoReach::Server { server, token, ca } => {
                Source::Server(OnServer::new(server, token, ca.as_deref(), namespace, name))
            }
        }
    }

    /// The wait for one service.
    pub fn follow(&self, question: &Question) -> Following {
        Following {
            ask: Ask {
                repository: self.repository.clone(),
                commit: question.commit.clone(),
                retries: self.settings.sync_retries,
            },
            source: self.source(question),
            agent: self.clone(),
            begun: Instant::now(),
            refreshed: None,
            may_refresh: true,
            first: None,
            requested: None,
            ended: None,
            seen: Seen::default(),
            after: None,
            notice: None,
            waits: Waits::default(),
        }
    }

    /// What stands in the way of deploying these services.
    pub async fn ready(&self, wants: &[Want]) -> Vec<Finding> {
        let all = wants.iter().map(|want| self.ready_for(want));
        futures_util::future::join_all(all).await.into_iter().flatten().collect()
    }

    async fn ready_for(&self, want: &Want) -> Vec<Finding> {
        let mut source = self.source(&want.question);
        let app = match source.now().await {
            Ok(Some(app)) => app,
            Ok(None) => {
                return vec![Finding::Wrong(format!(
                    "{} does not exist; correct `application` or `namespace` of the agent",
                    source.title()
                ))];
            }
            Err(error) => return vec![error.finding()],
        };
        let by = match self.settings.sync {
            config::SyncBy::Auto => SyncBy::Argo,
            config::SyncBy::Request => SyncBy::Datapin,
        };
        let expected = Expected { repository: &self.repository, files: &want.files, by };
        let mut findings = ready::ready(&app, &expected);
        let namespace = namespace(&app);
        for workload in &self.after {
            findings.extend(workload.ready(&want.question, Some(&namespace), Need::AfterSync).await);
        }
        findings
    }

    /// What has to be allowed, by cluster.
    pub async fn rights(&self, wants: &[Want]) -> Vec<(ClusterAccess, Vec<Right>)> {
        let mut rights = Vec::new();
        if let ArgoReach::Cluster(access) = &self.settings.reach {
            let mut own = Vec::new();
            for want in wants {
                let (namespace, name) = self.place(&want.question);
                own.extend(["list", "watch"].map(|verb| Right::to(verb, APPLICATION, &namespace)));
                own.extend(["get", "patch"].map(|verb| Right::to(verb, APPLICATION, &namespace).only(&name)));
                // its sync windows
                own.push(Right::to("get", APP_PROJECT, &namespace));
            }
            rights.push((access.clone(), own));
        }
        for workload in &self.after {
            let mut all = Vec::new();
            for want in wants {
                let namespace = match workload.names_namespace() {
                    true => None,
                    false => self.destination(&want.question).await,
                };
                all.extend(workload.rights(&want.question, namespace.as_deref()).await);
            }
            rights.push((workload.access().clone(), all));
        }
        rights
    }

    /// Namespace that a service's Application deploys to, as far as it can be read.
    async fn destination(&self, question: &Question) -> Option<String> {
        let app = self.source(question).now().await.ok().flatten()?;
        Some(namespace(&app))
    }
}

/// Namespace that an Application deploys to.
fn namespace(app: &Application) -> String {
    app.spec.destination.namespace.clone().unwrap_or_else(|| "default".to_owned())
}
