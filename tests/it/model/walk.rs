//! A process without a ticket that it drives: it enters, waits, starts, takes over.

use datapin::event::Direction;
use datapin::queue::*;
use datapin::run::step;

use super::act::Protocol;
use super::drive::current;
use super::setup::{DATASET, Job, Mutation, NAMES, NOW, Role, index, verified};
use super::spread::{Seen, remembered};
use super::world::{Drive, End, Fault, Pc, Step, Way, World};

/// Where a process begins.
pub fn begin(role: &Role) -> Pc {
    match role {
        Role::Run(_) | Role::Stranger(_) => Pc::Enter,
        Role::Reconcile | Role::LastReconcile => Pc::Idle,
        Role::Step(..) => Pc::Due,
    }
}

impl Protocol {
    /// The process' next step, if it has one.
    pub fn go(&self, world: &mut World, bot: usize) -> Option<()> {
        match world.bots[bot].clone() {
            Pc::Enter => self.enter(world, bot),
            Pc::Wait { number } => return self.wait(world, bot, number),
            Pc::Take { number, seen, home } => self.take(world, bot, number, &seen, home),
            Pc::Drive(drive) => self.drive(world, bot, drive),
            Pc::Idle => return self.look_for_work(world, bot),
            Pc::Due => return self.begin_job(world, bot),
            Pc::Turn { about } => return self.turn_of(world, bot, &about),
            Pc::Watch { about, commit, at } => self.report(world, bot, &about, &commit, at, Seen::Good),
            Pc::Done | Pc::Red | Pc::Dead => return None,
        }
        Some(())
    }

    /// Where a process goes whose work on a ticket has ended.
    pub fn rest(&self, bot: usize, number: u64, home: Option<u64>) -> Pc {
        match (home, self.setup.bots[bot]) {
            (Some(home), _) if home != number => Pc::Wait { number: home },
            (_, Role::Run(_) | Role::Stranger(_) | Role::Step(..)) => Pc::Done,
            (_, Role::Reconcile | Role::LastReconcile) => Pc::Idle,
        }
    }

    fn job(&self, bot: usize) -> Option<&Job> {
        match self.setup.bots[bot] {
            Role::Run(job) | Role::Stranger(job) | Role::Step(job, _) => Some(&self.setup.jobs[job]),
            Role::Reconcile | Role::LastReconcile => None,
        }
    }

    fn enter(&self, world: &mut World, bot: usize) {
        let ticket = match self.setup.bots[bot] {
            Role::Step(job, _) => self.setup.spread_ticket(job, bot, world.tried + 1),
            _ => self.setup.ticket(self.job(bot).expect("only runs enter")),
        };
        let entry = self.write(world, |queue| queue.enter(&ticket, OnNewer::Queue, NOW));
        world.bots[bot] = Pc::Wait { number: entry.expect("identities are the same").number() };
    }

    fn wait(&self, world: &mut World, bot: usize, number: u64) -> Option<()> {
        match next(&world.queue, number, &Silence::default(), super::setup::PATIENCE) {
            Next::Start => self.start(world, bot, number),
            Next::Gone => self.gone(world, bot, number),
            Next::Wait { .. } if self.derived_turn(world, number) => self.start(world, bot, number),
            Next::Holds => return self.elsewhere(world, bot, number),
            Next::Wait { .. } => return None,
            Next::Cancelled(_) => self.withdraw(world, number),
            Next::TakeOver { .. } | Next::Drop { .. } => unreachable!("nobody is silent here"),
        }
        Some(())
    }

    fn withdraw(&self, world: &mut World, number: u64) {
        let outcome = Outcome::Withdrawn { by: String::new() };
        let left = self.write(world, |queue| queue.leave(number, outcome, "", NOW));
        left.expect("it was just seen waiting");
        self.meet("cancelled while it waited");
    }

    fn derived_turn(&self, world: &World, number: u64) -> bool {
        self.setup.mutation == Some(Mutation::DerivedHolding)
            && world.queue.ticket(number).is_ok_and(|ticket| waits_before(&world.queue, ticket).is_none())
    }

    fn start(&self, world: &mut World, bot: usize, number: u64) {
        let derived = self.derived_turn(world, number);
        let ticket = world.queue.ticket(number).expect("it was just seen");
        if waits_before(&world.queue, ticket).is_some_and(|other| !other.state.holds()) {
            world.faults.insert(Fault::Overtook);
        }
        let who = bot.to_string();
        let epoch = self.write(world, |queue| {
            let epoch = match derived {
                true => start_by_order(queue, number, &who)?,
                false => queue.start(number, &who, NOW)?,
            };
            let (goals, open) = (goals(queue, number)?, open_work(queue, number)?);
            queue.decide(number, epoch, |ticket| {
                for ((part, goal), open) in ticket.parts_mut().zip(goals).zip(open) {
                    part.goal = goal;
                    part.intents.extend(open);
                }
            })?;
            Ok(epoch)
        });
        let epoch = epoch.expect("`next` said that it may start");
        let ticket = world.queue.ticket(number).expect("it was just written");
        let frozen = ticket.parts().any(|part| world.frozen(index(&part.identity.name)).is_some());
        let (mine, is_job) = (remembered(ticket), self.task(bot).is_some());
        let step = match (&ticket.kind, frozen) {
            (RunKind::Deploy, true) => Step::Finish(super::world::Ending::Back),
            (RunKind::Deploy, false) if is_job => Step::HandOver,
            (RunKind::Deploy, false) | (RunKind::Rollback { .. }, _) => self.first_look(ticket),
        };
        self.meet("start");
        let (home, way) = (Some(number), Way::Forward);
        world.bots[bot] = Pc::Drive(Drive { number, epoch, home, way, step, mine });
    }

    fn gone(&self, world: &mut World, bot: usize, number: u64) {
        let end = world.ends.get(&number).copied().expect("a ticket that is gone has a line in the history");
        world.bots[bot] = match (end, self.job(bot)) {
            (_, None) => Pc::Idle,
            (End::Dropped, Some(_)) if world.left.entries > 0 => {
                world.left.entries -= 1;
                self.meet("enters again");
                Pc::Enter
            }
            (End::Dropped | End::Ended, Some(_)) if self.task(bot).is_some() => Pc::Red,
            (End::Dropped | End::Ended, Some(_)) => Pc::Done,
        };
        world.tidy();
    }

    fn take(&self, world: &mut World, bot: usize, number: u64, seen: &Driver, home: Option<u64>) {
        let was_spread = world.queue.ticket(number).is_ok_and(|ticket| ticket.lives != Lives::Process);
        let taken = self.write(world, |queue| queue.take(number, seen, &bot.to_string()));
        world.bots[bot] = match taken {
            Err(_) if home == Some(number) => Pc::Wait { number },
            Err(_) => self.rest(bot, number, home),
            Ok(epoch) => {
                let ticket = world.queue.ticket(number).expect("it was just written");
                let way = way_of(ticket, home);
                self.meet(match (way, home == Some(number)) {
                    (Way::Forward, true) => "rejoined, forward",
                    (Way::Forward, false) => "taken over, forward",
                    (Way::Back, _) => "taken over, back",
                });
                let turned = matches!(ticket.state, State::RollingBack { .. });
                let step = match (&ticket.kind, way) {
                    (RunKind::Deploy, Way::Back) if !turned => Step::Turn,
                    _ => self.first_look(ticket),
                };
                let mine = was_spread.then(|| Box::new(ticket.clone()));
                if was_spread {
                    self.meet(match home {
                        Some(_) => "the next in line takes a spread run",
                        None => "reconcile takes a spread run",
                    });
                }
                Pc::Drive(Drive { number, epoch, home, way, step, mine })
            }
        };
        world.tidy();
    }

    /// `reconcile` enters a rollback where something is frozen with open work.
    fn look_for_work(&self, world: &mut World, bot: usize) -> Option<()> {
        if !self.awake(world, bot) {
            return None;
        }
        let left = |at: &usize| world.frozen(*at).is_some_and(|freeze| freeze.origin.carried().is_some());
        let at = (0..NAMES.len()).find(left)?;
        let ticket = self.setup.mending(at);
        let entry = self.write(world, |queue| queue.enter(&ticket, OnNewer::Queue, NOW));
        world.bots[bot] = Pc::Wait { number: entry.expect("identities are the same").number() };
        self.meet("reconcile enters");
        Some(())
    }
}

/// Mutated: the order says who holds.
fn start_by_order(queue: &mut Queue, number: u64, who: &str) -> Result<u64, Refusal> {
    let ticket = queue.tickets.get_mut(&number).ok_or(Refusal::Gone { number })?;
    ticket.state = State::Started;
    ticket.driver = Driver { epoch: 1, who: who.to_owned(), beat: 1 };
    Ok(1)
}

/// A ticket of a common environment that comes before this one; told apart from the product's own rule.
fn waits_before<'a>(queue: &'a Queue, mine: &Ticket) -> Option<&'a Ticket> {
    queue.tickets.values().find(|other| {
        let common = other.parts().any(|part| mine.part(&part.identity.name).is_some());
        common && (other.priority, other.number) < (mine.priority, mine.number)
    })
}

/// Which way a run is carried on: its own process goes where the record says, another one where the rules say.
fn way_of(ticket: &Ticket, home: Option<u64>) -> Way {
    let is_itself = home == Some(ticket.number);
    match (step::step(ticket), step::direction(ticket)) {
        (step::Step::Back, _) => Way::Back,
        (_, Direction::Forward) => Way::Forward,
        (_, Direction::Back) if is_itself => Way::Forward,
        (_, Direction::Back) => Way::Back,
    }
}

/// What an earlier run left open behind a freeze, by the parts of a ticket: only to be settled.
fn open_work(queue: &Queue, number: u64) -> Result<Vec<Vec<Intent>>, Refusal> {
    let left = |part: &EnvironmentPart| {
        let freeze = queue.environment(&part.identity.name).and_then(|file| file.freeze.as_ref());
        let carried = freeze.and_then(|freeze| freeze.origin.carried());
        let open = carried.into_iter().flat_map(|carried| carried.part.open());
        open.map(|intent| Intent { action: Action::Settle, ..intent.clone() }).collect()
    };
    Ok(queue.ticket(number)?.parts().map(left).collect())
}

/// What each part of a ticket goes back to.
fn goals(queue: &Queue, number: u64) -> Result<Vec<Option<VerifiedSet>>, Refusal> {
    let ticket = queue.ticket(number)?;
    let goal = |part: &EnvironmentPart| match &ticket.kind {
        RunKind::Rollback { to: Some(version), .. } => {
            let file = queue.environment(&part.identity.name)?.datasets.get(DATASET)?;
            file.verified.iter().rfind(|set| set.version == *version).cloned()
        }
        RunKind::Rollback { to: None, .. } | RunKind::Deploy => {
            queue.current(&part.identity.name, DATASET).cloned()
        }
    };
    Ok(ticket.parts().map(goal).collect())
}

impl Protocol {
    /// The set that a run verifies an environment with.
    pub fn set_of(&self, ticket: &Ticket) -> VerifiedSet {
        verified(current(ticket), &ticket.run.0)
    }
}
