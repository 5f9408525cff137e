//! The data-management tool's trigger, as the production schema has it: `POST /trigger/pipeline` on the server, and the
//! component's jobs with what the server then knows.

use toml_edit::{InlineTable, Value, value};

use super::GitLab;
use super::place::Place;
use super::runs::ONE_JOB;
use crate::moto::{Moto, variables};
use crate::transport::git;
use crate::world::{NEW, World};

/// The whole change of a commit.
fn patch(world: &World, subject: &str) -> String {
    let commit = world.log("main").into_iter().find(|commit| commit.subject == subject);
    let commit = commit.unwrap_or_else(|| panic!("no `{subject}` in {:?}", world.subjects()));
    git(&world.bare(), &["show", "--format=", "--unified=0", &commit.id])
}

/// The commit pins the version for every service of these environments, and changes the cache's size with it.
#[track_caller]
fn is_one_commit(world: &World, environments: &[&str], size: &str) {
    let patch = patch(world, &format!("data({}): timetable {NEW}", environments.join(",")));
    let added: Vec<&str> =
        patch.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).collect();
    let count = |text: &str| added.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count(NEW), 4 * environments.len(), "{patch}");
    assert_eq!(count(&format!("size: {size}")), environments.len(), "{patch}");
    assert_eq!(added.len(), 5 * environments.len(), "nothing else: {patch}");
}

/// 1.2 Trigger Test + Deployment (Datenpaket-Version): both data tests, then the presentation; by variables, in one job.
#[test]
fn schema_1_2_tests_and_deploys_what_was_exported() {
    let place = Place::new();
    let Some(gitlab) = GitLab::new(&place.world, ONE_JOB) else { return };
    let id = place.trigger(&[
        ("variables[DATAPIN_PIPELINE]", "data-test"),
        ("variables[DATAPIN_VERSION]", NEW),
        ("variables[DATAPIN_SET]", "mds:cache.size=1024"),
    ]);
    let (variables, inputs) = place.known(id);
    assert!(inputs.is_empty());
    let done = gitlab.run(&variables);
    assert_eq!(done.end("datapin-deploy").as_deref(), Some("PASS"), "{}", done.output);
    is_one_commit(&place.world, &["dt", "total-dt"], "1024");
    is_one_commit(&place.world, &["pres"], "1024");
    for name in ["dt", "total-dt", "pres"] {
        assert_eq!(place.world.verified_on(name).as_deref(), Some(NEW), "{name}");
    }
    assert_eq!((place.world.gate("data-test").began(), place.world.gate("billing-test").began()), {
        let once = vec![NEW.to_owned()];
        (once.clone(), once)
    });
    // the server's own pipeline shows every service and gate
    let state = place.server.state();
    let statuses = &state.projects[0].statuses;
    assert!(statuses.iter().all(|one| one.pipeline == Some(id) && one.state == "success"));
    assert_eq!(statuses.len(), 3 * 4 + 2, "{:?}", statuses.iter().map(|one| &one.name).collect::<Vec<_>>());
}

/// What the data test did not pass goes back everywhere, and the tool's pipeline fails.
#[test]
fn schema_1_2_takes_back_what_the_data_test_refuses() {
    let place = Place::new();
    let Some(gitlab) = GitLab::new(&place.world, ONE_JOB) else { return };
    place.world.gate("data-test").fails();
    let id =
        place.trigger(&[("variables[DATAPIN_PIPELINE]", "data-test"), ("variables[DATAPIN_VERSION]", NEW)]);
    let done = gitlab.run(&place.known(id).0);
    assert!(!done.succeeded && done.output.contains("FAIL 11"), "{}", done.output);
    for name in ["dt", "total-dt", "pres"] {
        assert_eq!(place.world.versions(name), [crate::world::OLD], "{name}");
    }
}

/// Gives an environment a bucket, and a parameter.
fn equip(world: &World, environment: &str, purpose: &str, bucket: &str) {
    let table = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, text)| ((*key).to_owned(), Value::from(*text)));
        pairs.collect::<InlineTable>()
    };
    world.config(|text| {
        let one = &mut text["environment"][environment];
        one["purpose"] = value(purpose);
        let url = format!("s3://{bucket}/{{dataset}}/{{version}}/");
        one["bucket"] = value(table(&[("url", &url), ("marker", "_SUCCESS")]));
        one["ssm"] = value(table(&[("parameter", "/{environment}/{dataset}/version")]));
    });
}

/// A production as the schema has it: acceptance, then production, from Live; what the presentation was verified with is
/// copied there first.
fn production(world: &World) {
    world.config(|text| {
        let stage = |fields: &[(&str, Value)]| -> Value {
            Value::InlineTable(fields.iter().map(|(key, value)| (*key, value.clone())).collect())
        };
        let from: InlineTable = [("from", Value::from("pres"))].into_iter().collect();
        let gates: Value = [Value::from("abn-test")].into_iter().collect();
        let stages: Value = [
            stage(&[("environment", "abn".into()), ("gates", gates), ("promote", from.into())]),
            stage(&[("environment", "prd".into())]),
        ]
        .into_iter()
        .collect();
        let requires: Value = [Value::from("pres")].into_iter().collect();
        text["pipeline"]["production"]["requires"] = value(requires);
        text["pipeline"]["production"]["stages"] = value(stages);
    });
}

/// 2.1 Promote: Runtime Daten, and 2.2 Promote: Deployment (Datenpaket-Version + Config Änderung): by inputs, as a graph.
#[test]
fn schema_2_2_promotes_version_and_config_change_to_acceptance_and_production() {
    let Some(moto) = Moto::start() else { return };
    let place = Place::new();
    let world = &place.world;
    moto.bucket("s3-preview");
    moto.bucket("s3-live");
    for name in ["dt", "total-dt", "pres"] {
        equip(world, name, "preview", "s3-preview");
    }
    for name in ["abn", "prd"] {
        equip(world, name, "live", "s3-live");
    }
    production(world);
    let Some(mut gitlab) = GitLab::new(world, &[]) else { return };
    gitlab.env = variables(&moto.url()).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    moto.export("s3-preview", &format!("timetable/{NEW}/"));
    let trigger = |pipeline: &str| {
        let set = ("inputs[set]", "mds:cache.size=4096");
        let id = place.trigger(&[("inputs[pipeline]", pipeline), ("inputs[version]", NEW), set]);
        let (variables, inputs) = place.known(id);
        assert_eq!(inputs.len(), 3);
        gitlab.run_with(&variables, &inputs)
    };
    let early = trigger("production");
    assert!(!early.succeeded && early.output.contains("requires"), "{}", early.output);
    assert!(trigger("data-test").succeeded);
    assert!(moto.keys("s3-live").is_empty());
    let done = trigger("production");
    assert!(done.succeeded, "{}", done.output);
    assert_eq!(moto.keys("s3-live").len(), 4, "the package was copied");
    is_one_commit(world, &["abn"], "4096");
    is_one_commit(world, &["prd"], "4096");
    for name in ["abn", "prd"] {
        assert_eq!(world.verified_on(name).as_deref(), Some(NEW), "{name}");
        assert_eq!(moto.parameter(&format!("/{name}/timetable/version")).as_deref(), Some(NEW), "{name}");
    }
}
