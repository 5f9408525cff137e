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
    /// Whom it takes for dead for that: a holder's driver, and a waiting ticket's process.
    pub silent: Option<u64>,
    pub idle: Option<u64>,
}

/// All that can be seen in a queue.
pub fn sightings(queue: &Queue) -> Vec<Sighting> {
    let holders =
        queue.tickets.values().filter(|ticket| ticket.state.holds()).map(|ticket| Some(ticket.number));
    let mut all: Vec<Sighting> = Vec::new();
    for silent in std::iter::once(None).chain(holders) {
        let silence = watch(queue, silent);
        let entitled: Vec<u64> = silence.entitled.keys().copied().collect();
        for idle in std::iter::once(None).chain(entitled.into_iter().map(Some)) {
            let mut silence = silence.clone();
            silence.entitled.retain(|number, _| Some(*number) == idle);
            let observers = std::iter::once(None).chain(queue.tickets.keys().copied().map(Some));
            for observer in observers {
                let Some(mend) = act(queue, observer, &silence) else { continue };
                let sighting = Sighting { observer, mend, silent, idle };
                if !all.iter().any(|known| known.observer == observer && known.mend == sighting.mend) {
                    all.push(sighting);
                }
            }
        }
    }
    all
}

/// Lets the product's own watch see that this driver is silent and the others are not.
fn watch(queue: &Queue, silent: Option<u64>) -> Silence {
    let mut watch = Watch::default();
    let mut before = queue.clone();
    for ticket in before.tickets.values_mut().filter(|ticket| Some(ticket.number) != silent) {
        ticket.driver.beat += 1;
    }
    watch.look(&before, Duration::ZERO, PATIENCE);
    watch.look(queue, PATIENCE.ttl, PATIENCE);
    let alive = watch.look(&before, PATIENCE.ttl + PATIENCE.start_grace, PATIENCE);
    debug_assert!(alive.of.iter().all(|(number, of)| Some(*number) == silent || *of == Duration::ZERO));
    alive
}

fn act(queue: &Queue, observer: Option<u64>, silence: &Silence) -> Option<Mend> {
    let Some(me) = observer else { return mend(queue, silence, PATIENCE) };
    match next(queue, me, silence, PATIENCE) {
        Next::TakeOver { number, seen } => Some(Mend::TakeOver { number, seen }),
        Next::Drop { number } => Some(Mend::Drop { number }),
        Next::Holds => retried(queue, me, silence),
        Next::Start | Next::Wait { .. } | Next::Cancelled(_) | Next::Gone => None,
    }
}

/// A retried job finds its ticket started: it goes on with it once the old driver is silent.
fn retried(queue: &Queue, me: u64, silence: &Silence) -> Option<Mend> {
    let silent = silence.of.get(&me).is_some_and(|silent| *silent >= PATIENCE.ttl);
    let ticket = queue.ticket(me).ok()?;
    silent.then(|| Mend::TakeOver { number: me, seen: ticket.driver.clone() })
}
