//! A ticket that names paths, branches, repositories or commands of its own: nothing of them is used.

use super::*;
use crate::world::NEW;

/// A world in which a preprod run was killed in lup's gate: abn and lup are pinned. The ticket is then `forged`.
fn forged(forge: fn(&mut Value)) -> (World, String) {
    let world = int();
    world.ttl("3s");
    world.verified("int", NEW);
    for environment in ["abn", "lup", "prd"] {
        assert_eq!(world.versions(environment), [OLD]);
    }
    git(&world.bare(), &["branch", "release", "main"]);
    hanging(&world, world.datapin(&["deploy", "preprod", NEW]), "lup-test", NEW).kill();
    edit_json(&world, last_ticket, forge);
    world.gate("lup-test").passes();
    let release = world.tip("release");
    (world, release)
}

fn lup(ticket: &mut Value) -> &mut Value {
    &mut ticket["stages"][1]["environments"][0]
}

/// The next in line freezes lup as abandoned and leaves it as it is, finishes abn, and does not start; nothing else
/// moved. `reconcile` then goes for lup's goal, by what its own configuration pins.
#[track_caller]
fn lup_is_abandoned(world: &World, release: &str, why: &str) {
    let names = || -> Vec<String> {
        branches(world).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let before = names();
    world.datapin(&["deploy", "preprod", NEW]).by("bob").run().code(15).says("frozen");
    let history = world.queue().history;
    let line = &history[history.len() - 2];
    assert_eq!(line["outcome"], "rollback-failed", "{line:#}");
    assert!(line.to_string().contains("abandoned"), "{line:#}");
    assert_eq!(world.versions("abn"), [OLD], "the other environment is finished");
    assert_eq!(world.versions("lup"), [NEW], "nothing of a forged record is used");
    assert!(world.freeze("abn").is_none());
    let freeze = world.freeze("lup").unwrap();
    assert!(freeze["reason"].as_str().unwrap().contains(why), "{freeze:#}");
    assert!(freeze.to_string().contains("abandoned"), "{freeze:#}");
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    assert_eq!((world.versions("lup"), world.versions("prd")), (vec![OLD.to_owned()], vec![OLD.to_owned()]));
    assert!(world.freeze("lup").is_none() && world.queue().tickets.is_empty());
    assert_eq!((names(), world.tip("release")), (before, release.to_owned()), "another branch moved");
}

#[test]
fn a_path_outside_the_repository() {
    let (world, release) = forged(|ticket| lup(ticket)["pins"][0]["file"] = "../../escaped.yaml".into());
    lup_is_abandoned(&world, &release, "escaped.yaml");
    let root = world.dir().parent().unwrap();
    assert!(!root.join("escaped.yaml").exists() && !root.parent().unwrap().join("escaped.yaml").exists());
}

#[test]
fn a_file_that_nobody_pins() {
    let (world, release) = forged(|ticket| {
        lup(ticket)["pins"][0]["file"] = "values/defaults.yaml".into();
        lup(ticket)["pins"][0]["path"] = "image.tag".into();
    });
    let defaults = world.file("main", "values/defaults.yaml");
    lup_is_abandoned(&world, &release, "values/defaults.yaml");
    assert_eq!(world.file("main", "values/defaults.yaml"), defaults);
}

#[test]
fn a_pin_of_another_environment() {
    let (world, release) = forged(|ticket| {
        lup(ticket)["pins"][0]["file"] = "values/prd/mds.yaml".into();
        lup(ticket)["pins"][0]["after"] = OLD.into();
    });
    lup_is_abandoned(&world, &release, "values/prd/mds.yaml");
    assert_eq!(world.versions("prd"), [OLD]);
}

#[test]
fn another_branch() {
    let (world, release) = forged(|ticket| lup(ticket)["branch"] = "release".into());
    lup_is_abandoned(&world, &release, "release");
}

#[test]
fn another_repository() {
    let (world, release) = forged(|ticket| lup(ticket)["repository"] = "gitlab.example.com/evil/repo".into());
    lup_is_abandoned(&world, &release, "gitlab.example.com/evil/repo");
}

/// An environment that the configuration does not know; the name is no path either.
#[test]
fn unknown_environments() {
    let (world, release) = forged(|ticket| {
        let mut extra = lup(ticket).clone();
        extra["name"] = "nowhere".into();
        ticket["stages"][2]["environments"] = serde_json::json!([extra]);
    });
    let main = world.log("main").len();
    world.datapin(&["reconcile"]).by("bob").run().code(12).says("nowhere");
    ended(&world, NEW, "rollback-failed");
    assert_eq!((world.versions("abn"), world.versions("lup")), (vec![OLD.to_owned()], vec![OLD.to_owned()]));
    assert_eq!(world.log("main").len(), main + 2, "a revert each");
    assert!(world.freeze("nowhere").is_some() && world.freeze("lup").is_none());
    assert_eq!(world.tip("release"), release);
}

#[test]
fn an_environment_whose_name_is_a_path() {
    let (world, release) = forged(|ticket| {
        let mut extra = lup(ticket).clone();
        extra["name"] = "../../escaped".into();
        ticket["stages"][2]["environments"] = serde_json::json!([extra]);
    });
    let (main, queue) = (world.tip("main"), world.tip(QUEUE));
    world.datapin(&["reconcile"]).by("bob").run().code(1).says("../../escaped").says("git revert");
    assert_eq!((world.tip("main"), world.tip("release"), world.tip(QUEUE)), (main, release, queue));
}

/// The run's id is the name of a file, and nothing else.
#[test]
fn a_run_whose_id_is_a_path() {
    let (world, _) = forged(|ticket| ticket["run"] = "x/../../../escaped".into());
    let main = world.tip("main");
    world.datapin(&["reconcile"]).by("bob").run().code(1).says("escaped");
    assert_eq!(world.tip("main"), main);
    assert!(!world.dir().join("escaped.json").exists());
}

/// Commands, hosts and gates that are written into a ticket.
#[test]
fn commands_and_hosts() {
    let (world, release) = forged(|ticket| {
        let command = serde_json::json!({ "kind": "command", "command": ["touch", "/tmp/datapin-was-here"] });
        ticket["agent"] = command.clone();
        ticket["gate"] = command.clone();
        ticket["webhook"] = "http://127.0.0.1:1/".into();
        lup(ticket)["agent"] = command.clone();
        lup(ticket)["url"] = "file:///etc".into();
        ticket["stages"][1]["gates"][0]["name"] = "touch /tmp/datapin-was-here".into();
        ticket["stages"][1]["gates"][0]["url"] = "file:///etc/passwd".into();
        ticket["ci"] = serde_json::json!({ "url": "http://127.0.0.1:1/", "pipeline": "1", "job": "1" });
    });
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    ended(&world, NEW, "rolled-back");
    assert_eq!((world.versions("abn"), world.versions("lup")), (vec![OLD.to_owned()], vec![OLD.to_owned()]));
    assert!(!Path::new("/tmp/datapin-was-here").exists());
    assert_eq!(world.tip("release"), release);
}

/// A whole run that nobody started: the next in line takes it back, and nothing was there.
#[test]
fn a_run_out_of_thin_air() {
    let world = int();
    world.ttl("3s");
    hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW).kill();
    world.gate("int-test").passes();
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    let main = world.tip("main");
    let kept = world
        .log(QUEUE)
        .into_iter()
        .find(|commit| commit.subject.contains("beat") || commit.subject.contains("pin"))
        .unwrap();
    edit_queue(&world, |dir| {
        git(dir, &["checkout", "--quiet", &kept.id, "--", "tickets"]);
    });
    world.datapin(&["deploy", "int", LATER]).by("carl").run().code(0);
    ended(&world, LATER, "verified");
    assert_eq!(world.log("main")[1].id, main, "nothing was ours to take back");
}

/// The record of its environment does not bear it out: it goes back.
#[test]
fn a_verified_that_a_person_wrote() {
    let world = int();
    world.ttl("3s");
    hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW).kill();
    edit_json(&world, last_ticket, |ticket| ticket["state"] = serde_json::json!({ "name": "verified" }));
    world.gate("int-test").passes();
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    ended(&world, NEW, "rolled-back");
    assert_eq!(
        (world.versions("int"), world.verified_on("int").as_deref()),
        (vec![OLD.to_owned()], Some(OLD))
    );
}
