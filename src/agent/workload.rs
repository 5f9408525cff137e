//! Plain workloads: Deployments, StatefulSets and DaemonSets, and what their running pods carry.

pub mod object;
pub mod proof;
mod ready;
pub mod rollout;
pub mod trouble;
pub mod verdict;

use std::collections::HashMap;

use tokio::time::Instant;

use self::object::{Pod, Workload};
use self::proof::Proof;
use self::trouble::Trouble;
use self::verdict::{Facts, Seen, Standing};
use super::cause::{self, Cause};
use super::kinds::{DEPLOYMENT, REPLICA_SET, WORKLOADS};
use super::live::{Group, Live};
use super::{Finding, Health, Observation, ObservationError, Question, Surroundings, Sync};
use crate::cluster::{Cluster, Kind, Right};
use crate::config::{self, ClusterAccess, Facts as Placeholders};

pub use ready::{Need, ready};

/// Which workloads are a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one of that name.
    Named(Kind, String),
    /// All with these labels.
    Labelled(String),
}

/// A workload agent: the templates of its configuration and where it looks.
#[derive(Debug, Clone)]
pub struct WorkloadAgent {
    settings: config::Workload,
    surroundings: Surroundings,
    /// How the cluster is reached where the workload itself does not say.
    access: ClusterAccess,
}

impl WorkloadAgent {
    /// Workloads as `settings` say. `access` is used where they name no cluster of their own.
    pub fn new(settings: &config::Workload, surroundings: Surroundings, access: &ClusterAccess) -> Self {
        let own = &settings.access;
        let access = if *own == ClusterAccess::default() { access.clone() } else { own.clone() };
        Self { settings: settings.clone(), surroundings, access }
    }

    /// The workloads of one service. `namespace` is meant where the agent names none; without it, that of the
    /// context.
    pub fn follow(&self, question: &Question, namespace: Option<&str>) -> Following {
        Following {
            which: self.which(&question.service, &question.dataset),
            namespace: self.namespace(&question.service, &question.dataset, namespace),
            proof: self.proof(),
            wanted: question.values(),
            agent: self.clone(),
            begun: Instant::now(),
            seen: HashMap::new(),
            watches: None,
            trouble: None,
            wakes: Wakes::OnWorkload,
        }
    }

    fn filled(&self, template: &str, service: &str, dataset: &str) -> String {
        let environment = &self.surroundings.environment;
        let facts = Placeholders { dataset, environment, service: Some(service), version: None };
        config::fill(template, &facts)
    }

    /// The workloads of a service.
    pub fn which(&self, service: &str, dataset: &str) -> Which {
        match &self.settings.which {
            config::WorkloadName::Resource { kind, name } => Which::Named(
                super::kinds::workload(kind).unwrap_or(DEPLOYMENT),
                self.filled(name, service, dataset),
            ),
            config::WorkloadName::Selector(labels) => Which::Labelled(self.filled(labels, service, dataset)),
        }
    }

    /// Their namespace; `None` where neither the agent nor `default` names one: then it is that of the context.
    pub fn namespace(&self, service: &str, dataset: &str, default: Option<&str>) -> Option<String> {
        let own = self.settings.namespace.as_deref().map(|template| self.filled(template, service, dataset));
        own.or_else(|| default.map(str::to_owned))
    }

    /// Whether the agent names a namespace itself.
    pub fn names_namespace(&self) -> bool {
        self.settings.namespace.is_some()
    }

    fn proof(&self) -> Option<Proof> {
        self.settings.proof.as_ref().map(|proof| match proof {
            config::Proof::Env(name) => Proof::Env(name.clone()),
            config::Proof::Annotation(name) => Proof::Annotation(name.clone()),
        })
    }

    /// What has to be allowed for one service; `namespace` as in [`WorkloadAgent::follow`].
    pub async fn rights(&self, question: &Question, namespace: Option<&str>) -> Vec<Right> {
        let (service, dataset) = (&question.service, &question.dataset);
        let namespace = match self.namespace(service, dataset, namespace) {
            Some(namespace) => namespace,
            // whoever cannot be asked for its rights says so itself
            None => self.cluster().await.map_or_else(|_| "default".to_owned(), |cluster| cluster.namespace()),
        };
        let kinds = match self.which(service, dataset) {
            Which::Named(kind, _) => vec![kind],
            Which::Labelled(_) => WORKLOADS.to_vec(),
        };
        let sets = kinds.contains(&DEPLOYMENT).then_some(REPLICA_SET);
        let watched = kinds.into_iter().chain(sets).chain([Kind::POD]);
        let mut rights: Vec<Right> = watched
            .flat_map(|kind| ["get", "list", "watch"].map(|verb| Right::to(verb, kind, &namespace)))
            .collect();
        rights.push(Right::to("get", Kind::POD, &namespace).subresource("log"));
        rights.push(Right::to("list", Kind::EVENT, &namespace));
        rights
    }

    /// The cluster.
    pub(super) async fn cluster(&self) -> Result<Cluster, ObservationError> {
        Ok(self.surroundings.clusters.get(&self.access).await?)
    }

    /// How the cluster is reached.
    pub fn access(&self) -> &ClusterAccess {
        &self.access
    }

    /// What stands in the way of waiting for the workloads of a service.
    pub async fn ready(&self, question: &Question, namespace: Option<&str>, need: Need) -> Vec<Finding> {
        let mut following = self.follow(question, namespace);
        match following.workloads().await {
            Ok(found) => ready(&following.describe(), &found, following.proof.as_ref(), need),
            Err(error) => vec![error.finding()],
        }
    }
}

/// What a wait for workloads is woken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wakes {
    /// A change of the workload itself.
    OnWorkload,
    /// A change of any pod: only pods are missing.
    OnPods,
}

/// The workloads of one service that somebody waits for.
#[derive(Debug)]
pub struct Following {
    agent: WorkloadAgent,
    which: Which,
    /// `None` until the cluster is known, whose context names it.
    namespace: Option<String>,
    proof: Option<Proof>,
    wanted: Vec<String>,
    begun: Instant,
    seen: HashMap<String, Seen>,
    watches: Option<Watches>,
    trouble: Option<Trouble>,
    wakes: Wakes,
}

#[derive(Debug)]
struct Watches {
    named: Option<(Kind, Live)>,
    labelled: Vec<(Kind, Group)>,
    sets: Group,
    pods: Group,
}

impl Following {
    /// What the pods say, as an agent's word: the commit is theirs once they carry its version.
    pub async fn observe(&mut self, question: &Question) -> Result<Observation, ObservationError> {
        let ours = Some(question.commit.clone());
        let (revision, sync, health, reason) = match self.standing().await? {
            Standing::Other(reason) => (None, Sync::Pending, Health::Unknown, reason),
            Standing::Moving(reason) => (ours, Sync::Synced, Health::Progressing, reason),
            Standing::Bad { reason, .. } => (ours, Sync::Synced, Health::Degraded, reason),
            Standing::Up => (ours, Sync::Synced, Health::Healthy, String::new()),
        };
        Ok(Observation { revision, sync, health, reason, log: Vec::new() })
    }

    /// How they stand: the worst of them.
    pub async fn standing(&mut self) -> Result<Standing, ObservationError> {
        let workloads = self.workloads().await?;
        if workloads.is_empty() {
            return Ok(Standing::Other(format!("{} does not exist", self.describe())));
        }
        let now = self.begun.elapsed();
        let mut worst = Standing::Up;
        for workload in workloads {
            let (sets, pods) = self.parts(&workload).await?;
            let facts = Facts { workload: &workload, sets: &sets, pods: &pods };
            let proof = self.proof.as_ref().map(|proof| (proof, self.wanted.as_slice()));
            let seen = self.seen.entry(workload.metadata.uid.clone()).or_default();
            let standing = seen.next(&facts, proof, now);
            if let Standing::Bad { pod, .. } = &standing {
                self.trouble.clone_from(pod);
            }
            if rank(&standing) > rank(&worst) {
                worst = standing;
            }
        }
        self.wakes = if matches!(worst, Standing::Moving(_)) { Wakes::OnPods } else { Wakes::OnWorkload };
        Ok(worst)
    }

    /// The workloads as they are now.
    async fn workloads(&mut self) -> Result<Vec<Workload>, ObservationError> {
        if self.watches.is_none() {
            self.watches = Some(self.watch().await?);
        }
        let Some(watches) = &mut self.watches else { return Ok(Vec::new()) };
        let mut found: Vec<Workload> = Vec::new();
        if let Some((kind, live)) = &mut watches.named {
            found.extend(live.now::<Workload>().await?.map(|workload| of_kind(*kind, workload)));
        }
        if let Which::Labelled(labels) = &self.which {
            for (kind, group) in &mut watches.labelled {
                let workloads = group.now::<Workload>(labels).await?;
                found.extend(workloads.into_iter().map(|workload| of_kind(*kind, workload)));
            }
        }
        Ok(found)
    }

    async fn watch(&mut self) -> Result<Watches, ObservationError> {
        let cluster = self.agent.cluster().await?;
        let namespace = &*self.namespace.get_or_insert_with(|| cluster.namespace());
        let (named, labelled) = match &self.which {
            Which::Named(kind, name) => {
                (Some((*kind, Live::new(&cluster, *kind, namespace, name))), Vec::new())
            }
            Which::Labelled(_) => {
                (None, WORKLOADS.map(|kind| (kind, Group::new(&cluster, kind, namespace))).to_vec())
            }
        };
        let sets = Group::new(&cluster, REPLICA_SET, namespace);
        let pods = Group::new(&cluster, Kind::POD, namespace);
        Ok(Watches { named, labelled, sets, pods })
    }

    /// ReplicaSets and pods of a workload.
    async fn parts(&mut self, workload: &Workload) -> Result<(Vec<Workload>, Vec<Pod>), ObservationError> {
        let Some(watches) = &mut self.watches else { return Ok((Vec::new(), Vec::new())) };
        let labels = workload.pod_labels();
        let sets = match workload.kind == DEPLOYMENT.kind {
            true => watches.sets.now(&labels).await?,
            false => Vec::new(),
        };
        Ok((sets, watches.pods.now(&labels).await?))
    }

    /// Returns when there may be something new.
    pub async fn changed(&mut self) {
        let wakes = self.wakes;
        let Some(watches) = &mut self.watches else { return std::future::pending().await };
        let named = async {
            match &mut watches.named {
                Some((_, live)) => live.changed().await,
                None => std::future::pending().await,
            }
        };
        let labelled = async {
            let changes = watches.labelled.iter_mut().map(|(_, group)| Box::pin(group.changed()));
            match watches_any(changes.collect()).await {
                true => {}
                false => std::future::pending().await,
            }
        };
        let pods = async {
            match wakes {
                Wakes::OnPods => watches.pods.changed().await,
                Wakes::OnWorkload => std::future::pending().await,
            }
        };
        tokio::select! {
            () = named => {}
            () = labelled => {}
            () = pods => {}
        }
    }

    /// What people should know of how they are watched; given once.
    pub fn take_notice(&self) -> Option<String> {
        let watches = self.watches.as_ref()?;
        let named = watches.named.as_ref().and_then(|(_, live)| live.take_notice());
        let groups = watches.labelled.iter().map(|(_, group)| group).chain([&watches.sets, &watches.pods]);
        named.or_else(|| groups.into_iter().find_map(Group::take_notice))
    }

    /// Log lines and events of the pod that is in trouble.
    pub async fn cause(&mut self) -> Cause {
        let Ok(cluster) = self.agent.cluster().await else { return Cause::default() };
        let namespace = self.namespace.clone().unwrap_or_else(|| cluster.namespace());
        if let Some(trouble) = &self.trouble {
            let log = cause::evidence(&cluster, &namespace, trouble).await;
            return Cause { reason: String::new(), log };
        }
        let workloads = self.workloads().await.unwrap_or_default();
        let suspects: Vec<cause::Suspect> = workloads
            .iter()
            .filter_map(|workload| {
                let (kind, name) = (super::kinds::workload(&workload.kind)?, workload.metadata.name.clone());
                Some(cause::Suspect { kind, namespace: namespace.clone(), name })
            })
            .collect();
        cause::of(&cluster, &suspects).await
    }

    /// What is looked for, in words.
    fn describe(&self) -> String {
        let what = match &self.which {
            Which::Named(kind, name) => format!("{} {name}", kind.kind),
            Which::Labelled(labels) => format!("a workload with labels {labels}"),
        };
        match &self.namespace {
            Some(namespace) => format!("{what} in namespace {namespace}"),
            None => what,
        }
    }
}

/// Waits for any of `changes`; `false` at once if there are none.
async fn watches_any<F: Future<Output = ()> + Unpin>(changes: Vec<F>) -> bool {
    if changes.is_empty() {
        return false;
    }
    futures_util::future::select_all(changes).await;
    true
}

fn rank(standing: &Standing) -> u8 {
    match standing {
        Standing::Up => 0,
        Standing::Moving(_) => 1,
        Standing::Other(_) => 2,
        Standing::Bad { .. } => 3,
    }
}

/// Objects in a list do not say their kind.
fn of_kind(kind: Kind, workload: Workload) -> Workload {
    Workload { kind: kind.kind.to_owned(), ..workload }
}
