//! A driver: every push through one fence, the commit point, the end.

use datapin::queue::*;

use super::act::Protocol;
use super::setup::{Kind, Mutation, NOW, Role, index, number};
use super::world::{Branch, Drive, Ending, Pc, Push, Step, World, on};

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
            Step::Intend { push, fates } => self.intend(world, bot, drive, push, &fates),
            Step::Push { push } => self.push(world, bot, drive, push),
            Step::Sync => self.synced(world, bot, drive),
            Step::Recheck { branch } => self.recheck(world, bot, drive, branch),
            Step::Verify => self.verify(world, bot, drive),
            Step::Finish(ending) => self.finish(world, bot, drive, ending),
        }
    }

    fn at(&self, world: &mut World, bot: usize, drive: Drive, step: Step) {
        world.bots[bot] = Pc::Drive(Drive { step, ..drive });
    }

    /// Another epoch: this driver stops.
    fn stop(&self, world: &mut World, bot: usize, drive: &Drive) {
        self.meet("superseded driver stops");
        world.bots[bot] = self.rest(bot, drive.number, drive.home);
        world.tidy();
    }

    /// A decision, and then the next step.
    fn decide(
        &self,
        world: &mut World,
        bot: usize,
        drive: Drive,
        step: Step,
        change: impl FnOnce(&mut Ticket),
    ) {
        match self.write(world, |queue| queue.decide(drive.number, drive.epoch, change)) {
            Ok(()) => self.at(world, bot, drive, step),
            Err(_) => self.stop(world, bot, &drive),
        }
    }

    fn turn(&self, world: &mut World, bot: usize, drive: Drive, kind: CauseKind) {
        let Some(first) = self.branch_after(world, &drive, None) else {
            return self.stop(world, bot, &drive);
        };
        let drive = Drive { way: Direction::Back, ..drive };
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

    fn branch_after(&self, world: &World, drive: &Drive, last: Option<usize>) -> Option<usize> {
        let ticket = world.queue.ticket(drive.number).ok()?;
        self.branches(ticket).filter(|branch| last.is_none_or(|last| *branch > last)).min()
    }

    /// Whether this process' configuration has the environment.
    fn knows(&self, bot: usize, environment: usize) -> bool {
        !(matches!(self.setup.bots[bot], Role::Stranger(_)) && environment == 1)
    }

    /// The fence, (1): the tip, what became of the intents, and the commit that is due.
    ///
    /// A driver that was superseded has an old record; whatever it makes of it ends at its next decision.
    fn look(&self, world: &mut World, bot: usize, drive: Drive, branch: usize) {
        let queue = world.queue.clone();
        let Ok(ticket) = queue.driven_by(&drive) else { return self.stop(world, bot, &drive) };
        let is_cancelled = ticket.cancel.is_some() && kind(ticket) == Kind::Deploy;
        if is_cancelled && drive.way == Direction::Forward && ticket.state != State::Verified {
            self.meet("cancelled at work");
            return self.turn(world, bot, drive, CauseKind::Cancelled);
        }
        let seen = &world.branches[branch];
        let known = |part: &&EnvironmentPart| self.knows(bot, index(&part.identity.name));
        let wanted = self.wanted(ticket, &drive, bot, branch, seen);
        let judged = |intent: &Intent| self.judged(intent, branch, seen);
        let fates: Vec<Fate> =
            on(&self.setup, ticket, branch).filter(known).flat_map(|part| part.open()).map(judged).collect();
        let carried: Vec<Fate> = on(&self.setup, ticket, branch)
            .filter(known)
            .filter_map(|part| world.frozen(index(&part.identity.name))?.origin.carried())
            .flat_map(|carried| carried.part.open())
            .map(judged)
            .collect();
        let content = if wanted == seen.values { Content::AsWanted } else { Content::Differs };
        let Some(action) = due(drive.way, content, fates.iter().chain(&carried).copied()) else {
            return self.in_place(world, bot, drive, branch);
        };
        let Drive { number, epoch, .. } = drive;
        let nth = on(&self.setup, ticket, branch).map(|part| part.intents.len()).max().unwrap_or_default();
        let push = Push { branch, parent: seen.height, number, epoch, nth, action, values: wanted };
        self.at(world, bot, drive, Step::Intend { push, fates });
    }

    fn judged(&self, intent: &Intent, at: usize, seen: &Branch) -> Fate {
        let tip = seen.tip(at);
        let shown = match seen.landed.contains(&intent.commit) {
            true => Seen::Commit,
            false => Seen::Tip(&tip),
        };
        match (judge(intent, shown), self.setup.mutation) {
            (Fate::Open, Some(Mutation::NoSettling)) => Fate::Dead,
            (fate, _) => fate,
        }
    }

    /// What the branch has to hold where this driver is going.
    fn wanted(&self, ticket: &Ticket, drive: &Drive, bot: usize, branch: usize, seen: &Branch) -> [u8; 2] {
        let mut values = seen.values;
        for part in on(&self.setup, ticket, branch) {
            let at = index(&part.identity.name);
            if !self.knows(bot, at) || ticket.state == State::Verified {
                continue;
            }
            let goal = part.goal.as_ref().map(|goal| number(&goal.version)).expect("written at the start");
            let is_ours = || seen.values[at] == current(ticket);
            match (drive.way, kind(ticket)) {
                (Direction::Forward, _) => values[at] = current(ticket),
                (Direction::Back, Kind::Rollback) => values[at] = goal,
                (Direction::Back, Kind::Deploy) if is_ours() => values[at] = goal,
                (Direction::Back, Kind::Deploy) => {}
            }
        }
        values
    }

    /// The branch is as it has to be, and nothing that was open can change it.
    fn in_place(&self, world: &mut World, bot: usize, drive: Drive, branch: usize) {
        let known = |part: &EnvironmentPart| self.knows(bot, index(&part.identity.name));
        let queue = world.queue.clone();
        if queue.ticket(drive.number).is_ok_and(|ticket| on(&self.setup, ticket, branch).all(known)) {
            world.close(branch, drive.number, drive.epoch);
        }
        let verified = world.queue.ticket(drive.number).is_ok_and(|ticket| ticket.state == State::Verified);
        let step = match self.branch_after(world, &drive, Some(branch)) {
            Some(branch) => Step::Look { branch },
            None if verified => Step::Finish(Ending::Good),
            None => Step::Sync,
        };
        self.at(world, bot, drive, step);
    }

    /// The fence, (2): the intent, which fails if the epoch is gone.
    fn intend(&self, world: &mut World, bot: usize, drive: Drive, push: Push, fates: &[Fate]) {
        let intent = Intent {
            action: push.action,
            parent: push.parent(),
            commit: push.commit(),
            epoch: push.epoch,
            fate: Fate::Open,
        };
        let branch = push.branch;
        let known = |part: &EnvironmentPart| self.knows(bot, index(&part.identity.name));
        let change = |ticket: &mut Ticket| {
            let mut fates = fates.iter();
            let here = |part: &&mut EnvironmentPart| {
                self.setup.branch[index(&part.identity.name)] == branch && known(part)
            };
            for part in ticket.parts_mut().filter(here) {
                let open = part.intents.iter_mut().filter(|intent| intent.fate == Fate::Open);
                open.zip(&mut fates).for_each(|(intent, fate)| intent.fate = *fate);
                part.intents.push(intent.clone());
            }
            if let State::Started = ticket.state {
                ticket.state = State::Deploying { stage: 0, step: StageStep::Pin };
            }
        };
        let step = Step::Push { push };
        self.decide(world, bot, drive, step, change);
    }

    /// The fence, (3): the push, which expects exactly the parent.
    fn push(&self, world: &mut World, bot: usize, drive: Drive, mut push: Push) {
        if self.setup.mutation == Some(Mutation::QueueBeforeBranch) {
            push.parent = world.branches[push.branch].height;
        }
        let branch = push.branch;
        if !world.land(&push) {
            self.meet("lost race");
            return self.at(world, bot, drive, Step::Look { branch });
        }
        self.meet(match push.action {
            Action::Pin => "pin",
            Action::Revert => "revert",
            Action::Settle => "settle",
        });
        match world.queue.driven_by(&drive).is_ok() {
            true => self.in_place(world, bot, drive, branch),
            false => self.stop(world, bot, &drive),
        }
    }

    /// The push broke off: it may have landed, may still land, or never.
    pub fn break_off(&self, world: &mut World, bot: usize) -> Option<()> {
        let Pc::Drive(drive) = world.bots[bot].clone() else { return None };
        let Step::Push { push } = &drive.step else { return None };
        world.left.unknown -= 1;
        let branch = push.branch;
        if !world.flying.contains(push) {
            world.flying.push(push.clone());
        }
        self.at(world, bot, drive, Step::Look { branch });
        world.tidy();
        Some(())
    }

    fn synced(&self, world: &mut World, bot: usize, drive: Drive) {
        let Ok(ticket) = world.queue.driven_by(&drive) else { return self.stop(world, bot, &drive) };
        let step = match (drive.way, kind(ticket)) {
            (Direction::Forward, _) | (Direction::Back, Kind::Rollback) => {
                Step::Recheck { branch: self.branches(ticket).min().expect("it has an environment") }
            }
            (Direction::Back, Kind::Deploy) => Step::Finish(Ending::Back),
        };
        self.at(world, bot, drive, step);
    }

    /// The services do not come up.
    pub fn fail(&self, world: &mut World, bot: usize) -> Option<()> {
        let Pc::Drive(drive) = world.bots[bot].clone() else { return None };
        world.left.failures -= 1;
        match drive.way {
            Direction::Forward => self.turn(world, bot, drive, CauseKind::Deployment),
            Direction::Back => self.at(world, bot, drive, Step::Finish(Ending::Failed)),
        }
        Some(())
    }

    fn recheck(&self, world: &mut World, bot: usize, drive: Drive, branch: usize) {
        let Ok(ticket) = world.queue.driven_by(&drive) else { return self.stop(world, bot, &drive) };
        let seen = &world.branches[branch];
        let step = match self.wanted(ticket, &drive, bot, branch, seen) == seen.values {
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
        let done = self.write(world, |queue| match kind(&ticket) {
            Kind::Deploy => {
                let sets: Vec<_> = names.iter().map(|name| (name.clone(), self.set_of(&ticket))).collect();
                queue.verify(drive.number, drive.epoch, &sets, NOW)
            }
            Kind::Rollback => {
                let goal = ticket.parts().find_map(|part| part.goal.clone()).expect("written at the start");
                queue.restore(drive.number, drive.epoch, &names[0], &goal, NOW)
            }
        });
        match done {
            Ok(()) => self.at(world, bot, drive, Step::Finish(Ending::Good)),
            Err(_) => self.stop(world, bot, &drive),
        }
    }

    fn finish(&self, world: &mut World, bot: usize, drive: Drive, ending: Ending) {
        let Ok(ticket) = world.queue.driven_by(&drive).cloned() else {
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
        let finished = |queue: &mut Queue| queue.finish(drive.number, drive.epoch, outcome, freezes, NOW);
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

fn kind(ticket: &Ticket) -> Kind {
    match ticket.kind {
        RunKind::Deploy => Kind::Deploy,
        RunKind::Rollback { .. } => Kind::Rollback,
    }
}

/// A driver's own view of its record.
trait DrivenBy {
    fn driven_by(&self, drive: &Drive) -> Result<&Ticket, Refusal>;
}

impl DrivenBy for Queue {
    /// The record, if the driver is still the last one.
    fn driven_by(&self, drive: &Drive) -> Result<&Ticket, Refusal> {
        let ticket = self.ticket(drive.number)?;
        match ticket.driver.epoch == drive.epoch {
            true => Ok(ticket),
            false => Err(Refusal::TakenOver { who: ticket.driver.who.clone(), epoch: ticket.driver.epoch }),
        }
    }
}
