//! What a job of GitLab CI says of itself, and what GitLab says of the others.

use std::sync::Arc;
use std::time::Duration;

use super::edge::variable;
use crate::gitlab::{self, GitLab, SettingsError, Subject};
use crate::mirror::{Mirror, Place};
use crate::queue::{Asked, Ci, Part, Spread, Word};
use crate::run::context::{Asking, Context};

/// The CI pipeline's key names host, project and pipeline, so that ids of two servers never meet.
pub(super) fn ci() -> Option<Ci> {
    let pipeline = variable("CI_PIPELINE_ID")?;
    let host = variable("CI_SERVER_HOST").unwrap_or_else(|| "ci".to_owned());
    let project = variable("CI_PROJECT_ID").unwrap_or_default();
    Some(Ci {
        url: variable("CI_PIPELINE_URL").unwrap_or_default(),
        pipeline: format!("{host}:{project}:{pipeline}"),
        job: variable("CI_JOB_ID").unwrap_or_default(),
    })
}

/// The variable in which the jobs of a child pipeline are told which pipeline made it: GitLab does not say.
pub(super) const PARENT: &str = "DATAPIN_PARENT_PIPELINE";

/// The CI pipeline of this job, as GitLab has it in its lists.
pub(super) enum Own {
    /// It is listed.
    Listed(u64),
    /// A child of another one, which has its id if that is known: it takes no commit statuses.
    Child(Option<u64>),
}

/// The CI pipeline of this job, if there is one.
pub(super) fn own() -> Option<Own> {
    let id = |name: &str| variable(name).and_then(|id| id.parse().ok());
    let own = id("CI_PIPELINE_ID")?;
    Some(match variable("CI_PIPELINE_SOURCE").as_deref() {
        Some("parent_pipeline") => Own::Child(id(PARENT)),
        Some(_) | None => Own::Listed(own),
    })
}

/// What shows the runs of this process in GitLab; `None` where no project of it is named, or it cannot be used, which is
/// said.
pub fn mirror(context: &Context) -> Option<Mirror> {
    let gitlab = match &context.gitlab {
        Ok(gitlab) => gitlab.clone(),
        Err(error) => {
            if !error.is_unset() {
                tracing::warn!("GitLab shows nothing of this run: {error}");
            }
            return None;
        }
    };
    let here = variable("CI_SERVER_HOST").is_some_and(|host| host == gitlab.host());
    let own = ["CI_PROJECT_ID", "CI_PROJECT_PATH"].iter().filter_map(|name| variable(name));
    let same = here && own.clone().any(|name| name == gitlab.project());
    let branch = variable("CI_COMMIT_REF_NAME").unwrap_or_default();
    let place = match (same, self::own(), variable("CI_COMMIT_SHA")) {
        (true, Some(Own::Listed(id)), Some(sha)) => Place::Pipeline { sha, branch, id: Some(id) },
        // it is of the same commit and branch
        (true, Some(Own::Child(parent)), Some(sha)) => Place::Pipeline { sha, branch, id: parent },
        _ => Place::Commits,
    };
    // named on purpose, or the job's own: then it is known which repository it is
    let path = variable("CI_PROJECT_PATH").unwrap_or_default();
    let elsewhere =
        same && context.config.gitlab.project.is_none() && !gitlab.serves(&context.identity, &path);
    let mirror = Mirror::new(gitlab, place);
    Some(if elsewhere { mirror.without_deployments() } else { mirror })
}

/// This job, as a part of a run that is spread over several.
pub(super) fn spread() -> Option<Spread> {
    Some(Spread {
        host: variable("CI_SERVER_HOST").unwrap_or_else(|| "ci".to_owned()),
        project: variable("CI_PROJECT_ID").unwrap_or_default(),
        pipeline: variable("CI_PIPELINE_ID")?,
        job: Some(variable("CI_JOB_ID")?),
    })
}

/// How long GitLab is waited for when it is asked whether somebody lives: it is asked again soon.
const ANSWER: Duration = Duration::from_secs(20);

/// What GitLab says of pipelines and jobs.
pub(super) fn words(gitlab: Result<GitLab, SettingsError>) -> Asking {
    Arc::new(move |asked| {
        let gitlab = gitlab.clone();
        Box::pin(async move {
            match gitlab {
                Ok(gitlab) => match tokio::time::timeout(ANSWER, word(&gitlab, asked)).await {
                    Ok(word) => word,
                    Err(_) => Word::Unknown(format!("{} did not answer within {ANSWER:?}", gitlab.host())),
                },
                Err(error) => Word::Unknown(error.to_string()),
            }
        })
    })
}

async fn word(gitlab: &GitLab, asked: Asked) -> Word {
    let subject = match &asked.what {
        Part::Pipeline(id) => id.parse().map(Subject::Pipeline),
        Part::Job(id) => id.parse().map(Subject::Job),
    };
    let Ok(subject) = subject else { return Word::Unknown(format!("{asked} is no number")) };
    match gitlab.word(&asked.host, &asked.project, subject).await {
        gitlab::Word::Alive(_) => Word::Alive,
        gitlab::Word::Finished(how) => Word::Finished(format!("{how:?}").to_lowercase()),
        gitlab::Word::Unknown { why } => Word::Unknown(why),
    }
}
