//! Finishes what others left, so that nothing stays half-done when nobody deploys.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::context::Context;
use super::order::Order;
use super::{RunError, carry_out, takeover};
use crate::config::Queue as Settings;
use crate::queue::{ChangeError, Force, FrozenBy, Outcome, Patience, Queue, Rejection, Store, Watch};

/// One thing that was mended, or could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mended {
    /// The run or environment.
    pub what: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Finishes abandoned runs, drops tickets that nobody drives, goes for the goal of frozen environments, and
/// ends freezes whose time is over. Idempotent, and safe to run beside everything else.
///
/// `only` limits it to one environment.
pub async fn reconcile(
    context: &Context,
    store: &Store,
    settings: &Settings,
    only: Option<&str>,
) -> Result<Vec<Mended>, RunError> {
    let mut mended = abandoned_runs(context, store, settings, only).await?;
    thaw_expired(store, only).await?;
    mended.extend(frozen_environments(context, store, settings, only).await?);
    Ok(mended)
}

/// Looks until every ticket has either moved or been silent for too long.
async fn abandoned_runs(
    context: &Context,
    store: &Store,
    settings: &Settings,
    only: Option<&str>,
) -> Result<Vec<Mended>, RunError> {
    let patience = Patience { ttl: settings.ttl, start_grace: settings.start_grace };
    let begun = Instant::now();
    let mut watch = Watch::default();
    let mut mended = Vec::new();
    let first = store.read().await?.queue;
    loop {
        let queue = store.read().await?.queue;
        let silence = watch.look(&queue, begun.elapsed(), patience);
        let waited = |of: &std::collections::BTreeMap<u64, Duration>, limit| {
            of.iter().find(|(_, silent)| **silent >= limit).map(|(number, _)| *number)
        };
        if let Some(number) = waited(&silence.of, patience.ttl).filter(|number| names(&queue, *number, only))
        {
            if let Some(ticket) = queue.tickets.get(&number) {
                let ended =
                    takeover::finish_for(context, store, settings, number, &ticket.driver, None).await?;
                mended.extend(ended.map(|outcome| Mended { what: format!("run {}", ticket.run), outcome }));
            }
            continue;
        }
        if let Some(number) = waited(&silence.entitled, patience.start_grace) {
            mended.extend(drop_idle(context, store, &queue, number, settings).await?);
            continue;
        }
        if !queue.tickets.values().any(|ticket| unmoved(&first, ticket) && names(&queue, ticket.number, only))
        {
            return Ok(mended);
        }
        tokio::time::sleep((settings.ttl / 10).clamp(Duration::from_millis(200), Duration::from_secs(10)))
            .await;
    }
}

/// Whether a ticket is as it was at first: its driver may be gone. One that has moved is alive.
fn unmoved(first: &Queue, ticket: &crate::queue::Ticket) -> bool {
    first.tickets.get(&ticket.number).is_some_and(|old| old.driver == ticket.driver)
        && (ticket.state.holds() || first.ahead(ticket).is_empty())
}

fn names(queue: &Queue, number: u64, only: Option<&str>) -> bool {
    let ticket = queue.tickets.get(&number);
    ticket.is_some_and(|ticket| only.is_none_or(|name| ticket.part(name).is_some()))
}

async fn drop_idle(
    context: &Context,
    store: &Store,
    queue: &Queue,
    number: u64,
    settings: &Settings,
) -> Result<Option<Mended>, RunError> {
    let Some(seen) = queue.tickets.get(&number) else { return Ok(None) };
    let reason = format!("it might have started, and did not for {:?}", settings.start_grace);
    let outcome = Outcome::Dropped { reason };
    let (who, at) = (&context.who, Timestamp::now());
    let dropped = store
        .change(&format!("#{number} is dropped"), |queue| match queue.tickets.get(&number) == Some(seen) {
            true => queue.leave(number, outcome.clone(), who, at),
            false => Ok(()),
        })
        .await;
    match dropped {
        Ok(()) => Ok(Some(Mended { what: format!("run {}", seen.run), outcome })),
        Err(ChangeError::Refusal(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn thaw_expired(store: &Store, only: Option<&str>) -> Result<(), RunError> {
    let queue = store.read().await?.queue;
    for file in queue.environments.values() {
        let name = &file.identity.name;
        let over = file
            .freeze
            .as_ref()
            .and_then(|freeze| freeze.until)
            .is_some_and(|until| until <= Timestamp::now());
        if over && only.is_none_or(|only| only == name) {
            store
                .change(&format!("the freeze of {name} is over"), |queue| queue.thaw(name, Force::No))
                .await?;
        }
    }
    Ok(())
}

async fn frozen_environments(
    context: &Context,
    store: &Store,
    settings: &Settings,
    only: Option<&str>,
) -> Result<Vec<Mended>, RunError> {
    let queue = store.read().await?.queue;
    let mut mended = Vec::new();
    for file in queue.environments.values() {
        let name = &file.identity.name;
        let Some(carried) = file.freeze.as_ref().and_then(|freeze| freeze.origin.carried()) else { continue };
        if !context.config.environments.contains_key(name) || only.is_some_and(|only| only != name) {
            continue;
        }
        let order = Order::rollback(name, &carried.dataset, None, Rejection::Keep, FrozenBy::Obey);
        let outcome = carry_out(context, store, settings, order).await?;
        mended.push(Mended { what: format!("environment {name}"), outcome });
    }
    Ok(mended)
}
