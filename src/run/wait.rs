//! Waits in the line: looks, and does what the rules say the next in line does.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::RunError;
use super::context::Context;
use super::journal::Journal;
use super::order::Order;
use super::takeover;
use super::words::Words;
use crate::config::Queue as Settings;
use crate::event::{Ahead, Level, Place, Waiting, What};
use crate::queue::{
    Cause, CauseKind, ChangeError, Entry, HistoryLine, Lives, Next, Outcome, Patience, Queue, Refusal, RunId,
    Silence, State, Store, Ticket, Watch, next,
};

/// How waiting ended.
pub enum Turn {
    /// This process drives the run now.
    Mine(Journal),
    /// The run ended while it waited.
    Over(Box<Ticket>, Outcome),
    /// Another job of its CI pipeline started it, and it is spread over these jobs.
    Elsewhere(Box<Ticket>),
}

/// Waits for the turn of an order.
pub struct Line<'a> {
    /// What the run needs from outside.
    pub context: &'a Context,
    /// The queue.
    pub store: &'a Store,
    /// Its settings.
    pub settings: &'a Settings,
    /// What is asked for.
    pub order: &'a Order,
}

impl Line<'_> {
    /// Enters, and waits until the run may start, was taken over by this process, or is over.
    pub async fn wait(&self) -> Result<Turn, RunError> {
        let mut mine = self.enter(Place::New).await?;
        let begun = Instant::now();
        let mut watch = Watch::default();
        let mut words = Words::default();
        let mut told: Option<Waiting> = None;
        loop {
            let seen = look(self.context, self.store, self.settings.ttl).await?;
            let in_the_way = seen.tickets.get(&mine.number).map(|mine| seen.ahead(mine)).unwrap_or_default();
            words.ask(self.context, &mine.run, in_the_way, &mut watch, self.settings.ttl).await;
            let silence = watch.look(&seen, begun.elapsed(), self.patience());
            let step = next(&seen, mine.number, &silence, self.patience());
            tracing::debug!(number = mine.number, step = ?step, "in the line");
            let position = match step {
                Next::Start => match self.start(&mine).await? {
                    Some(journal) => return Ok(Turn::Mine(journal)),
                    None => 1,
                },
                Next::TakeOver { number, seen } => {
                    self.carry_on(&mine, number, &seen).await;
                    1
                }
                Next::Drop { number } => {
                    self.drop_idle(&seen, number).await?;
                    1
                }
                Next::Wait { position } => position,
                Next::Cancelled(wish) => {
                    let text = format!("cancelled by {}: {}", wish.by, wish.reason);
                    return self.leave(mine, stopped(CauseKind::Cancelled, &text)).await;
                }
                Next::Holds => {
                    if let Some(started) = self.elsewhere(&seen, mine.number) {
                        return Ok(Turn::Elsewhere(Box::new(started)));
                    }
                    match self.rejoin(&seen, mine.number, &silence).await? {
                        Some(journal) => return Ok(Turn::Mine(journal)),
                        None => 1,
                    }
                }
                Next::Gone => match self.gone(&mine.run).await? {
                    Some(outcome) => return Ok(Turn::Over(Box::new(mine), outcome)),
                    None => {
                        mine = self.enter(Place::Again).await?;
                        1
                    }
                },
            };
            self.tell(&seen, &mine, position, &mut told).await;
            if self.has_limit() && begun.elapsed() >= self.settings.max_wait && self.waits(&seen, mine.number)
            {
                return self.leave(mine, Outcome::GaveUp).await;
            }
            if let Some(outcome) = self.pause(position).await {
                return self.leave(mine, outcome).await;
            }
        }
    }

    /// What people committed is live already: nobody is helped by giving up on it.
    fn has_limit(&self) -> bool {
        self.order.adopts.is_none()
    }

    fn waits(&self, queue: &Queue, number: u64) -> bool {
        queue.tickets.get(&number).is_some_and(|ticket| !ticket.state.holds())
    }

    fn patience(&self) -> Patience {
        patience(self.settings)
    }

    async fn enter(&self, place: Place) -> Result<Ticket, RunError> {
        let ticket = self.order.ticket(self.context);
        let (on_newer, at) = (self.order.on_newer, Timestamp::now());
        let subject = format!("{} {} {} enters", ticket.title(), ticket.dataset, ticket.version);
        let (entry, ticket) = self
            .store
            .change(&subject, |queue| {
                // Who resumes means a run that is there; it begins no new one.
                let there = queue.tickets.values().any(|other| other.key == ticket.key);
                if place == Place::New && self.order.key.is_some() && !there {
                    return Err(Refusal::Gone { number: self.order.number });
                }
                let entry = queue.enter(&ticket, on_newer, at)?;
                let ticket = queue.ticket(entry.number())?.clone();
                Ok((entry, ticket))
            })
            .await?;
        let place = match entry {
            Entry::New { .. } => place,
            Entry::Rejoined { .. } => Place::Kept,
        };
        let entered =
            crate::event::Entered { number: ticket.number, place, summary: super::close::summary(&ticket) };
        self.context.events.tell(&ticket.run, What::Entered(entered));
        Ok(ticket)
    }

    /// `None` if somebody was faster.
    async fn start(&self, mine: &Ticket) -> Result<Option<Journal>, RunError> {
        let number = mine.number;
        let at = Timestamp::now();
        let who = &self.context.who;
        let started = self
            .store
            .change(&format!("#{number} starts"), |queue| {
                queue.restate(number, mine)?;
                queue.start(number, who, at)?;
                queue.ticket(number).cloned()
            })
            .await;
        match started {
            Ok(ticket) => {
                let summary = super::close::summary(&ticket);
                self.context.events.tell(&ticket.run, What::Started(summary));
                Ok(Some(Journal::new(self.store, ticket, self.settings.ttl)))
            }
            Err(ChangeError::Refusal(
                Refusal::NotItsTurn { .. } | Refusal::WrongState { .. } | Refusal::Gone { .. },
            )) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Silence says nothing of a spread run, and its pipeline lives for as long as this job does: to wait for that would
    /// be to wait for itself.
    fn elsewhere(&self, queue: &Queue, number: u64) -> Option<Ticket> {
        let spread = |lives: &Lives| matches!(lives, Lives::Pipeline(_));
        let started = queue.tickets.get(&number).filter(|ticket| spread(&ticket.lives))?;
        spread(&self.order.lives).then(|| started.clone())
    }

    /// The same key holds already: its driver has to be silent for `ttl` before this process takes it.
    async fn rejoin(
        &self,
        queue: &Queue,
        number: u64,
        silence: &Silence,
    ) -> Result<Option<Journal>, RunError> {
        let silent = silence.of.get(&number).copied().unwrap_or_default();
        match queue.tickets.get(&number) {
            Some(ticket) if silent >= self.settings.ttl => {
                takeover::take(self.context, self.store, self.settings, number, &ticket.driver).await
            }
            _ => Ok(None),
        }
    }

    /// What goes wrong in another's run is told, and does not end this one.
    async fn carry_on(&self, mine: &Ticket, number: u64, seen: &crate::queue::Driver) {
        let (context, store, settings) = (self.context, self.store, self.settings);
        let done = takeover::finish_for(context, store, settings, number, seen, Some(&mine.run)).await;
        if let Err(error) = done {
            let text = format!("#{number} could not be carried on: {error}");
            self.context.events.note(&mine.run, Level::Warning, text);
        }
    }

    async fn drop_idle(&self, queue: &Queue, number: u64) -> Result<(), RunError> {
        let Some(seen) = queue.tickets.get(&number).cloned() else { return Ok(()) };
        let (who, at) = (self.context.who.clone(), Timestamp::now());
        let reason = takeover::idle(&seen, self.settings);
        let dropped = self
            .store
            .change(&format!("#{number} is dropped"), |queue| {
                // Only as it was seen: a ticket that moved since is alive.
                match queue.tickets.get(&number) == Some(&seen) {
                    true => queue.leave(number, Outcome::Dropped { reason: reason.clone() }, &who, at),
                    false => Ok(()),
                }
            })
            .await;
        match dropped {
            Ok(()) | Err(ChangeError::Refusal(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Why the ticket is gone; `None` means that the run enters again.
    async fn gone(&self, run: &RunId) -> Result<Option<Outcome>, RunError> {
        let wanted = run.clone();
        let lines = self
            .store
            .history(move |lines: &[HistoryLine]| {
                lines.iter().any(|line| line.run == wanted) || lines.len() > 1000
            })
            .await?;
        match lines.into_iter().find(|line| line.run == *run).map(|line| line.outcome) {
            Some(Outcome::Dropped { reason }) => {
                let text = format!("dropped from the line ({reason}); entering again at the end");
                self.context.events.note(run, Level::Warning, text);
                Ok(None)
            }
            Some(outcome) => Ok(Some(outcome)),
            None => Ok(Some(Outcome::Withdrawn { by: "somebody who removed its ticket by hand".to_owned() })),
        }
    }

    async fn leave(&self, mine: Ticket, outcome: Outcome) -> Result<Turn, RunError> {
        let (number, mine) = (mine.number, Box::new(mine));
        let (who, at) = (self.context.who.clone(), Timestamp::now());
        let left = self
            .store
            .change(&format!("#{number} leaves: {}", outcome.word()), |queue| {
                queue.leave(number, outcome.clone(), &who, at)
            })
            .await;
        match left {
            Ok(()) => Ok(Turn::Over(mine, outcome)),
            // Another process of this key drives it, or has ended it.
            Err(ChangeError::Refusal(Refusal::WrongState { .. })) => {
                Err(RunError::TakenOver { by: "another process of the same key".to_owned(), outcome: None })
            }
            Err(ChangeError::Refusal(Refusal::Gone { .. })) => {
                let ended = self.gone(&mine.run).await?;
                Ok(Turn::Over(mine, ended.unwrap_or(outcome)))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn pause(&self, position: usize) -> Option<Outcome> {
        let wait = between_looks(position, self.settings);
        tokio::select! {
            () = self.context.signals.wait_for(1) => {
                Some(stopped(CauseKind::Cancelled, "cancelled by a signal while it waited"))
            }
            () = tokio::time::sleep(jittered(wait)) => None,
        }
    }

    async fn tell(&self, queue: &Queue, mine: &Ticket, position: usize, told: &mut Option<Waiting>) {
        let Some(mine) = queue.tickets.get(&mine.number).filter(|mine| !mine.state.holds()) else { return };
        let ahead: Vec<Ahead> = queue.ahead(mine).into_iter().map(ahead).collect();
        if ahead.is_empty() {
            return;
        }
        let mut now = Waiting { position, ahead, expected: None };
        if told.as_ref().is_some_and(|told| told.ahead == now.ahead) {
            return;
        }
        now.expected = self.expected(queue, mine).await;
        self.context.events.tell(&mine.run, What::Waiting(now.clone()));
        *told = Some(now);
    }

    /// Expected wait: for each run ahead, how long the last runs of these environments took.
    async fn expected(&self, queue: &Queue, mine: &Ticket) -> Option<Duration> {
        let names: Vec<String> = mine.parts().map(|part| part.identity.name.clone()).collect();
        let lines = self.store.history(|lines| lines.len() >= 50).await.ok()?;
        let lasted: Vec<i64> = lines
            .iter()
            .filter(|line| line.environments.iter().any(|name| names.contains(name)))
            .filter_map(|line| Some(line.finished.duration_since(line.started?).as_secs()))
            .take(10)
            .collect();
        let mean = lasted.iter().sum::<i64>().checked_div(i64::try_from(lasted.len()).ok()?)?;
        let runs = u32::try_from(queue.ahead(mine).len()).ok()?;
        Some(Duration::from_secs(u64::try_from(mean).ok()?) * runs)
    }
}

/// What the queue says; asked again for at most `ttl` while it is out of reach.
pub async fn look(context: &Context, store: &Store, ttl: Duration) -> Result<Arc<Queue>, RunError> {
    let begun = Instant::now();
    loop {
        match store.read().await {
            Ok(seen) => return Ok(seen.queue),
            Err(error) if error.is_transient() && begun.elapsed() < ttl => {
                tracing::warn!(%error, "cannot look at the queue");
                tokio::select! {
                    () = context.signals.wait_for(1) => return Err(error.into()),
                    () = tokio::time::sleep(jittered(Duration::from_secs(1))) => {}
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The limits of a queue.
pub fn patience(settings: &Settings) -> Patience {
    Patience { ttl: settings.ttl, start_grace: settings.start_grace, step_idle: settings.step_idle }
}

/// A run that stands before another, for people.
pub fn ahead(ticket: &Ticket) -> Ahead {
    Ahead {
        number: ticket.number,
        run: ticket.run.clone(),
        what: format!("{} {} {}", ticket.title(), ticket.dataset, ticket.version),
        actor: ticket.actor.clone(),
        state: match &ticket.state {
            State::Deploying { stage, .. } => {
                format!("stage {}/{}: {}", stage + 1, ticket.stages.len(), ticket.state.word())
            }
            other => other.word().to_owned(),
        },
        holder: ticket.state.holds(),
    }
}

fn stopped(kind: CauseKind, text: &str) -> Outcome {
    Outcome::Stopped { cause: Cause { kind, text: text.to_owned() } }
}

/// How long a run at this position (1 is next to start, 2 waits for one other) does not look.
///
/// The next in line looks often, the others seldom: a full line costs little more than its first. What a run has to
/// wait grows with its position, so a line of short runs moves on; nobody sleeps so long that the others would drop
/// it once its turn has come.
pub fn between_looks(position: usize, settings: &Settings) -> Duration {
    let base = Duration::from_secs(1).min(settings.ttl / 10);
    let others = u32::try_from(position.saturating_sub(1)).unwrap_or(u32::MAX).clamp(1, 100);
    let longest = (base * 60).min(settings.start_grace / 2);
    (base * others + base * others * others / 20).min(longest)
}

pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f32(0.75 + fastrand::f32() / 2.0)
}
