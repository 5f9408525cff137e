//! Pins that people commit: the real binary on a real repository, with real git for the people.

mod bad;
mod broken;
mod flow;
mod gitlab;
mod line;
mod promoted;
mod propose;
mod protected;
mod refused;
mod request;
mod reverts;

use std::time::Duration;

use serde_json::Value;

use crate::transport::git;
use crate::world::{Bot, Done, NEW, OLD, World};

/// Long enough for a loaded machine.
const LONG: Duration = Duration::from_secs(40);
/// A version between the usual ones.
const MID: &str = "2026.11.22-1";
/// A later version.
const LATER: &str = "2026.11.24-1";
const ZEROS: &str = "0000000000000000000000000000000000000000";
const SERVICES: [&str; 4] = ["mds", "fbv", "kv", "remo"];

/// int is verified on these versions, in order.
fn int_on(versions: &[&str]) -> World {
    let world = World::new();
    for version in versions {
        world.verified("int", version);
    }
    world
}

/// Edits a file of a person's checkout.
fn edit(world: &World, path: &str, from: &str, to: &str) {
    let path = world.dir().join("person").join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

/// A person changes the version of all services of an environment in their checkout, and commits.
fn commit(world: &World, environment: &str, from: &str, to: &str, message: &str) -> String {
    let person = world.dir().join("person");
    for service in SERVICES {
        let path = person.join(format!("values/{environment}/{service}.yaml"));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        assert!(text.contains(from), "{service} is not on {from}:\n{text}");
        // other words of the file may name the version too
        let line = |line: &str| match line.contains("version") {
            true => line.replacen(from, to, 1),
            false => line.to_owned(),
        };
        let lines: Vec<String> = text.split('\n').map(line).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
    }
    git(
        &person,
        &["commit", "--quiet", "--all", "--author", "Petra Pine <petra@example.org>", "--message", message],
    );
    git(&person, &["rev-parse", "HEAD"])
}

fn push(world: &World) -> String {
    let person = world.dir().join("person");
    git(&person, &["push", "--quiet", "origin", "HEAD:main"]);
    git(&person, &["rev-parse", "HEAD"])
}

/// A person bumps an environment on main; the commit.
fn bump(world: &World, environment: &str, from: &str, to: &str) -> String {
    world.checkout("main");
    commit(world, environment, from, to, &format!("{environment}: use {to}"));
    push(world)
}

/// `git …` in a person's fresh checkout of main, pushed; the commit.
fn person(world: &World, args: &[&str]) -> String {
    let checkout = world.checkout("main");
    git(&checkout, args);
    push(world)
}

/// `datapin adopt` of what was pushed between two commits.
fn adopting(world: &World, commit: &str, before: &str) -> Bot {
    world.datapin(&["adopt", commit, "--before", before])
}

fn adopt(world: &World, commit: &str) -> Done {
    adopting(world, commit, ZEROS).run()
}

/// More datasets beside the timetable, by name, service and pipeline. Of each the version is the tag of the service's
/// image.
fn more_datasets(world: &World, named: &[(&str, &str, &str)]) {
    use toml_edit::{Array, InlineTable, Item, Table, value};
    world.config(|text| {
        for (_, pipeline) in text["pipeline"].as_table_mut().unwrap().iter_mut() {
            pipeline["dataset"] = value("timetable");
        }
        for (name, service, pipeline) in named {
            let mut dataset = Table::new();
            dataset["version_pattern"] = value("\\d+\\.\\d+\\.\\d+");
            dataset["services"] = value([*service].into_iter().collect::<Array>());
            let mut pin = InlineTable::new();
            pin.insert("file", "values/{environment}/{service}.yaml".into());
            pin.insert("path", "image.tag".into());
            dataset["pin"] = value(pin);
            text["dataset"][name] = Item::Table(dataset);
            let mut stage = InlineTable::new();
            stage.insert("environment", "int".into());
            let mut table = Table::new();
            table["dataset"] = value(*name);
            table["stages"] = value([stage].into_iter().collect::<Array>());
            text["pipeline"][pipeline] = Item::Table(table);
        }
    });
}

/// Nobody is in the queue; the last line of history has this version and outcome.
#[track_caller]
fn ended(world: &World, version: &str, outcome: &str) -> Value {
    let queue = world.queue();
    assert!(queue.tickets.is_empty(), "the queue is not empty:\n{queue}");
    let line = queue.history.last().cloned().unwrap();
    assert_eq!((&line["version"], &line["outcome"]), (&version.into(), &outcome.into()), "{line:#}");
    line
}

fn rejected(world: &World, environment: &str) -> Vec<String> {
    let all = world.queue().environments[environment]["datasets"]["timetable"]["rejected"].clone();
    let all = all.as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one["version"].as_str().unwrap().to_owned()).collect()
}
