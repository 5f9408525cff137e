//! GitLab's word on a pipeline or job: whether somebody may still act there.

use super::{Lives, Spread, Ticket};

/// What GitLab says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word {
    /// It is not over.
    Alive,
    /// It is over: success, failed, canceled or skipped.
    Finished(String),
    /// GitLab did not say; this is why, with the right that is missing. Counts as alive.
    Unknown(String),
}

/// What GitLab is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Host.
    pub host: String,
    /// Id of the project.
    pub project: String,
    /// Pipeline or job.
    pub what: Part,
}

/// A pipeline as a whole, or one of its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// The pipeline of that id.
    Pipeline(String),
    /// The job of that id.
    Job(String),
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            Part::Pipeline(id) => write!(f, "pipeline {id} of project {} on {}", self.project, self.host),
            Part::Job(id) => write!(f, "job {id} of project {} on {}", self.project, self.host),
        }
    }
}

impl Spread {
    /// The question whether the pipeline is over.
    pub fn pipeline(&self) -> Asked {
        self.asked(Part::Pipeline(self.pipeline.clone()))
    }

    /// The question whether one of its jobs is over.
    pub fn job(&self, id: &str) -> Asked {
        self.asked(Part::Job(id.to_owned()))
    }

    fn asked(&self, what: Part) -> Asked {
        Asked { host: self.host.clone(), project: self.project.clone(), what }
    }
}

impl Ticket {
    /// What GitLab has to say about whether the ticket lives: a started one is spread over a pipeline, a waiting
    /// one is a job's.
    pub fn asked(&self) -> Option<Asked> {
        match (&self.lives, self.state.holds()) {
            (Lives::Pipeline(spread), true) => Some(spread.pipeline()),
            (Lives::Pipeline(spread), false) => spread.job.as_ref().map(|job| spread.job(job)),
            (Lives::Process, true) => None,
            (Lives::Process, false) => {
                let ci = self.ci.as_ref().filter(|ci| !ci.job.is_empty())?;
                let mut place = ci.pipeline.split(':');
                let (host, project) = (place.next()?.to_owned(), place.next()?.to_owned());
                Some(Asked { host, project, what: Part::Job(ci.job.clone()) })
            }
        }
    }
}
