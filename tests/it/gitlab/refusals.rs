//! What a client makes of refusals and of a server that is not well.

use std::time::Duration;

use datapin::gitlab::{Bounds, GitLabError, Trigger};

use super::{BOUNDS, bump, project, status_of, with_job_token, with_token};
use crate::gitlab_server::{Fault, GitLabServer, Grant, Role};

#[tokio::test]
async fn a_rate_limit_is_waited_for_or_said() {
    let server = GitLabServer::start();
    let (_, gitlab) = project(&server);
    server.fault("POST", 1, Fault::Limited(Some(0)));
    gitlab.merge_requests().create(&bump("bump")).await.unwrap();
    server.fault("GET", 1, Fault::Limited(Some(3600)));
    let error = gitlab.merge_requests().get(1).await.unwrap_err();
    assert!(matches!(error, GitLabError::RateLimited { wait: Some(wait), .. } if wait.as_secs() == 3600));
    assert!(error.may_pass() && error.to_string().contains("3600 s"), "{error}");
}

#[tokio::test]
async fn only_what_can_do_no_harm_is_tried_again() {
    let server = GitLabServer::start();
    let id = server.project("data/environments");
    let token = server.token("bot", Role::Maintainer, &["api"]);
    let gitlab = with_token(&server, id, &token, BOUNDS);
    server.fault("POST", 1, Fault::Status(502));
    let error = gitlab.merge_requests().create(&bump("bump")).await.unwrap_err();
    assert!(matches!(error, GitLabError::Unreachable { .. }), "{error}");
    server.fault("POST", 1, Fault::LoseAnswer);
    let error = gitlab.merge_requests().create(&bump("bump")).await.unwrap_err();
    assert!(matches!(error, GitLabError::Unreachable { tries: 1, .. }), "{error}");
    assert_eq!(server.state().project(id).merge_requests.len(), 1, "it was made once");
    server.fault("GET", 2, Fault::Status(502));
    assert_eq!(gitlab.merge_requests().find_open("bump").await.unwrap().unwrap().iid, 1);
    for status in [502, 408] {
        server.state().faults = vec![("GET".to_owned(), 99, Fault::Status(status))];
        let hasty = with_token(&server, id, &token, Bounds { total: Duration::from_secs(1), ..BOUNDS });
        let error = hasty.merge_requests().get(1).await.unwrap_err();
        let left = server.state().faults[0].1;
        let GitLabError::Unreachable { reason, tries, .. } = &error else { panic!("{error}") };
        // where the machine is busy, the last try is cut short by the limit of the whole
        let known = reason.contains(&status.to_string()) || reason.contains("in time");
        assert!(known && *tries > 1, "{error}");
        assert_eq!(99 - left, *tries as usize, "{error}");
    }
}

#[tokio::test]
async fn a_redirection_is_said_and_takes_no_token_along() {
    let (server, other) = (GitLabServer::start(), GitLabServer::start());
    let (_, gitlab) = project(&server);
    let there = format!("{}/api/v4/user", other.url());
    server.fault("GET", 1, Fault::Moved(there.clone()));
    let error = gitlab.user().await.unwrap_err();
    assert!(matches!(&error, GitLabError::BadAnswer { reason, .. } if reason.contains(&there)), "{error}");
    assert_eq!(other.requests(), Vec::<String>::new());
}

/// <https://docs.gitlab.com/ci/pipelines/downstream_pipelines/#trigger-a-multi-project-pipeline-by-using-the-api>
#[tokio::test]
async fn the_token_of_a_job_starts_a_pipeline_of_a_project_that_lists_its_own() {
    let server = GitLabServer::start();
    let (own, tests) = (server.project("data/environments"), server.project("tests/int"));
    let token = server.job_token(own);
    let gitlab = with_job_token(&server, own, &token).of_project("tests/int");
    let variables = [("DATA".to_owned(), "timetable".to_owned())];
    let error = gitlab.pipelines().trigger("main", &Trigger::Job, &variables).await.unwrap_err();
    assert!(error.to_string().contains("Job token permissions"), "{error}");
    server.state().project(tests).job_allowlist.push(own);
    let started = gitlab.pipelines().trigger("main", &Trigger::Job, &variables).await.unwrap();
    let mut state = server.state();
    let made = state.pipeline(started.id);
    assert_eq!((made.source.as_str(), made.variables["DATA"].as_str()), ("pipeline", "timetable"));
}

#[tokio::test]
async fn a_trigger_token_that_gitlab_tells_back_is_not_told_on() {
    let server = GitLabServer::start();
    let (_, gitlab) = project(&server);
    for status in [400, 404, 409, 502] {
        let said = serde_json::json!({ "message": "no pipeline for glptt-0123456789" });
        server.fault("POST", 1, Fault::Answer(status, said));
        let with = Trigger::Token("glptt-0123456789".to_owned().into());
        let error = gitlab.pipelines().trigger("main", &with, &[]).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("no pipeline for ***") && !text.contains("glptt-"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = GitLabServer::start();
    let id = server.project("data/environments");
    let token = server.token("bot", Role::Developer, &["api"]);
    let bounds = Bounds { request: Duration::from_millis(100), total: Duration::from_millis(300), ..BOUNDS };
    server.fault("GET", 9, Fault::Hang);
    let error = with_token(&server, id, &token, bounds).user().await.unwrap_err();
    assert!(
        matches!(&error, GitLabError::Unreachable { reason, .. } if reason.contains("in time")),
        "{error}"
    );
}

#[tokio::test]
async fn every_refusal_says_what_is_missing_and_none_tells_the_token() {
    let server = GitLabServer::start();
    let id = server.project("data/environments");
    let token = |role, scopes: &[&str]| server.token("bot", role, scopes);
    let expired = server.state().add_token(Grant::Access {
        user: "bot".to_owned(),
        role: Role::Maintainer,
        scopes: vec!["api".to_owned()],
        expired: true,
    });
    let cases = [
        (
            "scope",
            token(Role::Maintainer, &["read_api"]),
            "lacks a scope: this needs a token with the scope `api`",
        ),
        ("role", token(Role::Reporter, &["api"]), "at least the role Developer in"),
        ("stranger", token(Role::Stranger, &["api"]), "GitLab doesn't say which"),
        ("expired", expired, "Token is expired"),
        ("wrong", "glpat-not-a-token-at-all".to_owned(), "not copied as a whole"),
    ];
    for (case, token, words) in cases {
        let error =
            with_token(&server, id, &token, BOUNDS).merge_requests().create(&bump("x")).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(words), "{case}: {text}");
        assert!(text.contains("make a merge request") && !text.contains(&token), "{case}: {text}");
    }
    let job = server.job_token(id);
    let gitlab = with_job_token(&server, id, &job);
    let error = gitlab.merge_requests().create(&bump("x")).await.unwrap_err();
    assert_eq!(status_of(&error), 404);
    let words = "CI_JOB_TOKEN cannot make a merge request";
    assert!(error.to_string().contains(words) && !format!("{error:?}{gitlab:?}").contains(&job), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_gitlabs_is_no_answer() {
    let server = GitLabServer::start();
    let (_, gitlab) = project(&server);
    let other = Fault::Answer(200, serde_json::json!({ "id": "x" }));
    for (fault, words) in [(Fault::Page, "no JSON, but a web page"), (other, "could not parse")] {
        server.fault("GET", 1, fault);
        let error = gitlab.user().await.unwrap_err();
        assert!(matches!(error, GitLabError::BadAnswer { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
