//! Configuration: what is accepted, every message, the questions, the schema, the starting file.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use datapin::config::{Config, load};

mod messages;
mod questions;
mod reading;
mod schema;
mod starting;

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config").join(folder)
}

/// The `.toml` files of a folder, with their texts.
fn samples(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(fixtures(folder)).unwrap().map(|e| e.unwrap().path()).collect();
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

fn plain(text: &str) -> Config {
    load("datapin.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}
