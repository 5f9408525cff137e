//! Eight bots at once over http, twenty rounds. What is checked is what the repository says, not what bots say.

use std::time::Duration;

use toml_edit::{Array, Item, Value, value};

use crate::world::{QUEUE, Running, Transport, World};

const BOTS: usize = 8;
const ROUNDS: usize = 20;
/// A round may take this long on a loaded machine.
const ROUND: Duration = Duration::from_secs(120);

#[test]
fn eight_bots_take_turns() {
    let world = World::over(Transport::Http);
    // Long enough that no load makes a bot look dead; the next in line looks every second.
    world.ttl("20s");
    world.config(|text| text["queue"]["default"]["start_grace"] = value("2m"));
    two_stages(&world);
    for round in 1..=ROUNDS {
        let bots: Vec<Running> = (1..=BOTS).map(|bot| start(&world, round, bot)).collect();
        for bot in bots {
            bot.wait(ROUND).code(0);
        }
    }
    let numbered = all_verified(&world);
    started_in_order(&world, &numbered);
    one_at_a_time(&world, &numbered);
}

/// A pipeline of two stages with one service each: two commits a run, so that two runs at a time would mix.
fn two_stages(world: &World) {
    world.config(|text| {
        text["environment"]["play-test"]["services"] = value(Array::from_iter(["mds"]));
        let stages = "[{ environment = \"play-test\" }, { environment = \"play-koala\" }]";
        text["pipeline"]["bots"]["stages"] = Item::Value(stages.parse::<Value>().unwrap());
        text["pipeline"].as_table_mut().unwrap().remove("play-test");
        text["pipeline"].as_table_mut().unwrap().remove("play-koala");
        text["gate"].as_table_mut().unwrap().remove("play-test");
    });
}

fn version(round: usize, bot: usize) -> String {
    format!("2026.12.{round:02}-{bot}")
}

fn start(world: &World, round: usize, bot: usize) -> Running {
    let version = version(round, bot);
    world.datapin(&["deploy", "bots", &version]).by(&format!("bot-{bot}")).spawn()
}

/// None is lost: each version has one line, verified. The versions by ticket number.
fn all_verified(world: &World) -> Vec<(u64, String)> {
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "{queue}");
    let mut lines: Vec<(u64, String)> = queue
        .history
        .iter()
        .map(|line| {
            assert_eq!(line["outcome"], "verified", "{line:#}");
            (line["number"].as_u64().unwrap(), line["version"].as_str().unwrap().to_owned())
        })
        .collect();
    lines.sort();
    let mut versions: Vec<&String> = lines.iter().map(|(_, version)| version).collect();
    versions.sort();
    let all: Vec<String> =
        (1..=ROUNDS).flat_map(|round| (1..=BOTS).map(move |bot| version(round, bot))).collect();
    assert_eq!(versions, all.iter().collect::<Vec<_>>());
    lines
}

/// First come, first served: by the commits of the queue, the runs start in the order of their tickets.
fn started_in_order(world: &World, numbered: &[(u64, String)]) {
    let mut started: Vec<String> = world
        .log(QUEUE)
        .into_iter()
        .map(|commit| commit.subject)
        .filter(|s| s.ends_with(" starts"))
        .collect();
    started.reverse();
    let wanted: Vec<String> = numbered.iter().map(|(number, _)| format!("queue: #{number} starts")).collect();

    assert_eq!(started, wanted);
}

/// By the commits of main, each run's two commits follow each other, in the order of the tickets, and nothing else
/// was ever pushed there.
fn one_at_a_time(world: &World, numbered: &[(u64, String)]) {
    let mut subjects = world.subjects();
    subjects.reverse();
    let wanted: Vec<String> = numbered
        .iter()
        .flat_map(|(_, version)| {
            ["play-test", "play-koala"].map(|name| format!("data({name}): timetable {version}"))
        })
        .collect();
    assert_eq!(subjects[1..], wanted);
}
