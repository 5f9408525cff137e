//! A driver: every push through one fence, the commit point, the end.

use datapin::queue::*;

use super::act::Protocol;
use super::setup::{Kind, NOW, Role, Task, index, number};
use super::spread::Seen;
use super::world::{Drive, Ending, Pc, Step, Way, World};

/// The version that a ticket pins.
pub fn current(ticket: &Ticket) -> u8 {
    number(&ticket.version)
}

fn cause(kind: CauseKind) -> Cause {
    Cause { kind, text: String::new() }
}

impl Protocol {
    pub fn drive(&self, world: &mut World, bot: usize, drive: Drive) {
        match drive.step.clone() {
            Step::Turn => self.turn(world, bot, drive, CauseKind::Abandoned),
            Step::Look { branch } => self.look(world, bot, drive, branch),
            Step::Intend { push, judged } => self.intend(world, bot, drive, push, &judged),
            Step::Push { push } => self.push(world, bot, drive, push),
            Step::Sync => self.synced(world, bot, drive),
            Step::Recheck { branch } => self.recheck(world, bot, drive, branch),
            Step::Verify => self.verify(world, bot, drive),
            Step::HandOver => self.hand_over(world, bot, drive),
            Step::GiveUp(kind) => self.give_up(world, bot, drive, kind),
            Step::Finish(ending) => self.finish(world, bot, drive, ending),
        }
    }

    pub fn at(&self, world: &mut World, bot: usize, drive: Drive, step: Step) {
        world.bots[bot] = Pc::Drive(Drive { step, ..drive });
    }

    /// Another epoch: this driver stops.
    pub fn stop(&self, world: &mut World, bot: usize, drive: &Drive) {
        self.meet("superseded driver stops");
        world.bots[bot] = self.superseded(bot, drive);
        world.tidy();
    }

    /// A decision, and then the next step.
    pub fn decide(
        &self,
        world: &mut World,
        bot: usize,
        drive: Drive,
        step: Step,
        change: impl FnOnce(&mut Ticket),
    ) {
        let mut drive = drive;
        let (number, epoch) = (drive.number, drive.epoch);
        let written = match &mut drive.mine {
            None => self.write(world, |queue| queue.decide(number, epoch, change)),
            Some(mine) => {
                change(mine);
                self.write(world, |queue| queue.write_record(mine, epoch))
            }
        };
        match written {
            Ok(()) => {
                learn(world, &mut drive);
                self.at(world, bot, drive, step)
            }
            Err(_) => self.stop(world, bot, &drive),
        }
    }

    pub fn turn(&self, world: &mut World, bot: usize, drive: Drive, kind: CauseKind) {
        let Some(first) = self.branch_after(world, &drive, None) else {
            return self.stop(world, bot, &drive);
        };
        let drive = Drive { way: Way::Back, ..drive };
        let change = |ticket: &mut Ticket| ticket.state = State::RollingBack { cause: cause(kind) };
        self.decide(world, bot, drive, Step::Look { branch: first }, change);
    }

    pub fn first_look(&self, ticket: &Ticket) -> Step {
        let branch = self.branches(ticket).min().expect("a ticket has an environment");
        Step::Look { branch }
    }

    fn branches<'a>(&'a self, ticket: &'a Ticket) -> impl Iterator<Item = usize> + 'a {
        ticket.parts().map(|part| self.setup.branch[index(&part.identity.name)])
    }

    pub fn branch_after(&self, world: &World, drive: &Drive, last: Option<usize>) -> Option<usize> {
        let ticket = world.queue.ticket(drive.number).ok()?;
        self.branches(ticket).filter(|branch| last.is_none_or(|last| *branch > last)).min()
    }

    /// Whether this process' configuration has the environment.
    pub fn knows(&self, bot: usize, environment: usize) -> bool {
        !(matches!(self.setup.bots[bot], Role::Stranger(_)) && environment == 1)
    }

    fn synced(&self, world: &mut World, bot: usize, drive: Drive) {
        let Some(ticket) = record(&world.queue, &drive) else { return self.stop(world, bot, &drive) };
        let step = match drive.way {
            Way::Forward => {
                Step::Recheck { branch: self.branches(ticket).min().expect("it has an environment") }
            }
            Way::Back if super::spread::did_not_come_back(ticket) => Step::Finish(Ending::Failed),
            Way::Back => Step::Finish(Ending::Back),
        };
        self.at(world, bot, drive, step);
    }

    /// The services do not come up.
    pub fn fail(&self, world: &mut World, bot: usize) -> Option<()> {
        if let Pc::Watch { about, commit, at } = world.bots[bot].clone() {
            world.left.failures -= 1;
            self.report(world, bot, &about, &commit, at, Seen::Bad);
            return Some(());
        }
        let Pc::Drive(drive) = world.bots[bot].clone() else { return None };
        world.left.failures -= 1;
        // A rollback that does not reach its goal has nothing else to go back to.
        let is_rollback = world.queue.ticket(drive.number).is_ok_and(|ticket| kind(ticket) == Kind::Rollback);
        match drive.way {
            Way::Forward if !is_rollback => self.turn(world, bot, drive, CauseKind::Deployment),
            Way::Forward | Way::Back => self.at(world, bot, drive, Step::Finish(Ending::Failed)),
        }
        Some(())
    }

    fn recheck(&self, world: &mut World, bot: usize, drive: Drive, branch: usize) {
        let Some(ticket) = record(&world.queue, &drive) else { return self.stop(world, bot, &drive) };
        let seen = &world.branches[branch];
        let step = match self.wanted(ticket, &drive, bot, branch, seen) == seen.values {
            false if self.is_own_part(bot, &drive) => Step::GiveUp(CauseKind::Superseded),
            false => Step::Look { branch },
            true => match self.branch_after(world, &drive, Some(branch)) {
                Some(branch) => Step::Recheck { branch },
                None => Step::Verify,
            },
        };
        self.at(world, bot, drive, step);
    }

    fn verify(&self, world: &mut World, bot: usize, drive: Drive) {
        let Ok(ticket) = world.queue.ticket(drive.number).cloned() else {
            return self.stop(world, bot, &drive);
        };
        let names: Vec<String> = ticket.parts().map(|part| part.identity.name.clone()).collect();
        let (number, epoch) = (drive.number, drive.epoch);
        let done = self.write(world, |queue| {
            drive.mine.as_ref().map_or(Ok(()), |mine| queue.write_record(mine, epoch))?;
            match kind(&ticket) {
                Kind::Deploy => {
                    let sets: Vec<_> =
                        names.iter().map(|name| (name.clone(), self.set_of(&ticket))).collect();
                    queue.verify(number, epoch, &sets, NOW)
                }
                Kind::Rollback => {
                    let goal = ticket.parts().find_map(|part| part.goal.clone());
                    queue.restore(number, epoch, &names[0], &goal.expect("written at the start"), NOW)
                }
            }
        });
        let mut drive = drive;
        let step = match self.task(bot) {
            Some(Task::Record) => Step::HandOver,
            _ => Step::Finish(Ending::Good),
        };
        match done {
            Ok(()) => {
                learn(world, &mut drive);
                self.at(world, bot, drive, step)
            }
            Err(_) => self.stop(world, bot, &drive),
        }
    }

    fn finish(&self, world: &mut World, bot: usize, drive: Drive, ending: Ending) {
        let Some(ticket) = record(&world.queue, &drive).cloned() else {
            return self.stop(world, bot, &drive);
        };
        let freezes = self.freezes(&ticket, bot, ending);
        if !freezes.is_empty() {
            self.meet("freeze");
        }
        let outcome = match ending {
            Ending::Good => Outcome::Verified,
            Ending::Back => Outcome::RolledBack { cause: cause(CauseKind::Abandoned) },
            Ending::Failed => {
                Outcome::RollbackFailed { cause: cause(CauseKind::Abandoned), failures: Vec::new() }
            }
        };
        let (number, epoch) = (drive.number, drive.epoch);
        let finished = |queue: &mut Queue| {
            drive.mine.as_ref().map_or(Ok(()), |mine| queue.write_record(mine, epoch))?;
            queue.finish(number, epoch, outcome, freezes, NOW)
        };
        if self.write(world, finished).is_err() {
            return self.stop(world, bot, &drive);
        }
        world.bots[bot] = self.rest(bot, drive.number, drive.home);
        world.tidy();
    }

    /// What is frozen at the end: what did not come back, and what this process does not know.
    fn freezes(&self, ticket: &Ticket, bot: usize, ending: Ending) -> Vec<(String, Freeze)> {
        let freeze = |part: &EnvironmentPart| {
            let carried = Box::new(Carried {
                run: ticket.run.clone(),
                number: ticket.number,
                dataset: ticket.dataset.clone(),
                version: ticket.version.clone(),
                part: part.clone(),
            });
            let origin = match (ending, self.knows(bot, index(&part.identity.name))) {
                (Ending::Failed, true) => Origin::RollbackFailed { carried },
                (Ending::Back | Ending::Failed, false) => Origin::Abandoned { carried },
                (Ending::Good, _) | (Ending::Back, true) => return None,
            };
            let text = String::new;
            let freeze = Freeze {
                origin,
                owner: text(),
                reason: text(),
                since: NOW,
                until: None,
                unknown: Unknown::new(),
            };
            Some((part.identity.name.clone(), freeze))
        };
        ticket.parts().filter_map(freeze).collect()
    }
}

/// What sort of run a ticket is.
pub fn kind(ticket: &Ticket) -> Kind {
    match ticket.kind {
        RunKind::Deploy => Kind::Deploy,
        RunKind::Rollback { .. } => Kind::Rollback,
    }
}

/// What was written is what this driver knows from now on.
fn learn(world: &World, drive: &mut Drive) {
    if let (Some(mine), Ok(ticket)) = (&mut drive.mine, world.queue.ticket(drive.number)) {
        **mine = ticket.clone();
    }
}

/// A driver's record, if it is still the last driver.
pub fn record<'a>(queue: &'a Queue, drive: &Drive) -> Option<&'a Ticket> {
    queue.ticket(drive.number).ok().filter(|ticket| ticket.driver.epoch == drive.epoch)
}
