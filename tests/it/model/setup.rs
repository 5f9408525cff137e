//! What a configuration of the model consists of.

use std::time::Duration;

use datapin::queue::*;
use jiff::Timestamp;

/// The environments of the model.
pub const NAMES: [&str; 2] = ["x", "y"];
/// The version that both are verified with at the beginning.
pub const FIRST: u8 = 0;
/// The services of an environment of a run that is spread over jobs; as many as there are jobs that deploy one.
pub const SERVICES: [&str; 2] = ["s", "t"];
/// The gate of such a run.
pub const GATE: &str = "g";
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
    /// A job of the CI pipeline that a run is spread over; two of one task are a job and its retry.
    Step(usize, Task),
}

/// What a job of a spread run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Enters, waits, checks.
    Enter,
    /// Deploys this service.
    Deploy(usize),
    /// Runs the gate.
    Gate,
    /// Writes the commit point.
    Record,
    /// Takes this service back.
    Rollback(usize),
    /// Does whatever is left.
    Finish,
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
    /// Somebody cancels the CI pipeline: none of its later jobs runs, and those that run may go on unseen.
    pub pipelines: u8,
    /// Somebody sets `queue.json` back by hand: numbers are given twice.
    pub resets: u8,
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
    /// A report goes to whichever attempt of its run is there.
    AnyAttempt,
    /// A report goes to whichever attempt is there, and counts for the commit that this one watches.
    AnyCommit,
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

    /// The ticket that a job of a CI pipeline enters with.
    pub fn spread_ticket(&self, job: usize, bot: usize, attempt: u32) -> Ticket {
        let job_ticket = self.ticket(&self.jobs[job]);
        // Each entry is a run with an id of its own.
        let run = RunId(format!("{}{attempt}", job_ticket.key));
        let mut ticket = Ticket { run, attempt, lives: Lives::Pipeline(spread(bot)), ..job_ticket };
        let deployed = |at: &usize| self.bots.contains(&Role::Step(job, Task::Deploy(*at)));
        let pending = |at: usize| ServiceRecord {
            name: SERVICES[at].to_owned(),
            state: ServiceState::Pending,
            reason: String::new(),
        };
        for part in ticket.parts_mut() {
            part.services = (0..SERVICES.len()).filter(deployed).map(pending).collect();
        }
        ticket.stages[0].gates = vec![GateRecord {
            name: GATE.to_owned(),
            verdict: None,
            summary: String::new(),
            url: String::new(),
            asks: None,
            approval: None,
            seen: None,
        }];
        ticket
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

/// The one pipeline, where this job acts.
pub fn spread(bot: usize) -> Spread {
    let text = String::new;
    Spread { host: text(), project: text(), pipeline: text(), job: Some(bot.to_string()) }
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
