//! A kept repository stays small in files, whatever is read from it meanwhile.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Place, commit, write};

const FETCHES: usize = 120;

#[test]
fn many_fetches_and_commits_leave_few_files_and_every_object() {
    let place = Place::local(1);
    let repo = place.repo("cache");
    let first = repo.fetch("main").expect("fetch").expect("main");
    let mut tips = vec![first.clone()];
    let mut ours = Vec::new();
    for number in 0..FETCHES {
        place.someone_commits("counter", &format!("{number} by someone\n"));
        let tip = repo.fetch("main").expect("fetch").expect("main");
        let changes: Vec<_> =
            (0..20).map(|n| write(&format!("ours/{n}"), &format!("{number} {n}\n"))).collect();
        ours.push(commit(&repo, &tip, &changes));
        tips.push(tip);
    }
    let kept = place.in_cache("cache");
    let packs = files(&kept.join("objects/pack")).len();
    assert!(packs <= 2 * 60, "{packs} files in objects/pack after {FETCHES} fetches");
    let loose = (0..=255).map(|n| files(&kept.join(format!("objects/{n:02x}"))).len()).sum::<usize>();
    assert!(loose < 4000, "{loose} loose objects of {} that were made", FETCHES * 23);
    for (number, tip) in tips.iter().enumerate().skip(1) {
        let file = repo.read(tip, "counter").expect("read").expect("there");
        assert_eq!(file.bytes, format!("{} by someone\n", number - 1).into_bytes());
    }
    for (number, made) in ours.iter().enumerate() {
        let file = repo.read(made, "ours/19").expect("read").expect("there");
        assert_eq!(file.bytes, format!("{number} 19\n").into_bytes());
    }
    crate::transport::git(&kept, &["fsck", "--no-dangling", "--connectivity-only"]);
}

#[test]
fn others_read_and_commit_while_it_is_tidied() {
    let place = Place::local(1);
    let (fetching, others) = (place.repo("cache"), place.repo("cache"));
    let first = fetching.fetch("main").expect("fetch").expect("main");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (others, first, ended) = (&others, &first, &ended);
            scope.spawn(move || {
                let mut at = first.clone();
                let mut number = 0;
                while !ended.load(Ordering::Relaxed) {
                    number += 1;
                    assert!(others.read(first, "run.sh").expect("read").is_some());
                    at = commit(others, &at, &[write("n", &format!("{reader} {number}\n"))]);
                    assert!(others.read(&at, "n").expect("read").is_some());
                }
            });
        }
        for number in 0..160 {
            place.someone_commits("counter", &format!("{number}\n"));
            fetching.fetch("main").expect("fetch").expect("main");
        }
        ended.store(true, Ordering::Relaxed);
    });
}

fn files(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir)
        .map_or_else(|_| Vec::new(), |all| all.map(|one| one.expect("entry").path()).collect())
}
