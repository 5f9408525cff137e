//! Objects that are copied in parts. S3 takes parts of 5 MiB and more, the last one excepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use datapin::config::Complete;
use datapin::data::{Limits, Place, Promotion};

use super::promoted::from_int;
use super::promotion::{promote, promotion};
use super::run::{LONG, at};
use super::{look, marker, place};
use crate::moto::{Door, Moto, Says, aws_at};
use crate::world::{NEW, Signal, World};

const PART: usize = 5 << 20;

fn here() -> Place {
    place("preview", "1/", Complete::AtLeast(1))
}

fn there() -> Place {
    place("live", "1/", Complete::AtLeast(1))
}

fn two_buckets() -> Option<Moto> {
    let moto = Moto::start()?;
    moto.bucket("preview");
    moto.bucket("live");
    Some(moto)
}

/// Writes an object in parts.
fn put_in_parts(moto: &Moto, key: &str, all: &[Vec<u8>]) {
    let client = moto.s3();
    moto.wait(async {
        let made = client.create_multipart_upload().bucket("preview").key(key).content_type("data/x");
        let made = made.send().await.unwrap();
        let id = made.upload_id().unwrap();
        let mut parts = Vec::new();
        for (number, bytes) in (1..).zip(all) {
            let sent = client.upload_part().bucket("preview").key(key).upload_id(id).part_number(number);
            let tag = sent.body(ByteStream::from(bytes.clone())).send().await.unwrap().e_tag;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let end = client.complete_multipart_upload().bucket("preview").key(key).upload_id(id);
        end.multipart_upload(parts).send().await.unwrap();
    });
}

/// Uploads to `live` that have begun and not ended.
fn left_open(moto: &Moto) -> usize {
    moto.wait(moto.s3().list_multipart_uploads().bucket("live").send()).unwrap().uploads().len()
}

#[test]
fn what_came_in_parts_is_copied_in_the_same_parts_so_that_its_tag_stays() {
    let Some(moto) = two_buckets() else { return };
    put_in_parts(&moto, "1/big.bin", &[vec![7; PART], vec![7; PART], b"end".to_vec()]);
    let (_, package) = promote(&moto, &moto.aws(), here(), there()).unwrap();
    assert!(package.objects[0].tag.ends_with("-3"), "{package:?}");
    assert_eq!(package.digest(), look(&moto, here()).unwrap().digest());
    assert_eq!(promote(&moto, &moto.aws(), here(), there()).unwrap().0.objects(), 0);
    let head = moto.wait(moto.s3().head_object().bucket("live").key("1/big.bin").send()).unwrap();
    assert_eq!((head.content_type(), head.content_length()), (Some("data/x"), Some((10 << 20) + 3)));
}

/// Some writers make an upload of one part of everything, however small.
#[test]
fn what_came_in_one_part_keeps_its_tag_too() {
    let Some(moto) = two_buckets() else { return };
    put_in_parts(&moto, "1/small.bin", &[b"one".to_vec()]);
    let (_, package) = promote(&moto, &moto.aws(), here(), there()).unwrap();
    assert!(package.objects[0].tag.ends_with("-1"), "{package:?}");
    assert_eq!(package.digest(), look(&moto, here()).unwrap().digest());
}

/// Other parts make another tag: then only a checksum of the whole proves the bytes, and moto keeps none of a copy.
#[test]
fn what_is_too_large_for_one_piece_is_copied_in_parts_and_not_taken_for_proven_without_a_checksum() {
    let Some(moto) = two_buckets() else { return };
    let bytes: Vec<u8> = (0..(2 * PART + 5)).map(|at| u8::try_from(at % 251).unwrap()).collect();
    moto.put("preview", &[("1/big.bin".to_owned(), bytes.clone()), ("1/_SUCCESS".to_owned(), Vec::new())]);
    let door = Door::before(moto.port());
    let ended = moto.wait(async {
        let limits = Limits { in_parts_from: PART as u64, part: PART as u64, parts: 2, ..Limits::default() };
        let (from, to) = (place("preview", "1/", marker()), place("live", "1/", marker()));
        let promotion = Promotion { limits, ..promotion(&aws_at(&door.url()), from, to).await };
        let work = promotion.plan().await.unwrap();
        promotion.carry_out(&work, |_| ()).await
    });
    assert!(moto.get("live", "1/big.bin") == bytes, "the parts are in order and nothing is missing");
    let seen = door.seen();
    let parts = seen.iter().filter(|line| line.starts_with("PUT ") && line.contains("partNumber=")).count();
    assert_eq!((parts, left_open(&moto)), (3, 0), "{seen:#?}");
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("`big.bin` has the same size, but S3 keeps no checksum"), "{error}");
    assert_eq!(moto.keys("live"), ["1/big.bin"], "nobody reads what is not proven: there is no marker");
}

#[test]
fn s3_takes_ten_thousand_parts_at_most() {
    let limits = Limits::default();
    assert_eq!(limits.part_of(5 << 30), None, "5 GiB go in one piece");
    for size in [(5 << 30) + 1, 5 << 40, 48 << 40] {
        let part = limits.part_of(size).unwrap();
        assert!(size.div_ceil(part) <= 10_000 && part <= 5 << 30, "{size} in parts of {part}");
    }
}

/// Every part of `big.bin` waits at the door; what is answered to the others depends on that.
fn on_parts(moto: &Moto, began: &Arc<AtomicBool>) -> Door {
    let door = Door::before(moto.port());
    let began = Arc::clone(began);
    door.rule(move |request| {
        let line = request.lines().next().unwrap_or_default();
        if line.starts_with("put /live/") && line.contains("partnumber=") {
            began.store(true, Ordering::SeqCst);
            return Says::Holds;
        }
        if !line.contains("stops.bin") || !line.starts_with("put /live/") {
            return Says::Through;
        }
        let begun = std::time::Instant::now();
        while !began.load(Ordering::SeqCst) && begun.elapsed() < LONG {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Says::Answers(403, vec![], "<Error><Code>AccessDenied</Code></Error>".to_owned())
    });
    door
}

#[test]
fn an_upload_is_given_up_when_another_object_cannot_be_copied() {
    let Some(moto) = two_buckets() else { return };
    put_in_parts(&moto, "1/big.bin", &[vec![7; PART], b"end".to_vec()]);
    moto.put("preview", &[("1/stops.bin".to_owned(), vec![1])]);
    let began = Arc::new(AtomicBool::new(false));
    let door = on_parts(&moto, &began);
    let error = promote(&moto, &aws_at(&door.url()), here(), there()).unwrap_err();
    assert!(error.to_string().contains("stops.bin") && began.load(Ordering::SeqCst), "{error}");
    assert_eq!(left_open(&moto), 0, "parts that nobody sees stay behind");
}

#[test]
fn an_upload_is_given_up_when_the_promotion_is_stopped() {
    let Some(moto) = two_buckets() else { return };
    let prefix = format!("timetable/{NEW}/");
    put_in_parts(&moto, &format!("{prefix}big.bin"), &[vec![7; PART], b"end".to_vec()]);
    moto.put("preview", &[(format!("{prefix}_SUCCESS"), Vec::new())]);
    let world = World::new();
    from_int(&world);
    let began = Arc::new(AtomicBool::new(false));
    let door = on_parts(&moto, &began);
    let running = at(world.datapin(&["promote", "abn", NEW]), &door.url()).spawn();
    world.until("a part is copied", LONG, || began.load(Ordering::SeqCst));
    assert_eq!(left_open(&moto), 1);
    running.signal(Signal::TERM);
    running.wait(LONG).code(3).says("stopped by a signal");
    assert_eq!(left_open(&moto), 0, "parts that nobody sees stay behind");
}
