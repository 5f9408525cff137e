//! A person's plain `git revert`: the table in `src/run/adopt/revert.rs`, one test a line.

use super::*;

/// The newest commit of main that pins a version into int.
fn pin_of(world: &World, version: &str) -> String {
    let subject = format!("data(int): timetable {version}");
    world.log("main").into_iter().find(|commit| commit.subject == subject).unwrap().id
}

#[track_caller]
fn is_rollback(world: &World, done: Done, to: &str, left: &str) {
    let gates = world.gate("int-test").began().len();
    done.code(0).says("rollback by ");
    assert_eq!(world.versions("int"), [to]);
    assert_eq!(world.verified_on("int").as_deref(), Some(to));
    assert_eq!(world.gate("int-test").began().len(), gates, "no gates");
    assert_eq!(rejected(world, "int"), [left]);
    let line = ended(world, to, "restored");
    assert!(line["pipeline"].as_str().unwrap().starts_with("rollback by "), "{line:#}");
}

#[test]
fn a_git_revert_is_a_rollback_and_rejects_what_it_left() {
    let world = int_on(&[OLD, NEW]).with_chat();
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
    assert_eq!(world.tip("main"), sha, "no commit was made");
    assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
    world.datapin(&["deploy", "int", NEW]).run().code(15).says("rejected");
    adopt(&world, &sha).code(0).says("nothing to do");
    world.datapin(&["allow", "timetable", NEW]).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
}

#[test]
fn a_revert_of_part_of_the_services_is_two_versions_and_is_taken_back() {
    let world = int_on(&[OLD, NEW]);
    let checkout = world.checkout("main");
    git(&checkout, &["revert", "--no-commit", "HEAD"]);
    git(&checkout, &["checkout", "HEAD", "--", "values/int/mds.yaml", "values/int/fbv.yaml"]);
    git(&checkout, &["commit", "--quiet", "--message", "Revert for kv and remo"]);
    let sha = push(&world);
    adopt(&world, &sha).code(15).says("several");
    assert_eq!(
        (world.versions("int"), world.verified_on("int")),
        (vec![NEW.to_owned()], Some(NEW.to_owned()))
    );
    assert_eq!(rejected(&world, "int"), Vec::<String>::new());
}

#[test]
fn a_revert_of_that_revert_is_a_deployment_of_what_was_rejected() {
    let world = int_on(&[OLD, NEW]);
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &sha).code(0);
    let again = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &again).code(15).says("rejected");
    assert_eq!(
        (world.versions("int"), world.verified_on("int")),
        (vec![OLD.to_owned()], Some(OLD.to_owned()))
    );
    world.datapin(&["allow", "timetable", NEW]).run().code(0);
    let third = bump(&world, "int", OLD, NEW);
    adopt(&world, &third).code(0);
    assert_eq!(world.gate("int-test").began(), [OLD, NEW, NEW], "with its gate");
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn a_revert_onto_what_was_rejected_is_a_deployment_of_that() {
    let world = int_on(&[OLD, MID, NEW]);
    world
        .datapin(&["reject", "timetable", MID, "--environment", "int", "--reason", "bad fares"])
        .run()
        .code(0);
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &sha).code(15).says("bad fares");
    assert_eq!((world.versions("int"), world.verified_on("int")), (vec![NEW.into()], Some(NEW.into())));
    assert_eq!(rejected(&world, "int"), [MID]);
    world.datapin(&["allow", "timetable", MID]).run().code(0);
    let sha = bump(&world, "int", NEW, MID);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, MID, NEW);
}

/// It was a rollback when it was merged, and waits while somebody rejects its goal.
#[test]
fn a_revert_whose_goal_is_rejected_while_it_waits_is_taken_back_by_reconcile() {
    let world = int_on(&[OLD, NEW]);
    world.gate("int-test").hangs();
    let run = world.datapin(&["deploy", "int", NEW, "--set", "mds:cache.size=700"]).by("bob").spawn();
    world.until("its gate begins", LONG, || world.gate("int-test").began().len() == 3);
    world.checkout("main");
    let message = format!("Revert\n\nThis reverts commit {}.", pin_of(&world, NEW));
    edit(&world, "values/int/mds.yaml", "size: 700", "size: 512");
    commit(&world, "int", NEW, OLD, &message);
    let sha = push(&world);
    let adopting = adopting(&world, &sha, ZEROS).spawn();
    world.until("it waits", LONG, || world.queue().tickets.len() == 2);
    world
        .datapin(&["reject", "timetable", OLD, "--environment", "int", "--reason", "bad fares"])
        .run()
        .code(0);
    world.gate("int-test").passes();
    run.wait(LONG).code(13);
    adopting.wait(LONG).code(13).says("rejected since");
    world.datapin(&["reconcile"]).run().code(0);
    assert_eq!((world.versions("int"), world.verified_on("int")), (vec![NEW.into()], Some(NEW.into())));
}

#[test]
fn a_revert_and_its_revert_pushed_together_are_nothing() {
    let world = int_on(&[OLD, NEW]);
    let before = world.tip("main");
    let checkout = world.checkout("main");
    git(&checkout, &["revert", "--no-edit", "HEAD"]);
    git(&checkout, &["revert", "--no-edit", "HEAD"]);
    let tip = push(&world);
    adopting(&world, &tip, &before).run().code(0).says("nothing to adopt");
    // one after the other, and the first was not looked at in time
    let first = person(&world, &["revert", "--no-edit", "HEAD"]);
    let second = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &first).code(13);
    adopt(&world, &second).code(0).says("nothing to do");
    assert_eq!((rejected(&world, "int"), world.verified_on("int")), (vec![], Some(NEW.to_owned())));
}

#[test]
fn the_exact_inverse_typed_by_hand_is_a_rollback() {
    let world = int_on(&[OLD, NEW]);
    let sha = bump(&world, "int", NEW, OLD);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
}

#[test]
fn a_bump_back_to_an_older_version_is_a_deployment_with_gates() {
    let world = int_on(&[OLD, MID, NEW]);
    let sha = bump(&world, "int", NEW, OLD);
    adopt(&world, &sha).code(0);
    assert_eq!(world.gate("int-test").began(), [OLD, MID, NEW, OLD]);
    assert_eq!((rejected(&world, "int"), world.verified_on("int")), (vec![], Some(OLD.to_owned())));
    ended(&world, OLD, "verified");
}

#[test]
fn a_revert_in_the_middle_is_a_rollback_if_it_ends_on_what_was_verified() {
    let world = int_on(&[OLD, MID, NEW]);
    world.checkout("main");
    let middle = pin_of(&world, MID);
    let message = format!("Revert \"data(int): timetable {MID}\"\n\nThis reverts commit {middle}.");
    commit(&world, "int", NEW, OLD, &message);
    let sha = push(&world);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
}

/// As `git revert --reference` writes it.
#[test]
fn a_revert_that_abbreviates_what_it_reverts_is_a_rollback() {
    let world = int_on(&[OLD, MID, NEW]);
    let middle = pin_of(&world, MID);
    let reference =
        |id: &str| format!("Too slow\n\nThis reverts commit {id} (data(int): timetable {MID}, 2026-11-25).");
    world.checkout("main");
    commit(&world, "int", NEW, OLD, &reference(&middle[..7]));
    let sha = push(&world);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
}

#[test]
fn an_abbreviated_id_that_is_too_short_or_unknown_makes_no_rollback() {
    let world = int_on(&[OLD, MID, NEW]);
    let middle = pin_of(&world, MID);
    let unknown = if middle.starts_with('a') { "bbbbbbb" } else { "aaaaaaa" };
    world.checkout("main");
    let message = format!("This reverts commit {} (x).\nThis reverts commit {unknown} (y).", &middle[..6]);
    commit(&world, "int", NEW, OLD, &message);
    let sha = push(&world);
    adopt(&world, &sha).code(0);
    assert_eq!(world.gate("int-test").began(), [OLD, MID, NEW, OLD], "a deployment, with its gate");
}

#[test]
fn a_revert_in_the_middle_that_ends_on_something_new_is_a_deployment() {
    let world = int_on(&[OLD]);
    world.datapin(&["deploy", "int", MID, "--set", "mds:cache.size=700"]).run().code(0);
    let middle = world.tip("main");
    world.verified("int", NEW);
    let edit = [("values/int/mds.yaml", "size: 700", "size: 512")];
    let sha = world.push_as_person(&edit, &format!("Revert\n\nThis reverts commit {middle}."));
    adopt(&world, &sha).code(0);
    assert_eq!(world.gate("int-test").began(), [OLD, MID, NEW, NEW], "with its gate");
    assert_eq!(rejected(&world, "int"), Vec::<String>::new());
}

#[test]
fn a_revert_in_gitlabs_page_that_was_squashed_is_a_rollback() {
    let world = int_on(&[OLD]);
    let checkout = world.checkout("main");
    git(&checkout, &["checkout", "--quiet", "-B", "bump"]);
    commit(&world, "int", OLD, NEW, "bump");
    git(&checkout, &["checkout", "--quiet", "work"]);
    git(&checkout, &["merge", "--quiet", "--no-ff", "--message", "Merge branch 'bump' into 'main'", "bump"]);
    let merge = push(&world);
    adopt(&world, &merge).code(0);
    world.checkout("main");
    let message = "Revert \"Merge branch 'bump' into 'main'\"\n\nThis reverts merge request !12";
    commit(&world, "int", NEW, OLD, message);
    let sha = push(&world);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
}

#[test]
fn a_revert_of_a_merge_commit_is_a_rollback() {
    let world = int_on(&[OLD]);
    let checkout = world.checkout("main");
    git(&checkout, &["checkout", "--quiet", "-B", "bump"]);
    commit(&world, "int", OLD, MID, "one");
    commit(&world, "int", MID, NEW, "two");
    git(&checkout, &["checkout", "--quiet", "work"]);
    git(&checkout, &["merge", "--quiet", "--no-ff", "--message", "Merge branch 'bump'", "bump"]);
    let merge = push(&world);
    adopt(&world, &merge).code(0);
    world.push_as_person(&[("README.md", "#", "##")], "docs");
    let sha = person(&world, &["revert", "--no-edit", "-m", "1", &merge]);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
}

#[test]
fn a_revert_that_was_merged_with_a_merge_commit_is_a_rollback() {
    let world = int_on(&[OLD, NEW]);
    let checkout = world.checkout("main");
    git(&checkout, &["checkout", "--quiet", "-B", "back"]);
    git(&checkout, &["revert", "--no-edit", "HEAD"]);
    git(&checkout, &["checkout", "--quiet", "work"]);
    git(&checkout, &["merge", "--quiet", "--no-ff", "--message", "Merge branch 'back'", "back"]);
    let sha = push(&world);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
}

#[test]
fn a_revert_of_a_bump_that_nobody_verified_goes_back_and_rejects_it() {
    let world = int_on(&[OLD]);
    bump(&world, "int", OLD, NEW);
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    let done = adopt(&world, &sha);
    is_rollback(&world, done, OLD, NEW);
}

#[test]
fn a_revert_with_the_trailer_of_propose_is_a_deployment() {
    let world = int_on(&[OLD, NEW]);
    world.checkout("main");
    commit(&world, "int", NEW, OLD, "int: back\n\nDatapin-Propose: int");
    let sha = push(&world);
    adopt(&world, &sha).code(0);
    assert_eq!(world.gate("int-test").began(), [OLD, NEW, OLD]);
    assert_eq!(rejected(&world, "int"), Vec::<String>::new());
}

#[test]
fn a_revert_of_a_running_run_is_a_rollback() {
    let world = int_on(&[OLD]);
    world.gate("int-test").hangs();
    let run = world.datapin(&["deploy", "int", NEW]).by("bob").spawn();
    world.until("its gate begins", LONG, || world.gate("int-test").began().len() == 2);
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    let adopting = adopting(&world, &sha, ZEROS).spawn();
    world.until("it waits", LONG, || world.queue().tickets.len() == 2);
    world.gate("int-test").passes();
    run.wait(LONG).code(13);
    adopting.wait(LONG).code(0).says("rollback by Dev");
    assert_eq!(
        (world.versions("int"), rejected(&world, "int")),
        (vec![OLD.to_owned()], vec![NEW.to_owned()])
    );
}

#[test]
fn a_revert_that_does_not_come_up_is_12_and_frozen() {
    let world = int_on(&[OLD, NEW]);
    world.service("int", "kv").never_comes_back();
    world.verified("int", LATER);
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &sha).code(12);
    assert!(world.freeze("int").is_some());
    world.service("int", "kv").heals();
    world.datapin(&["reconcile"]).run().code(0);
    assert_eq!((world.versions("int"), world.freeze("int")), (vec![NEW.to_owned()], None));
}

#[test]
fn a_revert_in_an_environment_whose_rollback_failed_thaws_it() {
    let world = int_on(&[OLD]);
    world.service("int", "kv").never_comes_back();
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(12);
    assert!(world.freeze("int").is_some());
    world.service("int", "kv").heals();
    // datapin's revert is on the branch already: a person puts the version back, and away again
    bump(&world, "int", OLD, NEW);
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &sha).code(0).says("rollback by Dev");
    assert_eq!((world.versions("int"), world.freeze("int")), (vec![OLD.to_owned()], None));
}

#[test]
fn a_persons_freeze_keeps_a_revert_out_too() {
    let world = int_on(&[OLD, NEW]);
    world.datapin(&["queue", "freeze", "int", "--reason", "fair"]).run().code(0);
    let sha = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &sha).code(15).says("fair").says("stays");
    assert_eq!(world.versions("int"), [OLD]);
}
