//! What a pipeline that is over, or out of time, says about the environment.

use std::time::Duration;

use super::Running;
use crate::gate::{Again, Attempt, LOG, Report, SUMMARY};
use crate::gitlab::{GitLab, GitLabError, Job, JobKind, Pipeline, Status};
use crate::process;
use crate::queue::Verdict;

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

/// The report with the first job that failed: its name, its link, the end of its log.
async fn blame(gitlab: &GitLab, pipeline: &Pipeline, mut report: Report) -> Report {
    let Ok(jobs) = gitlab.pipelines().jobs(pipeline.id).await else { return report };
    let failed: Vec<&Job> =
        jobs.iter().filter(|job| job.status == Status::Failed && !job.allowed_to_fail).collect();
    let Some(first) = failed.first() else { return report };
    let names: Vec<String> = failed.iter().map(|job| format!("`{}`", job.name)).collect();
    let reason = match first.failure_reason.as_str() {
        "" | "script_failure" => String::new(),
        reason => format!(" ({})", reason.replace('_', " ")),
    };
    let word = if failed.len() == 1 { "job" } else { "jobs" };
    report.summary = format!("{}: {word} {}{reason}", report.summary, names.join(", "));
    report.summary = process::one_line(&report.summary, SUMMARY);
    if !first.web_url.is_empty() {
        report.url.clone_from(&first.web_url);
    }
    if first.kind == JobKind::Script {
        report.log = gitlab.pipelines().job_log_tail(first.id, LOG).await.unwrap_or_default();
    }
    report
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

/// The jobs that hold it up.
async fn last_seen(running: &Running) -> String {
    let jobs = running.gitlab.pipelines().jobs(running.pipeline.id).await.unwrap_or_default();
    let named = |status: &Status| -> Vec<String> {
        jobs.iter().filter(|job| job.status == *status).map(|job| format!("`{}`", job.name)).collect()
    };
    let manual = named(&Status::Manual);
    if running.pipeline.status == Status::Manual && !manual.is_empty() {
        return format!("{} waits for a person to start it", manual.join(", "));
    }
    let busy = [Status::Running, Status::Pending, Status::WaitingForResource]
        .iter()
        .map(|status| (status, named(status)));
    let busy: Vec<String> = busy
        .filter(|(_, names)| !names.is_empty())
        .map(|(status, names)| format!("{} {}", names.join(", "), status.word().replace('_', " ")))
        .collect();
    match busy.is_empty() {
        true => format!("it is {}", running.pipeline.status.word()),
        false => busy.join("; "),
    }
}

/// GitLab refused, or did not answer.
pub(super) fn failed(error: &GitLabError) -> Attempt {
    let again = if error.may_pass() { Again::MayHelp } else { Again::InVain };
    Attempt { report: Report::without_output(Verdict::Errored, error.to_string()), again }
}
