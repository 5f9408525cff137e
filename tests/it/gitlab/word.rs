//! GitLab's word on jobs and pipelines.

use std::collections::BTreeMap;

use datapin::gitlab::{CommitStatus, Finished, JobKind, Status, StatusState, Subject, Word};
use serde_json::json;

use super::{project, with_job_token};
use crate::gitlab_server::{Fault, GitLabServer, JobTemplate};

#[tokio::test]
async fn only_four_states_of_the_same_host_mean_finished() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    let pipeline = server.state().new_pipeline(id, "main", &"a".repeat(40), "push", BTreeMap::new());
    let job = server.state().pipeline(pipeline).jobs[0].id;
    let path = "data/environments";
    for alive in [
        "created",
        "pending",
        "running",
        "manual",
        "scheduled",
        "canceling",
        "waiting_for_resource",
        "new word",
    ] {
        server.state().pipeline(pipeline).jobs[0].status = alive.to_owned();
        let word = gitlab.word(server.host(), path, Subject::Job(job)).await;
        assert!(matches!(&word, Word::Alive(status) if status.word() == alive), "{alive}: {word:?}");
    }
    let ends = [Finished::Success, Finished::Failed, Finished::Canceled, Finished::Skipped];
    for finished in ends {
        server.state().pipeline(pipeline).jobs[0].status = finished.word().to_owned();
        assert_eq!(gitlab.word(server.host(), path, Subject::Job(job)).await, Word::Finished(finished));
    }
    server.state().pipeline(pipeline).jobs[0].status = "failed".to_owned();
    let word = gitlab.word(server.host(), &id.to_string(), Subject::Pipeline(pipeline)).await;
    assert_eq!(word, Word::Finished(Finished::Failed));

    let asked = server.requests().len();
    let Word::Unknown { why } = gitlab.word("gitlab.other", path, Subject::Job(job)).await else { panic!() };
    assert!(why.contains("gitlab.other"), "{why}");
    assert_eq!(server.requests().len(), asked, "another host is not asked");
    let token = server.job_token(id);
    let Word::Unknown { why } =
        with_job_token(&server, id, &token).word(server.host(), path, Subject::Job(job)).await
    else {
        panic!()
    };
    assert!(why.contains("CI_JOB_TOKEN cannot read job") && why.contains("`read_api`"), "{why}");
}

/// A status that a killed job left running makes the pipeline run for ever.
#[tokio::test]
async fn a_pipeline_whose_jobs_are_over_is_over_whatever_its_statuses_say() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    server.state().project(id).template = vec![JobTemplate::new("deploy", 0), JobTemplate::new("finish", 1)];
    let sha = "a".repeat(40);
    let pipeline = server.state().new_pipeline(id, "main", &sha, "push", BTreeMap::new());
    server.set_job(pipeline, "deploy", "running");
    let status = CommitStatus {
        sha,
        state: StatusState::Running,
        name: "int/mds".to_owned(),
        branch: Some("main".to_owned()),
        target_url: String::new(),
        description: String::new(),
        pipeline_id: Some(pipeline),
    };
    gitlab.commit_status(&status).await.unwrap();
    let path = "data/environments";
    let word = || gitlab.word(server.host(), path, Subject::Pipeline(pipeline));
    assert!(matches!(word().await, Word::Alive(_)), "a job runs");
    server.set_job(pipeline, "deploy", "success");
    assert!(matches!(word().await, Word::Alive(_)), "a job comes");
    server.set_job(pipeline, "finish", "failed");
    assert_eq!(gitlab.pipelines().get(pipeline).await.unwrap().status, Status::Running);
    assert_eq!(word().await, Word::Finished(Finished::Failed));
    server.fault("/jobs", 1, Fault::Status(403));
    assert!(matches!(word().await, Word::Alive(_)), "jobs that cannot be read say nothing");
}

#[tokio::test]
async fn jobs_are_counted_once_however_often_they_were_retried() {
    let server = GitLabServer::start();
    let (id, gitlab) = project(&server);
    let bridge = JobTemplate { bridge: true, ..JobTemplate::new("downstream", 1) };
    server.state().project(id).template = vec![JobTemplate::new("test", 0), bridge];
    let pipeline = server.state().new_pipeline(id, "main", &"a".repeat(40), "push", BTreeMap::new());
    server.set_job(pipeline, "test", "failed");
    server.state().retry_job(pipeline, "test");
    server.set_job(pipeline, "test", "success");
    let jobs = gitlab.pipelines().jobs(pipeline).await.unwrap();
    let seen: Vec<(&str, &str)> = jobs.iter().map(|job| (job.name.as_str(), job.status.word())).collect();
    assert_eq!(seen, [("downstream", "pending"), ("test", "success")]);
    assert_eq!(jobs[0].kind, JobKind::Bridge(None));
    // retried between two pages of the list
    let both = [(12, "running"), (9, "failed")]
        .map(|(id, status)| json!({ "id": id, "name": "test", "status": status }));
    server.fault("/jobs", 1, Fault::Answer(200, json!(both)));
    let jobs = gitlab.pipelines().jobs(pipeline).await.unwrap();
    assert_eq!(jobs.iter().filter(|job| job.name == "test").map(|job| job.id).collect::<Vec<_>>(), [12]);

    let log = "one\r\n\u{1b}[0Ksection_start:1:x\r\u{1b}[0Ktwo\nthree\n";
    server.state().pipeline(pipeline).jobs[0].log = format!("{}{log}", "x".repeat(600_000));
    let job = server.state().pipeline(pipeline).jobs[0].id;
    let tail = gitlab.pipelines().job_log_tail(job, 2).await.unwrap();
    assert_eq!(tail.last().map(String::as_str), Some("three"));
    assert_eq!(tail.len(), 2);

    gitlab.pipelines().cancel(pipeline).await.unwrap();
    assert!(!server.set_job(pipeline, "downstream", "running"), "a cancelled pipeline starts nothing more");
}
