//! The queue on its branch: every change is one commit, pushed as a fast-forward from the expected tip.
//!
//! The git server is the compare-and-swap. A lost race redoes the change on the new tip; an unknown outcome
//! is answered by looking at the branch again.

mod error;

pub use error::{ChangeError, StoreError};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use super::tree::{self, Page};
use super::*;
use crate::repo::{CommitId, CommitTime, Pipelines, PushOptions, PushOutcome, Repo, RepoError};

/// What the branch said.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Tip of the branch.
    pub tip: CommitId,
    /// Its queue.
    pub queue: Arc<Queue>,
}

/// What a queue of a newer schema means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewerSchema {
    /// It is not touched.
    Refused,
    /// Who holds environments finishes with what it knows: new fields survive.
    Borne,
}

/// A queue branch in a repository.
#[derive(Debug, Clone)]
pub struct Store {
    repo: Arc<Repo>,
    branch: String,
    patience: Duration,
    page: Page,
    newer: NewerSchema,
    last: Arc<Mutex<Option<Seen>>>,
}

impl Store {
    /// The queue on `branch`. A change is tried for `patience` while the server is out of reach.
    pub fn new(repo: Arc<Repo>, branch: &str, patience: Duration, page: Page) -> Self {
        let newer = NewerSchema::Refused;
        Self { repo, branch: branch.to_owned(), patience, page, newer, last: Arc::default() }
    }

    /// The same queue, with the same memory of what was seen, and another patience.
    pub fn patient(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// The same queue for who holds environments in it: a schema that was raised meanwhile does not stop it.
    pub fn holding(&self) -> Self {
        Self { newer: NewerSchema::Borne, ..self.clone() }
    }

    /// Whether both are the same branch of the same repository.
    pub fn same(&self, other: &Store) -> bool {
        self.branch == other.branch && self.repo.location().identity() == other.repo.location().identity()
    }

    /// Its branch.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Its repository.
    pub fn repo(&self) -> &Arc<Repo> {
        &self.repo
    }

    /// What was seen last, without looking.
    pub fn last(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the branch once.
    pub async fn read(&self) -> Result<Seen, StoreError> {
        let this = self.clone();
        blocking(move || this.look()).await
    }

    /// The finished runs, newest first, until `enough` says so.
    pub async fn history(
        &self,
        enough: impl FnMut(&[HistoryLine]) -> bool + Send + 'static,
    ) -> Result<Vec<HistoryLine>, StoreError> {
        Ok(self.read_with_history(enough).await?.1)
    }

    /// Looks at the branch once, and takes the finished runs from there too.
    pub async fn read_with_history(
        &self,
        enough: impl FnMut(&[HistoryLine]) -> bool + Send + 'static,
    ) -> Result<(Seen, Vec<HistoryLine>), StoreError> {
        let this = self.clone();
        blocking(move || {
            let seen = this.look()?;
            let lines = tree::history(&this.repo, &seen.tip, enough)?;
            Ok((seen, lines))
        })
        .await
    }

    /// The versions of a run's ticket, oldest first, each with the time of its commit; none if the branch has none
    /// since then. A version that cannot be read is passed over.
    pub async fn versions(
        &self,
        number: u64,
        run: &RunId,
        since: jiff::Timestamp,
    ) -> Result<Vec<(jiff::Timestamp, Ticket)>, StoreError> {
        let (this, file) = (self.clone(), ticket_file(number, run));
        blocking(move || {
            let seen = this.look()?;
            let versions = this.repo.versions(&this.branch, &seen.tip, &file, since)?;
            let read =
                versions.iter().filter_map(|one| Some((one.time, serde_json::from_slice(&one.bytes).ok()?)));
            Ok(read.collect())
        })
        .await
    }

    /// Creates the branch with an empty queue. Whether it was not there before.
    pub async fn create(&self) -> Result<bool, StoreError> {
        let this = self.clone();
        blocking(move || {
            if this.repo.fetch(&this.branch)?.is_some() {
                this.look()?;
                return Ok(false);
            }
            let empty = Queue { next: 1, ..Queue::default() };
            let changes = tree::changes(&this.repo, None, &Queue::default(), &empty, this.page)?;
            let message = "queue: created\n\n[skip ci]\n";
            let commit = this.repo.commit(None, &changes, message, CommitTime::Now)?;
            match this.push(&commit, None) {
                PushOutcome::Updated => Ok(true),
                PushOutcome::LostRace { .. } => Ok(false),
                PushOutcome::Refused { reason } => {
                    Err(StoreError::Refused { branch: this.branch.clone(), reason })
                }
                PushOutcome::Unknown { detail } => Err(this.out_of_reach(Duration::ZERO, detail)),
                PushOutcome::Unreachable { error } => Err(error.into()),
            }
        })
        .await
    }

    /// Makes one change by one commit; `rule` is applied again to each new tip until its commit is the tip.
    ///
    /// A rule that changes nothing writes nothing.
    pub async fn change<T: Send + 'static>(
        &self,
        subject: &str,
        rule: impl Fn(&mut Queue) -> Result<T, Refusal> + Send + Sync,
    ) -> Result<T, ChangeError> {
        let begun = Instant::now();
        let mut answered = begun;
        let mut outages = pauses();
        let mut fresh = self.last();
        let mut unsure: Option<Unsure<T>> = None;
        loop {
            let tried = Instant::now();
            let (last, pause) = match self.turn(&mut fresh, &mut unsure, subject, &rule).await {
                Ok(Attempt::Done(value)) => return Ok(value),
                Ok(Attempt::Again(why)) if unsure.is_none() => {
                    // Whoever lost a race has reached the server: that is no outage, however often it happens.
                    answered = Instant::now();
                    (why, after_a_race(tried.elapsed(), fastrand::f32()))
                }
                Ok(Attempt::Again(why)) => (why, outages.next().unwrap_or(PAUSE_MAX)),
                Err(ChangeError::Store(error)) if self.goes_on_after(&error) => {
                    (error.to_string(), outages.next().unwrap_or(PAUSE_MAX))
                }
                Err(error) => return Err(error),
            };
            if answered.elapsed() >= self.patience || begun.elapsed() >= self.patience * RACES {
                return Err(self.out_of_reach(begun.elapsed(), last).into());
            }
            tracing::debug!(branch = self.branch, last, "queue change is tried again");
            tokio::time::sleep(pause).await;
        }
    }

    fn goes_on_after(&self, error: &StoreError) -> bool {
        let holds = self.newer == NewerSchema::Borne;
        error.is_transient() || (holds && error.may_pass())
    }

    /// One try, on what is remembered first, then on what the branch says. A push of unknown outcome is asked
    /// about before the rule is applied again.
    async fn turn<T: Send + 'static>(
        &self,
        fresh: &mut Option<Seen>,
        unsure: &mut Option<Unsure<T>>,
        subject: &str,
        rule: impl Fn(&mut Queue) -> Result<T, Refusal>,
    ) -> Result<Attempt<T>, ChangeError> {
        let seen = match fresh.take() {
            Some(seen) => self.known(seen)?,
            None => self.read().await?,
        };
        if let Some(asked) = unsure.take() {
            let (this, tip) = (self.clone(), seen.tip.clone());
            let (commit, parent) = (asked.commit.clone(), asked.parent.clone());
            let landed = blocking(move || -> Result<bool, StoreError> {
                Ok(this.repo.contains(&this.branch, &tip, &commit, &parent)?)
            });
            match landed.await {
                Ok(true) => return Ok(Attempt::Done(asked.value)),
                Ok(false) => {}
                Err(error) => {
                    *unsure = Some(asked);
                    return Err(error.into());
                }
            }
        }
        let mut queue = Queue::clone(&seen.queue);
        let value = match rule(&mut queue) {
            Ok(value) => value,
            Err(refusal) => return self.refused(&seen, refusal).await,
        };
        if queue == *seen.queue {
            return Ok(Attempt::Done(value));
        }
        let (this, message) = (self.clone(), format!("queue: {subject}\n\n[skip ci]\n"));
        let parent = seen.tip.clone();
        match blocking(move || this.write(&seen, queue, &message)).await? {
            Written::Landed => Ok(Attempt::Done(value)),
            Written::Not(why) => Ok(Attempt::Again(why)),
            Written::Unknown { commit, why } => {
                *unsure = Some(Unsure { commit, parent, value });
                Ok(Attempt::Again(why))
            }
        }
    }

    /// A refusal counts only on what the branch says now, not on what was remembered.
    async fn refused<T>(&self, seen: &Seen, refusal: Refusal) -> Result<Attempt<T>, ChangeError> {
        let now = self.read().await?;
        match now.tip == seen.tip {
            true => Err(refusal.into()),
            false => Ok(Attempt::Again(refusal.to_string())),
        }
    }

    fn write(&self, seen: &Seen, queue: Queue, message: &str) -> Result<Written, StoreError> {
        let changes = tree::changes(&self.repo, Some(&seen.tip), &seen.queue, &queue, self.page)?;
        let commit = self.repo.commit(Some(&seen.tip), &changes, message, CommitTime::Now)?;
        match self.push(&commit, Some(&seen.tip)) {
            PushOutcome::Updated => {
                self.remember(commit, queue);
                Ok(Written::Landed)
            }
            PushOutcome::LostRace { detail } => Ok(Written::Not(detail)),
            PushOutcome::Refused { reason } => {
                Err(StoreError::Refused { branch: self.branch.clone(), reason })
            }
            PushOutcome::Unreachable { error } => Err(error.into()),
            PushOutcome::Unknown { detail } => Ok(Written::Unknown { commit, why: detail }),
        }
    }

    fn push(&self, commit: &CommitId, expected: Option<&CommitId>) -> PushOutcome {
        self.repo.push(&self.branch, commit, expected, &PushOptions { pipelines: Pipelines::Skip })
    }

    fn look(&self) -> Result<Seen, StoreError> {
        self.known(self.look_at_any()?)
    }

    /// Refuses a queue of a schema that this build does not know.
    fn known(&self, seen: Seen) -> Result<Seen, StoreError> {
        match self.newer {
            NewerSchema::Refused if seen.queue.schema > tree::SCHEMA => {
                Err(TreeError::Newer { found: seen.queue.schema }.into())
            }
            NewerSchema::Refused | NewerSchema::Borne => Ok(seen),
        }
    }

    fn look_at_any(&self) -> Result<Seen, StoreError> {
        let last = self.last();
        let seen = last.as_ref().map(|last| last.tip.clone());
        let Some(tip) = self.repo.fetch(&self.branch)? else {
            let repository = self.repo.location().to_string();
            return Err(StoreError::Missing { branch: self.branch.clone(), repository, seen });
        };
        if let Some(last) = last {
            if last.tip == tip {
                return Ok(last);
            }
            self.still_descends(&last.tip, &tip)?;
        }
        let queue = tree::read(&self.repo, &tip)?;
        Ok(self.remember(tip, queue))
    }

    fn still_descends(&self, seen: &CommitId, tip: &CommitId) -> Result<(), StoreError> {
        use crate::repo::Ancestry;
        match self.repo.descends(&self.branch, seen, tip)? {
            Ancestry::Same | Ancestry::Descendant => Ok(()),
            Ancestry::NotRelated => Err(StoreError::Rewritten {
                branch: self.branch.clone(),
                seen: seen.clone(),
                tip: tip.clone(),
            }),
        }
    }

    fn remember(&self, tip: CommitId, mut queue: Queue) -> Seen {
        queue.finished.clear();
        let seen = Seen { tip, queue: Arc::new(queue) };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen.clone());
        seen
    }

    fn out_of_reach(&self, waited: Duration, last: String) -> StoreError {
        StoreError::OutOfReach { branch: self.branch.clone(), seconds: waited.as_secs(), last }
    }
}

/// A push whose outcome is not known yet.
struct Unsure<T> {
    commit: CommitId,
    parent: CommitId,
    value: T,
}

enum Written {
    Landed,
    Not(String),
    Unknown { commit: CommitId, why: String },
}

enum Attempt<T> {
    Done(T),
    Again(String),
}

/// Longest pause while the server is out of reach.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest pause after a lost race.
const RACE_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Mean pause after a lost race, in tries: where fifty write at once, fewer make each other lose, and more let the
/// server idle. See section (c) of `cargo bench`.
const RACE_PAUSE: f32 = 2.0;
/// Lost races are borne for so many times the patience.
const RACES: u32 = 10;

/// The pause after a lost race that took `tried`; `chance` is from 0 to 1.
///
/// By the length of the try, for that is what tells how slow the server is and how many others press on it: a fixed
/// pause lets a busy server spend its time on tries that lose. It does not grow from race to race: whoever lost often
/// would lose to those who came later.
fn after_a_race(tried: Duration, chance: f32) -> Duration {
    tried.mul_f32(2.0 * RACE_PAUSE * chance).min(RACE_PAUSE_MAX)
}

/// Jittered pauses while the server is out of reach.
fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(30))
        .with_max_delay(PAUSE_MAX)
        .with_factor(1.6)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Runs git work where it blocks nobody.
pub async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + From<RepoError> + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(RepoError::Git {
                doing: "working on".to_owned(),
                location: "the repository".to_owned(),
                detail: "the program is ending".to_owned(),
            }
            .into()),
        },
    }
}
