//! Merge requests with real git behind them.

use datapin::gitlab::{Accepted, Change, Event, GitLabError, MergeState, Noted, When, marker};

use super::{BOUNDS, bump, project, status_of, with_token};
use crate::gitlab_server::{GitLabServer, MergeMethod, Role};
use crate::transport::{bare, fast_import, git, inline};

/// A repository with `bump`, one commit ahead of `main`.
fn repository(root: &std::path::Path) -> std::path::PathBuf {
    let repo = bare(root, "env.git", 2);
    let stream = format!(
        "commit refs/heads/bump\ncommitter Dev <dev@example.org> 1700000100 +0000\ndata 5\nbump\nfrom refs/heads/main\n{}",
        inline("100644", "values/mds.yaml", "data:\n  version: \"2\"\n")
    );
    fast_import(&repo, &stream);
    repo
}

#[tokio::test]
async fn one_is_made_found_changed_and_merged_as_each_method_does() {
    for method in [MergeMethod::MergeCommit, MergeMethod::Squash, MergeMethod::FastForward] {
        let (root, server) = (tempfile::tempdir().unwrap(), GitLabServer::start());
        let repo = repository(root.path());
        let id = server.project_of("data/environments", &repo);
        server.state().project(id).method = method;
        let token = server.token("bot", Role::Developer, &["api"]);
        let gitlab = with_token(&server, id, &token, BOUNDS);
        let requests = gitlab.merge_requests();

        let made = requests.create(&bump("bump")).await.unwrap();
        assert_eq!(made.description, "one\n\n`two` & three=4");
        assert_eq!(made.labels, ["data"]);
        assert!(!made.is_from_fork());
        let again = requests.create(&bump("bump")).await.unwrap_err();
        assert!(matches!(again, GitLabError::Conflict { .. }), "{again}");
        assert_eq!(requests.find_open("bump").await.unwrap().unwrap().iid, made.iid);
        assert_eq!(requests.find_open("other").await.unwrap(), None);
        server.state().project(id).request(made.iid).unwrap().source_project = id + 1;
        assert_eq!(requests.find_open("bump").await.unwrap(), None, "that of a fork is another");
        server.state().project(id).request(made.iid).unwrap().source_project = id;
        let change = Change { title: Some("another".to_owned()), ..Change::default() };
        assert_eq!(requests.update(made.iid, &change).await.unwrap().title, "another");

        let short = datapin::gitlab::Bounds { total: std::time::Duration::from_millis(600), ..BOUNDS };
        let hasty = with_token(&server, id, &token, short);
        let moved = hasty.merge_requests().accept(made.iid, &"0".repeat(40), When::Now).await.unwrap_err();
        assert!(matches!(moved, GitLabError::Conflict { .. }), "{moved}");
        let merged = requests.accept(made.iid, made.sha.as_deref().unwrap(), When::Now).await.unwrap();
        let Accepted::Merged(merged) = merged else { panic!("{merged:?}") };
        assert_eq!(merged.state, MergeState::Merged);
        let tip = git(&repo, &["rev-parse", "main"]);
        assert!(merged.merged_as().any(|sha| sha == tip), "{method:?}");
        assert_eq!(git(&repo, &["show", "main:values/mds.yaml"]), "data:\n  version: \"2\"");
        assert_eq!(requests.of_commit(&tip).await.unwrap()[0].iid, made.iid);
        assert_eq!(server.state().pipelines().filter(|pipeline| pipeline.sha == tip).count(), 1);
    }
}

#[tokio::test]
async fn one_that_is_not_checked_yet_is_waited_for_and_one_that_cannot_be_merged_says_why() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    server.state().checks = 2;
    let requests = gitlab.merge_requests();
    let made = requests.create(&bump("bump")).await.unwrap();
    let sha = made.sha.clone().unwrap();
    server.state().project(id).request(made.iid).unwrap().blocked = Some("ci_still_running".to_owned());
    let set = requests.accept(made.iid, &sha, When::ChecksPass).await.unwrap();
    assert!(matches!(set, Accepted::Set(_)), "{set:?}");
    assert!(server.state().project(id).request(made.iid).unwrap().auto_merge);

    server.state().project(id).request(made.iid).unwrap().blocked = Some("not_approved".to_owned());
    let bounds = datapin::gitlab::Bounds { total: std::time::Duration::from_millis(600), ..BOUNDS };
    let token = server.token("bot", Role::Developer, &["api"]);
    let hasty = with_token(&server, id, &token, bounds);
    let refused = hasty.merge_requests().accept(made.iid, &sha, When::Now).await.unwrap_err();
    assert_eq!(status_of(&refused), 422);
    assert!(refused.to_string().contains("not_approved"), "{refused}");

    let change = Change { state: Some(Event::Close), ..Change::default() };
    assert_eq!(requests.update(made.iid, &change).await.unwrap().state, MergeState::Closed);
}

#[tokio::test]
async fn a_note_is_updated_in_place_and_never_written_twice() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    let requests = gitlab.merge_requests();
    let made = requests.create(&bump("bump")).await.unwrap();
    let first = requests.upsert_note(made.iid, "check", "one").await.unwrap();
    assert_eq!(first.done, Noted::Created);
    // somebody quotes it, and there are many more
    let stranger = server.token("eve", Role::Developer, &["api"]);
    let eve = with_token(&server, id, &stranger, BOUNDS);
    eve.merge_requests().upsert_note(made.iid, "check", "mine").await.unwrap();
    {
        let mut state = server.state();
        let notes = &mut state.project(id).request(made.iid).unwrap().notes;
        let other = notes[1].clone();
        notes.splice(0..0, (0..150).map(|_| other.clone()));
    }
    let second = requests.upsert_note(made.iid, "check", "two").await.unwrap();
    assert_eq!((second.id, second.done), (first.id, Noted::Updated));
    let third = requests.upsert_note(made.iid, "check", "two").await.unwrap();
    assert_eq!(third.done, Noted::Unchanged);
    let mut state = server.state();
    let notes = &state.project(id).request(made.iid).unwrap().notes;
    let own: Vec<&str> = notes.iter().filter(|n| n.author == "bot").map(|n| n.body.as_str()).collect();
    assert_eq!(own, ["<!-- datapin:check -->\ntwo"]);
}

/// Names of environments stand in it.
#[test]
fn a_marker_ends_no_comment_and_different_names_stay_different() {
    let names = ["a-b", "a--b", "a---b", "a----b", "a-/-b", "a/b", "a.b", "a-", "a--"];
    let markers: std::collections::BTreeSet<String> =
        names.iter().map(|name| marker(&format!("adopt:timetable:{name}"))).collect();
    assert_eq!(markers.len(), names.len(), "{markers:#?}");
    for marker in markers {
        let inner = marker.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")).unwrap();
        assert!(!inner.contains("--"), "{inner}");
    }
    assert_eq!(marker("a b-->\n<b>"), "<!-- datapin:ab-:-b -->");
}

#[tokio::test]
async fn one_that_a_person_merged_meanwhile_is_merged() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    let made = gitlab.merge_requests().create(&bump("bump")).await.unwrap();
    server.state().merge_by_person(id, made.iid);
    let sha = made.sha.as_deref().unwrap();
    let accepted = gitlab.merge_requests().accept(made.iid, sha, When::Now).await.unwrap();
    assert!(matches!(accepted, Accepted::Merged(_)), "{accepted:?}");
}

/// GitLab works off a push in the background: right after it a merge request still has the tip before.
#[tokio::test]
async fn one_that_does_not_know_of_a_push_yet_is_waited_for() {
    let (root, server) = (tempfile::tempdir().unwrap(), GitLabServer::start());
    let repo = repository(root.path());
    let id = server.project_of("data/environments", &repo);
    let token = server.token("bot", Role::Developer, &["api"]);
    let gitlab = with_token(&server, id, &token, BOUNDS);
    let made = gitlab.merge_requests().create(&bump("bump")).await.unwrap();
    server.state().project(id).request(made.iid).unwrap().lag = 2;
    let tip = git(&repo, &["commit-tree", "bump^{tree}", "-p", "bump", "-m", "again"]);
    git(&repo, &["update-ref", "refs/heads/bump", &tip]);
    let accepted = gitlab.merge_requests().accept(made.iid, &tip, When::Now).await.unwrap();
    assert!(matches!(accepted, Accepted::Merged(_)), "{accepted:?}");
}
