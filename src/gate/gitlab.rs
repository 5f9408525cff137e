//! Gate `gitlab-pipeline`: a pipeline of another project is started, followed, and cancelled with the run.

mod outcome;
mod probe;

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::{Instant, sleep, timeout_at};

use super::afterwards::in_background;
use super::{Again, Attempt, Facts, Report, command};
use crate::config::{self, SecretError};
use crate::gitlab::{GitLab, GitLabError, Pipeline, Status, Trigger};
use crate::process;
use crate::queue::Verdict;

/// First time between two looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// Longest time between two looks, as a multiple of the first.
const LONGEST: u32 = 8;
/// How long cancelling a pipeline may take.
const CANCEL: Duration = Duration::from_secs(20);
/// The variable by which a pipeline of this attempt is found again.
const KEY: &str = "DATAPIN_GATE_START";

#[derive(Debug, Clone)]
pub(super) struct PipelineGate {
    settings: config::GitLabPipeline,
    trigger: Option<SecretString>,
    /// Seen from the other project; `None` until it is known.
    gitlab: Option<GitLab>,
    pub(super) interval: Duration,
}

/// Why an attempt ended without a verdict.
enum End {
    /// GitLab refuses, or does not answer.
    Error(GitLabError),
    /// Nobody knows whether a pipeline was started.
    Unsure(String),
}

impl PipelineGate {
    pub(super) fn new(
        settings: &config::GitLabPipeline,
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SecretError> {
        let trigger = settings.trigger_token.as_ref().map(|place| place.read_with(lookup)).transpose()?;
        Ok(Self { settings: settings.clone(), trigger, gitlab: None, interval: INTERVAL })
    }

    pub(super) fn reach(&mut self, gitlab: &GitLab) {
        self.gitlab = Some(gitlab.of_project(&self.settings.project));
    }

    pub(super) async fn run(&self, gate: &str, facts: &Facts, attempt: u32, timeout: Duration) -> Attempt {
        let Some(gitlab) = &self.gitlab else {
            let words = "no GitLab is known; set `gitlab.url`";
            return Attempt { report: Report::without_output(Verdict::Errored, words), again: Again::InVain };
        };
        let end = Instant::now() + timeout;
        let key = ulid::Ulid::generate().to_string();
        let variables = self.variables(gate, facts, attempt, &key);
        let started = match timeout_at(end, self.start(gitlab, &variables, &key)).await {
            Ok(Ok(started)) => started,
            Ok(Err(End::Error(error))) => return outcome::failed(&error),
            Ok(Err(End::Unsure(words))) => {
                // one more beside it, which nobody would stop either, would help nobody
                let report = Report::without_output(Verdict::Errored, words);
                return Attempt { report, again: Again::InVain };
            }
            Err(_) => {
                let project = &self.settings.project;
                let words =
                    format!("the start of a pipeline of {project} was not answered within {timeout:?}");
                return Attempt::ended(Report::without_output(Verdict::TimedOut, words));
            }
        };
        let mut running = Running { gitlab: gitlab.clone(), pipeline: started, seen: None, over: false };
        match timeout_at(end, self.follow(&mut running)).await {
            Ok(Ok(status)) => {
                running.over = true;
                outcome::of(&running.gitlab, &running.pipeline, &status).await
            }
            Ok(Err(error)) => outcome::failed(&error),
            Err(_) => {
                let attempt = outcome::timed_out(&running, timeout).await;
                running.cancel().await;
                attempt
            }
        }
    }

    fn variables(&self, gate: &str, facts: &Facts, attempt: u32, key: &str) -> Vec<(String, String)> {
        let environment = facts.environment();
        let known = [
            ("dataset", facts.dataset.as_str()),
            ("environment", environment.as_str()),
            ("version", facts.version.as_str()),
        ];
        let mut all = command::variables(gate, facts, attempt);
        all.push((KEY.to_owned(), key.to_owned()));
        let own = self.settings.variables.iter();
        all.extend(own.map(|(name, value)| (name.clone(), process::fill(value, &known))));
        all
    }

    /// Starts a pipeline, once. What may not be read is not started: it could not be followed.
    async fn start(
        &self,
        gitlab: &GitLab,
        variables: &[(String, String)],
        key: &str,
    ) -> Result<Pipeline, End> {
        let pipelines = gitlab.pipelines();
        let branch = &self.settings.branch;
        pipelines.newest(branch).await.map_err(End::Error)?;
        let mut starting =
            Starting { gitlab: gitlab.clone(), branch: branch.clone(), key: key.to_owned(), answered: false };
        let started = match &self.trigger {
            Some(token) => pipelines.trigger(branch, &Trigger::Token(token.clone()), variables).await,
            None if gitlab.has_job_token() => pipelines.trigger(branch, &Trigger::Job, variables).await,
            None => pipelines.create(branch, variables).await,
        };
        let pipeline = match started {
            Ok(pipeline) => Ok(pipeline),
            Err(error @ GitLabError::Unreachable { .. }) => match find(gitlab, branch, key).await {
                Ok(Some(pipeline)) => Ok(pipeline),
                Ok(None) => Err(End::Error(error)),
                Err(lost) => Err(End::Unsure(unsure(gitlab, &error, &lost))),
            },
            Err(error) => Err(End::Error(error)),
        };
        // what could not be found now may be found, and cancelled, when nobody waits for it
        starting.answered = !matches!(&pipeline, Err(End::Unsure(_)));
        pipeline
    }

    /// Looks until the pipeline is over. A server that is away for a while is waited for: another pipeline
    /// beside this one would help nobody.
    async fn follow(&self, running: &mut Running) -> Result<Status, GitLabError> {
        let mut pause = self.interval;
        loop {
            match running.gitlab.pipelines().get(running.pipeline.id).await {
                Ok(pipeline) => {
                    running.pipeline = pipeline;
                    running.seen = None;
                }
                Err(error) if error.may_pass() => running.seen = Some(error),
                Err(error) => return Err(error),
            }
            if running.seen.is_none() && running.pipeline.status.finished().is_some() {
                return Ok(running.pipeline.status.clone());
            }
            sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            pause = pause.mul_f64(1.5).min(self.interval * LONGEST);
        }
    }
}

fn unsure(gitlab: &GitLab, error: &GitLabError, lost: &GitLabError) -> String {
    let project = gitlab.project();
    format!(
        "a pipeline of {project} may have been started and go on: look for it in {project} and cancel it; {error}; and it can't be told: {lost}"
    )
}

/// The pipeline that carries the key.
async fn find(gitlab: &GitLab, branch: &str, key: &str) -> Result<Option<Pipeline>, GitLabError> {
    let pipelines = gitlab.pipelines();
    for pipeline in pipelines.newest(branch).await?.into_iter().take(10) {
        let variables = pipelines.variables(pipeline.id).await?;
        if variables.iter().any(|(name, value)| name == KEY && value == key) {
            return Ok(Some(pipeline));
        }
    }
    Ok(None)
}

/// A pipeline whose start was asked for.
struct Starting {
    gitlab: GitLab,
    branch: String,
    key: String,
    answered: bool,
}

impl Drop for Starting {
    /// A gate that is stopped meanwhile stops what GitLab may have started.
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let (gitlab, branch, key) = (self.gitlab.clone(), self.branch.clone(), self.key.clone());
        cancel_afterwards(async move {
            match find(&gitlab, &branch, &key).await? {
                Some(pipeline) => gitlab.pipelines().cancel(pipeline.id).await,
                None => Ok(()),
            }
        });
    }
}

/// A pipeline that was started here.
struct Running {
    gitlab: GitLab,
    pipeline: Pipeline,
    /// Why the last look brought nothing.
    seen: Option<GitLabError>,
    over: bool,
}

impl Running {
    async fn cancel(&mut self) {
        self.over = true;
        let pipelines = self.gitlab.pipelines();
        if let Ok(Err(error)) = tokio::time::timeout(CANCEL, pipelines.cancel(self.pipeline.id)).await {
            tracing::warn!(%error, "a pipeline of a gate goes on");
        }
    }
}

impl Drop for Running {
    /// A gate that is stopped stops its pipeline.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (gitlab, id) = (self.gitlab.clone(), self.pipeline.id);
        cancel_afterwards(async move { gitlab.pipelines().cancel(id).await });
    }
}

/// Cancels while nobody waits.
fn cancel_afterwards(cancel: impl Future<Output = Result<(), GitLabError>> + Send + 'static) {
    in_background(async move {
        if let Err(error) = cancel.await {
            tracing::warn!(%error, "a pipeline of a gate goes on");
        }
    });
}
