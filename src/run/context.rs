//! What every run needs: configuration, repositories, listeners, and who it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::agent::{Agent, Repository, Surroundings};
use crate::aws::Aws;
use crate::cluster::Clusters;
use crate::config::Config;
use crate::event::{Event, Level, What};
use crate::gate::GateRunner;
use crate::gitlab::{GitLab, SettingsError};
use crate::notify::Notifier;
use crate::plan::Target;
use crate::queue::{Asked, Ci, RunId, Spread, Store, Word};
use crate::render::Helmfile;
use crate::repo::Repo;

/// Everything that a run needs from outside. Made once, at the edge.
#[derive(Clone)]
pub struct Context {
    /// Configuration.
    pub config: Arc<Config>,
    /// Environment repository.
    pub target: Arc<Repo>,
    /// Its identity.
    pub identity: String,
    /// Its default branch.
    pub default_branch: String,
    /// Repositories of queues that have one of their own, by name of the queue.
    pub queues: BTreeMap<String, Arc<Repo>>,
    /// What proves a commit by its manifests, where the configuration asks for it.
    pub helmfile: Option<Helmfile>,
    /// Who acts: host and process, or job.
    pub who: String,
    /// Who asked.
    pub actor: String,
    /// The CI job.
    pub ci: Option<Ci>,
    /// Who is told.
    pub notifier: Arc<Notifier>,
    /// GitLab's API, or why there is none.
    pub gitlab: Result<GitLab, SettingsError>,
    /// Where events go.
    pub events: Events,
    /// Signals that came in.
    pub signals: Signals,
    /// Connections to clusters, shared by everything in this process.
    pub clusters: Clusters,
    /// Access to AWS, shared by everything in this process.
    pub aws: Aws,
    /// Environment variables, for agents and gates.
    pub lookup: Lookup,
    /// This program.
    pub own: PathBuf,
    /// What GitLab says of pipelines and jobs.
    pub words: Asking,
    /// This CI job as a part of a run that is spread over several.
    pub spread: Option<Spread>,
}

/// Asks GitLab whether a pipeline or job is over.
pub type Asking = Arc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Word> + Send>> + Send + Sync>;

/// Reads an environment variable.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where events go.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// Events for whoever holds the other end.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (to, from) = mpsc::unbounded_channel();
        (Self(to), from)
    }

    /// Tells the listeners. Nobody listening is no failure.
    pub fn tell(&self, run: &RunId, what: What) {
        let _ = self.0.send(Event { at: Timestamp::now(), run: run.clone(), what });
    }

    /// Tells the listeners something that people should know.
    pub fn note(&self, run: &RunId, level: Level, text: impl Into<String>) {
        self.tell(run, What::Note { level, text: text.into() });
    }
}

/// How often somebody asked to stop: SIGINT or SIGTERM.
#[derive(Debug, Clone)]
pub struct Signals(watch::Receiver<u32>);

impl Signals {
    /// Signals that whoever holds the other end counts.
    pub fn new() -> (watch::Sender<u32>, Self) {
        let (to, from) = watch::channel(0);
        (to, Self(from))
    }

    /// Whether at least `count` came in.
    pub fn at_least(&self, count: u32) -> bool {
        *self.0.borrow() >= count
    }

    /// Waits until at least `count` came in.
    pub async fn wait_for(&self, count: u32) {
        let mut here = self.0.clone();
        if here.wait_for(|now| *now >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Context {
    /// The same, with sessions in AWS that name a run.
    pub fn for_run(&self, run: &RunId) -> Self {
        Self { aws: self.aws.for_run(&run.0), ..self.clone() }
    }

    /// The repository that plans are made for.
    pub fn plan_target(&self) -> Target<'_> {
        Target { repo: &self.target, identity: &self.identity, default_branch: &self.default_branch }
    }

    /// The agent of an environment; `None` if the configuration does not know it.
    pub fn agent(&self, environment: &str) -> Option<Agent> {
        let known = self.config.environments.get(environment)?;
        let branch = self.config.branch_of(environment).unwrap_or(&self.default_branch);
        let surroundings = Surroundings {
            environment: environment.to_owned(),
            repository: Repository::new(&self.identity, branch, &self.default_branch),
            clusters: self.clusters.clone(),
        };
        Some(Agent::from_config(&known.agent, surroundings, |name| (self.lookup)(name), &self.own))
    }

    /// The gates of that name, ready to run.
    pub fn gates(&self, names: &[String]) -> Result<Vec<GateRunner>, crate::gate::GateError> {
        names
            .iter()
            .filter_map(|name| self.config.gates.get(name))
            .map(|gate| {
                let lookup = |name: &str| (self.lookup)(name);
                GateRunner::from_config(gate, lookup, &self.own, &self.clusters)?.with_gitlab(&self.gitlab)
            })
            .collect()
    }

    /// How often who waits for other people or jobs looks at the queue: a fiftieth of the shortest `ttl`.
    pub fn glance(&self) -> Duration {
        let ttl =
            self.config.queues.values().map(|queue| queue.ttl).min().unwrap_or(Duration::from_secs(300));
        (ttl / 50).clamp(Duration::from_millis(100), Duration::from_secs(6))
    }

    /// The queue of that name in the configuration.
    pub fn queue_store(&self, name: &str) -> Store {
        let repo = self.queues.get(name).unwrap_or(&self.target);
        let settings = self.config.queues.get(name).or_else(|| self.config.queues.get("default"));
        let (branch, ttl) = settings
            .map_or(("datapin/queue", Duration::from_secs(300)), |queue| (queue.branch.as_str(), queue.ttl));
        Store::new(repo.clone(), branch, patience(ttl), crate::report::page)
    }
}

/// How long one change of the queue is tried while the server is out of reach.
pub fn patience(ttl: Duration) -> Duration {
    ttl.clamp(Duration::from_secs(20), Duration::from_secs(120))
}
