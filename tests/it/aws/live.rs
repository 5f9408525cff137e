//! `datapin check --live` of buckets and parameters.

use std::path::Path;

use toml_edit::value;

use super::moto;
use super::promoted::from_int;
use super::run::{at, equip};
use crate::gate::assert_file;
use crate::moto::{Door, Moto, ROLE, Says};
use crate::world::{NEW, World};

/// int reads preview; abn reads live, in an account of its own, and gets its packages from int.
fn world(moto: &Moto) -> World {
    moto.bucket("preview");
    moto.bucket_of(ROLE, "live");
    moto.export("preview", &format!("timetable/{NEW}/"));
    let world = World::new();
    from_int(&world);
    world.config(|text| {
        for store in ["bucket", "ssm"] {
            text["environment"]["abn"][store]["role_arn"] = value(ROLE);
        }
        text["environment"]["abn"]["ssm"]["type"] = value("SecureString");
    });
    world
}

fn denies(words: &'static [&'static str]) -> impl Fn(&str) -> Says + Send + Sync {
    move |request| match words.iter().any(|word| request.contains(word)) {
        true if request.contains("amazonssm") => {
            Says::Answers(400, vec![], r#"{"__type": "AccessDeniedException", "Message": "no"}"#.to_owned())
        }
        true => {
            let text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
            Says::Answers(403, vec![], text.to_owned())
        }
        false => Says::Through,
    }
}

#[test]
fn what_may_be_read_is_ready_and_nothing_is_written() {
    let moto = moto!();
    let world = world(&moto);
    let door = Door::before(moto.port());
    door.rule(denies(&["amazonssm.putparameter", "put /"]));
    let done = at(world.datapin(&["check", "--live"]), &door.url()).run().code(0);
    for line in [
        "AWS for `int`, as arn:aws:",
        "AWS for `abn`, as arn:aws:sts::222222222222:assumed-role/datapin/",
        "bucket s3://preview/timetable/ of environment `int`: ready\n",
        "bucket s3://live/timetable/ of environment `abn`: ready\n",
        "promotion from `int` to `abn`, which reads s3://preview/timetable/: ready\n",
        "parameter /int/timetable/version of environment `int`: ready, with a warning\n",
        "the first verified run creates it",
    ] {
        assert!(done.stdout.contains(line), "no `{line}`: {}", done.stdout);
    }
    assert!(!done.stdout.contains("Statement"), "{}", done.stdout);
}

#[test]
fn missing_rights_are_named_and_granted_by_a_policy() {
    let moto = moto!();
    let world = world(&moto);
    let door = Door::before(moto.port());
    // objects of the source and parameters may not be read
    door.rule(denies(&["get /preview/timetable", "amazonssm.getparameter"]));
    let done = at(world.datapin(&["check", "--live"]), &door.url()).run().code(3);
    let from = done.stdout.find("AWS for").unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aws/live.txt");
    assert_file(&fixture, &done.stdout[from..]);
    let json = at(world.datapin(&["check", "--live", "--output", "json"]), &door.url()).run().code(3).json();
    let policies = json["live"]["policies"].as_array().unwrap();
    assert!(policies.iter().any(|one| one["who"] == ROLE), "{json:#}");
}

#[test]
fn what_is_not_there_or_elsewhere_is_told_apart() {
    let moto = moto!();
    let world = World::new();
    equip(&world, "int", "preview", "preview");
    let check = |url: &str| at(world.datapin(&["check", "--live"]), url).run();
    check(&moto.url()).code(2).says("NoSuchBucket").says("create the bucket");
    moto.bucket("preview");
    let put = moto.ssm().put_parameter().name("/int/timetable/version").value("1");
    let secure = aws_sdk_ssm::types::ParameterType::SecureString;
    moto.wait(put.r#type(secure).send()).unwrap();
    check(&moto.url()).code(2).says("is a SecureString");
    world.config(|text| text["environment"]["int"]["ssm"]["type"] = value("SecureString"));
    check(&moto.url()).code(0);
    let door = Door::before(moto.port());
    door.rule(|request| match request.starts_with("get /preview") {
        true => {
            let text = "<Error><Code>PermanentRedirect</Code><Message>no</Message></Error>";
            Says::Answers(301, vec![("x-amz-bucket-region", "us-west-2")], text.to_owned())
        }
        false => Says::Through,
    });
    check(&door.url()).code(2).says("set `region = \"us-west-2\"`");
    door.rule(denies(&["get /preview"]));
    check(&door.url()).code(3).says("allow s3:ListBucket on arn:aws:s3:::preview");
}

#[test]
fn without_credentials_it_is_said_once() {
    let world = World::new();
    equip(&world, "int", "preview", "preview");
    let bot = world.datapin(&["check", "--live"]).env("AWS_REGION", "eu-central-1");
    let bot = bot.env("AWS_EC2_METADATA_DISABLED", "true");
    let done = bot.run().code(3).says("give the job credentials");
    assert_eq!(done.stdout.matches("give the job credentials").count(), 1, "{}", done.stdout);
}
