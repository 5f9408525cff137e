//! Waits until services run a commit, or a descendant that still holds the values, and are healthy since.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::journal::Journal;
use crate::agent::wait::{Mode, Progress, Relation, Watch};
use crate::agent::{Agent, Following, Observation, ObservationError, PinFact, Question};
use crate::config::Place;
use crate::event::{Level, What};
use crate::plan::{Files, FilesError};
use crate::queue::{EnvironmentPart, ServiceState, blocking};
use crate::repo::{Ancestry, CommitId, Repo};

/// What is waited for in one environment.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// Environment.
    pub environment: String,
    /// Target branch.
    pub branch: String,
    /// Commit that has to run.
    pub commit: CommitId,
    /// By service: the values that have to hold.
    pub services: Vec<(String, Vec<(Place, String)>)>,
    /// Dataset.
    pub dataset: String,
    /// Version, as agents are told.
    pub version: String,
    /// How long it may take.
    pub limit: Duration,
}

impl Awaited {
    /// The services of a part, each with the value that its pins are going to have by `text`.
    pub fn services(
        part: &EnvironmentPart,
        text: impl Fn(&crate::queue::PinRecord) -> Option<String>,
    ) -> Vec<(String, Vec<(Place, String)>)> {
        part.services
            .iter()
            .map(|service| {
                let mine = part.pins.iter().filter(|pin| pin.service == service.name);
                let values = mine.filter_map(|pin| text(pin).map(|text| (pin.place.clone(), text))).collect();
                (service.name.clone(), values)
            })
            .collect()
    }
}

/// How the wait for one service ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// How.
    pub how: How,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It runs the commit and is healthy.
    Up,
    /// It did not come up.
    Failed {
        /// Why.
        reason: String,
    },
    /// Somebody else changed the values.
    Superseded {
        /// Who, and which commit.
        by: String,
    },
}

/// Waits for all services of all environments side by side.
///
/// A deployment fails fast: once one service has failed, the others get a short while to say how they are.
/// A rollback waits for each: one failure stops no other.
pub async fn wait(context: &Context, journal: &Journal, awaited: &[Awaited], mode: Mode) -> Vec<Ended> {
    watch(context, journal, awaited, mode, Talk::All).await
}

/// The same for services that were up already: tells only of those that are not.
pub async fn look_again(context: &Context, journal: &Journal, awaited: &[Awaited], mode: Mode) -> Vec<Ended> {
    watch(context, journal, awaited, mode, Talk::Failures).await
}

/// What the listeners hear of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    All,
    Failures,
}

async fn watch(
    context: &Context,
    journal: &Journal,
    awaited: &[Awaited],
    mode: Mode,
    talk: Talk,
) -> Vec<Ended> {
    let mut waits: JoinSet<Ended> = JoinSet::new();
    let mut left: Vec<(String, String)> = Vec::new();
    let mut grace = Duration::from_secs(2);
    for one in awaited {
        let Some(agent) = context.agent(&one.environment) else { continue };
        grace = grace.max(agent.interval() * 3);
        let relations = Arc::new(Relations::new(context.target.clone(), one));
        for (service, values) in &one.services {
            left.push((one.environment.clone(), service.clone()));
            let wait = Wait {
                context: context.clone(),
                journal: journal.clone(),
                agent: agent.clone(),
                relations: relations.clone(),
                awaited: one.clone(),
                service: service.clone(),
                values: values.clone(),
                mode,
                talk,
            };
            waits.spawn(wait.run());
        }
    }
    collect(&mut waits, left, mode, grace).await
}

async fn collect(
    waits: &mut JoinSet<Ended>,
    mut left: Vec<(String, String)>,
    mode: Mode,
    grace: Duration,
) -> Vec<Ended> {
    let mut ended: Vec<Ended> = Vec::new();
    let mut until: Option<Instant> = None;
    loop {
        let next = match until {
            Some(until) => tokio::time::timeout_at(until, waits.join_next()).await,
            None => Ok(waits.join_next().await),
        };
        let Ok(Some(joined)) = next else { break };
        if let Ok(one) = joined {
            left.retain(|(environment, service)| (environment, service) != (&one.environment, &one.service));
            if mode == Mode::Deploy && one.how != How::Up {
                until.get_or_insert(Instant::now() + grace);
            }
            ended.push(one);
        }
    }
    let reason = "not waited for, since another service failed".to_owned();
    ended.extend(left.into_iter().map(|(environment, service)| {
        let how = match until {
            Some(_) => How::Failed { reason: reason.clone() },
            None => How::Failed { reason: "its wait ended by itself; this is a bug".to_owned() },
        };
        Ended { environment, service, how }
    }));
    ended
}

struct Wait {
    context: Context,
    journal: Journal,
    agent: Agent,
    relations: Arc<Relations>,
    awaited: Awaited,
    service: String,
    values: Vec<(Place, String)>,
    mode: Mode,
    talk: Talk,
}

impl Wait {
    async fn run(self) -> Ended {
        let begun = Instant::now();
        let mut watch = Watch::new(self.mode, self.agent.patience());
        let mut following = self.agent.follow(self.question());
        let mut last = "nothing yet".to_owned();
        let how = loop {
            let observed = self.observe(&mut following).await;
            let answered = observed.is_ok();
            if let Some(notice) = following.take_notice() {
                self.context.events.note(&self.journal.run(), Level::Warning, notice);
            }
            match watch.next(observed) {
                Progress::Done => break How::Up,
                Progress::Superseded { by } => break How::Superseded { by },
                Progress::Failed { reason, log } => break self.failed(&mut following, reason, log).await,
                Progress::Waiting { reason } => {
                    if reason != last {
                        self.tell(self.moving(), &reason, &[]);
                    }
                    last = reason;
                }
            }
            let Some(left) = self.awaited.limit.checked_sub(begun.elapsed()) else {
                let reason = format!("not up within {:?}; last seen: {last}", self.awaited.limit);
                break self.failed(&mut following, reason, Vec::new()).await;
            };
            let news = async {
                match answered {
                    true => following.changed().await,
                    false => following.pause().await,
                }
            };
            // the limit is looked at above
            let _ = tokio::time::timeout(left, news).await;
        };
        match &how {
            How::Up => self.tell(self.good(), "", &[]),
            How::Superseded { by } => self.tell(self.good(), &format!("superseded by {by}"), &[]),
            How::Failed { .. } => {}
        }
        Ended { environment: self.awaited.environment, service: self.service, how }
    }

    /// Says that the service did not come up, with everything that is known of why.
    async fn failed(&self, following: &mut Following, reason: String, mut log: Vec<String>) -> How {
        let cause = following.cause().await;
        let known = cause.reason.is_empty() || reason.contains(&cause.reason);
        let reason = if known { reason } else { format!("{reason}; {}", cause.reason) };
        log.extend(cause.log);
        self.tell(self.bad(), &reason, &log);
        How::Failed { reason }
    }

    fn question(&self) -> Question {
        Question {
            environment: self.awaited.environment.clone(),
            service: self.service.clone(),
            dataset: self.awaited.dataset.clone(),
            version: self.awaited.version.clone(),
            commit: self.awaited.commit.clone(),
            pins: self
                .values
                .iter()
                .map(|(place, text)| PinFact {
                    file: place.file.clone(),
                    path: place.path.to_string(),
                    value: text.clone(),
                })
                .collect(),
        }
    }

    async fn observe(&self, following: &mut Following) -> Result<(Observation, Relation), ObservationError> {
        let seen = following.observe().await?;
        let relation = match &seen.revision {
            None => Relation::Before,
            Some(revision) => self.relations.of(revision, &self.service, &self.values).await,
        };
        Ok((seen, relation))
    }

    fn tell(&self, state: ServiceState, reason: &str, log: &[String]) {
        let failed = matches!(state, ServiceState::Failed | ServiceState::RollbackFailed);
        if self.talk == Talk::Failures && !failed {
            return;
        }
        let (environment, service) = (self.awaited.environment.clone(), self.service.clone());
        self.journal.note(|ticket| ticket.service(&environment, &service, state, reason));
        self.context.events.tell(
            &self.journal.run(),
            What::Service { environment, service, state, reason: reason.to_owned(), log: log.to_vec() },
        );
    }

    fn moving(&self) -> ServiceState {
        match self.mode {
            Mode::Deploy => ServiceState::Syncing,
            Mode::Rollback => ServiceState::RollingBack,
        }
    }

    fn good(&self) -> ServiceState {
        match self.mode {
            Mode::Deploy => ServiceState::Deployed,
            Mode::Rollback => ServiceState::RolledBack,
        }
    }

    fn bad(&self) -> ServiceState {
        match self.mode {
            Mode::Deploy => ServiceState::Failed,
            Mode::Rollback => ServiceState::RollbackFailed,
        }
    }
}

/// How revisions relate to the commit that is waited for; each is asked of git once.
struct Relations {
    repo: Arc<Repo>,
    branch: String,
    commit: CommitId,
    known: Mutex<HashMap<(CommitId, String), Relation>>,
    /// Revisions that git could not place, and when it was asked: asking is costly.
    puzzles: Mutex<HashMap<(CommitId, String), Instant>>,
}

/// How long a revision that git cannot place is not asked about again.
const PUZZLE: Duration = Duration::from_secs(30);

impl Relations {
    fn new(repo: Arc<Repo>, awaited: &Awaited) -> Self {
        let (branch, commit) = (awaited.branch.clone(), awaited.commit.clone());
        Self { repo, branch, commit, known: Mutex::default(), puzzles: Mutex::default() }
    }

    /// A revision that git cannot place is taken for one that is not there yet: the wait goes on.
    async fn of(&self, revision: &CommitId, service: &str, values: &[(Place, String)]) -> Relation {
        if *revision == self.commit {
            return Relation::Holds;
        }
        let key = (revision.clone(), service.to_owned());
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let asked = self.puzzles.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if asked.is_some_and(|asked| asked.elapsed() < PUZZLE) {
            return Relation::Before;
        }
        let (repo, branch, commit) = (self.repo.clone(), self.branch.clone(), self.commit.clone());
        let (at, values) = (revision.clone(), values.to_vec());
        match blocking(move || relate(&repo, &branch, &commit, &at, &values)).await {
            Ok(relation) => {
                self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, relation.clone());
                relation
            }
            Err(error) => {
                tracing::warn!(%revision, %error, "cannot tell how a revision relates to ours");
                self.puzzles.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Instant::now());
                Relation::Before
            }
        }
    }
}

fn relate(
    repo: &Repo,
    branch: &str,
    commit: &CommitId,
    revision: &CommitId,
    values: &[(Place, String)],
) -> Result<Relation, FilesError> {
    repo.fetch(branch)?;
    match repo.descends(branch, commit, revision)? {
        Ancestry::NotRelated => Ok(Relation::Before),
        Ancestry::Same => Ok(Relation::Holds),
        Ancestry::Descendant => {
            let places: Vec<&Place> = values.iter().map(|(place, _)| place).collect();
            let scalars = Files::at(repo, revision).scalars(&places)?;
            match scalars.iter().zip(values).all(|(scalar, (_, text))| scalar.text == *text) {
                true => Ok(Relation::Holds),
                false => {
                    Ok(Relation::Superseded { by: who_changed(repo, branch, revision, commit, &places) })
                }
            }
        }
    }
}

/// Who last changed one of the places since `since`, in words.
pub fn who_changed(repo: &Repo, branch: &str, tip: &CommitId, since: &CommitId, places: &[&Place]) -> String {
    let files: Vec<String> = places.iter().map(|place| place.file.clone()).collect();
    match repo.last_change(branch, tip, since, &files) {
        Ok(log) => log.first().map_or_else(
            || format!("a commit before {}", tip.short()),
            |entry| {
                let subject = entry.message.lines().next().unwrap_or_default();
                format!("{} of {} <{}>: {subject}", entry.id.short(), entry.author_name, entry.author_email)
            },
        ),
        Err(error) => format!("a commit up to {} ({error})", tip.short()),
    }
}
