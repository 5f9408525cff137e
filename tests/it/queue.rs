//! The queue on its branch, through the library. Its rules are proven in [`crate::model`].

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use datapin::queue::Store;
use datapin::repo::{Credential, Limits, Location, Repo, Settings, Signature, Signing};

use crate::transport::{bare, fast_import, inline};

#[tokio::test]
async fn the_newest_of_a_long_history_come_first_and_no_more_than_needed() {
    let root = tempfile::tempdir().unwrap();
    let path = bare(root.path(), "queue.git", 1);
    let mut stream = "commit refs/heads/queue\ncommitter Dev <dev@example.org> 1700000000 +0000\n".to_owned();
    stream += "data 6\nqueue\n";
    stream += &inline("100644", "queue.json", r#"{ "schema": 1, "next": 301 }"#);
    stream += &inline("100644", "history/2026-10.jsonl", &lines(1..=200));
    // a line that a person broke is passed over, and so is a month without lines
    let broken = format!("{}{{ broken\n{}", lines(201..=250), lines(251..=300));
    stream += &inline("100644", "history/2026-11.jsonl", &broken);
    stream += &inline("100644", "history/2026-12.jsonl", "");
    fast_import(&path, &stream);
    let store = store(&path.display().to_string(), root.path());
    for (wanted, most) in [(1, 100), (100, 200), (101, 200), (250, 299)] {
        let found = store.history(move |lines| lines.len() >= wanted).await.unwrap();
        assert!((wanted..=most).contains(&found.len()), "{} lines for {wanted}", found.len());
        let numbers: Vec<u64> = found.iter().map(|line| line.number).collect();
        let expected: Vec<u64> = (1..=300).rev().take(found.len()).collect();
        assert_eq!(numbers, expected);
    }
    assert_eq!(store.history(|_| false).await.unwrap().len(), 300);
}

fn lines(numbers: std::ops::RangeInclusive<u64>) -> String {
    let mut text = String::new();
    for number in numbers {
        let line = serde_json::json!({
            "run": format!("R{number}"), "number": number, "key": "k", "attempt": 1, "pipeline": "int",
            "environments": ["int"], "dataset": "timetable", "version": "1", "actor": "a", "finished_by": "b",
            "outcome": "verified", "entered": "2026-11-01T00:00:00Z", "finished": "2026-11-01T00:01:00Z",
        });
        let _ = writeln!(text, "{line}");
    }
    text
}

fn store(url: &str, root: &std::path::Path) -> Store {
    let bot = Signature { name: "datapin".to_owned(), email: "datapin@example.org".to_owned() };
    let settings = Settings {
        location: Location::parse(url).unwrap(),
        credential: Credential::Ambient,
        author: bot.clone(),
        committer: bot,
        signing: Signing::None,
        limits: Limits::default(),
        cache: root.join("cache"),
        identities: Vec::new(),
        known_hosts: None,
    };
    let repo = Arc::new(Repo::open(settings).unwrap());
    Store::new(repo, "queue", Duration::from_secs(20), datapin::report::page)
}
