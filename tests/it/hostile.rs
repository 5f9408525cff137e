//! Hostile histories: people who push, rewrite, delete and edit by hand while the real binary runs.

mod branch;
mod garbage;
mod person;
mod queue;
mod schema;
mod ticket;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::transport::{git, git_command};
use crate::world::{Bot, OLD, QUEUE, Running, World};

/// Long enough for a loaded machine.
const LONG: Duration = Duration::from_secs(60);
/// A version that a person pins.
const THEIRS: &str = "2026.11.21-9";
/// A later version.
const LATER: &str = "2026.11.24-1";

/// A world where int is verified on [`OLD`].
fn int() -> World {
    let world = World::new();
    world.verified("int", OLD);
    world
}

/// Starts a run that hangs in a gate.
fn hanging(world: &World, bot: Bot, gate: &str, version: &str) -> Running {
    world.gate(gate).hangs();
    let mut running = bot.spawn();
    world.until("the gate begins", LONG, || {
        assert!(running.runs(), "it ended before its gate\n{}{}", running.stdout(), running.stderr());
        world.gate(gate).began().iter().any(|began| began == version)
    });
    running
}

/// Starts a run that waits until the agent has rolled it out, which it does not.
fn syncing(world: &World, version: &str) -> Running {
    for service in ["mds", "fbv", "kv", "remo"] {
        world.service("int", service).is_stuck();
    }
    let running = world.datapin(&["deploy", "int", version]).spawn();
    world.until("the run waits for the agent", LONG, || {
        world.state() == "sync" && world.versions("int") == [version]
    });
    running
}

fn heal(world: &World) {
    for service in ["mds", "fbv", "kv", "remo"] {
        world.service("int", service).heals();
    }
}

/// Nobody is in the queue, and the last line of history is this.
#[track_caller]
fn ended(world: &World, version: &str, outcome: &str) -> Value {
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "the queue is not empty:\n{queue}");
    let line = queue.history.last().cloned().unwrap();
    assert_eq!((&line["version"], &line["outcome"]), (&version.into(), &outcome.into()), "{line:#}");
    line
}

/// A person's commit is on main as it was pushed.
#[track_caller]
fn untouched(world: &World, person: &str) {
    let log = world.log("main");
    let found = log.iter().find(|commit| commit.id == person);
    assert!(found.is_some_and(|commit| commit.author == "Dev"), "{person} is not on main: {log:#?}");
}

/// Versions of the services mds, fbv, kv, remo of int.
fn pins(world: &World) -> [String; 4] {
    ["mds", "fbv", "kv", "remo"].map(|service| world.pinned("int", service))
}

/// A person's commit on the queue branch: `change` edits its files. Tried again while bots write there.
fn edit_queue(world: &World, mut change: impl FnMut(&Path)) {
    for _ in 0..50 {
        let checkout = queue_checkout(world);
        change(&checkout);
        git(&checkout, &["add", "--all"]);
        git(&checkout, &["commit", "--quiet", "--message", "by hand"]);
        let pushed =
            git_command(&checkout).args(["push", "--quiet", "origin", &format!("HEAD:{QUEUE}")]).output();
        if pushed.unwrap().status.success() {
            return;
        }
    }
    panic!("the queue could not be edited");
}

fn queue_checkout(world: &World) -> PathBuf {
    let checkout = world.dir().join("by-hand");
    if !checkout.exists() {
        let bare = world.bare().display().to_string();
        git(world.dir(), &["clone", "--quiet", "--branch", QUEUE, &bare, "by-hand"]);
    }
    git(&checkout, &["fetch", "--quiet", "origin", QUEUE]);
    git(&checkout, &["checkout", "--quiet", "--force", "-B", "work", "FETCH_HEAD"]);
    git(&checkout, &["clean", "--quiet", "-fdx"]);
    checkout
}

/// A person's edit of one JSON file of the queue branch.
pub fn edit_json(world: &World, file: impl Fn(&Path) -> PathBuf, mut change: impl FnMut(&mut Value)) {
    edit_queue(world, |dir| {
        let path = file(dir);
        let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(&path, serde_json::to_string_pretty(&json).unwrap()).unwrap();
    });
}

/// The file of the ticket with the highest number.
pub fn last_ticket(dir: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("tickets")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.pop().unwrap()
}

/// Tips of all branches but the queue's.
fn branches(world: &World) -> Vec<String> {
    let all = git(&world.bare(), &["for-each-ref", "--format=%(refname) %(objectname)"]);
    all.lines().filter(|line| !line.contains(QUEUE)).map(str::to_owned).collect()
}
