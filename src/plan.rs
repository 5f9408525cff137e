//! The plan of a run: a pure value made from the configuration and what repository and queue say now.
//!
//! `--dry-run` prints it; [`crate::run`] carries it out.

mod edits;
mod files;

pub use edits::*;
pub use files::*;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, Pipeline};
use crate::queue::{
    EnvironmentFile, Identity, Origin, PackageRecord, Queue, Role, SetValue, Setting, Standing, VerifiedSet,
};
use crate::render::EnvironmentChange;
use crate::repo::{CommitId, Repo};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Version.
    pub version: String,
    /// Values of `--set`.
    pub set: Vec<Setting>,
}

/// What repository and queues say now.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Tip of every target branch.
    pub tips: BTreeMap<String, CommitId>,
    /// The queue of the pipeline.
    pub queue: Arc<Queue>,
    /// Records of required environments that live in other queues.
    pub elsewhere: BTreeMap<String, EnvironmentFile>,
    /// When it was taken; freezes that ended before are none.
    pub at: jiff::Timestamp,
}

/// What a run is going to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Stages in order.
    pub stages: Vec<StagePlan>,
    /// Why it is not allowed now; empty if it is.
    pub obstacles: Vec<String>,
    /// What people should know before.
    pub notes: Vec<String>,
    /// The packages that environments read, where that was looked at: a pure plan knows nothing of it.
    pub packages: BTreeMap<String, PackageRecord>,
    /// Environments whose packages a promotion of the run copies first, and how many objects.
    pub promotions: BTreeMap<String, usize>,
}

impl Plan {
    /// Whether every stage is verified with exactly what is asked for.
    pub fn nothing_to_do(&self) -> bool {
        self.stages.iter().flat_map(|stage| &stage.environments).all(EnvironmentPlan::is_verified)
    }

    /// What people should know before it goes on: pins that differ from the record.
    pub fn drifts(&self) -> impl Iterator<Item = &EnvironmentPlan> {
        let all = self.stages.iter().flat_map(|stage| &stage.environments);
        all.filter(|environment| environment.drifted())
    }
}

/// What a run does in one stage.
#[derive(Debug, Clone)]
pub struct StagePlan {
    /// Its environments.
    pub environments: Vec<EnvironmentPlan>,
    /// Its gates.
    pub gates: Vec<String>,
    /// Its commits, by branch.
    pub commits: Vec<(String, Planned)>,
    /// Diff of every file: `(branch, file, diff)`.
    pub diffs: Vec<(String, String, String)>,
    /// Manifests that change, where that was looked at: a pure plan knows nothing of it.
    pub rendered: Vec<EnvironmentChange>,
}

/// What a run does in one environment.
#[derive(Debug, Clone)]
pub struct EnvironmentPlan {
    /// Which.
    pub identity: Identity,
    /// Its services.
    pub services: Vec<String>,
    /// What a rollback goes back to.
    pub goal: Option<VerifiedSet>,
    /// What it holds now.
    pub held: Vec<SetValue>,
    /// What it is going to hold.
    pub wanted: Wanted,
}

impl EnvironmentPlan {
    /// Whether the record says that it is verified with exactly what is asked for and what stands there.
    pub fn is_verified(&self) -> bool {
        let Some(goal) = &self.goal else { return false };
        let as_verified = |held: &SetValue| goal.value(&held.place).is_some_and(|set| set.text == held.text);
        let mut pins = self.held.iter().filter(|held| held.role == Role::Pin);
        !self.changes() && !self.drifted() && pins.all(as_verified)
    }

    /// Whether anything has to be written.
    pub fn changes(&self) -> bool {
        self.wanted.values.iter().any(|(_, place, _, text)| {
            !self.held.iter().any(|held| held.place == *place && held.text == *text)
        })
    }

    /// Whether it holds something else than the record says.
    pub fn drifted(&self) -> bool {
        self.goal.as_ref().is_some_and(|goal| {
            self.held.iter().any(|held| goal.value(&held.place).is_some_and(|set| set.text != held.text))
        })
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A target branch is missing.
    #[error(
        "branch `{branch}` of environment `{environment}` does not exist in {repository}; create it, or correct `branch` in datapin.toml"
    )]
    NoBranch {
        /// Environment.
        environment: String,
        /// Branch.
        branch: String,
        /// Repository.
        repository: String,
    },
    /// A pin cannot be read or changed.
    #[error("environment `{environment}`: {source}")]
    Files {
        /// Environment.
        environment: String,
        /// Why.
        source: FilesError,
    },
}

/// Makes the plan of a pipeline. Reads files of the commits in the snapshot, and nothing else.
pub fn plan(
    config: &Config,
    pipeline: &Pipeline,
    request: &Request,
    snapshot: &Snapshot,
    target: &Target<'_>,
) -> Result<Plan, PlanError> {
    let mut stages = Vec::new();
    for stage in &pipeline.stages {
        let mut environments = Vec::new();
        for name in &stage.environments {
            environments.push(environment(config, pipeline, request, snapshot, target, name)?);
        }
        let (commits, diffs) = commits(snapshot, target, &environments)?;
        let gates = stage.gates.clone();
        stages.push(StagePlan { environments, gates, commits, diffs, rendered: Vec::new() });
    }
    let obstacles = obstacles(pipeline, &request.version, snapshot, &stages);
    Ok(Plan { stages, obstacles, notes: Vec::new(), packages: BTreeMap::new(), promotions: BTreeMap::new() })
}

/// The repository that is planned for.
pub struct Target<'a> {
    /// Its objects.
    pub repo: &'a Repo,
    /// Its identity: host and path.
    pub identity: &'a str,
    /// Branch of environments that name none.
    pub default_branch: &'a str,
}

impl Target<'_> {
    /// The identity of an environment.
    pub fn identity(&self, config: &Config, environment: &str) -> Identity {
        Identity {
            repository: self.identity.to_owned(),
            branch: config.branch_of(environment).unwrap_or(self.default_branch).to_owned(),
            name: environment.to_owned(),
        }
    }
}

fn environment(
    config: &Config,
    pipeline: &Pipeline,
    request: &Request,
    snapshot: &Snapshot,
    target: &Target<'_>,
    name: &str,
) -> Result<EnvironmentPlan, PlanError> {
    let identity = target.identity(config, name);
    let in_environment = |source| PlanError::Files { environment: name.to_owned(), source };
    let tip = snapshot.tips.get(&identity.branch).ok_or_else(|| PlanError::NoBranch {
        environment: name.to_owned(),
        branch: identity.branch.clone(),
        repository: target.identity.to_owned(),
    })?;
    let places = config.places(name, &pipeline.dataset);
    let held = held(&mut Files::at(target.repo, tip), &places).map_err(in_environment)?;
    Ok(EnvironmentPlan {
        services: config.services(name, &pipeline.dataset),
        goal: snapshot.queue.current(name, &pipeline.dataset).cloned(),
        wanted: Wanted::version(name, &places, &request.version, &request.set),
        identity,
        held,
    })
}

/// Commits by branch, with the diff of every file: `(branch, file, diff)`.
type Commits = (Vec<(String, Planned)>, Vec<(String, String, String)>);

/// Every refusal of the editor comes here, before anything is written.
fn commits(
    snapshot: &Snapshot,
    target: &Target<'_>,
    environments: &[EnvironmentPlan],
) -> Result<Commits, PlanError> {
    let (mut commits, mut diffs) = (Vec::new(), Vec::new());
    for (branch, tip) in &snapshot.tips {
        let here: Vec<&EnvironmentPlan> =
            environments.iter().filter(|environment| environment.identity.branch == *branch).collect();
        let Some(first) = here.first() else { continue };
        let wanted: Vec<Wanted> = here.iter().map(|environment| environment.wanted.clone()).collect();
        let in_environment = |source| PlanError::Files { environment: first.identity.name.clone(), source };
        let mut files = Files::at(target.repo, tip);
        let planned = pin(&mut files, &wanted).map_err(in_environment)?;
        let found = files.diffs(&planned.changes).map_err(in_environment)?;
        diffs.extend(found.into_iter().map(|(file, diff)| (branch.clone(), file, diff)));
        commits.push((branch.clone(), planned));
    }
    Ok((commits, diffs))
}

fn obstacles(pipeline: &Pipeline, version: &str, snapshot: &Snapshot, stages: &[StagePlan]) -> Vec<String> {
    let mut found = Vec::new();
    for environment in stages.iter().flat_map(|stage| &stage.environments) {
        let name = &environment.identity.name;
        let Some(file) = snapshot.queue.environment(name) else { continue };
        found.extend(frozen(file, snapshot.at));
        found.extend(rejected(file, &pipeline.dataset, version));
    }
    for name in &pipeline.requires {
        let file = snapshot.elsewhere.get(name).or_else(|| snapshot.queue.environment(name));
        if !file.is_some_and(|file| was_verified(file, &pipeline.dataset, version)) {
            found.push(format!(
                "pipeline `{}` requires {version} to be verified in `{name}`, and it was not; deploy it there first",
                pipeline.name
            ));
        }
        found.extend(file.and_then(|file| rejected(file, &pipeline.dataset, version)));
    }
    found
}

/// Why nothing may be deployed to an environment now, if it is frozen.
pub fn frozen(file: &EnvironmentFile, now: jiff::Timestamp) -> Option<String> {
    let freeze = file.freeze.as_ref().filter(|freeze| freeze.until.is_none_or(|until| until > now))?;
    let name = &file.identity.name;
    let way_out = match freeze.origin {
        Origin::Person => format!("`datapin queue thaw {name}` lifts it"),
        Origin::RollbackFailed { .. } | Origin::Abandoned { .. } => {
            format!("`datapin reconcile` or `datapin rollback {name}` finishes what is left there")
        }
    };
    Some(format!("environment `{name}` is frozen by {}: {}; {way_out}", freeze.owner, freeze.reason))
}

/// Why a version is kept out of an environment, if it is.
pub fn rejected(file: &EnvironmentFile, dataset: &str, version: &str) -> Option<String> {
    let rejected = file.datasets.get(dataset)?.rejected.iter().find(|one| one.version == version)?;
    let name = &file.identity.name;
    Some(format!(
        "{dataset} {version} is rejected in `{name}` by {}: {}; `datapin allow {dataset} {version}` lets it in",
        rejected.by, rejected.reason
    ))
}

fn was_verified(file: &EnvironmentFile, dataset: &str, version: &str) -> bool {
    file.datasets.get(dataset).is_some_and(|dataset| {
        dataset.verified.iter().any(|set| set.version == version && set.standing == Standing::Good)
    })
}
