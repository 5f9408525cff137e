//! Places, versions, `--set` and secrets.

use std::fs;

use datapin::config::{Facts, SecretRef, fill, load};

use super::{fixtures, good};

#[test]
fn places_are_filled_in() {
    let config = good("everything.toml");
    let places = config.places("abn", "timetable");
    assert_eq!(places.len(), 2);
    let mds: Vec<String> = places[0].pins.iter().map(|pin| format!("{}:{}", pin.file, pin.path)).collect();
    assert_eq!(
        mds,
        [
            "environments/abn/mds.yaml:data.timetable.version",
            "environments/all.yaml:abn.data.timetable.version"
        ]
    );
    assert_eq!(places[0].settable[0].file, "environments/abn/mds.yaml");
    assert_eq!(places[0].settable[0].path.to_string(), "cache.size");
    assert_eq!(places[0].settable[0].document, places[0].pins[0].document);
    assert_eq!(places[1].pins.len(), 1);
    assert_eq!(config.services("int", "timetable"), ["mds"]);
    assert!(config.places("nowhere", "timetable").is_empty());
}

#[test]
fn questions_have_answers() {
    let config = good("everything.toml");
    assert_eq!(config.datasets_of("int"), ["timetable"]);
    assert_eq!(good("design.toml").datasets_of("play"), ["timetable"]);
    assert_eq!((config.branch_of("int"), config.branch_of("abn")), (Some("int"), Some("main")));
    assert_eq!(config.queue_of(&config.pipelines["int"]).name, "slow");
    assert_eq!(config.queue_of(&config.pipelines["abn"]).name, "default");
    let unknown = config.pipeline("itn").unwrap_err().to_string();
    assert_eq!(unknown, "datapin.toml has no pipeline `itn`; did you mean `int`? pipelines: abn, int");
    assert_eq!(config.pipeline("abn").unwrap().dataset, "fares");
}

#[test]
fn versions_are_checked() {
    let config = good("everything.toml");
    assert_eq!(config.check_version("timetable", "2026.11.23-1"), Ok(()));
    let why = |version: &str| config.check_version("timetable", version).unwrap_err();
    assert_eq!(
        why("2026.11.23"),
        r"`2026.11.23` is no version of dataset `timetable`: it does not match `\d{4}\.\d{2}\.\d{2}-\d+`"
    );
    for (version, words) in [
        ("x2026.11.23-1", "does not match"),
        ("2026.11.23-1x", "does not match"),
        ("2026.11.23-1\n", "line break"),
        ("2026.11.23-1\nevil", "line break"),
        ("-2026.11.23-1", "option"),
        ("{{ .Values.x }}", "template"),
        ("", "empty"),
        (" 2026.11.23-1", "space"),
        ("\"2026.11.23-1\"", "does not match"),
    ] {
        assert!(why(version).contains(words), "{version}: {}", why(version));
    }
    let long = why(&"1".repeat(10_000));
    assert!(long.contains("256") && long.len() < 200, "{long}");
    // the pattern is matched as a whole, also where it has branches
    let text = fs::read_to_string(fixtures("good").join("minimal.toml")).unwrap();
    let text = text.replace("services", "version_pattern = 'a|b'\nservices");
    let config = load("datapin.toml", &text).unwrap();
    assert!(config.check_version("timetable", "ax").is_err());
    assert!(config.check_version("timetable", "xb").is_err());
    assert!(config.check_version("timetable", "b").is_ok());
    // without a pattern nothing that a shell, YAML or git could trip over
    assert!(good("minimal.toml").check_version("timetable", "a b").is_err());
    assert!(good("minimal.toml").check_version("timetable", "2026.11.23-1").is_ok());
}

#[test]
fn set_changes_only_what_is_settable() {
    let config = good("everything.toml");
    let set = config.parse_set("timetable", "mds:cache.size=512=1").unwrap();
    assert_eq!(
        (set.service.as_str(), set.path.to_string().as_str(), set.value.as_str()),
        ("mds", "cache.size", "512=1")
    );
    assert_eq!(config.parse_set("timetable", "mds:cache.size=").unwrap().value, "");
    let why = |text: &str| config.parse_set("timetable", text).unwrap_err().to_string();
    for (text, message) in [
        ("cache.size=1", "`cache.size=1` is not SERVICE:PATH=VALUE, for example `mds:cache.size=512`"),
        ("mds:cache.size", "`mds:cache.size` is not SERVICE:PATH=VALUE, for example `mds:cache.size=512`"),
        ("mds:=1", "`mds:=1` is not SERVICE:PATH=VALUE, for example `mds:cache.size=512`"),
        (
            "mdx:cache.size=1",
            "`mdx:cache.size=1`: dataset `timetable` has no service `mdx`; did you mean `mds`? services: mds, fbv",
        ),
        (
            "fbv:cache.size=1",
            "`cache.size` of service `fbv` is not settable; did you mean `mds:cache.size`? settable: mds:cache.size, fbv:replicas",
        ),
        (
            "mds:image.tag=1",
            "`image.tag` of service `mds` is not settable; settable: mds:cache.size, fbv:replicas",
        ),
        (
            "mds:cache.size=1\n2",
            "the value for `cache.size` of service `mds` contains a line break or another control character",
        ),
    ] {
        assert_eq!(why(text), message);
    }
    assert!(
        config.parse_set("timetabel", "a:b=c").unwrap_err().to_string().contains("did you mean `timetable`?")
    );
}

#[test]
fn an_item_of_a_list_can_be_set() {
    let text = fs::read_to_string(fixtures("good").join("minimal.toml")).unwrap();
    let text = text.replace("pin =", "settable = ['mds:env[name=SIZE].value']\npin =");
    let config = load("datapin.toml", &text).unwrap();
    let set = config.parse_set("timetable", "mds:env[name=SIZE].value=512").unwrap();
    assert_eq!((set.path.to_string().as_str(), set.value.as_str()), ("env[name=SIZE].value", "512"));
}

#[test]
fn secrets_are_read_and_never_shown() {
    use secrecy::ExposeSecret;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        SecretRef::File(file)
    };
    for (bytes, secret) in
        [("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), ("a\nb\n\n", "a\nb\n"), ("zq9", "zq9")]
    {
        let read = write("good", bytes.as_bytes()).read().unwrap();
        assert_eq!(read.expose_secret(), secret);
        assert!(!format!("{read:?}").contains(secret));
    }
    let why = |reference: SecretRef| reference.read().unwrap_err().to_string();
    assert!(why(write("empty", b"\n")).ends_with("/empty`, which should hold a secret, is empty"));
    assert!(why(write("binary", b"hunter2\xff")).ends_with("is not UTF-8"));
    assert!(why(SecretRef::File(folder.path().join("none"))).ends_with("cannot be read"));
    assert_eq!(
        why(SecretRef::Env("DATAPIN_NO_SUCH_VARIABLE".into())),
        "environment variable `DATAPIN_NO_SUCH_VARIABLE`, which should hold a secret, is not set; a CI variable that is *protected* is there only on protected branches"
    );
    let path = std::env::var("PATH").unwrap();
    assert_eq!(SecretRef::Env("PATH".into()).read().unwrap().expose_secret(), path);
}

#[test]
fn templates_are_filled_once() {
    let facts = Facts { dataset: "d", environment: "{service}", service: Some("s"), version: None };
    assert_eq!(
        fill("{environment}/{service}/{version}/{x}/{{dataset}}/{", &facts),
        "{service}/s/{version}/{x}/{d}/{"
    );
}
