//! Gate `gitlab-pipeline` against the stateful fake.

use std::time::Duration;

use datapin::config::{Gate, GateKind, GitLabPipeline, SecretRef};
use datapin::gate::{GateRunner, Report, run_stage};
use datapin::gitlab::GitLab;

use super::{clusters, eventually, facts, gate, shown};
use crate::gitlab::{BOUNDS, with_job_token, with_token};
use crate::gitlab_server::{Fault, GitLabServer, Grant, JobTemplate, Role};

fn settings(branch: &str) -> GitLabPipeline {
    GitLabPipeline {
        project: "tests/int".to_owned(),
        branch: branch.to_owned(),
        variables: [("DATA".to_owned(), "{dataset}@{version}".to_owned())].into(),
        trigger_token: None,
    }
}

fn runner(settings: GitLabPipeline, timeout: Duration, gitlab: GitLab) -> GateRunner {
    let gate = Gate { timeout, retries: 2, ..gate("int-test", GateKind::GitLabPipeline(settings)) };
    let lookup = |name: &str| (name == "TRIGGER").then(|| "trigger-1".to_owned());
    let runner =
        GateRunner::from_config(&gate, lookup, std::path::Path::new("/opt/datapin"), &clusters()).unwrap();
    runner.with_gitlab(&Ok(gitlab)).unwrap().with_interval(Duration::from_millis(10))
}

/// The environments' project, that of the tests with two stages, and a client.
fn bed(server: &GitLabServer) -> (u64, GitLab) {
    let own = server.project("data/environments");
    let tests = server.project("tests/int");
    server.state().project(tests).template = vec![JobTemplate::new("lint", 0), JobTemplate::new("e2e", 1)];
    let token = server.token("bot", Role::Developer, &["api"]);
    (tests, with_token(server, own, &token, BOUNDS))
}

/// Runs the gate while `play` moves the pipeline that it starts.
async fn play(server: &GitLabServer, runner: GateRunner, play: impl FnOnce(u64)) -> Report {
    let running = tokio::spawn(async move { runner.run(&facts(), 1).await });
    eventually("a pipeline is started", || server.state().pipelines().count() > 0).await;
    let pipeline = server.state().pipelines().next().unwrap().id;
    play(pipeline);
    running.await.unwrap()
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_pipeline_that_succeeds_passes_and_got_the_facts() {
    let server = GitLabServer::start();
    let (_, gitlab) = bed(&server);
    let report = play(&server, runner(settings("main"), LONG, gitlab), |pipeline| {
        // at once, as between two looks
        let mut state = server.state();
        state.set_job(pipeline, "lint", "failed");
        state.retry_job(pipeline, "lint");
        state.set_job(pipeline, "lint", "success");
        state.set_job(pipeline, "e2e", "success");
    })
    .await;
    let text = shown(&report);
    assert!(text.contains("verdict: passed"), "{text}");
    let variables = server.state().pipelines().next().unwrap().variables.clone();
    assert_eq!(variables["DATA"], "timetable@2026.11.23-1");
    assert_eq!(variables["DATAPIN_VERSION"], "2026.11.23-1");
    assert_eq!(variables["DATAPIN_RUN"], "01K0RUN");
}

#[tokio::test]
async fn a_failed_pipeline_names_the_job_its_link_and_its_last_lines() {
    let server = GitLabServer::start();
    let (tests, gitlab) = bed(&server);
    server.state().project(tests).template[0].allow_failure = true;
    let report = play(&server, runner(settings("main"), LONG, gitlab), |pipeline| {
        server.set_job(pipeline, "lint", "failed");
        server.state().pipeline(pipeline).jobs[1].log = "assert\n\u{1b}[31mexpected 4\u{1b}[0m\n".to_owned();
        server.set_job(pipeline, "e2e", "failed");
    })
    .await;
    let text = shown(&report);
    assert!(text.contains("verdict: failed") && text.contains("job `e2e`"), "{text}");
    assert!(report.url.contains("/-/jobs/"), "{text}");
    assert_eq!(report.log, ["assert", "expected 4"]);
}

#[tokio::test]
async fn a_job_that_needs_a_person_times_out_with_that_reason_and_the_pipeline_is_cancelled() {
    let server = GitLabServer::start();
    let (tests, gitlab) = bed(&server);
    let manual = JobTemplate { manual: true, ..JobTemplate::new("approve", 0) };
    server.state().project(tests).template = vec![manual];
    let report = play(&server, runner(settings("main"), SHORT, gitlab), |_| {}).await;
    let text = shown(&report);
    assert!(text.contains("verdict: timed out") && text.contains("`approve` waits for a person"), "{text}");
    assert!(server.state().pipelines().next().unwrap().cancelled);
}

/// A pipeline whose only job starts one of another project.
fn bridged(server: &GitLabServer, behind: JobTemplate) -> (GitLab, u64) {
    let (tests, gitlab) = bed(server);
    let suite = server.project("tests/suite");
    let bridge = JobTemplate { bridge: true, ..JobTemplate::new("suite", 0) };
    server.state().project(tests).template = vec![bridge];
    server.state().project(suite).template = vec![behind];
    (gitlab, suite)
}

fn start_behind(server: &GitLabServer, suite: u64, pipeline: u64) -> u64 {
    let mut state = server.state();
    let behind = state.new_pipeline(suite, "main", &"a".repeat(40), "pipeline", Default::default());
    state.pipeline(pipeline).jobs[0].downstream = Some(behind);
    behind
}

#[tokio::test]
async fn a_job_that_failed_behind_a_bridge_is_named_with_its_last_lines() {
    let server = GitLabServer::start();
    let (gitlab, suite) = bridged(&server, JobTemplate::new("fares", 0));
    let report = play(&server, runner(settings("main"), LONG, gitlab), |pipeline| {
        let behind = start_behind(&server, suite, pipeline);
        let mut state = server.state();
        state.pipeline(behind).jobs[0].log = "no fare for 3 connections\n".to_owned();
        state.set_job(behind, "fares", "failed");
        state.set_job(pipeline, "suite", "failed");
    })
    .await;
    let text = shown(&report);
    assert!(text.contains("verdict: failed") && text.contains("job `suite` → `fares`"), "{text}");
    assert!(report.url.contains("tests/suite/-/jobs/"), "{text}");
    assert_eq!(report.log, ["no fare for 3 connections"]);
}

#[tokio::test]
async fn a_person_who_is_missing_behind_a_bridge_is_the_reason_of_its_timeout() {
    let server = GitLabServer::start();
    let (gitlab, suite) = bridged(&server, JobTemplate { manual: true, ..JobTemplate::new("approve", 0) });
    let limit = Duration::from_secs(2);
    let report = play(&server, runner(settings("main"), limit, gitlab), |pipeline| {
        start_behind(&server, suite, pipeline);
        server.set_job(pipeline, "suite", "running");
    })
    .await;
    let text = shown(&report);
    assert!(text.contains("verdict: timed out"), "{text}");
    assert!(text.contains("`suite` → `approve` waits for a person"), "{text}");
}

#[tokio::test]
async fn a_gate_that_is_stopped_cancels_its_pipeline() {
    let server = GitLabServer::start();
    let (_, gitlab) = bed(&server);
    let runner = runner(settings("main"), LONG, gitlab);
    let running = tokio::spawn(async move { runner.run(&facts(), 1).await });
    eventually("it is followed", || server.requests().iter().any(|line| line.contains("/pipelines/"))).await;
    running.abort();
    eventually("it is cancelled", || server.state().pipelines().all(|pipeline| pipeline.cancelled)).await;
}

#[tokio::test]
async fn a_gate_that_is_stopped_before_the_start_is_answered_cancels_what_was_started() {
    let server = GitLabServer::start();
    let (_, gitlab) = bed(&server);
    server.fault("POST /api/v4/projects/tests/int/pipeline", 1, Fault::HangAfter);
    let runner = runner(settings("main"), LONG, gitlab);
    let running = tokio::spawn(async move { runner.run(&facts(), 1).await });
    eventually("it is started", || server.state().pipelines().count() > 0).await;
    running.abort();
    eventually("it is cancelled", || server.state().pipelines().all(|pipeline| pipeline.cancelled)).await;
}

#[tokio::test]
async fn a_pipeline_that_somebody_cancelled_says_nothing_about_the_environment() {
    let server = GitLabServer::start();
    let (_, gitlab) = bed(&server);
    let report =
        play(&server, runner(settings("main"), LONG, gitlab), |pipeline| server.state().cancel(pipeline))
            .await;
    assert!(shown(&report).contains("verdict: errored"), "{}", shown(&report));
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_found_and_not_repeated() {
    let server = GitLabServer::start();
    let (_, gitlab) = bed(&server);
    server.fault("POST /api/v4/projects/tests/int/pipeline", 1, Fault::LoseAnswer);
    let report = play(&server, runner(settings("main"), LONG, gitlab), |pipeline| {
        server.set_job(pipeline, "lint", "success");
        server.set_job(pipeline, "e2e", "success");
    })
    .await;
    assert!(shown(&report).contains("verdict: passed"), "{}", shown(&report));
    assert_eq!(server.state().pipelines().count(), 1);
}

/// A trigger token starts pipelines, the token of a Reporter reads them.
fn triggered(server: &GitLabServer) -> (u64, GitLabPipeline, GitLab) {
    let (tests, _) = bed(server);
    server.state().project(tests).trigger_tokens.push("trigger-1".to_owned());
    let reader = server.token("reader", Role::Reporter, &["read_api"]);
    let gitlab = with_token(server, tests, &reader, BOUNDS);
    let with =
        GitLabPipeline { trigger_token: Some(SecretRef::Env("TRIGGER".to_owned())), ..settings("main") };
    (tests, with, gitlab)
}

/// The whole gate, with its retries.
async fn with_retries(runner: GateRunner) -> Report {
    let gates = [runner.with_back_off(Duration::from_millis(1))];
    let mut reports = run_stage(&gates, &facts(), |_| {}).await;
    reports.remove(0).1
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_and_that_cant_be_found_is_not_repeated() {
    let server = GitLabServer::start();
    let (_, with, gitlab) = triggered(&server);
    server.fault("POST /api/v4/projects/tests/int/trigger/pipeline", 1, Fault::LoseAnswer);
    // GitLab shows them to nobody below Developer
    let body = serde_json::json!({ "message": "403 Forbidden" });
    server.fault("/variables", 9, Fault::Answer(403, body));
    let report = with_retries(runner(with, LONG, gitlab)).await;
    let text = shown(&report);
    assert!(text.contains("verdict: errored"), "{text}");
    assert!(text.contains("look for it in tests/int and cancel it"), "{text}");
    assert_eq!(server.state().pipelines().count(), 1);
}

#[tokio::test]
async fn a_project_in_which_no_one_may_set_variables_is_told_with_the_place_of_the_setting() {
    let server = GitLabServer::start();
    let (tests, with, gitlab) = triggered(&server);
    server.state().project(tests).variables_for = None;
    let setting = "in Settings → CI/CD → Variables of tests/int, let the token's role use pipeline variables";
    let maintainer = server.token("boss", Role::Maintainer, &["api"]);
    let maintainer = with_token(&server, tests, &maintainer, BOUNDS);
    for runner in [runner(with, LONG, gitlab), runner(settings("main"), LONG, maintainer.clone())] {
        let text = shown(&with_retries(runner).await);
        assert!(text.contains("verdict: errored") && text.contains("Insufficient permissions"), "{text}");
        assert!(text.contains(setting), "{text}");
    }
    assert_eq!(server.state().pipelines().count(), 0);
    let said = runner(settings("main"), LONG, maintainer.clone()).probe().await.unwrap_err();
    assert!(said.contains("no one may set") && said.contains(setting), "{said}");
    server.state().project(tests).variables_for = Some(Role::Maintainer);
    let runner = runner(settings("main"), LONG, maintainer);
    assert_eq!(runner.probe().await, Ok(()));
    let said = runner.warnings().await.join("\n");
    assert!(said.contains("only the role maintainer") && said.contains(setting), "{said}");
}

#[tokio::test]
async fn a_token_that_cannot_cancel_is_known_before() {
    let server = GitLabServer::start();
    let (tests, with, reader) = triggered(&server);
    let gate = runner(with, LONG, reader.clone());
    assert_eq!(gate.probe().await, Ok(()));
    let said = gate.warnings().await.join("\n");
    assert!(said.contains("no `api` scope") && said.contains("is not cancelled"), "{said}");
    let said = runner(settings("main"), LONG, reader).probe().await.unwrap_err();
    assert!(said.contains("cannot start a pipeline of tests/int"), "{said}");
    let whole = server.token("bot", Role::Developer, &["api"]);
    let gate = runner(settings("main"), LONG, with_token(&server, tests, &whole, BOUNDS));
    assert_eq!((gate.probe().await, gate.warnings().await), (Ok(()), Vec::new()));
}

#[tokio::test]
async fn a_trigger_token_starts_it_and_another_token_follows_it() {
    let server = GitLabServer::start();
    let (_, with, gitlab) = triggered(&server);
    let report = play(&server, runner(with, LONG, gitlab), |pipeline| {
        server.set_job(pipeline, "lint", "success");
        server.set_job(pipeline, "e2e", "success");
    })
    .await;
    assert!(shown(&report).contains("verdict: passed"), "{}", shown(&report));
    assert_eq!(server.state().pipelines().next().unwrap().source, "trigger");
}

#[tokio::test]
async fn bad_tokens_and_branches_are_errors_that_say_what_to_do() {
    let server = GitLabServer::start();
    let (tests, gitlab) = bed(&server);
    let expired = server.state().add_token(Grant::Access {
        user: "bot".to_owned(),
        role: Role::Developer,
        scopes: vec!["api".to_owned()],
        expired: true,
    });
    let scope = server.token("bot", Role::Developer, &["read_api"]);
    let job = server.job_token(tests);
    let cases = [
        ("a deleted branch", settings("gone"), gitlab, "Reference not found"),
        ("no scope", settings("main"), with_token(&server, tests, &scope, BOUNDS), "lacks a scope"),
        ("expired", settings("main"), with_token(&server, tests, &expired, BOUNDS), "Token is expired"),
        (
            "a job",
            settings("main"),
            with_job_token(&server, tests, &job),
            "CI_JOB_TOKEN cannot list the pipelines",
        ),
    ];
    for (case, settings, gitlab, words) in cases {
        let report = runner(settings, LONG, gitlab).run(&facts(), 1).await;
        let text = shown(&report);
        assert!(text.contains("verdict: errored") && text.contains(words), "{case}: {text}");
    }
    assert_eq!(server.state().pipelines().count(), 0, "nothing was started");
}

#[tokio::test]
async fn a_server_that_is_away_for_a_while_is_waited_for() {
    // the second is nothing that one call would wait for
    for fault in [Fault::Status(503), Fault::Limited(Some(3600))] {
        let server = GitLabServer::start();
        let (_, gitlab) = bed(&server);
        let report = play(&server, runner(settings("main"), LONG, gitlab), |pipeline| {
            server.fault("/pipelines/", 4, fault);
            server.set_job(pipeline, "lint", "success");
            server.set_job(pipeline, "e2e", "success");
        })
        .await;
        assert!(shown(&report).contains("verdict: passed"), "{}", shown(&report));
        assert_eq!(server.state().faults[0].1, 0);
    }
}
