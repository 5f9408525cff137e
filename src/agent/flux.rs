//! Flux: a GitRepository, the Kustomization that applies it, and a HelmRelease where one is named.

mod asking;
mod follow;
pub mod object;
pub mod ready;
pub mod verdict;
mod watching;

use std::time::Duration;

use self::asking::Asking;
use self::object::Object;
use self::watching::{Spot, Watching, source};
use super::after::AfterSync;
use super::kinds::{GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION};
use super::workload::{Need, WorkloadAgent};
use super::{Finding, ObservationError, Question, Repository, Surroundings, Want};
use crate::cluster::{Cluster, Right};
use crate::config::{self, ClusterAccess};

pub use follow::Following;

/// The agent: the templates of its configuration and where it looks.
#[derive(Debug, Clone)]
pub struct FluxAgent {
    settings: config::Flux,
    repository: Repository,
    surroundings: Surroundings,
    after: Vec<WorkloadAgent>,
    /// Unique for each agent that is made, and one is made for each wait.
    wait: String,
}

impl FluxAgent {
    /// The agent that `settings` describe.
    pub fn new(settings: &config::Flux, surroundings: Surroundings) -> Self {
        let new = |workload| WorkloadAgent::new(workload, surroundings.clone(), &settings.access);
        let after = settings.after_sync.iter().map(new).collect();
        let repository = surroundings.repository.clone().alias(settings.repository.as_deref());
        let wait = ulid::Ulid::generate().to_string();
        Self { settings: settings.clone(), repository, surroundings, after, wait }
    }

    /// Pause between two looks where nothing is told by itself.
    pub fn interval(&self) -> Duration {
        self.settings.interval
    }

    fn kustomization(&self, question: &Question) -> Spot {
        Spot {
            namespace: self.surroundings.filled(&self.settings.namespace, question),
            name: self.surroundings.filled(&self.settings.kustomization, question),
        }
    }

    fn release(&self, question: &Question) -> Option<Spot> {
        let text = self.surroundings.filled(self.settings.helm_release.as_deref()?, question);
        Some(match text.split_once('/') {
            Some((namespace, name)) => Spot { namespace: namespace.to_owned(), name: name.to_owned() },
            None => Spot { namespace: self.kustomization(question).namespace, name: text },
        })
    }

    async fn cluster(&self) -> Result<Cluster, ObservationError> {
        Ok(self.surroundings.clusters.get(&self.settings.access).await?)
    }

    /// The wait for one service.
    pub fn follow(&self, question: &Question) -> Following {
        Following {
            kustomization: Watching::new(KUSTOMIZATION, self.kustomization(question)),
            release: self.release(question).map(|spot| Watching::new(HELM_RELEASE, spot)),
            agent: self.clone(),
            source: None,
            asking: Asking::new(&self.wait, question),
            after: AfterSync::new(&self.after, question, None),
            notice: None,
        }
    }

    /// What stands in the way of deploying these services.
    pub async fn ready(&self, wants: &[Want]) -> Vec<Finding> {
        let all = wants.iter().map(|want| async {
            match self.ready_for(want).await {
                Ok(findings) => findings,
                Err(error) => vec![error.finding()],
            }
        });
        let mut findings: Vec<Finding> = Vec::new();
        for finding in futures_util::future::join_all(all).await.into_iter().flatten() {
            // one Kustomization may be of many services
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        findings
    }

    async fn ready_for(&self, want: &Want) -> Result<Vec<Finding>, ObservationError> {
        let cluster = self.cluster().await?;
        let mut following = self.follow(&want.question);
        let Some(kustomization) = following.kustomization.now(&cluster).await? else {
            let missing = following.kustomization.title();
            let key = "`kustomization` or `namespace`";
            return Ok(vec![Finding::Wrong(format!("{missing} does not exist; correct {key} of the agent"))]);
        };
        let mut watching = match source(&kustomization) {
            Ok(watching) => watching,
            Err(kind) => return Ok(vec![not_git(&kustomization, &kind)]),
        };
        let Some(source) = watching.now(&cluster).await? else {
            return Ok(vec![Finding::Wrong(format!(
                "{}, which {} names, does not exist",
                watching.title(),
                kustomization.title()
            ))]);
        };
        let release = match &mut following.release {
            Some(watching) => watching.now(&cluster).await?,
            None => None,
        };
        let mut findings =
            ready::ready(&source, &kustomization, release.as_ref(), &self.repository, &want.files);
        if let Some(missing) = following.release.as_ref().filter(|_| release.is_none()) {
            findings.push(Finding::Warning(format!("{} does not exist yet", missing.title())));
        }
        for workload in &self.after {
            findings.extend(workload.ready(&want.question, None, Need::AfterSync).await);
        }
        Ok(findings)
    }

    /// What has to be allowed, by cluster.
    pub async fn rights(&self, wants: &[Want]) -> Vec<(ClusterAccess, Vec<Right>)> {
        let mut own: Vec<Right> = Vec::new();
        for want in wants {
            let spot = self.kustomization(&want.question);
            let release = self.release(&want.question).map(|spot| (HELM_RELEASE, spot));
            for (kind, spot) in
                [(KUSTOMIZATION, spot.clone()), (GIT_REPOSITORY, spot)].into_iter().chain(release)
            {
                let verbs = ["get", "list", "watch", "patch"];
                own.extend(verbs.map(|verb| Right::to(verb, kind, &spot.namespace)));
            }
        }
        let mut rights = vec![(self.settings.access.clone(), own)];
        for workload in &self.after {
            let mut all = Vec::new();
            for want in wants {
                all.extend(workload.rights(&want.question, None).await);
            }
            rights.push((workload.access().clone(), all));
        }
        rights
    }
}

fn not_git(kustomization: &Object, kind: &str) -> Finding {
    Finding::Wrong(format!(
        "{} takes its files from a {kind}, which names no commit of ours; datapin waits for GitRepository sources",
        kustomization.title()
    ))
}
