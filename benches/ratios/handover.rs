//! (d) What the next in line asks of the server once the holder's release is visible.
//!
//! The holder is ours, the waiting bots are the real program, each behind a proxy that tells its requests.

use std::time::{Duration, Instant};

use crate::Extent;
use crate::measure::{median, millis};
use crate::proxy::{Kind, Proxy};
use crate::queue::{Bot, finish, hold, runtime, store, ticket, until};
use crate::table::Table;
use crate::world::{QUEUE, World, config};

pub fn measure(extent: Extent, table: &mut Table) {
    let world = World::new();
    let bare = world.environments("env.git", 10);
    let (mut operations, mut times) = (Vec::new(), Vec::new());
    let rounds = extent.of(9, 4);
    runtime().block_on(async {
        let ours = store(&world, &bare.display().to_string(), "ours");
        ours.create().await.unwrap();
        let mut number = hold(&ours, &ticket("127.0.0.1/git/env", "1")).await;
        for round in 0..rounds {
            let proxy = Proxy::start(world.server.port());
            let url = format!("http://127.0.0.1:{}/git/env.git", proxy.port());
            let home = world.path(&format!("bot-{round}"));
            let _bot = Bot::start(&home, &config(&url, "5m"), &format!("2026.12.01-{round}"));
            let seen = until(&ours, "a bot enters", |queue| queue.tickets.len() == 2).await;
            let next = *seen.tickets.keys().next_back().unwrap();
            // it has looked, and waits
            proxy_is_quiet(&proxy).await;
            proxy.seen();
            let begun = Instant::now();
            finish(&ours, number).await;
            until(&ours, "the next one starts", |queue| {
                queue.tickets.get(&next).is_some_and(|ticket| ticket.state.holds())
            })
            .await;
            times.push(millis(begun.elapsed()) / 1000.0);
            operations.push(count(&proxy.seen()));
            number = next;
        }
    });
    let most = operations.iter().copied().max().unwrap_or(0);
    let operations: Vec<f64> = operations.into_iter().map(|count| count as f64).collect();
    let measured = format!("{} (most: {most})", median(&operations));
    table.goal("git operations from the release to the next one's start", &measured, "≤ 3", most <= 3);
    table.tell("time from the release to the next one's start", &format!("{:.1} s", median(&times)));
}

/// Fetches and pushes up to the one that starts it. A look that finds nothing new is one too, and so is one that
/// came between the count's begin and the release.
fn count(seen: &[Kind]) -> usize {
    let starts = seen.iter().position(|kind| *kind == Kind::Push(QUEUE.to_owned()));
    let until_start = &seen[..starts.map_or(seen.len(), |at| at + 1)];
    until_start.iter().filter(|kind| matches!(kind, Kind::Refs | Kind::PushRefs)).count()
}

async fn proxy_is_quiet(proxy: &Proxy) {
    let begun = Instant::now();
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_millis(400) && begun.elapsed() < Duration::from_secs(20) {
        if !proxy.seen().is_empty() {
            last = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
