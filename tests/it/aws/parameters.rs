//! The parameter that holds the last verified version.

use std::collections::BTreeMap;

use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging};
use datapin::aws::{Aws, Fault};
use datapin::config::{self, AwsAccess, Secrecy};
use datapin::ssm::{Between, Parameter, ParameterError, Written};

use super::moto;
use crate::moto::{Door, Moto, Says, aws_at};

fn settings() -> config::Parameter {
    config::Parameter {
        name: "/{environment}/{dataset}/version".to_owned(),
        secrecy: Secrecy::Plain,
        tier: None,
        kms_key: None,
        tags: BTreeMap::from([("team".to_owned(), "data".to_owned())]),
        access: AwsAccess::default(),
    }
}

fn write_by(
    moto: &Moto,
    aws: &Aws,
    settings: &config::Parameter,
    value: &str,
) -> Result<Written, ParameterError> {
    moto.wait(async { Parameter::open(aws, settings, "int", "timetable").await?.write(value).await })
}

fn write(moto: &Moto, value: &str) -> Result<Written, ParameterError> {
    write_by(moto, &moto.aws(), &settings(), value)
}

const NAME: &str = "/int/timetable/version";

#[test]
fn it_is_created_with_its_tags_then_written_then_left_alone() {
    let moto = moto!();
    assert_eq!(write(&moto, "1").unwrap(), Written::Now { before: None, between: Between::Nothing });
    let tags = moto.ssm().list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter);
    let tags = moto.wait(tags.resource_id(NAME).send()).unwrap();
    assert_eq!(tags.tag_list()[0].key(), "team");
    let Written::Now { before: Some(before), between: Between::Nothing } = write(&moto, "2").unwrap() else {
        panic!("not written")
    };
    assert_eq!((before.value.as_str(), before.version), ("1", 1));
    assert_eq!(write(&moto, "2").unwrap(), Written::Already);
    assert_eq!(moto.parameter(NAME).as_deref(), Some("2"));
}

/// How a write went that was held at the door while `meanwhile` happened.
fn written_late(moto: &Moto, meanwhile: impl FnOnce()) -> Written {
    write(moto, "0").unwrap();
    write(moto, "1").unwrap();
    let door = Door::before(moto.port());
    door.rule(|request| match request.contains("amazonssm.putparameter") {
        true => Says::Holds,
        false => Says::Through,
    });
    let aws = aws_at(&door.url());
    std::thread::scope(|scope| {
        let stalled = scope.spawn(|| write_by(moto, &aws, &settings(), "2"));
        let begun = std::time::Instant::now();
        while door.holds() == 0 {
            assert!(begun.elapsed().as_secs() < 30, "the write did not come");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        meanwhile();
        door.release();
        stalled.join().unwrap().unwrap()
    })
}

#[test]
fn a_write_of_somebody_else_in_between_is_seen() {
    let moto = moto!();
    let written = written_late(&moto, || drop(write(&moto, "theirs").unwrap()));
    assert!(matches!(written, Written::Now { between: Between::Writes(1), .. }), "{written:?}");
}

/// The answer is not the version after the one that was read, and not a later one either.
#[test]
fn a_parameter_that_was_made_anew_in_between_is_seen() {
    let moto = moto!();
    let written = written_late(&moto, || {
        moto.wait(moto.ssm().delete_parameter().name(NAME).send()).unwrap();
        write(&moto, "theirs").unwrap();
    });
    assert!(matches!(written, Written::Now { between: Between::MadeAnew, .. }), "{written:?}");
}

#[test]
fn another_type_is_refused_before_the_write() {
    let moto = moto!();
    let put = moto.ssm().put_parameter().name(NAME).value("1").r#type(ParameterType::SecureString);
    moto.wait(put.send()).unwrap();
    let error = write(&moto, "2").unwrap_err();
    assert!(matches!(&error, ParameterError::OtherType { found, .. } if found == "SecureString"), "{error}");
    assert_eq!(moto.parameter(NAME).as_deref(), Some("1"));
    let secure = config::Parameter { secrecy: Secrecy::Secure, ..settings() };
    write_by(&moto, &moto.aws(), &secure, "2").unwrap();
    assert_eq!(moto.parameter(NAME).as_deref(), Some("2"));
    let plain = moto.ssm().put_parameter().name("/plain").value("1").r#type(ParameterType::String);
    moto.wait(plain.send()).unwrap();
    let secure = config::Parameter { name: "/plain".to_owned(), ..secure };
    let error = write_by(&moto, &moto.aws(), &secure, "2").unwrap_err();
    assert!(matches!(&error, ParameterError::OtherType { found, .. } if found == "String"), "{error}");
    assert_eq!(moto.parameter("/plain").as_deref(), Some("1"));
}

#[test]
fn braces_are_refused() {
    let moto = moto!();
    let error = write(&moto, "{{x}}").unwrap_err();
    assert!(matches!(error, ParameterError::Braces { .. }), "{error}");
}

#[test]
fn a_label_on_the_oldest_of_a_hundred_versions_is_named() {
    let moto = moto!();
    write(&moto, "0").unwrap();
    let label = moto.ssm().label_parameter_version().name(NAME).parameter_version(1).labels("keep");
    moto.wait(label.send()).unwrap();
    for number in 1..100 {
        write(&moto, &number.to_string()).unwrap();
    }
    let error = write(&moto, "100").unwrap_err();
    assert!(matches!(error, ParameterError::Full { .. }), "{error}");
    assert_eq!(moto.parameter(NAME).as_deref(), Some("99"));
}

#[test]
fn throttling_is_waited_for() {
    let moto = moto!();
    let door = Door::before(moto.port());
    let left = std::sync::atomic::AtomicU32::new(2);
    door.rule(move |request| {
        use std::sync::atomic::Ordering;
        let throttle = request.contains("amazonssm.")
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        match throttle {
            true => Says::Answers(
                400,
                vec![],
                r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#.to_owned(),
            ),
            false => Says::Through,
        }
    });
    write_by(&moto, &aws_at(&door.url()), &settings(), "1").unwrap();
    assert_eq!(moto.parameter(NAME).as_deref(), Some("1"));
}

#[test]
fn a_refusal_names_the_statement() {
    let moto = moto!();
    let door = Door::before(moto.port());
    door.rule(|request| match request.contains("amazonssm.putparameter") {
        true => {
            Says::Answers(400, vec![], r#"{"__type": "AccessDeniedException", "Message": "no"}"#.to_owned())
        }
        false => Says::Through,
    });
    let error = write_by(&moto, &aws_at(&door.url()), &settings(), "1").unwrap_err();
    let ParameterError::Aws(aws) = &error else { panic!("{error}") };
    assert!(matches!(aws.fault, Fault::Denied { .. }), "{error}");
    assert!(
        error.to_string().contains("ssm:PutParameter on arn:aws:ssm:*:*:parameter/int/timetable/version"),
        "{error}"
    );
}

#[test]
fn type_tier_and_key_are_given_where_it_is_created() {
    let moto = moto!();
    let made = config::Parameter {
        secrecy: Secrecy::Secure,
        tier: Some("Advanced".to_owned()),
        kms_key: Some("alias/data".to_owned()),
        ..settings()
    };
    write_by(&moto, &moto.aws(), &made, "1").unwrap();
    write_by(&moto, &moto.aws(), &made, "2").unwrap();
    let found = moto.wait(moto.ssm().describe_parameters().send()).unwrap();
    let found = &found.parameters()[0];
    assert_eq!(found.r#type(), Some(&ParameterType::SecureString));
    assert_eq!(found.tier().map(aws_sdk_ssm::types::ParameterTier::as_str), Some("Advanced"));
    assert_eq!((found.key_id(), found.version()), (Some("alias/data"), 2));
}

#[test]
fn a_wrong_clock_is_explained() {
    let moto = moto!();
    let door = Door::before(moto.port());
    door.rule(|_| {
        let text = r#"{"__type": "InvalidSignatureException", "message": "Signature expired: 1 is now earlier than 2"}"#;
        Says::Answers(400, vec![], text.to_owned())
    });
    let error = write_by(&moto, &aws_at(&door.url()), &settings(), "1").unwrap_err();
    assert!(matches!(&error, ParameterError::Aws(aws) if aws.fault == Fault::Skew), "{error}");
    assert!(error.to_string().contains("the clock of this machine is wrong"), "{error}");
}
