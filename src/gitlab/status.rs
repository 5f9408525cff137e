//! States of pipelines and jobs.

use serde::Deserialize;

/// State of a pipeline or job. <https://docs.gitlab.com/api/pipelines/>
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Status {
    /// Made, and waits for earlier jobs.
    Created,
    /// Waits for a resource group.
    WaitingForResource,
    /// Waits for a callback.
    WaitingForCallback,
    /// Is being prepared.
    Preparing,
    /// Waits for a runner.
    Pending,
    /// Runs.
    Running,
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Is being cancelled.
    Canceling,
    /// Was cancelled.
    Canceled,
    /// Was not run.
    Skipped,
    /// Waits for a person.
    Manual,
    /// Waits for its time.
    Scheduled,
    /// A word that this build doesn't know.
    Other(String),
}

/// A state after which nothing more happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Was cancelled.
    Canceled,
    /// Was not run.
    Skipped,
}

impl From<String> for Status {
    fn from(word: String) -> Self {
        match word.as_str() {
            "created" => Status::Created,
            "waiting_for_resource" => Status::WaitingForResource,
            "waiting_for_callback" => Status::WaitingForCallback,
            "preparing" => Status::Preparing,
            "pending" => Status::Pending,
            "running" => Status::Running,
            "success" => Status::Success,
            "failed" => Status::Failed,
            "canceling" => Status::Canceling,
            "canceled" => Status::Canceled,
            "skipped" => Status::Skipped,
            "manual" => Status::Manual,
            "scheduled" => Status::Scheduled,
            _ => Status::Other(word),
        }
    }
}

impl Status {
    /// GitLab's word for it.
    pub fn word(&self) -> &str {
        match self {
            Status::Created => "created",
            Status::WaitingForResource => "waiting_for_resource",
            Status::WaitingForCallback => "waiting_for_callback",
            Status::Preparing => "preparing",
            Status::Pending => "pending",
            Status::Running => "running",
            Status::Success => "success",
            Status::Failed => "failed",
            Status::Canceling => "canceling",
            Status::Canceled => "canceled",
            Status::Skipped => "skipped",
            Status::Manual => "manual",
            Status::Scheduled => "scheduled",
            Status::Other(word) => word,
        }
    }

    /// How it ended; `None` if it did not, or not for sure.
    pub fn finished(&self) -> Option<Finished> {
        match self {
            Status::Success => Some(Finished::Success),
            Status::Failed => Some(Finished::Failed),
            Status::Canceled => Some(Finished::Canceled),
            Status::Skipped => Some(Finished::Skipped),
            Status::Created
            | Status::WaitingForResource
            | Status::WaitingForCallback
            | Status::Preparing
            | Status::Pending
            | Status::Running
            | Status::Canceling
            | Status::Manual
            | Status::Scheduled
            | Status::Other(_) => None,
        }
    }
}

impl Finished {
    /// GitLab's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Finished::Success => "success",
            Finished::Failed => "failed",
            Finished::Canceled => "canceled",
            Finished::Skipped => "skipped",
        }
    }
}
