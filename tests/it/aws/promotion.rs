//! From one bucket to another.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use datapin::aws::Aws;
use datapin::config::{AwsAccess, Complete};
use datapin::data::{DataError, Limits, Package, Place, Promotion, Shelf, Work};

use super::{keys, look, marker, moto, place};
use crate::moto::{Door, Moto, ROLE, Says, aws_at};

async fn promotion(aws: &Aws, from: Place, to: Place) -> Promotion {
    let from = from.read_by(&to.access);
    Promotion {
        from: Shelf::open(aws, from).await.unwrap(),
        to: Shelf::open(aws, to).await.unwrap(),
        limits: Limits { objects: 16, ..Limits::default() },
    }
}

fn promote(moto: &Moto, aws: &Aws, from: Place, to: Place) -> Result<(Work, Package), DataError> {
    moto.wait(async {
        let promotion = promotion(aws, from, to).await;
        let work = promotion.plan().await?;
        let package = promotion.carry_out(&work, |_| ()).await?;
        Ok((work, package))
    })
}

fn two_buckets(moto: &Moto) {
    moto.bucket("preview");
    moto.bucket("live");
    moto.export("preview", "1/");
}

fn preview() -> Place {
    place("preview", "1/", marker())
}

fn live() -> Place {
    place("live", "timetable/1/", marker())
}

#[test]
fn every_object_arrives_with_its_bytes_and_its_key() {
    let moto = moto!();
    two_buckets(&moto);
    let (work, package) = promote(&moto, &moto.aws(), preview(), live()).unwrap();
    assert_eq!(work.objects(), 4);
    assert_eq!(keys(&package), ["_SUCCESS", "lines/1 a+b.bin", "lines/größe.bin", "stops.bin"]);
    assert_eq!(moto.get("live", "timetable/1/lines/1 a+b.bin"), b"data of lines/1 a+b.bin");
    assert_eq!(package.digest(), look(&moto, preview()).unwrap().digest());
    assert_eq!(moto.keys("preview").len(), 4, "nothing is deleted");
}

#[test]
fn a_second_promotion_copies_nothing_and_lists_each_side_once() {
    let moto = moto!();
    two_buckets(&moto);
    promote(&moto, &moto.aws(), preview(), live()).unwrap();
    let door = Door::before(moto.port());
    let (work, package) = promote(&moto, &aws_at(&door.url()), preview(), live()).unwrap();
    assert_eq!((work.objects(), package.objects.len()), (0, 4));
    let seen = door.seen();
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert!(seen.iter().all(|line| line.contains("list-type=2")), "{seen:#?}");
}

#[test]
fn the_marker_is_copied_last() {
    let moto = moto!();
    two_buckets(&moto);
    let door = Door::before(moto.port());
    promote(&moto, &aws_at(&door.url()), preview(), live()).unwrap();
    let puts: Vec<String> = door.seen().into_iter().filter(|line| line.starts_with("PUT ")).collect();
    assert_eq!(puts.len(), 4);
    assert!(puts.last().unwrap().contains("_SUCCESS"), "{puts:#?}");
}

#[test]
fn half_a_promotion_has_no_marker_and_the_next_one_copies_the_rest() {
    let moto = moto!();
    two_buckets(&moto);
    let door = Door::before(moto.port());
    door.rule(|request| match request.starts_with("put /live/timetable/1/stops.bin") {
        true => Says::Answers(403, vec![], "<Error><Code>AccessDenied</Code></Error>".to_owned()),
        false => Says::Through,
    });
    let error = promote(&moto, &aws_at(&door.url()), preview(), live()).unwrap_err();
    let text = error.to_string();
    for part in
        ["s3:GetObject on arn:aws:s3:::preview/*", "s3:PutObject on arn:aws:s3:::live/*", "kms:Decrypt"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert!(!moto.keys("live").iter().any(|key| key.ends_with("_SUCCESS")));
    let before = moto.keys("live").len();
    let (work, _) = promote(&moto, &moto.aws(), preview(), live()).unwrap();
    assert_eq!(work.objects(), 4 - before);
}

#[test]
fn other_bytes_in_live_are_never_overwritten() {
    let moto = moto!();
    two_buckets(&moto);
    moto.put("live", &[("timetable/1/stops.bin".to_owned(), b"Data of stops.bin".to_vec())]);
    let error = promote(&moto, &moto.aws(), preview(), live()).unwrap_err();
    assert!(matches!(error, DataError::Different { .. }), "{error}");
    assert!(error.to_string().contains("`stops.bin` has other bytes"), "{error}");
    assert_eq!(moto.keys("live"), ["timetable/1/stops.bin"]);
    assert_eq!(moto.get("live", "timetable/1/stops.bin"), b"Data of stops.bin");
}

#[test]
fn an_object_that_the_source_does_not_have_is_other_data() {
    let moto = moto!();
    two_buckets(&moto);
    moto.put("live", &[("timetable/1/old.bin".to_owned(), b"old".to_vec())]);
    let error = promote(&moto, &moto.aws(), preview(), live()).unwrap_err();
    assert!(error.to_string().contains("`old.bin` is not in the source"), "{error}");
}

#[test]
fn an_account_of_its_own_is_entered_by_its_role() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    moto.bucket_of(ROLE, "live");
    let access = AwsAccess {
        role_arn: Some(ROLE.to_owned()),
        external_id: Some("data".to_owned()),
        ..AwsAccess::default()
    };
    let door = Door::before(moto.port());
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&asked);
    door.rule(move |request| {
        if request.contains("action=assumerole") {
            heard.lock().unwrap().push(request.to_owned());
        }
        Says::Through
    });
    let aws = aws_at(&door.url()).for_run("01KAZ");
    promote(&moto, &aws, preview(), Place { access, ..live() }).unwrap();
    assert_eq!(moto.keys("live").len(), 4);
    let asked = asked.lock().unwrap();
    assert!(!asked.is_empty());
    for part in ["rolesessionname=datapin-01kaz", "externalid=data"] {
        assert!(asked.iter().all(|request| request.contains(part)), "{asked:#?}");
    }
}

/// S3 takes parts of 5 MiB and more, the last one excepted.
#[test]
fn what_came_in_parts_is_copied_in_the_same_parts_so_that_its_tag_stays() {
    let moto = moto!();
    moto.bucket("preview");
    moto.bucket("live");
    let part = vec![7_u8; 5 << 20];
    let client = moto.s3();
    moto.wait(async {
        let made = client.create_multipart_upload().bucket("preview").key("1/big.bin").content_type("data/x");
        let made = made.send().await.unwrap();
        let id = made.upload_id().unwrap();
        let mut parts = Vec::new();
        for (number, bytes) in [(1, part.clone()), (2, part.clone()), (3, b"end".to_vec())] {
            let sent =
                client.upload_part().bucket("preview").key("1/big.bin").upload_id(id).part_number(number);
            let tag = sent.body(ByteStream::from(bytes)).send().await.unwrap().e_tag;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let end = client.complete_multipart_upload().bucket("preview").key("1/big.bin").upload_id(id);
        end.multipart_upload(parts).send().await.unwrap();
    });
    let (from, to) =
        (place("preview", "1/", Complete::AtLeast(1)), place("live", "1/", Complete::AtLeast(1)));
    let (_, package) = promote(&moto, &moto.aws(), from.clone(), to.clone()).unwrap();
    assert!(package.objects[0].tag.ends_with("-3"), "{package:?}");
    assert_eq!(package.digest(), look(&moto, from.clone()).unwrap().digest());
    assert_eq!(promote(&moto, &moto.aws(), from, to).unwrap().0.objects(), 0);
    let head = moto.wait(client.head_object().bucket("live").key("1/big.bin").send()).unwrap();
    assert_eq!((head.content_type(), head.content_length()), (Some("data/x"), Some((10 << 20) + 3)));
}
