//! From one bucket to another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datapin::aws::Aws;
use datapin::config::{AwsAccess, Promote};
use datapin::data::{DataError, Limits, Package, Place, Promotion, Shelf, Work};

use super::{keys, look, marker, moto, place};
use crate::moto::{Door, Moto, ROLE, Says, aws_at};

pub(super) async fn promotion(aws: &Aws, from: Place, to: Place) -> Promotion {
    let from = from.read_by(&to.access);
    Promotion {
        from: Shelf::open(aws, from).await.unwrap(),
        to: Shelf::open(aws, to).await.unwrap(),
        limits: Limits { objects: 16, ..Limits::default() },
        timeout: Promote::TIMEOUT,
        begun: Instant::now(),
    }
}

pub(super) fn promote(moto: &Moto, aws: &Aws, from: Place, to: Place) -> Result<(Work, Package), DataError> {
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
fn a_copy_that_takes_too_long_says_how_far_it_was_and_the_next_one_copies_the_rest() {
    let moto = moto!();
    two_buckets(&moto);
    let door = Door::before(moto.port());
    let passed = AtomicUsize::new(0);
    door.rule(move |request| match request.starts_with("put /live/") {
        // one after the other: when the second comes, the first is counted
        true if passed.fetch_add(1, Ordering::SeqCst) > 0 => Says::Holds,
        true | false => Says::Through,
    });
    let error = moto.wait(async {
        let limits = Limits { objects: 1, ..Limits::default() };
        let whole = promotion(&aws_at(&door.url()), preview(), live()).await;
        let timeout = Duration::from_secs(3);
        let promotion = Promotion { limits, timeout, ..whole };
        let work = promotion.plan().await.unwrap();
        promotion.carry_out(&work, |_| ()).await.unwrap_err()
    });
    let text = error.to_string();
    assert!(matches!(error, DataError::OutOfTime { .. }), "{text}");
    assert!(!error.is_of_package() && !error.is_transient());
    for part in ["s3://preview/1/", "s3://live/timetable/1/", "within 3s: 1 of 4 objects, 2", "only the rest"]
    {
        assert!(text.contains(part), "{text}");
    }
    let (work, _) = promote(&moto, &moto.aws(), preview(), live()).unwrap();
    assert_eq!(work.objects(), 3);
}

#[test]
fn what_has_nothing_left_to_copy_is_never_late() {
    let moto = moto!();
    two_buckets(&moto);
    let late = || {
        moto.wait(async {
            let whole = promotion(&moto.aws(), preview(), live()).await;
            let late = Promotion { timeout: Duration::ZERO, ..whole };
            let work = late.plan().await.unwrap();
            late.carry_out(&work, |_| ()).await
        })
    };
    let error = late().unwrap_err().to_string();
    assert!(error.contains("within 0ns: 0 of 4 objects, 0 B of "), "{error}");
    promote(&moto, &moto.aws(), preview(), live()).unwrap();
    assert_eq!(late().unwrap().objects.len(), 4);
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

/// moto looks at neither on a copy: they are held to what S3 asks for on the wire.
#[test]
fn a_copy_is_made_only_of_what_was_listed_and_only_to_where_nothing_is() {
    let moto = moto!();
    two_buckets(&moto);
    let door = Door::before(moto.port());
    let bare = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&bare);
    door.rule(move |request| {
        let tag = request.lines().find_map(|line| line.strip_prefix("x-amz-copy-source-if-match: "));
        let guarded = tag.is_some_and(|tag| tag.len() == 34) && request.contains("\r\nif-none-match: *\r\n");
        if request.starts_with("put /live/") && !guarded {
            heard.lock().unwrap().push(request.to_owned());
        }
        match request.starts_with("put /live/timetable/1/stops.bin") {
            true => Says::Answers(412, vec![], "<Error><Code>PreconditionFailed</Code></Error>".to_owned()),
            false => Says::Through,
        }
    });
    let error = promote(&moto, &aws_at(&door.url()), preview(), live()).unwrap_err();
    assert!(
        error.to_string().contains("`stops.bin` of the source was changed while it was copied"),
        "{error}"
    );
    assert!(bare.lock().unwrap().is_empty(), "{bare:#?}");
    assert!(!moto.keys("live").iter().any(|key| key.ends_with("_SUCCESS")));
}

/// A hundred of those side by side would be a hundred answers `the source was changed`.
#[test]
fn a_copy_that_collides_with_somebody_elses_is_safe_to_try_again() {
    let moto = moto!();
    two_buckets(&moto);
    let door = Door::before(moto.port());
    door.rule(|request| match request.starts_with("put /live/timetable/1/stops.bin") {
        true => {
            let text = "<Error><Code>ConditionalRequestConflict</Code></Error>";
            Says::Answers(409, vec![], text.to_owned())
        }
        false => Says::Through,
    });
    let error = promote(&moto, &aws_at(&door.url()), preview(), live()).unwrap_err();
    assert!(error.is_transient(), "{error}");
}
