//! What the outside says now, put into a plan's snapshot. Only reads.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::context::Context;
use super::packages::{self, Records};
use super::{proof, record};
use crate::config::Pipeline;
use crate::data::DataError;
use crate::plan::{Plan, PlanError, Request, Snapshot, plan as make};
use crate::queue::{EnvironmentFile, Store, StoreError, blocking};
use crate::render::RenderError;
use crate::repo::{CommitId, RepoError};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// The plan cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The queue cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Git.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A bucket cannot be asked.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Nothing can be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl OutsideError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            OutsideError::Plan(PlanError::Files { source, .. }) => source.is_transient(),
            OutsideError::Plan(PlanError::NoBranch { .. }) => false,
            OutsideError::Store(error) => error.is_transient(),
            OutsideError::Repo(error) => error.is_transient(),
            OutsideError::Data(error) => error.is_transient(),
            OutsideError::Render(error) => error.is_transient(),
        }
    }
}

/// The plan of a pipeline as things are now, with the proof of its manifests where that is asked for.
pub async fn plan(
    context: &Context,
    store: &Store,
    pipeline: &Pipeline,
    request: &Request,
) -> Result<Plan, OutsideError> {
    let snapshot = snapshot(context, store, pipeline).await?;
    let (own, asked, wanted) = (context.clone(), pipeline.clone(), request.clone());
    let (plan, snapshot) = blocking(move || -> Result<_, OutsideError> {
        let plan = make(&own.config, &asked, &wanted, &snapshot, &own.plan_target())?;
        Ok((plan, snapshot))
    })
    .await?;
    let mut plan = proof::prove(context, &snapshot.tips, plan).await?;
    // Requests to AWS are deep: on the heap they weigh nothing in the futures around them.
    Box::pin(aws(context, &snapshot, pipeline, request, &mut plan)).await?;
    Ok(plan)
}

/// What buckets and parameters say.
async fn aws(
    context: &Context,
    snapshot: &Snapshot,
    pipeline: &Pipeline,
    request: &Request,
    plan: &mut Plan,
) -> Result<(), DataError> {
    let records = Records { queue: &snapshot.queue, elsewhere: &snapshot.elsewhere };
    let looked = packages::look(context, &records, pipeline, &request.version).await?;
    plan.obstacles.extend(looked.obstacles);
    plan.notes.extend(looked.notes);
    plan.packages = looked.packages;
    plan.promotions = looked.promotions;
    let names: Vec<String> = pipeline.stages.iter().flat_map(|stage| stage.environments.clone()).collect();
    plan.notes.extend(record::drifts(context, &snapshot.queue, &names, &pipeline.dataset).await);
    Ok(())
}

async fn snapshot(context: &Context, store: &Store, pipeline: &Pipeline) -> Result<Snapshot, OutsideError> {
    let seen = store.read().await?;
    let names = pipeline.stages.iter().flat_map(|stage| &stage.environments);
    let target = context.plan_target();
    let mut branches: Vec<String> = names.map(|name| target.identity(&context.config, name).branch).collect();
    branches.sort();
    branches.dedup();
    let repo = context.target.clone();
    let tips = blocking(move || -> Result<BTreeMap<String, CommitId>, RepoError> {
        let mut tips = BTreeMap::new();
        for branch in branches {
            if let Some(tip) = repo.fetch(&branch)? {
                tips.insert(branch, tip);
            }
        }
        Ok(tips)
    })
    .await?;
    let elsewhere = elsewhere(context, store, pipeline).await?;
    Ok(Snapshot { tips, queue: seen.queue, elsewhere, at: Timestamp::now() })
}

/// Required environments, and those that packages come from, may be in other queues.
pub(super) async fn elsewhere(
    context: &Context,
    store: &Store,
    pipeline: &Pipeline,
) -> Result<BTreeMap<String, EnvironmentFile>, OutsideError> {
    let mut found = BTreeMap::new();
    let sources = pipeline.stages.iter().filter_map(|stage| Some(&stage.promote.as_ref()?.from));
    for name in pipeline.requires.iter().chain(sources) {
        let Some(environment) = context.config.environments.get(name) else { continue };
        let other = context.queue_store(&environment.queue);
        if other.same(store) {
            continue;
        }
        if let Some(file) = other.read().await?.queue.environment(name) {
            found.insert(name.clone(), file.clone());
        }
    }
    Ok(found)
}

/// Whether a queue can be read.
pub async fn queue(context: &Context, name: &str) -> Result<(), StoreError> {
    context.queue_store(name).read().await.map(|_| ())
}
