//! Gate `kubernetes-job`, against a fake API server; the test plays the Job controller and the kubelet.

mod stand;

use std::path::{Path, PathBuf};
use std::time::Duration;

use datapin::cluster::{Clusters, Kind};
use datapin::config::{Afterwards, Gate, JobSource};
use datapin::gate::GateRunner;
use datapin::queue::Verdict;
use serde_json::{Value, json};

use super::{assert_file, facts, lookup};
use stand::{MANIFEST, Stand};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gate/job").join(name)
}

fn terminated(code: i64, reason: &str) -> Value {
    json!({ "terminated": { "exitCode": code, "reason": reason } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_job_passes_and_is_deleted() {
    let stand = Stand::new();
    let report = stand
        .run(&stand.runner(), async |job| {
            assert_file(&fixture("created.json"), &format!("{:#}\n", without_times(job.clone())));
            let pod = stand.pod(&job, json!({ "phase": "Succeeded" }));
            stand.server.log("apps", &pod, "test", "current", "running\n412 of 412 checks passed\n");
            stand.condition(&job, json!({ "type": "Complete", "status": "True" }));
        })
        .await;
    assert_file(&fixture("complete.out"), &stand.shown(&report));
    assert_eq!(stand.job(), None);
}

fn without_times(mut job: Value) -> Value {
    for key in ["creationTimestamp", "uid", "resourceVersion"] {
        job["metadata"].as_object_mut().unwrap().remove(key);
    }
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_kept_stays() {
    let mut stand = Stand::new();
    stand.settings.afterwards = Afterwards::Kept;
    let report = stand
        .run(&stand.runner(), async |job| {
            assert!(job["spec"].get("ttlSecondsAfterFinished").is_none());
            stand.condition(&job, json!({ "type": "Complete", "status": "True" }));
        })
        .await;
    assert_eq!(report.verdict, Verdict::Passed);
    assert!(stand.job().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_tells_its_last_words() {
    let stand = Stand::new();
    let report = stand
        .run(&stand.runner(), async |job| {
            let status = json!({ "phase": "Failed", "containerStatuses": [
                { "name": "sidecar", "state": terminated(0, "Completed") },
                { "name": "test", "state": terminated(3, "Error") },
            ] });
            let pod = stand.pod(&job, status);
            stand.server.log("apps", &pod, "test", "current", "connecting\nFAILED: 3 of 412 checks\n");
            let event = json!({
                "metadata": { "name": "e1" }, "involvedObject": { "kind": "Pod", "name": pod },
                "type": "Warning", "reason": "BackOff", "message": "Back-off restarting failed container",
            });
            stand.server.put(Kind::EVENT, "apps", event);
            stand.condition(
                &job,
                json!({ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
                    "message": "Job has reached the specified backoff limit" }),
            );
        })
        .await;
    assert_file(&fixture("failed.out"), &stand.shown(&report));
    assert_eq!(stand.job(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_container_that_fails_is_the_one_that_is_shown() {
    let stand = Stand::new();
    let report = stand
        .run(&stand.runner(), async |job| {
            let pod = stand.pod(
                &job,
                json!({ "phase": "Failed",
                    "initContainerStatuses": [{ "name": "prepare", "state": terminated(137, "OOMKilled") }],
                    "containerStatuses": [{ "name": "test", "state": { "waiting": { "reason": "PodInitializing" } } }] }),
            );
            stand.server.log("apps", &pod, "prepare", "current", "loading the network\n");
            stand.condition(&job, json!({ "type": "Failed", "status": "True", "reason": "PodFailurePolicy" }));
        })
        .await;
    assert_file(&fixture("init-failed.out"), &stand.shown(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_cannot_begin_is_an_error() {
    let waiting = |reason: &str| {
        json!({ "phase": "Pending", "containerStatuses": [
            { "name": "test", "state": { "waiting": { "reason": reason, "message": "Back-off pulling image" } } },
        ] })
    };
    let unschedulable = json!({ "phase": "Pending", "conditions": [
        { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available" },
    ] });
    let patient = Duration::from_mins(10);
    let mut all = String::new();
    for (status, patience) in [
        (waiting("InvalidImageName"), patient),
        (waiting("ErrImagePull"), Duration::from_millis(100)),
        (waiting("ImagePullBackOff"), Duration::from_millis(100)),
        (unschedulable, Duration::from_millis(100)),
    ] {
        let stand = Stand::new();
        let runner = stand.runner().with_patience(patience);
        let report = stand.run(&runner, async |job| drop(stand.pod(&job, status))).await;
        all += &stand.shown(&report);
        assert_eq!(stand.job(), None);
    }
    assert_file(&fixture("stuck.out"), &all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_waits_for_its_image_may_still_begin() {
    let stand = Stand::new();
    let runner = stand.runner().with_patience(Duration::from_mins(10));
    let report = stand
        .run(&runner, async |job| {
            stand.pod(
                &job,
                json!({ "phase": "Pending", "containerStatuses": [
                { "name": "test", "state": { "waiting": { "reason": "ErrImagePull" } } } ] }),
            );
            stand.pod(&job, json!({ "phase": "Succeeded" }));
            stand.condition(&job, json!({ "type": "Complete", "status": "True" }));
        })
        .await;
    assert_eq!(report.verdict, Verdict::Passed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_too_long_is_deleted() {
    let stand = Stand::new();
    let gate = Gate { timeout: Duration::from_millis(700), ..stand.gate() };
    let clusters = Clusters::new(std::sync::Arc::new(|_| None));
    let runner = GateRunner::from_config(&gate, lookup, Path::new("/x"), &clusters).unwrap();
    let report = stand.run(&runner, async |job| drop(stand.pod(&job, json!({ "phase": "Running" })))).await;
    assert_eq!(report.verdict, Verdict::TimedOut);
    assert!(report.summary.contains("is not finished after 700ms: pod `e2e-"), "{report:?}");
    assert_eq!(stand.job(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_stopped_deletes_its_job() {
    let stand = Stand::new();
    let (runner, facts) = (stand.runner(), facts());
    {
        let run = runner.run(&facts, 1);
        tokio::select! {
            report = run => panic!("it ended: {report:?}"),
            _ = stand.created() => {}
        }
    }
    super::eventually("the Job is deleted", || stand.job().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_with_a_run_finds_its_job() {
    let mut stand = Stand::new();
    stand.settings.afterwards = Afterwards::Kept;
    let (runner, facts) = (stand.runner(), facts());
    tokio::select! {
        report = runner.run(&facts, 1) => panic!("it ended: {report:?}"),
        _ = stand.created() => {}
    }
    let report = stand
        .run(&stand.runner(), async |job| {
            stand.condition(&job, json!({ "type": "Complete", "status": "True" }))
        })
        .await;
    assert_eq!(report.verdict, Verdict::Passed);
    assert_eq!(stand.server.objects(Kind::JOB, "apps").len(), 1);
    // another attempt, gate, stage or run is another Job
    let mut other = facts.clone();
    other.stage = 2;
    for (facts, attempt) in [(facts.clone(), 2), (other, 1)] {
        let before = stand.server.objects(Kind::JOB, "apps").len();
        let more = || stand.server.objects(Kind::JOB, "apps").len() > before;
        tokio::select! {
            report = runner.run(&facts, attempt) => panic!("it ended: {report:?}"),
            () = super::eventually("another Job", more) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_somebody_else_is_left_alone() {
    let mut stand = Stand::new();
    stand.settings.afterwards = Afterwards::Kept;
    let (runner, facts) = (stand.runner(), facts());
    tokio::select! {
        report = runner.run(&facts, 1) => panic!("it ended: {report:?}"),
        _ = stand.created() => {}
    }
    let name = stand.job().unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    stand.server.patch(
        Kind::JOB,
        "apps",
        &name,
        &json!({ "metadata": { "labels": { "datapin/run": "other" } } }),
    );
    stand.settings.afterwards = Afterwards::Deleted;
    let report = stand.runner().run(&facts, 1).await;
    assert_eq!(report.verdict, Verdict::Errored);
    assert!(report.summary.contains("already exists"), "{report:?}");
    assert!(stand.job().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_job_is_copied() {
    let mut stand = Stand::new();
    stand.settings.source = JobSource::CronJob("nightly".to_owned());
    let missing = stand.runner().run(&facts(), 1).await;
    assert!(missing.summary.contains("has no CronJob `nightly` in namespace apps"), "{missing:?}");
    assert!(stand.runner().probe().await.is_err());
    let template = json!({ "metadata": { "labels": { "from": "cron" } }, "spec": { "template": { "spec": {
        "restartPolicy": "Never", "containers": [{ "name": "test", "image": "i" }] } } } });
    let cron =
        json!({ "metadata": { "name": "nightly" }, "spec": { "suspend": true, "jobTemplate": template } });
    stand.server.put(Kind::CRON_JOB, "apps", cron);
    let report = stand
        .run(&stand.runner(), async |job| {
            assert!(job["metadata"]["name"].as_str().unwrap().starts_with("nightly-"));
            assert_eq!(job["metadata"]["labels"]["from"], "cron");
            assert_eq!(job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"], "manual");
            stand.condition(&job, json!({ "type": "Complete", "status": "True" }));
        })
        .await;
    assert_eq!(report.verdict, Verdict::Passed);
    assert!(stand.runner().probe().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_somebody_deletes_or_that_may_not_be_made_is_an_error() {
    let stand = Stand::new();
    let report = stand
        .run(&stand.runner(), async |job| {
            stand.server.delete(Kind::JOB, "apps", job["metadata"]["name"].as_str().unwrap());
        })
        .await;
    assert_eq!(report.verdict, Verdict::Errored);
    assert!(report.summary.ends_with("was deleted by somebody"), "{report:?}");
    stand.server.deny("create", "jobs.batch");
    let report = stand.runner().run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Errored);
    assert!(report.summary.starts_with("not allowed to create jobs.batch in namespace apps"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_rights_to_look_around_there_is_still_a_verdict() {
    let stand = Stand::new();
    for (verb, resource) in [
        ("list", "pods"),
        ("watch", "pods"),
        ("watch", "jobs.batch"),
        ("list", "events"),
        ("get", "pods/log"),
    ] {
        stand.server.deny(verb, resource);
    }
    let report = stand
        .run(&stand.runner(), async |job| {
            stand
                .condition(&job, json!({ "type": "Failed", "status": "True", "reason": "DeadlineExceeded" }));
        })
        .await;
    assert_eq!(report.verdict, Verdict::Failed);
    assert!(report.summary.ends_with("failed: DeadlineExceeded"), "{report:?}");
}

#[test]
fn a_manifest_that_is_no_job_is_refused_before_anything_runs() {
    let stand = Stand::new();
    let JobSource::Manifest(file) = &stand.settings.source else { panic!() };
    let clusters = Clusters::new(std::sync::Arc::new(|_| None));
    let mut messages = String::new();
    for text in [
        Some("{ broken: ["),
        Some(""),
        Some("apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n"),
        Some("apiVersion: batch/v1\nkind: Job\nmetadata: {}\nspec: {}\n"),
        Some("apiVersion: batch/v1\nkind: Job\nmetadata: { name: a }\nspec: {}\n"),
        Some(&format!("{MANIFEST}---\n{MANIFEST}")),
        None,
    ] {
        match text {
            Some(text) => std::fs::write(file, text).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
        let error = GateRunner::from_config(&stand.gate(), lookup, Path::new("/x"), &clusters).unwrap_err();
        messages += &format!("{error}\n").replace(&stand.server.dir().display().to_string(), "DIR");
    }
    assert_file(&fixture("messages.txt"), &messages);
}
