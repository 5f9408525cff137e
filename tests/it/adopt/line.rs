//! Adoptions and the queue: they wait, are overtaken, die, and are finished by others.

use toml_edit::value;

use super::*;

fn hanging(world: &World, sha: &str) -> crate::world::Running {
    world.gate("int-test").hangs();
    let began = world.gate("int-test").began().len();
    let mut running = adopting(world, sha, ZEROS).spawn();
    world.until("the gate begins", LONG, || {
        assert!(running.runs(), "it ended before its gate\n{}{}", running.stdout(), running.stderr());
        world.gate("int-test").began().len() > began
    });
    running
}

#[test]
fn merged_while_another_run_holds_it_waits_without_limit() {
    let world = int_on(&[OLD]);
    world.config(|text| text["queue"]["default"]["max_wait"] = value("1s"));
    world.gate("int-test").hangs();
    let other = world.datapin(&["deploy", "int", OLD, "--set", "mds:cache.size=700"]).by("bob").spawn();
    world.until("bob's gate begins", LONG, || world.gate("int-test").began().len() == 2);
    let sha = bump(&world, "int", OLD, NEW);
    let mut adopting = adopting(&world, &sha, ZEROS).spawn();
    world.until("it waits", LONG, || world.queue().tickets.len() == 2);
    let begun = std::time::Instant::now();
    world.until("max_wait is over", LONG, || begun.elapsed() > Duration::from_secs(2));
    assert!(adopting.runs());
    world.gate("int-test").passes();
    other.wait(LONG).code(13);
    adopting.wait(LONG).code(0);
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn overtaken_by_another_commit_is_13_and_leaves_theirs() {
    let world = int_on(&[OLD]);
    let first = bump(&world, "int", OLD, MID);
    let second = bump(&world, "int", MID, NEW);
    adopt(&world, &first).code(13).says("overtaken");
    assert_eq!(world.versions("int"), [NEW]);
    adopt(&world, &second).code(0);
}

#[test]
fn overtaken_while_its_gate_runs_is_13() {
    let world = int_on(&[OLD]);
    let sha = bump(&world, "int", OLD, MID);
    let running = hanging(&world, &sha);
    let second = bump(&world, "int", MID, NEW);
    world.gate("int-test").passes();
    running.wait(LONG).code(13);
    assert_eq!(world.versions("int"), [NEW]);
    adopt(&world, &second).code(0);
}

#[test]
fn cancelled_takes_it_back() {
    let world = int_on(&[OLD]);
    let sha = bump(&world, "int", OLD, NEW);
    let running = hanging(&world, &sha);
    running.signal(crate::world::Signal::TERM);
    running.wait(LONG).code(16);
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn killed_is_finished_by_reconcile_which_takes_it_back() {
    let world = int_on(&[OLD]);
    world.ttl("3s");
    let sha = bump(&world, "int", OLD, NEW);
    hanging(&world, &sha).kill();
    world.datapin(&["reconcile"]).by("bob").run().code(0).says("rolled back");
    assert_eq!(world.versions("int"), [OLD]);
    let message = &world.log("main")[0].message;
    assert!(message.contains(&format!("This reverts commit {sha}.")), "{message}");
}

#[test]
fn killed_is_finished_by_the_next_in_line() {
    let world = int_on(&[OLD]);
    world.ttl("3s");
    let sha = bump(&world, "int", OLD, NEW);
    hanging(&world, &sha).kill();
    world.gate("int-test").passes();
    world.datapin(&["deploy", "int", LATER]).by("bob").run().code(0).says("taking over");
    assert_eq!(world.verified_on("int").as_deref(), Some(LATER));
    let reverts = world.log("main").into_iter().filter(|commit| commit.message.contains(&sha)).count();
    assert_eq!(reverts, 1);
}

#[test]
fn a_retried_job_goes_on_where_the_killed_one_was() {
    let world = int_on(&[OLD]);
    world.ttl("3s");
    let sha = bump(&world, "int", OLD, NEW);
    hanging(&world, &sha).kill();
    world.gate("int-test").passes();
    adopt(&world, &sha).code(0);
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
    assert_eq!(world.tip("main"), sha);
}

#[test]
fn reconcile_adopts_what_no_run_explains() {
    let world = int_on(&[OLD]);
    bump(&world, "int", OLD, NEW);
    world.datapin(&["reconcile"]).run().code(0).says("environment int: verified");
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
    world.datapin(&["reconcile"]).run().code(0).says("nothing was left to finish");
}

#[test]
fn reconcile_leaves_alone_what_was_never_verified_and_what_a_person_froze() {
    let world = int_on(&[OLD]);
    bump(&world, "play-test", OLD, NEW);
    bump(&world, "int", OLD, NEW);
    world.datapin(&["queue", "freeze", "int", "--reason", "fair"]).run().code(0);
    world.datapin(&["reconcile"]).run().code(0).says("nothing was left to finish");
    assert_eq!(
        (world.versions("int"), world.versions("play-test")),
        (vec![NEW.to_owned()], vec![NEW.to_owned()])
    );
    world.datapin(&["queue", "thaw", "int"]).run().code(0);
    world.datapin(&["reconcile"]).run().code(0).says("environment int: verified");
}

#[test]
fn reconcile_takes_back_what_fails() {
    let world = int_on(&[OLD]);
    bump(&world, "int", OLD, NEW);
    world.gate("int-test").fails();
    world.datapin(&["reconcile"]).run().code(0).says("environment int: rolled back");
    assert_eq!(world.versions("int"), [OLD]);
    world.datapin(&["reconcile"]).run().code(0).says("nothing was left to finish");
}
