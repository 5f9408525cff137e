//! Waits until services run a commit, or a descendant that still holds the values, and are healthy since.

mod relations;
mod service;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::journal::Journal;
use crate::agent::wait::Mode;
use crate::config::Place;
use crate::queue::EnvironmentPart;
use crate::repo::CommitId;
use relations::Relations;
pub use relations::who_changed;
use service::Wait;

/// What is waited for in one environment.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// Environment.
    pub environment: String,
    /// Target branch.
    pub branch: String,
    /// Commit that has to run.
    pub commit: CommitId,
    /// By service: the values that have to hold.
    pub services: Vec<(String, Vec<(Place, String)>)>,
    /// Dataset.
    pub dataset: String,
    /// Version, as agents are told.
    pub version: String,
    /// How long it may take.
    pub limit: Duration,
}

impl Awaited {
    /// The services of a part, each with the value that its pins are going to have by `text`.
    pub fn services(
        part: &EnvironmentPart,
        text: impl Fn(&crate::queue::PinRecord) -> Option<String>,
    ) -> Vec<(String, Vec<(Place, String)>)> {
        part.services
            .iter()
            .map(|service| {
                let mine = part.pins.iter().filter(|pin| pin.service == service.name);
                let values = mine.filter_map(|pin| text(pin).map(|text| (pin.place.clone(), text))).collect();
                (service.name.clone(), values)
            })
            .collect()
    }
}

/// How the wait for one service ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// How.
    pub how: How,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It runs the commit and is healthy.
    Up,
    /// It did not come up.
    Failed {
        /// Why.
        reason: String,
    },
    /// Somebody else changed the values.
    Superseded {
        /// Who, and which commit.
        by: String,
    },
}

/// Waits for all services of all environments side by side.
///
/// A deployment fails fast: once one service has failed, the others get a short while to say how they are.
/// A rollback waits for each: one failure stops no other.
pub async fn wait(context: &Context, journal: &Journal, awaited: &[Awaited], mode: Mode) -> Vec<Ended> {
    watch(context, journal, awaited, mode, Talk::All).await
}

/// The same for services that were up already: tells only of those that are not.
pub async fn look_again(context: &Context, journal: &Journal, awaited: &[Awaited], mode: Mode) -> Vec<Ended> {
    watch(context, journal, awaited, mode, Talk::Failures).await
}

/// What the listeners hear of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    All,
    Failures,
}

async fn watch(
    context: &Context,
    journal: &Journal,
    awaited: &[Awaited],
    mode: Mode,
    talk: Talk,
) -> Vec<Ended> {
    let mut waits: JoinSet<Ended> = JoinSet::new();
    let mut left: Vec<(String, String)> = Vec::new();
    let mut patience = Duration::ZERO;
    for one in awaited {
        let Some(agent) = context.agent(&one.environment) else { continue };
        patience = patience.max(grace(agent.interval()));
        let relations = Arc::new(Relations::new(context.target.clone(), one));
        for (service, values) in &one.services {
            left.push((one.environment.clone(), service.clone()));
            let wait = Wait {
                context: context.clone(),
                journal: journal.clone(),
                agent: agent.clone(),
                relations: relations.clone(),
                awaited: one.clone(),
                service: service.clone(),
                values: values.clone(),
                mode,
                talk,
            };
            waits.spawn(wait.run());
        }
    }
    collect(&mut waits, left, mode, patience).await
}

/// How long the others may say how they are once one has failed: a few looks of an agent of that interval.
pub fn grace(interval: Duration) -> Duration {
    (interval * 3).max(Duration::from_secs(2))
}

async fn collect(
    waits: &mut JoinSet<Ended>,
    mut left: Vec<(String, String)>,
    mode: Mode,
    grace: Duration,
) -> Vec<Ended> {
    let mut ended: Vec<Ended> = Vec::new();
    let mut until: Option<Instant> = None;
    loop {
        let next = match until {
            Some(until) => tokio::time::timeout_at(until, waits.join_next()).await,
            None => Ok(waits.join_next().await),
        };
        let Ok(Some(joined)) = next else { break };
        if let Ok(one) = joined {
            left.retain(|(environment, service)| (environment, service) != (&one.environment, &one.service));
            if mode == Mode::Deploy && one.how != How::Up {
                until.get_or_insert(Instant::now() + grace);
            }
            ended.push(one);
        }
    }
    let reason = "not waited for, since another service failed".to_owned();
    ended.extend(left.into_iter().map(|(environment, service)| {
        let how = match until {
            Some(_) => How::Failed { reason: reason.clone() },
            None => How::Failed { reason: "its wait ended by itself; this is a bug".to_owned() },
        };
        Ended { environment, service, how }
    }));
    ended
}
