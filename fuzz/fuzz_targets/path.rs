//! The path grammar: what is read is written so that it is read as the same.

#![no_main]

use datapin::values::Path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<Path>() {
        Ok(path) => {
            let written = path.to_string();
            assert_eq!(written.parse::<Path>().as_ref(), Ok(&path), "{text:?} is written as {written:?}");
            let again = written.parse::<Path>().map(|path| path.to_string());
            assert_eq!(again.as_ref(), Ok(&written), "{text:?} is written in two ways");
            let assignment = format!("{written}=a=b");
            assert_eq!(Path::split_assignment(&assignment), Ok((path.clone(), "a=b")), "{text:?}");
            let json = serde_json::to_string(&path).expect("a path is JSON");
            assert_eq!(serde_json::from_str::<Path>(&json).ok(), Some(path));
        }
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
        }
    }
    let _ = Path::split_assignment(text);
});
