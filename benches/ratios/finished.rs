//! (l) `status`, `history` and an environment's report where 10,000 runs have finished.

use std::process::Command;

use crate::Extent;
use crate::measure::{median, run, timed};
use crate::queue::{runtime, store};
use crate::start::PROGRAM;
use crate::table::Table;
use crate::transport::{fast_import, inline};
use crate::world::{QUEUE, World, config};

const RUNS: usize = 10_000;
/// What a person waits for without a thought.
const GOAL: f64 = 2000.0;

const COMMANDS: [&[&str]; 3] = [
    &["status"],
    &["history", "--limit", "10000"],
    &["report", "--environment", "int", "--limit", "10000", "--out", PAGE],
];
const PAGE: &str = "int.html";

pub fn measure(extent: Extent, table: &mut Table) {
    let world = World::new();
    let bare = world.environments("env.git", 100);
    let url = world.server.url("env.git");
    runtime().block_on(store(&world, &url, "maker").create()).unwrap();
    fast_import(&bare, &history());
    std::fs::write(world.path("datapin.toml"), config(&url, "5m")).unwrap();
    for args in COMMANDS {
        let cold: Vec<f64> =
            (0..extent.of(5, 2)).map(|round| once(&world, args, &format!("{}{round}", args[0]))).collect();
        let warm: Vec<f64> =
            (0..extent.of(11, 3)).map(|_| once(&world, args, &format!("{}0", args[0]))).collect();
        for (cache, times) in [("cold", &cold), ("warm", &warm)] {
            let took = median(times);
            let what = format!("`datapin {}`, {cache} cache", args.join(" "));
            table.goal(&what, &format!("{took:.0} ms"), "< 2 s", took < GOAL);
        }
    }
    let page = std::fs::read_to_string(world.path(PAGE)).unwrap();
    assert_eq!(page.matches("<tr><td ").count(), RUNS, "rows of the page");
}

fn once(world: &World, args: &[&str], cache: &str) -> f64 {
    let mut command = Command::new(PROGRAM);
    command.args(args).current_dir(world.path("")).env("DATAPIN_CACHE", world.path("caches").join(cache));
    let (took, done) = timed(|| run(&mut command));
    let lines = String::from_utf8_lossy(&done.stdout).lines().count();
    assert!(args[0] != "history" || lines == RUNS + 1, "a title and {RUNS} runs, not {lines}");
    took
}

/// The history of ten months, on top of the queue.
fn history() -> String {
    let mut stream = format!("commit refs/heads/{QUEUE}\ncommitter Dev <dev@example.org> 1796000000 +0000\n");
    stream += &format!("data 4\nmany\nfrom refs/heads/{QUEUE}^0\n");
    for month in 1..=10 {
        let lines: String = (0..RUNS / 10).map(|at| line(month, (month - 1) * RUNS / 10 + at)).collect();
        stream += &inline("100644", &format!("history/2026-{month:02}.jsonl"), &lines);
    }
    stream
}

fn line(month: usize, number: usize) -> String {
    let at =
        |second: usize| format!("2026-{month:02}-{:02}T10:{:02}:{second:02}Z", 1 + number % 28, number % 60);
    let line = serde_json::json!({
        "run": format!("01KB{number:022}"), "number": number, "key": format!("gitlab.example.com:7:{number}"),
        "attempt": 1, "pipeline": "int", "environments": ["int"], "dataset": "timetable",
        "version": format!("2026.{month:02}.{number}"), "actor": "anna", "finished_by": "runner",
        "outcome": "verified", "commits": [format!("{number:040x}")],
        "entered": at(1), "started": at(2), "finished": at(40),
    });
    format!("{line}\n")
}
