//! A person pushes to the target branch while a run is on its way.

use super::*;
use crate::transport::hook;
use crate::world::{NEW, Transport};

/// What the person changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    OtherFile,
    SameFile,
    Pin,
}

const EDITS: [Edit; 3] = [Edit::OtherFile, Edit::SameFile, Edit::Pin];

impl Edit {
    fn text(self, pinned: &str) -> (&str, &str, &str) {
        match self {
            Edit::OtherFile => ("helmfile.yaml", "# ", "# By a person: "),
            Edit::SameFile => ("values/int/mds.yaml", "size: 512", "size: 640"),
            Edit::Pin => ("values/int/mds.yaml", pinned, THEIRS),
        }
    }

    fn push(self, world: &World, pinned: &str) -> String {
        world.push_as_person(&[self.text(pinned)], "By a person")
    }

    /// What the person wrote is still there.
    #[track_caller]
    fn stays(self, world: &World, person: &str) {
        untouched(world, person);
        let (file, _, theirs) = self.text("");
        let text = world.file("main", file).unwrap();
        assert!(text.contains(theirs), "{self:?} is gone from {file}:\n{text}");
    }
}

/// The server lands the person's commit while it takes the push to main whose subject has this word.
fn race(world: &World, word: &str, edit: Edit, pinned: &str) -> String {
    let checkout = world.checkout("main");
    let (file, from, to) = edit.text(pinned);
    let text = std::fs::read_to_string(checkout.join(file)).unwrap();
    std::fs::write(checkout.join(file), text.replace(from, to)).unwrap();
    git(&checkout, &["commit", "--quiet", "--all", "--message", "By a person"]);
    git(&checkout, &["push", "--quiet", "--force", "origin", "HEAD:refs/person/race"]);
    let script = format!(
        "[ \"$1\" = refs/heads/main ] || exit 0\ngit log -1 --format=%s \"$3\" | grep -q '{word}' || exit 0\n\
         [ -e raced ] && exit 0\ntouch raced\ngit update-ref refs/heads/main refs/person/race"
    );
    hook(&world.bare(), "update", &script);
    git(&checkout, &["rev-parse", "HEAD"])
}

#[track_caller]
fn raced(world: &World) {
    assert!(world.bare().join("raced").exists(), "nobody raced");
}

/// Ours are made again on theirs.
#[test]
fn between_our_plan_and_our_push() {
    for edit in EDITS {
        let world = World::over(Transport::Http);
        world.verified("int", OLD);
        let person = race(&world, "data(int)", edit, OLD);
        let done = world.datapin(&["deploy", "int", NEW]).run().code(0);
        raced(&world);
        untouched(&world, &person);
        assert_eq!(world.versions("int"), [NEW], "{edit:?}");
        ended(&world, NEW, "verified");
        let log = world.log("main");
        assert_eq!(log[1].id, person, "one commit of ours, on theirs: {log:#?}");
        if edit != Edit::Pin {
            edit.stays(&world, &person);
        }
        drop(done);
    }
}

#[test]
fn while_the_agent_syncs() {
    for edit in EDITS {
        let world = int();
        let running = syncing(&world, NEW);
        let person = edit.push(&world, NEW);
        heal(&world);
        if edit == Edit::Pin {
            running.wait(LONG).code(13).says(&person[..7]);
            ended(&world, NEW, "rolled-back");
            assert_eq!(pins(&world), [THEIRS, OLD, OLD, OLD]);
            assert_eq!(world.verified_on("int").as_deref(), Some(OLD));
        } else {
            running.wait(LONG).code(0);
            ended(&world, NEW, "verified");
            assert_eq!(world.tip("main"), person, "no commit more");
        }
        edit.stays(&world, &person);
    }
}

#[test]
fn during_the_gate() {
    for edit in EDITS {
        let world = int();
        let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
        let person = edit.push(&world, NEW);
        world.gate("int-test").passes();
        if edit == Edit::Pin {
            running.wait(LONG).code(13).says(&person[..7]);
            ended(&world, NEW, "rolled-back");
            assert_eq!(pins(&world), [THEIRS, OLD, OLD, OLD]);
        } else {
            running.wait(LONG).code(0);
            ended(&world, NEW, "verified");
            assert_eq!(world.versions("int"), [NEW]);
        }
        edit.stays(&world, &person);
    }
}

/// The revert is made again on theirs; what they changed themselves stays theirs.
#[test]
fn between_the_plan_of_a_revert_and_its_push() {
    for edit in EDITS {
        let world = World::over(Transport::Http);
        world.verified("int", OLD);
        let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
        let person = race(&world, "Revert", edit, NEW);
        world.gate("int-test").fails();
        running.wait(LONG).code(11);
        raced(&world);
        ended(&world, NEW, "rolled-back");
        let mds = if edit == Edit::Pin { THEIRS } else { OLD };
        assert_eq!(pins(&world), [mds, OLD, OLD, OLD], "{edit:?}");
        edit.stays(&world, &person);
        assert!(world.freeze("int").is_none());
    }
}

#[test]
fn while_a_rollback_is_waited_for() {
    for edit in EDITS {
        let world = int();
        let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
        for service in ["mds", "fbv", "kv", "remo"] {
            world.service("int", service).is_stuck();
        }
        world.gate("int-test").fails();
        world.until("the revert is pushed", LONG, || world.versions("int") == [OLD]);
        let person = edit.push(&world, OLD);
        heal(&world);
        running.wait(LONG).code(11);
        ended(&world, NEW, "rolled-back");
        let mds = if edit == Edit::Pin { THEIRS } else { OLD };
        assert_eq!(pins(&world), [mds, OLD, OLD, OLD], "{edit:?}");
        edit.stays(&world, &person);
        assert_eq!(world.tip("main"), person);
    }
}

/// Stage 1 is deployed, stage 2 is planned but not pushed.
#[test]
fn between_stages() {
    let edits = [
        ("values/lup/kv.yaml", "# KV", "# KV, by a person", 0),
        ("values/lup/kv.yaml", OLD, THEIRS, 0),
        ("values/abn/kv.yaml", NEW, THEIRS, 13),
    ];
    for (file, from, to, code) in edits {
        let world = int();
        world.verified("int", NEW);
        let running = hanging(&world, world.datapin(&["deploy", "preprod", NEW]), "abn-test", NEW);
        let person = world.push_as_person(&[(file, from, to)], "By a person");
        world.gate("abn-test").passes();
        let done = running.wait(LONG).code(code);
        untouched(&world, &person);
        if code == 0 {
            for environment in ["abn", "lup", "prd"] {
                assert_eq!(world.versions(environment), [NEW]);
            }
            ended(&world, NEW, "verified");
            // a pin that holds something else than the record is told, and taken as the value from before
            assert!(to != THEIRS || world.subjects().len() == 6, "{:?}", world.subjects());
        } else {
            done.says(&person[..7]);
            assert_eq!(world.versions("abn"), [OLD, THEIRS]);
            assert_eq!(
                (world.versions("lup"), world.versions("prd")),
                (vec![OLD.to_owned()], vec![OLD.to_owned()])
            );
            ended(&world, NEW, "rolled-back");
        }
    }
}
