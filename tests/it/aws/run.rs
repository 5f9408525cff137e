//! Runs of the real binary with buckets and parameters.

use std::time::Duration;

use toml_edit::{InlineTable, Value, value};

use super::moto;
use crate::moto::{Door, Moto, SECRET, Says, variables};
use crate::world::{Bot, NEW, OLD, World};

pub(super) const LONG: Duration = Duration::from_secs(60);
const LATER: &str = "2026.11.24-1";
const PARAMETER: &str = "/int/timetable/version";

pub(super) fn table(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), Value::from(*text))).collect::<InlineTable>().into()
}

/// Gives an environment a bucket, and a parameter.
pub fn equip(world: &World, environment: &str, purpose: &str, bucket: &str) {
    world.config(|text| {
        let one = &mut text["environment"][environment];
        one["purpose"] = value(purpose);
        let url = format!("s3://{bucket}/{{dataset}}/{{version}}/");
        one["bucket"] = value(table(&[("url", &url), ("marker", "_SUCCESS")]));
        one["ssm"] = value(table(&[("parameter", "/{environment}/{dataset}/version")]));
    });
}

/// A bot that reaches AWS at an address.
pub fn at(bot: Bot, url: &str) -> Bot {
    variables(url).into_iter().fold(bot, |bot, (name, text)| bot.env(name, &text))
}

/// int with a bucket that has the old version, verified on it.
fn int(moto: &Moto) -> World {
    moto.bucket("preview");
    moto.export("preview", &format!("timetable/{OLD}/"));
    let world = World::new();
    equip(&world, "int", "preview", "preview");
    at(world.datapin(&["deploy", "int", OLD]), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(OLD));
    world
}

fn package(world: &World) -> serde_json::Value {
    let sets = world.queue().environments["int"]["datasets"]["timetable"]["verified"].clone();
    sets.as_array().unwrap().last().unwrap()["package"].clone()
}

#[test]
fn without_its_package_nothing_is_deployed() {
    let moto = moto!();
    let world = int(&moto);
    let tip = world.tip("main");
    let done = at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(15);
    done.says(&format!("there is no package at s3://preview/timetable/{NEW}/"));
    at(world.datapin(&["deploy", "int", NEW, "--dry-run"]), &moto.url()).run().code(15);
    assert_eq!(world.tip("main"), tip);
    moto.export("preview", &format!("timetable/{NEW}/"));
    let done = at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains(SECRET));
    assert_eq!(
        (world.verified_on("int").as_deref(), moto.parameter(PARAMETER).as_deref()),
        (Some(NEW), Some(NEW))
    );
    let package = package(&world);
    assert_eq!(
        (&package["place"], &package["objects"]),
        (&format!("s3://preview/timetable/{NEW}/").into(), &4.into())
    );
}

#[test]
fn a_failed_run_leaves_the_parameter_alone() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    world.gate("int-test").fails();
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(11);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(OLD));
}

#[test]
fn bytes_that_change_under_a_run_take_it_back() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    world.gate("int-test").hangs();
    let running = at(world.datapin(&["deploy", "int", NEW]), &moto.url()).spawn();
    world.until("the gate begins", LONG, || world.gate("int-test").began().contains(&NEW.to_owned()));
    moto.put("preview", &[(format!("timetable/{NEW}/stops.bin"), b"other".to_vec())]);
    world.gate("int-test").passes();
    running.wait(LONG).code(15).says("its bytes were changed under the same version");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn bytes_that_changed_after_they_were_verified_are_refused() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    moto.put("preview", &[(format!("timetable/{OLD}/stops.bin"), b"other".to_vec())]);
    let done = at(world.datapin(&["deploy", "int", OLD]), &moto.url()).run().code(15);
    done.says("was verified in `int` by run");
}

/// A door that refuses writes of parameters.
fn refusing(moto: &Moto) -> Door {
    let door = Door::before(moto.port());
    door.rule(|request| match request.contains("amazonssm.putparameter") {
        true => {
            Says::Answers(400, vec![], r#"{"__type": "AccessDeniedException", "Message": "no"}"#.to_owned())
        }
        false => Says::Through,
    });
    door
}

#[test]
fn what_could_not_be_recorded_is_17_and_reconcile_records_it() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    let door = refusing(&moto);
    let done = at(world.datapin(&["deploy", "int", NEW]), &door.url()).run().code(17);
    done.says("verified, not recorded").says("ssm:PutParameter");
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW), "the commit point is never taken back");
    assert_eq!(world.last()["outcome"], "not-recorded");
    let status = at(world.datapin(&["status", "--environment", "int"]), &moto.url()).run().code(0);
    status.says(&format!("parameter {PARAMETER} says {OLD}, verified was {NEW}"));
    at(world.datapin(&["reconcile"]), &door.url()).run().code(17);
    at(world.datapin(&["reconcile"]), &moto.url()).run().code(0).says("record of timetable in int");
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
    at(world.datapin(&["reconcile"]), &moto.url()).run().code(0).says("nothing was left to finish");
}

#[test]
fn any_later_run_and_resume_record_what_is_owed() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    let door = refusing(&moto);
    at(world.datapin(&["deploy", "int", NEW]), &door.url()).run().code(17);
    at(world.datapin(&["resume"]), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
    moto.export("preview", &format!("timetable/{LATER}/"));
    at(world.datapin(&["deploy", "int", LATER]), &door.url()).run().code(17);
    at(world.datapin(&["deploy", "int", LATER]), &moto.url()).run().code(0).says("nothing to do");
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(LATER));
}

/// A door that holds writes of parameters.
fn holding(moto: &Moto) -> Door {
    let door = Door::before(moto.port());
    door.rule(|request| match request.contains("amazonssm.putparameter") {
        true => Says::Holds,
        false => Says::Through,
    });
    door
}

#[test]
fn a_run_that_is_killed_after_its_commit_point_goes_forward() {
    let moto = moto!();
    let world = int(&moto);
    world.ttl("3s");
    moto.export("preview", &format!("timetable/{NEW}/"));
    let door = holding(&moto);
    let mut running = at(world.datapin(&["deploy", "int", NEW]), &door.url()).spawn();
    world.until("the parameter is written", LONG, || door.holds() > 0);
    running.kill();
    assert_eq!(world.state(), "verified");
    at(world.datapin(&["reconcile"]).by("bo"), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
    assert_eq!(
        (world.versions("int"), world.last()["outcome"].as_str()),
        (vec![NEW.to_owned()], Some("verified"))
    );
}

#[test]
fn a_stalled_writer_leaves_the_newer_version() {
    let moto = moto!();
    let world = int(&moto);
    world.ttl("3s");
    for version in [NEW, LATER] {
        moto.export("preview", &format!("timetable/{version}/"));
    }
    let door = holding(&moto);
    let mut stalled = at(world.datapin(&["deploy", "int", NEW]), &door.url()).spawn();
    world.until("the parameter is written", LONG, || door.holds() > 0);
    stalled.signal(crate::world::Signal::STOP);
    at(world.datapin(&["deploy", "int", LATER]).by("bo"), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(LATER));
    door.release();
    world.until("the late write lands", LONG, || moto.parameter(PARAMETER).as_deref() == Some(NEW));
    stalled.signal(crate::world::Signal::CONT);
    world.until("the stalled one ends", LONG, || !stalled.runs());
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(LATER), "{}", stalled.stdout());
}

#[test]
fn a_write_by_somebody_else_is_told_by_status_and_by_the_next_run() {
    let moto = moto!();
    let world = int(&moto);
    let put = moto.ssm().put_parameter().name(PARAMETER).value("theirs").overwrite(true);
    moto.wait(put.send()).unwrap();
    let says = format!("parameter {PARAMETER} says theirs, verified was {OLD}");
    at(world.datapin(&["status"]), &moto.url()).run().code(0).says(&says);
    let json =
        at(world.datapin(&["status", "--output", "json", "--environment", "int"]), &moto.url()).run().json();
    assert_eq!(json["environments"][0]["parameter"]["value"], "theirs", "{json:#}");
    moto.export("preview", &format!("timetable/{NEW}/"));
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0).says(&says);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
}

#[test]
fn a_rollback_writes_the_version_that_it_reached() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(0);
    at(world.datapin(&["rollback", "int"]), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(OLD));
}

#[test]
fn one_bucket_under_two_purposes_is_2() {
    let world = World::new();
    equip(&world, "int", "preview", "data");
    equip(&world, "abn", "live", "data");
    world.datapin(&["check"]).run().code(2).says("bucket `data` has two purposes");
}

#[test]
fn a_write_that_fails_is_tried_again() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    let door = Door::before(moto.port());
    let left = std::sync::atomic::AtomicU32::new(2);
    door.rule(move |request| {
        use std::sync::atomic::Ordering::SeqCst;
        let write = request.contains("amazonssm.putparameter");
        match write && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            true => {
                let text = r#"{"__type": "AccessDeniedException", "Message": "not yet"}"#.to_owned();
                Says::Answers(400, vec![], text)
            }
            false => Says::Through,
        }
    });
    at(world.datapin(&["deploy", "int", NEW]), &door.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
}

fn theirs(moto: &Moto) {
    let put = moto.ssm().put_parameter().name(PARAMETER).value("theirs").overwrite(true);
    moto.wait(put.send()).unwrap();
}

#[test]
fn what_somebody_else_wrote_is_brought_back_by_reconcile_and_by_a_run_that_fails() {
    let moto = moto!();
    let world = int(&moto);
    theirs(&moto);
    let done = at(world.datapin(&["reconcile"]), &moto.url()).run().code(0);
    done.says(&format!("parameter {PARAMETER}: {OLD} (was theirs)"));
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(OLD));
    at(world.datapin(&["reconcile"]), &moto.url()).run().code(0).says("nothing was left to finish");
    theirs(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    world.gate("int-test").fails();
    at(world.datapin(&["deploy", "int", NEW]), &moto.url()).run().code(11);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(OLD));
}

#[test]
fn a_parameter_that_somebody_deleted_is_told_and_made_again() {
    let moto = moto!();
    let world = int(&moto);
    moto.wait(moto.ssm().delete_parameter().name(PARAMETER).send()).unwrap();
    let status = at(world.datapin(&["status"]), &moto.url()).run().code(0);
    status.says(&format!("parameter {PARAMETER} does not exist, verified was {OLD}"));
    at(world.datapin(&["reconcile"]), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(OLD));
}

/// After its write the writer looks at the parameter again.
#[test]
fn what_somebody_writes_right_after_the_write_is_told_and_brought_back() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    let door = Door::before(moto.port());
    let written = std::sync::atomic::AtomicBool::new(false);
    door.rule(move |request| {
        use std::sync::atomic::Ordering::SeqCst;
        if request.contains("amazonssm.putparameter") {
            written.store(true, SeqCst);
        }
        match request.contains("amazonssm.getparameter") && written.load(SeqCst) {
            true => Says::Holds,
            false => Says::Through,
        }
    });
    let running = at(world.datapin(&["deploy", "int", NEW]), &door.url()).spawn();
    world.until("it looks again", LONG, || door.holds() > 0);
    theirs(&moto);
    door.release();
    running
        .wait(LONG)
        .code(0)
        .says(&format!("somebody else wrote theirs to parameter {PARAMETER} meanwhile"));
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
}

/// What an earlier run owes is written at the beginning of the next one; that can be cancelled, too.
#[test]
fn a_run_that_is_cancelled_while_it_writes_what_is_owed_ends_at_once() {
    let moto = moto!();
    let world = int(&moto);
    for version in [NEW, LATER] {
        moto.export("preview", &format!("timetable/{version}/"));
    }
    at(world.datapin(&["deploy", "int", NEW]), &refusing(&moto).url()).run().code(17);
    let door = holding(&moto);
    let running = at(world.datapin(&["deploy", "int", LATER]), &door.url()).spawn();
    world.until("the parameter is written", LONG, || door.holds() > 0);
    running.signal(crate::world::Signal::TERM);
    running.wait(LONG).code(16);
    assert_eq!(
        (world.versions("int"), world.verified_on("int").as_deref()),
        (vec![NEW.to_owned()], Some(NEW))
    );
    at(world.datapin(&["reconcile"]), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
}

#[test]
fn what_a_started_run_names_is_left_to_it() {
    let moto = moto!();
    let world = int(&moto);
    moto.export("preview", &format!("timetable/{NEW}/"));
    world.gate("int-test").hangs();
    let running = at(world.datapin(&["deploy", "int", NEW]), &moto.url()).spawn();
    world.until("the gate begins", LONG, || world.gate("int-test").began().contains(&NEW.to_owned()));
    theirs(&moto);
    at(world.datapin(&["reconcile"]).by("bo"), &moto.url()).run().code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some("theirs"));
    world.gate("int-test").passes();
    running.wait(LONG).code(0);
    assert_eq!(moto.parameter(PARAMETER).as_deref(), Some(NEW));
}
