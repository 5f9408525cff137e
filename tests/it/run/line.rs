//! The line: who is next, who leaves it, who comes back to it.

use toml_edit::value;

use super::*;
use crate::world::NEW;

#[test]
fn first_come_first_served() {
    let world = int();
    let first = hanging(&world, MID);
    let second = world.datapin(&["deploy", "int", NEW]).by("bob").spawn();
    until_tickets(&world, 2);
    let third = world.datapin(&["deploy", "int", LATER]).by("carl").spawn();
    until_tickets(&world, 3);
    let shown = world.datapin(&["queue", "show"]).run().code(0);
    for name in ["anna", "bob", "carl", MID, NEW, LATER] {
        assert!(shown.stdout.contains(name), "no {name} in\n{}", shown.stdout);
    }
    assert!(world.queue().readme.contains("bob"), "{}", world.queue().readme);
    world.until("bob knows his place", LONG, || second.stdout().contains(MID));
    world.gate("int-test").passes();
    for running in [first, second, third] {
        running.wait(LONG).code(0);
    }
    let runs = [(MID, "verified"), (NEW, "verified"), (LATER, "verified")];
    assert_eq!(history(&world)[1..], pairs(&runs));
}

#[test]
fn pipelines_of_other_environments_run_side_by_side() {
    let world = int();
    let first = hanging(&world, NEW);
    world.datapin(&["deploy", "play-test", NEW]).by("bob").run().code(0);
    assert_eq!(world.versions("play-test"), [NEW]);
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
}

#[test]
fn the_same_version_again_has_nothing_to_do_when_its_turn_comes() {
    let world = int();
    let first = hanging(&world, NEW);
    let second = world.datapin(&["deploy", "int", NEW]).by("bob").spawn();
    until_tickets(&world, 2);
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
    second.wait(LONG).code(0).says("nothing to do");
    assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
}

#[test]
fn leave_takes_a_waiting_run_out_and_no_other() {
    let world = int();
    let first = hanging(&world, NEW);
    let second = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    until_tickets(&world, 2);
    let numbers: Vec<String> =
        world.queue().tickets.iter().map(|ticket| ticket["number"].to_string()).collect();
    world.datapin(&["queue", "leave", &numbers[0]]).run().code(15).says("datapin cancel");
    world.datapin(&["queue", "leave", &numbers[1]]).run().code(0);
    second.wait(LONG).code(16);
    world.datapin(&["queue", "leave", "99"]).run().code(2);
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
}

#[test]
fn a_newer_run_replaces_those_that_wait() {
    let world = int();
    world.config(|text| text["pipeline"]["int"]["on_newer"] = value("replace-waiting"));
    let first = hanging(&world, MID);
    let second = world.datapin(&["deploy", "int", NEW]).by("bob").spawn();
    until_tickets(&world, 2);
    let third = world.datapin(&["deploy", "int", LATER]).by("carl").spawn();
    second.wait(LONG).code(13).says(LATER);
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
    third.wait(LONG).code(0);
    assert!(!world.subjects().iter().any(|subject| subject.contains(NEW)));
}

#[test]
fn gives_up_after_max_wait() {
    let world = int();
    let impatient =
        world.another_config("impatient.toml", |text| text["queue"]["default"]["max_wait"] = value("1s"));
    let first = hanging(&world, NEW);
    world.datapin(&["deploy", "int", LATER]).by("bob").config(Some(&impatient)).run().code(14);
    until_tickets(&world, 1);
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
    assert_eq!(history(&world)[1..], pairs(&[(LATER, "gave-up"), (NEW, "verified")]));
}

#[test]
fn a_second_job_of_a_ci_pipeline_keeps_the_place() {
    let world = int();
    let first = hanging(&world, MID);
    let mut job = world.datapin(&["deploy", "int", NEW]).by("bob").in_ci("77", "1").spawn();
    until_tickets(&world, 2);
    job.kill();
    let later = world.datapin(&["deploy", "int", LATER]).by("carl").spawn();
    until_tickets(&world, 3);
    let other = world.datapin(&["deploy", "int", NEW, "--set", "mds:cache.size=1"]).in_ci("77", "2");
    other.run().code(2).says("--set");
    let job = world.datapin(&["deploy", "int", NEW]).by("bob").in_ci("77", "3").spawn();
    world.until("it is in the line", LONG, || job.stdout().contains(MID));
    assert_eq!(world.queue().tickets.len(), 3, "no ticket more");
    world.gate("int-test").passes();
    for running in [first, job, later] {
        running.wait(LONG).code(0);
    }
    let runs = [(MID, "verified"), (NEW, "verified"), (LATER, "verified")];
    assert_eq!(history(&world)[1..], pairs(&runs));
}

#[test]
fn a_second_job_of_a_run_that_lives_does_not_drive_it_and_hears_its_end() {
    let world = int();
    let first = hanging_as(&world, world.datapin(&["deploy", "int", NEW]).in_ci("77", "1"), NEW);
    let second = world.datapin(&["deploy", "int", NEW]).by("bob").in_ci("77", "2").spawn();
    world.until("the second job is there", LONG, || !second.stdout().is_empty());
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
    second.wait(LONG).code(0);
    assert_eq!(history(&world)[1..], pairs(&[(NEW, "verified")]));
    assert_eq!(world.gate("int-test").began(), [OLD, NEW], "one driver");
}

#[test]
fn a_retried_job_of_a_finished_run_is_another_attempt() {
    let world = int();
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).in_ci("77", "1").run().code(11);
    world.gate("int-test").passes();
    world.datapin(&["deploy", "int", NEW]).in_ci("77", "2").run().code(0);
    let queue = world.queue();
    let lines = &queue.history[1..];
    assert_eq!(lines[0]["key"], lines[1]["key"]);
    assert_eq!((&lines[0]["attempt"], &lines[1]["attempt"]), (&1.into(), &2.into()));
}

#[test]
fn a_waiting_run_that_is_dead_is_dropped() {
    let world = int();
    world.config(|text| text["queue"]["default"]["start_grace"] = value("3s"));
    let first = hanging(&world, MID);
    let mut second = world.datapin(&["deploy", "int", NEW]).by("bob").spawn();
    until_tickets(&world, 2);
    second.kill();
    let third = world.datapin(&["deploy", "int", LATER]).by("carl").spawn();
    until_tickets(&world, 3);
    world.gate("int-test").passes();
    first.wait(LONG).code(0);
    third.wait(LONG).code(0);
    assert_eq!(history(&world)[1..], pairs(&[(MID, "verified"), (NEW, "dropped"), (LATER, "verified")]));
}

#[test]
fn a_full_line_costs_little_more_than_its_first_and_nobody_oversleeps() {
    let minutes = Duration::from_mins;
    let mut settings = datapin::config::Queue {
        name: "default".to_owned(),
        repository: None,
        branch: "datapin/queue".to_owned(),
        ttl: minutes(5),
        max_wait: minutes(120),
        start_grace: minutes(2),
        step_idle: None,
    };
    let pauses: Vec<Duration> =
        (2..=101).map(|position| datapin::run::wait::between_looks(position, &settings)).collect();
    assert!(pauses.is_sorted(), "{pauses:?}");
    // a look that finds something new asks twice; the holder's signs of life are new once in 100 s
    let requests = |pause: &Duration| 60.0 / pause.as_secs_f64() + 0.6;
    let all: f64 = pauses.iter().map(requests).sum();
    assert!(all <= 6.0 * requests(&pauses[0]), "{all} requests a minute, the first {}", requests(&pauses[0]));

    settings.start_grace = Duration::from_secs(20);
    let most = datapin::run::wait::between_looks(101, &settings).mul_f32(1.25);
    assert!(most < settings.start_grace, "sleeps for {most:?}, and is dropped meanwhile");
}
