//! The whole way in GitLab: proposed, checked, merged, adopted, told.

use super::*;
use crate::gitlab_server::{GitLabServer, Grant, MergeMethod, Role};
use crate::world::Bot;

/// A merge request as the server has it.
pub(super) struct Seen {
    pub state: String,
    pub title: String,
    labels: Vec<String>,
    assignees: usize,
    pub source_branch: String,
    pub target_branch: String,
    notes: Vec<String>,
}

/// A world whose repository is a project of a GitLab.
pub(super) struct Place {
    pub world: World,
    pub server: GitLabServer,
    pub project: u64,
    token: String,
}

impl Place {
    fn new() -> Self {
        Self::of(int_on(&[OLD]))
    }

    pub fn of(world: World) -> Self {
        let server = GitLabServer::start();
        let project = server.project_of("data/environments", &world.bare());
        let token = server.token("datapin-bot", Role::Maintainer, &["api"]);
        Self { world, server, project, token }
    }

    pub fn bot(&self, args: &[&str]) -> Bot {
        self.world
            .datapin(args)
            .env("CI_SERVER_URL", &self.server.url())
            .env("CI_PROJECT_ID", &self.project.to_string())
            .env("DATAPIN_GITLAB_TOKEN", &self.token)
    }

    pub fn request(&self, iid: u64) -> Seen {
        let mut state = self.server.state();
        let request = state.project(self.project).request(iid).unwrap();
        Seen {
            state: request.state.clone(),
            title: request.title.clone(),
            labels: request.labels.clone(),
            assignees: request.assignees.len(),
            source_branch: request.source_branch.clone(),
            target_branch: request.target_branch.clone(),
            notes: request.notes.iter().map(|note| note.body.clone()).collect(),
        }
    }

    pub fn requests(&self) -> usize {
        self.server.state().project(self.project).merge_requests.len()
    }

    /// Merged by a person; the tip of main before and after.
    pub fn merge(&self, iid: u64) -> (String, String) {
        let before = self.world.tip("main");
        self.server.state().merge_by_person(self.project, iid);
        (before, self.world.tip("main"))
    }

    pub fn adopt(&self, (before, commit): &(String, String)) -> Done {
        self.bot(&["adopt", commit, "--before", before]).run()
    }

    pub fn check(&self, iid: u64) -> Done {
        let request = self.request(iid);
        let base = git(&self.world.bare(), &["merge-base", "main", &request.source_branch]);
        self.bot(&["check"])
            .env("CI_MERGE_REQUEST_IID", &iid.to_string())
            .env("CI_MERGE_REQUEST_DIFF_BASE_SHA", &base)
            .env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", &request.target_branch)
            .env("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", &request.source_branch)
            .run()
    }
}

#[test]
fn proposed_checked_merged_adopted_and_told() {
    for method in [MergeMethod::MergeCommit, MergeMethod::Squash, MergeMethod::FastForward] {
        let place = Place::new();
        place.server.state().project(place.project).method = method;
        place.server.state().user_id("petra");
        let args = ["propose", "int", NEW, "--label", "data", "--assignee", "petra"];
        place.bot(&args).run().code(0).says("opened !");
        let request = place.request(1);
        assert_eq!(
            (&request.title[..], &request.labels[..]),
            ("data(int): timetable 2026.11.23-1", &["data".to_owned()][..])
        );
        assert_eq!(request.assignees, 1);
        place.check(1).code(0).says("the note on !1 says so");
        let merged = place.merge(1);
        place.adopt(&merged).code(0);
        assert_eq!(place.world.verified_on("int").as_deref(), Some(NEW), "{method:?}");
        let notes = place.request(1).notes;
        assert_eq!(notes.len(), 2, "{notes:#?}");
        assert!(notes[1].contains("datapin: verified"), "{notes:#?}");
    }
}

#[test]
fn proposed_again_is_the_same_merge_request() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0).says("opened !1");
    let tip = place.world.tip("datapin/propose/int-timetable");
    place.bot(&["propose", "int", NEW]).by("bob").run().code(0).says("updated !1");
    assert_eq!(place.world.tip("datapin/propose/int-timetable"), tip, "the same commit");
    place.bot(&["propose", "int", LATER]).run().code(0).says("updated !1");
    assert_eq!((place.requests(), place.request(1).title), (1, format!("data(int): timetable {LATER}")));
    // main went on: the branch begins there again
    place.world.push_as_person(&[("README.md", "#", "##")], "docs");
    place.bot(&["propose", "int", LATER]).run().code(0).says("updated !1");
    let main = place.world.tip("main");
    let parent = git(&place.world.bare(), &["rev-parse", "datapin/propose/int-timetable^"]);
    assert_eq!(parent, main);
}

#[test]
fn what_a_person_pushed_to_its_branch_is_not_thrown_away() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    let edit = [("README.md", "#", "##")];
    let theirs = place.world.push_as_person_to("datapin/propose/int-timetable", &edit, "mine");
    place.bot(&["propose", "int", LATER]).run().code(15).says("merge or delete it first");
    assert_eq!(place.world.tip("datapin/propose/int-timetable"), theirs);
}

#[test]
fn auto_merge_lets_gitlab_merge_it() {
    let place = Place::new();
    let before = place.world.tip("main");
    place.bot(&["propose", "int", NEW, "--auto-merge"]).run().code(0);
    assert_eq!(place.request(1).state, "merged");
    place.adopt(&(before, place.world.tip("main"))).code(0);
}

#[test]
fn a_failed_gate_is_told_to_the_merge_request_which_stays_merged() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    let merged = place.merge(1);
    place.world.gate("int-test").fails();
    place.adopt(&merged).code(11);
    let request = place.request(1);
    assert_eq!(request.state, "merged");
    let note = request.notes.last().unwrap();
    assert!(note.contains("rolled back") && note.contains("3 connections have no fare"), "{note}");
    assert!(note.contains(&place.world.tip("main")), "{note}");
}

#[test]
fn the_note_of_check_is_updated_in_place() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    place.check(1).code(0);
    place.world.datapin(&["queue", "freeze", "int", "--reason", "fair <b> @all"]).run().code(0);
    place.check(1).code(15);
    let notes = place.request(1).notes;
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(notes[0].contains("not allowed now"), "{}", notes[0]);
    for piece in notes[0].split('`').step_by(2) {
        assert!(!piece.contains("@all") && !piece.contains("<b>"), "{}", notes[0]);
    }
}

#[test]
fn a_token_without_its_scope_is_3_and_says_which() {
    let place = Place::new();
    let poor = place.server.token("poor", Role::Developer, &["read_api"]);
    let done = place.bot(&["propose", "int", NEW]).env("DATAPIN_GITLAB_TOKEN", &poor).run();
    done.code(3).says("`api`");
}

#[test]
fn an_expired_token_and_one_that_was_masked_say_so_and_are_not_told() {
    let place = Place::new();
    let expired = place.server.state().add_token(Grant::Access {
        user: "datapin-bot".to_owned(),
        role: Role::Maintainer,
        scopes: vec!["api".to_owned()],
        expired: true,
    });
    let masked = "[MASKED]".to_owned();
    let cases = [(&expired, 3, "Token is expired"), (&masked, 2, "masked word copied from a log")];
    for (token, code, words) in cases {
        let done = place.bot(&["propose", "int", NEW]).env("DATAPIN_GITLAB_TOKEN", token).run();
        let done = done.code(code).says(words);
        assert!(!format!("{}{}", done.stdout, done.stderr).contains(&expired), "{}", done.stderr);
    }
    // a run goes on without the note
    let sha = bump(&place.world, "int", OLD, NEW);
    let adopt = place.bot(&["adopt", &sha, "--before", ZEROS]).env("DATAPIN_GITLAB_TOKEN", &expired);
    adopt.run().code(0).says("Token is expired");
    assert_eq!(place.requests(), 0);
}

/// One merge request changes two environments, each of which becomes a run: the note of the one that failed stays.
#[test]
fn each_run_of_a_merge_has_its_own_note() {
    let place = Place::of(int_on(&[OLD]));
    place.world.verified("data-test", OLD);
    place.bot(&["propose", "int", NEW]).run().code(0);
    let source = place.request(1).source_branch;
    place.world.checkout(&source);
    commit(&place.world, "pres", OLD, NEW, "pres: bump");
    let person = place.world.dir().join("person");
    git(&person, &["push", "--quiet", "origin", &format!("HEAD:{source}")]);
    let merged = place.merge(1);
    place.world.gate("int-test").fails();
    place.adopt(&merged).code(11);
    let notes = place.request(1).notes;
    assert_eq!(notes.len(), 2, "{notes:#?}");
    let of = |name: &str| notes.iter().find(|note| note.contains(&format!("| `{name}` |"))).unwrap();
    assert!(of("int").contains("rolled back"), "{notes:#?}");
    assert!(of("pres").contains("datapin: verified"), "{notes:#?}");
    // and each is updated in place
    assert!(of("int").contains("datapin:adopt:timetable:int ") && of("pres").contains("timetable:pres "));
}

#[test]
fn a_jobs_own_token_tells_nobody_and_says_so_once() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    let (before, commit) = place.merge(1);
    let job = place.server.job_token(place.project);
    let args = ["adopt", &commit, "--before", &before];
    let done = place.bot(&args).env("DATAPIN_GITLAB_TOKEN", "").env("CI_JOB_TOKEN", &job).run().code(0);
    let said = format!("{}{}", done.stdout, done.stderr);
    assert_eq!(said.matches("no merge request is told how it ends").count(), 1, "{said}");
    assert!(said.contains("the scope `api`"), "{said}");
    assert_eq!(place.request(1).notes.len(), 0);
    // where nothing is adopted there is nothing to tell
    let again = place.bot(&args).env("DATAPIN_GITLAB_TOKEN", "").env("CI_JOB_TOKEN", &job).run().code(0);
    assert!(!format!("{}{}", again.stdout, again.stderr).contains("no merge request"), "{}", again.stderr);
}

/// Of two merge requests that a commit came with, the one that was merged is told.
#[test]
fn only_the_merged_one_is_told() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    let merged = place.merge(1);
    // the same commit goes into a release branch too, by a merge request that is still open
    git(&place.world.bare(), &["branch", "release", &merged.0]);
    git(&place.world.bare(), &["branch", "again", "datapin/propose/int-timetable"]);
    let gitlab = crate::gitlab::with_token(&place.server, place.project, &place.token, crate::gitlab::BOUNDS);
    let new = datapin::gitlab::NewMergeRequest {
        source_branch: "again".to_owned(),
        target_branch: "release".to_owned(),
        title: "into the release".to_owned(),
        ..Default::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(gitlab.merge_requests().create(&new)).unwrap().iid, 2);
    place.server.state().project(place.project).request(2).unwrap().commits.push(merged.1.clone());
    place.adopt(&merged).code(0);
    assert_eq!((place.request(1).notes.len(), place.request(2).notes.len()), (1, 0));
}

#[test]
fn who_cannot_be_assigned_stops_it_before_anything_is_pushed() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW, "--assignee", "nobody"]).run().code(2).says("knows no user `nobody`");
    let branches = git(&place.world.bare(), &["branch", "--list", "datapin/propose/*"]);
    assert_eq!((branches.as_str(), place.requests()), ("", 0));
}

/// Of several that were merged together each is told what became of them.
#[test]
fn every_merge_request_of_a_batch_is_told() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0).says("opened !1");
    let (before, _) = place.merge(1);
    place.bot(&["propose", "int", LATER]).run().code(0).says("opened !2");
    let (_, commit) = place.merge(2);
    place.adopt(&(before, commit)).code(0);
    for iid in [1, 2] {
        let notes = place.request(iid).notes;
        assert_eq!(notes.len(), 1, "!{iid}: {notes:#?}");
        assert!(notes[0].contains("verified") && notes[0].contains(LATER), "!{iid}: {notes:#?}");
    }
}

#[test]
fn who_is_asked_stands_in_the_note_until_it_says_how_it_ended() {
    let place = Place::new();
    place.world.config(|text| {
        let mut gate = toml_edit::Table::new();
        gate["kind"] = toml_edit::value("manual");
        gate["timeout"] = toml_edit::value("1m");
        gate["who"] = toml_edit::value("@all <b>");
        text["gate"]["go"] = toml_edit::Item::Table(gate);
        let gates: toml_edit::Array = ["go"].into_iter().collect();
        let stages = text["pipeline"]["int"]["stages"].as_array_mut().unwrap();
        stages.get_mut(0).unwrap().as_inline_table_mut().unwrap().insert("gates", gates.into());
    });
    place.bot(&["propose", "int", NEW]).run().code(0);
    let (before, commit) = place.merge(1);
    let running = place.bot(&["adopt", &commit, "--before", &before]).spawn();
    place.world.until("the merge request is told", LONG, || !place.request(1).notes.is_empty());
    let note = place.request(1).notes.remove(0);
    assert!(note.contains("waits for `@all <b>`") && note.contains("`datapin approve "), "{note}");
    place.world.datapin(&["approve", "--reason", "fine"]).by("berta").run().code(0);
    running.wait(LONG).code(0);
    let notes = place.request(1).notes;
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(notes[0].contains("datapin: verified"), "{notes:#?}");
}

/// The job ends with 2 for what has nothing to do with the bump: the note says so too.
#[test]
fn the_note_never_says_more_than_the_exit_code() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    place.check(1).code(0);
    assert!(place.request(1).notes[0].contains("✅"), "{:#?}", place.request(1).notes);
    place.world.config(|text| text["environment"]["pres"]["branch"] = toml_edit::value("presentation"));
    let json = place.check(1).code(2);
    json.says("pres: its branch does not exist");
    let notes = place.request(1).notes;
    let words = ["❌ datapin: cannot be merged like this", "pres: its branch does not exist"];
    assert!(notes.len() == 1 && words.iter().all(|word| notes[0].contains(word)), "{notes:#?}");
}

#[test]
fn a_check_that_fails_leaves_no_old_verdict() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    place.check(1).code(0);
    let branch = place.request(1).source_branch;
    let strange = place
        .bot(&["check"])
        .env("CI_MERGE_REQUEST_IID", "1")
        .env("CI_MERGE_REQUEST_DIFF_BASE_SHA", &"a".repeat(40))
        .env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
        .env("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", &branch);
    strange.run().code(2).says("began at");
    let notes = place.request(1).notes;
    let said = "❌ datapin: could not be checked";
    assert!(notes.len() == 1 && notes[0].contains(said) && notes[0].contains("rebase it"), "{notes:#?}");
    place.check(1).code(0);
    // the queue is gone: that is found after its commits were
    git(&place.world.bare(), &["branch", "-D", "datapin/queue"]);
    place.check(1).code(2);
    let notes = place.request(1).notes;
    assert!(notes.len() == 1 && notes[0].contains(said) && !notes[0].contains("✅"), "{notes:#?}");
}

/// A person made it a draft: it stays one, and GitLab is not asked in vain to merge it.
#[test]
fn a_draft_stays_a_draft_and_is_not_merged_automatically() {
    let place = Place::new();
    place.bot(&["propose", "int", NEW]).run().code(0);
    for mark in ["Draft:", "[DRAFT]", "(draft)"] {
        place.server.state().project(place.project).request(1).unwrap().title = format!("{mark} not yet");
        place.bot(&["propose", "int", NEW]).run().code(0).says("updated !1");
        assert_eq!(place.request(1).title, format!("{mark} data(int): timetable {NEW}"));
        let done = place.bot(&["propose", "int", LATER, "--auto-merge"]).run().code(3);
        done.says("!1 is brought up to date").says("is a draft");
        let asked = place.server.requests();
        assert!(!asked.iter().any(|one| one.ends_with("/merge")), "it was asked to merge: {asked:#?}");
        assert_eq!(place.request(1).title, format!("{mark} data(int): timetable {LATER}"));
        assert_eq!(place.request(1).state, "opened");
    }
    place.server.state().project(place.project).request(1).unwrap().title = "Drafts of data".to_owned();
    place.bot(&["propose", "int", NEW, "--auto-merge"]).run().code(0);
    assert_eq!(place.request(1).state, "merged");
}

/// `b-tt` of `x` and `b` of `tt-x`.
fn with_names_that_run_together(place: &Place) {
    more_datasets(&place.world, &[("x", "mds", "b-tt"), ("tt-x", "fbv", "b")]);
}

#[test]
fn no_two_pipelines_share_a_merge_request() {
    let place = Place::new();
    with_names_that_run_together(&place);
    place.bot(&["propose", "b-tt", "9.0.1"]).run().code(0).says("opened !1");
    place.bot(&["propose", "b", "9.0.2"]).run().code(0).says("opened !2");
    let branches = [1, 2].map(|iid| place.request(iid).source_branch);
    assert_eq!(branches, ["datapin/propose/b-tt-x", "datapin/propose/b+tt-x"]);
    place.bot(&["propose", "b", "9.0.3"]).run().code(0).says("updated !2");
    let titles = [1, 2].map(|iid| place.request(iid).title);
    assert_eq!(titles, ["data(int): x 9.0.1", "data(int): tt-x 9.0.3"]);
}

/// One that was opened when the branch of `b` had the name that is that of `b-tt` still goes on there.
#[test]
fn the_proposal_of_another_pipeline_is_not_replaced() {
    let place = Place::new();
    with_names_that_run_together(&place);
    place.bot(&["propose", "b", "9.0.1"]).run().code(0).says("opened !1");
    let former = "datapin/propose/b-tt-x";
    git(&place.world.bare(), &["branch", "-m", "datapin/propose/b+tt-x", former]);
    place.server.state().project(place.project).request(1).unwrap().source_branch = former.to_owned();
    place.bot(&["propose", "b", "9.0.2"]).run().code(0).says("updated !1");
    let tip = place.world.tip(former);
    let done = place.bot(&["propose", "b-tt", "9.0.3"]).run().code(15);
    done.says("has the proposal of pipeline `b` on it").says("`b-tt`");
    assert_eq!((place.world.tip(former), place.requests()), (tip, 1));
    assert_eq!(place.request(1).title, "data(int): tt-x 9.0.2");
    // once it is merged, the branch is free
    place.merge(1);
    git(&place.world.bare(), &["branch", "-D", former]);
    place.bot(&["propose", "b-tt", "9.0.3"]).run().code(0).says("opened !2");
    place.bot(&["propose", "b", "9.0.4"]).run().code(0).says("opened !3");
}
