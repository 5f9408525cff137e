//! Takes back everything that a run touched.
//!
//! All reverts are pushed first, newest stage first; then all services are waited for side by side. One failure
//! stops no other.

mod request;

use std::sync::Arc;

use jiff::Timestamp;

use super::driver::{Driver, Halt};
use super::fence::{FenceError, Group, Made, Make, Passed, pass};
use super::forward::groups;
use super::message;
use super::sync::{self, Awaited, How};
use crate::agent::wait::Mode;
use crate::event::{Level, What};
use crate::plan::{self, Files, FilesError, Manner};
use crate::queue::{
    Action, Carried, Cause, CauseKind, EnvironmentPart, Fate, Freeze, Lives, Origin, Outcome, RunKind,
    ServiceState, State, Ticket, Unknown, blocking,
};
use crate::repo::CommitId;

/// What did not come back in one environment.
struct Left {
    environment: String,
    failures: Vec<String>,
    abandoned: bool,
}

impl Driver {
    /// Takes everything back, and ends the run.
    pub(super) async fn back(&self) -> Result<Outcome, Halt> {
        let ticket = self.journal.ticket();
        let State::RollingBack { cause } = ticket.state.clone() else {
            return Err(Halt::Stopped("nothing to roll back".to_owned()));
        };
        if matches!(ticket.kind, RunKind::Rollback { .. }) {
            return self.rollback_failed(&ticket, cause).await;
        }
        let touched = self.touched(&ticket);
        self.tell_back(&touched, &cause);
        let mut left = self.not_mine(&ticket);
        left.extend(self.push_back(&touched, &cause).await?);
        left.extend(self.wait_back().await?);
        self.settle_account(cause, left, !touched.is_empty()).await
    }

    /// Pushes all reverts, newest stage first.
    async fn push_back(&self, touched: &[Group], cause: &Cause) -> Result<Vec<Left>, Halt> {
        let mut left = Vec::new();
        for group in touched {
            left.extend(self.revert(group, cause).await?);
        }
        Ok(left)
    }

    /// The first half of the way back: all reverts are pushed. What did not work is in the record.
    pub(super) async fn push_all_back(&self, cause: &Cause) -> Result<(), Halt> {
        let touched = self.touched(&self.journal.ticket());
        self.tell_back(&touched, cause);
        self.push_back(&touched, cause).await.map(|_| ())
    }

    fn tell_back(&self, touched: &[Group], cause: &Cause) {
        let environments = touched.iter().flat_map(|group| group.environments.clone()).collect();
        let what = What::RollingBack { cause: cause.clone(), environments };
        self.context.events.tell(&self.journal.run(), what);
    }

    async fn settle_account(&self, cause: Cause, left: Vec<Left>, touched: bool) -> Result<Outcome, Halt> {
        let failures: Vec<String> = left.iter().flat_map(|left| left.failures.clone()).collect();
        let outcome = match (failures.is_empty(), touched) {
            (false, _) => Outcome::RollbackFailed { cause, failures },
            (true, true) => Outcome::RolledBack { cause },
            (true, false) => Outcome::Stopped { cause },
        };
        self.end(outcome, self.freezes(&left)).await
    }

    /// A rollback that did not reach its goal has nothing else to go back to.
    async fn rollback_failed(&self, ticket: &Ticket, cause: Cause) -> Result<Outcome, Halt> {
        let pushed = ticket.parts().any(|part| part.commit.is_some() || !part.intents.is_empty());
        // Theirs stays: there is nothing for a person to mend.
        if !pushed || cause.kind == CauseKind::Superseded {
            return self.end(Outcome::Stopped { cause }, Vec::new()).await;
        }
        let left: Vec<Left> = ticket
            .parts()
            .map(|part| Left {
                environment: part.identity.name.clone(),
                failures: vec![cause.text.clone()],
                abandoned: false,
            })
            .collect();
        self.settle_account(cause, left, true).await
    }

    /// The groups that the run pushed to or watched, newest stage first.
    fn touched(&self, ticket: &Ticket) -> Vec<Group> {
        // An intent that is known to be dead wrote nothing and never will.
        let living = |part: &EnvironmentPart| part.intents.iter().any(|intent| intent.fate != Fate::Dead);
        let touched =
            |name: &String| ticket.part(name).is_some_and(|part| part.commit.is_some() || living(part));
        (0..ticket.stages.len())
            .rev()
            .flat_map(|stage| groups(ticket, stage))
            .map(|mut group| {
                group.environments.retain(|name| touched(name) && self.knows(ticket, name).is_ok());
                group
            })
            .filter(|group| !group.environments.is_empty())
            .collect()
    }

    /// Environments of a run that was left, which this configuration does not know.
    fn not_mine(&self, ticket: &Ticket) -> Vec<Left> {
        ticket
            .parts()
            .filter(|part| part.commit.is_some() || !part.intents.is_empty())
            .filter_map(|part| {
                let name = part.identity.name.clone();
                let why = self.knows(ticket, &name).err()?;
                Some(Left {
                    failures: vec![format!("{name}: abandoned: {why}")],
                    environment: name,
                    abandoned: true,
                })
            })
            .collect()
    }

    /// Whether this process's own configuration pins what the record says; else why not.
    ///
    /// Nothing from a ticket is used as a path that the configuration does not pin.
    pub(super) fn knows(&self, ticket: &Ticket, name: &str) -> Result<(), String> {
        let config = &self.context.config;
        let Some(part) = ticket.part(name) else { return Ok(()) };
        if !config.environments.contains_key(name) {
            return Err("this configuration does not know it".to_owned());
        }
        let identity = self.context.plan_target().identity(config, name);
        if identity != part.identity {
            return Err(format!(
                "this configuration has it as branch {} of {}, the run as branch {} of {}",
                identity.branch, identity.repository, part.identity.branch, part.identity.repository
            ));
        }
        let places = config.places(name, &ticket.dataset);
        let known = |place: &crate::config::Place| {
            places.iter().any(|service| service.pins.contains(place) || service.settable.contains(place))
        };
        match part.pins.iter().find(|pin| !known(&pin.place)) {
            Some(pin) => Err(format!(
                "the run pinned {}:{}, which this configuration does not",
                pin.place.file, pin.place.path
            )),
            None => Ok(()),
        }
    }

    async fn revert(&self, group: &Group, cause: &Cause) -> Result<Option<Left>, Halt> {
        let make = back_maker(self.journal.ticket(), group.clone(), cause.clone());
        let limit = self.rollback_limit(group);
        match pass(&self.context, &self.journal, group, Action::Revert, limit, make.clone()).await {
            Ok(Passed::Pushed { commit, subject }) => {
                self.reverted(group, &commit, subject);
                Ok(None)
            }
            Ok(Passed::Unchanged { .. }) => {
                self.found_reverted(group);
                Ok(None)
            }
            Err(FenceError::Lost(lost)) => Err(lost.into()),
            Err(error @ FenceError::OutOfReach { .. }) => Err(Halt::Stopped(error.to_string())),
            Err(error @ FenceError::Refused { .. }) => {
                let reason = self.ask_for_revert(group, &make, error.to_string()).await;
                Ok(Some(self.not_reverted(group, &reason)))
            }
            Err(error) => Ok(Some(self.not_reverted(group, &error.to_string()))),
        }
    }

    fn reverted(&self, group: &Group, commit: &CommitId, subject: String) {
        self.journal.note(|ticket| {
            for part in ticket.parts_mut().filter(|part| group.has(part)) {
                part.reverted_by(Some(commit.clone()));
            }
        });
        self.context.events.tell(
            &self.journal.run(),
            What::Reverted {
                environments: group.environments.clone(),
                branch: group.branch.clone(),
                commit: commit.clone(),
                subject,
            },
        );
    }

    /// Nothing had to be changed: an earlier driver had reverted it, or somebody else changed it.
    fn found_reverted(&self, group: &Group) {
        self.journal.note(|ticket| {
            for part in ticket.parts_mut().filter(|part| group.has(part)) {
                let landed = part
                    .intents
                    .iter()
                    .rfind(|intent| intent.action == Action::Revert && intent.fate == Fate::Done);
                let landed = landed.map(|intent| intent.commit.clone());
                part.reverted_by(landed);
            }
        });
        let text = format!("{}: nothing to take back on {}", group.environments.join(", "), group.branch);
        self.context.events.note(&self.journal.run(), Level::Info, text);
    }

    fn not_reverted(&self, group: &Group, reason: &str) -> Left {
        let mut failures = Vec::new();
        self.journal.note(|ticket| {
            for part in ticket.parts_mut().filter(|part| group.has(part)) {
                for service in &mut part.services {
                    service.state = ServiceState::RollbackFailed;
                    service.reason = reason.to_owned();
                    failures.push(format!("{}/{}: {reason}", part.identity.name, service.name));
                }
            }
        });
        Left { environment: group.environments.join(" "), failures, abandoned: false }
    }

    /// Waits for all services of all environments that were reverted. What the jobs of a spread run reported is
    /// not waited for again.
    async fn wait_back(&self) -> Result<Vec<Left>, Halt> {
        let ticket = self.journal.ticket();
        let mut left = reported(&ticket);
        let mut awaited = self.awaited_back(&ticket).await;
        for one in &mut awaited {
            one.services.retain(|(service, _)| !ticket.is_back(&one.environment, service));
        }
        let wait = sync::wait(&self.context, &self.journal, &awaited, Mode::Rollback);
        let ended = self.unless_stopped(wait).await?;
        left.extend(ended.into_iter().filter_map(|one| match one.how {
            How::Up | How::Superseded { .. } => None,
            How::Failed { reason } => Some(Left {
                failures: vec![format!("{}/{}: {reason}", one.environment, one.service)],
                environment: one.environment,
                abandoned: false,
            }),
        }));
        Ok(left)
    }

    /// What is waited for after the reverts.
    pub(super) async fn awaited_back(&self, ticket: &Ticket) -> Vec<Awaited> {
        let mut awaited = Vec::new();
        for part in ticket.parts().filter(|part| self.knows(ticket, &part.identity.name).is_ok()) {
            if let (Some(commit), Some(known)) =
                (&part.revert, self.context.config.environments.get(&part.identity.name))
            {
                let held = self.held_at(part, commit).await;
                awaited.push(Awaited {
                    environment: part.identity.name.clone(),
                    branch: part.identity.branch.clone(),
                    commit: commit.clone(),
                    services: Awaited::services(part, |pin| {
                        held.iter().find(|(place, _)| *place == pin.place).map(|(_, text)| text.clone())
                    }),
                    dataset: ticket.dataset.clone(),
                    version: part.goal.as_ref().map_or_else(
                        || part.pins.first().map(|pin| pin.before.text.clone()).unwrap_or_default(),
                        |goal| goal.version.clone(),
                    ),
                    limit: known.rollback_timeout,
                });
            }
        }
        awaited
    }

    /// What the revert commit holds at the places of the run.
    async fn held_at(
        &self,
        part: &EnvironmentPart,
        commit: &CommitId,
    ) -> Vec<(crate::config::Place, String)> {
        let (repo, commit) = (self.context.target.clone(), commit.clone());
        let places: Vec<_> = part.pins.iter().map(|pin| pin.place.clone()).collect();
        let read = blocking(move || -> Result<_, FilesError> {
            let wanted: Vec<_> = places.iter().collect();
            let scalars = Files::at(&repo, &commit).scalars(&wanted)?;
            Ok(places.into_iter().zip(scalars.into_iter().map(|scalar| scalar.text)).collect::<Vec<_>>())
        });
        match read.await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, "cannot read what the revert holds");
                Vec::new()
            }
        }
    }

    fn freezes(&self, left: &[Left]) -> Vec<(String, Freeze)> {
        let ticket = self.journal.ticket();
        let mut freezes: Vec<(String, Freeze)> = Vec::new();
        for one in left {
            for name in one.environment.split(' ') {
                if freezes.iter().any(|(known, _)| known == name) {
                    continue;
                }
                let Some(part) = ticket.part(name) else { continue };
                let mine: Vec<String> = left
                    .iter()
                    .filter(|left| left.environment.split(' ').any(|other| other == name))
                    .flat_map(|left| left.failures.clone())
                    .collect();
                freezes.push((name.to_owned(), freeze(&ticket, part, one.abandoned, &mine.join("; "))));
            }
        }
        for (environment, freeze) in &freezes {
            let (environment, reason) = (environment.clone(), freeze.reason.clone());
            self.context.events.tell(&ticket.run, What::Frozen { environment, reason });
        }
        freezes
    }
}

/// What the jobs of a spread run reported as not back.
fn reported(ticket: &Ticket) -> Vec<Left> {
    if ticket.lives == Lives::Process {
        return Vec::new();
    }
    let parts = ticket.parts().filter(|part| part.revert.is_some());
    let services = parts.flat_map(|part| part.services.iter().map(move |service| (part, service)));
    let failed = services.filter(|(_, service)| service.state == ServiceState::RollbackFailed);
    failed
        .map(|(part, service)| Left {
            environment: part.identity.name.clone(),
            failures: vec![format!("{}/{}: {}", part.identity.name, service.name, service.reason)],
            abandoned: false,
        })
        .collect()
}

impl Ticket {
    /// Whether a job of a spread run reported how a service came back.
    fn is_back(&self, environment: &str, service: &str) -> bool {
        let services = self.part(environment).into_iter().flat_map(|part| &part.services);
        let told = |state| matches!(state, ServiceState::RolledBack | ServiceState::RollbackFailed);
        self.lives != Lives::Process
            && services.into_iter().any(|record| record.name == service && told(record.state))
    }
}

fn freeze(ticket: &Ticket, part: &EnvironmentPart, abandoned: bool, why: &str) -> Freeze {
    let carried = Box::new(Carried {
        run: ticket.run.clone(),
        number: ticket.number,
        dataset: ticket.dataset.clone(),
        version: ticket.version.clone(),
        part: part.clone(),
    });
    let (origin, reason) = match abandoned {
        true => (Origin::Abandoned { carried }, why.to_owned()),
        false => (Origin::RollbackFailed { carried }, format!("rollback failed: {why}")),
    };
    Freeze {
        origin,
        owner: format!("run {}", ticket.run),
        reason,
        since: Timestamp::now(),
        until: None,
        unknown: Unknown::new(),
    }
}

fn back_maker(ticket: Ticket, group: Group, cause: Cause) -> Make {
    Arc::new(move |repo, tip, parts| {
        let mine: Vec<&EnvironmentPart> =
            parts.iter().filter(|part| part.pinned().is_some() || part.commit.is_some()).collect();
        if mine.is_empty() {
            return Ok(Made::default());
        }
        let back = plan::back(&mut Files::at(repo, tip), &mine)?;
        let ours = mine.iter().find_map(|part| part.pinned());
        let goal = mine.iter().find_map(|part| part.goal.as_ref()).map(|goal| goal.version.as_str());
        let manner = match (back.manner, ours) {
            (Manner::Revert, Some(_)) => Manner::Revert,
            (Manner::Revert, None) | (Manner::Restore, _) => Manner::Restore,
        };
        let message = message::back(&ticket, &group, manner, ours, goal, &cause);
        Ok(Made { changes: back.changes, message, pins: Vec::new() })
    })
}

/// Cause of a run that another one carries on.
pub fn abandoned(who: &str) -> Cause {
    Cause { kind: CauseKind::Abandoned, text: format!("its driver {who} fell silent") }
}
