//! The first step of a run that adopts: what is live already is looked at, and kept, left or taken back.

use std::sync::Arc;

use jiff::Timestamp;

use super::route::alone;
use crate::config::{Pipeline, Place};
use crate::event::{Level, Taken, What};
use crate::plan::{self, Files, FilesError};
use crate::queue::{
    Adopted, Cause, CauseKind, EnvironmentPart, Origin, Outcome, PinRecord, Queue, RunKind,
    Standing as Still, Ticket, Value, VerifiedSet, blocking,
};
use crate::repo::{Ancestry, CommitId, Repo};
use crate::run::driver::{Driver, Trouble};
use crate::run::sync::who_changed;
use crate::values::Scalar;

/// Whether every environment that was changed holds one version, and all the same; else what they hold, in words.
pub fn one_version(adopted: &Option<Adopted>) -> Result<(), String> {
    let Some(adopted) = adopted else { return Ok(()) };
    let all: Vec<(&String, String, Vec<String>)> = adopted
        .pins
        .keys()
        .flat_map(|name| adopted.versions(name).into_iter().map(move |(version, who)| (name, version, who)))
        .collect();
    match all.iter().all(|(_, version, _)| *version == all[0].1) {
        true => Ok(()),
        false => {
            let each = all.iter().map(|(name, version, who)| format!("{name}/{}: {version}", who.join(", ")));
            let each: Vec<String> = each.collect();
            Err(format!(
                "one environment holds one version of a dataset, and here are several ({})",
                each.join("; ")
            ))
        }
    }
}

impl Driver {
    /// The pipeline of a deployment by this process's own configuration.
    pub(in crate::run) fn pipeline(&self, ticket: &Ticket) -> Result<Pipeline, String> {
        let config = &self.context.config;
        match (&ticket.adopts, ticket.parts().next()) {
            (Some(_), Some(part)) if ticket.pipeline.is_empty() => {
                Ok(alone(config, &part.identity.name, &ticket.dataset))
            }
            _ => config
                .pipeline(&ticket.pipeline)
                .cloned()
                .map_err(|_| format!("pipeline `{}` is not in the configuration any more", ticket.pipeline)),
        }
    }

    /// How a check that failed ends the run: what people committed is taken back, what is not written is not.
    pub(in crate::run) fn not_begun(&self, kind: CauseKind, text: String) -> Trouble {
        match (self.journal.ticket().adopts.is_some(), kind) {
            (true, CauseKind::NotAllowed) => Trouble::back(kind, text),
            (true, _) => self.leave_it(kind, text),
            (false, _) => Trouble::End(Outcome::Stopped { cause: Cause { kind, text } }),
        }
    }

    /// Ends the run; what people committed stays, and is nobody's.
    pub(in crate::run) fn leave_it(&self, kind: CauseKind, text: String) -> Trouble {
        self.journal.note(Ticket::let_go);
        Trouble::End(Outcome::Stopped { cause: Cause { kind, text } })
    }

    /// Looks at what people committed; nothing where the run is not about that.
    pub(in crate::run) async fn begin_adoption(&self) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        let Some(adopted) = &ticket.adopts else { return Ok(()) };
        self.tell_adopted(&ticket, adopted);
        let seen = self.journal.store().read().await;
        let seen = seen.map_err(|error| self.leave_it(CauseKind::Unreachable, error.to_string()))?;
        if let Some(text) = frozen_by_person(&seen.queue, &ticket, adopted) {
            return Err(self.leave_it(CauseKind::NotAllowed, text));
        }
        for part in ticket.parts().filter(|part| ticket.adopted(&part.identity.name)) {
            self.look_at(part, adopted).await?;
        }
        if ticket.kind != RunKind::Deploy {
            return Ok(());
        }
        one_version(&ticket.adopts).map_err(|text| Trouble::back(CauseKind::NotAllowed, text))
    }

    fn tell_adopted(&self, ticket: &Ticket, adopted: &Adopted) {
        let taken = match ticket.kind {
            RunKind::Deploy => Taken::Deployment,
            RunKind::Rollback { .. } => Taken::Rollback,
        };
        self.context.events.tell(
            &ticket.run,
            What::Adopted {
                environments: adopted.pins.keys().cloned().collect(),
                commit: adopted.commit.clone(),
                author: adopted.author().to_owned(),
                subject: adopted.subject().to_owned(),
                taken,
            },
        );
        if let [_, others @ ..] = &adopted.commits[..]
            && !others.is_empty()
        {
            let each: Vec<String> =
                others.iter().map(|one| format!("{} of {}", one.id.short(), one.author)).collect();
            let text = format!("together with {}: what the newest holds counts", each.join(", "));
            self.context.events.note(&ticket.run, Level::Info, text);
        }
    }

    /// What was changed beside what people committed is taken as it is now; what was changed of it ends the run.
    async fn look_at(&self, part: &EnvironmentPart, adopted: &Adopted) -> Result<(), Trouble> {
        let (repo, at) = (self.context.target.clone(), part.clone());
        let looked = blocking(move || standing(&repo, &at)).await;
        match looked.map_err(|error| self.leave_it(CauseKind::Unreachable, error.to_string()))? {
            Standing::Holds => {}
            Standing::Beside { tip, pins } => self.journal.note(|ticket| {
                for mine in ticket.parts_mut().filter(|mine| mine.identity == part.identity) {
                    (mine.commit, mine.pins) = (Some(tip.clone()), pins.clone());
                }
            }),
            Standing::Overtaken { by } => {
                let commit = adopted.commit.short();
                let text = format!("{}: {commit} was overtaken by {by}", part.identity.name);
                return Err(self.leave_it(CauseKind::Superseded, text));
            }
        }
        Ok(())
    }

    /// The set that a person's commits went back to, by the record as it is now.
    pub(in crate::run) fn reached(&self, ticket: &Ticket, queue: &Queue) -> Option<VerifiedSet> {
        let part = ticket.parts().next()?;
        let record = queue.environment(&part.identity.name)?.datasets.get(&ticket.dataset)?;
        let holds = |set: &&VerifiedSet| {
            let mut pins = part.pins.iter();
            pins.all(|pin| set.value(&pin.place).is_none_or(|value| value.text == pin.after))
        };
        let mut good = record.verified.iter().rev().filter(|set| set.standing == Still::Good);
        good.find(|set| set.version == ticket.version && !record.is_rejected(&set.version) && holds(set))
            .cloned()
    }
}

/// How what people committed stands at the branch's tip.
enum Standing {
    /// As they left it.
    Holds,
    /// What they changed is there; beside it something else was changed since, as a run does that takes its own back.
    Beside {
        /// What is watched instead.
        tip: CommitId,
        /// What is there now.
        pins: Vec<PinRecord>,
    },
    /// Somebody changed it.
    Overtaken {
        /// Who, and which commit.
        by: String,
    },
}

fn standing(repo: &Repo, part: &EnvironmentPart) -> Result<Standing, FilesError> {
    let branch = &part.identity.branch;
    let (Some(tip), Some(commit)) = (repo.fetch(branch)?, &part.commit) else {
        return Ok(Standing::Overtaken { by: format!("somebody who removed branch {branch}") });
    };
    if repo.descends(branch, commit, &tip)? == Ancestry::NotRelated {
        let by = format!("somebody who rewrote branch {branch}: the commit is not on it any more");
        return Ok(Standing::Overtaken { by });
    }
    let places: Vec<&Place> = part.pins.iter().map(|pin| &pin.place).collect();
    let by = |places: &[&Place]| who_changed(repo, branch, &tip, commit, places);
    let now = match Files::at(repo, &tip).scalars(&places) {
        Ok(now) => now,
        Err(FilesError::Repo(error)) => return Err(error.into()),
        Err(_) => return Ok(Standing::Overtaken { by: by(&places) }),
    };
    let pairs = || part.pins.iter().zip(&now);
    let theirs = pairs().filter(|(pin, now)| pin.after != now.text && pin.before.text != pin.after);
    let theirs: Vec<&Place> = theirs.map(|(pin, _)| &pin.place).collect();
    if !theirs.is_empty() {
        return Ok(Standing::Overtaken { by: by(&theirs) });
    }
    if pairs().all(|(pin, now)| pin.after == now.text) {
        return Ok(Standing::Holds);
    }
    let pins = pairs().map(|(pin, now)| as_it_is(pin, now)).collect();
    Ok(Standing::Beside { tip, pins })
}

/// The record of a scalar that people left alone.
fn as_it_is(pin: &PinRecord, now: &Scalar) -> PinRecord {
    if pin.after == now.text {
        return pin.clone();
    }
    let before = Value { text: now.text.clone(), source: now.source.clone() };
    PinRecord { before, after: now.text.clone(), ..pin.clone() }
}

/// Only a person's freeze leaves what people committed where it is.
fn frozen_by_person(queue: &Arc<Queue>, ticket: &Ticket, adopted: &Adopted) -> Option<String> {
    let now = Timestamp::now();
    let files = adopted.pins.keys().filter_map(|name| queue.environment(name));
    let mut frozen =
        files.filter(|file| file.freeze.as_ref().is_some_and(|freeze| freeze.origin == Origin::Person));
    let text = frozen.find_map(|file| plan::frozen(file, now))?;
    Some(format!(
        "{text}; what {} committed ({}) stays, and is not verified: after the thaw `datapin reconcile` adopts it, and until then nobody waits for {}",
        adopted.author(),
        adopted.commit.short(),
        ticket.version
    ))
}
