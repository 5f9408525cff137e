//! `datapin propose`, and what `datapin check` says on a merge request.

use clap::Args;

use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Common, Output};
use crate::exit::Exit;
use crate::run::RunError;
use crate::run::adopt::range::Range;
use crate::run::context::Context;
use crate::run::merge_request::{self, Home, MergeRequest, Verdict};
use crate::run::propose::{self, MergedBy, Proposal, Proposed};

/// Opens a merge request that bumps the first stage of a pipeline, or brings it up to date.
#[derive(Debug, Args)]
pub struct Propose {
    /// Pipeline of datapin.toml.
    #[arg(env = "DATAPIN_PIPELINE")]
    pub pipeline: String,
    /// Data version.
    #[arg(env = "DATAPIN_VERSION", allow_hyphen_values = true)]
    pub version: String,
    /// Label that it gets; may be given several times.
    #[arg(long, env = "DATAPIN_LABEL", value_delimiter = ',')]
    pub label: Vec<String>,
    /// Login name of whom it is assigned to; may be given several times.
    #[arg(long, env = "DATAPIN_ASSIGNEE", value_name = "NAME", value_delimiter = ',')]
    pub assignee: Vec<String>,
    /// Lets GitLab merge it once its checks pass.
    #[arg(long, env = "DATAPIN_AUTO_MERGE")]
    pub auto_merge: bool,
    /// Prints the merge request, and writes nothing.
    #[arg(long, env = "DATAPIN_DRY_RUN")]
    pub dry_run: bool,
}

/// A merge request that is checked; a merge request pipeline of GitLab says all of it.
#[derive(Debug, Clone, Args)]
pub struct CheckedRequest {
    /// Number of a merge request: says what it would do, in a note on it too.
    #[arg(long, env = "CI_MERGE_REQUEST_IID", value_name = "IID")]
    pub merge_request: Option<u64>,
    /// Commit that its branch began at.
    #[arg(long, env = "CI_MERGE_REQUEST_DIFF_BASE_SHA", value_name = "SHA")]
    pub base: Option<String>,
    /// Its newest commit; without it the tip of its branch.
    #[arg(long, env = "CI_COMMIT_SHA", value_name = "SHA")]
    pub head: Option<String>,
    /// Branch that it is merged into.
    #[arg(long, env = "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", value_name = "BRANCH")]
    pub target: Option<String>,
    /// Its own branch.
    #[arg(long, env = "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", value_name = "BRANCH")]
    pub source: Option<String>,
    /// Project of its own branch: another than --project is a fork.
    #[arg(long, env = "CI_MERGE_REQUEST_SOURCE_PROJECT_ID", value_name = "ID")]
    pub source_project: Option<String>,
    /// Project that it is merged into.
    #[arg(long, env = "CI_MERGE_REQUEST_PROJECT_ID", value_name = "ID")]
    pub project: Option<String>,
}

/// `datapin propose`.
pub async fn propose(common: &Common, args: &Propose) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let done = propose_on(&stage.context, common, args).await;
    stage.close().await;
    done
}

async fn propose_on(context: &Context, common: &Common, args: &Propose) -> Result<Exit, CommandError> {
    let named = |names: &[String]| names.iter().filter(|name| !name.is_empty()).cloned().collect();
    let asked = Proposal {
        pipeline: args.pipeline.clone(),
        version: args.version.clone(),
        labels: named(&args.label),
        assignees: named(&args.assignee),
        merged: if args.auto_merge { MergedBy::GitLab } else { MergedBy::Person },
    };
    let proposed = match propose::draft(context, &asked).await? {
        None => Proposed::There,
        Some(draft) if args.dry_run => {
            emit(&shown_draft(common, &draft));
            return Ok(Exit::Ok);
        }
        Some(draft) => propose::propose(context, &asked, &draft).await?,
    };
    emit(&shown(common, args, &proposed));
    Ok(Exit::Ok)
}

fn shown_draft(common: &Common, draft: &propose::Draft) -> String {
    match common.output {
        Output::Json => {
            let json = serde_json::json!({
                "schema": 1, "branch": draft.branch, "target": draft.target, "title": draft.title,
                "description": draft.description, "message": draft.message,
            });
            format!("{json:#}\n")
        }
        Output::Text => format!(
            "{} → {}\n{}\n\n{}\n--- commit\n{}",
            draft.branch, draft.target, draft.title, draft.description, draft.message
        ),
    }
}

fn shown(common: &Common, args: &Propose, proposed: &Proposed) -> String {
    let (word, request) = match proposed {
        Proposed::There => ("there", None),
        Proposed::Opened(request) => ("opened", Some(request)),
        Proposed::Updated(request) => ("updated", Some(request)),
    };
    match (common.output, request) {
        (Output::Json, _) => {
            let request = request.map(|one| serde_json::json!({ "iid": one.iid, "url": one.web_url }));
            let json = serde_json::json!({ "schema": 1, "proposed": word, "merge_request": request });
            format!("{json:#}\n")
        }
        (Output::Text, Some(request)) => format!("{word} !{}: {}\n", request.iid, request.web_url),
        (Output::Text, None) => format!(
            "the first stage of `{}` holds {} already: there is nothing to propose\n",
            args.pipeline, args.version
        ),
    }
}

/// The merge request of this pipeline, with its commits.
pub struct Request {
    asked: MergeRequest,
    commits: Option<Range>,
}

impl Request {
    /// The one that the arguments name, if they name one.
    pub async fn of(context: &Context, args: &CheckedRequest) -> Result<Option<Self>, CommandError> {
        let Some(asked) = asked(args)? else { return Ok(None) };
        match merge_request::commits(context, &asked).await {
            Ok(commits) => Ok(Some(Self { asked, commits })),
            Err(error) => Err(unchecked(context, &asked, error).await),
        }
    }

    /// Its commits, if it is merged into this branch.
    pub fn into_branch(&self, branch: &str) -> Option<&Range> {
        self.commits.as_ref().filter(|_| self.asked.target == branch)
    }

    /// The verdict; a note says it where the token may. What else was found speaks against it: `problems`, and how
    /// `--live` ended.
    pub async fn judged(
        &self,
        context: &Context,
        problems: &[String],
        live: Exit,
    ) -> Result<Judged, CommandError> {
        let verdict = match merge_request::judge(context, &self.asked, self.commits.as_ref()).await {
            Ok(verdict) => verdict.with_problems(problems).or(live, LIVE),
            Err(error) => return Err(unchecked(context, &self.asked, error).await),
        };
        let note = note(context, &self.asked, &merge_request::markdown(&verdict)).await;
        Ok(Judged { verdict, note })
    }
}

const LIVE: &str = "`check --live` found what is wrong, out of reach or held: the job's log names it";

/// An older note would still say what was thought before.
async fn unchecked(context: &Context, asked: &MergeRequest, error: RunError) -> CommandError {
    let said = note(context, asked, &merge_request::unchecked(&error)).await;
    tracing::info!(%said, "the merge request could not be checked");
    error.into()
}

/// What was thought and said of a merge request.
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// What became of the note, in words.
    pub note: String,
}

impl Judged {
    /// For people.
    pub fn text(&self) -> String {
        format!("{}{}\n", merge_request::text(&self.verdict), self.note)
    }

    /// For machines.
    pub fn json(&self) -> serde_json::Value {
        let moves: Vec<serde_json::Value> = self
            .verdict
            .moves
            .iter()
            .map(|one| {
                serde_json::json!({
                    "environment": one.environment, "service": one.service, "place": one.place,
                    "before": one.before, "after": one.after,
                })
            })
            .collect();
        serde_json::json!({
            "exit": self.verdict.exit.code(), "what": self.verdict.what, "obstacles": self.verdict.obstacles,
            "changes": moves, "note": self.note,
        })
    }
}

fn asked(args: &CheckedRequest) -> Result<Option<MergeRequest>, CommandError> {
    let Some(iid) = args.merge_request else { return Ok(None) };
    let missing = |what: &str| {
        CommandError::Usage(format!(
            "merge request !{iid} is to be checked, and {what} is not known: in GitLab a merge request pipeline has it"
        ))
    };
    let commit = |text: &String| {
        text.parse().map_err(|error: crate::repo::NotACommitId| CommandError::Usage(error.to_string()))
    };
    let home = match (&args.source_project, &args.project) {
        (Some(source), Some(own)) if source != own => Home::Fork,
        _ => Home::Project,
    };
    Ok(Some(MergeRequest {
        iid,
        base: commit(args.base.as_ref().ok_or_else(|| missing("CI_MERGE_REQUEST_DIFF_BASE_SHA"))?)?,
        head: args.head.as_ref().map(commit).transpose()?,
        target: args.target.clone().ok_or_else(|| missing("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"))?,
        source: args.source.clone().ok_or_else(|| missing("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"))?,
        home,
    }))
}

/// A note that cannot be written changes no verdict.
async fn note(context: &Context, asked: &MergeRequest, body: &str) -> String {
    let gitlab = match &context.gitlab {
        Ok(gitlab) => gitlab,
        Err(error) => return format!("no note on !{}: {error}", asked.iid),
    };
    match gitlab.merge_requests().upsert_note(asked.iid, "check", body).await {
        Ok(_) => format!("the note on !{} says so", asked.iid),
        Err(error) => format!("no note on !{}: {error}", asked.iid),
    }
}
