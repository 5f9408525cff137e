//! Ways in: which fault it is that there are no credentials, where services are, and what is never shown.

use std::sync::Arc;

use datapin::aws::{Aws, AwsError, Fault};
use datapin::config::AwsAccess;
use toml_edit::value;

use super::moto;
use super::run::{LONG, at, equip};
use crate::moto::{Door, REGION, ROLE, SECRET, Says, aws_at};
use crate::world::{NEW, World};

fn role() -> AwsAccess {
    AwsAccess { role_arn: Some(ROLE.to_owned()), ..AwsAccess::default() }
}

/// Why a role cannot be had where STS answers this.
fn refused(status: u16, body: &str) -> AwsError {
    let door = Door::before(1);
    let body = body.to_owned();
    door.rule(move |_| Says::Answers(status, vec![], body.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(aws_at(&door.url()).ssm(&role())).unwrap_err()
}

fn sts(code: &str, message: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>")
}

#[test]
fn what_sts_answers_decides_which_fault_it_is() {
    let cases = [
        (403, sts("AccessDenied", "not for you"), Fault::Credentials),
        (
            403,
            sts("ExpiredToken", "The security token included in the request is expired"),
            Fault::Credentials,
        ),
        (400, sts("ExpiredTokenException", "Token expired: current date/time 2"), Fault::Credentials),
        (403, sts("InvalidClientTokenId", "The security token is invalid"), Fault::Credentials),
        (400, sts("ValidationError", "x is invalid"), Fault::Credentials),
        (403, sts("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2"), Fault::Skew),
    ];
    for (status, body, fault) in cases {
        let error = refused(status, &body);
        assert_eq!(error.fault, fault, "{body}: {error}");
        assert!(error.to_string().contains(ROLE), "{error}");
    }
}

/// Nobody gave any: that is no matter of trying again.
#[test]
fn without_credentials_a_role_cannot_be_assumed_and_it_is_said_what_to_give() {
    let world = World::new();
    equip(&world, "int", "preview", "preview");
    world.config(|text| text["environment"]["int"]["bucket"]["role_arn"] = value(ROLE));
    let bot = world.datapin(&["deploy", "int", NEW]).env("AWS_REGION", REGION);
    let done = bot.env("AWS_EC2_METADATA_DISABLED", "true").run().code(3);
    let done = done.says(ROLE).says("give the job credentials");
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("safe to try again"), "{}", done.stderr);
}

/// Each service may be elsewhere; what is said of one is not said of the others.
#[test]
fn each_service_may_have_an_address_of_its_own() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    let doors = [(); 3].map(|()| Door::before(moto.port()));
    let urls = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SSM"]
        .into_iter()
        .zip(doors.iter().map(Door::url))
        .chain([("AWS_REGION", REGION.to_owned()), ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned())])
        .chain([("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned())])
        .collect::<std::collections::BTreeMap<_, _>>();
    let aws = Aws::new(Arc::new(move |name| urls.get(name).cloned()));
    moto.wait(async {
        let s3 = aws.s3(&role()).await.unwrap();
        s3.list_buckets().send().await.unwrap();
        let ssm = aws.ssm(&role()).await.unwrap();
        ssm.describe_parameters().send().await.unwrap();
    });
    let seen = doors.each_ref().map(Door::seen);
    let roots = |one: &Vec<String>| one.iter().filter(|line| line.starts_with("POST / ")).count();
    assert!(roots(&seen[0]) == seen[0].len() && !seen[0].is_empty(), "roles: {seen:#?}");
    assert!(seen[1].len() == 1 && seen[1][0].starts_with("GET "), "buckets: {seen:#?}");
    assert!(seen[2].len() == 1 && roots(&seen[2]) == 1, "parameters: {seen:#?}");
}

#[test]
fn a_session_has_only_characters_that_sts_takes() {
    let moto = moto!();
    let door = Door::before(moto.port());
    let asked = Arc::new(std::sync::Mutex::new(String::new()));
    let heard = Arc::clone(&asked);
    door.rule(move |request| {
        request.rsplit("\r\n").next().unwrap_or_default().clone_into(&mut heard.lock().unwrap());
        Says::Through
    });
    let aws = aws_at(&door.url()).for_run(&format!("größe 1/{}", "x".repeat(100)));
    moto.wait(aws.ssm(&role())).unwrap();
    let asked = asked.lock().unwrap();
    let name = asked.split('&').find_map(|pair| pair.strip_prefix("rolesessionname=")).unwrap();
    assert_eq!(name, format!("datapin-gre1{}", "x".repeat(64 - 12)));
}

/// What STS gave, a token of GitLab's and a key are in no log, however much is logged.
#[test]
fn no_log_shows_a_secret() {
    const GIVEN: &str = "wJalrXGIVENBYSTSbPxRfiCYEXAMPLEKEYaaaaaaa";
    const SESSION: &str = "FwoGZXSESSIONTOKENabcdefghijklmnop";
    const TOKEN: &str = "eyJhbGciOiJIDTOKEN.eyJ.sig";
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", &format!("timetable/{NEW}/"));
    let world = World::new();
    equip(&world, "int", "preview", "preview");
    world.config(|text| text["environment"]["int"]["bucket"]["role_arn"] = value(ROLE));
    let door = Door::before(moto.port());
    door.rule(|request| match request.contains("action=assumerole") {
        true => {
            let web = if request.contains("webidentity") { "WithWebIdentity" } else { "" };
            let text = format!(
                "<AssumeRole{web}Response><AssumeRole{web}Result><Credentials>\
                 <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>{GIVEN}</SecretAccessKey>\
                 <SessionToken>{SESSION}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
                 </Credentials></AssumeRole{web}Result></AssumeRole{web}Response>"
            );
            Says::Answers(200, vec![], text)
        }
        false => Says::Through,
    });
    let plan = ["-vvv", "deploy", "int", NEW, "--dry-run"];
    let by_key = at(world.datapin(&plan), &door.url());
    let by_token = world.datapin(&plan).env("AWS_ENDPOINT_URL", &door.url()).env("AWS_REGION", REGION);
    for bot in [by_key, by_token.env("DATAPIN_AWS_ID_TOKEN", TOKEN)] {
        let done = bot.env("DATAPIN_LOG", "trace").env("RUST_LOG", "trace").spawn().wait(LONG);
        let all = format!("{}{}", done.stdout, done.stderr);
        assert!(all.contains("TRACE"), "nothing was logged: {all}");
        for secret in [SECRET, GIVEN, SESSION, TOKEN] {
            let line = all.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is shown");
        }
    }
}
