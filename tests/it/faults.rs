//! Faults of the wire and of the machine: the real binary against a real git server, with a proxy in between.

mod cache;
mod proxy;
mod restart;
mod server;
mod sweep;
mod tls;
mod wire;

use std::time::Duration;

use toml_edit::value;

use crate::world::{OLD, Running, World};
use proxy::Proxy;
use server::Server;

/// Long enough for a loaded machine.
const LONG: Duration = Duration::from_secs(90);
/// A later version.
const LATER: &str = "2026.11.24-1";

/// A world whose bots reach the repository through a proxy in front of a git server.
struct Line {
    world: World,
    server: Server,
    proxy: Proxy,
}

impl Line {
    /// int is verified on [`OLD`].
    fn new() -> Self {
        let world = World::new();
        let server = Server::start(world.dir(), None);
        let proxy = Proxy::start(server.port());
        let url = format!("http://127.0.0.1:{}/git/environments.git", proxy.port());
        world.config(|text| text["repository"]["url"] = value(url));
        world.verified("int", OLD);
        Self { world, server, proxy }
    }
}

/// Starts a run that hangs in int's gate.
fn hanging(world: &World, version: &str) -> Running {
    world.gate("int-test").hangs();
    let mut running = world.datapin(&["deploy", "int", version]).spawn();
    until_gate(world, &mut running, version);
    running
}

fn until_gate(world: &World, running: &mut Running, version: &str) {
    world.until("the gate begins", LONG, || {
        assert!(running.runs(), "it ended before its gate\n{}{}", running.stdout(), running.stderr());
        world.gate("int-test").began().iter().any(|began| began == version)
    });
}

/// Nobody is in the queue, and the last line of history is this.
#[track_caller]
fn ended(world: &World, version: &str, outcome: &str) {
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "the queue is not empty:\n{queue}");
    let line = queue.history.last().cloned().unwrap();
    assert_eq!((&line["version"], &line["outcome"]), (&version.into(), &outcome.into()), "{line:#}");
}

/// How many commits of main have this subject.
fn count(world: &World, subject: &str) -> usize {
    world.subjects().iter().filter(|other| *other == subject).count()
}
