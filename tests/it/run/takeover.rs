//! Runs whose driver is gone: resume, takeover, reconcile.

use super::*;
use crate::chat::Mood;
use crate::transport::{git, git_command};
use crate::world::{NEW, QUEUE, Signal};

/// int is on [`OLD`]; a run to [`NEW`] was killed in its gate.
fn killed() -> World {
    let world = int();
    world.ttl("3s");
    hanging(&world, NEW).kill();
    world.gate("int-test").passes();
    assert_eq!(world.versions("int"), [NEW]);
    world
}

#[test]
fn resume_carries_a_killed_run_forward() {
    let world = killed();
    let commits = world.log("main").len();
    world.datapin(&["resume"]).by("bob").run().code(0);
    ended(&world, NEW, "verified");
    assert_eq!((world.verified_on("int").as_deref(), world.log("main").len()), (Some(NEW), commits));
}

#[test]
fn resume_waits_until_the_driver_is_silent_unless_forced() {
    let world = int();
    world.ttl("1h");
    hanging(&world, NEW).kill();
    world.gate("int-test").passes();
    let number = world.queue().tickets[0]["number"].to_string();
    let mut polite = world.datapin(&["resume", &number]).by("carl").spawn();
    world.datapin(&["resume", &number, "--force"]).by("bob").run().code(0);
    assert!(polite.runs() || world.verified_on("int").as_deref() == Some(NEW));
    polite.kill();
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn the_next_in_line_takes_a_killed_run_back_and_then_starts_its_own() {
    let world = killed();
    world.datapin(&["deploy", "int", LATER]).by("bob").run().code(0).says("#");
    assert_eq!(history(&world)[1..], pairs(&[(NEW, "rolled-back"), (LATER, "verified")]));
    let line = &world.queue().history[1];
    assert_eq!(line["cause"]["kind"], "abandoned", "{line:#}");
    let subjects = world.subjects();
    assert_eq!(subjects[0], format!("data(int): timetable {LATER}"));
    assert!(subjects[1].starts_with("Revert"), "{subjects:?}");
}

#[test]
fn reconcile_finishes_a_killed_run() {
    let world = killed();
    world.datapin(&["reconcile"]).by("bob").run().code(0).says("rolled back");
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn reconcile_leaves_a_run_alone_that_lives() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, NEW);
    world.datapin(&["reconcile"]).by("bob").run().code(0).says("nothing was left");
    world.gate("int-test").passes();
    running.wait(LONG).code(0);
}

#[test]
fn a_driver_that_wakes_up_finds_its_run_taken() {
    let world = int();
    world.ttl("3s");
    let sleeper = hanging(&world, NEW);
    sleeper.signal(Signal::STOP);
    world.gate("int-test").passes();
    world.datapin(&["deploy", "int", LATER]).by("bob").run().code(0);
    let tip = world.tip("main");
    sleeper.signal(Signal::CONT);
    sleeper.wait(LONG).code(18);
    assert_eq!((world.tip("main"), world.versions("int")), (tip, vec![LATER.into()]));
    assert_eq!(history(&world)[1..], pairs(&[(NEW, "rolled-back"), (LATER, "verified")]));
}

#[test]
fn a_run_killed_on_its_way_back_is_finished_backwards() {
    let world = int();
    world.ttl("3s");
    let mut running = hanging(&world, NEW);
    world.service("int", "kv").is_stuck();
    world.gate("int-test").fails();
    world.until("the revert is there", LONG, || world.subjects()[0].starts_with("Revert"));
    running.kill();
    world.service("int", "kv").heals();
    world.gate("int-test").passes();
    world.datapin(&["resume"]).by("bob").run().code(11);
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn a_run_killed_after_it_was_verified_is_finished_forwards() {
    let world = World::new().with_chat();
    world.ttl("3s");
    world.verified("int", OLD);
    world.gate("int-test").hangs();
    let mut running = world.datapin(&["deploy", "int", NEW]).spawn();
    world.until("the gate begins", LONG, || world.gate("int-test").began() == [OLD, NEW]);
    // The end is announced after the commit point and before the ticket goes.
    world.chat().behave(Mood::Hanging);
    world.gate("int-test").passes();
    world.until("it is verified", LONG, || world.verified_on("int").as_deref() == Some(NEW));
    running.kill();
    world.chat().behave(Mood::Well);
    assert_eq!(world.queue().tickets.len(), 1, "not finished");
    world.datapin(&["deploy", "int", LATER]).by("bob").run().code(0);
    assert_eq!(history(&world)[1..], pairs(&[(NEW, "verified"), (LATER, "verified")]));
    assert!(!world.subjects().iter().any(|subject| subject.starts_with("Revert")));
}

#[test]
fn an_environment_that_the_next_in_line_does_not_know_is_frozen() {
    let world = World::new();
    world.ttl("3s");
    world.verified("data-test", OLD);
    world.gate("data-test").hangs();
    let mut running = world.datapin(&["deploy", "data-test", NEW]).spawn();
    world.until("the gate begins", LONG, || world.gate("data-test").began().len() == 2);
    running.kill();
    world.gate("data-test").passes();
    let narrow = world.another_config("narrow.toml", |text| {
        text["environment"].as_table_mut().unwrap().remove("total-dt");
        text["pipeline"]["data-test"]["stages"] =
            "[{ environment = \"dt\" }]".parse::<toml_edit::Value>().unwrap().into();
    });
    let bot = world.datapin(&["deploy", "data-test", LATER]).by("bob").config(Some(&narrow));
    bot.run().code(0);
    assert_eq!(world.versions("dt"), [LATER], "the one that it knows came out clean");
    assert_eq!(world.freeze("total-dt").unwrap()["origin"]["kind"], "abandoned");
    assert_eq!(world.versions("total-dt"), [NEW], "nobody touched it");
    world.datapin(&["reconcile"]).run().code(0);
    assert_eq!((world.freeze("total-dt"), world.versions("total-dt")), (None, vec![OLD.into()]));
}

#[test]
fn a_ticket_that_was_removed_by_hand_is_put_back_and_rolled_back() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, NEW);
    world.until("the tickets are removed", LONG, || remove_tickets(&world));
    running.wait(LONG).code(16).says("removed by hand");
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

/// A beat may come first.
fn remove_tickets(world: &World) -> bool {
    let checkout = world.checkout(QUEUE);
    git(&checkout, &["rm", "--quiet", "-r", "tickets"]);
    git(&checkout, &["commit", "--quiet", "--message", "away with it"]);
    let push = ["push", "--quiet", "origin", &format!("HEAD:{QUEUE}")];
    git_command(&checkout).args(push).status().unwrap().success()
}

#[test]
fn nothing_to_resume_is_2() {
    let world = int();
    world.datapin(&["resume"]).run().code(2).says("nothing to resume");
    world.datapin(&["resume", "01JUNKNOWN"]).run().code(2).says("01JUNKNOWN");
}
