//! The transitions of the queue: what may be written, by whom, and what it changes.
//!
//! Pure: no git, no clock, no random numbers. Each function either changes the [`Queue`] the way one commit
//! on the branch does, or says why not and leaves it alone. `../shared/protocol.md` in code; the model in
//! `tests/it/model.rs` runs these very functions.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;

/// Everything that a queue branch says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Queue {
    /// Schema that `queue.json` says; 0 where it has not been written yet.
    pub schema: u32,
    /// Number of the next ticket.
    pub next: u64,
    /// Waiting and started runs by number.
    pub tickets: BTreeMap<u64, Ticket>,
    /// Environments by name.
    pub environments: BTreeMap<String, EnvironmentFile>,
    /// Lines to append to the history; what the branch already has is not repeated here.
    pub finished: Vec<HistoryLine>,
    /// The last reconcile of all environments; `None` if there was none yet.
    pub reconciled: Option<Sign>,
    /// Fields of a newer build in `queue.json`.
    pub unknown: Unknown,
}

/// How an entry went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A new ticket at the end of the line.
    New {
        /// Its number.
        number: u64,
    },
    /// The same key is there already.
    Rejoined {
        /// Its number.
        number: u64,
    },
}

impl Entry {
    /// The ticket's number.
    pub fn number(&self) -> u64 {
        match self {
            Entry::New { number } | Entry::Rejoined { number } => *number,
        }
    }
}

impl Queue {
    /// Adds the ticket at the end of the line, or finds the one of the same key.
    ///
    /// `ticket.number` is not looked at: the queue gives the next one.
    pub fn enter(&mut self, ticket: &Ticket, on_newer: OnNewer, at: Timestamp) -> Result<Entry, Refusal> {
        for part in ticket.parts() {
            self.same_identity(&part.identity)?;
        }
        if let Some(known) = self.tickets.values_mut().find(|known| known.key == ticket.key) {
            if known.set != ticket.set {
                return Err(Refusal::OtherSettings { run: known.run.clone() });
            }
            // It is this job's now: GitLab is asked about it, not about the one that was retried.
            if !known.state.holds() {
                known.lives.clone_from(&ticket.lives);
                known.ci = ticket.ci.clone().or(known.ci.take());
            }
            return Ok(Entry::Rejoined { number: known.number });
        }
        match (on_newer, &ticket.kind) {
            (OnNewer::ReplaceWaiting, RunKind::Deploy) => self.replace_waiting(ticket, at),
            (OnNewer::ReplaceWaiting, RunKind::Rollback { .. }) | (OnNewer::Queue, _) => {}
        }
        // A `queue.json` that was set back by hand gives no number twice.
        let number = self.tickets.keys().next_back().map_or(self.next, |last| self.next.max(last + 1));
        self.next = number + 1;
        for part in ticket.parts() {
            self.environments
                .entry(part.identity.name.clone())
                .or_insert_with(|| EnvironmentFile::new(part.identity.clone()));
        }
        self.tickets.insert(number, Ticket { number, ..ticket.clone() });
        Ok(Entry::New { number })
    }

    fn replace_waiting(&mut self, newer: &Ticket, at: Timestamp) {
        let replaced: Vec<u64> = self
            .tickets
            .values()
            .filter(|old| {
                let same = old.pipeline == newer.pipeline && old.dataset == newer.dataset;
                same && !old.state.holds() && old.kind == RunKind::Deploy
            })
            .map(|old| old.number)
            .collect();
        for number in replaced {
            let by = format!("{} of {} ({})", newer.version, newer.actor, newer.run);
            self.close(number, Outcome::Withdrawn { by }, &newer.actor, at);
        }
    }

    /// Whether nothing known contradicts this identity.
    pub fn same_identity(&self, mine: &Identity) -> Result<(), Refusal> {
        match self.environments.get(&mine.name) {
            Some(known) if known.identity != *mine => Err(Refusal::Identity {
                name: mine.name.clone(),
                theirs_repository: known.identity.repository.clone(),
                theirs_branch: known.identity.branch.clone(),
                mine_repository: mine.repository.clone(),
                mine_branch: mine.branch.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Who keeps a ticket from starting: holders of its environments, and waiting tickets before it.
    ///
    /// Holding is a written state, never derived from the order.
    pub fn ahead(&self, ticket: &Ticket) -> Vec<&Ticket> {
        let rank = |ticket: &Ticket| (ticket.priority, ticket.number);
        let mut ahead: Vec<&Ticket> = self
            .tickets
            .values()
            .filter(|other| other.number != ticket.number && other.meets(ticket))
            .filter(|other| other.state.holds() || rank(other) < rank(ticket))
            .collect();
        ahead.sort_by_key(|other| (!other.state.holds(), rank(other)));
        ahead
    }

    /// Makes a waiting ticket a holder, with its first epoch.
    pub fn start(&mut self, number: u64, who: &str, at: Timestamp) -> Result<u64, Refusal> {
        let ticket = self.ticket(number)?;
        if ticket.state.holds() {
            return Err(Refusal::WrongState { number, state: ticket.state.word() });
        }
        if !self.ahead(ticket).is_empty() {
            return Err(Refusal::NotItsTurn { number });
        }
        let mut started = ticket.clone();
        started.state = State::Started;
        started.times.started = Some(at);
        started.driver =
            Driver { epoch: ticket.driver.epoch + 1, who: who.to_owned(), beat: ticket.driver.beat + 1 };
        self.take_in(&mut started);
        let epoch = started.driver.epoch;
        self.tickets.insert(number, started);
        Ok(epoch)
    }

    /// Writes what a waiting run was asked for into its ticket again: a ticket that somebody edited does not make
    /// the run do anything else.
    pub fn restate(&mut self, number: u64, asked: &Ticket) -> Result<(), Refusal> {
        let ticket = self.ticket_mut(number)?;
        if ticket.state.holds() {
            return Err(Refusal::WrongState { number, state: ticket.state.word() });
        }
        ticket.kind = asked.kind.clone();
        ticket.pipeline.clone_from(&asked.pipeline);
        ticket.dataset.clone_from(&asked.dataset);
        ticket.version.clone_from(&asked.version);
        ticket.set.clone_from(&asked.set);
        ticket.adopts.clone_from(&asked.adopts);
        ticket.stages.clone_from(&asked.stages);
        Ok(())
    }

    /// Makes `who` the driver of a started ticket whose driver is still the one that was `seen`.
    ///
    /// A ticket that calls itself verified and is not by the record was edited by hand: it goes back.
    pub fn take(&mut self, number: u64, seen: &Driver, who: &str) -> Result<u64, Refusal> {
        let borne_out = self.passed(number).is_some();
        let ticket = self.ticket_mut(number)?;
        if !ticket.state.holds() {
            return Err(Refusal::WrongState { number, state: ticket.state.word() });
        }
        if ticket.driver != *seen {
            return Err(Refusal::Alive { number });
        }
        if ticket.state == State::Verified && !borne_out {
            let text = "its ticket says verified, the record of its environments does not".to_owned();
            ticket.state = State::RollingBack { cause: Cause { kind: CauseKind::Abandoned, text } };
        }
        ticket.driver = Driver { epoch: seen.epoch + 1, who: who.to_owned(), beat: seen.beat + 1 };
        // Whoever takes a run as a whole beats for it, also where it was spread over jobs before.
        ticket.lives = Lives::Process;
        Ok(ticket.driver.epoch)
    }

    /// Makes a job of a spread run its driver, until it hands over: like [`Queue::take`], and the run stays spread.
    pub fn claim(&mut self, number: u64, seen: &Driver, who: &str, spread: &Spread) -> Result<u64, Refusal> {
        let epoch = self.take(number, seen, who)?;
        self.ticket_mut(number)?.lives = Lives::Pipeline(spread.clone());
        Ok(epoch)
    }

    /// The times of a ticket that is past its commit point, by its own word and by the record of its environments.
    pub fn passed(&self, number: u64) -> Option<Times> {
        let ticket = self.tickets.get(&number).filter(|ticket| ticket.state == State::Verified)?;
        let by_it = |set: &VerifiedSet| set.run == ticket.run;
        let recorded = |part: &EnvironmentPart| {
            let file = self.environment(&part.identity.name);
            let record = file.and_then(|file| file.datasets.get(&ticket.dataset));
            record.is_some_and(|record| record.verified.iter().any(by_it))
        };
        let borne_out = match ticket.kind {
            RunKind::Rollback { .. } => true,
            RunKind::Deploy => ticket.parts().all(recorded),
        };
        borne_out.then(|| ticket.times.clone())
    }

    /// A decision: changes a started ticket in the name of its driver. Every decision is a sign of life.
    pub fn decide(
        &mut self,
        number: u64,
        epoch: u64,
        change: impl FnOnce(&mut Ticket),
    ) -> Result<(), Refusal> {
        let ticket = self.driven(number, epoch)?;
        ticket.driver.beat += 1;
        change(ticket);
        Ok(())
    }

    /// A report: writes the wish to cancel, which needs no epoch. The first wish stays.
    pub fn wish_cancel(&mut self, number: u64, wish: Wish) -> Result<(), Refusal> {
        self.ticket_mut(number)?.cancel.get_or_insert(wish);
        Ok(())
    }

    /// The commit point: writes the verified sets and the state in one.
    ///
    /// `sets` are by environment; each goes to the ticket's dataset.
    pub fn verify(
        &mut self,
        number: u64,
        epoch: u64,
        sets: &[(String, VerifiedSet)],
        at: Timestamp,
    ) -> Result<(), Refusal> {
        for (name, _) in sets {
            self.environment_mut(name)?;
        }
        let dataset = self.commit_point(number, epoch, at)?;
        for (name, set) in sets {
            self.environment_mut(name)?.datasets.entry(dataset.clone()).or_default().add(set.clone());
        }
        Ok(())
    }

    /// Writes the state of the commit point. Returns the run's dataset.
    fn commit_point(&mut self, number: u64, epoch: u64, at: Timestamp) -> Result<String, Refusal> {
        let ticket = self.driven(number, epoch)?;
        ticket.driver.beat += 1;
        ticket.state = State::Verified;
        ticket.times.verified = Some(at);
        Ok(ticket.dataset.clone())
    }

    /// A rollback's commit point: the set that was reached becomes the current one, the sets after it are
    /// taken back, and a freeze that carried work of this dataset thaws.
    pub fn restore(
        &mut self,
        number: u64,
        epoch: u64,
        environment: &str,
        reached: &VerifiedSet,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        self.environment_mut(environment)?;
        let dataset = self.commit_point(number, epoch, at)?;
        let file = self.environment_mut(environment)?;
        let ours =
            |freeze: &Freeze| freeze.origin.carried().is_some_and(|carried| carried.dataset == dataset);
        if file.freeze.as_ref().is_some_and(ours) {
            file.freeze = None;
        }
        file.datasets.entry(dataset).or_default().go_back_to(reached);
        Ok(())
    }

    /// Removes a started ticket and writes its line; freezes what `freezes` names.
    pub fn finish(
        &mut self,
        number: u64,
        epoch: u64,
        outcome: Outcome,
        freezes: Vec<(String, Freeze)>,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let ticket = self.driven(number, epoch)?.clone();
        for (name, freeze) in freezes {
            if let Some(part) = ticket.part(&name) {
                let new = || EnvironmentFile::new(part.identity.clone());
                self.environments.entry(name).or_insert_with(new).freeze = Some(freeze);
            }
        }
        let who = ticket.driver.who;
        self.close(number, outcome, &who, at);
        Ok(())
    }

    /// Removes a waiting ticket and writes its line.
    pub fn leave(&mut self, number: u64, outcome: Outcome, who: &str, at: Timestamp) -> Result<(), Refusal> {
        let ticket = self.ticket(number)?;
        if ticket.state.holds() {
            return Err(Refusal::WrongState { number, state: ticket.state.word() });
        }
        self.close(number, outcome, who, at);
        Ok(())
    }

    /// Puts back a started ticket that a person removed by hand: same number, next epoch, cancelled, and
    /// without the environments that another started ticket names by now.
    pub fn put_back(&mut self, ticket: &Ticket, wish: Wish) -> Result<u64, Refusal> {
        if self.tickets.contains_key(&ticket.number) {
            return Err(Refusal::Alive { number: ticket.number });
        }
        let mut ticket = ticket.clone();
        let taken =
            |name: &str| self.tickets.values().any(|other| other.state.holds() && other.part(name).is_some());
        for stage in &mut ticket.stages {
            stage.environments.retain(|part| !taken(&part.identity.name));
        }
        ticket.driver.epoch += 1;
        ticket.driver.beat += 1;
        ticket.cancel = Some(wish);
        let epoch = ticket.driver.epoch;
        self.next = self.next.max(ticket.number + 1);
        self.tickets.insert(ticket.number, ticket);
        Ok(epoch)
    }

    /// The ticket of that number.
    pub fn ticket(&self, number: u64) -> Result<&Ticket, Refusal> {
        self.tickets.get(&number).ok_or(Refusal::Gone { number })
    }

    /// The record of an environment, if there is one.
    pub fn environment(&self, name: &str) -> Option<&EnvironmentFile> {
        self.environments.get(name)
    }

    /// The last verified set of a dataset in an environment.
    pub fn current(&self, name: &str, dataset: &str) -> Option<&VerifiedSet> {
        self.environments.get(name)?.datasets.get(dataset)?.current()
    }

    pub(super) fn environment_mut(&mut self, name: &str) -> Result<&mut EnvironmentFile, Refusal> {
        self.environments.get_mut(name).ok_or_else(|| Refusal::NoEnvironment { name: name.to_owned() })
    }

    fn ticket_mut(&mut self, number: u64) -> Result<&mut Ticket, Refusal> {
        self.tickets.get_mut(&number).ok_or(Refusal::Gone { number })
    }

    fn driven(&mut self, number: u64, epoch: u64) -> Result<&mut Ticket, Refusal> {
        let ticket = self.ticket_mut(number)?;
        match ticket.driver.epoch == epoch && ticket.state.holds() {
            true => Ok(ticket),
            false => Err(Refusal::TakenOver { who: ticket.driver.who.clone(), epoch: ticket.driver.epoch }),
        }
    }

    fn close(&mut self, number: u64, outcome: Outcome, who: &str, at: Timestamp) {
        if let Some(ticket) = self.tickets.remove(&number) {
            self.finished.push(HistoryLine::of(&ticket, outcome, who, at));
        }
    }
}

/// What a newer run does with waiting ones of its pipeline and dataset.
pub use crate::config::OnNewer;
