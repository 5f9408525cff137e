//! What people bump becomes a run: waited for, gated, recorded, or taken back.

use toml_edit::value;

use super::*;

#[test]
fn a_bump_that_was_merged_is_gated_and_recorded_without_a_commit() {
    let world = int_on(&[OLD]);
    let sha = bump(&world, "int", OLD, NEW);
    adopt(&world, &sha).code(0).says("adopting what Petra Pine committed for int").says("int: verified");
    assert_eq!(world.tip("main"), sha, "no commit was made");
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
    assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
    let line = ended(&world, NEW, "verified");
    assert_eq!((&line["pipeline"], &line["actor"]), (&"int".into(), &"Petra Pine".into()), "{line:#}");
    assert_eq!(line["adopted"], sha);
}

#[test]
fn adopting_it_again_is_nothing_to_do() {
    let world = int_on(&[OLD]);
    let sha = bump(&world, "int", OLD, NEW);
    adopt(&world, &sha).code(0);
    let tips = (world.tip("main"), world.tip("datapin/queue"));
    adopt(&world, &sha).code(0).says("nothing to do");
    assert_eq!((world.tip("main"), world.tip("datapin/queue")), tips);
    assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
}

#[test]
fn a_failed_gate_takes_it_back_with_a_revert_of_the_persons_commit() {
    let world = int_on(&[OLD]);
    let sha = bump(&world, "int", OLD, NEW);
    world.gate("int-test").fails();
    adopt(&world, &sha).code(11).says("int: rolled back");
    assert_eq!(world.versions("int"), [OLD]);
    let log = world.log("main");
    assert_eq!(log[0].subject, format!("Revert \"int: use {NEW}\""));
    assert!(log[0].message.contains(&format!("This reverts commit {sha}.")), "{}", log[0].message);
    ended(&world, NEW, "rolled-back");
    adopt(&world, &sha).code(13).says("commit it again");
    // the same again, by a revert of the revert, is a new deployment with gates
    world.gate("int-test").passes();
    let again = person(&world, &["revert", "--no-edit", "HEAD"]);
    adopt(&world, &again).code(0);
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn a_service_that_does_not_come_up_takes_it_back() {
    let world = int_on(&[OLD]);
    world.service("int", "kv").breaks_on(NEW);
    let sha = bump(&world, "int", OLD, NEW);
    adopt(&world, &sha).code(10);
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn what_else_the_commit_changed_stays_when_it_is_taken_back() {
    let world = int_on(&[OLD]);
    let checkout = world.checkout("main");
    std::fs::write(checkout.join("NOTES.md"), "by Petra\n").unwrap();
    git(&checkout, &["add", "NOTES.md"]);
    commit(&world, "int", OLD, NEW, "int: bump, and notes");
    let sha = push(&world);
    world.gate("int-test").fails();
    adopt(&world, &sha).code(11);
    assert_eq!(world.versions("int"), [OLD]);
    assert_eq!(world.file("main", "NOTES.md").as_deref(), Some("by Petra\n"));
}

#[test]
fn several_commits_of_a_push_are_one_run_of_what_the_newest_holds() {
    let world = int_on(&[OLD]);
    let before = world.tip("main");
    world.checkout("main");
    let first = commit(&world, "int", OLD, MID, "int: one");
    let second = commit(&world, "int", MID, NEW, "int: two");
    commit_other(&world, "later");
    let tip = push(&world);
    world.gate("int-test").fails();
    adopting(&world, &tip, &before).run().code(11).says("together with");
    assert_eq!(world.versions("int"), [OLD]);
    let message = &world.log("main")[0].message;
    assert!(message.contains(&first) && message.contains(&second), "{message}");
    assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
}

fn commit_other(world: &World, text: &str) {
    let person = world.dir().join("person");
    std::fs::write(person.join("OTHER.md"), text).unwrap();
    git(&person, &["add", "OTHER.md"]);
    git(&person, &["commit", "--quiet", "--message", text]);
}

#[test]
fn a_merge_commit_is_adopted_and_taken_back_as_a_whole() {
    let world = int_on(&[OLD]);
    let checkout = world.checkout("main");
    git(&checkout, &["checkout", "--quiet", "-B", "bump"]);
    commit(&world, "int", OLD, NEW, "bump");
    git(&checkout, &["checkout", "--quiet", "work"]);
    git(&checkout, &["merge", "--quiet", "--no-ff", "--message", "Merge branch 'bump' into 'main'", "bump"]);
    let merge = push(&world);
    world.gate("int-test").fails();
    adopt(&world, &merge).code(11);
    assert_eq!(world.versions("int"), [OLD]);
    assert!(world.log("main")[0].message.contains(&format!("This reverts commit {merge}.")));
}

#[test]
fn later_stages_are_pinned_as_usual_and_all_goes_back() {
    let world = int_on(&[OLD]);
    world.verified("preprod", OLD);
    world.verified("int", NEW);
    let sha = bump(&world, "abn", OLD, NEW);
    world.service("prd", "kv").breaks_on(NEW);
    adopt(&world, &sha).code(10);
    for name in ["abn", "lup", "prd"] {
        assert_eq!(world.versions(name), [OLD], "{name}");
    }
    world.service("prd", "kv").heals();
    let sha = bump(&world, "abn", OLD, NEW);
    adopt(&world, &sha).code(0);
    for name in ["abn", "lup", "prd"] {
        assert_eq!(world.verified_on(name).as_deref(), Some(NEW), "{name}");
    }
    assert!(!world.subjects().iter().any(|subject| subject.starts_with("data(abn): timetable 2026.11.23")));
}

#[test]
fn requires_that_is_not_met_takes_it_back() {
    let world = int_on(&[OLD]);
    world.verified("preprod", OLD);
    let sha = bump(&world, "abn", OLD, NEW);
    adopt(&world, &sha).code(15).says("requires");
    assert_eq!(world.versions("abn"), [OLD]);
}

#[test]
fn environments_that_are_deployed_side_by_side_are_one_run() {
    let world = World::new();
    world.verified("data-test", OLD);
    world.checkout("main");
    commit(&world, "dt", OLD, NEW, "dt");
    commit(&world, "total-dt", OLD, NEW, "total-dt");
    let before = world.tip("main");
    let tip = push(&world);
    adopting(&world, &tip, &before).run().code(0);
    for name in ["dt", "total-dt", "pres"] {
        assert_eq!(world.verified_on(name).as_deref(), Some(NEW), "{name}");
    }
    assert_eq!(world.gate("data-test").began(), [OLD, NEW]);
}

#[test]
fn several_environments_are_one_run_each_in_the_order_of_the_pipelines() {
    let world = int_on(&[OLD]);
    world.verified("preprod", OLD);
    let before = world.tip("main");
    world.checkout("main");
    commit(&world, "abn", OLD, NEW, "abn");
    commit(&world, "int", OLD, NEW, "int");
    let tip = push(&world);
    adopting(&world, &tip, &before).run().code(0);
    assert_eq!(world.verified_on("prd").as_deref(), Some(NEW));
    let history = world.queue().history;
    let names: Vec<&str> =
        history.iter().rev().take(2).map(|line| line["pipeline"].as_str().unwrap()).collect();
    assert_eq!(names, ["preprod", "int"], "int first, which preprod requires");
}

#[test]
fn an_environment_in_the_middle_is_adopted_alone_with_its_gates() {
    let world = int_on(&[OLD]);
    world.verified("preprod", OLD);
    let sha = bump(&world, "lup", OLD, NEW);
    adopt(&world, &sha).code(0);
    let line = ended(&world, NEW, "verified");
    assert_eq!(line["pipeline"], "adopt lup");
    assert_eq!(world.gate("lup-test").began(), [OLD, NEW]);
    assert_eq!(world.versions("prd"), [OLD]);
}

#[test]
fn the_pipeline_may_be_asked_for_or_named_by_the_trailer_of_propose() {
    let world = int_on(&[OLD]);
    world.config(|text| {
        let stage: toml_edit::InlineTable = [("environment", "int")].into_iter().collect();
        text["pipeline"]["quick"]["stages"] = value(toml_edit::Array::from_iter([stage]));
    });
    world.checkout("main");
    commit(&world, "int", OLD, MID, "int: bump\n\nDatapin-Propose: quick");
    let sha = push(&world);
    adopt(&world, &sha).code(0);
    assert_eq!(ended(&world, MID, "verified")["pipeline"], "quick");
    let sha = bump(&world, "int", MID, NEW);
    world.datapin(&["adopt", &sha, "--pipeline", "int"]).run().code(0);
    assert_eq!(ended(&world, NEW, "verified")["pipeline"], "int");
    let sha = bump(&world, "int", NEW, LATER);
    adopt(&world, &sha).code(0);
    assert_eq!(ended(&world, LATER, "verified")["pipeline"], "adopt int", "two begin with it");
}

/// A project's variable names the pipeline of its other jobs.
#[test]
fn the_pipeline_of_other_jobs_says_nothing_about_what_people_merge() {
    let world = int_on(&[OLD]);
    let sha = bump(&world, "int", OLD, NEW);
    let job = || world.datapin(&["adopt", &sha]).env("DATAPIN_PIPELINE", "preprod");
    job().env("DATAPIN_ADOPT_PIPELINE", "preprod").run().code(2).says("begins with none");
    job().run().code(0);
    assert_eq!(ended(&world, NEW, "verified")["pipeline"], "int");
}

/// Of a merge request that was merged by squash, or by fast-forward, with more than one commit.
#[test]
fn a_bump_that_was_squashed_or_fast_forwarded_is_gated_and_taken_back_as_a_whole() {
    for how in ["--squash", "--ff-only"] {
        let world = int_on(&[OLD]);
        let merged = |to: &str| {
            let before = world.tip("main");
            let checkout = world.checkout("main");
            git(&checkout, &["checkout", "--quiet", "-B", "bump"]);
            commit(&world, "int", OLD, MID, "int: one");
            commit(&world, "int", MID, to, "int: two");
            git(&checkout, &["checkout", "--quiet", "work"]);
            git(&checkout, &["merge", "--quiet", how, "bump"]);
            if how == "--squash" {
                git(&checkout, &["commit", "--quiet", "--message", "Bump int (!12)"]);
            }
            (before, push(&world))
        };
        world.gate("int-test").fails();
        let (before, tip) = merged(LATER);
        adopting(&world, &tip, &before).run().code(11);
        assert_eq!((world.versions("int"), world.tip("main") == tip), (vec![OLD.to_owned()], false), "{how}");
        ended(&world, LATER, "rolled-back");
        world.gate("int-test").passes();
        let (before, tip) = merged(NEW);
        adopting(&world, &tip, &before).run().code(0);
        assert_eq!(world.tip("main"), tip, "{how}: no commit was made");
        assert_eq!(world.verified_on("int").as_deref(), Some(NEW), "{how}");
        assert_eq!(world.gate("int-test").began(), [OLD, LATER, NEW], "{how}: one run for both commits");
    }
}

#[test]
fn the_variables_of_a_ci_job_are_enough() {
    let world = int_on(&[OLD]);
    let before = world.tip("main");
    let sha = bump(&world, "int", OLD, NEW);
    let job = world.datapin(&["adopt"]).in_ci("77", "1").env("CI_COMMIT_SHA", &sha);
    job.env("CI_COMMIT_BEFORE_SHA", &before).env("CI_COMMIT_BRANCH", "main").run().code(0);
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn what_changes_no_pin_and_what_datapin_commits_is_nothing_to_adopt() {
    let world = int_on(&[OLD]);
    let sha = world.push_as_person(&[("README.md", "#", "##")], "docs");
    adopt(&world, &sha).code(0).says("nothing to adopt");
    world.verified("int", NEW);
    adopt(&world, &world.tip("main")).code(0).says("nothing to adopt");
    world.datapin(&["adopt"]).run().code(0).says("nothing to adopt");
}

#[test]
fn a_settable_value_is_adopted_too() {
    let world = int_on(&[OLD]);
    let sha = world.push_as_person(&[("values/int/mds.yaml", "size: 512", "size: 1024")], "more cache");
    world.gate("int-test").fails();
    adopt(&world, &sha).code(11);
    assert!(world.file("main", "values/int/mds.yaml").unwrap().contains("size: 512 # MiB"));
    world.gate("int-test").passes();
    let sha = world.push_as_person(&[("values/int/mds.yaml", "size: 512", "size: 1024")], "more cache");
    adopt(&world, &sha).code(0);
    ended(&world, OLD, "verified");
}

#[test]
fn without_a_record_it_goes_back_to_what_was_there_before() {
    let world = World::new();
    let sha = bump(&world, "int", OLD, NEW);
    world.gate("int-test").fails();
    adopt(&world, &sha).code(11);
    assert_eq!(world.versions("int"), [OLD]);
}
