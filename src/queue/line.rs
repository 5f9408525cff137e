//! What a run that waits does next. Pure, like [`super::rules`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// How long what was seen has not changed, by the observer's own clock.
///
/// Clocks of machines are never compared: an observer counts from the moment it first saw a ticket as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Silence {
    /// By ticket: since when its driver gave no sign of life.
    pub of: BTreeMap<u64, Duration>,
    /// By waiting ticket: since when it might have started, or have taken over what is abandoned before it.
    pub entitled: BTreeMap<u64, Duration>,
}

/// The limits that an observer goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A started ticket that is silent for so long is abandoned.
    pub ttl: Duration,
    /// A waiting ticket that might act and does not for so long is dropped.
    pub start_grace: Duration,
}

/// What a waiting run does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It may start.
    Start,
    /// The ticket before it is abandoned: carry it on, then look again.
    TakeOver {
        /// That ticket.
        number: u64,
        /// Its driver as it was seen.
        seen: Driver,
    },
    /// A waiting ticket before it does not use its turn: take it out of the line.
    Drop {
        /// That ticket.
        number: u64,
    },
    /// Wait.
    Wait {
        /// 1 is next.
        position: usize,
    },
    /// Somebody wants it cancelled.
    Cancelled(Wish),
    /// It is a holder already.
    Holds,
    /// It is not in the queue any more; its line in the history says why.
    Gone,
}

/// What ticket `me` does next.
///
/// Only the next in line takes over an abandoned holder of its environments. A waiting ticket that does not use its
/// turn is dropped by everyone whom it keeps waiting, also where only others stand between the two.
pub fn next(queue: &Queue, me: u64, silence: &Silence, patience: Patience) -> Next {
    let Some(mine) = queue.tickets.get(&me) else { return Next::Gone };
    if mine.state.holds() {
        return Next::Holds;
    }
    if let Some(wish) = &mine.cancel {
        return Next::Cancelled(wish.clone());
    }
    let ahead = queue.ahead(mine);
    let position = ahead.len() + 1;
    if ahead.is_empty() {
        return Next::Start;
    }
    let silent = |number: u64| silence.of.get(&number).copied().unwrap_or_default();
    let idle = |number: u64| silence.entitled.get(&number).copied().unwrap_or_default();
    for holder in ahead.iter().filter(|other| other.state.holds()) {
        let between = between(queue, holder, mine).next();
        if between.is_none() && silent(holder.number) >= patience.ttl {
            return Next::TakeOver { number: holder.number, seen: holder.driver.clone() };
        }
    }
    let idler = in_the_way(queue, mine)
        .into_iter()
        .filter(|other| !other.state.holds())
        .find(|other| idle(other.number) >= patience.start_grace);
    match idler {
        Some(idler) => Next::Drop { number: idler.number },
        None => Next::Wait { position },
    }
}

/// Everyone whom `mine` waits for: who is ahead of it, who is ahead of those, and who comes before it where a holder has
/// to be taken over. They need not have an environment in common with it.
fn in_the_way<'a>(queue: &'a Queue, mine: &Ticket) -> Vec<&'a Ticket> {
    let mut all: Vec<&Ticket> = queue.ahead(mine);
    let mut at = 0;
    while let Some(&other) = all.get(at) {
        let more: Vec<&Ticket> = match other.state.holds() {
            true => between(queue, other, mine).collect(),
            false => queue.ahead(other),
        };
        for ticket in more {
            if ticket.number != mine.number && !all.iter().any(|known| known.number == ticket.number) {
                all.push(ticket);
            }
        }
        at += 1;
    }
    all
}

/// What is left without anybody who cares for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// A holder is abandoned: carry it on.
    TakeOver {
        /// That ticket.
        number: u64,
        /// Its driver as it was seen.
        seen: Driver,
    },
    /// A waiting ticket does not use its turn: take it out of the line.
    Drop {
        /// That ticket.
        number: u64,
    },
}

/// What an observer without a ticket of its own (`reconcile`) does next; `None` if nothing is abandoned.
pub fn mend(queue: &Queue, silence: &Silence, patience: Patience) -> Option<Mend> {
    let long = |of: &BTreeMap<u64, Duration>, number: u64, limit: Duration| {
        of.get(&number).is_some_and(|silent| *silent >= limit)
    };
    let abandoned = queue
        .tickets
        .values()
        .find(|ticket| ticket.state.holds() && long(&silence.of, ticket.number, patience.ttl))
        .map(|ticket| Mend::TakeOver { number: ticket.number, seen: ticket.driver.clone() });
    let idle = || {
        queue
            .tickets
            .values()
            .find(|ticket| {
                !ticket.state.holds() && long(&silence.entitled, ticket.number, patience.start_grace)
            })
            .map(|ticket| Mend::Drop { number: ticket.number })
    };
    abandoned.or_else(idle)
}

/// Waiting tickets that come before `mine` where `holder` is to be taken over.
fn between<'a>(queue: &'a Queue, holder: &Ticket, mine: &Ticket) -> impl Iterator<Item = &'a Ticket> {
    let rank = |ticket: &Ticket| (ticket.priority, ticket.number);
    queue
        .tickets
        .values()
        .filter(move |other| !other.state.holds() && other.meets(holder) && rank(other) < rank(mine))
}

/// Watches a queue and counts silences by the observer's own clock.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    drivers: BTreeMap<u64, (Driver, Duration)>,
    entitled: BTreeMap<u64, Duration>,
}

impl Watch {
    /// Takes in what the queue says at `now` (any monotonic clock) and returns the silences.
    pub fn look(&mut self, queue: &Queue, now: Duration, patience: Patience) -> Silence {
        let of = self.silent(queue, now);
        let may_act = |ticket: &Ticket| {
            queue.ahead(ticket).iter().all(|other| {
                other.state.holds() && of.get(&other.number).is_some_and(|silent| *silent >= patience.ttl)
            })
        };
        let before = std::mem::take(&mut self.entitled);
        self.entitled = queue
            .tickets
            .values()
            .filter(|ticket| !ticket.state.holds() && may_act(ticket))
            .map(|ticket| (ticket.number, before.get(&ticket.number).copied().unwrap_or(now)))
            .collect();
        let entitled = self.entitled.iter().map(|(number, since)| (*number, now - *since)).collect();
        Silence { of, entitled }
    }

    fn silent(&mut self, queue: &Queue, now: Duration) -> BTreeMap<u64, Duration> {
        let before = std::mem::take(&mut self.drivers);
        for ticket in queue.tickets.values().filter(|ticket| ticket.state.holds()) {
            let since = match before.get(&ticket.number) {
                Some((driver, since)) if *driver == ticket.driver => *since,
                _ => now,
            };
            self.drivers.insert(ticket.number, (ticket.driver.clone(), since));
        }
        self.drivers.iter().map(|(number, (_, since))| (*number, now - *since)).collect()
    }
}
