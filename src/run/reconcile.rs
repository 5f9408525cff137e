//! Finishes what others left, so that nothing stays half-done when nobody deploys.

mod people;
mod sign;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::Instant;

use super::context::Context;
use super::order::Order;
use super::wait::patience;
use super::words::Words;
use super::{RunError, adopt, carry_out, record, takeover};
use crate::config::Queue as Settings;
use crate::event::Level;
use crate::queue::{
    About, ChangeError, DatasetFile, Force, Identity, Lives, Origin, Outcome, Queue, RunId, Store, Ticket,
    Watch, Word,
};

pub use sign::{late, missing};

/// One thing that was mended, or could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mended {
    /// The run or environment.
    pub what: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a reconcile came to.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// What was mended, or tried.
    pub mended: Vec<Mended>,
    /// What could not be tried.
    pub errors: Vec<RunError>,
}

impl Reconciled {
    fn take(&mut self, what: String, done: Result<Option<Outcome>, RunError>) {
        match done {
            Ok(Some(outcome)) => self.mended.push(Mended { what, outcome }),
            // Somebody else was faster: that is no failure of this one.
            Ok(None) | Err(RunError::TakenOver { .. }) => {}
            Err(error) => self.errors.push(error),
        }
    }
}

/// Finishes abandoned runs, drops tickets that nobody drives, goes for the goal of frozen environments, and
/// ends freezes whose time is over, and adopts pins of people that no run explains. Idempotent, and safe to run beside everything else.
///
/// `only` limits it to one environment. One environment that fails stops no other.
pub async fn reconcile(
    context: &Context,
    store: &Store,
    settings: &Settings,
    only: Option<&str>,
) -> Result<Reconciled, RunError> {
    let mut done = Reconciled::default();
    let round = Round { context, store, settings, only };
    round.abandoned_runs(&mut done).await?;
    round.manual_gates(&mut done).await?;
    round.thaw_expired().await?;
    round.frozen_environments(&mut done).await?;
    Box::pin(round.owed(&mut done)).await;
    round.unexplained(&mut done).await?;
    if only.is_none() {
        sign::leave(context, store).await?;
    }
    Ok(done)
}

struct Round<'a> {
    context: &'a Context,
    store: &'a Store,
    settings: &'a Settings,
    only: Option<&'a str>,
}

impl Round<'_> {
    /// Looks until every ticket has either moved or been silent for too long.
    async fn abandoned_runs(&self, done: &mut Reconciled) -> Result<(), RunError> {
        let patience = patience(self.settings);
        let begun = Instant::now();
        let mut watch = Watch::default();
        let mut words = Words::default();
        let mut tried: Vec<(u64, u64)> = Vec::new();
        let first = self.store.read().await?.queue;
        loop {
            let queue = self.store.read().await?.queue;
            let nobody = RunId(String::new());
            let meant = queue.tickets.values().filter(|ticket| self.is_meant(ticket));
            words.ask(self.context, &nobody, meant, &mut watch, self.settings.ttl).await;
            let silence = watch.look(&queue, begun.elapsed(), patience);
            let open = |number: u64| {
                queue
                    .tickets
                    .get(&number)
                    .filter(|ticket| self.is_meant(ticket) && !tried.contains(&(number, ticket.driver.epoch)))
            };
            let late = |of: &BTreeMap<u64, Duration>, limit: Duration| {
                of.iter()
                    .filter(|(_, silent)| **silent >= limit)
                    .find_map(|(number, _)| open(*number).cloned())
            };
            if let Some(ticket) = late(&silence.of, patience.ttl) {
                tried.push((ticket.number, ticket.driver.epoch));
                self.finish(&ticket, done).await;
            } else if let Some(ticket) = late(&silence.entitled, patience.start_grace) {
                tried.push((ticket.number, ticket.driver.epoch));
                self.drop_idle(&ticket, done).await;
            } else {
                let mut doubtful = queue
                    .tickets
                    .values()
                    .filter(|ticket| unmoved(&first, ticket) && ticket.lives == Lives::Process);
                let settled = !doubtful.any(|ticket| open(ticket.number).is_some());
                if settled || self.pause().await == Pause::Cut {
                    return self.silent_pipelines(&queue, &watch, done).await;
                }
            }
        }
    }

    /// Spread runs of which GitLab says nothing, where `step_idle_ttl` lets silence count: it takes too long for one
    /// reconcile to wait for it, so the first one notes the silence, and a later one finishes the run.
    async fn silent_pipelines(
        &self,
        queue: &Queue,
        watch: &Watch,
        done: &mut Reconciled,
    ) -> Result<(), RunError> {
        let Some(limit) = self.settings.step_idle else { return Ok(()) };
        for ticket in queue.tickets.values().filter(|ticket| ticket.state.holds() && self.is_meant(ticket)) {
            if ticket.lives == Lives::Process || !matches!(watch.word(ticket), None | Some(Word::Unknown(_)))
            {
                continue;
            }
            let now = Timestamp::now();
            match ticket.idle.as_ref().filter(|idle| idle.driver == ticket.driver) {
                Some(idle) if now.duration_since(idle.since) >= signed(limit) => {
                    self.finish(ticket, done).await
                }
                Some(_) => {}
                None => {
                    let (about, subject) = (About::of(ticket), format!("#{} is silent", ticket.number));
                    let rule = |queue: &mut Queue| queue.first_silent(&about, &ticket.driver, now);
                    written(self.store.change(&subject, rule).await)?;
                }
            }
        }
        Ok(())
    }

    /// Whether this configuration has the environment, at the same place.
    fn knows(&self, identity: &Identity) -> bool {
        let config = &self.context.config;
        config.environments.contains_key(&identity.name)
            && self.context.plan_target().identity(config, &identity.name) == *identity
    }

    fn is_meant(&self, ticket: &Ticket) -> bool {
        self.only.is_none_or(|name| ticket.part(name).is_some())
    }

    async fn finish(&self, ticket: &Ticket, done: &mut Reconciled) {
        let (context, store, settings) = (self.context, self.store, self.settings);
        let ended = takeover::finish_for(context, store, settings, ticket.number, &ticket.driver, None).await;
        done.take(format!("run {}", ticket.run), ended);
    }

    async fn drop_idle(&self, seen: &Ticket, done: &mut Reconciled) {
        let reason = takeover::idle(seen, self.settings);
        let (outcome, at) = (Outcome::Dropped { reason }, Timestamp::now());
        let number = seen.number;
        let dropped = self
            .store
            .change(&format!("#{number} is dropped"), |queue| {
                match queue.tickets.get(&number) == Some(seen) {
                    true => queue.leave(number, outcome.clone(), &self.context.who, at).map(|()| true),
                    false => Ok(false),
                }
            })
            .await;
        let dropped = match dropped {
            Ok(true) => Ok(Some(outcome)),
            Ok(false) | Err(ChangeError::Refusal(_)) => Ok(None),
            Err(error) => Err(error.into()),
        };
        done.take(format!("run {}", seen.run), dropped);
    }

    async fn thaw_expired(&self) -> Result<(), RunError> {
        let queue = self.store.read().await?.queue;
        let now = Timestamp::now();
        for name in queue.environments.keys() {
            if self.only.is_some_and(|only| only != name) {
                continue;
            }
            // The rule looks again: a new freeze is not the one that is over.
            self.store
                .change(&format!("the freeze of {name} is over"), |queue| {
                    let freeze = queue.environment(name).and_then(|file| file.freeze.as_ref());
                    let over = freeze.is_some_and(|freeze| {
                        freeze.origin == Origin::Person && freeze.until.is_some_and(|until| until <= now)
                    });
                    if over { queue.thaw(name, Force::No).map(|_| ()) } else { Ok(()) }
                })
                .await?;
        }
        Ok(())
    }

    async fn frozen_environments(&self, done: &mut Reconciled) -> Result<(), RunError> {
        let queue = self.store.read().await?.queue;
        for file in queue.environments.values() {
            let name = &file.identity.name;
            let Some(carried) = file.freeze.as_ref().and_then(|freeze| freeze.origin.carried()) else {
                continue;
            };
            let known = self.knows(&file.identity);
            if !known || self.only.is_some_and(|only| only != name) {
                continue;
            }
            let order = Order::mending(name, carried);
            let ended = carry_out(self.context, self.store, self.settings, order).await;
            done.take(format!("environment {name}"), ended.map(Some));
        }
        Ok(())
    }

    /// Writes the parameters that earlier runs could not, and those that say something else than the record.
    async fn owed(&self, done: &mut Reconciled) {
        let all = self.context.config.environments.keys();
        let names: Vec<String> =
            all.filter(|name| self.only.is_none_or(|only| only == *name)).cloned().collect();
        let nobody = RunId(String::new());
        for (what, ended) in record::catch_up(self.context, self.store, &nobody, &names).await {
            let outcome = match ended {
                Ok(()) => Outcome::Verified,
                Err(reason) => Outcome::NotRecorded { reason },
            };
            done.mended.push(Mended { what: format!("record of {what}"), outcome });
        }
        let Ok(seen) = self.store.read().await else { return };
        for name in names.iter().filter(|name| seen.queue.environment(name).is_some()) {
            for dataset in self.context.config.datasets_of(name) {
                let one = std::slice::from_ref(name);
                for text in record::drifts(self.context, &seen.queue, one, &dataset).await {
                    self.context.events.note(&nobody, Level::Warning, text);
                }
            }
        }
    }

    /// An environment that somebody is on in the queue is explained soon; one that is frozen is somebody's already.
    async fn unexplained(&self, done: &mut Reconciled) -> Result<(), RunError> {
        let queue = self.store.read().await?.queue;
        for file in queue.environments.values() {
            let name = &file.identity.name;
            let known = self.knows(&file.identity);
            let busy = queue.tickets.values().any(|ticket| ticket.part(name).is_some());
            if !known || busy || file.freeze.is_some() || self.only.is_some_and(|only| only != name) {
                continue;
            }
            let current = |(dataset, record): (&String, &DatasetFile)| {
                Some((dataset.clone(), record.current()?.clone()))
            };
            let verified: BTreeMap<_, _> = file.datasets.iter().filter_map(current).collect();
            match adopt::unexplained(self.context, name, &verified).await {
                Ok(adoptions) => {
                    for one in adoptions {
                        done.take(format!("environment {}", one.what), one.outcome.map(Some));
                    }
                }
                Err(error) => done.errors.push(error),
            }
        }
        Ok(())
    }

    async fn pause(&self) -> Pause {
        let pause = (self.settings.ttl / 10).clamp(Duration::from_millis(200), Duration::from_secs(10));
        tokio::select! {
            () = self.context.signals.wait_for(1) => Pause::Cut,
            () = tokio::time::sleep(pause) => Pause::Whole,
        }
    }
}

fn signed(limit: Duration) -> SignedDuration {
    SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

/// Whether a report was written: somebody else may have been faster.
fn written(done: Result<(), ChangeError>) -> Result<bool, RunError> {
    match done {
        Ok(()) => Ok(true),
        Err(ChangeError::Refusal(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    Whole,
    Cut,
}

/// Whether a ticket is as it was at first: its driver may be gone. One that has moved is alive.
fn unmoved(first: &Queue, ticket: &Ticket) -> bool {
    first
        .tickets
        .get(&ticket.number)
        .is_some_and(|old| old.driver == ticket.driver && old.state == ticket.state)
}
