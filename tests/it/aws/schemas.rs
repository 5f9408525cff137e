//! The two schemas of the concept, end to end: export → test on Preview → promote → acceptance and production on Live.

use datapin::config::AwsAccess;
use toml_edit::{DocumentMut, InlineTable, Item, Value, value};

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

/// The accounts of `environments/datapin-aws.toml`: data, test, production, playground.
const DATA: &str = "arn:aws:iam::111111111111:role/datapin";
const TEST: &str = "arn:aws:iam::222222222222:role/datapin";
const PRODUCTION: &str = "arn:aws:iam::333333333333:role/datapin";
const PLAYGROUND: &str = "arn:aws:iam::444444444444:role/datapin";

/// The sample's own buckets, parameters and promotions.
fn sample() -> World {
    let sample: DocumentMut = include_str!("../../../environments/datapin-aws.toml").parse().unwrap();
    let world = World::new();
    world.config(|text| {
        for (name, environment) in text["environment"].as_table_mut().unwrap().iter_mut() {
            for key in ["purpose", "bucket", "ssm"] {
                if let Some(own) = sample["environment"][name.get()].get(key) {
                    environment[key] = own.clone();
                }
            }
        }
        let pipelines: Item = sample["pipeline"].clone();
        text["pipeline"] = pipelines;
    });
    world
}

fn parameter(moto: &Moto, role: &str, name: &str) -> Option<String> {
    let access = AwsAccess { role_arn: Some(role.to_owned()), ..AwsAccess::default() };
    let client = moto.wait(moto.aws().ssm(&access)).unwrap();
    let got = moto.wait(client.get_parameter().name(name).send()).ok()?;
    got.parameter()?.value().map(str::to_owned)
}

#[test]
fn the_samples_configuration_serves_both_schemas() {
    let moto = moto!();
    let world = sample();
    for (role, purpose) in [(DATA, "data"), (PLAYGROUND, "playground")] {
        for stage in ["preview", "live"] {
            moto.bucket_of(role, &format!("{purpose}-{stage}"));
        }
        moto.export(&format!("{purpose}-preview"), &format!("timetable/{NEW}/"));
    }
    for pipeline in ["data-test", "int", "preprod", "play-test", "play-koala"] {
        at(world.datapin(&["deploy", pipeline, NEW]), &moto.url()).run().code(0);
    }
    for (role, environment) in [(TEST, "int"), (TEST, "abn"), (PRODUCTION, "prd")] {
        let name = format!("/{environment}/timetable/version");
        assert_eq!(parameter(&moto, role, &name).as_deref(), Some(NEW), "{environment}");
    }
    for bucket in ["data-live", "playground-live"] {
        assert_eq!(moto.keys(bucket).len(), 4, "{bucket}");
    }
    let again = at(world.datapin(&["promote", "play-koala", NEW]), &moto.url()).run().code(0);
    again.says("0 objects").says("4 were there");
}
