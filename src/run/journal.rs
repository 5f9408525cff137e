//! The run's record, in memory and on the queue branch, and its signs of life.
//!
//! One driver writes: decisions go through [`Journal::decide`], progress is only noted and rides on the next
//! decision or beat. Whoever raised the epoch meanwhile is found by the next decision, and ends this driver.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::queue::{
    Approval, ChangeError, Freeze, Outcome, Queue, Refusal, RunId, State, Store, StoreError, Ticket,
    TreeError, VerifiedSet, Wish, tree,
};

/// Why a driver has to stop.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Lost {
    /// Another driver acts for the run.
    #[error("{who} took this run over (epoch {epoch})")]
    TakenOver {
        /// Who.
        who: String,
        /// Its epoch.
        epoch: u64,
    },
    /// The ticket is gone.
    #[error("the ticket of this run is not in the queue any more")]
    Gone,
    /// The queue branch was rewritten or removed.
    #[error("{0}")]
    Damaged(String),
    /// The queue could not be written.
    #[error("{0}")]
    OutOfReach(String),
}

/// The record of one run and the right to act for it.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    number: u64,
    epoch: u64,
    ttl: Duration,
    ticket: Mutex<Ticket>,
    /// One write at a time.
    writing: tokio::sync::Mutex<()>,
    last_beat: Mutex<Instant>,
    lost: watch::Sender<Option<Lost>>,
    cancel: watch::Sender<Option<Wish>>,
    /// People's yeses to gates.
    answers: watch::Sender<Vec<(String, Approval)>>,
}

/// Beats until it is dropped.
pub struct Pulse(tokio::task::JoinHandle<()>);

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Journal {
    /// The journal of a ticket that this process drives with `ticket.driver.epoch`.
    pub fn new(store: &Store, ticket: Ticket, ttl: Duration) -> Self {
        let inner = Inner {
            store: store.holding(),
            number: ticket.number,
            epoch: ticket.driver.epoch,
            ttl,
            cancel: watch::channel(ticket.cancel.clone()).0,
            answers: watch::channel(ticket.answers()).0,
            ticket: Mutex::new(ticket),
            writing: tokio::sync::Mutex::new(()),
            last_beat: Mutex::new(Instant::now()),
            lost: watch::channel(None).0,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The record as this driver knows it.
    pub fn ticket(&self) -> Ticket {
        self.inner.ticket.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.inner.ticket.lock().unwrap_or_else(PoisonError::into_inner).run.clone()
    }

    /// Epoch of this driver.
    pub fn epoch(&self) -> u64 {
        self.inner.epoch
    }

    /// The queue that it is in.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Notes progress; it is written with the next decision or beat.
    pub fn note(&self, change: impl FnOnce(&mut Ticket)) {
        change(&mut self.inner.ticket.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes the record with a change. Returns when it is on the branch.
    pub async fn decide(&self, subject: &str, change: impl FnOnce(&mut Ticket)) -> Result<(), Lost> {
        self.note(change);
        self.write(subject, |_| Ok(())).await
    }

    /// The commit point of a deployment.
    pub async fn verify(&self, sets: &[(String, VerifiedSet)]) -> Result<(), Lost> {
        let (number, epoch, at) = (self.inner.number, self.inner.epoch, Timestamp::now());
        self.write("verified", |queue| queue.verify(number, epoch, sets, at)).await
    }

    /// The commit point of a rollback.
    pub async fn restored(&self, environment: &str, set: &VerifiedSet) -> Result<(), Lost> {
        let (number, epoch, at) = (self.inner.number, self.inner.epoch, Timestamp::now());
        self.write("restored", |queue| queue.restore(number, epoch, environment, set, at)).await
    }

    /// Ends the run: removes the ticket, writes its line, and whatever else belongs to the end.
    pub async fn finish(
        &self,
        outcome: &Outcome,
        freezes: &[(String, Freeze)],
        and: impl Fn(&mut Queue) -> Result<(), Refusal> + Send + Sync,
    ) -> Result<(), Lost> {
        let (number, epoch, at) = (self.inner.number, self.inner.epoch, Timestamp::now());
        self.write(outcome.word(), |queue| {
            and(queue)?;
            queue.finish(number, epoch, outcome.clone(), freezes.to_vec(), at)
        })
        .await
    }

    /// Beats every third of `ttl` until the pulse is dropped.
    pub fn pulse(&self) -> Pulse {
        let this = self.clone();
        Pulse(tokio::spawn(async move {
            let third = this.inner.ttl / 3;
            loop {
                let due = third.saturating_sub(this.silent_for());
                tokio::time::sleep(due.max(Duration::from_millis(50))).await;
                if this.silent_for() >= third
                    && let Err(lost) = this.write("beat", |_| Ok(())).await
                    && !matches!(lost, Lost::OutOfReach(_))
                {
                    return;
                }
            }
        }))
    }

    /// Reads the queue every `pause` until it is dropped, and writes nothing: for who only watches.
    pub fn watch(&self, pause: Duration) -> Pulse {
        let this = self.clone();
        Pulse(tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Ok(seen) = this.inner.store.read().await else { continue };
                match seen.queue.tickets.get(&this.inner.number) {
                    Some(ticket) => this.learn(Some(ticket.clone())),
                    None => {
                        this.inner.lost.send_replace(Some(Lost::Gone));
                        return;
                    }
                }
            }
        }))
    }

    /// Makes sure that this driver gave a sign of life within two thirds of `ttl`, before an effect that no
    /// fence protects.
    pub async fn assure(&self) -> Result<(), Lost> {
        match self.silent_for() < self.inner.ttl * 2 / 3 {
            true => self.held(),
            false => self.confirm().await,
        }
    }

    /// Asks the queue whether this driver still has the run; a sign of life.
    pub async fn confirm(&self) -> Result<(), Lost> {
        self.write("beat", |_| Ok(())).await
    }

    /// Fails once this driver is known to have lost the run.
    pub fn held(&self) -> Result<(), Lost> {
        self.inner.lost.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits until this driver has lost the run.
    pub async fn lost(&self) -> Lost {
        let mut here = self.inner.lost.subscribe();
        match here.wait_for(Option::is_some).await.map(|lost| lost.clone()) {
            Ok(Some(lost)) => lost,
            _ => std::future::pending().await,
        }
    }

    /// The wish to cancel, once it is seen on the branch.
    pub fn wish(&self) -> Option<Wish> {
        self.inner.cancel.borrow().clone()
    }

    /// Waits for the wish to cancel.
    pub async fn cancelled(&self) -> Wish {
        let mut here = self.inner.cancel.subscribe();
        match here.wait_for(Option::is_some).await.map(|wish| wish.clone()) {
            Ok(Some(wish)) => wish,
            _ => std::future::pending().await,
        }
    }

    /// People's yeses to the gates of the stage that the run is at, as they are seen on the branch.
    pub fn answers(&self) -> watch::Receiver<Vec<(String, Approval)>> {
        self.inner.answers.send_replace(self.ticket().answers());
        self.inner.answers.subscribe()
    }

    fn silent_for(&self) -> Duration {
        self.inner.last_beat.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    async fn write(
        &self,
        subject: &str,
        and: impl Fn(&mut Queue) -> Result<(), Refusal> + Send + Sync,
    ) -> Result<(), Lost> {
        let _one = self.inner.writing.lock().await;
        self.held()?;
        let mine = self.ticket();
        let (number, epoch) = (self.inner.number, self.inner.epoch);
        let subject = format!("#{number} {}: {subject}", mine.title());
        let begun = Instant::now();
        let written = self
            .inner
            .store
            .change(&subject, |queue| {
                queue.write_record(&mine, epoch)?;
                and(queue)?;
                Ok(queue.tickets.get(&number).cloned())
            })
            .await;
        match written {
            Ok(ticket) => {
                *self.inner.last_beat.lock().unwrap_or_else(PoisonError::into_inner) = begun;
                self.learn(ticket);
                self.obey_newer();
                Ok(())
            }
            Err(error) => {
                let lost = Lost::from(error);
                if !matches!(lost, Lost::OutOfReach(_)) {
                    self.inner.lost.send_replace(Some(lost.clone()));
                }
                Err(lost)
            }
        }
    }

    /// A queue of a schema that this build does not know: the run goes back, which every build can.
    fn obey_newer(&self) {
        let found = self.inner.store.last().map_or(0, |seen| seen.queue.schema);
        if found <= tree::SCHEMA {
            return;
        }
        let reason = format!("the queue was raised to schema {found}, this build knows {}", tree::SCHEMA);
        self.hear_wish(&Wish { by: "datapin".to_owned(), reason });
    }

    fn hear_wish(&self, wish: &Wish) {
        self.inner.cancel.send_if_modified(|known| {
            let news = known.is_none();
            known.get_or_insert_with(|| wish.clone());
            news
        });
    }

    /// Takes over what others reported, and what the rules changed.
    fn learn(&self, written: Option<Ticket>) {
        let Some(written) = written else { return };
        if let Some(wish) = &written.cancel {
            self.hear_wish(wish);
        }
        let mut mine = self.inner.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        mine.keep_reports(&written);
        self.inner.answers.send_replace(mine.answers());
        mine.driver = written.driver;
        mine.cancel = written.cancel;
        if written.times.verified.is_some() {
            mine.times = written.times;
            mine.state = written.state;
        }
    }
}

impl Ticket {
    /// The yeses to gates of the stage that it is at.
    fn answers(&self) -> Vec<(String, Approval)> {
        let State::Deploying { stage, .. } = self.state else { return Vec::new() };
        let gates = self.stages.get(stage).map(|stage| &stage.gates[..]).unwrap_or_default();
        gates.iter().filter_map(|gate| Some((gate.name.clone(), gate.approval.clone()?))).collect()
    }
}

impl From<ChangeError> for Lost {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refusal(Refusal::TakenOver { who, epoch }) => Lost::TakenOver { who, epoch },
            ChangeError::Refusal(Refusal::Gone { .. }) => Lost::Gone,
            ChangeError::Refusal(refusal) => Lost::Damaged(refusal.to_string()),
            ChangeError::Store(
                error @ (StoreError::Missing { .. }
                | StoreError::Rewritten { .. }
                | StoreError::Tree(
                    TreeError::Damaged { .. } | TreeError::NotAQueue | TreeError::Newer { .. },
                )),
            ) => Lost::Damaged(error.to_string()),
            ChangeError::Store(error) => Lost::OutOfReach(error.to_string()),
        }
    }
}
