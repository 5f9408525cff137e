//! Bad input to the real binary: a clear error, the right exit code, and nothing written.
//!
//! Every folder of `fixtures/badinput` is a case, see [`case`]. `BADINPUT=name` runs those whose name contains it,
//! `UPDATE_FIXTURES=1` writes their messages. The cases that the configuration and the values editor have as
//! units go through the binary too.

mod case;
mod course;
mod known;
mod normal;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::Case;

/// Cases that run at the same time: most of them wait for something.
const AT_ONCE: usize = 6;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/badinput")
}

#[test]
fn every_case_ends_as_its_files_say() {
    let cases = Case::all(&fixtures());
    let wrong = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = std::time::Instant::now();
                    let result = std::panic::catch_unwind(|| course::check(case));
                    let result = result.unwrap_or_else(|_| vec!["the test itself panicked".to_owned()]);
                    println!("{:>6.1} s  {}", begun.elapsed().as_secs_f32(), case.name);
                    let said = result.into_iter().map(|line| format!("{}: {line}", case.name));
                    wrong.lock().unwrap().extend(said);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cases:\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
    assert!(cases.len() >= 100 || std::env::var_os("BADINPUT").is_some(), "only {} cases", cases.len());
    println!("{} cases", cases.len());
}
