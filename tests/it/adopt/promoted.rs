//! People's commits that pin a version whose package has to be promoted first.

use super::request::{branch, checking, push_branch};
use super::*;
use crate::aws::{at, from_int};
use crate::moto::Moto;

const PARAMETER: &str = "/abn/timetable/version";

/// abn gets its packages from int: both are verified on the old version, and int on the new one.
fn world(moto: &Moto) -> World {
    moto.bucket("preview");
    moto.bucket("live");
    [OLD, NEW].iter().for_each(|version| moto.export("preview", &format!("timetable/{version}/")));
    let world = World::new();
    from_int(&world);
    for (pipeline, version) in [("int", OLD), ("preprod", OLD), ("int", NEW)] {
        at(world.datapin(&["deploy", pipeline, version]), &moto.url()).run().code(0);
    }
    world
}

fn adopt_with(moto: &Moto, world: &World, commit: &str) -> Done {
    at(adopting(world, commit, ZEROS), &moto.url()).run()
}

fn live(moto: &Moto, version: &str) -> usize {
    moto.keys("live").iter().filter(|key| key.starts_with(&format!("timetable/{version}/"))).count()
}

#[test]
fn what_a_person_merged_is_promoted_first_and_then_gated() {
    let Some(moto) = Moto::start() else { return };
    let world = world(&moto);
    let sha = bump(&world, "abn", OLD, NEW);
    adopt_with(&moto, &world, &sha).code(0).says("promoting to abn");
    assert_eq!(live(&moto, NEW), 4);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
    let line = ended(&world, NEW, "verified");
    assert_eq!(line["adopted"], sha);
}

#[test]
fn without_its_package_it_is_taken_back_with_the_reason() {
    let Some(moto) = Moto::start() else { return };
    let world = world(&moto);
    let sha = bump(&world, "abn", OLD, LATER);
    let done = adopt_with(&moto, &world, &sha).code(15);
    done.says(&format!("there is no package at s3://preview/timetable/{LATER}/"));
    assert_eq!((world.versions("abn"), live(&moto, LATER)), (vec![OLD.to_owned()], 0));
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(OLD));
    ended(&world, LATER, "rolled-back");
}

#[test]
fn other_bytes_in_live_take_it_back() {
    let Some(moto) = Moto::start() else { return };
    let world = world(&moto);
    moto.put("live", &[(format!("timetable/{NEW}/stops.bin"), b"other".to_vec())]);
    let sha = bump(&world, "abn", OLD, NEW);
    adopt_with(&moto, &world, &sha).code(15).says("already holds something else");
    assert_eq!((world.versions("abn"), live(&moto, NEW)), (vec![OLD.to_owned()], 1));
}

#[test]
fn a_merge_request_waits_for_its_promotion() {
    let Some(moto) = Moto::start() else { return };
    let world = world(&moto);
    let base = branch(&world, "bump");
    commit(&world, "abn", OLD, NEW, "bump");
    push_branch(&world, "bump");
    let check = || at(checking(&world, "bump", &base), &moto.url()).run();
    check().code(15).says(&format!("datapin promote abn {NEW}"));
    assert_eq!(live(&moto, NEW), 0, "a check copies nothing");
    at(world.datapin(&["promote", "abn", NEW]), &moto.url()).run().code(0);
    check().code(0).says("through pipeline preprod");
}
