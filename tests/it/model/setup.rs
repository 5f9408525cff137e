//! What a configuration of the model consists of.

use std::time::Duration;

use datapin::queue::*;
use jiff::Timestamp;

/// The environments of the model.
pub const NAMES: [&str; 2] = ["x", "y"];
/// The version that both are verified with at the beginning.
pub const FIRST: u8 = 0;
/// The one dataset.
pub const DATASET: &str = "d";
/// Clocks play no part in the rules.
pub const NOW: Timestamp = Timestamp::UNIX_EPOCH;
/// Limits by the observers' clocks; whether they are reached is a choice of the model.
pub const PATIENCE: Patience =
    Patience { ttl: Duration::from_secs(300), start_grace: Duration::from_secs(100), step_idle: None };

/// One configuration.
#[derive(Debug, Clone)]
pub struct Setup {
    pub name: &'static str,
    pub jobs: Vec<Job>,
    pub bots: Vec<Role>,
    /// Index of the target branch of each environment.
    pub branch: [usize; 2],
    pub budget: Budget,
    pub mutation: Option<Mutation>,
}

/// A run that somebody wants.
#[derive(Debug, Clone)]
pub struct Job {
    pub key: &'static str,
    /// Indices of its environments.
    pub environments: &'static [usize],
    pub version: u8,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Deploy,
    Rollback,
}

/// What a process is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A job's process; two of one job are a job and its retry.
    Run(usize),
    /// The same, but its configuration does not know environment `y`.
    Stranger(usize),
    /// `datapin reconcile`, by a schedule: one that died comes again.
    Reconcile,
    /// The same, but only after everybody else has ended.
    LastReconcile,
}

/// How often what may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    /// Somebody alive is taken for dead.
    pub suspicions: u8,
    /// A push whose outcome its driver does not learn; it lands later or never.
    pub unknown: u8,
    /// A commit on the queue whose writer does not learn that it was made; it tries again.
    pub unheard: u8,
    /// Somebody wants a run cancelled.
    pub cancels: u8,
    /// Services do not come up.
    pub failures: u8,
    /// Who was dropped from the line enters again.
    pub entries: u8,
    /// Somebody else commits something else to a target branch.
    pub strangers: u8,
}

/// A rule left out on purpose: the model has to find what breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A new driver does not close open intents.
    NoSettling,
    /// The fence reads the queue before the branch: an intent does not pin its parent.
    QueueBeforeBranch,
    /// Who is first in the order counts as holder.
    DerivedHolding,
}

impl Setup {
    pub fn first_queue(&self) -> Queue {
        let mut queue = Queue { next: 1, ..Queue::default() };
        for (at, name) in NAMES.into_iter().enumerate() {
            let mut file = EnvironmentFile::new(self.identity(at));
            file.datasets.entry(DATASET.to_owned()).or_default().add(verified(FIRST, "0"));
            queue.environments.insert(name.to_owned(), file);
        }
        queue
    }

    pub fn branches(&self) -> usize {
        self.branch.iter().max().map_or(0, |last| last + 1)
    }

    pub fn identity(&self, at: usize) -> Identity {
        let branch = self.branch[at].to_string();
        Identity { repository: String::new(), branch, name: NAMES[at].to_owned() }
    }

    /// The ticket that a job enters with.
    pub fn ticket(&self, job: &Job) -> Ticket {
        let (kind, priority) = match job.kind {
            Kind::Deploy => (RunKind::Deploy, Priority::Normal),
            Kind::Rollback => (rollback(Some(job.version.to_string())), Priority::Rollback),
        };
        let environments = job.environments.iter().map(|at| self.part(*at)).collect();
        ticket(job.key, kind, priority, job.version.to_string(), environments)
    }

    /// The ticket that `reconcile` enters with to thaw an environment.
    pub fn mending(&self, at: usize) -> Ticket {
        ticket(NAMES[at], rollback(None), Priority::Rollback, String::new(), vec![self.part(at)])
    }

    fn part(&self, at: usize) -> EnvironmentPart {
        EnvironmentPart {
            identity: self.identity(at),
            intents: Vec::new(),
            goal: None,
            pins: Vec::new(),
            commit: None,
            revert: None,
            package: None,
            services: Vec::new(),
            unknown: Unknown::new(),
        }
    }
}

/// Index of an environment.
pub fn index(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).expect("a known environment")
}

pub fn verified(version: u8, run: &str) -> VerifiedSet {
    VerifiedSet {
        version: version.to_string(),
        values: Vec::new(),
        commit: "0".repeat(40).parse().expect("40 digits"),
        run: RunId(run.to_owned()),
        at: NOW,
        standing: Standing::Good,
        package: None,
        unknown: Unknown::new(),
    }
}

pub fn number(version: &str) -> u8 {
    version.parse().expect("versions of the model are numbers")
}

fn rollback(to: Option<String>) -> RunKind {
    RunKind::Rollback { to, mends: None, reject: Rejection::Keep, left: None, frozen: FrozenBy::Obey }
}

fn ticket(
    key: &str,
    kind: RunKind,
    priority: Priority,
    version: String,
    environments: Vec<EnvironmentPart>,
) -> Ticket {
    Ticket {
        schema: 1,
        run: RunId(key.to_owned()),
        number: 0,
        key: key.to_owned(),
        kind,
        pipeline: String::new(),
        dataset: DATASET.to_owned(),
        version,
        set: Vec::new(),
        actor: String::new(),
        ci: None,
        config: String::new(),
        priority,
        driver: Driver { epoch: 0, who: String::new(), beat: 0 },
        lives: Lives::Process,
        state: State::Waiting,
        stages: vec![StageRecord { environments, gates: Vec::new() }],
        attempt: 1,
        notify: Announced::default(),
        adopts: None,
        cancel: None,
        fault: None,
        idle: None,
        times: Times { entered: NOW, started: None, verified: None },
        unknown: Unknown::new(),
    }
}
