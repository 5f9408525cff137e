//! The one fence for every push to a target branch. The order is the proof.

use datapin::queue::*;
use datapin::repo::CommitId;

use super::act::Protocol;
use super::drive::{current, kind, record};
use super::setup::{Kind, Mutation, index, number};
use super::world::{Branch, Drive, Ending, Pc, Push, Step, Way, World, on};

impl Protocol {
    /// The fence, (1): the tip, what became of the intents, and the commit that is due.
    ///
    /// A driver that was superseded has an old record; whatever it makes of it ends at its next decision.
    pub fn look(&self, world: &mut World, bot: usize, drive: Drive, branch: usize) {
        let queue = world.queue.clone();
        let Some(ticket) = record(&queue, &drive) else { return self.stop(world, bot, &drive) };
        let is_cancelled = ticket.cancel.is_some() && kind(ticket) == Kind::Deploy;
        if is_cancelled && drive.way == Way::Forward && ticket.state != State::Verified {
            self.meet("cancelled at work");
            if self.is_own_part(bot, &drive) {
                return self.at(world, bot, drive, Step::GiveUp(CauseKind::Cancelled));
            }
            return self.turn(world, bot, drive, CauseKind::Cancelled);
        }
        let seen = &world.branches[branch];
        let known = |part: &&EnvironmentPart| self.knows(bot, index(&part.identity.name));
        let wanted = self.wanted(ticket, &drive, bot, branch, seen);
        let judged: Vec<(CommitId, Fate)> = on(&self.setup, ticket, branch)
            .filter(known)
            .flat_map(|part| part.open())
            .map(|intent| (intent.commit.clone(), self.judged(intent, branch, seen)))
            .collect();
        let is_open = judged.iter().any(|(_, fate)| *fate == Fate::Open);
        let action = match (wanted == seen.values, drive.way) {
            (false, Way::Forward) => Action::Pin,
            (false, Way::Back) => Action::Revert,
            (true, _) if is_open => Action::Settle,
            (true, _) => return self.in_place(world, bot, drive, branch),
        };
        let Drive { number, epoch, .. } = drive;
        let nth = on(&self.setup, ticket, branch).map(|part| part.intents.len()).max().unwrap_or_default();
        let push = Push { branch, parent: seen.height, number, epoch, nth, action, values: wanted };
        self.at(world, bot, drive, Step::Intend { push, judged });
    }

    pub fn judged(&self, intent: &Intent, at: usize, seen: &Branch) -> Fate {
        let tip = seen.tip(at);
        match (judge(intent, &tip, seen.landed.contains(&intent.commit)), self.setup.mutation) {
            (Fate::Open, Some(Mutation::NoSettling)) => Fate::Dead,
            (fate, _) => fate,
        }
    }

    /// What the branch has to hold where this driver is going.
    pub fn wanted(
        &self,
        ticket: &Ticket,
        drive: &Drive,
        bot: usize,
        branch: usize,
        seen: &Branch,
    ) -> [u8; 2] {
        let mut values = seen.values;
        for part in on(&self.setup, ticket, branch) {
            let at = index(&part.identity.name);
            if !self.knows(bot, at) || ticket.state == State::Verified {
                continue;
            }
            let goal = part.goal.as_ref().map(|goal| number(&goal.version)).expect("written at the start");
            match (kind(ticket), drive.way) {
                (Kind::Rollback, _) => values[at] = goal,
                (Kind::Deploy, Way::Forward) => values[at] = current(ticket),
                (Kind::Deploy, Way::Back) if seen.values[at] == current(ticket) => values[at] = goal,
                (Kind::Deploy, Way::Back) => {}
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
            None if self.is_own_part(bot, &drive) => Step::HandOver,
            None => Step::Sync,
        };
        let drive = self.noted(world, drive, branch);
        self.at(world, bot, drive, step);
    }

    /// The fence, (2): the intent, which fails if the epoch is gone.
    pub fn intend(
        &self,
        world: &mut World,
        bot: usize,
        drive: Drive,
        push: Push,
        judged: &[(CommitId, Fate)],
    ) {
        let (action, parent, commit, epoch) = (push.action, push.parent(), push.commit(), push.epoch);
        let intent = Intent { action, parent, commit, epoch, fate: Fate::Open };
        let here = |part: &&mut EnvironmentPart| {
            let at = index(&part.identity.name);
            self.setup.branch[at] == push.branch && self.knows(bot, at)
        };
        let change = |ticket: &mut Ticket| {
            for part in ticket.parts_mut().filter(here) {
                note(part, judged);
                // Whoever did not hear back writes the same once more.
                if !part.intents.contains(&intent) {
                    part.intents.push(intent.clone());
                }
            }
            if let State::Started = ticket.state {
                ticket.state = State::Deploying { stage: 0, step: StageStep::Pin };
            }
        };
        let step = Step::Push { push: push.clone() };
        self.decide(world, bot, drive, step, change);
    }

    /// The fence, (3): the push, which expects exactly the parent.
    pub fn push(&self, world: &mut World, bot: usize, drive: Drive, mut push: Push) {
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
        match record(&world.queue, &drive).is_some() {
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
}

/// Writes what became of intents, each by its commit: its place may be another by now.
fn note(part: &mut EnvironmentPart, judged: &[(CommitId, Fate)]) {
    for intent in part.intents.iter_mut().filter(|intent| intent.fate == Fate::Open) {
        if let Some((_, fate)) = judged.iter().find(|(commit, _)| *commit == intent.commit) {
            intent.fate = *fate;
        }
    }
}
