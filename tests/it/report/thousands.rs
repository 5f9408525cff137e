//! `status`, `history` and `report` where ten thousand runs have finished.
//!
//! What may not grow with the number of runs is counted, not timed: how often the git server is asked. Times are
//! printed, and measured by `cargo bench`.

use std::fmt::Write;
use std::time::Instant;

use crate::transport::{fast_import, git};
use crate::world::{Done, QUEUE, Transport, World};

const RUNS: u64 = 10_000;

/// The line of a run; every 400th is one of `play-koala`, which is the only way to see its last.
fn line(number: u64) -> String {
    let (environment, pipeline) =
        if number % 400 == 1 { ("play-koala", "play-koala") } else { ("int", "int") };
    let month = 1 + number * 10 / RUNS;
    let version = format!("2026.{month:02}.{:02}-{number}", 1 + number % 28);
    let at =
        |second: u64| format!("2026-{month:02}-{:02}T10:{:02}:{:02}Z", 1 + number % 28, number % 60, second);
    serde_json::json!({
        "run": format!("01KB{number:022}"), "number": number,
        "key": format!("gitlab.example.com:7:{number}:int:timetable:{version}"), "attempt": 1,
        "pipeline": pipeline, "environments": [environment], "dataset": "timetable", "version": version,
        "actor": "anna", "finished_by": "https://gitlab.example.com/p/-/jobs/1", "outcome": "verified",
        "commits": [format!("{number:040x}")], "entered": at(1), "started": at(2), "finished": at(40),
    })
    .to_string()
}

/// Adds the history to the queue branch, by one commit.
fn fill(world: &World) {
    let mut months: Vec<String> = vec![String::new(); 12];
    for number in 1..=RUNS {
        let month = usize::try_from(number * 10 / RUNS).unwrap();
        writeln!(months[month], "{}", line(number)).unwrap();
    }
    let mut stream = format!("commit refs/heads/{QUEUE}\n");
    stream += "committer datapin <datapin@localhost> 1796000000 +0000\ndata 5\nmany\n\n";
    stream += &format!("from refs/heads/{QUEUE}^0\n");
    for (month, text) in months.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        let path = format!("history/2026-{:02}.jsonl", month + 1);
        stream += &format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len());
    }
    fast_import(&world.bare(), &stream);
    git(&world.bare(), &["update-server-info"]);
}

/// How often it asked the git server.
fn asked(done: &Done) -> usize {
    done.stderr.matches("the git server").count()
}

/// Runs it in the cache of `who`, tells the time, and gives what it said.
fn timed(world: &World, who: &str, args: &[&str]) -> Done {
    let begun = Instant::now();
    let done = world.datapin(&[args, &["-vv"]].concat()).by(who).run();
    println!("{who} cache: datapin {}: {} ms", args.join(" "), begun.elapsed().as_millis());
    done.code(0)
}

#[test]
fn ten_thousand_runs_cost_no_more_questions() {
    let world = World::over(Transport::Http);
    fill(&world);
    for who in ["cold", "cold-too"] {
        // the same bot again finds what it fetched before
        for _ in 0..2 {
            let status = timed(&world, who, &["status"]);
            assert!(status.stdout.contains("play-koala"), "{}", status.stdout);
            assert!(
                status.stdout.contains("#9601"),
                "the last run of play-koala is found:\n{}",
                status.stdout
            );
            assert!(asked(&status) <= 3, "queue, target, default branch; once each:\n{}", status.stderr);
        }
    }
    let history = timed(&world, "other", &["history", "--limit", "3"]);
    assert_eq!(history.stdout.lines().count(), 4, "{}", history.stdout);
    assert!(asked(&history) <= 2, "{}", history.stderr);
    let all = timed(&world, "other", &["history", "--limit", "100000", "--output", "json"]);
    let all: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(all["runs"].as_array().map(Vec::len), usize::try_from(RUNS).ok());
    let page = timed(&world, "other", &["report", "--environment", "int"]);
    assert!(asked(&page) <= 2, "{}", page.stderr);
}
