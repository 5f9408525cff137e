//! What Helmfile makes of a change: proof that a commit changes the manifests of its services, and no others.
//!
//! The real `helmfile` and `helm` render a scratch checkout before and after the change. Releases are compared
//! object by object, as parsed YAML: a comment or a line break is no change. A value that differs between two
//! renderings of the same files (`randAlphaNum`, `genSignedCert`, `now`) is left out of the comparison.
//!
//! Contents of Secrets are compared, and never shown: not in a diff, not in an error.

mod compare;
mod error;
mod lane;
mod manifest;
mod mask;
mod scratch;
mod verdict;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::Serialize;

pub use error::RenderError;

use crate::process;
use crate::repo::{Change, CommitId, Repo};
use lane::Lane;

/// How long one rendering may take.
const LIMIT: Duration = Duration::from_mins(2);
/// Most checkouts that are rendered side by side.
const LANES: usize = 4;
/// Where helm's plug-ins, logins and charts are, beside the home directory.
const HOMES: [&str; 3] = ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"];

/// A question about one stage, with its answer.
type Known = (Question, StageProof);

/// Helmfile, ready to render.
#[derive(Debug, Clone)]
pub struct Helmfile {
    file: Option<String>,
    env: Vec<(String, String)>,
    limit: Duration,
    known: Arc<Mutex<Vec<Known>>>,
}

/// What is to be proven: what stages write into one branch, each on top of the same commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The tip of the branch.
    pub tip: CommitId,
    /// Every environment of the branch; those of the stages are among them.
    pub environments: Vec<String>,
    /// What each stage writes.
    pub stages: Vec<StageChange>,
}

/// What one stage writes into one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageChange {
    /// Changed files.
    pub changes: Vec<Change>,
    /// Whose manifests may change.
    pub touched: Vec<Touched>,
}

/// A service whose values are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Environment.
    pub environment: String,
    /// Service: the name of its release.
    pub service: String,
    /// `file:path` of what is written.
    pub places: Vec<String>,
    /// Whether it means something else afterwards.
    pub effect: Effect,
}

/// What writing a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Another value: the manifests have to change.
    NewValue,
    /// The same text, written otherwise: the manifests may change.
    SameText,
}

/// What one stage does to the manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageProof {
    /// By environment: the releases that change, with their diffs.
    pub changes: Vec<EnvironmentChange>,
    /// Why it may not be; empty if it may.
    pub obstacles: Vec<String>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// The releases of one environment that change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentChange {
    /// Environment.
    pub environment: String,
    /// Its releases, by name.
    pub releases: Vec<ReleaseChange>,
}

/// How the manifests of one release change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseChange {
    /// Release.
    pub release: String,
    /// Objects that change: `Deployment/mds`.
    pub objects: Vec<String>,
    /// Unified diff; what is in Secrets is hidden.
    pub diff: String,
}

impl Helmfile {
    /// Helmfile with this state file, or the one that it takes by itself. It gets the variables of `pass` and those
    /// of every child, as far as `lookup` knows them.
    pub fn new(file: Option<String>, pass: &[String], lookup: impl Fn(&str) -> Option<String>) -> Self {
        let pass = [&HOMES.map(str::to_owned), pass].concat();
        Self { file, env: process::base_env(&pass, lookup), limit: LIMIT, known: Arc::default() }
    }

    /// The same with another time for one rendering (2 min otherwise).
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Whether both programs are there.
    ///
    /// # Errors
    /// `Program`: the first that is not.
    pub fn findable(&self) -> Result<(), RenderError> {
        for program in ["helmfile", "helm"] {
            process::findable(program, &self.env)
                .map_err(|source| RenderError::Program { program: program.to_owned(), source })?;
        }
        Ok(())
    }

    /// What each stage does to the manifests, in their order. Answers are remembered: a run asks the same before it
    /// enters the queue, when it starts, and before it writes.
    ///
    /// # Errors
    /// When nothing could be rendered at all. What helmfile refuses is an obstacle in the answer.
    pub async fn prove(&self, repo: &Arc<Repo>, question: &Question) -> Result<Vec<StageProof>, RenderError> {
        let open = |stage: &&StageChange| self.remembered(question, stage).is_none();
        let stages: Vec<StageChange> = question.stages.iter().filter(open).cloned().collect();
        if !stages.is_empty() {
            self.answer(repo, Question { stages, ..question.clone() }).await?;
        }
        Ok(question.stages.iter().filter_map(|stage| self.remembered(question, stage)).collect())
    }

    async fn answer(&self, repo: &Arc<Repo>, question: Question) -> Result<(), RenderError> {
        self.findable()?;
        let lanes = lanes(&question.environments).into_iter();
        let looks =
            lanes.map(|environments| Lane { helmfile: self, repo, question: &question, environments }.look());
        let looks: Vec<_> = try_join_all(looks).await?.into_iter().flatten().collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for stage in 0..question.stages.len() {
            let alone = Question { stages: vec![question.stages[stage].clone()], ..question.clone() };
            known.push((alone, verdict::of(&question, stage, &looks)));
        }
        Ok(())
    }

    fn remembered(&self, question: &Question, stage: &StageChange) -> Option<StageProof> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = |known: &Question| {
            known.tip == question.tip
                && known.environments == question.environments
                && known.stages.first() == Some(stage)
        };
        known.iter().find(|(known, _)| asked(known)).map(|(_, proof)| proof.clone())
    }
}

impl StageChange {
    /// The environments that it writes into.
    fn environments(&self) -> BTreeSet<&str> {
        self.touched.iter().map(|touched| touched.environment.as_str()).collect()
    }
}

impl EnvironmentChange {
    /// In one line: `helmfile: int: mds, kv change, nothing else does`.
    pub fn words(&self) -> String {
        let names: Vec<&str> = self.releases.iter().map(|release| release.release.as_str()).collect();
        let change = if names.len() == 1 { "changes" } else { "change" };
        format!("helmfile: {}: {} {change}, nothing else does", self.environment, names.join(", "))
    }
}

/// The environments, dealt out to checkouts that are rendered side by side: helm may build dependencies inside a
/// checkout, which two must not do at once.
fn lanes(environments: &[String]) -> Vec<Vec<usize>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let count = cores.min(LANES).min(environments.len());
    (0..count).map(|lane| (lane..environments.len()).step_by(count).collect()).collect()
}
