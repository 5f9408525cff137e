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
    /// A spread run of which GitLab does not say whether it lives is abandoned after so long a silence; `None`
    /// means never.
    pub step_idle: Option<Duration>,
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
    for other in in_the_way(queue, ahead) {
        if other.state.holds() {
            if first_behind(queue, other, me, &idle, patience) && silent(other.number) >= patience.ttl {
                return Next::TakeOver { number: other.number, seen: other.driver.clone() };
            }
        } else if idle(other.number) >= patience.start_grace {
            return Next::Drop { number: other.number };
        }
    }
    Next::Wait { position }
}

/// Who is ahead, then who keeps those of them waiting that wait, and so on: these need not have an environment in common
/// with whom they keep waiting in the end.
fn in_the_way<'q>(queue: &'q Queue, ahead: Vec<&'q Ticket>) -> Vec<&'q Ticket> {
    let mut all = ahead;
    let mut at = 0;
    while let Some(&waiting) = all.get(at) {
        at += 1;
        if waiting.state.holds() {
            continue;
        }
        for other in queue.ahead(waiting) {
            if !other.state.holds() && !all.iter().any(|known| known.number == other.number) {
                all.push(other);
            }
        }
    }
    all
}

/// Whether every waiting ticket that waits for `holder` is behind `me`, or does not use its turn.
fn first_behind(
    queue: &Queue,
    holder: &Ticket,
    me: u64,
    idle: &impl Fn(u64) -> Duration,
    patience: Patience,
) -> bool {
    let Some(mine) = queue.tickets.get(&me) else { return false };
    let rank = |ticket: &Ticket| (ticket.priority, ticket.number);
    !queue
        .tickets
        .values()
        .filter(|other| !other.state.holds() && other.meets(holder) && rank(other) < rank(mine))
        .any(|other| idle(other.number) < patience.start_grace)
}

/// Watches a queue and counts silences by the observer's own clock.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    looked: Duration,
    drivers: BTreeMap<u64, (Driver, Duration)>,
    entitled: BTreeMap<u64, Duration>,
    words: BTreeMap<u64, (Asked, Word)>,
}

impl Watch {
    /// Takes in what GitLab said of a ticket. It counts for as long as that is what the ticket asks.
    pub fn hear(&mut self, number: u64, asked: Asked, word: Word) {
        self.words.insert(number, (asked, word));
    }

    /// What GitLab said last of what the ticket asks.
    pub fn word(&self, ticket: &Ticket) -> Option<&Word> {
        let (asked, word) = self.words.get(&ticket.number)?;
        (ticket.asked().as_ref() == Some(asked)).then_some(word)
    }

    /// How silent a started ticket counts: GitLab's word alone says it of one that is spread over jobs.
    fn counts(&self, ticket: &Ticket, silent: Duration, patience: Patience) -> Duration {
        match (&ticket.lives, self.word(ticket), patience.step_idle) {
            (Lives::Process, _, _) => silent,
            (Lives::Pipeline(_), Some(Word::Finished(_)), _) => Duration::MAX,
            (Lives::Pipeline(_), None | Some(Word::Unknown(_)), Some(limit)) if silent >= limit => {
                Duration::MAX
            }
            (Lives::Pipeline(_), _, _) => Duration::ZERO,
        }
    }

    /// Takes in what the queue says at `now` (any monotonic clock) and returns the silences.
    pub fn look(&mut self, queue: &Queue, now: Duration, patience: Patience) -> Silence {
        self.forgive(now, patience);
        self.words.retain(|number, _| queue.tickets.contains_key(number));
        let of = self.silent(queue, now, patience);
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
        let waited = |(number, since): (&u64, &Duration)| (*number, now - *since);
        let mut entitled: BTreeMap<u64, Duration> = self.entitled.iter().map(waited).collect();
        for ticket in queue.tickets.values().filter(|ticket| !ticket.state.holds()) {
            if let Some(Word::Finished(_)) = self.word(ticket) {
                entitled.insert(ticket.number, Duration::MAX);
            }
        }
        Silence { of, entitled }
    }

    /// What was not observed is no silence: after an outage that hit everybody, counting goes on where it was.
    fn forgive(&mut self, now: Duration, patience: Patience) {
        let gap = now.saturating_sub(self.looked);
        self.looked = now;
        if gap > patience.ttl / 3 {
            self.drivers.values_mut().for_each(|(_, since)| *since += gap);
            self.entitled.values_mut().for_each(|since| *since += gap);
        }
    }

    fn silent(&mut self, queue: &Queue, now: Duration, patience: Patience) -> BTreeMap<u64, Duration> {
        let before = std::mem::take(&mut self.drivers);
        for ticket in queue.tickets.values().filter(|ticket| ticket.state.holds()) {
            let since = match before.get(&ticket.number) {
                Some((driver, since)) if *driver == ticket.driver => *since,
                _ => now,
            };
            self.drivers.insert(ticket.number, (ticket.driver.clone(), since));
        }
        let started = queue.tickets.values().filter_map(|ticket| {
            let (_, since) = self.drivers.get(&ticket.number)?;
            Some((ticket.number, self.counts(ticket, now - *since, patience)))
        });
        started.collect()
    }
}
