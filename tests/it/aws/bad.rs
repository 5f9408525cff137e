//! What AWS refuses, and in which words it is told.

use datapin::aws::Fault;
use datapin::config::AwsAccess;
use datapin::data::{DataError, Place, Shelf};

use super::{look, marker, moto, place};
use crate::moto::{Door, Moto, SECRET, Says, aws_at};

fn here() -> Place {
    place("preview", "1/", marker())
}

/// What a look through a door says.
fn through(moto: &Moto, door: &Door) -> DataError {
    moto.wait(async { Shelf::open(&aws_at(&door.url()), here()).await?.complete().await }).unwrap_err()
}

fn answers(status: u16, code: &'static str) -> Says {
    Says::Answers(status, vec![], format!("<Error><Code>{code}</Code><Message>it says so</Message></Error>"))
}

#[test]
fn a_bucket_that_is_not_there_is_a_missing_package() {
    let moto = moto!();
    let error = look(&moto, here()).unwrap_err();
    assert!(error.is_of_package() && error.to_string().contains("NoSuchBucket"), "{error}");
}

#[test]
fn without_the_right_to_list_it_is_told_what_cannot_be_known() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    let door = Door::before(moto.port());
    let no_list = |request: &str| request.starts_with("get /preview") && request.contains("list-type=2");
    door.rule(move |request| if no_list(request) { answers(403, "AccessDenied") } else { Says::Through });
    let text = through(&moto, &door).to_string();
    assert!(
        text.contains("s3:ListBucket on arn:aws:s3:::preview") && text.contains("`_SUCCESS` is there"),
        "{text}"
    );
    door.rule(|request| match request.starts_with("get /preview") || request.starts_with("head /preview") {
        true => answers(403, "AccessDenied"),
        false => Says::Through,
    });
    let text = through(&moto, &door).to_string();
    assert!(text.contains("S3 answers 403 (not 404) for what is not there"), "{text}");
}

#[test]
fn a_wrong_region_names_the_right_one() {
    let moto = moto!();
    let door = Door::before(moto.port());
    door.rule(|_| {
        let headers = vec![("x-amz-bucket-region", "us-west-2")];
        Says::Answers(
            301,
            headers,
            "<Error><Code>PermanentRedirect</Code><Message>no</Message></Error>".to_owned(),
        )
    });
    let text = through(&moto, &door).to_string();
    assert!(text.contains("set `region = \"us-west-2\"`"), "{text}");
    door.rule(|_| {
        let message = "the region 'eu-central-1' is wrong; expecting 'us-west-1'";
        let text =
            format!("<Error><Code>AuthorizationHeaderMalformed</Code><Message>{message}</Message></Error>");
        Says::Answers(400, vec![], text)
    });
    let text = through(&moto, &door).to_string();
    assert!(text.contains("set `region = \"us-west-1\"`"), "{text}");
}

#[test]
fn a_wrong_clock_is_explained() {
    let moto = moto!();
    let door = Door::before(moto.port());
    door.rule(|_| answers(403, "RequestTimeTooSkewed"));
    let error = through(&moto, &door);
    assert!(matches!(&error, DataError::Aws(aws) if aws.fault == Fault::Skew), "{error}");
    assert!(error.to_string().contains("the clock of this machine is wrong"), "{error}");
}

#[test]
fn an_unknown_key_is_a_matter_of_credentials_and_is_not_shown() {
    let moto = moto!();
    let door = Door::before(moto.port());
    door.rule(|_| answers(403, "InvalidAccessKeyId"));
    let error = through(&moto, &door);
    assert!(matches!(&error, DataError::Aws(aws) if aws.fault == Fault::Credentials), "{error}");
    assert!(!format!("{error} {error:?}").contains(SECRET));
}

#[test]
fn slow_down_and_trouble_and_a_cut_line_are_tried_again() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    let door = Door::before(moto.port());
    let count = std::sync::atomic::AtomicU32::new(0);
    door.rule(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => answers(503, "SlowDown"),
        1 => answers(500, "InternalError"),
        2 => Says::Cuts,
        _ => Says::Through,
    });
    let package = moto.wait(async { Shelf::open(&aws_at(&door.url()), here()).await?.complete().await });
    assert_eq!(package.unwrap().objects.len(), 4);
}

#[test]
fn a_role_that_cannot_be_assumed_is_named() {
    let moto = moto!();
    let door = Door::before(moto.port());
    door.rule(|_| {
        let text = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not for you</Message></Error></ErrorResponse>";
        Says::Answers(403, vec![], text.to_owned())
    });
    let role = "arn:aws:iam::222222222222:role/datapin";
    let access = AwsAccess { role_arn: Some(role.to_owned()), ..AwsAccess::default() };
    let error = moto.wait(Shelf::open(&aws_at(&door.url()), Place { access, ..here() })).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(role) && text.contains("trust policy"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_out_of_reach() {
    let moto = moto!();
    let aws = aws_at("http://127.0.0.1:1");
    let error = moto.wait(async { Shelf::open(&aws, here()).await?.complete().await }).unwrap_err();
    assert!(error.is_transient() && !error.is_of_package(), "{error}");
}

#[test]
fn a_token_of_the_ci_system_is_enough() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    let (url, role) = (moto.url(), "arn:aws:iam::123456789012:role/datapin");
    let aws = datapin::aws::Aws::new(std::sync::Arc::new(move |name| match name {
        "AWS_ENDPOINT_URL" => Some(url.clone()),
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "DATAPIN_AWS_ID_TOKEN" => Some("ey.J.x".to_owned()),
        _ => None,
    }));
    let access = AwsAccess { role_arn: Some(role.to_owned()), ..AwsAccess::default() };
    let looked = moto.wait(async { Shelf::open(&aws, Place { access, ..here() }).await?.complete().await });
    assert_eq!(looked.unwrap().objects.len(), 4);
}

#[test]
fn trouble_that_does_not_end_is_given_up() {
    let moto = moto!();
    let door = Door::before(moto.port());
    door.rule(|_| answers(503, "SlowDown"));
    let error = through(&moto, &door);
    assert!(error.is_transient() && error.to_string().contains("AWS asks to slow down"), "{error}");
    assert!((2..=6).contains(&door.seen().len()), "{:#?}", door.seen());
}

/// A token in a file, as on a runner in a cluster; it leads to a role between, and from there to the account's.
#[test]
fn a_token_leads_through_a_role_between_in_sessions_that_name_the_run() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    let door = Door::before(moto.port());
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&asked);
    door.rule(move |request| {
        if request.contains("action=assumerole") {
            heard.lock().unwrap().push(request.rsplit("\r\n").next().unwrap_or_default().to_owned());
        }
        Says::Through
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "ey.J.x\n").unwrap();
    let url = door.url();
    let aws = datapin::aws::Aws::new(std::sync::Arc::new(move |name| match name {
        "AWS_ENDPOINT_URL" => Some(url.clone()),
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ROLE_ARN" => Some("arn:aws:iam::111111111111:role/ci".to_owned()),
        "AWS_WEB_IDENTITY_TOKEN_FILE" => Some(file.display().to_string()),
        _ => None,
    }));
    let role = "arn:aws:iam::123456789012:role/datapin";
    let access = AwsAccess { role_arn: Some(role.to_owned()), ..AwsAccess::default() };
    let aws = aws.for_run("01KAZ");
    let looked = moto.wait(async { Shelf::open(&aws, Place { access, ..here() }).await?.complete().await });
    assert_eq!(looked.unwrap().objects.len(), 4);
    let asked = asked.lock().unwrap();
    let (first, second) = (&asked[0], asked.last().unwrap());
    for part in ["action=assumerolewithwebidentity", "role%2fci", "webidentitytoken=ey.j.x&", "session"] {
        assert!(format!("{first}&").contains(part), "no {part}: {first}");
    }
    assert!(second.contains("action=assumerole&") && second.contains("role%2fdatapin"), "{second}");
    assert!(asked.iter().all(|one| one.contains("rolesessionname=datapin-01kaz")), "{asked:#?}");
}

#[test]
fn a_bucket_may_have_an_address_of_its_own() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    let access = AwsAccess { endpoint: Some(moto.url()), ..AwsAccess::default() };
    let aws = aws_at("http://127.0.0.1:1");
    let looked = moto.wait(async { Shelf::open(&aws, Place { access, ..here() }).await?.complete().await });
    assert_eq!(looked.unwrap().objects.len(), 4);
}
