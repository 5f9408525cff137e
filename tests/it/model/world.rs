//! The state of the model: the queue branch, the target branches, the processes, and what is on the wire.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use datapin::queue::*;
use datapin::repo::CommitId;

use super::setup::{Budget, DATASET, NAMES, Setup, index, number};
use super::sight::Sighting;
use super::spread::Watched;

/// Everything that there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub queue: Board,
    pub branches: Vec<Branch>,
    pub bots: Vec<Pc>,
    /// Pushes whose drivers don't know what became of them: each may still land.
    pub flying: Vec<Push>,
    pub left: Budget,
    /// Somebody has cancelled the CI pipeline.
    pub cancelled: bool,
    /// Jobs that GitLab calls finished although they still run.
    pub written_off: BTreeSet<usize>,
    /// The last attempt of the spread run that ended.
    pub tried: u32,
    /// The history's word on tickets that somebody still asks for.
    pub ends: BTreeMap<u64, End>,
    /// By branch and ticket: the epoch that closed what was open, or whose commit landed last.
    pub closed: BTreeMap<(usize, u64), u64>,
    /// What must never happen and did.
    pub faults: BTreeSet<Fault>,
}

/// A revision of the queue branch. The same content is stored once.
#[derive(Clone)]
pub struct Board(Arc<Sheet>);

struct Sheet {
    queue: Queue,
    print: u64,
    /// While the CI pipeline goes on, and when it is over.
    sightings: [OnceLock<Vec<Sighting>>; 2],
}

impl Board {
    pub fn sightings(&self, pipeline: &Word) -> &[Sighting] {
        let over = matches!(pipeline, Word::Finished(_));
        let known = &self.0.sightings[usize::from(over)];
        known.get_or_init(|| super::sight::sightings(&self.0.queue, pipeline))
    }
}

impl std::ops::Deref for Board {
    type Target = Queue;
    fn deref(&self) -> &Queue {
        &self.0.queue
    }
}

impl Hash for Board {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.print);
    }
}

impl PartialEq for Board {
    fn eq(&self, other: &Self) -> bool {
        self.0.print == other.0.print
    }
}

impl Eq for Board {}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for ticket in self.tickets.values() {
            let intents: Vec<_> =
                ticket.parts().flat_map(|part| &part.intents).map(|i| (i.commit.as_str(), i.fate)).collect();
            let epoch = ticket.driver.epoch;
            write!(f, "#{} {} epoch {epoch} {:?} {intents:?}; ", ticket.number, ticket.key, ticket.state)?;
        }
        let current = |name: &str| self.current(name, DATASET).map(|set| set.version.clone());
        let frozen = |name: &str| self.environment(name).is_some_and(|file| file.freeze.is_some());
        write!(f, "{:?}", NAMES.map(|name| (name, current(name), frozen(name))))
    }
}

/// All revisions seen so far.
#[derive(Default)]
pub struct Boards(Mutex<HashMap<u64, Board>>);

impl Boards {
    pub fn of(&self, queue: Queue) -> Board {
        let mut hasher = DefaultHasher::new();
        queue.hash(&mut hasher);
        let print = hasher.finish();
        let mut all = self.0.lock().expect("no panic while held");
        let sheet = || Board(Arc::new(Sheet { queue, print, sightings: Default::default() }));
        all.entry(print).or_insert_with(sheet).clone()
    }
}

/// A target branch. It is one chain, so a commit's place names it among those that are on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Branch {
    pub height: u8,
    /// The tip's version by environment.
    pub values: [u8; 2],
    /// Commits on it that some intent names.
    pub landed: BTreeSet<CommitId>,
}

impl Branch {
    pub fn tip(&self, at: usize) -> CommitId {
        place(at, self.height)
    }
}

fn place(branch: usize, height: u8) -> CommitId {
    commit_id(branch, height, 0, 0, 0, 0)
}

/// Says all there is to a commit, in 40 digits: eight for its place, then what, ticket, epoch and which.
fn commit_id(branch: usize, height: u8, action: u8, number: u64, epoch: u64, nth: usize) -> CommitId {
    let digits = format!("{branch:04x}{height:04x}{action:08x}{number:08x}{epoch:08x}{nth:08x}");
    digits.parse().expect("40 digits")
}

/// A commit made on a known tip, to be pushed expecting that tip.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Push {
    pub branch: usize,
    /// Height of the parent.
    pub parent: u8,
    pub number: u64,
    pub epoch: u64,
    /// Tells apart commits that one driver makes on one parent.
    pub nth: usize,
    pub action: Action,
    /// The branch's content with it.
    pub values: [u8; 2],
}

impl Push {
    pub fn parent(&self) -> CommitId {
        place(self.branch, self.parent)
    }

    pub fn commit(&self) -> CommitId {
        let action = match self.action {
            Action::Pin => 0xa,
            Action::Revert => 0xb,
            Action::Settle => 0xc,
        };
        commit_id(self.branch, self.parent + 1, action, self.number, self.epoch, self.nth)
    }
}

/// Where a process is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pc {
    Enter,
    Wait {
        number: u64,
    },
    /// Saw a silent driver and is going to take its ticket.
    Take {
        number: u64,
        seen: Driver,
        home: Option<u64>,
    },
    Drive(Drive),
    /// A job that GitLab has not started yet.
    Due,
    /// A job that found its run, and waits for its turn.
    Turn {
        about: About,
    },
    /// A job that only watches, on a machine of its own, and reports what it saw.
    Watch {
        about: About,
        commit: CommitId,
        at: Watched,
    },
    /// Of `reconcile`: has nothing to do.
    Idle,
    Done,
    /// A job that failed.
    Red,
    Dead,
}

/// A driver at work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Drive {
    pub number: u64,
    pub epoch: u64,
    /// Its own ticket, if it has one.
    pub home: Option<u64>,
    pub way: Way,
    pub step: Step,
    /// The record as this driver knows it, where others report beside it.
    pub mine: Option<Box<Ticket>>,
}

/// Where a driver is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// To what its run is for; after the commit point, to its end.
    Forward,
    /// To what was verified before.
    Back,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write that everything is taken back.
    Turn,
    /// Read a branch's tip, and make the commit that is due.
    Look { branch: usize },
    /// Write the intent.
    Intend { push: Push, judged: Vec<(CommitId, Fate)> },
    /// Push it.
    Push { push: Push },
    /// Wait for the services.
    Sync,
    /// After the services came up: see that the pins are still there.
    Recheck { branch: usize },
    /// Write the commit point.
    Verify,
    /// Of a job: let the next one act.
    HandOver,
    /// Of a job: write why the run goes back, and let the next one act.
    GiveUp(CauseKind),
    /// Remove the ticket.
    Finish(Ending),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    Good,
    Back,
    /// Frozen: the services did not come back.
    Failed,
}

/// How a ticket went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    Dropped,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A commit of a superseded driver landed after its successor had closed the branch.
    Superseded,
    /// A commit landed whose ticket is gone.
    Stray,
    /// A commit landed whose intent is recorded as dead.
    DeadLanded,
    /// A run started although another waited before it.
    Overtook,
}

impl World {
    pub fn first(setup: &Setup, boards: &Boards) -> Self {
        let branch = Branch { height: 0, values: [0; 2], landed: BTreeSet::new() };
        Self {
            queue: boards.of(setup.first_queue()),
            branches: vec![branch; setup.branches()],
            bots: setup.bots.iter().map(super::walk::begin).collect(),
            flying: Vec::new(),
            left: setup.budget,
            cancelled: false,
            written_off: BTreeSet::new(),
            tried: 0,
            ends: BTreeMap::new(),
            closed: BTreeMap::new(),
            faults: BTreeSet::new(),
        }
    }

    /// The push reaches the server. Whether it landed.
    pub fn land(&mut self, push: &Push) -> bool {
        if self.branches[push.branch].height != push.parent {
            return false;
        }
        if let Some(fault) = self.fault_of(push) {
            self.faults.insert(fault);
        }
        self.close(push.branch, push.number, push.epoch);
        let branch = &mut self.branches[push.branch];
        branch.height += 1;
        branch.values = push.values;
        branch.landed.insert(push.commit());
        self.tidy();
        true
    }

    fn fault_of(&self, push: &Push) -> Option<Fault> {
        if self.is_carried(push) {
            return None;
        }
        let Ok(ticket) = self.queue.ticket(push.number) else { return Some(Fault::Stray) };
        let dead = |intent: &Intent| intent.fate == Fate::Dead && intent.commit == push.commit();
        if ticket.parts().flat_map(|part| &part.intents).any(dead) {
            return Some(Fault::DeadLanded);
        }
        let closed = self.closed.get(&(push.branch, push.number));
        closed.is_some_and(|epoch| push.epoch < *epoch).then_some(Fault::Superseded)
    }

    /// Whether a freeze says that this commit may still land.
    pub fn is_carried(&self, push: &Push) -> bool {
        let carried = |file: &EnvironmentFile| {
            let open = file.freeze.as_ref().and_then(|freeze| freeze.origin.carried());
            open.is_some_and(|carried| carried.part.open().any(|intent| intent.commit == push.commit()))
        };
        self.queue.environments.values().any(carried)
    }

    /// Remembers that nothing of an older epoch can land there any more.
    pub fn close(&mut self, branch: usize, number: u64, epoch: u64) {
        let closed = self.closed.entry((branch, number)).or_default();
        *closed = epoch.max(*closed);
    }

    /// Forgets what nobody can ask for any more, so that equal worlds are equal.
    pub fn tidy(&mut self) {
        let queue = &self.queue;
        let carried = queue.environments.values().filter_map(|file| file.freeze.as_ref()?.origin.carried());
        let parts = queue.tickets.values().flat_map(|ticket| ticket.parts());
        let named: BTreeSet<&CommitId> = parts
            .chain(carried.map(|carried| &carried.part))
            .flat_map(|part| part.intents.iter().map(|intent| &intent.commit))
            .collect();
        for branch in &mut self.branches {
            branch.landed.retain(|commit| named.contains(commit));
        }
        self.closed.retain(|(_, number), _| queue.tickets.contains_key(number));
        let branches = &self.branches;
        self.flying.retain(|push| branches[push.branch].height == push.parent);
        let bots = &self.bots;
        self.ends.retain(|number, _| bots.iter().any(|pc| pc.home() == Some(*number)));
    }

    /// The version that the record of an environment says is verified.
    pub fn recorded(&self, environment: usize) -> u8 {
        let current = self.queue.current(NAMES[environment], DATASET);
        number(&current.expect("there is a first set").version)
    }

    pub fn frozen(&self, environment: usize) -> Option<&Freeze> {
        self.queue.environment(NAMES[environment])?.freeze.as_ref()
    }

    /// Whether a process that is not dead drives the ticket with its last epoch.
    pub fn driven(&self, number: u64) -> bool {
        let Ok(ticket) = self.queue.ticket(number) else { return false };
        self.bots.iter().any(|pc| match pc {
            Pc::Drive(drive) => drive.number == number && drive.epoch == ticket.driver.epoch,
            Pc::Enter | Pc::Wait { .. } | Pc::Take { .. } | Pc::Idle => false,
            Pc::Due | Pc::Turn { .. } | Pc::Watch { .. } | Pc::Done | Pc::Red | Pc::Dead => false,
        })
    }

    /// Whether a process that is not dead has this ticket as its own.
    pub fn attended(&self, number: u64) -> bool {
        self.bots.iter().any(|pc| pc.home() == Some(number))
    }
}

impl Pc {
    /// The process' own ticket.
    pub fn home(&self) -> Option<u64> {
        match self {
            Pc::Wait { number } => Some(*number),
            Pc::Take { home, .. } | Pc::Drive(Drive { home, .. }) => *home,
            Pc::Enter | Pc::Idle | Pc::Done | Pc::Red | Pc::Dead => None,
            Pc::Due | Pc::Turn { .. } | Pc::Watch { .. } => None,
        }
    }
}

/// The environments of a ticket that are on a branch.
pub fn on<'a>(
    setup: &'a Setup,
    ticket: &'a Ticket,
    branch: usize,
) -> impl Iterator<Item = &'a EnvironmentPart> {
    ticket.parts().filter(move |part| setup.branch[index(&part.identity.name)] == branch)
}
