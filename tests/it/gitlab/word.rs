//! GitLab's word on jobs and pipelines.

use std::collections::BTreeMap;

use datapin::gitlab::{Finished, JobKind, Subject, Word};

use super::{project, with_job_token};
use crate::gitlab_server::{GitLabServer, JobTemplate};

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

    let log = "one\r\n\u{1b}[0Ksection_start:1:x\r\u{1b}[0Ktwo\nthree\n";
    server.state().pipeline(pipeline).jobs[0].log = format!("{}{log}", "x".repeat(600_000));
    let job = server.state().pipeline(pipeline).jobs[0].id;
    let tail = gitlab.pipelines().job_log_tail(job, 2).await.unwrap();
    assert_eq!(tail.last().map(String::as_str), Some("three"));
    assert_eq!(tail.len(), 2);

    gitlab.pipelines().cancel(pipeline).await.unwrap();
    assert!(!server.set_job(pipeline, "downstream", "running"), "a cancelled pipeline starts nothing more");
}
