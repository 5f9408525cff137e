//! A pipeline that is over in the middle of its run: found by GitLab's word.

use std::time::Duration;

use toml_edit::value;

use super::jobs::{Runner, publish};
use crate::world::{NEW, OLD, World};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn where_nobody_can_be_asked_reconcile_notes_the_silence_and_a_later_one_finishes() {
    let world = World::new();
    world.config(|text| text["queue"]["default"]["step_idle_ttl"] = value("3s"));
    publish(&world);
    world.verified("int", OLD);
    let runner = Runner::new(&world, "81");
    runner.step(&["enter", "int", NEW]).code(0);
    runner.step(&["deploy", "int", "mds"]).code(0);
    world.datapin(&["reconcile"]).by("cron").run().code(0).says("nothing was left");
    assert!(!world.queue().tickets[0]["idle"].is_null(), "{}", world.queue());
    world.until("the silence is long enough", SOON, || {
        world.datapin(&["reconcile"]).by("cron").run().code(0);
        world.queue().tickets.is_empty()
    });
    let line = world.last();
    assert_eq!((&line["outcome"], &line["cause"]["kind"]), (&"rolled-back".into(), &"abandoned".into()));
    assert_eq!(world.versions("int"), [OLD]);
    runner.step(&["deploy", "int", "kv"]).code(20).says("rolled back");
}
