//! `datapin adopt`.

use clap::Args;

use super::artifacts::Artifacts;
use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Common, Output};
use crate::exit::Exit;
use crate::repo::CommitId;
use crate::run::adopt::{self, Adoption, Asked};

/// Waits for, gates and records what people committed; run after a merge, on the target branch.
#[derive(Debug, Args)]
pub struct Adopt {
    /// Newest commit, all 40 digits; without it the tip of the target branch.
    #[arg(env = "CI_COMMIT_SHA")]
    pub commit: Option<String>,
    /// Commit before the oldest; without it, or all zeros: the first parent of COMMIT.
    #[arg(long, env = "CI_COMMIT_BEFORE_SHA", value_name = "SHA")]
    pub before: Option<String>,
    /// Target branch; without it the pipeline's, CI_COMMIT_BRANCH; without that all that have the commit.
    #[arg(long, env = "DATAPIN_ADOPT_BRANCH", value_name = "BRANCH")]
    pub branch: Option<String>,
    /// The pipeline's own branch, which may be followed by no environment.
    #[arg(long, env = "CI_COMMIT_BRANCH", value_name = "BRANCH", hide = true)]
    pub pipeline_branch: Option<String>,
    /// Pipeline that the version goes through; without it the one that `propose` named, else the only one that begins
    /// with the environment, else that environment alone with all its gates.
    #[arg(long, env = "DATAPIN_ADOPT_PIPELINE")]
    pub pipeline: Option<String>,
    /// Files about the run.
    #[command(flatten)]
    pub artifacts: Artifacts,
}

/// `datapin adopt`.
pub async fn adopt(common: &Common, args: &Adopt) -> Result<Exit, CommandError> {
    let asked = Asked {
        commit: args.commit.as_deref().map(commit).transpose()?,
        before: args.before.as_deref().map(commit).transpose()?,
        branch: args.branch.clone().or_else(|| args.pipeline_branch.clone()),
        pipeline: args.pipeline.clone(),
    };
    let stage = Stage::reporting(common, &args.artifacts)?;
    if let (None, Some(branch)) = (&args.branch, &args.pipeline_branch)
        && !adopt::is_followed(&stage.context, branch)
    {
        stage.close().await;
        emit(&not_followed(common, branch));
        return Ok(Exit::Ok);
    }
    let done = adopt::adopt(&stage.context, &asked).await;
    stage.close().await;
    let mut adoptions = done?;
    emit(&shown(common, &adoptions));
    let exit = adopt::exit(&adoptions);
    // an error that is all there is says more than its number
    match adoptions.pop() {
        Some(Adoption { outcome: Err(error), .. }) if adoptions.is_empty() => Err(error.into()),
        _ => Ok(exit),
    }
}

fn commit(text: &str) -> Result<CommitId, CommandError> {
    text.parse().map_err(|error: crate::repo::NotACommitId| CommandError::Usage(error.to_string()))
}

fn not_followed(common: &Common, branch: &str) -> String {
    match common.output {
        Output::Json => shown(common, &[]),
        Output::Text => format!("`{branch}` is followed by no environment: nothing to adopt\n"),
    }
}

fn shown(common: &Common, adoptions: &[Adoption]) -> String {
    match common.output {
        Output::Json => {
            let each: Vec<serde_json::Value> = adoptions.iter().map(json).collect();
            format!("{}\n", serde_json::json!({ "schema": 1, "adopted": each }))
        }
        Output::Text if adoptions.is_empty() => {
            "no commit by a person changes a pin or settable value there: nothing to adopt\n".to_owned()
        }
        Output::Text => adoptions.iter().map(line).collect(),
    }
}

fn json(adoption: &Adoption) -> serde_json::Value {
    match &adoption.outcome {
        Ok(outcome) => {
            serde_json::json!({ "environments": adoption.what, "outcome": outcome.word(), "reason": outcome.reason() })
        }
        Err(error) => {
            serde_json::json!({ "environments": adoption.what, "outcome": "error", "reason": error.to_string() })
        }
    }
}

fn line(adoption: &Adoption) -> String {
    let (word, reason) = match &adoption.outcome {
        Ok(outcome) => (outcome.word(), outcome.reason()),
        Err(error) => ("error", Some(error.to_string())),
    };
    match reason {
        Some(reason) => format!("{}: {word} ({reason})\n", adoption.what),
        None => format!("{}: {word}\n", adoption.what),
    }
}
