//! Whether somebody reconciles: the sign on the queue branch, and what `check --live` says without it.

use datapin::queue::Queue;
use datapin::run::reconcile::late;
use jiff::{Timestamp, ToSpan as _};

use crate::transport::git;
use crate::world::{QUEUE, World};

/// The warnings of `check --live`, which are no failure.
fn warnings(world: &World) -> Vec<String> {
    let json = world.datapin(&["check", "--live", "--output", "json"]).run().code(0).json();
    let all = json["warnings"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// As if the last reconcile had been long ago.
fn grow_old(world: &World) {
    let checkout = world.checkout(QUEUE);
    let path = checkout.join("queue.json");
    let mut head: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    head["reconciled"]["at"] = "2026-01-02T03:04:05Z".into();
    std::fs::write(&path, format!("{head:#}\n")).unwrap();
    git(&checkout, &["commit", "--quiet", "--all", "--message", "long ago"]);
    git(&checkout, &["push", "--quiet", "origin", &format!("HEAD:{QUEUE}")]);
}

#[test]
fn check_live_warns_where_no_reconcile_ran_for_an_hour() {
    let world = World::new();
    let none = "queue `default`: no `datapin reconcile` has ended there yet; let a schedule run it";
    assert!(warnings(&world)[0].starts_with(none), "{:?}", warnings(&world));
    world
        .datapin(&["check", "--live"])
        .run()
        .code(0)
        .says("warning: queue `default`: no `datapin reconcile`");
    let done = world.datapin(&["check"]).run().code(0);
    assert!(!done.stdout.contains("reconcile"), "only --live looks for it: {}", done.stdout);
    world.datapin(&["reconcile"]).run().code(0);
    assert_eq!(warnings(&world), [""; 0]);
    grow_old(&world);
    let old = warnings(&world);
    assert!(
        old[0].contains("ended ") && old[0].contains("days ago, at 2026-01-02 03:04 UTC (by "),
        "{old:?}"
    );
    // one that looked at a single environment says nothing of the others
    world.datapin(&["reconcile", "--environment", "int"]).run().code(0);
    assert_eq!(warnings(&world).len(), 1);
    world.datapin(&["reconcile"]).run().code(0);
    assert_eq!(warnings(&world), [""; 0]);
}

#[test]
fn the_sign_is_one_small_commit_at_most_every_twenty_minutes() {
    let world = World::new();
    let tip = world.tip(QUEUE);
    world.datapin(&["reconcile"]).run().code(0);
    let files = git(&world.bare(), &["diff", "--name-only", &tip, QUEUE]);
    assert_eq!((files.as_str(), world.log(QUEUE).len()), ("queue.json", 2));
    let tip = world.tip(QUEUE);
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    assert_eq!(world.tip(QUEUE), tip);
    // it survives other changes
    world.verified("int", crate::world::NEW);
    assert!(world.queue().queue["reconciled"]["at"].is_string(), "{}", world.queue().queue);
}

#[test]
fn an_hour_is_an_hour() {
    let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let mut queue = Queue::default();
    assert!(late(&queue, "default", now).is_some());
    queue.reconciled("host", now);
    for (minutes, is_late) in [(0, false), (60, false), (61, true), (600, true)] {
        assert_eq!(late(&queue, "default", now + minutes.minutes()).is_some(), is_late, "{minutes}");
    }
    let words = late(&queue, "default", now + 90.minutes()).unwrap();
    assert!(words.contains("1 h 30 min ago, at 2026-11-25 12:00 UTC (by host)"), "{words}");
    // a clock that is behind is no silence
    assert_eq!(late(&queue, "default", now - 90.minutes()), None);
    queue.reconciled("another", now + 19.minutes());
    assert!(queue.reconciled.as_ref().is_some_and(|sign| sign.by == "host"));
    queue.reconciled("another", now + 21.minutes());
    assert!(queue.reconciled.as_ref().is_some_and(|sign| sign.by == "another"));
}
