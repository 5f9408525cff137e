//! When a package is complete, and what it is.

use datapin::config::Complete;
use datapin::data::DataError;

use super::{keys, look, marker, moto, place};

#[test]
fn a_package_is_complete_once_its_marker_is_there() {
    let moto = moto!();
    moto.bucket("preview");
    let here = || place("preview", "timetable/1/", marker());
    assert!(matches!(look(&moto, here()), Err(DataError::Missing { .. })));
    moto.put("preview", &[("timetable/1/a.bin".to_owned(), b"abc".to_vec())]);
    let unfinished = look(&moto, here()).unwrap_err();
    assert!(matches!(unfinished, DataError::Unfinished { found: 1, .. }), "{unfinished}");
    moto.put("preview", &[("timetable/1/_SUCCESS".to_owned(), Vec::new())]);
    let package = look(&moto, here()).unwrap();
    assert_eq!((keys(&package), package.bytes()), (vec!["_SUCCESS", "a.bin"], 3));
}

#[test]
fn a_marker_alone_is_no_package() {
    let moto = moto!();
    moto.bucket("preview");
    moto.put("preview", &[("timetable/1/_SUCCESS".to_owned(), Vec::new())]);
    let error = look(&moto, place("preview", "timetable/1/", marker())).unwrap_err();
    assert!(matches!(error, DataError::OnlyMarker { .. }), "{error}");
}

#[test]
fn a_version_that_begins_another_is_not_taken_for_it() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "timetable/2026.11.23-10/");
    let error = look(&moto, place("preview", "timetable/2026.11.23-1/", marker())).unwrap_err();
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
}

#[test]
fn odd_keys_are_read_as_they_are() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "time table/1+2/");
    let package = look(&moto, place("preview", "time table/1+2/", marker())).unwrap();
    assert_eq!(keys(&package), ["_SUCCESS", "lines/1 a+b.bin", "lines/größe.bin", "stops.bin"]);
}

#[test]
fn a_minimum_of_objects_counts() {
    let moto = moto!();
    moto.bucket("preview");
    moto.put("preview", &[("1/a".to_owned(), vec![1]), ("1/b".to_owned(), vec![2])]);
    assert_eq!(look(&moto, place("preview", "1/", Complete::AtLeast(2))).unwrap().objects.len(), 2);
    let error = look(&moto, place("preview", "1/", Complete::AtLeast(3))).unwrap_err();
    assert!(matches!(error, DataError::TooFew { found: 2, least: 3, .. }), "{error}");
}

#[test]
fn more_objects_than_one_answer_holds_are_all_seen() {
    let moto = moto!();
    moto.bucket("preview");
    let objects: Vec<_> = (0..2500).map(|n| (format!("1/{n}"), n.to_string().into_bytes())).collect();
    moto.put("preview", &objects);
    let package = look(&moto, place("preview", "1/", Complete::AtLeast(1))).unwrap();
    assert_eq!(package.objects.len(), 2500);
    assert!(package.objects.is_sorted_by(|one, other| one.key < other.key));
}

#[test]
fn the_digest_is_of_keys_sizes_and_bytes() {
    let moto = moto!();
    moto.bucket("preview");
    moto.export("preview", "1/");
    moto.export("preview", "2/");
    let digest = |prefix: &str| look(&moto, place("preview", prefix, marker())).unwrap().digest();
    assert_eq!(digest("1/"), digest("2/"));
    moto.put("preview", &[("2/stops.bin".to_owned(), b"Data of stops.bin".to_vec())]);
    assert_ne!(digest("1/"), digest("2/"), "other bytes of the same size");
}

#[test]
fn a_manifest_says_what_has_to_be_there() {
    let moto = moto!();
    moto.bucket("preview");
    let here = || place("preview", "1/", Complete::Manifest("manifest.json".to_owned()));
    let manifest =
        |text: &str| moto.put("preview", &[("1/manifest.json".to_owned(), text.as_bytes().to_vec())]);
    moto.put("preview", &[("1/a.bin".to_owned(), b"abc".to_vec())]);
    assert!(matches!(look(&moto, here()), Err(DataError::Unfinished { .. })));
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    manifest(&format!(r#"{{"objects": [{{"key": "a.bin", "size": 3, "md5": "{md5}"}}]}}"#));
    assert_eq!(look(&moto, here()).unwrap().objects.len(), 2);
    let wrong = [
        (
            r#"{"objects": [{"key": "a.bin", "size": 3, "md5": "00000000000000000000000000000000"}]}"#,
            "another checksum",
        ),
        (r#"{"objects": [{"key": "a.bin", "size": 4, "sha1": "x"}]}"#, "has 3 bytes, not 4"),
        (
            r#"{"objects": [{"key": "b.bin", "size": 3, "sha1": "x"}]}"#,
            "`b.bin` is missing, `a.bin` is not listed",
        ),
        (r#"{"objects": [{"key": "a.bin", "size": 3, "sha256": 5}]}"#, "S3 keeps no checksum of `a.bin`"),
    ];
    for (text, says) in wrong {
        manifest(text);
        let error = look(&moto, here()).unwrap_err();
        assert!(
            matches!(error, DataError::NotAsListed { .. }) && error.to_string().contains(says),
            "{error}"
        );
    }
    // a size is no proof, and neither is a checksum whose name is misspelt
    let bare = r#"{"objects": [{"key": "a.bin", "size": 3}]}"#;
    let misspelt = r#"{"objects": [{"key": "a.bin", "size": 3, "sha-256": "x"}]}"#;
    for text in ["", "[]", r#"{"objects": []}"#, bare, misspelt] {
        manifest(text);
        assert!(matches!(look(&moto, here()), Err(DataError::Manifest { .. })), "{text}");
    }
}
