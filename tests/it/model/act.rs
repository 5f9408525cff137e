//! The protocol as a transition system: who may do what next.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use datapin::queue::*;
use stateright::{Model, Property};

use super::graph::{Edge, Graph};
use super::setup::{NOW, Role, Setup};
use super::sight::Mend;
use super::world::{Board, Boards, Drive, End, Pc, Step, World};

/// A configuration to explore, and what was met on the way.
pub struct Protocol {
    pub setup: Setup,
    /// The one property that ends the exploration when it breaks; `None`: any.
    pub watched: Option<&'static str>,
    broken: AtomicBool,
    /// The exploration has ended: paths to what it found are replayed.
    pub replays: AtomicBool,
    pub boards: Boards,
    pub graph: Graph,
    /// How often what happened: a model that never takes over proves nothing.
    pub met: Mutex<BTreeMap<&'static str, usize>>,
}

/// One atomic step.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A process does what comes next.
    Go(usize),
    /// A process takes somebody for dead.
    Suspect(usize, Mend, Belief),
    /// A process dies.
    Crash(usize),
    /// A driver's push breaks off; whether it reached the server shows later.
    BreakOff(usize),
    /// A process writes to the queue and does not learn that it did.
    Unheard(usize),
    /// Somebody wants this ticket's run cancelled.
    Cancel(u64),
    /// The services do not come up.
    Fail(usize),
    /// A push that broke off lands after all.
    Land(usize),
    /// Somebody else commits something else to a target branch.
    Stranger(usize),
    /// Somebody cancels the CI pipeline.
    CancelPipeline,
    /// GitLab loses sight of a job, and calls it failed.
    WriteOff(usize),
    /// Somebody sets `queue.json` back.
    Reset,
}

/// Whether somebody who is taken for dead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    Right,
    Wrong,
}

impl Protocol {
    pub fn new(setup: Setup) -> Self {
        let (boards, graph) = (Boards::default(), Graph::default());
        let (broken, replays) = (AtomicBool::default(), AtomicBool::default());
        Self { setup, watched: None, broken, replays, boards, graph, met: Mutex::default() }
    }

    pub fn meet(&self, what: &'static str) {
        *self.met.lock().expect("no panic while held").entry(what).or_default() += 1;
    }

    /// One commit on the queue branch. A refused one must not have changed anything.
    pub fn write<R>(
        &self,
        world: &mut World,
        change: impl FnOnce(&mut Queue) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let mut queue = Queue::clone(&world.queue);
        let result = change(&mut queue);
        if result.is_err() {
            assert_eq!(queue, *world.queue, "a refusal leaves the queue alone");
            return result;
        }
        for line in queue.finished.drain(..) {
            let end = match line.outcome {
                Outcome::Dropped { .. } => End::Dropped,
                _ => End::Ended,
            };
            world.ends.insert(line.number, end);
            if self.is_spread(&line.key) {
                world.tried = line.attempt;
            }
        }
        world.queue = self.boards.of(queue);
        world.tidy();
        result
    }

    fn suspicions(&self, world: &World, bot: usize, acts: &mut Vec<Act>) {
        let observer = match &world.bots[bot] {
            Pc::Wait { number } => Some(*number),
            Pc::Idle if self.awake(world, bot) => None,
            Pc::Idle | Pc::Enter | Pc::Take { .. } | Pc::Drive(_) => return,
            Pc::Due | Pc::Turn { .. } | Pc::Watch { .. } | Pc::Done | Pc::Red | Pc::Dead => return,
        };
        let board: &Board = &world.queue;
        for sighting in
            board.sightings(&self.word(world)).iter().filter(|sighting| sighting.observer == observer)
        {
            let wrong = sighting.silent.is_some_and(|number| world.driven(number))
                || sighting.idle.iter().any(|number| world.attended(*number));
            let belief = if wrong { Belief::Wrong } else { Belief::Right };
            if belief == Belief::Right || world.left.suspicions > 0 {
                acts.push(Act::Suspect(bot, sighting.mend.clone(), belief));
            }
        }
    }

    /// Whether it is this process' time; see [`Role::LastReconcile`].
    pub fn awake(&self, world: &World, bot: usize) -> bool {
        let over = |pc: &Pc| pc.is_over() || (*pc == Pc::Due && self.pipeline_is_over(world));
        self.setup.bots[bot] != Role::LastReconcile
            || world.bots.iter().enumerate().all(|(at, pc)| at == bot || over(pc))
    }

    fn mishaps(&self, world: &World, bot: usize, acts: &mut Vec<Act>) {
        let busy = match &world.bots[bot] {
            Pc::Enter | Pc::Idle | Pc::Due | Pc::Done | Pc::Red | Pc::Dead => false,
            Pc::Wait { .. } | Pc::Take { .. } | Pc::Drive(_) | Pc::Turn { .. } | Pc::Watch { .. } => true,
        };
        if busy && world.left.crashes > 0 {
            acts.push(Act::Crash(bot));
        }
        if world.left.unheard > 0 {
            acts.push(Act::Unheard(bot));
        }
        match &world.bots[bot] {
            Pc::Drive(Drive { step: Step::Push { .. }, .. }) if world.left.unknown > 0 => {
                acts.push(Act::BreakOff(bot));
            }
            Pc::Drive(Drive { step: Step::Sync, .. }) | Pc::Watch { .. } if world.left.failures > 0 => {
                acts.push(Act::Fail(bot));
            }
            _ => {}
        }
    }

    fn unheard(&self, world: &mut World, bot: usize) -> Option<()> {
        let (queue, pc) = (world.queue.clone(), world.bots[bot].clone());
        self.go(world, bot)?;
        world.bots[bot] = pc;
        world.left.unheard -= 1;
        self.meet("unheard");
        (queue != world.queue).then_some(())
    }

    fn crash(&self, world: &mut World, bot: usize) {
        world.left.crashes -= 1;
        world.bots[bot] = match self.setup.bots[bot] {
            Role::Run(_) | Role::Stranger(_) | Role::Step(..) => Pc::Dead,
            Role::Reconcile | Role::LastReconcile => Pc::Idle,
        };
        self.meet("crash");
        world.tidy();
    }

    fn suspect(&self, world: &mut World, bot: usize, mend: Mend, belief: Belief) {
        if belief == Belief::Wrong {
            world.left.suspicions -= 1;
            self.meet("false suspicion");
        }
        let home = world.bots[bot].home();
        match mend {
            Mend::TakeOver { number, seen } => world.bots[bot] = Pc::Take { number, seen, home },
            Mend::Drop { number } => {
                self.meet("drop");
                let outcome = Outcome::Dropped { reason: String::new() };
                let left = self.write(world, |queue| queue.leave(number, outcome, "", NOW));
                left.expect("a sighting is of this queue");
            }
        }
    }

    fn perform(&self, last: &World, act: &Act) -> Option<World> {
        let mut world = last.clone();
        match act {
            Act::Go(bot) => self.go(&mut world, *bot)?,
            Act::Suspect(bot, mend, belief) => self.suspect(&mut world, *bot, mend.clone(), *belief),
            Act::Crash(bot) => self.crash(&mut world, *bot),
            Act::BreakOff(bot) => self.break_off(&mut world, *bot)?,
            Act::Unheard(bot) => self.unheard(&mut world, *bot)?,
            Act::Cancel(number) => {
                world.left.cancels -= 1;
                let wish = Wish { by: String::new(), reason: String::new() };
                self.write(&mut world, |queue| queue.wish_cancel(*number, wish)).ok()?;
            }
            Act::Fail(bot) => self.fail(&mut world, *bot)?,
            Act::Land(at) => {
                let push = world.flying.remove(*at);
                self.meet("landed late");
                world.land(&push);
            }
            Act::Stranger(branch) => {
                world.left.strangers -= 1;
                world.branches[*branch].height += 1;
                world.tidy();
            }
            Act::CancelPipeline => self.cancel_pipeline(&mut world),
            Act::WriteOff(bot) => self.write_off(&mut world, *bot),
            Act::Reset => self.reset(&mut world),
        }
        self.forget_jobs(&mut world);
        Some(world)
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World::first(&self.setup, &self.boards)]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        // Nothing more is to be learnt then, and a mutated protocol may go on for ever.
        let holds = |property: &Property<Self>| (property.condition)(self, world);
        let watched = |property: &Property<Self>| self.watched.is_none_or(|name| name == property.name);
        let sound = super::properties::all().iter().filter(|property| watched(property)).all(holds);
        if !sound {
            self.broken.store(true, Ordering::Relaxed);
        }
        if !self.replays.load(Ordering::Relaxed) && self.broken.load(Ordering::Relaxed) {
            return;
        }
        for bot in 0..world.bots.len() {
            acts.push(Act::Go(bot));
            self.suspicions(world, bot, acts);
            self.mishaps(world, bot, acts);
        }
        acts.extend((0..world.flying.len()).map(Act::Land));
        if world.left.cancels > 0 {
            acts.extend(world.queue.tickets.keys().map(|number| Act::Cancel(*number)));
        }
        if world.left.strangers > 0 && !world.queue.tickets.is_empty() {
            acts.extend((0..world.branches.len()).map(Act::Stranger));
        }
        self.pipeline_mishaps(world, acts);
    }

    fn next_state(&self, last: &World, act: Act) -> Option<World> {
        let world = self.perform(last, &act).filter(|world| world != last)?;
        let misfortune = match &act {
            Act::Go(_) | Act::Land(_) | Act::Suspect(_, _, Belief::Right) => false,
            Act::Suspect(_, _, Belief::Wrong) => true,
            Act::Crash(_) | Act::BreakOff(_) | Act::Unheard(_) => true,
            Act::Cancel(_) | Act::Fail(_) | Act::Stranger(_) => true,
            Act::CancelPipeline | Act::WriteOff(_) | Act::Reset => true,
        };
        self.graph.add(last, &world, if misfortune { Edge::Misfortune } else { Edge::Progress });
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        super::properties::all()
    }
}
