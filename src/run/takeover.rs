//! Carries on a run that its driver left.
//!
//! From the ticket come environments, pins, old values, commits and state; repository, branch, agent and
//! notifier come from this process's own configuration.

use super::RunError;
use super::back::abandoned;
use super::context::Context;
use super::driver::{Driver, cancelled_by};
use super::journal::Journal;
use super::step::direction;
use crate::config::Queue as Settings;
use crate::event::{Direction, What};
use crate::queue::{
    Cause, CauseKind, ChangeError, Driver as Seen, Lives, Outcome, Refusal, RunId, State, Store, Ticket,
};

/// Becomes the driver of a started ticket, whose driver is still the one that was seen.
///
/// `None` if that driver gave a sign of life meanwhile, or the ticket is gone.
pub async fn take(
    context: &Context,
    store: &Store,
    settings: &Settings,
    number: u64,
    seen: &Seen,
) -> Result<Option<Journal>, RunError> {
    let who = &context.who;
    let taken = store
        .change(&format!("#{number} is taken over from {}", seen.who), |queue| {
            queue.take(number, seen, who)?;
            queue.ticket(number).cloned()
        })
        .await;
    match taken {
        Ok(ticket) => Ok(Some(Journal::new(store, ticket, settings.ttl))),
        Err(ChangeError::Refusal(
            Refusal::Alive { .. } | Refusal::Gone { .. } | Refusal::WrongState { .. },
        )) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes an abandoned run over and finishes what it left: forward after the commit point, back before it.
///
/// `teller` is the run that tells of it: the one that waits behind. `None` if it was not abandoned after all.
pub async fn finish_for(
    context: &Context,
    store: &Store,
    settings: &Settings,
    number: u64,
    seen: &Seen,
    teller: Option<&RunId>,
) -> Result<Option<Outcome>, RunError> {
    let before = store.last().and_then(|seen| seen.queue.tickets.get(&number).cloned());
    let Some(journal) = take(context, store, settings, number, seen).await? else { return Ok(None) };
    let ticket = journal.ticket();
    let direction = direction(&ticket);
    context.events.tell(
        teller.unwrap_or(&ticket.run),
        What::TakingOver { left: ticket.run.clone(), number, who: seen.who.clone(), direction },
    );
    let going_back = matches!(ticket.state, State::RollingBack { .. });
    if direction == Direction::Back && !going_back {
        let cause = left(before.as_ref(), &ticket, &seen.who);
        journal.note(|ticket| ticket.state = State::RollingBack { cause });
    }
    let driver = Driver { context: context.for_run(&ticket.run), journal };
    Ok(Some(driver.drive().await?))
}

/// Why a run is taken back that its driver or its pipeline left.
fn left(before: Option<&Ticket>, ticket: &Ticket, who: &str) -> Cause {
    if let Some(wish) = &ticket.cancel {
        return cancelled_by(wish.clone());
    }
    match (&ticket.fault, before.map(|before| &before.lives)) {
        (Some(fault), _) => fault.clone(),
        (None, Some(Lives::Pipeline(spread))) => {
            let text =
                format!("its pipeline {} on {} ended before the run did", spread.pipeline, spread.host);
            Cause { kind: CauseKind::Abandoned, text }
        }
        (None, Some(Lives::Process) | None) => abandoned(who),
    }
}

/// Why a waiting ticket is dropped.
pub fn idle(ticket: &Ticket, settings: &Settings) -> String {
    match &ticket.lives {
        Lives::Process => format!("it might have started, and did not for {:?}", settings.start_grace),
        Lives::Pipeline(_) => {
            format!("its job is over, or it might have started and did not for {:?}", settings.start_grace)
        }
    }
}
