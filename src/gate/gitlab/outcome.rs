//! What a pipeline that is over, or out of time, says about the environment.

use std::collections::VecDeque;
use std::time::Duration;

use super::Running;
use crate::gate::{Again, Attempt, LOG, Report, SUMMARY};
use crate::gitlab::{GitLab, GitLabError, Job, JobKind, Pipeline, Status};
use crate::process;
use crate::queue::Verdict;

/// So many pipelines that were started by the jobs of one are looked at.
const PIPELINES: usize = 10;

/// The verdict of a pipeline that is over.
pub(super) async fn of(gitlab: &GitLab, pipeline: &Pipeline, status: &Status) -> Attempt {
    let which = format!("pipeline {} of {}", pipeline.id, gitlab.project());
    let report = |verdict, summary: String| Report {
        verdict,
        summary: process::one_line(&summary, SUMMARY),
        url: pipeline.web_url.clone(),
        log: Vec::new(),
    };
    match status {
        Status::Success => Attempt::ended(report(Verdict::Passed, format!("{which} succeeded"))),
        Status::Failed => {
            Attempt::ended(blame(gitlab, pipeline, report(Verdict::Failed, format!("{which} failed"))).await)
        }
        other => {
            // cancelled or skipped by somebody: that says nothing about the environment
            let words = format!("{which} is {}: nothing was tested to the end", other.word());
            Attempt { report: report(Verdict::Errored, words), again: Again::InVain }
        }
    }
}

/// The report with the first job that failed: its name, its link, the end of its log. Of one that started another
/// pipeline it is that pipeline's job.
async fn blame(gitlab: &GitLab, pipeline: &Pipeline, mut report: Report) -> Report {
    let Ok(jobs) = gitlab.pipelines().jobs(pipeline.id).await else { return report };
    let mut failed = jobs.iter().filter(|job| is_lost(job));
    let Some(first) = failed.next() else { return report };
    let (there, path, job) = deepest(gitlab, first).await;
    let names: Vec<String> =
        std::iter::once(path).chain(failed.map(|job| format!("`{}`", job.name))).collect();
    let reason = match job.failure_reason.as_str() {
        "" | "script_failure" => String::new(),
        reason => format!(" ({})", reason.replace('_', " ")),
    };
    let word = if names.len() == 1 { "job" } else { "jobs" };
    report.summary = format!("{}: {word} {}{reason}", report.summary, names.join(", "));
    report.summary = process::one_line(&report.summary, SUMMARY);
    if !job.web_url.is_empty() {
        report.url.clone_from(&job.web_url);
    }
    if job.kind == JobKind::Script {
        report.log = there.pipelines().job_log_tail(job.id, LOG).await.unwrap_or_default();
    }
    report
}

fn is_lost(job: &Job) -> bool {
    job.status == Status::Failed && !job.allowed_to_fail
}

/// The first job that failed behind one that failed: where it is, the way to it, and the job.
async fn deepest(gitlab: &GitLab, first: &Job) -> (GitLab, String, Job) {
    let (mut there, mut path, mut job) = (gitlab.clone(), format!("`{}`", first.name), first.clone());
    for _ in 0..PIPELINES {
        let Some((project, pipeline)) = downstream(&there, &job) else { break };
        let Ok(jobs) = project.pipelines().jobs(pipeline.id).await else { break };
        let Some(next) = jobs.into_iter().find(is_lost) else { break };
        path = format!("{path} → `{}`", next.name);
        (there, job) = (project, next);
    }
    (there, path, job)
}

/// The pipeline that a job started.
fn downstream(gitlab: &GitLab, job: &Job) -> Option<(GitLab, Pipeline)> {
    let JobKind::Bridge(Some(pipeline)) = &job.kind else { return None };
    let project = pipeline.project_id?;
    Some((gitlab.of_project(&project.to_string()), Pipeline::clone(pipeline)))
}

/// What was last seen of a pipeline that is out of time.
pub(super) async fn timed_out(running: &Running, limit: Duration) -> Attempt {
    let pipeline = &running.pipeline;
    let which = format!("pipeline {} of {}", pipeline.id, running.gitlab.project());
    let (verdict, seen) = match &running.seen {
        Some(error) => (Verdict::Errored, format!("it could not be asked about: {error}")),
        None => (Verdict::TimedOut, last_seen(running).await),
    };
    let summary = process::one_line(&format!("{which} is not over within {limit:?}: {seen}"), SUMMARY);
    let report = Report { verdict, summary, url: pipeline.web_url.clone(), log: Vec::new() };
    Attempt { report, again: Again::InVain }
}

/// The jobs that hold it up; one that waits for a person is looked for in the pipelines that it started, too.
async fn last_seen(running: &Running) -> String {
    let mut looks = VecDeque::from([(running.gitlab.clone(), String::new(), running.pipeline.clone())]);
    let mut own = None;
    for _ in 0..PIPELINES {
        let Some((gitlab, path, pipeline)) = looks.pop_front() else { break };
        let jobs = gitlab.pipelines().jobs(pipeline.id).await.unwrap_or_default();
        let manual: Vec<String> =
            named(&jobs, &Status::Manual).into_iter().map(|name| format!("{path}{name}")).collect();
        if pipeline.status == Status::Manual && !manual.is_empty() {
            return format!("{} waits for a person to start it", manual.join(", "));
        }
        let open = jobs.iter().filter(|job| job.status.finished().is_none());
        looks.extend(open.filter_map(|job| {
            let (project, pipeline) = downstream(&gitlab, job)?;
            Some((project, format!("{path}`{}` → ", job.name), pipeline))
        }));
        own.get_or_insert(jobs);
    }
    let jobs = own.unwrap_or_default();
    let busy = [Status::Running, Status::Pending, Status::WaitingForResource];
    let busy: Vec<String> = busy
        .iter()
        .map(|status| (status, named(&jobs, status)))
        .filter(|(_, names)| !names.is_empty())
        .map(|(status, names)| format!("{} {}", names.join(", "), status.word().replace('_', " ")))
        .collect();
    match busy.is_empty() {
        true => format!("it is {}", running.pipeline.status.word()),
        false => busy.join("; "),
    }
}

fn named(jobs: &[Job], status: &Status) -> Vec<String> {
    jobs.iter().filter(|job| job.status == *status).map(|job| format!("`{}`", job.name)).collect()
}

/// GitLab refused, or did not answer.
pub(super) fn failed(error: &GitLabError) -> Attempt {
    let again = if error.may_pass() { Again::MayHelp } else { Again::InVain };
    Attempt { report: Report::without_output(Verdict::Errored, error.to_string()), again }
}
