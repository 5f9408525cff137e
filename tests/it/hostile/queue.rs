//! The queue branch is set back, deleted, or edited while a run holds its environments or waits.

use super::*;
use crate::world::{Done, NEW};

/// What the person does to the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    SetBack,
    Delete,
}

impl Harm {
    /// Does it, and gives a tip that holds the whole record.
    fn is_done(self, world: &World) -> String {
        let tip = world.tip(QUEUE);
        match self {
            Harm::SetBack => {
                let old = world.log(QUEUE)[3].id.clone();
                git(&world.bare(), &["update-ref", &format!("refs/heads/{QUEUE}"), &old]);
            }
            Harm::Delete => {
                git(&world.bare(), &["update-ref", "-d", &format!("refs/heads/{QUEUE}")]);
            }
        }
        tip
    }
}

/// The tip to restore, and the file that the record was saved to.
fn named(done: &Done) -> (String, PathBuf) {
    let words = || done.stderr.split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c)));
    let id = words().rfind(|word| word.len() == 40 && word.chars().all(|c| c.is_ascii_hexdigit()));
    let file = words().find(|word| word.starts_with('/') && word.contains("datapin-run-"));
    (
        id.unwrap_or_else(|| panic!("{}", done.stderr)).to_owned(),
        file.unwrap_or_else(|| panic!("{}", done.stderr)).into(),
    )
}

/// The holder stops writing; with the branch restored as its message says, the next `reconcile` finishes it.
#[test]
fn under_a_holder() {
    for harm in [Harm::SetBack, Harm::Delete] {
        let world = int();
        world.ttl("3s");
        let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
        let main = world.tip("main");
        harm.is_done(&world);
        let done = running.wait(LONG).code(1);
        let (id, file) = named(&done);
        let record: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(record["version"], NEW, "{record:#}");
        assert_eq!(record["stages"][0]["environments"][0]["commit"], *main, "{record:#}");
        assert_eq!(world.tip("main"), main, "it goes on writing");
        if harm == Harm::Delete {
            world.datapin(&["deploy", "int", LATER]).by("bob").run().code(2).says("datapin init");
        }
        git(&world.bare(), &["update-ref", &format!("refs/heads/{QUEUE}"), &id]);
        world.gate("int-test").passes();
        world.datapin(&["reconcile"]).by("bob").run().code(0).says("rolled back");
        ended(&world, NEW, "rolled-back");
        assert_eq!(world.versions("int"), [OLD]);
    }
}

#[test]
fn under_a_waiter() {
    for harm in [Harm::SetBack, Harm::Delete] {
        let world = int();
        let mut holder = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
        let mut waiter = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
        world.until("bob waits", LONG, || {
            assert!(waiter.runs());
            waiter.stdout().contains(NEW)
        });
        let main = world.tip("main");
        holder.kill();
        let tip = harm.is_done(&world);
        let code = if harm == Harm::Delete { 2 } else { 1 };
        waiter.wait(LONG).code(code).says(if harm == Harm::Delete {
            "restore it from"
        } else {
            "git push --force"
        });
        assert_eq!(world.tip("main"), main);
        git(&world.bare(), &["update-ref", &format!("refs/heads/{QUEUE}"), &tip]);
        world.gate("int-test").passes();
        world.datapin(&["deploy", "int", LATER]).by("bob").in_ci("7", "1").run().code(0);
        ended(&world, LATER, "verified");
    }
}

#[test]
fn the_ticket_of_a_holder_is_removed() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let number = world.queue().tickets[0]["number"].clone();
    edit_queue(&world, |dir| std::fs::remove_file(last_ticket(dir)).unwrap());
    running.wait(LONG).code(16).says("removed by hand");
    let line = ended(&world, NEW, "rolled-back");
    assert_eq!((&line["number"], &line["cause"]["kind"]), (&number, &"cancelled".into()));
    assert_eq!(world.versions("int"), [OLD]);
}

/// Another run holds the environment by now: it is left to that one.
#[test]
fn the_ticket_of_a_holder_is_removed_and_another_run_starts() {
    let world = int();
    world.ttl("30s");
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let waiter = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    world.until("bob waits", LONG, || world.queue().tickets.len() == 2);
    edit_queue(&world, |dir| {
        let mut files: Vec<_> =
            std::fs::read_dir(dir.join("tickets")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        std::fs::remove_file(&files[0]).unwrap();
    });
    world
        .until("bob deploys", LONG, || world.gate("int-test").began().iter().any(|version| version == LATER));
    world.until("the first is back", LONG, || {
        world.queue().history.len() == 2 || world.queue().tickets.len() == 2
    });
    world.gate("int-test").passes();
    waiter.wait(LONG).code(0);
    running.wait(LONG).code(16);
    assert_eq!(
        (world.versions("int"), world.verified_on("int").as_deref()),
        (vec![LATER.to_owned()], Some(LATER))
    );
    assert!(world.queue().tickets.is_empty(), "{}", world.queue());
}

#[test]
fn the_ticket_of_a_waiter_is_removed() {
    let world = int();
    let holder = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let waiter = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    world.until("bob waits", LONG, || world.queue().tickets.len() == 2);
    edit_queue(&world, |dir| std::fs::remove_file(last_ticket(dir)).unwrap());
    waiter.wait(LONG).code(13).says("by hand");
    world.gate("int-test").passes();
    holder.wait(LONG).code(0);
    ended(&world, NEW, "verified");
}

/// What its own command asked is what a run does.
#[test]
fn the_ticket_of_a_holder_is_edited() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    edit_json(&world, last_ticket, |ticket| {
        ticket["version"] = LATER.into();
        ticket["state"] = serde_json::json!({ "name": "verified" });
        ticket["pipeline"] = "preprod".into();
    });
    let tip = world.tip(QUEUE);
    world.until("a beat", LONG, || world.tip(QUEUE) != tip);
    // the record of int does not say so: the gate decides
    world.gate("int-test").fails();
    running.wait(LONG).code(11);
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

/// A waiter whose ticket says `verified` has deployed nothing, and does not say that it has.
#[test]
fn the_ticket_of_a_waiter_is_called_verified() {
    let world = int();
    world.ttl("3s");
    let holder = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let waiter = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    world.until("bob waits", LONG, || world.queue().tickets.len() == 2);
    edit_json(&world, last_ticket, |ticket| ticket["state"] = serde_json::json!({ "name": "verified" }));
    waiter.wait(LONG).code(18).says("stopped before the first commit");
    world.gate("int-test").passes();
    holder.wait(LONG).code(0);
    assert_eq!(world.queue().history[1]["outcome"], "stopped");
    ended(&world, NEW, "verified");
    assert_eq!(
        (world.versions("int"), world.verified_on("int").as_deref()),
        (vec![NEW.to_owned()], Some(NEW))
    );
}

#[test]
fn the_ticket_of_a_waiter_is_edited() {
    let world = int();
    let holder = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    let waiter = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    world.until("bob waits", LONG, || world.queue().tickets.len() == 2);
    edit_json(&world, last_ticket, |ticket| {
        ticket["version"] = THEIRS.into();
        ticket["pipeline"] = "preprod".into();
        ticket["set"] = serde_json::json!([{ "service": "mds", "path": "cache.size", "value": "1" }]);
    });
    world.gate("int-test").passes();
    holder.wait(LONG).code(0);
    waiter.wait(LONG).code(0);
    ended(&world, LATER, "verified");
    assert_eq!(world.versions("int"), [LATER]);
    assert_eq!(world.gate("int-test").began(), [OLD, NEW, LATER]);
}

#[test]
fn the_driver_is_edited() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    edit_json(&world, last_ticket, |ticket| {
        ticket["driver"] = serde_json::json!({ "epoch": 40, "who": "mallory", "beat": 1 });
    });
    running.wait(LONG).code(18).says("mallory");
    assert_eq!(world.versions("int"), [NEW], "it stopped writing");
    world.gate("int-test").passes();
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}
