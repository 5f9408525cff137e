//! Who waits, who holds, what is frozen.

use serde::Serialize;

use super::moment;
use crate::queue::{EnvironmentFile, Freeze, Origin, Priority, State, Ticket};
use crate::report::queue::{Standing, frozen, in_order, standing};
use crate::report::words;

/// The queue.
#[derive(Debug, Serialize)]
pub struct Queue<'a> {
    tickets: Vec<Entry<'a>>,
    frozen: Vec<Frozen<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    number: u64,
    run: &'a str,
    what: String,
    pipeline: &'a str,
    dataset: &'a str,
    version: &'a str,
    environments: Vec<&'a str>,
    state: &'static str,
    /// In plain words.
    doing: String,
    /// 1 is next; `null` for a holder.
    position: Option<usize>,
    /// Numbers of the tickets that go first.
    behind: Vec<u64>,
    priority: &'static str,
    actor: &'a str,
    url: Option<&'a str>,
    driver: &'a str,
    cancel_wanted_by: Option<&'a str>,
    entered: String,
    started: Option<String>,
}

#[derive(Debug, Serialize)]
struct Frozen<'a> {
    environment: &'a str,
    origin: &'static str,
    /// The run whose work is left to do there.
    run: Option<&'a str>,
    owner: &'a str,
    reason: &'a str,
    since: String,
    until: Option<String>,
}

impl<'a> Queue<'a> {
    /// The queue in the order of the line.
    pub fn new(tickets: &[&'a Ticket], environments: &[&'a EnvironmentFile]) -> Self {
        Self {
            tickets: in_order(tickets).into_iter().map(|ticket| Entry::new(ticket, tickets)).collect(),
            frozen: frozen(environments)
                .into_iter()
                .map(|(name, freeze)| Frozen::new(name, freeze))
                .collect(),
        }
    }
}

impl<'a> Entry<'a> {
    fn new(ticket: &'a Ticket, all: &[&'a Ticket]) -> Self {
        let (position, behind) = match standing(ticket, all) {
            Standing::Holds => (None, Vec::new()),
            Standing::Waits { position, behind } => {
                (Some(position), behind.iter().map(|other| other.number).collect())
            }
        };
        Self {
            number: ticket.number,
            run: &ticket.run.0,
            what: words::ticket(ticket),
            pipeline: &ticket.pipeline,
            dataset: &ticket.dataset,
            version: &ticket.version,
            environments: ticket.parts().map(|part| part.identity.name.as_str()).collect(),
            state: state(&ticket.state),
            doing: words::state(ticket),
            position,
            behind,
            priority: priority(ticket.priority),
            actor: &ticket.actor,
            url: ticket.ci.as_ref().map(|ci| ci.url.as_str()).filter(|url| !url.is_empty()),
            driver: &ticket.driver.who,
            cancel_wanted_by: ticket.cancel.as_ref().map(|wish| wish.by.as_str()),
            entered: moment(ticket.times.entered),
            started: ticket.times.started.map(moment),
        }
    }
}

impl<'a> Frozen<'a> {
    fn new(environment: &'a str, freeze: &'a Freeze) -> Self {
        let origin = match freeze.origin {
            Origin::Person => "person",
            Origin::RollbackFailed { .. } => "rollback-failed",
            Origin::Abandoned { .. } => "abandoned",
        };
        Self {
            environment,
            origin,
            run: freeze.origin.carried().map(|carried| carried.run.0.as_str()),
            owner: &freeze.owner,
            reason: &freeze.reason,
            since: moment(freeze.since),
            until: freeze.until.map(moment),
        }
    }
}

fn state(state: &State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Started => "started",
        State::Deploying { .. } => "deploying",
        State::Verified => "verified",
        State::RollingBack { .. } => "rolling-back",
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Rollback => "rollback",
        Priority::Normal => "normal",
    }
}
