//! Gate `kubernetes-job`: a Job in a cluster; complete passed, failed failed, anything else errored.

mod manifest;
mod story;

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::afterwards::in_background;
use super::{Attempt, Facts, Report};
use crate::cluster::{
    Cluster, ClusterError, Clusters, Kind, Labels, Propagation, Right, Seen, Selected, Watched,
};
use crate::config::{self, Afterwards, ClusterAccess, JobSource};
use crate::queue::Verdict;

pub use manifest::ManifestError;
use manifest::Template;
use story::{Pods, Trouble};

/// How long a pod may wait for its image, or for a node, before that is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) image: Duration,
    /// Longer: an autoscaler may be bringing up a node.
    pub(super) node: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct JobGate {
    clusters: Clusters,
    settings: config::KubernetesJob,
    /// The manifest, where it is a file.
    template: Option<Template>,
    pub(super) patience: Patience,
}

/// A Job that runs.
struct Running {
    cluster: Cluster,
    namespace: String,
    name: String,
    afterwards: Afterwards,
}

/// How a Job ended, as far as the Job says.
enum End {
    Complete,
    Failed(String),
    /// It was deleted by somebody.
    Gone,
    /// It will not begin.
    Stuck(Trouble),
    /// It can't be watched.
    Unseen(String),
}

impl JobGate {
    pub(super) fn new(settings: &config::KubernetesJob, clusters: &Clusters) -> Result<Self, ManifestError> {
        let template = match &settings.source {
            JobSource::Manifest(file) => Some(Template::read(file)?),
            JobSource::CronJob(_) => None,
        };
        let patience = Patience { image: Duration::from_secs(30), node: Duration::from_mins(5) };
        Ok(Self { clusters: clusters.clone(), settings: settings.clone(), template, patience })
    }

    pub(super) async fn run(&self, gate: &str, facts: &Facts, attempt: u32, limit: Duration) -> Attempt {
        let begun = Instant::now();
        let running = match timeout(limit, self.begin(gate, facts, attempt, limit)).await {
            Ok(Ok(running)) => running,
            Ok(Err(why)) => return Attempt::ended(Report::without_output(Verdict::Errored, why)),
            Err(_) => {
                let why = format!("the Job could not be created within {limit:?}");
                return Attempt::ended(Report::without_output(Verdict::TimedOut, why));
            }
        };
        // all of a Job is looked at, and it is small
        let jobs = running.cluster.watch(Kind::JOB, &running.namespace, |_| {});
        let mut pods = Pods::of(&running.cluster, &running.namespace, &running.name);
        let left = limit.saturating_sub(begun.elapsed());
        let end = timeout(left, running.end(jobs, &mut pods, self.patience)).await;
        let report = running.report(end.ok(), &pods, limit).await;
        running.clean().await;
        Attempt::ended(report)
    }

    /// What is needed in the cluster.
    pub(super) async fn rights(&self) -> Result<(ClusterAccess, Vec<Right>), ClusterError> {
        let cluster = self.clusters.get(&self.settings.access).await?;
        let namespace = self.namespace(&cluster);
        let jobs =
            ["create", "get", "list", "watch", "delete"].map(|verb| Right::to(verb, Kind::JOB, &namespace));
        let mut rights: Vec<Right> = jobs.into();
        rights.extend(["list", "watch"].map(|verb| Right::to(verb, Kind::POD, &namespace)));
        rights.push(Right::to("get", Kind::POD, &namespace).subresource("log"));
        rights.push(Right::to("list", Kind::EVENT, &namespace));
        if let JobSource::CronJob(name) = &self.settings.source {
            rights.push(Right::to("get", Kind::CRON_JOB, &namespace).only(name));
        }
        Ok((self.settings.access.clone(), rights))
    }

    /// Whether what is run is there.
    pub(super) async fn probe(&self) -> Result<(), ClusterError> {
        let cluster = self.clusters.get(&self.settings.access).await?;
        match &self.settings.source {
            JobSource::Manifest(_) => Ok(()),
            JobSource::CronJob(name) => {
                cluster.get(Kind::CRON_JOB, &self.namespace(&cluster), name).await.map(drop)
            }
        }
    }

    /// The configured one, the manifest's, the context's.
    fn namespace(&self, cluster: &Cluster) -> String {
        let own = self.template.as_ref().and_then(|template| template.namespace.clone());
        self.settings.namespace.clone().or(own).unwrap_or_else(|| cluster.namespace())
    }

    /// Creates the Job, or finds the one that an interrupted driver of this run created.
    async fn begin(
        &self,
        gate: &str,
        facts: &Facts,
        attempt: u32,
        limit: Duration,
    ) -> Result<Running, String> {
        let said = |error: ClusterError| error.to_string();
        let cluster = self.clusters.get(&self.settings.access).await.map_err(said)?;
        let namespace = self.namespace(&cluster);
        let template = match (&self.template, &self.settings.source) {
            (Some(template), _) => template.clone(),
            (None, JobSource::CronJob(name)) => {
                let found = cluster.get(Kind::CRON_JOB, &namespace, name).await.map_err(said)?;
                Template::of_cron_job(name, &found).map_err(|error| error.to_string())?
            }
            (None, JobSource::Manifest(_)) => return Err("the manifest was not read".to_owned()),
        };
        let job = template.job(gate, facts, attempt, limit, &namespace, self.settings.afterwards);
        let name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        // from here on it is deleted when this is dropped: whether it was created may stay unknown
        let mut running = Running { cluster, namespace, name, afterwards: self.settings.afterwards };
        match running.create(&job).await {
            Ok(()) => Ok(running),
            Err(error) => {
                if !error.is_transient() {
                    running.afterwards = Afterwards::Kept;
                }
                Err(said(error))
            }
        }
    }
}

impl Running {
    /// Creates the Job; one of this run that is there already is taken for it.
    async fn create(&mut self, job: &Value) -> Result<(), ClusterError> {
        let conflict = match self.cluster.create(Kind::JOB, &self.namespace, job).await {
            Err(error @ ClusterError::Conflict { .. }) => error,
            other => return other.map(drop),
        };
        let run = |job: &Value| job["metadata"]["labels"][manifest::RUN].clone();
        let there = self.cluster.get(Kind::JOB, &self.namespace, &self.name).await?;
        if run(&there) == run(job) {
            return Ok(());
        }
        self.afterwards = Afterwards::Kept;
        Err(conflict)
    }

    /// Waits for the Job to end, or until it is sure that it will not begin.
    async fn end(&self, mut jobs: Watched, pods: &mut Pods, patience: Patience) -> End {
        loop {
            if let Some(end) = self.look(&jobs).await {
                return end;
            }
            match pods.stuck(patience) {
                Some((trouble, left)) if left.is_zero() => return End::Stuck(trouble),
                Some((_, left)) => {
                    let _ = timeout(left, either(&mut jobs, pods.watched())).await;
                }
                None => either(&mut jobs, pods.watched()).await,
            }
        }
    }

    /// How the Job ended, if it did.
    async fn look(&self, jobs: &Watched) -> Option<End> {
        match jobs.get(&self.name) {
            Seen::Object(job) => ended(&job),
            // the list may be older than the Job: it is asked for by name
            Seen::Absent => match self.cluster.get(Kind::JOB, &self.namespace, &self.name).await {
                Ok(job) => ended(&job),
                Err(error) if error.is_not_found() => Some(End::Gone),
                Err(_) => None,
            },
            Seen::Unknown(error) if !error.is_transient() => Some(End::Unseen(error.to_string())),
            Seen::Pending | Seen::Unknown(_) => None,
        }
    }

    async fn report(&self, end: Option<End>, pods: &Pods, limit: Duration) -> Report {
        let name = format!("Job `{}`", self.name);
        let (verdict, what) = match end {
            Some(End::Complete) => (Verdict::Passed, format!("{name} is complete")),
            Some(End::Failed(reason)) => (Verdict::Failed, format!("{name} failed: {reason}")),
            Some(End::Gone) => (Verdict::Errored, format!("{name} was deleted by somebody")),
            Some(End::Stuck(trouble)) => (Verdict::Errored, format!("{name} does not begin: {trouble}")),
            Some(End::Unseen(error)) => (Verdict::Errored, format!("{name} cannot be watched: {error}")),
            None => (Verdict::TimedOut, format!("{name} is not finished after {limit:?}{}", pods.state())),
        };
        let told = pods.told(verdict).await;
        let summary = match told.summary {
            Some(said) => format!("{what}: {said}"),
            None => what,
        };
        let summary = crate::process::one_line(&summary, 2 * super::SUMMARY);
        Report { verdict, summary, url: String::new(), log: told.log }
    }

    /// Deletes the Job and its pods, unless they are to stay.
    async fn clean(mut self) {
        if self.afterwards == Afterwards::Deleted {
            // once is enough: the Job has a time to live
            let _ = self.delete().await;
            self.afterwards = Afterwards::Kept;
        }
    }

    fn delete(&self) -> impl Future<Output = Result<(), ClusterError>> + Send + 'static {
        let (cluster, namespace, name) = (self.cluster.clone(), self.namespace.clone(), self.name.clone());
        async move { cluster.delete(Kind::JOB, &namespace, &name, Propagation::Background).await }
    }
}

impl Drop for Running {
    /// A gate that is stopped stops its Job.
    fn drop(&mut self) {
        if self.afterwards == Afterwards::Deleted {
            let deleted = self.delete();
            in_background(async move { drop(deleted.await) });
        }
    }
}

/// Waits until one of them changes.
async fn either(jobs: &mut Watched, pods: &mut Watched) {
    tokio::select! {
        () = jobs.changed() => {}
        () = pods.changed() => {}
    }
}

/// How the Job ended, if it did.
fn ended(job: &Value) -> Option<End> {
    let conditions = job["status"]["conditions"].as_array()?;
    let is = |kind: &str| {
        conditions.iter().find(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    if is("Complete").is_some() {
        return Some(End::Complete);
    }
    let failed = is("Failed")?;
    let text = |key: &str| failed[key].as_str().unwrap_or_default();
    Some(End::Failed(match text("message") {
        "" => text("reason").to_owned(),
        message => format!("{} ({message})", text("reason")),
    }))
}

impl Selected {
    /// What is there; nothing where it can't be told.
    fn objects(self) -> Vec<std::sync::Arc<Value>> {
        match self {
            Selected::Objects(objects) => objects,
            Selected::Pending | Selected::Unknown(_) => Vec::new(),
        }
    }
}

/// The pods of a Job, by the label that its controller gives them.
fn labels(job: &str) -> Option<Labels> {
    format!("job-name={job}").parse().ok()
}
