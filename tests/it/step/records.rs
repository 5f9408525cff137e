//! `step record` with parameters: each is written by a job of its own.

use std::time::Duration;

use super::jobs::{Runner, publish, world};
use crate::aws::{at, equip};
use crate::moto::{Door, Moto, Says, variables};
use crate::world::{NEW, World};

const SOON: Duration = Duration::from_secs(60);
const SERVICES: [&str; 4] = ["mds", "fbv", "kv", "remo"];

/// Jobs that reach AWS at an address.
fn jobs<'w>(world: &'w World, pipeline: &str, url: &str) -> Runner<'w> {
    variables(url)
        .into_iter()
        .fold(Runner::new(world, pipeline), |runner, (name, text)| runner.env(name, &text))
}

fn says(moto: &Moto, environment: &str) -> Option<String> {
    moto.parameter(&format!("/{environment}/timetable/version"))
}

/// Environments with a bucket that has the new version, and a parameter.
fn equipped(moto: &Moto, environments: &[&str]) -> World {
    moto.bucket("data");
    moto.export("data", &format!("timetable/{NEW}/"));
    let world = world();
    environments.iter().for_each(|name| equip(&world, name, "live", "data"));
    world.config(|text| {
        text["pipeline"]["preprod"].as_table_mut().unwrap().remove("requires").map_or((), drop)
    });
    publish(&world);
    world
}

fn deployed(runner: &Runner, environment: &str, gate: Option<&str>) {
    SERVICES.iter().for_each(|name| drop(runner.step(&["deploy", environment, name]).code(0)));
    gate.into_iter().for_each(|gate| drop(runner.step(&["gate", environment, gate]).code(0)));
}

fn on_writes(moto: &Moto, says: impl Fn() -> Says + Send + Sync + 'static) -> Door {
    let door = Door::before(moto.port());
    door.rule(move |request| match request.contains("amazonssm.putparameter") {
        true => says(),
        false => Says::Through,
    });
    door
}

fn refusing(moto: &Moto) -> Door {
    let text = r#"{"__type": "AccessDeniedException", "Message": "no"}"#;
    on_writes(moto, move || Says::Answers(400, vec![], text.to_owned()))
}

#[test]
fn each_parameter_is_written_by_a_job_of_its_own() {
    let Some(moto) = Moto::start() else { return };
    let world = equipped(&moto, &["abn", "prd"]);
    let runner = jobs(&world, "91", &moto.url());
    runner.step(&["enter", "preprod", NEW]).code(0);
    deployed(&runner, "abn", Some("abn-test"));
    runner.step(&["record", "abn"]).code(20);
    deployed(&runner, "lup", Some("lup-test"));
    deployed(&runner, "prd", None);
    assert_eq!((says(&moto, "abn"), says(&moto, "prd")), (None, None), "only what is verified is written");
    let door = refusing(&moto);
    let refused = jobs(&world, "91", &door.url());
    refused.step(&["record", "prd"]).code(17).says("ssm:PutParameter");
    assert_eq!((says(&moto, "abn"), says(&moto, "prd")), (None, None));
    runner.step(&["record", "abn"]).code(0).says(&format!("{NEW} is recorded"));
    runner.step(&["record", "lup"]).code(0).says("nothing is to be recorded outside git");
    assert_eq!((says(&moto, "abn").as_deref(), says(&moto, "prd")), (Some(NEW), None));
    runner.step(&["record", "prd"]).code(0);
    assert_eq!(says(&moto, "prd").as_deref(), Some(NEW), "a retried job writes it");
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

#[test]
fn what_no_job_could_write_is_named_by_the_end_and_written_by_reconcile() {
    let Some(moto) = Moto::start() else { return };
    let world = equipped(&moto, &["int"]);
    let door = refusing(&moto);
    let refused = jobs(&world, "92", &door.url());
    refused.step(&["enter", "int", NEW]).code(0);
    deployed(&refused, "int", Some("int-test"));
    refused.step(&["record", "int"]).code(17);
    refused.step(&["finish"]).code(0).says("verified, not recorded");
    assert_eq!(world.last()["outcome"], "not-recorded");
    refused.step(&["record", "int"]).code(17).says("is over");
    at(world.datapin(&["reconcile"]), &moto.url()).run().code(0);
    assert_eq!(says(&moto, "int").as_deref(), Some(NEW));
}

#[test]
fn a_record_job_that_is_killed_is_done_by_its_retry() {
    let Some(moto) = Moto::start() else { return };
    let world = equipped(&moto, &["int"]);
    let door = on_writes(&moto, || Says::Holds);
    let runner = jobs(&world, "93", &moto.url());
    runner.step(&["enter", "int", NEW]).code(0);
    deployed(&runner, "int", Some("int-test"));
    let mut held = jobs(&world, "93", &door.url()).start(&["record", "int"]);
    world.until("it writes", SOON, || door.holds() > 0);
    held.kill();
    assert_eq!((world.state(), says(&moto, "int")), ("verified".to_owned(), None));
    runner.step(&["record", "int"]).code(0);
    assert_eq!(says(&moto, "int").as_deref(), Some(NEW));
    runner.step(&["finish"]).code(0);
    assert_eq!(world.last()["outcome"], "verified");
}

#[test]
fn a_run_that_goes_back_writes_no_parameter() {
    let Some(moto) = Moto::start() else { return };
    let world = equipped(&moto, &["int"]);
    let runner = jobs(&world, "94", &moto.url());
    runner.step(&["enter", "int", NEW]).code(0);
    world.gate("int-test").fails();
    SERVICES.iter().for_each(|name| drop(runner.step(&["deploy", "int", name]).code(0)));
    runner.step(&["gate", "int", "int-test"]).code(20);
    runner.step(&["record", "int"]).code(20);
    runner.step(&["finish"]).code(0);
    runner.step(&["record", "int"]).code(20);
    assert_eq!(says(&moto, "int"), None);
}
