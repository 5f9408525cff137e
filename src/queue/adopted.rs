//! What people committed before a run, and the run makes its own.
//!
//! From its start on the newest of their commits plays the part of the pin that the run would have pushed: it is an
//! intent that is done, so that whoever carries the run on takes it back by the same rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::{Action, Fate, Intent, PinRecord, Role};
use super::rules::Queue;
use super::ticket::Ticket;
use crate::repo::CommitId;

/// What people committed before a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Adopted {
    /// Their commits, newest first.
    pub commits: Vec<PersonCommit>,
    /// The newest of them, which is watched.
    pub commit: CommitId,
    /// The commit before the oldest of them.
    pub before: CommitId,
    /// By environment: every pin and settable value, with what was there before and what they wrote.
    pub pins: BTreeMap<String, Vec<PinRecord>>,
}

/// A commit of a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PersonCommit {
    /// Its id.
    pub id: CommitId,
    /// Its author's name.
    pub author: String,
    /// First line of its message.
    pub subject: String,
}

impl Adopted {
    /// Who wrote the newest commit.
    pub fn author(&self) -> &str {
        self.commits.first().map_or("somebody", |commit| &commit.author)
    }

    /// First line of the newest commit.
    pub fn subject(&self) -> &str {
        self.commits.first().map_or("", |commit| &commit.subject)
    }

    /// The versions that an environment's pins hold, each once, with the services that hold it.
    pub fn versions(&self, environment: &str) -> Vec<(String, Vec<String>)> {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        let pins = self.pins.get(environment).into_iter().flatten();
        for pin in pins.filter(|pin| pin.role == Role::Pin) {
            match found.iter_mut().find(|(version, _)| *version == pin.after) {
                Some((_, services)) if services.contains(&pin.service) => {}
                Some((_, services)) => services.push(pin.service.clone()),
                None => found.push((pin.after.clone(), vec![pin.service.clone()])),
            }
        }
        found
    }
}

impl Ticket {
    /// Whether people wrote what the run has in this environment.
    pub fn adopted(&self, environment: &str) -> bool {
        self.adopts.as_ref().is_some_and(|adopted| adopted.pins.contains_key(environment))
    }

    /// Forgets that the adopted commits are the run's: they stay where they are, and no run explains them.
    pub fn let_go(&mut self) {
        let Some(adopted) = self.adopts.clone() else { return };
        for part in self.parts_mut() {
            part.intents.retain(|intent| intent.commit != adopted.commit);
            if part.commit.as_ref() == Some(&adopted.commit) {
                part.commit = None;
            }
        }
    }
}

impl Queue {
    /// Makes the adopted commits of a ticket that starts its own, and says what a rollback would go back to.
    pub(super) fn take_in(&self, ticket: &mut Ticket) {
        let Some(adopted) = ticket.adopts.clone() else { return };
        let (dataset, epoch) = (ticket.dataset.clone(), ticket.driver.epoch);
        for part in ticket.parts_mut() {
            let name = &part.identity.name;
            let Some(pins) = adopted.pins.get(name) else { continue };
            part.goal = self.current(name, &dataset).cloned();
            part.pins.clone_from(pins);
            part.commit = Some(adopted.commit.clone());
            part.intents = vec![Intent {
                action: Action::Pin,
                parent: adopted.before.clone(),
                commit: adopted.commit.clone(),
                epoch,
                fate: Fate::Done,
            }];
        }
    }
}
