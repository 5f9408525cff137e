//! Pins that cannot be read: they are no reason to leave anything else alone, and none to overlook what mends them.

use super::*;

/// int is verified, and these of its pins were broken since.
fn broken(services: &[&str]) -> World {
    let world = int_on(&[OLD]);
    let files: Vec<String> = services.iter().map(|service| format!("values/int/{service}.yaml")).collect();
    let edits: Vec<_> = files.iter().map(|file| (&file[..], "version:", "versoin:")).collect();
    let sha = world.push_as_person(&edits, "typo");
    adopt(&world, &sha).code(2).says("values/int/");
    world
}

/// A person mends the pins and moves the version in one commit.
fn mended(world: &World, services: &[&str], to: &str) -> String {
    world.checkout("main");
    for service in services {
        edit(world, &format!("values/int/{service}.yaml"), "versoin:", "version:");
    }
    commit(world, "int", OLD, to, "int: mend");
    push(world)
}

#[test]
fn one_environment_that_cannot_be_read_stops_no_other() {
    for name in ["abn", "play-test"] {
        let world = int_on(&[OLD]);
        let before = world.tip("main");
        world.checkout("main");
        edit(&world, &format!("values/{name}/kv.yaml"), "version:", "versoin:");
        commit(&world, "int", OLD, NEW, "int: bump, and a typo");
        let sha = push(&world);
        let done = adopting(&world, &sha, &before).run().code(2);
        done.says("int: verified").says(&format!("{name}: error")).says(&format!("values/{name}/kv.yaml"));
        assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
        assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
    }
}

/// One of its pins, and all of them: then nothing that could be read before has moved.
const BROKEN: [&[&str]; 2] = [&["kv"], &SERVICES];

#[test]
fn what_is_mended_and_moved_at_once_is_adopted() {
    for services in BROKEN {
        let world = broken(services);
        let sha = mended(&world, services, NEW);
        adopt(&world, &sha).code(0).says("int: verified");
        assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
        assert_eq!(world.gate("int-test").began(), [OLD, NEW]);
    }
}

#[test]
fn what_is_mended_and_moved_at_once_goes_back_as_a_whole() {
    for services in BROKEN {
        let world = broken(services);
        let before = world.file("main", "values/int/kv.yaml").unwrap().replace("versoin:", "version:");
        let sha = mended(&world, services, NEW);
        world.gate("int-test").fails();
        adopt(&world, &sha).code(11);
        assert_eq!(world.versions("int"), [OLD]);
        assert_eq!(world.file("main", "values/int/kv.yaml").unwrap(), before, "mended, and as it is written");
    }
}

/// Only the pin that was broken moves with its mend: the others are what they were.
#[test]
fn a_mend_that_moves_only_its_own_pin_is_two_versions() {
    let world = broken(&["kv"]);
    world.checkout("main");
    edit(&world, "values/int/kv.yaml", "versoin:", "version:");
    edit(&world, "values/int/kv.yaml", OLD, NEW);
    let person = world.dir().join("person");
    git(&person, &["commit", "--quiet", "--all", "--message", "mend kv, and move it"]);
    let sha = push(&world);
    adopt(&world, &sha).code(15).says("several");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn a_mend_that_moves_nothing_is_nothing_to_adopt() {
    let world = broken(&["kv"]);
    let sha = world.push_as_person(&[("values/int/kv.yaml", "versoin:", "version:")], "mend kv");
    adopt(&world, &sha).code(0).says("nothing to adopt");
    assert_eq!(world.gate("int-test").began(), [OLD]);
}

/// Nothing was ever verified there: what stood there is not known.
#[test]
fn without_a_record_a_mend_is_nothing_to_adopt() {
    let world = World::new();
    for service in SERVICES {
        let path = format!("values/int/{service}.yaml");
        world.push_as_person(&[(&path, "version:", "versoin:")], "typo");
    }
    world.checkout("main");
    for service in SERVICES {
        let path = format!("values/int/{service}.yaml");
        edit(&world, &path, "versoin:", "version:");
    }
    commit(&world, "int", OLD, NEW, "mend");
    let sha = push(&world);
    adopt(&world, &sha).code(0).says("nothing to adopt");
}

/// A rollback that failed is what a person is needed for first.
#[test]
fn reconcile_names_both_and_ends_with_the_worse() {
    let world = int_on(&[OLD]);
    world.verified("play-test", OLD);
    world.config(|text| text["environment"]["int"]["rollback_timeout"] = toml_edit::value("2s"));
    world.service("int", "kv").never_comes_back();
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(12);
    world.push_as_person(&[("values/play-test/kv.yaml", "version:", "versoin:")], "typo");
    world.datapin(&["reconcile"]).run().code(12).says("int/kv").says("values/play-test/kv.yaml");
    world.service("int", "kv").heals();
    world.datapin(&["reconcile"]).run().code(2).says("values/play-test/kv.yaml");
    assert_eq!((world.versions("int"), world.freeze("int")), (vec![OLD.to_owned()], None));
}

/// The mend is a change that taking the pins back would not undo.
#[test]
fn a_merge_request_that_mends_and_moves_is_asked_to_be_two() {
    let world = broken(&["kv"]);
    let base = request::branch(&world, "mend");
    edit(&world, "values/int/kv.yaml", "versoin:", "version:");
    commit(&world, "int", OLD, NEW, "mend kv");
    request::push_branch(&world, "mend");
    let done = request::checking(&world, "mend", &base).run().code(2);
    done.says("values/int/kv.yaml").says("make it two merge requests");
    // the mend alone is nothing to adopt; `check` still says what is broken on the branch that it is merged into
    let base = request::branch(&world, "mend");
    edit(&world, "values/int/kv.yaml", "versoin:", "version:");
    let person = world.dir().join("person");
    git(&person, &["commit", "--quiet", "--all", "--message", "mend kv"]);
    request::push_branch(&world, "mend");
    request::checking(&world, "mend", &base).run().says("merge request: changes no pin");
}
