use datapin::repo::{Ancestry, CommitId};

use super::{Place, RUN, assert_updated, commit, write};
use crate::transport::fast_import;

fn at(place: &Place, revision: &str) -> CommitId {
    place.git(&["rev-parse", revision]).parse().expect("id")
}

/// How many commits the kept repository has, by git's own count.
fn kept(place: &Place) -> usize {
    let repo = place.in_cache("cache");
    let count = crate::transport::git(&repo, &["rev-list", "--all", "--count"]);
    count.parse().expect("a number")
}

#[test]
fn the_first_fetch_has_depth_one_and_later_ones_bring_the_chain() {
    for place in [Place::http(300), Place::ssh(300)] {
        let repo = place.repo("cache");
        let first = repo.fetch("main").expect("fetch").expect("main");
        assert_eq!(kept(&place), 1);
        for text in ["1", "2", "3"] {
            place.someone_commits("theirs", text);
        }
        let second = repo.fetch("main").expect("fetch").expect("main");
        assert_eq!(kept(&place), 4);
        assert_eq!(repo.descends("main", &first, &second).expect("descends"), Ancestry::Descendant);
        assert_eq!(repo.log(&second, 10).expect("log").len(), 4);
        assert_eq!(kept(&place), 4, "no need to go deeper");
    }
}

#[test]
fn a_local_repository_is_fetched_whole_and_nothing_twice() {
    let place = Place::local(50);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    assert_eq!(kept(&place), 50);
    let packs = || std::fs::read_dir(place.in_cache("cache").join("objects/pack")).expect("packs").count();
    let before = packs();
    assert_eq!(repo.fetch("main").expect("fetch"), Some(tip));
    assert_eq!(packs(), before);
}

#[test]
fn descends_goes_deeper_until_it_knows() {
    for place in [Place::http(300), Place::local(300)] {
        let repo = place.repo("cache");
        let tip = repo.fetch("main").expect("fetch").expect("main");
        let descends = |from: &CommitId, to: &CommitId| repo.descends("main", from, to).expect("descends");
        assert_eq!(descends(&tip, &tip), Ancestry::Same);
        assert_eq!(descends(&at(&place, "main~40"), &tip), Ancestry::Descendant);
        if !repo.location().is_local() {
            assert!(kept(&place) < 150, "{}", kept(&place));
        }
        assert_eq!(descends(&at(&place, "main~299"), &tip), Ancestry::Descendant);
        assert_eq!(descends(&tip, &at(&place, "main~3")), Ancestry::NotRelated);
        assert_eq!(descends(&"1".repeat(40).parse().expect("id"), &tip), Ancestry::NotRelated);
    }
}

#[test]
fn an_abbreviated_id_is_found_where_it_is_the_only_one() {
    let place = Place::http(300);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let named = |digits: &str| repo.begins_with("main", &tip, digits).expect("begins_with");
    for revision in ["main", "main~40", "main~299"] {
        let id = at(&place, revision);
        assert_eq!(named(&id.as_str()[..12]), Some(id.clone()), "{revision}");
        assert_eq!(named(&id.as_str()[..12].to_ascii_uppercase()), Some(id), "{revision}");
    }
    assert_eq!(named(&"1".repeat(12)), None);
    // sixteen first digits for three hundred commits
    assert_eq!(named(&tip.as_str()[..1]), None);
}

#[test]
fn contains_stops_at_the_parent() {
    let place = Place::http(300);
    let repo = place.repo("cache");
    let parent = at(&place, "main~20");
    // a commit that was announced on top of main~20, but never landed
    let never: CommitId =
        place.git(&["commit-tree", "-p", "main~20", "-m", "never", "main^{tree}"]).parse().expect("id");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let contains = |commit: &CommitId| repo.contains("main", &tip, commit, &parent).expect("contains");
    assert!(!contains(&never));
    assert!(contains(&at(&place, "main~19")));
    assert!(kept(&place) <= 64, "{}", kept(&place));
}

/// A merge brings a side branch that forked long before: its commits are found, and absence is proven.
#[test]
fn contains_walks_all_parents_of_merges() {
    let place = Place::http(100);
    let mut stream = String::new();
    for number in 0..5 {
        let from = if number == 0 { "from refs/heads/main~80\n" } else { "" };
        stream += &format!(
            "commit refs/heads/side\ncommitter D <d@e> {} +0000\ndata 1\n{number}\n{from}M 100644 inline side\ndata 1\n{number}\n\n",
            1_700_000_500 + number
        );
    }
    fast_import(&place.bare, &stream);
    let parent = at(&place, "main");
    let merge = place.git(&["commit-tree", "-p", "main", "-p", "side", "-m", "merge", "main^{tree}"]);
    place.git(&["update-ref", "refs/heads/main", &merge]);
    let never: CommitId =
        place.git(&["commit-tree", "-p", "main~1", "-m", "never", "main^{tree}"]).parse().expect("id");
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    assert!(repo.contains("main", &tip, &at(&place, "side~2"), &at(&place, "side~3")).expect("contains"));
    assert!(!repo.contains("main", &tip, &never, &parent).expect("contains"));
    assert!(repo.contains("main", &tip, &at(&place, "main~90"), &at(&place, "main~91")).expect("contains"));
}

#[test]
fn last_change_names_who_changed_a_path() {
    let place = Place::http(100);
    let repo = place.repo("cache");
    let since = at(&place, "main~50");
    let theirs = place.someone_commits("values/mds.yaml", "data: other\n");
    place.someone_commits("elsewhere", "x");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let changes = |since: &CommitId, path: &str| {
        let entries = repo.last_change("main", &tip, since, &[path.to_owned()]).expect("changes");
        entries.into_iter().map(|entry| (entry.id, entry.author_name)).collect::<Vec<_>>()
    };
    assert_eq!(changes(&since, "values/mds.yaml"), [(theirs.clone(), "Someone".to_owned())]);
    assert_eq!(changes(&theirs, "values/mds.yaml"), []);
    assert_eq!(changes(&since, "counter").len(), 50);
    assert_eq!(changes(&tip, "counter"), []);
}

#[test]
fn a_rewritten_branch_is_not_related() {
    let place = Place::http(100);
    let repo = place.repo("cache");
    let before = repo.fetch("main").expect("fetch").expect("main");
    place.git(&["update-ref", "refs/heads/main", "main~30"]);
    place.someone_commits("theirs", "x");
    let after = repo.fetch("main").expect("fetch").expect("main");
    assert_eq!(repo.descends("main", &before, &after).expect("descends"), Ancestry::NotRelated);
}

/// A pushed commit is the last tip seen: what others put on top of it comes with the chain.
#[test]
fn what_lands_after_our_push_comes_with_the_chain() {
    let place = Place::http(50);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let ours = commit(&repo, &tip, &[write("values/mds.yaml", "data: 2\n")]);
    assert_updated(&repo.push("main", &ours, Some(&tip), &RUN));
    place.someone_commits("theirs", "x");
    let later = repo.fetch("main").expect("fetch").expect("main");
    let log = repo.log(&later, 10).expect("log");
    assert_eq!(
        log.iter().map(|entry| entry.author_name.as_str()).collect::<Vec<_>>(),
        ["Someone", "datapin", "Dev"]
    );
    assert_eq!(log[2].parents.len(), 1, "the boundary has its real parent");
}
