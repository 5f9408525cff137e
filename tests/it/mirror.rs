//! A run as GitLab shows it.

mod server;

use datapin::gitlab::{Bounds, GitLab, Settings, Token};
use datapin::mirror::{Mirror, Place};
use tokio::sync::mpsc;

use crate::report::pictures;
use crate::report::script::Script;
use crate::world::{Bot, NEW, OLD, World};
use server::{JOB_TOKEN, Server, TOKEN};

const SHA: &str = "4d1f2c3b4a5968778695a4b3c2d1e0f9a8b7c6d5";
const PIN: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

fn gitlab(server: &Server, token: Token) -> GitLab {
    let settings = Settings {
        url: server.url().parse().unwrap(),
        project: "7".to_owned(),
        token,
        ca: None,
        bounds: Bounds::default(),
    };
    GitLab::new(&settings).unwrap()
}

fn pipeline() -> Place {
    Place::Pipeline { sha: SHA.to_owned(), branch: "main".to_owned(), id: 501 }
}

/// Lets a mirror hear a run, event by event, and waits until it has shown everything.
fn mirrored(server: &Server, place: Place, script: &Script) {
    let gitlab = gitlab(server, Token::Access(TOKEN.to_owned().into()));
    let (ear, from) = mpsc::unbounded_channel();
    let mirror = Mirror::new(gitlab, place);
    script.events.iter().for_each(|event| ear.send(event.clone()).unwrap());
    drop(ear);
    tokio::runtime::Runtime::new().unwrap().block_on(mirror.listen(from));
}

fn picture(name: &str) -> Script {
    pictures::all().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// What a status is in the end.
fn status(server: &Server, sha: &str, name: &str) -> String {
    let state = server.state();
    let states = state.statuses.get(&(sha.to_owned(), name.to_owned()));
    states.and_then(|states| states.last().cloned()).unwrap_or_default()
}

#[test]
fn every_service_and_gate_has_a_status_in_the_pipeline() {
    let server = Server::start();
    mirrored(&server, pipeline(), &picture("int-deploy-failed-rollback-failed"));
    for (name, state) in [
        ("int/mds", "success"),
        ("int/fbv", "failed"),
        ("int/kv", "failed"),
        ("int/mds rollback", "success"),
        ("int/fbv rollback", "failed"),
        ("int/gate int-test", ""),
    ] {
        assert_eq!(status(&server, SHA, name), state, "{name}");
    }
    let state = server.state();
    assert_eq!(state.parameters["int/fbv"]["pipeline_id"], "501");
    assert!(state.parameters["int/fbv"]["description"].contains("CrashLoopBackOff"));
    assert_eq!(state.requests.iter().filter(|asked| asked.contains("statuses")).count(), 8, "one each");
}

/// A failed status would fail the pipeline of a run that goes on.
#[test]
fn a_gate_that_may_fail_is_a_success_that_says_so() {
    let server = Server::start();
    mirrored(&server, pipeline(), &picture("preprod-gate-allowed-to-fail"));
    assert_eq!(status(&server, SHA, "lup/gate load-lup"), "success");
    assert!(server.state().parameters["lup/gate load-lup"]["description"].contains("allowed to"));
}

#[test]
fn outside_of_a_pipeline_statuses_are_on_the_runs_own_commits() {
    let server = Server::start();
    mirrored(&server, Place::Commits, &picture("int-success"));
    assert_eq!(status(&server, PIN, "int/mds"), "success");
    assert!(!server.state().parameters["int/mds"].contains_key("pipeline_id"));
}

#[test]
fn a_rollback_is_a_deployment_of_its_own() {
    let server = Server::start();
    mirrored(&server, pipeline(), &picture("int-gate-failed-rollback"));
    let state = server.state();
    let told: Vec<(&str, &str, Vec<&str>)> = state
        .deployments
        .iter()
        .map(|one| (&*one.environment, &one.sha[..8], one.states.iter().map(String::as_str).collect()))
        .collect();
    let (pin, back) = (vec!["running", "failed"], vec!["running", "success"]);
    assert_eq!(told, [("int", "1a2b3c4d", pin), ("int", "9f8e7d6c", back)]);
}

/// The job of a pipeline in the project of the server.
fn job(world: &World, server: &Server, token: (&str, &str), version: &str) -> Bot {
    world
        .datapin(&["deploy", "int", version])
        .in_ci("501", "1")
        .env("CI_SERVER_HOST", "127.0.0.1")
        .env("CI_SERVER_URL", &server.url())
        .env("CI_COMMIT_SHA", SHA)
        .env("CI_COMMIT_REF_NAME", "main")
        .env(token.0, token.1)
}

fn with_project(world: &World) {
    world.config(|text| text["gitlab"]["project"] = toml_edit::value("7"));
}

#[test]
fn a_real_run_is_seen() {
    let (world, server) = (World::new(), Server::start());
    with_project(&world);
    let done = job(&world, &server, ("DATAPIN_GITLAB_TOKEN", TOKEN), NEW).run().code(0);
    assert!(!done.stderr.contains("GitLab"), "{}", done.stderr);
    for name in ["int/mds", "int/fbv", "int/kv", "int/remo", "int/gate int-test"] {
        assert_eq!(status(&server, SHA, name), "success", "{name}");
    }
    let state = server.state();
    assert_eq!(state.deployments.len(), 1);
    assert_eq!(state.deployments[0].sha, world.tip("main"));
    assert_eq!(state.deployments[0].states, ["running", "success"]);
}

#[test]
fn the_token_of_a_job_shows_deployments_and_says_what_is_missing_once() {
    let (world, server) = (World::new(), Server::start());
    with_project(&world);
    let done = job(&world, &server, ("CI_JOB_TOKEN", JOB_TOKEN), NEW).run().code(0);
    assert_eq!(done.stderr.matches("CI_JOB_TOKEN cannot").count(), 1, "{}", done.stderr);
    let state = server.state();
    assert_eq!(state.deployments[0].states, ["running", "success"]);
    assert!(state.requests.iter().all(|asked| asked.contains("deployments")), "{:?}", state.requests);
}

#[test]
fn a_wrong_token_is_said_once_and_fails_nothing() {
    let (world, server) = (World::new(), Server::start());
    with_project(&world);
    let done = job(&world, &server, ("DATAPIN_GITLAB_TOKEN", "glpat-wrong"), NEW).run().code(0);
    assert_eq!(done.stderr.matches("GitLab will not show").count(), 2, "once a kind: {}", done.stderr);
    assert!(!done.stderr.contains("glpat-wrong"));
    assert_eq!(server.state().requests.len(), 2, "it is not tried again");
}

/// The run is over long before GitLab would answer; its outcome is as without.
#[test]
fn a_broken_gitlab_fails_no_run() {
    let (world, server) = (World::new(), Server::start());
    with_project(&world);
    world.verified("int", OLD);
    world.gate("int-test").fails();
    server.state().broken = true;
    job(&world, &server, ("DATAPIN_GITLAB_TOKEN", TOKEN), NEW).run().code(11);
    assert_eq!(world.pinned("int", "kv"), OLD);
}

/// The environment repository is another project: its commits are unknown to the job's own.
#[test]
fn deployments_are_not_recorded_in_a_project_that_has_not_the_commits() {
    let (world, server) = (World::new(), Server::start());
    let bot = job(&world, &server, ("DATAPIN_GITLAB_TOKEN", TOKEN), NEW);
    bot.env("CI_PROJECT_PATH", "data/elsewhere").run().code(0);
    let state = server.state();
    assert!(state.deployments.is_empty());
    assert!(!state.statuses.is_empty(), "the job's own pipeline shows the run");
}
