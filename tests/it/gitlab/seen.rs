//! What people see beside commits and environments.

use datapin::gitlab::{CommitStatus, DeploymentStatus, NewDeployment, Push, StatusSet, StatusState};

use super::{BOUNDS, project, with_job_token, with_token};
use crate::gitlab_server::{Fault, GitLabServer, Role};

fn status(state: StatusState) -> CommitStatus {
    CommitStatus {
        sha: "a".repeat(40),
        state,
        name: "datapin/int/mds".to_owned(),
        branch: Some("main".to_owned()),
        target_url: "https://ci.example/1".to_owned(),
        description: "ü".repeat(300),
        pipeline_id: Some(7),
    }
}

#[tokio::test]
async fn a_status_that_is_so_already_is_no_error_and_a_busy_pipeline_is_asked_again() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    server.state().new_pipeline_called(7, id, "main", &"a".repeat(40), "trigger");
    assert_eq!(gitlab.commit_status(&status(StatusState::Running)).await.unwrap(), StatusSet::Changed);
    assert_eq!(gitlab.commit_status(&status(StatusState::Running)).await.unwrap(), StatusSet::Already);
    let busy = serde_json::json!({ "message": "The pipeline is locked by another request" });
    server.fault("/statuses/", 2, Fault::Answer(409, busy));
    assert_eq!(gitlab.commit_status(&status(StatusState::Success)).await.unwrap(), StatusSet::Changed);
    let mut state = server.state();
    let seen = &state.project(id).statuses;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].history, ["running", "success"]);
    assert_eq!(seen[0].pipeline, Some(7));
    assert_eq!(seen[0].description.chars().count(), 127);
}

/// <https://gitlab.com/gitlab-org/gitlab/-/blob/master/app/services/ci/create_commit_status_service.rb>
#[tokio::test]
async fn a_child_pipeline_takes_no_status_and_without_one_the_newest_listed_does() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    let sha = "a".repeat(40);
    for (pipeline, source) in [(6, "trigger"), (7, "parent_pipeline")] {
        server.state().new_pipeline_called(pipeline, id, "main", &sha, source);
    }
    let refused = gitlab.commit_status(&status(StatusState::Running)).await.unwrap_err();
    let words = refused.to_string();
    assert!(words.contains("404 Pipeline for pipeline_id, sha and ref Not Found"), "{words}");
    assert!(words.contains("in no child pipeline") && !words.contains("scope"), "{words}");
    let anywhere = CommitStatus { pipeline_id: None, ..status(StatusState::Running) };
    assert_eq!(gitlab.commit_status(&anywhere).await.unwrap(), StatusSet::Changed);
    assert_eq!(server.state().project(id).statuses[0].pipeline, Some(6));
    let shown = gitlab.statuses_beside(&anywhere).await.unwrap();
    assert_eq!(shown, [("datapin/int/mds".to_owned(), StatusState::Running)]);
    let elsewhere = CommitStatus { branch: Some("topic".to_owned()), pipeline_id: Some(6), ..anywhere };
    assert!(gitlab.commit_status(&elsewhere).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn deployments_are_made_and_finished_with_the_token_of_a_job() {
    let server = GitLabServer::start();
    let id = server.project("data/environments");
    let token = server.job_token(id);
    let gitlab = with_job_token(&server, id, &token);
    let deployments = gitlab.deployments();
    let new = NewDeployment {
        environment: "int".to_owned(),
        sha: "b".repeat(40),
        branch: "main".to_owned(),
        status: DeploymentStatus::Running,
    };
    let made = deployments.create(&new).await.unwrap();
    for _ in 0..2 {
        deployments.update(made.id, DeploymentStatus::Success).await.unwrap();
    }
    assert!(deployments.update(made.id, DeploymentStatus::Failed).await.is_err());
    assert_eq!(server.state().project(id).deployments[0].history, ["running", "success"]);
}

#[tokio::test]
async fn a_branch_that_is_protected_against_the_token_names_the_setting() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    assert_eq!(gitlab.branch_protection("main").await.unwrap(), Push::Allowed);
    server.state().project(id).protected.insert("main".to_owned(), vec!["ada".to_owned()]);
    let Push::Denied { why } = gitlab.branch_protection("main").await.unwrap() else { panic!() };
    assert!(why.contains("Protected branches"), "{why}");
    let job = server.job_token(id);
    let unknown = with_job_token(&server, id, &job).branch_protection("main").await.unwrap();
    assert!(matches!(&unknown, Push::Unknown { why } if why.contains("CI_JOB_TOKEN cannot")), "{unknown:?}");
}

#[tokio::test]
async fn a_token_tells_whose_it_is_and_what_it_may() {
    let server = GitLabServer::start();
    let id = server.project("data/environments");
    let token = server.token("reader", Role::Reporter, &["read_api"]);
    let gitlab = with_token(&server, id, &token, BOUNDS);
    assert_eq!(gitlab.user().await.unwrap().username, "reader");
    assert_eq!(gitlab.token_facts().await.unwrap().unwrap().scopes, ["read_api"]);
    assert_eq!(gitlab.user_id("reader").await.unwrap(), Some(gitlab.user().await.unwrap().id));
    assert_eq!(gitlab.user_id("nobody").await.unwrap(), None);
    let job = server.job_token(id);
    assert_eq!(with_job_token(&server, id, &job).user().await.unwrap().username, "ada");
}
