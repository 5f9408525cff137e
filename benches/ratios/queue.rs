//! A queue on a branch: its stores, its tickets, and what the server's own copy of it says.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datapin::queue::{
    Announced, Driver, EnvironmentPart, Identity, Lives, OnNewer, Outcome, Priority, Queue, RunId, RunKind,
    ServiceRecord, ServiceState, StageRecord, State, Store, Ticket, Times, Unknown,
};
use jiff::Timestamp;

use crate::start::PROGRAM;
use crate::world::{QUEUE, SERVICES, World};

/// The queue behind a URL or path, as a bot with a cache of that name sees it.
pub fn store(world: &World, url: &str, cache: &str) -> Store {
    let repo = Arc::new(world.repo(url, cache));
    Store::new(repo, QUEUE, Duration::from_secs(120), datapin::report::page)
}

/// A deployment of `int`, as a bot enters with it.
pub fn ticket(repository: &str, version: &str) -> Ticket {
    let run = RunId::generate();
    let service = |name: &str| ServiceRecord {
        name: name.to_owned(),
        state: ServiceState::Pending,
        reason: String::new(),
    };
    let part = EnvironmentPart {
        identity: Identity {
            repository: repository.to_owned(),
            branch: "main".to_owned(),
            name: "int".to_owned(),
        },
        intents: Vec::new(),
        goal: None,
        pins: Vec::new(),
        commit: None,
        revert: None,
        package: None,
        services: SERVICES.map(service).to_vec(),
        unknown: Unknown::new(),
    };
    Ticket {
        schema: 1,
        key: run.to_string(),
        run,
        number: 0,
        kind: RunKind::Deploy,
        pipeline: "int".to_owned(),
        dataset: "timetable".to_owned(),
        version: version.to_owned(),
        set: Vec::new(),
        actor: "bench".to_owned(),
        ci: None,
        config: "0".repeat(40),
        priority: Priority::Normal,
        driver: Driver { epoch: 0, who: "bench".to_owned(), beat: 0 },
        lives: Lives::Process,
        state: State::Waiting,
        stages: vec![StageRecord { environments: vec![part], gates: Vec::new() }],
        attempt: 1,
        notify: Announced::default(),
        adopts: None,
        cancel: None,
        fault: None,
        idle: None,
        times: Times { entered: Timestamp::now(), started: None, verified: None },
        unknown: Unknown::new(),
    }
}

/// Enters; the number that it got.
pub async fn enter(store: &Store, ticket: &Ticket) -> u64 {
    let subject = format!("{} {} {} enters", ticket.title(), ticket.dataset, ticket.version);
    let entered = store.change(&subject, |queue| queue.enter(ticket, OnNewer::Queue, Timestamp::now()));
    entered.await.unwrap().number()
}

/// Enters and starts.
pub async fn hold(store: &Store, ticket: &Ticket) -> u64 {
    let number = enter(store, ticket).await;
    let subject = format!("#{number} starts");
    store.change(&subject, |queue| queue.start(number, "bench", Timestamp::now())).await.unwrap();
    number
}

/// One sign of life.
pub async fn beat(store: &Store, number: u64) {
    let subject = format!("#{number} beats");
    let done = store.change(&subject, |queue| {
        let epoch = queue.ticket(number)?.driver.epoch;
        queue.decide(number, epoch, |_| {})
    });
    done.await.unwrap();
}

/// Ends a started run.
pub async fn finish(store: &Store, number: u64) {
    let subject = format!("#{number} ends");
    let done = store.change(&subject, |queue| {
        let epoch = queue.ticket(number)?.driver.epoch;
        queue.finish(number, epoch, Outcome::Verified, Vec::new(), Timestamp::now())
    });
    done.await.unwrap();
}

/// Waits until the queue is so, 120 s at most; gives what it saw.
pub async fn until(store: &Store, what: &str, so: impl Fn(&Queue) -> bool) -> Arc<Queue> {
    let begun = Instant::now();
    loop {
        let queue = store.read().await.unwrap().queue;
        if so(&queue) {
            return queue;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{what}: not within 120 s; {} tickets",
            queue.tickets.len()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A runtime as the program has it.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// A real bot that deploys to `int`; it is killed when it is dropped.
pub struct Bot(Child);

impl Bot {
    pub fn start(home: &Path, config: &str, version: &str) -> Self {
        std::fs::create_dir_all(home).unwrap();
        let file = home.join("datapin.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("TMPDIR", home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("DATAPIN_ACTOR", "bench")
            .arg("--config")
            .arg(file)
            .args(["deploy", "int", version])
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(home.join("out")).unwrap())
            .stderr(std::fs::File::create(home.join("err")).unwrap());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
