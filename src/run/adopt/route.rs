//! Which runs people's commits become: one for each environment, in the order of the pipelines.

use super::range::Found;
use super::revert::{PersonsRollback, proposed};
use crate::config::{Config, OnNewer, Pipeline, Stage};
use crate::queue::{FrozenBy, PersonCommit, Priority, Rejection, RunKind};
use crate::run::RunError;
use crate::run::order::Order;

/// What a found change is.
#[derive(Debug, Clone)]
pub enum Meaning {
    /// A version that is gated.
    Deployment,
    /// A person's rollback.
    Rollback(Box<PersonsRollback>),
}

/// One run.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its environments that people changed, for people.
    pub what: String,
    /// The pipeline of a deployment.
    pub pipeline: Option<Pipeline>,
    /// What enters the queue.
    pub order: Order,
}

/// The runs that people's changes become. `asked` is `--pipeline`.
pub fn routes(
    config: &Config,
    mut found: Vec<(Found, Meaning)>,
    asked: Option<&str>,
) -> Result<Vec<Route>, RunError> {
    if let Some(name) = asked {
        let pipeline = config.pipeline(name)?;
        let begins = |(found, _): &(Found, Meaning)| begins_with(pipeline, found);
        if !found.is_empty() && !found.iter().any(begins) {
            return Err(RunError::Usage(format!(
                "pipeline `{name}` begins with none of the environments that were changed ({}); name another, or none",
                found.iter().map(|(found, _)| &found.ground.environment[..]).collect::<Vec<_>>().join(", ")
            )));
        }
    }
    found.sort_by_key(|(found, _)| rank(config, &found.ground.environment));
    let mut routes = Vec::new();
    while !found.is_empty() {
        let (first, meaning) = found.remove(0);
        routes.push(match meaning {
            Meaning::Rollback(back) => rollback(first, *back),
            Meaning::Deployment => {
                let pipeline = pipeline(config, &first, asked);
                let beside = |(other, meaning): &(Found, Meaning)| {
                    let together = other.ground.branch == first.ground.branch;
                    matches!(meaning, Meaning::Deployment) && together && begins_with(&pipeline, other)
                };
                let (with, rest) = std::mem::take(&mut found).into_iter().partition(beside);
                found = rest;
                deployment(pipeline, first, with)
            }
        });
    }
    Ok(routes)
}

fn begins_with(pipeline: &Pipeline, found: &Found) -> bool {
    let first = pipeline.stages.first();
    pipeline.dataset == found.ground.dataset
        && first.is_some_and(|stage| stage.environments.contains(&found.ground.environment))
}

/// `--pipeline`, else the trailer of `propose`, else the only pipeline that begins with the environment, else that
/// environment alone.
fn pipeline(config: &Config, found: &Found, asked: Option<&str>) -> Pipeline {
    let named = asked.into_iter().chain(proposed(&found.messages));
    let mut named = named.filter_map(|name| config.pipelines.get(name));
    if let Some(pipeline) = named.find(|pipeline| begins_with(pipeline, found)) {
        return pipeline.clone();
    }
    let mut beginning = config.pipelines.values().filter(|pipeline| begins_with(pipeline, found));
    match (beginning.next(), beginning.next()) {
        (Some(only), None) => only.clone(),
        _ => alone(config, &found.ground.environment, &found.ground.dataset),
    }
}

/// A pipeline of one environment, with the gates of every stage that names it. It has no name.
pub fn alone(config: &Config, environment: &str, dataset: &str) -> Pipeline {
    let mut gates: Vec<String> = Vec::new();
    let mut promote = None;
    let own = config.pipelines.values().filter(|pipeline| pipeline.dataset == dataset);
    for stage in own.flat_map(|pipeline| &pipeline.stages) {
        if stage.environments.iter().any(|name| name == environment) {
            let new: Vec<String> = stage.gates.iter().filter(|gate| !gates.contains(gate)).cloned().collect();
            gates.extend(new);
            promote = promote.or_else(|| stage.promote.clone());
        }
    }
    Pipeline {
        name: String::new(),
        dataset: dataset.to_owned(),
        requires: Vec::new(),
        stages: vec![Stage { environments: vec![environment.to_owned()], gates, promote }],
        on_newer: OnNewer::Queue,
    }
}

/// Where an environment comes in the pipelines: first those that nothing is required for.
fn rank(config: &Config, environment: &str) -> (usize, usize) {
    let places = config.pipelines.values().filter_map(|pipeline| {
        let names = |stage: &Stage| stage.environments.iter().any(|name| name == environment);
        Some((depth(config, pipeline, config.pipelines.len()), pipeline.stages.iter().position(names)?))
    });
    places.min().unwrap_or((usize::MAX, 0))
}

/// How many pipelines have to come before one; `limit` ends a circle.
fn depth(config: &Config, pipeline: &Pipeline, limit: usize) -> usize {
    if limit == 0 {
        return 0;
    }
    let before = pipeline.requires.iter().flat_map(|name| {
        let other = move |other: &&Pipeline| other.name != pipeline.name && other.has(name);
        config.pipelines.values().filter(other)
    });
    before.map(|other| 1 + depth(config, other, limit - 1)).max().unwrap_or(0)
}

/// Environments that one stage deploys side by side become one run.
fn deployment(pipeline: Pipeline, first: Found, with: Vec<(Found, Meaning)>) -> Route {
    let all = with.into_iter().fold(first, |all, (other, _)| join(all, other));
    let what: Vec<String> = all.adopted.pins.keys().cloned().collect();
    let mut versions = what.iter().flat_map(|name| all.adopted.versions(name)).map(|(version, _)| version);
    let version = versions.next_back().unwrap_or_default();
    let order = Order { adopts: Some(all.adopted), ..Order::deployment(&pipeline, &version, Vec::new()) };
    Route { what: what.join(", "), pipeline: Some(pipeline), order }
}

/// The newest commit of both is watched.
fn join(mut one: Found, other: Found) -> Found {
    if other.at.first() < one.at.first() {
        one.adopted.commit = other.adopted.commit;
    }
    if other.at.last() > one.at.last() {
        one.adopted.before = other.adopted.before;
    }
    let mut commits: Vec<(usize, PersonCommit)> = one.at.into_iter().zip(one.adopted.commits).collect();
    commits.extend(other.at.into_iter().zip(other.adopted.commits));
    commits.sort_by_key(|(newer, _)| *newer);
    commits.dedup_by_key(|(newer, _)| *newer);
    (one.at, one.adopted.commits) = commits.into_iter().unzip();
    one.adopted.pins.extend(other.adopted.pins);
    one.messages.extend(other.messages);
    one
}

fn rollback(found: Found, back: PersonsRollback) -> Route {
    let environment = found.ground.environment;
    let kind = RunKind::Rollback {
        to: Some(back.set.version.clone()),
        mends: None,
        reject: Rejection::Reject,
        left: back.left,
        frozen: FrozenBy::Obey,
    };
    let order = Order {
        kind,
        version: back.set.version,
        priority: Priority::Rollback,
        adopts: Some(found.adopted),
        ..Order::rollback(&environment, &found.ground.dataset, None, Rejection::Reject, FrozenBy::Obey)
    };
    Route { what: environment, pipeline: None, order }
}
