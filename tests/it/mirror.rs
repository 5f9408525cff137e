//! A run as GitLab shows it.

use datapin::mirror::{Mirror, Place};
use tokio::sync::mpsc;

use crate::gitlab::{BOUNDS, with_token};
use crate::gitlab_server::{CommitStatus, Deployment, Fault, GitLabServer, Role};
use crate::report::pictures;
use crate::report::script::Script;
use crate::world::{Bot, NEW, OLD, World};

const SHA: &str = "4d1f2c3b4a5968778695a4b3c2d1e0f9a8b7c6d5";
const PIN: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

/// A project in GitLab that has every commit, and a token that may do everything there.
struct Shown {
    server: GitLabServer,
    project: u64,
    token: String,
}

impl Shown {
    fn new() -> Self {
        let server = GitLabServer::start();
        let project = server.project("data/environments");
        let token = server.token("bot", Role::Maintainer, &["api"]);
        server.state().new_pipeline_called(501, project, "main", SHA, "trigger");
        Self { server, project, token }
    }

    /// Lets a mirror hear a run, event by event, and waits until it has shown everything.
    fn mirrors(&self, place: Place, script: &Script) {
        let (ear, from) = mpsc::unbounded_channel();
        let mirror = Mirror::new(with_token(&self.server, self.project, &self.token, BOUNDS), place);
        script.events.iter().for_each(|event| ear.send(event.clone()).unwrap());
        drop(ear);
        tokio::runtime::Runtime::new().unwrap().block_on(mirror.listen(from));
    }

    fn statuses(&self) -> Vec<CommitStatus> {
        self.server.state().project(self.project).statuses.clone()
    }

    fn deployments(&self) -> Vec<Deployment> {
        self.server.state().project(self.project).deployments.clone()
    }

    fn status(&self, name: &str) -> CommitStatus {
        self.statuses().into_iter().find(|known| known.name == name).unwrap()
    }

    /// Every state that a status had.
    fn history(&self, sha: &str, name: &str) -> Vec<String> {
        let all = self.statuses().into_iter().filter(|known| known.sha == sha && known.name == name);
        all.flat_map(|known| known.history).collect()
    }

    /// The job of a pipeline in the project, as its variables say.
    fn job(&self, world: &World, token: (&str, &str)) -> Bot {
        world
            .datapin(&["deploy", "int", NEW])
            .in_ci("501", "1")
            .env("CI_SERVER_HOST", self.server.host())
            .env("CI_SERVER_URL", &self.server.url())
            .env("CI_PROJECT_ID", &self.project.to_string())
            .env("CI_COMMIT_SHA", SHA)
            .env("CI_COMMIT_REF_NAME", "main")
            .env(token.0, token.1)
    }

    /// The same where the configuration names the project.
    fn named(&self, world: &World, token: (&str, &str)) -> Bot {
        world.config(|text| text["gitlab"]["project"] = toml_edit::value(self.project.to_string()));
        self.job(world, token)
    }
}

fn pipeline() -> Place {
    Place::Pipeline { sha: SHA.to_owned(), branch: "main".to_owned(), id: Some(501) }
}

fn picture(name: &str) -> Script {
    pictures::all().into_iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn every_service_and_gate_has_a_status_in_the_pipeline() {
    let shown = Shown::new();
    shown.mirrors(pipeline(), &picture("int-deploy-failed-rollback-failed"));
    for (name, state) in [
        ("int/mds", Some("success")),
        ("int/fbv", Some("failed")),
        ("int/kv", Some("failed")),
        ("int/mds rollback", Some("success")),
        ("int/fbv rollback", Some("failed")),
        ("int/gate int-test", None),
    ] {
        assert_eq!(shown.history(SHA, name).last().map(String::as_str), state, "{name}");
    }
    let failed = shown.status("int/fbv");
    assert_eq!(failed.pipeline, Some(501));
    assert!(failed.description.contains("CrashLoopBackOff"));
    let asked = shown.server.requests();
    assert_eq!(asked.iter().filter(|asked| asked.contains("statuses")).count(), 8, "one each");
}

/// A failed status would fail the pipeline of a run that goes on.
#[test]
fn a_gate_that_may_fail_is_a_success_that_says_so() {
    let shown = Shown::new();
    shown.mirrors(pipeline(), &picture("preprod-gate-allowed-to-fail"));
    let gate = shown.status("lup/gate load-lup");
    assert_eq!((gate.sha.as_str(), gate.state.as_str()), (SHA, "success"));
    assert!(gate.description.contains("allowed to"));
}

#[test]
fn outside_of_a_pipeline_statuses_are_on_the_runs_own_commits() {
    let shown = Shown::new();
    shown.mirrors(Place::Commits, &picture("int-success"));
    assert_eq!(shown.history(PIN, "int/mds"), ["success"]);
    assert_eq!(shown.status("int/mds").pipeline, None);
}

#[test]
fn a_rollback_is_a_deployment_of_its_own() {
    let shown = Shown::new();
    shown.mirrors(pipeline(), &picture("int-gate-failed-rollback"));
    let told: Vec<(String, String, Vec<String>)> = shown
        .deployments()
        .into_iter()
        .map(|one| (one.environment, one.sha[..8].to_owned(), one.history))
        .collect();
    let one =
        |sha: &str, end: &str| ("int".to_owned(), sha.to_owned(), vec!["running".to_owned(), end.to_owned()]);
    assert_eq!(told, [one("1a2b3c4d", "failed"), one("9f8e7d6c", "success")]);
}

#[test]
fn a_real_run_is_seen() {
    let (world, shown) = (World::new(), Shown::new());
    let done = shown.named(&world, ("DATAPIN_GITLAB_TOKEN", &shown.token)).run().code(0);
    assert!(!done.stderr.contains("GitLab"), "{}", done.stderr);
    for name in ["int/mds", "int/fbv", "int/kv", "int/remo", "int/gate int-test"] {
        assert_eq!(shown.history(SHA, name).last().unwrap(), "success", "{name}");
    }
    let deployments = shown.deployments();
    assert_eq!(deployments.len(), 1);
    assert_eq!(deployments[0].sha, world.tip("main"));
    assert_eq!(deployments[0].history, ["running", "success"]);
}

#[test]
fn the_token_of_a_job_shows_deployments_and_says_what_is_missing_once() {
    let (world, shown) = (World::new(), Shown::new());
    let token = shown.server.job_token(shown.project);
    let done = shown.named(&world, ("CI_JOB_TOKEN", &token)).run().code(0);
    assert_eq!(done.stderr.matches("CI_JOB_TOKEN cannot").count(), 1, "{}", done.stderr);
    assert_eq!(shown.deployments()[0].history, ["running", "success"]);
    let asked = shown.server.requests();
    assert!(asked.iter().all(|asked| asked.contains("deployments")), "{asked:?}");
}

#[test]
fn a_wrong_token_is_said_once_and_fails_nothing() {
    let (world, shown) = (World::new(), Shown::new());
    let done = shown.named(&world, ("DATAPIN_GITLAB_TOKEN", "glpat-wrong")).run().code(0);
    assert_eq!(done.stderr.matches("GitLab will not show").count(), 2, "once a kind: {}", done.stderr);
    assert!(!done.stderr.contains("glpat-wrong"));
    assert_eq!(shown.server.requests().len(), 2, "it is not tried again");
}

/// The run is over long before GitLab would answer; its outcome is as without.
#[test]
fn a_broken_gitlab_fails_no_run() {
    let (world, shown) = (World::new(), Shown::new());
    world.verified("int", OLD);
    world.gate("int-test").fails();
    shown.server.fault("/api/v4/", usize::MAX, Fault::Status(500));
    shown.named(&world, ("DATAPIN_GITLAB_TOKEN", &shown.token)).run().code(11);
    assert_eq!(world.pinned("int", "kv"), OLD);
    assert!(!shown.server.requests().is_empty());
}

#[test]
fn a_gitlab_that_is_not_well_is_left_alone_until_the_end() {
    let shown = Shown::new();
    shown.server.fault("/api/v4/", usize::MAX, Fault::Status(500));
    shown.mirrors(pipeline(), &picture("int-deploy-failed-rollback-failed"));
    assert_eq!(shown.server.requests().len(), 2, "not once for each thing that is to be shown");
}

/// The environment repository is another project: its commits are unknown to the job's own.
#[test]
fn deployments_are_not_recorded_in_a_project_that_has_not_the_commits() {
    let (world, shown) = (World::new(), Shown::new());
    let bot = shown.job(&world, ("DATAPIN_GITLAB_TOKEN", &shown.token));
    bot.env("CI_PROJECT_PATH", "data/elsewhere").run().code(0);
    assert!(shown.deployments().is_empty());
    assert!(!shown.statuses().is_empty(), "the job's own pipeline shows the run");
}
