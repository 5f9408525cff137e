//! The two schemas of the concept, end to end: export → test on Preview → promote → acceptance and production on Live.

use toml_edit::{InlineTable, Value, value};

use super::moto;
use super::run::{at, equip};
use crate::moto::{Moto, ROLE};
use crate::world::{NEW, World};

fn promotes(world: &World, pipeline: &str, stage: usize, from: &str) {
    world.config(|text| {
        let stages = text["pipeline"][pipeline]["stages"].as_array_mut().unwrap();
        let from: InlineTable = [("from", Value::from(from))].into_iter().collect();
        stages.get_mut(stage).unwrap().as_inline_table_mut().unwrap().insert("promote", from.into());
    });
}

/// Live is in an account of its own.
fn buckets(moto: &Moto, world: &World, preview: &[&str], live: &[&str]) {
    moto.bucket("s3-preview");
    moto.bucket_of(ROLE, "s3-live");
    preview.iter().for_each(|name| equip(world, name, "preview", "s3-preview"));
    for name in live {
        equip(world, name, "live", "s3-live");
        world.config(|text| text["environment"][*name]["bucket"]["role_arn"] = value(ROLE));
    }
}

#[test]
fn production_reads_only_live_and_gets_what_was_tested() {
    let moto = moto!();
    let world = World::new();
    buckets(&moto, &world, &["int", "dt", "total-dt", "pres"], &["abn", "lup", "prd"]);
    promotes(&world, "preprod", 0, "int");
    world.config(|text| text["environment"]["lup"].as_table_mut().unwrap().remove("ssm").map_or((), drop));
    moto.export("s3-preview", &format!("timetable/{NEW}/"));
    for pipeline in ["data-test", "int"] {
        at(world.datapin(&["deploy", pipeline, NEW]), &moto.url()).run().code(0);
    }
    let plan = at(world.datapin(&["deploy", "preprod", NEW, "--dry-run"]), &moto.url()).run().code(0);
    plan.says("4 objects").says("are copied from s3://s3-preview/");
    assert!(moto.keys("s3-live").is_empty(), "a plan copies nothing");
    at(world.datapin(&["deploy", "preprod", NEW]), &moto.url()).run().code(0).says("promoting to abn");
    assert_eq!(moto.keys("s3-live").len(), 4);
    for name in ["abn", "prd"] {
        assert_eq!(moto.parameter(&format!("/{name}/timetable/version")).as_deref(), Some(NEW), "{name}");
    }
    assert_eq!(moto.parameter("/lup/timetable/version"), None, "two are written, not three");
    assert_eq!(world.verified_on("prd").as_deref(), Some(NEW));
    let sets = world.queue().environments["prd"]["datasets"]["timetable"]["verified"].clone();
    assert_eq!(sets[0]["package"]["place"], format!("s3://s3-live/timetable/{NEW}/"));
}

#[test]
fn the_playground_promotes_by_itself() {
    let moto = moto!();
    let world = World::new();
    buckets(&moto, &world, &["play-test"], &["play-koala"]);
    moto.export("s3-preview", &format!("timetable/{NEW}/"));
    at(world.datapin(&["deploy", "play-test", NEW]), &moto.url()).run().code(0);
    at(world.datapin(&["deploy", "play-koala", NEW]), &moto.url()).run().code(15).says("there is no package");
    let promote = ["promote", "play-koala", NEW, "--from", "play-test"];
    at(world.datapin(&promote), &moto.url()).run().code(0).says("4 objects");
    at(world.datapin(&["deploy", "play-koala", NEW]), &moto.url()).run().code(0);
    assert_eq!(world.versions("play-koala"), [NEW]);
}

#[test]
fn what_changed_after_the_test_is_not_promoted() {
    let moto = moto!();
    let world = World::new();
    buckets(&moto, &world, &["int"], &["abn", "lup", "prd"]);
    promotes(&world, "preprod", 0, "int");
    moto.export("s3-preview", &format!("timetable/{NEW}/"));
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    moto.put("s3-preview", &[(format!("timetable/{NEW}/stops.bin"), b"other".to_vec())]);
    let done = at(world.datapin(&["deploy", "preprod", NEW]), &moto.url()).run().code(15);
    done.says("was verified in `int` by run");
    at(world.datapin(&["promote", "abn", NEW]), &moto.url()).run().code(15);
    assert!(moto.keys("s3-live").is_empty());
}
