use std::collections::BTreeSet;

use datapin::repo::{CommitTime, PushOutcome};

use super::{Place, RUN, SKIP, assert_updated, commit, write};
use crate::transport::hook;

fn every_way(commits: usize) -> [Place; 3] {
    [Place::local(commits), Place::http(commits), Place::ssh(commits)]
}

#[test]
fn updates_and_loses_races_over_every_transport() {
    for place in every_way(3) {
        let repo = place.repo("cache");
        let tip = repo.fetch("main").expect("fetch").expect("main");
        assert_eq!(tip, place.head());
        assert_eq!(repo.default_branch().expect("default branch"), "main");
        let first = commit(&repo, &tip, &[write("values/mds.yaml", "data: 2\n")]);
        assert_updated(&repo.push("main", &first, Some(&tip), &RUN));
        assert_eq!(place.head(), first, "{}", place.url);
        assert_eq!(place.git(&["show", "main:values/mds.yaml"]), "data: 2");

        let late = commit(&repo, &tip, &[write("values/mds.yaml", "data: 3\n")]);
        let outcome = repo.push("main", &late, Some(&tip), &RUN);
        assert!(
            matches!(&outcome, PushOutcome::LostRace { detail } if detail.contains(first.as_str())),
            "{outcome:?}"
        );
        assert_eq!(place.head(), first);
        place.git(&["fsck", "--strict"]);
    }
}

#[test]
fn creates_a_branch_once_and_with_a_history_of_its_own() {
    for place in every_way(1) {
        let repo = place.repo("cache");
        let changes = [write("queue.json", "{}\n")];
        let first = repo.commit(None, &changes, "queue", CommitTime::Now).expect("commit");
        assert_updated(&repo.push("datapin/queue", &first, None, &SKIP));
        assert_eq!(place.git(&["rev-list", "--count", "datapin/queue"]), "1");
        let other = repo.commit(None, &changes, "another", CommitTime::Now).expect("commit");
        let outcome = repo.push("datapin/queue", &other, None, &SKIP);
        assert!(matches!(outcome, PushOutcome::LostRace { .. }), "{outcome:?}");
        let outcome = repo.push("gone", &other, Some(&first), &SKIP);
        assert!(matches!(outcome, PushOutcome::LostRace { .. }), "{outcome:?}");
        assert_eq!(repo.tip("datapin/queue").expect("tip"), Some(first));
        assert_eq!(repo.tip("gone").expect("tip"), None);
        assert_eq!(repo.fetch("gone").expect("fetch"), None);
    }
}

#[test]
fn a_lost_race_on_the_server_itself_is_a_lost_race() {
    // the hook lets somebody else land after our lease was checked
    for place in [Place::http(2), Place::ssh(2)] {
        let repo = place.repo("cache");
        let tip = repo.fetch("main").expect("fetch").expect("main");
        let theirs = place.git(&["commit-tree", "-p", "main", "-m", "theirs", "main^{tree}"]);
        hook(
            &place.bare,
            "pre-receive",
            &format!("unset GIT_QUARANTINE_PATH; git update-ref refs/heads/main {theirs}"),
        );
        let ours = commit(&repo, &tip, &[write("a", "1")]);
        let outcome = repo.push("main", &ours, Some(&tip), &RUN);
        assert!(matches!(outcome, PushOutcome::LostRace { .. }), "{outcome:?}");
        assert_eq!(place.head().as_str(), theirs);
    }
}

#[test]
fn a_refusing_hook_is_quoted() {
    for place in [Place::http(2), Place::ssh(2)] {
        hook(&place.bare, "pre-receive", "echo 'GitLab: commit message must name a ticket' >&2; exit 1");
        let repo = place.repo("cache");
        let tip = repo.fetch("main").expect("fetch").expect("main");
        let ours = commit(&repo, &tip, &[write("a", "1")]);
        let outcome = repo.push("main", &ours, Some(&tip), &RUN);
        let PushOutcome::Refused { reason } = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason, "pre-receive hook declined\nGitLab: commit message must name a ticket");
        assert_eq!(place.head(), tip);
    }
}

#[test]
fn push_options_reach_a_server_that_takes_them_and_are_dropped_for_one_that_does_not() {
    let record = "echo \"$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0\" > seen";
    for place in [Place::http(1), Place::ssh(1)] {
        hook(&place.bare, "pre-receive", record);
        let repo = place.repo("cache");
        let mut tip = repo.fetch("main").expect("fetch").expect("main");
        let mut push = |options| {
            let next = commit(&repo, &tip, &[]);
            assert_updated(&repo.push("main", &next, Some(&tip), options));
            tip = next;
            std::fs::read_to_string(place.bare.join("seen")).expect("hook ran").trim().to_owned()
        };
        assert_eq!(push(&SKIP), "0");
        place.git(&["config", "receive.advertisePushOptions", "true"]);
        assert_eq!(push(&SKIP), "1 ci.skip");
        assert_eq!(push(&RUN), "0");
    }
}

#[test]
fn a_server_that_dies_while_it_works_leaves_the_outcome_unknown() {
    let place = Place::http(1);
    hook(&place.bare, "pre-receive", "kill -9 $PPID; sleep 1");
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let ours = commit(&repo, &tip, &[write("a", "1")]);
    let outcome = repo.push("main", &ours, Some(&tip), &RUN);
    assert!(matches!(outcome, PushOutcome::Unknown { .. }), "{outcome:?}");
}

#[test]
fn a_slow_hook_leaves_the_outcome_unknown_and_may_land_later() {
    let place = Place::http(1);
    let wait = "while [ ! -e go ]; do sleep 0.02; done";
    hook(&place.bare, "pre-receive", wait);
    let mut settings = place.settings("cache");
    settings.limits.server_timeout = std::time::Duration::from_millis(300);
    let repo = datapin::repo::Repo::open(settings).expect("opens");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let ours = commit(&repo, &tip, &[write("a", "1")]);
    let begun = std::time::Instant::now();
    let outcome = repo.push("main", &ours, Some(&tip), &RUN);
    assert!(matches!(outcome, PushOutcome::Unknown { .. }), "{outcome:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    std::fs::write(place.bare.join("go"), "").expect("go");
    crate::transport::until("the commit lands", || place.head() == ours);
}

#[test]
fn a_commit_that_does_not_descend_from_the_tip_is_refused() {
    for place in every_way(3) {
        let repo = place.repo("cache");
        let tip = repo.fetch("main").expect("fetch").expect("main");
        let stray = repo.commit(None, &[write("a", "1")], "stray", CommitTime::Now).expect("commit");
        let outcome = repo.push("main", &stray, Some(&tip), &RUN);
        assert!(matches!(outcome, PushOutcome::Refused { .. }), "{outcome:?}");
        assert_eq!(place.head(), tip);
    }
}

#[test]
fn a_checked_out_branch_is_not_moved() {
    let place = Place::local(1);
    let work = place.root.path().join("work");
    crate::transport::git(place.root.path(), &["clone", "--quiet", "env.git", "work"]);
    let repo = datapin::repo::Repo::open(super::settings(&work.display().to_string(), place.root.path()));
    let repo = repo.expect("opens");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let ours = commit(&repo, &tip, &[write("a", "1")]);
    let outcome = repo.push("main", &ours, Some(&tip), &RUN);
    assert!(matches!(&outcome, PushOutcome::Refused { reason } if reason.contains("bare")), "{outcome:?}");
}

/// 8 writers append 20 lines each; every odd writer has a cache of its own, the even ones share one.
fn race(place: &Place) {
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let cache = if writer % 2 == 0 { "shared".to_owned() } else { format!("cache-{writer}") };
                let repo = place.repo(&cache);
                for line in 0..20 {
                    append(&repo, &format!("{writer}-{line}"));
                }
            });
        }
    });
    let log = place.git(&["show", "main:log"]);
    let lines: BTreeSet<&str> = log.lines().collect();
    assert_eq!((log.lines().count(), lines.len()), (160, 160), "no append may be lost");
    assert_eq!(place.git(&["rev-list", "--count", "main"]), "161");
    place.git(&["fsck", "--strict"]);
}

fn append(repo: &datapin::repo::Repo, line: &str) {
    loop {
        let tip = repo.fetch("main").expect("fetch").expect("main");
        let log = repo.read(&tip, "log").expect("read").map(|file| file.bytes).unwrap_or_default();
        let log = String::from_utf8(log).expect("UTF-8") + line + "\n";
        let next = commit(repo, &tip, &[write("log", &log)]);
        match repo.push("main", &next, Some(&tip), &RUN) {
            PushOutcome::Updated => return,
            PushOutcome::LostRace { .. } => {
                std::thread::sleep(std::time::Duration::from_millis(fastrand::u64(0..150)))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn eight_writers_lose_nothing_over_http() {
    race(&Place::http(1));
}

#[test]
fn eight_writers_lose_nothing_over_a_local_path() {
    race(&Place::local(1));
}
