//! Configuration: what is accepted, every message, the questions, the schema, the starting file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use datapin::config::{
    Agent, Config, Credential, Facts, GateKind, HeaderValue, OnNewer, Requirement, RocketChat, SecretRef, Sharing,
    Signing, fill, load, schema, starter,
};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config").join(folder)
}

/// The `.toml` files of a folder, with their texts.
fn samples(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(&file).unwrap())).collect()
}

/// Compares with the file, or writes it where `UPDATE_FIXTURES=1`; returns what differs.
fn differs(file: &Path, got: &str) -> Option<String> {
    if std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1") {
        fs::write(file, got).unwrap();
        return None;
    }
    let wanted = fs::read_to_string(file).unwrap_or_default();
    let diff = || similar::TextDiff::from_lines(&wanted, got).unified_diff().to_string();
    (wanted != got).then(|| format!("{}:\n{}", file.display(), diff()))
}

fn good(name: &str) -> Config {
    let text = fs::read_to_string(fixtures("good").join(name)).unwrap();
    load("datapin.toml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn good_files_load() {
    for (file, text) in samples("good") {
        load("datapin.toml", &text).unwrap_or_else(|errors| panic!("{}\n{errors}", file.display()));
    }
}

#[test]
fn every_bad_file_has_its_message() {
    let samples = samples("bad");
    let mut wrong = Vec::new();
    for (file, text) in &samples {
        let message = match load("datapin.toml", text) {
            Ok(_) => { wrong.push(format!("{} loads", file.display())); continue },
            Err(errors) => errors.to_string(),
        };
        wrong.extend(differs(&file.with_extension("txt"), &message));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(samples.len() >= 60, "only {} bad files", samples.len());
    println!("{} bad files", samples.len());
}

#[test]
fn everything_is_read_as_written() {
    let config = good("everything.toml");
    assert_eq!(config.source.blob.len(), 40);
    let Credential::Token { username, token } = &config.repository.credential else { panic!("no token") };
    assert_eq!((username.as_str(), token), ("bot", &SecretRef::Env("DATAPIN_TOKEN".into())));
    assert_eq!(config.repository.author.as_ref().unwrap().email, "bot@example.org");
    assert_eq!(config.repository.signing, Signing::Ssh { key: "/etc/datapin/sign".into() });
    let int = &config.environments["int"];
    let Agent::Command { command, interval, timeout, pass } = &int.agent;
    assert_eq!((command.len(), pass.len()), (2, 1));
    assert_eq!((*interval, *timeout), (Duration::from_secs(1), Duration::from_secs(5)));
    assert_eq!(int.rollback_timeout, Duration::from_mins(20));
    let GateKind::Http { method, headers, .. } = &config.gates["load"].kind else { panic!("no http") };
    assert_eq!(method, "POST");
    assert_eq!(headers["Authorization"], HeaderValue::Secret(SecretRef::Env("TESTS_TOKEN".into())));
    assert_eq!(config.gates["load"].requirement, Requirement::AllowedToFail);
    assert_eq!(config.pipelines["int"].on_newer, OnNewer::ReplaceWaiting);
    let slow = config.queues["slow"].repository.as_ref().unwrap();
    assert!(matches!(&slow.credential, Credential::SshKey { passphrase: Some(SecretRef::File(_)), .. }));
    assert!(matches!(config.notify.rocketchat, Some(RocketChat::Api { .. })));
    assert_eq!(config.datasets["timetable"].pins[1].sharing, Sharing::Shared);
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = good("minimal.toml");
    let int = &config.environments["int"];
    assert_eq!((int.sync_timeout, int.rollback_timeout), (Duration::from_mins(15), Duration::from_mins(15)));
    assert_eq!(config.queues["default"].branch, "datapin/queue");
    assert_eq!(config.queues["default"].start_grace, Duration::from_mins(2));
    assert!(config.queues["default"].repository.is_none());
    assert!(matches!(config.repository.credential, Credential::Ambient));
    let gate = &good("design.toml").gates["lup-test"];
    assert_eq!((gate.timeout, gate.retries), (Duration::from_mins(30), 2));
}

#[test]
fn the_blob_id_is_gits_own() {
    let text = fs::read_to_string(fixtures("good").join("minimal.toml")).unwrap();
    let repository = tempfile::tempdir().unwrap();
    let id = git2::Repository::init_bare(repository.path()).unwrap().blob(text.as_bytes()).unwrap();
    assert_eq!(good("minimal.toml").source.blob, id.to_string());
}

/// A queue's repository never gets the environment repository's token.
#[test]
fn a_queue_of_its_own_does_not_inherit_the_token() {
    let text = fs::read_to_string(fixtures("good").join("minimal.toml")).unwrap()
        + "[repository]\ntoken = { env = \"A\" }\n[queue.default]\nrepository = \"https://elsewhere.org/q.git\"\n";
    let config = load("datapin.toml", &text).unwrap();
    assert!(matches!(config.queues["default"].repository.as_ref().unwrap().credential, Credential::Ambient));
}

#[test]
fn places_are_filled_in() {
    let config = good("everything.toml");
    let places = config.places("abn", "timetable");
    assert_eq!(places.len(), 2);
    let mds: Vec<String> = places[0].pins.iter().map(|pin| format!("{}:{}", pin.file, pin.path)).collect();
    assert_eq!(mds, ["environments/abn/mds.yaml:data.timetable.version", "environments/all.yaml:abn.data.timetable.version"]);
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
    assert_eq!((set.service.as_str(), set.path.to_string().as_str(), set.value.as_str()), ("mds", "cache.size", "512=1"));
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
    assert!(config.parse_set("timetabel", "a:b=c").unwrap_err().to_string().contains("did you mean `timetable`?"));
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
    for (bytes, secret) in [("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), ("a\nb\n\n", "a\nb\n"), ("zq9", "zq9")] {
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
        "environment variable `DATAPIN_NO_SUCH_VARIABLE`, which should hold a secret, is not set"
    );
    let path = std::env::var("PATH").unwrap();
    assert_eq!(SecretRef::Env("PATH".into()).read().unwrap().expose_secret(), path);
}

fn plain(text: &str) -> Config {
    load("datapin.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn templates_are_filled_once() {
    let facts = Facts { dataset: "d", environment: "{service}", service: Some("s"), version: None };
    assert_eq!(fill("{environment}/{service}/{version}/{x}/{{dataset}}/{", &facts), "{service}/s/{version}/{x}/{d}/{");
}

/// TOML as JSON: what an editor with the schema sees.
fn json(text: &str) -> serde_json::Value {
    fn value(found: &toml_edit::Value) -> serde_json::Value {
        match found {
            toml_edit::Value::String(text) => text.value().as_str().into(),
            toml_edit::Value::Integer(number) => (*number.value()).into(),
            toml_edit::Value::Float(number) => (*number.value()).into(),
            toml_edit::Value::Boolean(flag) => (*flag.value()).into(),
            toml_edit::Value::Datetime(time) => time.to_string().into(),
            toml_edit::Value::Array(array) => array.iter().map(value).collect(),
            toml_edit::Value::InlineTable(table) => table.iter().map(|(k, v)| (k.to_owned(), value(v))).collect(),
        }
    }
    fn table(found: &toml_edit::Table) -> serde_json::Value {
        found.iter().map(|(key, item)| (key.to_owned(), json_item(item))).collect()
    }
    fn json_item(item: &toml_edit::Item) -> serde_json::Value {
        match item {
            toml_edit::Item::None => serde_json::Value::Null,
            toml_edit::Item::Value(found) => value(found),
            toml_edit::Item::Table(found) => table(found),
            toml_edit::Item::ArrayOfTables(tables) => tables.iter().map(table).collect(),
        }
    }
    table(toml_edit::Document::parse(text).unwrap().as_table())
}

#[test]
fn the_schema_accepts_the_samples() {
    let schema = schema();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut samples = samples("good");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments/datapin.toml");
    samples.push((own.clone(), fs::read_to_string(own).unwrap()));
    for (file, text) in samples {
        plain(&text);
        let errors: Vec<String> =
            validator.iter_errors(&json(&text)).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {}", file.display(), errors.join("\n"));
    }
}

/// Bad files that are bad by a single value are bad by the schema too.
#[test]
fn the_schema_refuses_what_single_values_show() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let shown = ["unknown", "missing-", "type-", "later-", "ways-", "name-", "secret-plain", "retries-", "key-of"];
    let mut seen = 0;
    for (file, text) in samples("bad") {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name != "type-date.toml" && shown.iter().any(|start| name.starts_with(start)) && toml_edit::Document::parse(&text).is_ok() {
            assert!(!validator.is_valid(&json(&text)), "{name} is valid by the schema");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen}");
}

/// The keys of a schema, by the object that has them: the description tells equal names apart.
fn schema_keys(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(object) => {
            if let Some(properties) = object.get("properties").and_then(|p| p.as_object()) {
                found.extend(properties.iter().filter_map(|(key, schema)| {
                    schema.get("description").map(|words| format!("{key}: {}", words.as_str().unwrap()))
                }));
            }
            object.values().for_each(|schema| schema_keys(schema, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|schema| schema_keys(schema, found)),
        _ => {}
    }
}

/// Every key of a TOML table, as the path to it.
fn toml_paths(item: &serde_json::Value, path: &[String], found: &mut Vec<Vec<String>>) {
    let mut go = |step: String, value| {
        let path = [path, &[step]].concat();
        toml_paths(value, &path, found);
        found.push(path);
    };
    match item {
        serde_json::Value::Object(object) => object.iter().for_each(|(key, value)| go(key.clone(), value)),
        serde_json::Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| go(i.to_string(), value)),
        _ => {}
    }
}

fn remove(item: &mut toml_edit::Item, path: &[String]) {
    let (first, rest) = path.split_first().unwrap();
    let next = match first.parse::<usize>() {
        Ok(index) if item.is_array() => {
            let array = item.as_array_mut().unwrap();
            if rest.is_empty() {
                array.remove(index);
                return;
            }
            let mut inner = toml_edit::Item::Value(array.get(index).unwrap().clone());
            remove(&mut inner, rest);
            array.replace(index, inner.into_value().unwrap());
            return;
        }
        Ok(index) if item.is_array_of_tables() => {
            let tables = item.as_array_of_tables_mut().unwrap();
            if rest.is_empty() {
                tables.remove(index);
                return;
            }
            let mut inner = toml_edit::Item::Table(tables.get(index).unwrap().clone());
            remove(&mut inner, rest);
            *tables.get_mut(index).unwrap() = inner.into_table().unwrap();
            return;
        }
        _ => item.as_table_like_mut().unwrap(),
    };
    if rest.is_empty() {
        next.remove(first).unwrap();
    } else {
        remove(next.get_mut(first).unwrap(), rest);
    }
}

/// Reader and schema agree: every key of the schema is in the samples, and taking any key of them away
/// changes what is loaded, or is an error. A key that only one of the two knows fails here.
#[test]
fn every_key_of_the_schema_is_read() {
    let schema = schema();
    let mut unused = BTreeSet::new();
    schema_keys(&schema, &mut unused);
    let total = unused.len();
    for name in ["everything.toml", "everything-else.toml"] {
        let text = fs::read_to_string(fixtures("good").join(name)).unwrap();
        let tree = json(&text);
        let whole = without_source(plain(&text));
        let mut paths = Vec::new();
        toml_paths(&tree, &[], &mut paths);
        for path in &paths {
            let mut document: toml_edit::DocumentMut = text.parse().unwrap();
            remove(document.as_item_mut(), path);
            if let Ok(config) = load("datapin.toml", &document.to_string()) {
                assert_ne!(without_source(config), whole, "{name}: nobody reads {}", path.join("."));
            }
            if let Some(words) = description(&schema, &tree, path) {
                unused.remove(&format!("{}: {words}", path.last().unwrap()));
            }
        }
    }
    assert!(unused.is_empty(), "keys of the schema that the samples do not use: {unused:#?}");
    assert!(total > 60, "{total}");
}

fn without_source(mut config: Config) -> String {
    config.source.blob.clear();
    format!("{config:#?}")
}

/// The description that the schema has for the key at `path`.
fn description<'s>(schema: &'s serde_json::Value, item: &serde_json::Value, path: &[String]) -> Option<&'s str> {
    let Some((first, rest)) = path.split_first() else {
        return schema.get("description").and_then(|words| words.as_str());
    };
    let down = |schema, step: &String| {
        let inner = item.get(step).or_else(|| item.get(step.parse::<usize>().ok()?))?;
        description(schema, inner, rest)
    };
    for choice in ["anyOf", "oneOf"] {
        let fits = |schema: &&serde_json::Value| {
            schema.get("properties").is_none_or(|p| p.get("kind").and_then(|k| k.get("const")) == item.get("kind"))
                || schema["properties"].get("kind").is_none_or(|k| k.get("const").is_none())
        };
        for schema in schema.get(choice).and_then(|c| c.as_array()).into_iter().flatten().filter(fits) {
            if let Some(found) = description(schema, item, path) {
                return Some(found);
            }
        }
    }
    if let Some(own) = schema.get("properties").and_then(|p| p.get(first)) {
        return down(own, first);
    }
    if let Some(items) = schema.get("items").filter(|_| item.is_array()) {
        return down(items, first);
    }
    schema.get("additionalProperties").filter(|s| s.is_object()).and_then(|schema| down(schema, first))
}

/// Files of a case: `=== path`, then its text.
fn repository(case: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for line in case.lines() {
        match (line.strip_prefix("=== "), files.last_mut()) {
            (Some(path), _) => files.push((path.to_owned(), Vec::new())),
            (None, Some((_, bytes))) => bytes.extend_from_slice(format!("{line}\n").as_bytes()),
            (None, None) => {}
        }
    }
    files
}

#[test]
fn a_starting_file_is_guessed() {
    let mut cases: Vec<PathBuf> = fs::read_dir(fixtures("starter")).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|file| file.extension().is_some_and(|e| e == "repo"));
    cases.sort();
    assert!(cases.len() >= 10, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let files = repository(&fs::read_to_string(&case).unwrap());
        let starter = starter(&files, Some("git@gitlab.example.org:data/environments.git"));
        if starter.found.path.is_some() {
            let config = load("datapin.toml", &starter.text)
                .unwrap_or_else(|errors| panic!("{}\n{}\n{errors}", case.display(), starter.text));
            for environment in config.environments.keys() {
                for place in config.datasets.keys().flat_map(|dataset| config.places(environment, dataset)) {
                    let file = &place.pins[0].file;
                    assert!(files.iter().any(|(path, _)| path == file), "{}: no {file}", case.display());
                }
            }
        } else {
            assert!(!starter.found.notes.is_empty());
        }
        wrong.extend(differs(&case.with_extension("toml"), &starter.text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_starting_file_never_repeats_a_password() {
    let text = starter(&[], Some("https://bot:hunter2@gitlab.example.org/a.git")).text;
    assert!(!text.contains("hunter2"), "{text}");
}

/// The sample repository's own layout is recognised.
#[test]
fn a_starting_file_for_the_sample_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    let starter = starter(&files, None);
    let (guessed, own) = (plain(&starter.text), plain(&fs::read_to_string(root.join("datapin.toml")).unwrap()));
    assert_eq!(guessed.environments.keys().collect::<Vec<_>>(), own.environments.keys().collect::<Vec<_>>());
    for environment in own.environments.keys() {
        let sorted = |config: &Config| {
            let mut places = config.places(environment, "timetable");
            places.sort_by(|a, b| a.service.cmp(&b.service));
            places.into_iter().map(|place| (place.service, place.pins)).collect::<Vec<_>>()
        };
        assert_eq!(sorted(&guessed), sorted(&own));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever is done to a good file: an answer, never a panic, and every place is inside the file.
    #[test]
    fn load_never_panics(
        sample in 0_usize..6,
        edits in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_usize..4, 0_usize..32), 1..6),
    ) {
        let samples = samples("good");
        let mut bytes = samples[sample % samples.len()].1.clone().into_bytes();
        for (index, how, what) in edits {
            let at = index.index(bytes.len());
            let byte = b"\"'{}[]=.,#\\\n\r\t 0aZ-_:/<>@\xc3\xbc\x00\x1f\xef~"[what % 31];
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => { let end = (at + what).min(bytes.len()); bytes.drain(at..end); }
            }
            if bytes.is_empty() { bytes.push(b'\n'); }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(errors) = load("datapin.toml", &text) {
            proptest::prop_assert!(errors.count() > 0);
            proptest::prop_assert!(!errors.to_string().is_empty());
            let lines = text.split('\n').count();
            for error in errors.iter() {
                proptest::prop_assert!((1..=lines).contains(&error.line()));
            }
        }
    }

    #[test]
    fn load_never_panics_on_any_text(text in "\\PC*") {
        let _ = load("datapin.toml", &text);
    }
}
