//! Continues a run that another process left.

use super::context::Context;
use super::order::Order;
use super::{RunError, carry_out, drive, record, takeover};
use crate::config::Queue as Settings;
use crate::queue::{Force, Outcome, RunId, Store, Ticket};

/// Finds the ticket that is meant: by run id, its tail, or number; without a name the only one there is.
pub fn find<'q>(queue: &'q crate::queue::Queue, named: Option<&str>) -> Result<Option<&'q Ticket>, RunError> {
    let all: Vec<&Ticket> = queue.tickets.values().collect();
    let Some(name) = named else {
        return match all.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            several => Err(RunError::Usage(format!(
                "there are several runs ({}): say which",
                several
                    .iter()
                    .map(|ticket| format!("#{} {}", ticket.number, ticket.run))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        };
    };
    let bare = name.trim_start_matches('#');
    let meant: Vec<&Ticket> = all
        .into_iter()
        .filter(|ticket| {
            ticket.number.to_string() == bare
                || ticket.run.0.eq_ignore_ascii_case(bare)
                || (bare.len() >= 6
                    && ticket.run.0.to_ascii_uppercase().ends_with(&bare.to_ascii_uppercase()))
        })
        .collect();
    match meant.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(RunError::Usage(format!("`{name}` means several runs: use the whole id"))),
    }
}

/// What writing the parameters came to that did not say what is verified.
fn recorded(done: Vec<(String, Result<(), String>)>) -> Outcome {
    let failed: Vec<String> =
        done.into_iter().filter_map(|(what, done)| Some(format!("{what}: {}", done.err()?))).collect();
    match failed.is_empty() {
        true => Outcome::Verified,
        false => Outcome::NotRecorded { reason: failed.join("; ") },
    }
}

/// Continues a run: a waiting one keeps its place, a started one goes on from where its driver left it, and one
/// that left a frozen environment goes for that environment's goal.
pub async fn resume(
    context: &Context,
    store: &Store,
    settings: &Settings,
    named: Option<&str>,
    force: Force,
) -> Result<Outcome, RunError> {
    let seen = store.read().await?;
    if let Some(ticket) = find(&seen.queue, named)? {
        if ticket.state.holds() && force == Force::Yes {
            let taken = takeover::take(context, store, settings, ticket.number, &ticket.driver).await?;
            let journal = taken.ok_or_else(|| {
                RunError::NotAllowed("its driver gave a sign of life just now; try again".to_owned())
            })?;
            return drive(context, settings, journal).await;
        }
        return carry_out(context, store, settings, Order::of(ticket)).await;
    }
    let frozen = seen.queue.environments.values().find_map(|file| {
        let carried = file.freeze.as_ref()?.origin.carried()?;
        let meant = named.is_none_or(|name| {
            carried.run.0.eq_ignore_ascii_case(name)
                || carried.number.to_string() == name.trim_start_matches('#')
        });
        meant.then(|| Order::mending(&file.identity.name, carried))
    });
    if named.is_none() && frozen.is_none() {
        let names: Vec<String> = context.config.environments.keys().cloned().collect();
        let done = Box::pin(record::catch_up(context, store, &RunId(String::new()), &names)).await;
        if !done.is_empty() {
            return Ok(recorded(done));
        }
    }
    match frozen {
        Some(order) => carry_out(context, store, settings, order).await,
        None => Err(RunError::Usage(match named {
            Some(name) => format!(
                "run `{name}` is not in the queue `{}`, and no frozen environment waits for it; see `datapin history`",
                store.branch()
            ),
            None => format!("the queue `{}` is empty: there is nothing to resume", store.branch()),
        })),
    }
}
