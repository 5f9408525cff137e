//! What observers of the queue may believe to see. Whether somebody is silent is a choice of the model; what
//! follows from it is the product's word.

use std::time::Duration;

use datapin::queue::*;

use super::setup::PATIENCE;

/// What an observer would do if it found somebody silent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The waiting observer's ticket; `None`: `reconcile`.
    pub observer: Option<u64>,
    pub mend: Mend,
    /// Whom it takes for dead for that: a holder's driver, and waiting tickets' processes.
    pub silent: Option<u64>,
    pub idle: Vec<u64>,
}

/// All that can be seen in a queue; of what leads to the same act, what takes the fewest for dead.
///
/// `pipeline`: GitLab's word on the one pipeline that a run is spread over.
pub fn sightings(queue: &Queue, pipeline: &Word) -> Vec<Sighting> {
    let holders =
        queue.tickets.values().filter(|ticket| ticket.state.holds()).map(|ticket| Some(ticket.number));
    let mut all: Vec<Sighting> = Vec::new();
    for silent in std::iter::once(None).chain(holders) {
        let silence = watch(queue, silent, pipeline);
        for idle in subsets(silence.entitled.keys().copied().collect()) {
            let mut silence = silence.clone();
            silence.entitled.retain(|number, _| idle.contains(number));
            let observers = std::iter::once(None).chain(queue.tickets.keys().copied().map(Some));
            for observer in observers {
                let Some(mend) = act(queue, observer, &silence) else { continue };
                if !all.iter().any(|known| known.observer == observer && known.mend == mend) {
                    all.push(Sighting { observer, mend, silent, idle: idle.clone() });
                }
            }
        }
    }
    all
}

/// The smallest first.
fn subsets(of: Vec<u64>) -> Vec<Vec<u64>> {
    let mut all = vec![Vec::new()];
    for number in of {
        let with: Vec<Vec<u64>> = all.iter().map(|set: &Vec<u64>| [&set[..], &[number]].concat()).collect();
        all.extend(with);
    }
    all.sort_by_key(Vec::len);
    all
}

/// Lets the product's own watch see that this driver is silent and the others are not.
fn watch(queue: &Queue, silent: Option<u64>, pipeline: &Word) -> Silence {
    let mut watch = Watch::default();
    let is_spread = |ticket: &Ticket| ticket.state.holds() && ticket.lives != Lives::Process;
    for ticket in queue.tickets.values().filter(|ticket| is_spread(ticket)) {
        watch.hear(ticket.number, ticket.asked().expect("a pipeline is asked about"), pipeline.clone());
    }
    let mut queue = queue.clone();
    let mut silence = Silence::default();
    // More seldom than that, and the watch takes it for an outage of its own.
    let pause = PATIENCE.ttl / 3;
    for at in 0..=4 {
        silence = watch.look(&queue, pause * at, PATIENCE);
        let alive = queue.tickets.values_mut().filter(|ticket| Some(ticket.number) != silent);
        alive.for_each(|ticket| ticket.driver.beat += 1);
    }
    let long = |number: &u64| silence.of[number] >= PATIENCE.ttl;
    let over = matches!(pipeline, Word::Finished(_));
    let gone = |number: &u64| match is_spread(&queue.tickets[number]) {
        true => over,
        false => Some(*number) == silent,
    };
    assert!(silence.of.keys().all(|number| long(number) == gone(number)));
    silence
}

/// What is to be done about somebody who is silent.
#[derive(Debug, Clone, PartialEq)]
pub enum Mend {
    /// Carry a holder's run on.
    TakeOver { number: u64, seen: Driver },
    /// Take a waiting ticket out of the line.
    Drop { number: u64 },
}

fn act(queue: &Queue, observer: Option<u64>, silence: &Silence) -> Option<Mend> {
    let Some(me) = observer else { return reconciled(queue, silence) };
    match next(queue, me, silence, PATIENCE) {
        Next::TakeOver { number, seen } => Some(Mend::TakeOver { number, seen }),
        Next::Drop { number } => Some(Mend::Drop { number }),
        Next::Holds => silent_holder(queue, silence, me),
        Next::Start | Next::Wait { .. } | Next::Cancelled(_) | Next::Gone => None,
    }
}

/// `reconcile` takes over whatever is silent, and drops whatever does not use its turn.
fn reconciled(queue: &Queue, silence: &Silence) -> Option<Mend> {
    let holder = silence.of.keys().find_map(|number| silent_holder(queue, silence, *number));
    let late = |idle: &Duration| *idle >= PATIENCE.start_grace;
    let idler = || silence.entitled.iter().find(|(_, idle)| late(idle)).map(|(number, _)| *number);
    holder.or_else(|| idler().map(|number| Mend::Drop { number }))
}

/// Takes over a holder that is silent; a retried job its own, which it finds started.
fn silent_holder(queue: &Queue, silence: &Silence, number: u64) -> Option<Mend> {
    let silent = silence.of.get(&number).is_some_and(|silent| *silent >= PATIENCE.ttl);
    let ticket = queue.ticket(number).ok()?;
    silent.then(|| Mend::TakeOver { number, seen: ticket.driver.clone() })
}
