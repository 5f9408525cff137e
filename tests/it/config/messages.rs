//! Good files load, bad ones have their messages, and nothing panics.

use datapin::config::load;

use super::{differs, samples};

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
            Ok(_) => {
                wrong.push(format!("{} loads", file.display()));
                continue;
            }
            Err(errors) => errors.to_string(),
        };
        wrong.extend(differs(&file.with_extension("txt"), &message));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(samples.len() >= 60, "only {} bad files", samples.len());
    println!("{} bad files", samples.len());
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
