//! (k) What a kept repository is after it was fetched for long: does it only grow?

use std::path::Path;

use crate::Extent;
use crate::measure::{median, timed};
use crate::table::Table;
use crate::world::{World, values};

pub fn measure(extent: Extent, table: &mut Table) {
    let fetches = extent.of(1000, 200);
    let world = World::new();
    let bare = world.environments("env.git", 100);
    let repo = world.repo(&world.server.url("env.git"), "ours");
    let mut times = Vec::new();
    for number in 0..fetches {
        commit(&bare, number);
        times.push(timed(|| repo.fetch("main").unwrap().unwrap()).0);
    }
    let (first, last) = (median(&times[1..=50]), median(&times[fetches - 50..]));
    let packs = files(&world.path("caches/ours"), "pack");
    table.tell("a fetch: the first 50, the last 50", &format!("{first:.1}, {last:.1} ms"));
    table.tell("slowest fetch", &format!("{:.0} ms", times[1..].iter().copied().fold(0.0, f64::max)));
    table.at_most(&format!("the last 50 of {fetches}, of the first 50"), last / first, 1.3);
    table.goal("packs in the kept repository", &packs.to_string(), "≤ 100", packs <= 100);
}

/// Somebody changes a file.
fn commit(bare: &Path, number: usize) {
    let repo = git2::Repository::open(bare).unwrap();
    let parent = repo.refname_to_id("refs/heads/main").and_then(|tip| repo.find_commit(tip)).unwrap();
    let blob = repo.blob(values("kv", &number.to_string()).as_bytes()).unwrap();
    let mut update = git2::build::TreeUpdateBuilder::new();
    update.upsert("values/int/kv.yaml", blob, git2::FileMode::Blob);
    let tree = update.create_updated(&repo, &parent.tree().unwrap()).unwrap();
    let who = git2::Signature::now("Dev", "dev@example.org").unwrap();
    let tree = repo.find_tree(tree).unwrap();
    repo.commit(Some("refs/heads/main"), &who, &who, "change", &tree, &[&parent]).unwrap();
}

fn files(dir: &Path, extension: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .map(|path| match path.is_dir() {
            true => files(&path, extension),
            false => usize::from(path.extension().is_some_and(|found| found == extension)),
        })
        .sum()
}
