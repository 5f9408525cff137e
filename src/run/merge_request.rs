//! What a merge request would do: whether it changes only pins and settable values, and whether the plan would work now.
//! What it does not change counts as its target has it now, which is what a merge leaves.
//!
//! | the merge request | verdict |
//! |---|---|
//! | changes no pin or settable value | 0, nothing to say |
//! | one environment, or those of one stage, to one version that may be deployed now | 0 |
//! | a plain revert to what was verified | 0, it would be a rollback |
//! | comes from a fork | 15: a member has to push the branch to the project |
//! | changes other files too | 2: a failed gate takes back the pins only |
//! | leaves an environment with several versions, or changes several environments or datasets | 2 |
//! | a version that is none by the pattern, a pin that cannot be read and is not as it was | 2 |
//! | frozen, rejected, `requires` not met, not promoted | 15 |
//! | the queue or the repository is out of reach | 3 |

use super::RunError;
use super::adopt::one_version;
use super::adopt::range::{Found, Ground, Range};
use super::adopt::revert::PersonsRollback;
use super::adopt::route::{Meaning, Route, routes};
use super::context::Context;
use super::outside::{self, OutsideError};
use crate::config::{Config, Pipeline};
use crate::exit::Exit;
use crate::plan::{self, FilesError, PlanError, Request};
use crate::queue::Queue;
use crate::repo::CommitId;

mod look;
mod words;

pub use look::{commits, is_as_before};
pub(in crate::run) use words::stages;
pub use words::{markdown, text, unchecked};

use look::{Looked, look};

/// Which merge request, by the variables of its pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRequest {
    /// Number within the project.
    pub iid: u64,
    /// The commit that its branch began at.
    pub base: CommitId,
    /// Its newest commit, where the pipeline ran for that.
    pub head: Option<CommitId>,
    /// Branch that it is merged into.
    pub target: String,
    /// Its own branch.
    pub source: String,
    /// Where its branch is.
    pub home: Home,
}

/// Where the branch of a merge request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// In the project itself.
    Project,
    /// In another project.
    Fork,
}

/// What is thought of a merge request.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The exit code that it stands for.
    pub exit: Exit,
    /// What it would be, in a line.
    pub what: String,
    /// What stands against it.
    pub obstacles: Vec<String>,
    /// Every scalar that changes.
    pub moves: Vec<Move>,
    /// What would be deployed and gated: environments and gates of each stage.
    pub stages: Vec<(Vec<String>, Vec<String>)>,
}

/// One scalar that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// Where: file and path.
    pub place: String,
    /// What is there.
    pub before: String,
    /// What it becomes.
    pub after: String,
}

impl Verdict {
    fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), obstacles: Vec::new(), moves: Vec::new(), stages: Vec::new() }
    }

    fn against(self, exit: Exit, obstacles: Vec<String>) -> Self {
        match obstacles.is_empty() {
            true => self,
            false => Self { exit, obstacles, ..self },
        }
    }

    /// The same with what a check found wrong in the configuration and its pins: whatever else is said, it ends with 2.
    pub fn with_problems(mut self, problems: &[String]) -> Self {
        if !problems.is_empty() {
            self.exit = Exit::Usage;
            let new: Vec<String> =
                problems.iter().filter(|one| !self.obstacles.contains(one)).cloned().collect();
            self.obstacles.extend(new);
        }
        self
    }

    /// The same, unless nothing stands against it so far: then this exit code, and why.
    pub fn or(self, exit: Exit, why: &str) -> Self {
        match (self.exit, exit) {
            (Exit::Ok, Exit::Ok) => self,
            (Exit::Ok, _) => self.against(exit, vec![why.to_owned()]),
            (_, _) => self,
        }
    }
}

/// Judges a merge request by its commits, see [`commits`]. Only reads.
///
/// # Errors
/// Git or a queue out of reach.
pub async fn judge(
    context: &Context,
    asked: &MergeRequest,
    commits: Option<&Range>,
) -> Result<Verdict, RunError> {
    let Some(commits) = commits else {
        let why = "it comes from a fork, whose branch is not looked at: let a member push the branch to the project itself";
        return Ok(
            Verdict::new(Exit::NotAllowed, "not checked").against(Exit::NotAllowed, vec![why.to_owned()])
        );
    };
    let mut grounds = Ground::all(&context.config, &context.default_branch);
    grounds.retain(|ground| ground.branch == asked.target);
    let queues = queues(context, &grounds).await?;
    let looked = match look(context, asked, commits, grounds, &queues).await {
        Ok(looked) => looked,
        Err(OutsideError::Plan(PlanError::Files { environment, source })) if !is_git(&source) => {
            let unread = Verdict::new(Exit::Usage, "a pin would not be readable");
            return Ok(unread.against(Exit::Usage, vec![format!("{environment}: {source}")]));
        }
        Err(error) => return Err(error.into()),
    };
    if looked.found.is_empty() {
        return Ok(Verdict::new(Exit::Ok, "changes no pin or settable value: nothing for datapin to do"));
    }
    weigh(context, asked, looked, &queues).await
}

fn is_git(error: &FilesError) -> bool {
    matches!(error, FilesError::Repo(_))
}

/// The queues of some environments.
async fn queues(context: &Context, grounds: &[Ground]) -> Result<Vec<std::sync::Arc<Queue>>, RunError> {
    let name = |ground: &Ground| context.config.queue_of_environment(&ground.environment).name.clone();
    let mut names: Vec<String> = grounds.iter().map(name).collect();
    names.sort();
    names.dedup();
    let mut queues = Vec::new();
    for name in names {
        queues.push(context.queue_store(&name).read().await?.queue);
    }
    Ok(queues)
}

async fn weigh(
    context: &Context,
    asked: &MergeRequest,
    looked: Looked,
    queues: &[std::sync::Arc<Queue>],
) -> Result<Verdict, RunError> {
    let moves = looked.found.iter().flat_map(|(one, _)| moves(one)).collect();
    let (others, rollbacks) = (looked.others, rollbacks(&looked.found));
    // the branch that it is merged into is what the rest is about
    let found = looked.found.into_iter().map(|(one, meaning)| {
        let ground = Ground { branch: asked.target.clone(), ..one.ground };
        (Found { ground, ..one }, meaning)
    });
    let routes = routes(&context.config, found.collect(), None)?;
    let mut bad = several(&context.config, &routes);
    if !others.is_empty() {
        bad.push(format!(
            "it changes other files or values too ({}); a failed gate takes back only the pins: make it two merge requests",
            others.join(", ")
        ));
    }
    let mut verdict = Verdict::new(Exit::Ok, "");
    verdict.moves = moves;
    let Some(route) = routes.into_iter().next() else { return Ok(verdict) };
    verdict.stages.clone_from(&route.order.stages);
    verdict.what = what(&route, &rollbacks);
    if !bad.is_empty() {
        return Ok(verdict.against(Exit::Usage, bad));
    }
    let obstacles = match &route.pipeline {
        None => frozen(queues, &route),
        Some(pipeline) => {
            let store = context.queue_store(&context.config.queue_of(pipeline).name);
            let request = Request { version: route.order.version.clone(), set: Vec::new() };
            let plan = outside::plan(context, &store, pipeline, &request).await?;
            let unpromoted = not_promoted(&plan, pipeline, &request.version);
            plan.obstacles.into_iter().chain(unpromoted).collect()
        }
    };
    Ok(verdict.against(Exit::NotAllowed, obstacles))
}

/// A merge makes the version live where its package is not yet.
fn not_promoted(plan: &plan::Plan, pipeline: &Pipeline, version: &str) -> Vec<String> {
    let first = pipeline.stages.first().map(|stage| &stage.environments[..]).unwrap_or_default();
    let waiting = first.iter().filter_map(|name| Some((name, plan.promotions.get(name)?)));
    let words = waiting.map(|(name, objects)| {
        format!(
            "the package is not promoted to `{name}` yet ({objects} objects are missing there): run `datapin promote {name} {version}` before it is merged"
        )
    });
    words.collect()
}

fn rollbacks(found: &[(Found, Meaning)]) -> Vec<PersonsRollback> {
    let back = |(_, meaning): &(Found, Meaning)| match meaning {
        Meaning::Rollback(back) => Some(PersonsRollback::clone(back)),
        Meaning::Deployment => None,
    };
    found.iter().filter_map(back).collect()
}

/// Only a person's freeze keeps a rollback out.
fn frozen(queues: &[std::sync::Arc<Queue>], route: &Route) -> Vec<String> {
    let files = queues.iter().filter_map(|queue| queue.environment(&route.what));
    let by_person =
        files.filter(|file| file.freeze.as_ref().is_some_and(|freeze| freeze.origin.carried().is_none()));
    by_person.filter_map(|file| plan::frozen(file, jiff::Timestamp::now())).collect()
}

fn what(route: &Route, rollbacks: &[PersonsRollback]) -> String {
    let (dataset, version) = (&route.order.dataset, &route.order.version);
    match (&route.pipeline, rollbacks.first()) {
        (None, Some(PersonsRollback { left: Some(left), .. })) => format!(
            "a rollback of {} to {dataset} {version}, which was verified there: no gates, and {left} is rejected there",
            route.what
        ),
        (None, _) => format!("a rollback of {} to {dataset} {version}, which was verified there", route.what),
        (Some(pipeline), _) if pipeline.name.is_empty() => {
            format!("{dataset} {version} for {} alone, with its gates", route.what)
        }
        (Some(pipeline), _) => format!("{dataset} {version} through pipeline {}", pipeline.name),
    }
}

/// More than one run, more than one version, or one that is none.
fn several(config: &Config, routes: &[Route]) -> Vec<String> {
    let mut bad = Vec::new();
    for route in routes {
        match one_version(&route.order.adopts) {
            Err(text) => bad.push(text),
            Ok(()) => bad.extend(config.check_version(&route.order.dataset, &route.order.version).err()),
        }
    }
    if routes.len() > 1 {
        let name = |route: &Route| format!("{} in {}", route.order.dataset, route.what);
        let names: Vec<String> = routes.iter().map(name).collect();
        bad.push(format!(
            "it changes several environments or datasets ({}), each of which is a run of its own: make a merge request for each",
            names.join("; ")
        ));
    }
    bad
}

fn moves(found: &Found) -> Vec<Move> {
    let pins = found.adopted.pins.iter().flat_map(|(name, pins)| pins.iter().map(move |pin| (name, pin)));
    pins.filter(|(_, pin)| pin.before.text != pin.after)
        .map(|(environment, pin)| Move {
            environment: environment.clone(),
            service: pin.service.clone(),
            place: format!("{}:{}", pin.place.file, pin.place.path),
            before: pin.before.text.clone(),
            after: pin.after.clone(),
        })
        .collect()
}
