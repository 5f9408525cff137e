//! Runs of the real binary: one test a behaviour.

mod cancel;
mod deploy;
mod gates;
mod line;
mod outside;
mod policy;
mod rollback;
mod takeover;

use std::time::Duration;

use serde_json::Value;

use crate::world::{Bot, OLD, Running, World};

/// Long enough for a loaded machine.
const LONG: Duration = Duration::from_secs(30);
/// A version between the usual ones.
const MID: &str = "2026.11.22-1";
/// A later version.
const LATER: &str = "2026.11.24-1";

/// A world where int is verified on [`OLD`].
fn int() -> World {
    let world = World::new();
    world.verified("int", OLD);
    world
}

/// Starts a run of int that hangs in its gate.
fn hanging(world: &World, version: &str) -> Running {
    hanging_as(world, world.datapin(&["deploy", "int", version]), version)
}

fn hanging_as(world: &World, bot: Bot, version: &str) -> Running {
    world.gate("int-test").hangs();
    let mut running = bot.spawn();
    world.until("the gate begins", LONG, || {
        assert!(running.runs(), "it ended before its gate\n{}{}", running.stdout(), running.stderr());
        world.gate("int-test").began().iter().any(|began| began == version)
    });
    running
}

/// Waits until so many tickets are in the queue.
fn until_tickets(world: &World, count: usize) {
    world.until("a bot enters", LONG, || world.queue().tickets.len() == count);
}

/// Nobody is in the queue; the last line of history.
#[track_caller]
fn ended(world: &World, version: &str, outcome: &str) -> Value {
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "the queue is not empty:\n{queue}");
    let line = queue.history.last().cloned().unwrap();
    assert_eq!((&line["version"], &line["outcome"]), (&version.into(), &outcome.into()), "{line:#}");
    line
}

/// Versions and outcomes of history, oldest first.
fn history(world: &World) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    world.queue().history.iter().map(|line| (word(&line["version"]), word(&line["outcome"]))).collect()
}

/// The same, to compare with.
fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(version, outcome)| ((*version).to_owned(), (*outcome).to_owned())).collect()
}
