//! The starting file of `datapin init`.

use std::fs;
use std::path::{Path, PathBuf};

use datapin::config::{Config, load, starter};

use super::{differs, fixtures, plain};

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
    let mut cases: Vec<PathBuf> =
        fs::read_dir(fixtures("starter")).unwrap().map(|e| e.unwrap().path()).collect();
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
    let (guessed, own) =
        (plain(&starter.text), plain(&fs::read_to_string(root.join("datapin.toml")).unwrap()));
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
