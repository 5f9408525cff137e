//! (f) A queue with 100,000 commits behind it against one with 100.

use std::fmt::Write as _;

use datapin::queue::{HistoryLine, Outcome, Store};
use jiff::{SignedDuration, Timestamp};

use crate::Extent;
use crate::measure::{median, millis, ratio};
use crate::queue::{beat, enter, finish, hold, runtime, store, ticket};
use crate::table::Table;
use crate::transport::{fast_import, git, inline};
use crate::world::{QUEUE, World};

/// A run: enter, start, intent, verified, finish.
const COMMITS_OF_A_RUN: usize = 5;
/// So many runs end in one month.
const RUNS_OF_A_MONTH: usize = 800;

pub fn measure(extent: Extent, table: &mut Table) {
    let world = World::new();
    let long = extent.of(100_000, 20_000);
    make(&world, "short.git", 100);
    make(&world, "long.git", long);
    let mut short = Times::default();
    let mut after = Times::default();
    runtime().block_on(async {
        for round in 0..extent.of(9, 3) {
            short.round(&world, "short.git", round).await;
            after.round(&world, "long.git", round).await;
        }
    });
    for (what, of, to) in [
        ("enter, with an empty cache", &after.cold, &short.cold),
        ("enter", &after.enter, &short.enter),
        ("beat", &after.beat, &short.beat),
        ("finish", &after.finish, &short.finish),
        ("history, the last 50", &after.history, &short.history),
    ] {
        let times = format!("{:.0} / {:.0} ms", median(of), median(to));
        table.tell(&format!("{what}: after {long} / 100 commits"), &times);
        let ratio = ratio(of, to);
        // what two equal things differ by on a machine that does other things too
        table.goal(
            &format!("{what}: of that with 100"),
            &format!("{ratio:.2} ×"),
            "no slower (≤ 1.15 ×)",
            ratio <= 1.15,
        );
    }
}

#[derive(Default)]
struct Times {
    cold: Vec<f64>,
    enter: Vec<f64>,
    beat: Vec<f64>,
    finish: Vec<f64>,
    history: Vec<f64>,
}

impl Times {
    async fn round(&mut self, world: &World, name: &str, round: usize) {
        let new = |what: &str| -> Store {
            store(world, &world.server.url(name), &format!("{name}-{what}-{round}"))
        };
        let (cold, warm) = (new("cold"), new("warm"));
        let number = hold(&warm, &ticket("bench", "1")).await;
        let begun = std::time::Instant::now();
        enter(&cold, &ticket("bench", "2")).await;
        self.cold.push(millis(begun.elapsed()));
        warm.read().await.unwrap();
        let begun = std::time::Instant::now();
        enter(&warm, &ticket("bench", "3")).await;
        self.enter.push(millis(begun.elapsed()));
        let begun = std::time::Instant::now();
        beat(&warm, number).await;
        self.beat.push(millis(begun.elapsed()));
        let begun = std::time::Instant::now();
        let lines = warm.history(|lines| lines.len() >= 50).await.unwrap();
        self.history.push(millis(begun.elapsed()));
        assert!(lines.len() >= 20);
        let begun = std::time::Instant::now();
        finish(&warm, number).await;
        self.finish.push(millis(begun.elapsed()));
        // the next round begins with an empty line
        let emptied = warm.change("empties the line", |queue| {
            for number in queue.tickets.keys().copied().collect::<Vec<_>>() {
                queue.leave(number, Outcome::GaveUp, "bench", Timestamp::now())?;
            }
            Ok(())
        });
        emptied.await.unwrap();
    }
}

/// A queue branch of so many commits, with every run in its history. The file of a month comes with its last run: what
/// it was in between weighs on the server's disk only.
fn make(world: &World, name: &str, commits: usize) {
    let bare = world.bare(name);
    let url = world.server.url(name);
    runtime().block_on(async { store(world, &url, &format!("{name}-first")).create().await }).unwrap();
    let runs = commits / COMMITS_OF_A_RUN;
    let begin = Timestamp::from_second(1_700_000_000).unwrap();
    let mut stream = String::with_capacity(commits * 1200);
    let (mut month, mut lines) = (0, String::new());
    for run in 0..runs {
        let at = begin + SignedDuration::from_mins(i64::try_from(run).unwrap());
        let ticket = ticket("bench", &format!("2026.01.01-{run}"));
        let file = format!("tickets/{:06}-{}.json", run + 1, ticket.run);
        let json = serde_json::to_string_pretty(&ticket).unwrap();
        let line = HistoryLine::of(&ticket, Outcome::Verified, "bench", at);
        let _ = writeln!(lines, "{}", serde_json::to_string(&line).unwrap());
        for step in 0..COMMITS_OF_A_RUN {
            head(&mut stream, at, run == 0 && step == 0);
            if step + 1 < COMMITS_OF_A_RUN {
                stream +=
                    &inline("100644", &file, &json.replace("\"beat\": 0", &format!("\"beat\": {step}")));
            } else {
                let _ = writeln!(stream, "D {file}");
            }
        }
        if (run + 1) % RUNS_OF_A_MONTH == 0 || run + 1 == runs {
            let file = format!("history/{:04}-{:02}.jsonl", 2020 + month / 12, month % 12 + 1);
            stream += &inline("100644", &file, &lines);
            (month, lines) = (month + 1, String::new());
        }
    }
    fast_import(&bare, &stream);
    let count = git(&bare, &["rev-list", "--count", QUEUE]);
    assert_eq!(count, (runs * COMMITS_OF_A_RUN + 1).to_string());
}

fn head(stream: &mut String, at: Timestamp, first: bool) {
    let _ = write!(
        stream,
        "commit refs/heads/{QUEUE}\ncommitter Dev <dev@example.org> {} +0000\n",
        at.as_second()
    );
    *stream += "data 6\nqueue\n";
    if first {
        let _ = writeln!(stream, "from refs/heads/{QUEUE}^0");
    }
}
