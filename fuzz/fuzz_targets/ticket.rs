//! The files of the queue branch, which anybody who may push there can write: never a panic, a rewrite reads as the
//! same, and fields that this build does not know survive it.

#![no_main]

use datapin::queue::{EnvironmentFile, HistoryLine, Ticket};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    check::<Ticket>(bytes);
    check::<EnvironmentFile>(bytes);
    check::<HistoryLine>(bytes);
});

fn check<T: File>(bytes: &[u8]) {
    let Ok(file) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec_pretty(&file).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)));
    assert_eq!(again, file, "{}", String::from_utf8_lossy(&written));
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) =
        (serde_json::from_slice::<Value>(bytes), serde_json::from_slice::<Value>(&written))
    else {
        return;
    };
    for key in before.keys().filter(|key| key.starts_with('x')) {
        assert_eq!(before.get(key), after.get(key), "the unknown field `{key}`");
    }
}

/// What all three files are.
trait File: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug {}

impl<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug> File for T {}
