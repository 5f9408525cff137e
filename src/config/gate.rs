//! Quality gates.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{ClusterAccess, Condition, SecretRef};

/// A quality gate.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Name.
    pub name: String,
    /// What it does.
    pub kind: GateKind,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Whether its failure fails the run.
    pub requirement: Requirement,
    /// Gates of the same stage that have to end first.
    pub after: Vec<String>,
    /// How often an error (never a verdict) is tried again.
    pub retries: u32,
}

/// Whether a gate's failure fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// It does.
    Required,
    /// It is shown as a warning.
    AllowedToFail,
}

/// What a gate does.
#[derive(Debug, Clone)]
pub enum GateKind {
    /// Runs a program: exit 0 passed, 1 failed, anything else errored.
    Command {
        /// Program and arguments; never a shell string.
        command: Vec<String>,
        /// Names of environment variables that it gets beside `PATH`, `HOME`, `LANG` and `DATAPIN_*`.
        pass: Vec<String>,
    },
    /// Sends a request: 2xx passed; connection errors, 429 and 5xx errored; others failed.
    Http {
        /// URL, with placeholders.
        url: String,
        /// Method, upper case.
        method: String,
        /// Headers by name.
        headers: BTreeMap<String, HeaderValue>,
    },
    /// Runs a Job in a cluster: complete passed, failed failed.
    KubernetesJob(KubernetesJob),
    /// Runs a pipeline of another project: success passed, failed failed.
    GitLabPipeline(GitLabPipeline),
    /// Samples a query: every series has to satisfy a condition.
    Prometheus(Prometheus),
    /// Waits for a person's word.
    Manual {
        /// Who is asked, in words for people.
        who: Option<String>,
        /// Environment of GitLab whose protection says who may start the gate's job in a graph.
        protected_by: Option<String>,
    },
}

impl Gate {
    /// Whether it waits for a person's word.
    pub fn asks_a_person(&self) -> bool {
        matches!(self.kind, GateKind::Manual { .. })
    }

    /// The environment of GitLab whose protection says who may give that word in a graph.
    pub fn protected_by(&self) -> Option<&str> {
        match &self.kind {
            GateKind::Manual { protected_by, .. } => protected_by.as_deref(),
            GateKind::Command { .. }
            | GateKind::Http { .. }
            | GateKind::KubernetesJob(_)
            | GateKind::GitLabPipeline(_)
            | GateKind::Prometheus(_) => None,
        }
    }
}

/// Of gates that have not ended, those whose jobs come next: all that wait for none of the others, and one that asks a
/// person where only such are left.
///
/// People are asked last, and one after the other: while a manual job is open, GitLab begins no later stage, though a job
/// beside it failed, and so takes nothing back.
pub fn next_gates<'g>(open: &[&'g Gate]) -> Vec<&'g Gate> {
    let waits = |gate: &&&Gate| gate.after.iter().any(|name| open.iter().any(|other| other.name == *name));
    let ready: Vec<&Gate> = open.iter().filter(|gate| !waits(gate)).copied().collect();
    let (people, programs): (Vec<&Gate>, Vec<&Gate>) =
        ready.into_iter().partition(|gate| gate.asks_a_person());
    match (programs.is_empty(), people.first()) {
        (false, _) => programs,
        (true, Some(first)) => vec![first],
        // `load` refuses a circle
        (true, None) => open.to_vec(),
    }
}

/// A Job in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesJob {
    /// How the cluster is reached.
    pub access: ClusterAccess,
    /// Namespace; `None` means the context's.
    pub namespace: Option<String>,
    /// What is run.
    pub source: JobSource,
    /// What becomes of it.
    pub afterwards: Afterwards,
}

/// What a Job is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobSource {
    /// The manifest in a file.
    Manifest(PathBuf),
    /// The template of a CronJob.
    CronJob(String),
}

/// What becomes of a Job that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It is deleted, with its pods.
    Deleted,
    /// It stays.
    Kept,
}

/// A pipeline of another project on the same GitLab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitLabPipeline {
    /// Path or id of the project.
    pub project: String,
    /// Branch or tag.
    pub branch: String,
    /// Variables beside `DATAPIN_*`, with placeholders.
    pub variables: BTreeMap<String, String>,
    /// Where a trigger token of that project is; `None` means with GitLab's token, or that of the job.
    pub trigger_token: Option<SecretRef>,
}

/// A query that has to satisfy a condition for some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Prometheus {
    /// Base address.
    pub server: String,
    /// PromQL, with placeholders.
    pub query: String,
    /// What every series has to satisfy.
    pub condition: Condition,
    /// How long it is sampled; `None` means once.
    pub window: Option<Duration>,
    /// Time between samples.
    pub interval: Duration,
    /// Bad samples that are allowed.
    pub max_bad: u32,
    /// Samples without an answer that are allowed.
    pub max_missing: u32,
    /// Headers by name; the token is one of them.
    pub headers: BTreeMap<String, HeaderValue>,
}

/// Value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// As written.
    Plain(String),
    /// From a secret.
    Secret(SecretRef),
    /// `Bearer` and a token from a secret.
    Bearer(SecretRef),
}
