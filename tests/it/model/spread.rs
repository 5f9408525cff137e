//! The jobs of a run that is spread over a CI pipeline. They know of each other only what the ticket says: one at a
//! time drives and hands over, the others watch and report.

use datapin::queue::*;
use datapin::repo::CommitId;

use super::act::Protocol;
use super::setup::{GATE, Mutation, NOW, Role, SERVICES, Task, spread};
use super::world::{Drive, Pc, Step, Way, World, on};

/// What a job watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// A service that comes up.
    Up(usize),
    /// The gate.
    Gate,
    /// A service that comes back.
    Back(usize),
}

/// What a job saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Good,
    Bad,
}

/// What a report says of what was watched, so that it can be held against what is verified.
pub fn said(attempt: u32, commit: &CommitId) -> String {
    format!("{attempt} {commit}")
}

/// The record that a driver keeps in mind, where others may report beside it.
pub fn remembered(ticket: &Ticket) -> Option<Box<Ticket>> {
    (ticket.lives != Lives::Process).then(|| Box::new(ticket.clone()))
}

/// Whether a job reported that its service did not come back.
pub fn did_not_come_back(ticket: &Ticket) -> bool {
    let failed = |service: &ServiceRecord| service.state == ServiceState::RollbackFailed;
    let parts = ticket.parts().filter(|part| part.revert.is_some());
    ticket.lives != Lives::Process && parts.flat_map(|part| &part.services).any(failed)
}

impl Protocol {
    /// A job begins, and finds its run by the pipeline.
    pub fn begin_job(&self, world: &mut World, bot: usize) -> Option<()> {
        let Role::Step(job, task) = self.setup.bots[bot] else { return None };
        if !self.may_begin(world, bot) {
            return None;
        }
        world.cancelled = false;
        let key = self.setup.jobs[job].key;
        let ticket = world.queue.tickets.values().find(|ticket| ticket.key == key).cloned();
        world.bots[bot] = match (ticket, task) {
            (Some(ticket), Task::Enter) if !ticket.state.holds() => Pc::Enter,
            (None, Task::Enter) => Pc::Enter,
            (Some(ticket), Task::Gate) => after(task, &ticket),
            (Some(ticket), _) => Pc::Turn { about: About::of(&ticket) },
            (None, task) => without(task),
        };
        Some(())
    }

    /// Another job started the run that this one waits with: it goes on like any other job.
    pub fn elsewhere(&self, world: &mut World, bot: usize, number: u64) -> Option<()> {
        let ticket = world.queue.ticket(number).ok().filter(|ticket| ticket.lives != Lives::Process)?;
        self.task(bot)?;
        world.bots[bot] = Pc::Turn { about: About::of(ticket) };
        self.meet("a job waits for a run that another one started");
        world.tidy();
        Some(())
    }

    /// Becomes the driver, or finds that there is no need.
    pub fn turn_of(&self, world: &mut World, bot: usize, about: &About) -> Option<()> {
        let task = self.task(bot)?;
        let own = world.queue.tickets.get(&about.number).filter(|own| About::of(own) == *about).cloned();
        let Some(ticket) = own else {
            world.bots[bot] = without(task);
            return Some(());
        };
        if enough(task, &ticket) {
            if task == Task::Finish {
                let left = |queue: &mut Queue| queue.leave(ticket.number, Outcome::GaveUp, "", NOW);
                self.write(world, left).expect("it was just seen waiting");
            }
            world.bots[bot] = after(task, &ticket);
            return Some(());
        }
        if !self.is_free(world, bot, &ticket) {
            return None;
        }
        let claim =
            |queue: &mut Queue| queue.claim(ticket.number, &ticket.driver, &bot.to_string(), &spread(bot));
        let epoch = self.write(world, claim).expect("it was just seen");
        self.meet("a job drives");
        let ticket = world.queue.ticket(ticket.number).expect("it was just written").clone();
        let (way, step) = self.beginning(task, &ticket);
        let (number, home, mine) = (ticket.number, None, Some(Box::new(ticket)));
        world.bots[bot] = Pc::Drive(Drive { number, epoch, home, way, step, mine });
        Some(())
    }

    /// Whether nobody acts for the run any more.
    fn is_free(&self, world: &World, bot: usize, ticket: &Ticket) -> bool {
        match &ticket.lives {
            Lives::Process => !world.driven(ticket.number),
            Lives::Pipeline(Spread { job: None, .. }) => true,
            Lives::Pipeline(Spread { job: Some(job), .. }) => {
                let acting: usize = job.parse().expect("jobs are numbered");
                acting == bot || self.is_over(world, acting)
            }
        }
    }

    fn beginning(&self, task: Task, ticket: &Ticket) -> (Way, Step) {
        let Step::Look { branch } = self.first_look(ticket) else { unreachable!("a look comes first") };
        match (task, &ticket.state) {
            (Task::Enter | Task::Gate, _) => (Way::Forward, Step::HandOver),
            (Task::Deploy(_), _) | (Task::Finish, State::Verified) => (Way::Forward, Step::Look { branch }),
            (Task::Record, _) => (Way::Forward, Step::Recheck { branch }),
            (Task::Finish, State::RollingBack { .. }) => (Way::Back, Step::Look { branch }),
            (Task::Finish, _) if ticket.is_complete() => (Way::Forward, Step::Recheck { branch }),
            (Task::Rollback(_) | Task::Finish, _) => (Way::Back, Step::Turn),
        }
    }

    /// Whether this is a job that does its part of its own run, and no more.
    pub fn is_own_part(&self, bot: usize, drive: &Drive) -> bool {
        let part = matches!(self.task(bot), Some(Task::Deploy(_) | Task::Record | Task::Rollback(_)));
        part && drive.home.is_none()
    }

    /// Takes down which commit is watched now, by what is on the branch.
    pub fn noted(&self, world: &World, drive: Drive, branch: usize) -> Drive {
        let mut drive = drive;
        let (seen, way) = (&world.branches[branch], drive.way);
        let Some(mine) = &mut drive.mine else { return drive };
        let names: Vec<String> =
            on(&self.setup, mine, branch).map(|part| part.identity.name.clone()).collect();
        for part in mine.parts_mut().filter(|part| names.contains(&part.identity.name)) {
            for intent in part.intents.iter_mut().filter(|intent| intent.fate == Fate::Open) {
                intent.fate = self.judged(intent, branch, seen);
            }
            let reverted = |intent: &&Intent| intent.action == Action::Revert && intent.fate == Fate::Done;
            match way {
                Way::Forward if part.commit.is_none() => {
                    part.commit = Some(part.pinned().cloned().unwrap_or_else(|| seen.tip(branch)));
                }
                Way::Forward => {}
                Way::Back => {
                    part.revert = part.intents.iter().rfind(reverted).map(|intent| intent.commit.clone())
                }
            }
        }
        drive
    }

    /// Lets the next job act, and goes on as one that watches.
    pub fn hand_over(&self, world: &mut World, bot: usize, drive: Drive) {
        let task = self.task(bot).expect("only jobs hand over");
        let change = |ticket: &mut Ticket| {
            match task {
                Task::Enter => ticket.state = State::Deploying { stage: 0, step: StageStep::Pin },
                Task::Deploy(_) => ticket.state = datapin::run::step::after(0, StageStep::Pin),
                Task::Gate | Task::Record | Task::Rollback(_) | Task::Finish => {}
            }
            ticket.hand_over();
        };
        self.decide(world, bot, drive, Step::HandOver, change);
        if let Pc::Drive(Drive { mine: Some(mine), .. }) = &world.bots[bot] {
            world.bots[bot] = after(task, mine);
        }
    }

    pub fn give_up(&self, world: &mut World, bot: usize, drive: Drive, kind: CauseKind) {
        let cause = Cause { kind, text: String::new() };
        let change = |ticket: &mut Ticket| {
            ticket.blame(Some(&cause));
            ticket.hand_over();
        };
        self.decide(world, bot, drive, Step::HandOver, change);
        if matches!(world.bots[bot], Pc::Drive(_)) {
            world.bots[bot] = Pc::Red;
        }
    }

    /// Where a driver is when another one took the run.
    pub fn superseded(&self, bot: usize, drive: &Drive) -> Pc {
        match (self.task(bot), &drive.mine) {
            (Some(_), _) if drive.home.is_some_and(|home| home != drive.number) => {
                self.rest(bot, drive.number, drive.home)
            }
            // It watches its own service all the same.
            (Some(Task::Deploy(_)), Some(mine)) => Pc::Turn { about: About::of(mine) },
            (Some(_), _) => Pc::Red,
            (None, _) => self.rest(bot, drive.number, drive.home),
        }
    }

    /// Writes what was seen; it is not written if the run stands otherwise by now.
    pub fn report(
        &self,
        world: &mut World,
        bot: usize,
        about: &About,
        commit: &CommitId,
        at: Watched,
        seen: Seen,
    ) {
        let (told, late) = self.told(world, about, commit, at);
        let said = said(about.attempt, commit);
        let written = self.write(world, |queue| match at {
            Watched::Gate => queue.report_gate(&told.0, &gate(told.1, said, seen)),
            Watched::Up(_) | Watched::Back(_) => {
                let environment =
                    queue.ticket(told.0.number)?.parts().next().map(|part| part.identity.name.clone());
                let report = service(environment.unwrap_or_default(), told.1, at, said, seen);
                queue.report_service(&told.0, &report)
            }
        });
        self.meet(match (&written, late, seen) {
            (Ok(()), true, _) => "a late report is taken",
            (Ok(()), false, Seen::Good) => "a report",
            (Ok(()), false, Seen::Bad) => "a bad report",
            (Err(Refusal::Stale), true, _) => "a late report is stale",
            (Err(_), _, _) => "a report is refused",
        });
        world.bots[bot] = match (seen, at, &written) {
            (Seen::Bad, _, _) => Pc::Red,
            (Seen::Good, Watched::Back(_), _) | (Seen::Good, _, Ok(())) => Pc::Done,
            (Seen::Good, _, Err(_)) if is_written(world, about, at) => Pc::Done,
            (Seen::Good, _, Err(_)) => Pc::Red,
        };
    }

    /// What a report is said to be about, and whether another attempt is there by now.
    fn told(
        &self,
        world: &World,
        about: &About,
        commit: &CommitId,
        at: Watched,
    ) -> ((About, CommitId), bool) {
        let there = world.queue.tickets.values().find(|ticket| self.is_spread(&ticket.key));
        let late = there.is_some_and(|ticket| ticket.attempt != about.attempt);
        let Some(there) = there else { return ((about.clone(), commit.clone()), late) };
        let part = there.parts().next();
        let watched = part.and_then(|part| match at {
            Watched::Up(_) | Watched::Gate => part.commit.clone(),
            Watched::Back(_) => part.revert.clone(),
        });
        let told = match self.setup.mutation {
            Some(Mutation::AnyAttempt) => (About::of(there), commit.clone()),
            Some(Mutation::AnyCommit) => (About::of(there), watched.unwrap_or_else(|| commit.clone())),
            _ => (about.clone(), commit.clone()),
        };
        (told, late)
    }
}

/// Whether there is no need for a job to drive.
fn enough(task: Task, ticket: &Ticket) -> bool {
    match task {
        Task::Enter => ticket.state != State::Started,
        Task::Deploy(_) => !ticket.is_at(0, StageStep::Pin) || ticket.stands_still().is_some(),
        Task::Gate => true,
        Task::Record => !ticket.is_complete(),
        Task::Rollback(_) => ticket.is_reverted() || !ticket.goes_back(),
        Task::Finish => !ticket.state.holds(),
    }
}

/// Where a job goes that does not drive.
fn after(task: Task, ticket: &Ticket) -> Pc {
    let part = ticket.parts().next().expect("a ticket has an environment");
    let state = |at: usize| part.services.iter().find(|own| own.name == SERVICES[at]).map(|own| own.state);
    let (about, goes_on) = (About::of(ticket), ticket.cancel.is_none());
    let watch = |commit: &CommitId, at| Pc::Watch { about, commit: commit.clone(), at };
    match (task, &ticket.state) {
        (Task::Enter | Task::Finish, _) => Pc::Done,
        (Task::Deploy(at), _) => match (state(at), &part.commit) {
            (Some(ServiceState::Deployed), _) if goes_on => Pc::Done,
            (Some(ServiceState::Failed), _) => Pc::Red,
            (_, Some(commit)) if ticket.is_at(0, StageStep::Sync) && goes_on => {
                watch(commit, Watched::Up(at))
            }
            _ => Pc::Red,
        },
        (Task::Gate, _) => match (ticket.stages[0].gates[0].verdict, &part.commit) {
            (Some(verdict), _) => {
                if verdict.good() {
                    Pc::Done
                } else {
                    Pc::Red
                }
            }
            (None, Some(commit)) if ticket.is_at(0, StageStep::Gate) && ticket.stands_still().is_none() => {
                watch(commit, Watched::Gate)
            }
            (None, _) => Pc::Red,
        },
        (Task::Record, State::Verified) => Pc::Done,
        (Task::Record, _) => Pc::Red,
        (Task::Rollback(_), State::Waiting | State::Verified) => Pc::Done,
        (Task::Rollback(at), _) => match (state(at), &part.revert) {
            (Some(ServiceState::RollbackFailed), _) => Pc::Red,
            (Some(ServiceState::RolledBack), _) | (_, None) => Pc::Done,
            (_, Some(commit)) => watch(commit, Watched::Back(at)),
        },
    }
}

/// How a job ends whose run is not there.
fn without(task: Task) -> Pc {
    match task {
        Task::Enter | Task::Deploy(_) | Task::Gate | Task::Record => Pc::Red,
        Task::Rollback(_) | Task::Finish => Pc::Done,
    }
}

/// Whether another job of the same service, or this one unheard, reported it.
fn is_written(world: &World, about: &About, at: Watched) -> bool {
    let Some(ticket) = world.queue.tickets.get(&about.number).filter(|own| About::of(own) == *about) else {
        return false;
    };
    let deployed =
        |own: &ServiceRecord, at: usize| own.name == SERVICES[at] && own.state == ServiceState::Deployed;
    match at {
        Watched::Up(at) => ticket.parts().flat_map(|part| &part.services).any(|own| deployed(own, at)),
        Watched::Gate => ticket.stages[0].gates[0].verdict == Some(Verdict::Passed),
        Watched::Back(_) => true,
    }
}

fn gate(commit: CommitId, summary: String, seen: Seen) -> GateReport {
    let fault = Cause { kind: CauseKind::Gate, text: String::new() };
    GateReport {
        stage: 0,
        gate: GATE.to_owned(),
        commits: vec![(super::setup::NAMES[0].to_owned(), commit)],
        verdict: if seen == Seen::Good { Verdict::Passed } else { Verdict::Failed },
        summary,
        url: String::new(),
        fault: (seen == Seen::Bad).then_some(fault),
    }
}

fn service(environment: String, commit: CommitId, at: Watched, reason: String, seen: Seen) -> ServiceReport {
    let (name, state) = match (at, seen) {
        (Watched::Back(at), Seen::Good) => (at, ServiceState::RolledBack),
        (Watched::Back(at), Seen::Bad) => (at, ServiceState::RollbackFailed),
        (Watched::Up(at), Seen::Good) => (at, ServiceState::Deployed),
        (Watched::Up(at), Seen::Bad) => (at, ServiceState::Failed),
        (Watched::Gate, _) => unreachable!("a gate is no service"),
    };
    let fault = Cause { kind: CauseKind::Deployment, text: String::new() };
    ServiceReport {
        environment,
        service: SERVICES[name].to_owned(),
        commit,
        state,
        reason,
        fault: (state == ServiceState::Failed).then_some(fault),
    }
}
