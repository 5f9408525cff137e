//! Jobs of a pipeline, each counted once.

use std::collections::BTreeMap;

use gitlab::api::projects::{jobs, pipelines};
use serde::Deserialize;

use super::ask::Ask;
use super::pipelines::{Pipeline, Pipelines};
use super::{GitLabError, Status};
use crate::process;

/// Most jobs of a pipeline that are looked at.
const MOST: usize = 2000;

/// A job of a pipeline, or one that starts another pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Id.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Stage.
    pub stage: String,
    /// State.
    pub status: Status,
    /// Whether its failure is only a warning.
    pub allowed_to_fail: bool,
    /// Link; may be empty.
    pub web_url: String,
    /// GitLab's word for why it failed; may be empty.
    pub failure_reason: String,
    /// What it does.
    pub kind: JobKind,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    /// Runs a script; it has a log.
    Script,
    /// Starts another pipeline, once it has.
    Bridge(Option<Box<Pipeline>>),
}

#[derive(Debug, Clone, Deserialize)]
struct Found {
    id: u64,
    name: String,
    #[serde(default)]
    stage: String,
    status: Status,
    #[serde(default)]
    allow_failure: bool,
    #[serde(default)]
    web_url: Option<String>,
    #[serde(default)]
    failure_reason: Option<String>,
    #[serde(default)]
    downstream_pipeline: Option<Box<Pipeline>>,
}

impl Found {
    fn job(self, kind: JobKind) -> Job {
        Job {
            id: self.id,
            name: self.name,
            stage: self.stage,
            status: self.status,
            allowed_to_fail: self.allow_failure,
            web_url: self.web_url.unwrap_or_default(),
            failure_reason: self.failure_reason.unwrap_or_default(),
            kind,
        }
    }

    fn script(self) -> Job {
        self.job(JobKind::Script)
    }

    fn bridge(mut self) -> Job {
        let downstream = self.downstream_pipeline.take();
        self.job(JobKind::Bridge(downstream))
    }
}

impl Pipelines<'_> {
    /// The jobs of a pipeline, bridges too, in the order in which they were made. Of one that was retried
    /// the newest counts.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn jobs(&self, pipeline: u64) -> Result<Vec<Job>, GitLabError> {
        let gitlab = self.gitlab();
        let ask = Ask::read(format!("list the jobs of pipeline {pipeline} of {}", gitlab.project()));
        let scripts = pipelines::PipelineJobs::builder().project(gitlab.project()).pipeline(pipeline).build();
        let bridges =
            pipelines::PipelineBridges::builder().project(gitlab.project()).pipeline(pipeline).build();
        let scripts: Vec<Found> = gitlab.list(&ask, scripts, MOST).await?;
        let bridges: Vec<Found> = gitlab.list(&ask, bridges, MOST).await?;
        let all = scripts.into_iter().map(Found::script).chain(bridges.into_iter().map(Found::bridge));
        let mut newest: BTreeMap<String, Job> = BTreeMap::new();
        for job in all {
            if newest.get(&job.name).is_none_or(|known| known.id < job.id) {
                newest.insert(job.name.clone(), job);
            }
        }
        let mut jobs: Vec<Job> = newest.into_values().collect();
        jobs.sort_by_key(|job| job.id);
        Ok(jobs)
    }

    /// One job.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn job(&self, id: u64) -> Result<Job, GitLabError> {
        let gitlab = self.gitlab();
        let ask = Ask::read(format!("read job {id} of {}", gitlab.project()));
        let endpoint = jobs::Job::builder().project(gitlab.project()).job(id).build();
        gitlab.ask::<Found, _, _>(&ask, endpoint).await.map(Found::script)
    }

    /// The last `lines` of a job's log, without colours and GitLab's own marks.
    ///
    /// # Errors
    /// See [`GitLabError`].
    pub async fn job_log_tail(&self, job: u64, lines: usize) -> Result<Vec<String>, GitLabError> {
        let gitlab = self.gitlab();
        let ask = Ask::read(format!("read the log of job {job} of {}", gitlab.project()));
        let endpoint = jobs::JobTrace::builder().project(gitlab.project()).job(job).build();
        let text = gitlab.end_of(&ask, endpoint).await?;
        let all: Vec<String> = process::plain(&text).into_iter().filter_map(|line| shown(&line)).collect();
        Ok(all[all.len().saturating_sub(lines)..].to_vec())
    }
}

/// A line without the marks of sections; `None` if nothing is left.
fn shown(line: &str) -> Option<String> {
    let marks = |word: &&str| !word.starts_with("section_start:") && !word.starts_with("section_end:");
    let line = match line.contains("section_") {
        true => line.split_whitespace().filter(marks).collect::<Vec<_>>().join(" "),
        false => line.trim_end().to_owned(),
    };
    (!line.trim().is_empty()).then_some(line)
}
