//! (e) Requests a minute by position, with 100 bots in line behind a holder that gives its signs of life.
//!
//! The bots are the real program, each behind a proxy of its own that counts.

use std::time::{Duration, Instant};

use crate::Extent;
use crate::proxy::Proxy;
use crate::queue::{Bot, beat, hold, runtime, store, ticket, until};
use crate::table::Table;
use crate::world::{World, config};

const BOTS: usize = 100;
/// Of the configuration's default: the holder gives a sign of life every third of it.
const TTL: Duration = Duration::from_mins(5);

pub fn measure(extent: Extent, table: &mut Table) {
    let world = World::new();
    let bare = world.environments("env.git", 10);
    let window = Duration::from_secs(extent.of(100, 50));
    let (entered, counts) = runtime().block_on(async {
        let ours = store(&world, &bare.display().to_string(), "ours");
        ours.create().await.unwrap();
        let number = hold(&ours, &ticket("127.0.0.1/git/env", "1")).await;
        let begun = Instant::now();
        let mut line: Vec<(Proxy, Bot)> = Vec::new();
        while line.len() < BOTS {
            // section (c) has them all at once
            line.extend((line.len()..line.len() + 10).map(|number| bot(&world, number)));
            until(&ours, "10 more bots enter", |queue| queue.tickets.len() == line.len() + 1).await;
        }
        let queue = ours.read().await.unwrap().queue;
        let entered = begun.elapsed();
        // those who came last tell where they stand
        tokio::time::sleep(Duration::from_secs(extent.of(10, 3))).await;
        for (proxy, _) in &line {
            proxy.seen();
        }
        // as many as fall into the window, in the middle of their time
        let pause = (TTL / 3).min(window);
        tokio::time::sleep(pause / 2).await;
        beat(&ours, number).await;
        tokio::time::sleep(window.saturating_sub(pause / 2)).await;
        let of = |version: &str| -> usize {
            version.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap()
        };
        let seen: Vec<usize> = line.iter().map(|(proxy, _)| proxy.seen().len()).collect();
        let waiting = queue.tickets.values().filter(|ticket| !ticket.state.holds());
        let counts: Vec<usize> = waiting.map(|ticket| seen[of(&ticket.version)]).collect();
        (entered, counts)
    });
    let minutes = window.as_secs_f64() / 60.0;
    let rate = |counts: &[usize]| counts.iter().sum::<usize>() as f64 / minutes;
    table.tell("100 bots start and enter, ten at a time", &format!("{:.1} s", entered.as_secs_f64()));
    for (at, what) in [(0, "first in line"), (1, "second"), (4, "fifth"), (9, "tenth")] {
        table.tell(&format!("{what}: requests a minute"), &format!("{:.1}", rate(&counts[at..=at])));
    }
    let last = rate(&counts[50..]) / 50.0;
    table.tell("fifty-first to hundredth: requests a minute, each", &format!("{last:.1}"));
    table.tell("the full line: requests a minute", &format!("{:.0}", rate(&counts)));
    table.at_most("the full line, of the first in it", rate(&counts) / rate(&counts[..1]), 10.0);
}

fn bot(world: &World, number: usize) -> (Proxy, Bot) {
    let proxy = Proxy::start(world.server.port());
    let url = format!("http://127.0.0.1:{}/git/env.git", proxy.port());
    let home = world.path(&format!("bot-{number}"));
    let bot = Bot::start(&home, &config(&url, "5m"), &format!("2026.12.01-{number}"));
    (proxy, bot)
}
