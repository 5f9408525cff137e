//! (c) 50 bots enter one queue at once, each with a kept repository of its own.

use std::path::Path;

use datapin::queue::Store;

use crate::Extent;
use crate::measure::{median, ratio, timed};
use crate::queue::{enter, runtime, store, ticket};
use crate::table::Table;
use crate::transport::git;
use crate::world::{QUEUE, World};

const BOTS: usize = 50;

pub fn measure(extent: Extent, table: &mut Table) {
    let world = World::new();
    let (mut pushes, mut turns, mut together) = (Vec::new(), Vec::new(), Vec::new());
    let mut ordered = true;
    for round in 0..extent.of(5, 2) {
        pushes.push(one_after_another(&world, round));
        turns.push(in_turn(&world, round));
        let (took, kept) = at_once(&world, round);
        together.push(took);
        ordered &= kept;
    }
    let seconds = |times: &[f64]| format!("{:.2} s", median(times) / 1000.0);
    table.tell("50 pushes one after another, by one bot", &seconds(&pushes));
    table.tell("50 bots enter one after another: a fetch and a push each", &seconds(&turns));
    table.tell("50 bots enter at once", &seconds(&together));
    table.at_most("at once, of 50 pushes one after another", ratio(&together, &pushes), 2.0);
    let words = if ordered { "all 50, in order" } else { "not so" };
    table.goal("none lost, numbers in the order of the commits", words, "all", ordered);
}

/// One bot pushes 50 entries, knowing the queue.
fn one_after_another(world: &World, round: usize) -> f64 {
    let name = format!("pushes-{round}.git");
    let [store] = queue_of(world, &name, 1).try_into().unwrap();
    runtime().block_on(async {
        store.read().await.unwrap();
        let begun = std::time::Instant::now();
        for _ in 0..BOTS {
            enter(&store, &ticket("bench", "1")).await;
        }
        crate::measure::millis(begun.elapsed())
    })
}

fn in_turn(world: &World, round: usize) -> f64 {
    let stores = queue_of(world, &format!("turns-{round}.git"), BOTS);
    let runtime = runtime();
    timed(|| {
        for store in &stores {
            runtime.block_on(enter(store, &ticket("bench", "1")));
        }
    })
    .0
}

/// How long it took, and whether all came in, in order.
fn at_once(world: &World, round: usize) -> (f64, bool) {
    let name = format!("together-{round}.git");
    let stores = queue_of(world, &name, BOTS);
    let (took, mut numbers) = timed(|| {
        runtime().block_on(async {
            let enters = stores
                .into_iter()
                .map(|store| tokio::spawn(async move { enter(&store, &ticket("bench", "1")).await }));
            let mut numbers = Vec::new();
            for entered in enters.collect::<Vec<_>>() {
                numbers.push(entered.await.unwrap());
            }
            numbers
        })
    });
    numbers.sort_unstable();
    let expected: Vec<u64> = (1..=BOTS as u64).collect();
    (took, numbers == expected && in_commit_order(&world.path("srv").join(name)) == expected)
}

/// A queue, and so many bots that have fetched it before.
fn queue_of(world: &World, name: &str, bots: usize) -> Vec<Store> {
    world.bare(name);
    let url = world.server.url(name);
    let stores: Vec<Store> = (0..bots).map(|bot| store(world, &url, &format!("{name}-{bot}"))).collect();
    runtime().block_on(async {
        stores[0].create().await.unwrap();
        for store in &stores {
            store.repo().fetch(QUEUE).unwrap();
        }
    });
    stores
}

/// The numbers of the tickets, in the order of the commits that brought them.
fn in_commit_order(bare: &Path) -> Vec<u64> {
    let added = ["log", "--reverse", "--format=", "--name-only", "--diff-filter=A", QUEUE, "--", "tickets"];
    let files = git(bare, &added);
    let number = |file: &str| file.strip_prefix("tickets/")?.split('-').next()?.parse().ok();
    files.lines().filter_map(number).collect()
}
