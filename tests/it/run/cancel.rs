//! Signals and `datapin cancel`.

use super::*;
use crate::world::{NEW, Signal};

#[test]
fn sigterm_while_services_come_up_takes_all_back() {
    let world = int();
    world.service("int", "kv").stalls_on(NEW);
    let running = world.datapin(&["deploy", "int", NEW]).spawn();
    world.until("the pin is there", LONG, || world.pinned("int", "kv") == NEW);
    running.signal(Signal::TERM);
    running.wait(LONG).code(16);
    let line = ended(&world, NEW, "rolled-back");
    assert_eq!(line["cause"]["kind"], "cancelled", "{line:#}");
    assert_eq!(world.versions("int"), [OLD]);
    assert_eq!(world.gate("int-test").began(), [OLD]);
}

#[test]
fn sigint_during_a_gate_takes_all_back_and_ends_the_gate() {
    let world = int();
    let running = hanging(&world, NEW);
    running.signal(Signal::INT);
    running.wait(LONG).code(16);
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
    let script = world.dir().join("gate.sh").display().to_string();
    world.until("the gate's process ends", LONG, || !processes().contains(&script));
}

fn processes() -> String {
    let dirs = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = dirs.filter_map(|dir| std::fs::read(dir.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n").collect()
}

#[test]
fn a_signal_while_it_waits_leaves_the_line() {
    let world = int();
    let first = hanging(&world, NEW);
    let second = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    until_tickets(&world, 2);
    second.signal(Signal::TERM);
    second.wait(LONG).code(16);
    until_tickets(&world, 1);
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
    assert_eq!(history(&world)[1..], pairs(&[(LATER, "stopped"), (NEW, "verified")]));
}

#[test]
fn cancel_is_seen_at_the_next_beat() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, NEW);
    let cancel = world.datapin(&["cancel", "--reason", "wrong data"]).by("bob").run();
    cancel.code(0).says("is asked to cancel");
    running.wait(LONG).code(16).says("cancelled by bob: wrong data");
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn cancel_of_a_waiting_run_takes_it_out_of_the_line() {
    let world = int();
    let first = hanging(&world, NEW);
    let second = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    until_tickets(&world, 2);
    world.datapin(&["cancel"]).run().code(2).says("several runs");
    let number = world.queue().tickets[1]["number"].to_string();
    world.datapin(&["cancel", &number, "--reason", "too early"]).run().code(0);
    second.wait(LONG).code(16).says("too early");
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
}

#[test]
fn cancel_of_nothing_is_2() {
    let world = int();
    world.datapin(&["cancel"]).run().code(2).says("nothing to cancel");
    world.datapin(&["cancel", "99"]).run().code(2).says("99");
}

#[test]
fn a_second_signal_leaves_the_way_back_to_the_next_run() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, NEW);
    world.service("int", "kv").is_stuck();
    running.signal(Signal::TERM);
    world.until("the revert is there", LONG, || world.subjects()[0].starts_with("Revert"));
    running.signal(Signal::TERM);
    running.wait(LONG).code(19);
    assert_eq!(world.queue().tickets.len(), 1, "the record stays");
    world.service("int", "kv").heals();
    world.gate("int-test").passes();
    world.datapin(&["deploy", "int", LATER]).by("bob").run().code(0);
    assert_eq!(history(&world)[1..], pairs(&[(NEW, "rolled-back"), (LATER, "verified")]));
    assert_eq!(world.versions("int"), [LATER]);
}
