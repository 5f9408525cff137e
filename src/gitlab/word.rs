//! GitLab's word on whether a job or pipeline is over: what keeps a ticket alive whose run is spread over jobs.

use super::{Finished, GitLab, GitLabError, Job, Status};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A pipeline, by its id.
    Pipeline(u64),
    /// A job, by its id.
    Job(u64),
}

/// GitLab's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is not over.
    Alive(Status),
    /// It is over: success, failed, canceled or skipped, and nothing else.
    Finished(Finished),
    /// It can't be told, which counts as alive.
    Unknown {
        /// Why, and which right is missing.
        why: String,
    },
}

impl Word {
    /// Whether it is over for sure.
    pub fn is_finished(&self) -> bool {
        matches!(self, Word::Finished(_))
    }
}

impl GitLab {
    /// GitLab's word on a job or pipeline of `project` on `host`. Another host is never asked.
    pub async fn word(&self, host: &str, project: &str, subject: Subject) -> Word {
        if !host.eq_ignore_ascii_case(self.host()) {
            let why = format!("it runs on {host}, but the GitLab configured here is {}", self.host());
            return Word::Unknown { why };
        }
        let there = self.of_project(project);
        let status = match subject {
            Subject::Pipeline(id) => there.of_pipeline(id).await,
            Subject::Job(id) => there.pipelines().job(id).await.map(|job| job.status),
        };
        match status {
            Ok(status) => status.finished().map_or(Word::Alive(status), Word::Finished),
            Err(error) => Word::Unknown { why: error.to_string() },
        }
    }

    /// The state of a pipeline. One all of whose jobs are over is over: a commit status in it that nobody ended, as that
    /// of a job that was killed, makes GitLab say for ever that it runs.
    async fn of_pipeline(&self, id: u64) -> Result<Status, GitLabError> {
        let pipeline = self.pipelines().get(id).await?;
        if pipeline.status != Status::Running {
            return Ok(pipeline.status);
        }
        // what cannot be read says nothing
        let jobs = self.pipelines().jobs(id).await.unwrap_or_default();
        let over = !jobs.is_empty() && jobs.iter().all(|job| job.status.finished().is_some());
        let lost =
            |job: &Job| matches!(job.status, Status::Failed | Status::Canceled) && !job.allowed_to_fail;
        let failed = jobs.iter().any(lost);
        Ok(match (over, failed) {
            (false, _) => pipeline.status,
            (true, true) => Status::Failed,
            (true, false) => Status::Success,
        })
    }
}
