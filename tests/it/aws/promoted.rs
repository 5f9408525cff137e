//! Promotions by the real binary.

use toml_edit::{Array, Table, value};

use super::moto;
use super::run::{LONG, at, equip, table};
use crate::moto::{Door, Moto, Says};
use crate::world::{NEW, World};

/// Keys below a bucket that were asked to be copied, each once however often it was tried.
fn copied(door: &Door, bucket: &str) -> std::collections::BTreeSet<String> {
    let put = format!("PUT /{bucket}/");
    let seen = door.seen();
    let keys = seen.iter().filter_map(|line| line.strip_prefix(&put)?.split([' ', '?']).next());
    keys.map(str::to_owned).collect()
}

/// abn gets its packages from int.
pub fn from_int(world: &World) {
    equip(world, "int", "preview", "preview");
    equip(world, "abn", "live", "live");
    world.config(|text| {
        let stages = text["pipeline"]["preprod"]["stages"].as_array_mut().unwrap();
        let stage = stages.get_mut(0).unwrap().as_inline_table_mut().unwrap();
        stage.insert("promote", table(&[("from", "int")]));
        text["pipeline"]["preprod"]["requires"] = value(Array::new());
    });
}

/// How long the promotion of abn may take.
pub fn within(world: &World, timeout: &str) {
    world.config(|text| {
        let stages = text["pipeline"]["preprod"]["stages"].as_array_mut().unwrap();
        let stage = stages.get_mut(0).unwrap().as_inline_table_mut().unwrap();
        stage.insert("promote", table(&[("from", "int"), ("timeout", timeout)]));
    });
}

/// 3,000 objects, killed in the middle; the next one copies the rest, and no object twice.
///
/// Requests of the killed one may still be under way when it is gone: the next one has a door of its own, and what it
/// copies is compared by key with what was there before it began.
#[test]
fn a_promotion_that_is_killed_is_finished_by_the_next_one() {
    const FIRST: usize = 300;
    let moto = moto!();
    moto.bucket("preview");
    moto.bucket("live");
    let prefix = format!("timetable/{NEW}/");
    let objects: Vec<_> = (0..3000)
        .map(|number| (format!("{prefix}tile {number}+.bin"), number.to_string().into_bytes()))
        .collect();
    moto.put("preview", &objects);
    moto.put("preview", &[(format!("{prefix}_SUCCESS"), Vec::new())]);
    let world = World::new();
    from_int(&world);
    let door = Door::before(moto.port());
    let args = ["promote", "abn", NEW];
    at(world.datapin(&["promote", "abn", NEW, "--dry-run"]), &door.url()).run().code(0).says("3001 objects");
    assert!(moto.keys("live").is_empty());
    let passed = std::sync::atomic::AtomicUsize::new(0);
    door.rule(move |request| {
        let copy = request.starts_with("put /live/");
        match copy && passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= FIRST {
            true => Says::Holds,
            false => Says::Through,
        }
    });
    let mut running = at(world.datapin(&args), &door.url()).spawn();
    world.until("it is in the middle", LONG * 5, || door.holds() > 0);
    running.kill();
    world.until("what is under way arrives", LONG * 5, || moto.keys("live").len() == FIRST);
    let there = moto.keys("live");
    assert!(!there.iter().any(|key| key.ends_with("_SUCCESS")));
    let second = Door::before(moto.port());
    at(world.datapin(&args), &second.url()).spawn().wait(LONG * 5).code(0);
    assert_eq!(moto.keys("live").len(), 3001);
    assert_eq!(copied(&second, "live").len(), 3001 - FIRST, "no object is copied twice");
    let third = Door::before(moto.port());
    at(world.datapin(&args), &third.url()).run().code(0).says("0 objects").says("3001 were there");
    assert!(copied(&third, "live").is_empty());
}

/// int and abn, and int is verified on NEW.
fn verified_on_int(moto: &Moto) -> World {
    moto.bucket("preview");
    moto.bucket("live");
    moto.export("preview", &format!("timetable/{NEW}/"));
    let world = World::new();
    from_int(&world);
    world
}

/// Nothing was pinned: the run ends as after any promotion that fails, and the next one copies what is left.
#[test]
fn a_promotion_that_is_out_of_time_ends_the_run_and_the_next_one_copies_the_rest() {
    let moto = moto!();
    let world = verified_on_int(&moto);
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    within(&world, "2s");
    let tip = world.tip("main");
    let door = Door::before(moto.port());
    door.rule(|request| match request.starts_with("put /live/") && !request.contains("stops.bin") {
        true => Says::Holds,
        false => Says::Through,
    });
    let done = at(world.datapin(&["deploy", "preprod", NEW]), &door.url()).run().code(3);
    done.says("within 2s: ")
        .says("of 4 objects")
        .says("the next run or `datapin promote` copies only the rest");
    assert_eq!(world.tip("main"), tip);
    let left = 4 - moto.keys("live").len();
    within(&world, "1h");
    let next = Door::before(moto.port());
    at(world.datapin(&["deploy", "preprod", NEW]), &next.url()).run().code(0);
    assert_eq!((copied(&next, "live").len(), moto.keys("live").len()), (left, 4));
}

#[test]
fn other_bytes_in_live_end_the_run_and_stay_as_they_are() {
    let moto = moto!();
    let world = verified_on_int(&moto);
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    let key = format!("timetable/{NEW}/stops.bin");
    moto.put("live", &[(key.clone(), b"Data of stops.bin".to_vec())]);
    let tip = world.tip("main");
    let done = at(world.datapin(&["deploy", "preprod", NEW]), &moto.url()).run().code(15);
    done.says("already holds something else").says("`stops.bin` has other bytes");
    assert_eq!((world.tip("main"), moto.keys("live")), (tip, vec![key.clone()]));
    assert_eq!(moto.get("live", &key), b"Data of stops.bin");
}

/// The source is recorded in another queue, and changes between the check and the stage that it fills.
#[test]
fn what_changes_before_its_stage_is_not_promoted() {
    let moto = moto!();
    let world = verified_on_int(&moto);
    world.config(|text| {
        text["queue"]["other"] = toml_edit::Item::Table(Table::new());
        text["queue"]["other"]["branch"] = value("datapin/other");
        text["environment"]["int"]["queue"] = value("other");
        let stages = text["pipeline"]["preprod"]["stages"].as_array_mut().unwrap();
        let abn = stages.remove(0);
        stages.insert_formatted(1, abn);
    });
    world.datapin(&["init"]).run().code(0);
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    world.gate("lup-test").hangs();
    let running = at(world.datapin(&["deploy", "preprod", NEW]), &moto.url()).spawn();
    world.until("the gate begins", LONG, || !world.gate("lup-test").began().is_empty());
    moto.put("preview", &[(format!("timetable/{NEW}/stops.bin"), b"other".to_vec())]);
    world.gate("lup-test").passes();
    running.wait(LONG).code(15).says("was verified in `int` by run");
    assert!(moto.keys("live").is_empty());
}

/// abn, lup and prd read the same bucket: what abn was tested with is what they get.
#[test]
fn what_changes_after_it_was_promoted_is_not_pinned_by_the_stages_that_follow() {
    let moto = moto!();
    let world = verified_on_int(&moto);
    for name in ["lup", "prd"] {
        equip(&world, name, "live", "live");
    }
    world.gate("abn-test").hangs();
    let running = at(world.datapin(&["deploy", "preprod", NEW]), &moto.url()).spawn();
    world.until("the gate begins", LONG, || !world.gate("abn-test").began().is_empty());
    moto.put("live", &[(format!("timetable/{NEW}/stops.bin"), b"other".to_vec())]);
    world.gate("abn-test").passes();
    let done = running.wait(LONG).code(15);
    let done = done.says("lup: the package at").says("its bytes were changed under the same version");
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("pinned lup"), "{}", done.stdout);
    assert!(world.gate("lup-test").began().is_empty());
}

/// Both sides were exported again under the same version, and only the target was ever verified.
#[test]
fn a_full_target_that_is_not_what_was_verified_there_is_refused() {
    let moto = moto!();
    let world = verified_on_int(&moto);
    at(world.datapin(&["deploy", "preprod", NEW]), &moto.url()).run().code(0);
    for bucket in ["preview", "live"] {
        moto.put(bucket, &[(format!("timetable/{NEW}/stops.bin"), b"other".to_vec())]);
    }
    let done = at(world.datapin(&["promote", "abn", NEW]), &moto.url()).run().code(15);
    done.says("was verified in `abn` by run");
    at(world.datapin(&["deploy", "preprod", NEW, "--dry-run"]), &moto.url()).run().code(15);
}

#[test]
fn what_was_never_verified_is_copied_with_a_word_of_warning() {
    let moto = moto!();
    let world = verified_on_int(&moto);
    let promote = ["promote", "abn", NEW, "--output", "json"];
    let done = at(world.datapin(&promote), &moto.url()).run().code(0);
    let done = done.says(&format!("timetable {NEW} was never verified in `int`"));
    assert_eq!(done.json_lines().last().unwrap()["objects"], 4, "the last line is the result");
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    let done = at(world.datapin(&promote), &moto.url()).run().code(0);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("never verified"), "{}", done.stderr);
}

/// `--from` is held to what `check` asks of `promote`.
#[test]
fn from_an_environment_whose_packages_end_otherwise_nothing_is_promoted() {
    let moto = moto!();
    let world = verified_on_int(&moto);
    world.config(|text| {
        text["pipeline"]["preprod"]["stages"][0].as_inline_table_mut().unwrap().remove("promote");
        let bucket = text["environment"]["int"]["bucket"].as_inline_table_mut().unwrap();
        bucket.remove("marker");
        bucket.insert("min_objects", 1.into());
    });
    let from = |name: &str| {
        let args = ["promote", "abn", NEW, "--from", name];
        at(world.datapin(&args), &moto.url()).run().code(2)
    };
    from("int").says("their packages end with different objects");
    from("abn").says("the same place of the same bucket");
    from("lup").says("`lup` has no `bucket`");
    assert!(moto.keys("live").is_empty());
}
