//! How revisions, and the tip of the branch, relate to the commit that is waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Awaited;
use crate::agent::wait::Relation;
use crate::config::Place;
use crate::plan::{Files, FilesError};
use crate::queue::blocking;
use crate::repo::{Ancestry, CommitId, Repo};

/// How revisions relate to the commit that is waited for; each is asked of git once.
pub(super) struct Relations {
    repo: Arc<Repo>,
    branch: String,
    commit: CommitId,
    known: Mutex<HashMap<(CommitId, String), Relation>>,
    /// Revisions that git could not place, and when it was asked: asking is costly.
    puzzles: Mutex<HashMap<(CommitId, String), Instant>>,
    looks: Mutex<Looks>,
}

/// Looks at the tip of the branch, for agents that name no revision.
struct Looks {
    next: Instant,
    pause: Duration,
    /// As it was at the last one.
    tip: Option<CommitId>,
}

/// When the tip of the branch is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Seldom: between two of these, the last answer is good enough.
    Seldom,
    /// Now: nothing else will be asked.
    Now,
}

/// How long a revision that git cannot place is not asked about again.
const PUZZLE: Duration = Duration::from_secs(30);
/// First and longest pause between two looks at the tip: each is a fetch.
const LOOKS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

impl Relations {
    /// Those of the commit that is waited for in one environment.
    pub(super) fn new(repo: Arc<Repo>, awaited: &Awaited) -> Self {
        let looks = Looks { next: Instant::now() + LOOKS.0, pause: LOOKS.0, tip: None };
        Self {
            repo,
            branch: awaited.branch.clone(),
            commit: awaited.commit.clone(),
            known: Mutex::default(),
            puzzles: Mutex::default(),
            looks: Mutex::new(looks),
        }
    }

    /// What the tip of the branch says of a service whose agent names no revision: that somebody changed its values,
    /// else nothing.
    pub(super) async fn at_tip(&self, look: Look, service: &str, values: &[(Place, String)]) -> Relation {
        let Some(tip) = self.tip(look).await else { return Relation::Before };
        match self.of(&tip, service, values).await {
            Relation::Superseded { by } => Relation::Superseded { by },
            Relation::Before | Relation::Holds => Relation::Before,
        }
    }

    async fn tip(&self, look: Look) -> Option<CommitId> {
        {
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if look == Look::Seldom && now < looks.next {
                return looks.tip.clone();
            }
            looks.next = now + looks.pause;
            looks.pause = (looks.pause * 2).min(LOOKS.1);
        }
        let (repo, branch) = (self.repo.clone(), self.branch.clone());
        match blocking(move || repo.fetch(&branch)).await {
            Ok(tip) => {
                self.looks.lock().unwrap_or_else(PoisonError::into_inner).tip.clone_from(&tip);
                tip
            }
            Err(error) => {
                tracing::warn!(%error, "cannot look at the tip of the branch");
                None
            }
        }
    }

    /// A revision that git cannot place is taken for one that is not there yet: the wait goes on.
    pub(super) async fn of(
        &self,
        revision: &CommitId,
        service: &str,
        values: &[(Place, String)],
    ) -> Relation {
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
