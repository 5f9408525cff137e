//! A merge request that bumps the first stage of a pipeline: one for each pipeline and dataset, made or brought up to
//! date.
//!
//! Its branch is datapin's own and is replaced as a whole; it is touched only while its tip is a commit of `propose`.

use super::adopt::revert::{PROPOSED, proposed};
use super::context::Context;
use super::markup::{block, code, title};
use super::{RunError, merge_request, message};
use crate::config::Pipeline;
use crate::gitlab::{
    Accepted, Change, GitLab, GitLabError, MergeRequest, NewMergeRequest, SourceBranch, When,
};
use crate::plan::{Plan, Planned};
use crate::queue::blocking;
use crate::repo::{CommitId, CommitTime, LogEntry, PushOutcome, RepoError};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Pipeline.
    pub pipeline: String,
    /// Version.
    pub version: String,
    /// Labels that it gets.
    pub labels: Vec<String>,
    /// Login names.
    pub assignees: Vec<String>,
    /// Who merges it.
    pub merged: MergedBy,
}

/// Who merges a merge request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergedBy {
    /// A person.
    Person,
    /// GitLab, once its checks pass.
    GitLab,
}

/// A merge request as it would be made.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Pipeline.
    pub pipeline: String,
    /// Its branch.
    pub branch: String,
    /// What that branch was called once, if otherwise.
    pub former: Option<String>,
    /// The branch that it is merged into.
    pub target: String,
    /// Tip of that branch.
    pub tip: CommitId,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// Message of its commit.
    pub message: String,
    planned: Planned,
}

/// What came out.
#[derive(Debug, Clone)]
pub enum Proposed {
    /// The first stage holds the version already.
    There,
    /// It is new.
    Opened(MergeRequest),
    /// It was there.
    Updated(MergeRequest),
}

/// What would be proposed; `None` where the first stage holds the version already.
///
/// # Errors
/// What stands against the version now, and what a plan may fail with.
pub async fn draft(context: &Context, asked: &Proposal) -> Result<Option<Draft>, RunError> {
    let pipeline = context.config.pipeline(&asked.pipeline)?;
    let (plan, _) = super::plan(context, pipeline, &asked.version, &[]).await?;
    let Some(stage) = plan.stages.first() else { return Ok(None) };
    let changed: Vec<_> = stage.commits.iter().filter(|(_, planned)| !planned.changes.is_empty()).collect();
    let (target, planned) = match changed.as_slice() {
        [] => return Ok(None),
        [one] => (one.0.clone(), one.1.clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|(branch, _)| &branch[..]).collect();
            return Err(RunError::Usage(format!(
                "the first stage of `{}` follows several branches ({}), which no merge request can change together; use `datapin deploy`",
                pipeline.name,
                names.join(", ")
            )));
        }
    };
    if !plan.obstacles.is_empty() {
        return Err(RunError::NotAllowed(plan.obstacles.join("; ")));
    }
    let tip = tip(context, &target).await?;
    Ok(Some(write(context, asked, pipeline, &plan, (target, tip, planned))))
}

async fn tip(context: &Context, branch: &str) -> Result<CommitId, RunError> {
    let (repo, name) = (context.target.clone(), branch.to_owned());
    let found = blocking(move || repo.fetch(&name)).await.map_err(super::outside::OutsideError::from)?;
    found.ok_or_else(|| RunError::Usage(format!("branch `{branch}` does not exist any more")))
}

fn write(
    context: &Context,
    asked: &Proposal,
    pipeline: &Pipeline,
    plan: &Plan,
    (target, tip, planned): (String, CommitId, Planned),
) -> Draft {
    let environments = pipeline.stages.first().map(|stage| stage.environments.join(",")).unwrap_or_default();
    let subject = format!("data({environments}): {} {}", pipeline.dataset, asked.version);
    let trailer = format!("{PROPOSED}: {}", pipeline.name);
    Draft {
        pipeline: pipeline.name.clone(),
        branch: branch(pipeline),
        former: pipeline.dataset.contains('-').then(|| named(pipeline, '-')),
        title: title(&subject),
        description: description(context, asked, pipeline, plan, &target),
        message: message::proposal(&subject, &planned.pins, &context.actor, &trailer),
        target,
        tip,
        planned,
    }
}

/// The branch of a pipeline's merge request: no other pipeline has it. Of a dataset without `-` the last `-` is what
/// separates; other datasets are set off with `+`, which no name holds.
pub fn branch(pipeline: &Pipeline) -> String {
    named(pipeline, if pipeline.dataset.contains('-') { '+' } else { '-' })
}

fn named(pipeline: &Pipeline, separator: char) -> String {
    format!("datapin/propose/{}{separator}{}", pipeline.name, pipeline.dataset)
}

fn description(
    context: &Context,
    asked: &Proposal,
    pipeline: &Pipeline,
    plan: &Plan,
    target: &str,
) -> String {
    let stages: Vec<_> =
        pipeline.stages.iter().map(|stage| (stage.environments.clone(), stage.gates.clone())).collect();
    let mut text = format!(
        "{} {} through pipeline {}, proposed by {}.\n\nOnce it is merged, `datapin adopt` waits for it and gates it; if that fails, it is taken back:\n\n{}",
        code(&pipeline.dataset),
        code(&asked.version),
        code(&pipeline.name),
        code(&context.actor),
        merge_request::stages(&stages)
    );
    if !pipeline.requires.is_empty() {
        let names: Vec<String> = pipeline.requires.iter().map(|name| code(name)).collect();
        text.push_str(&format!("\nIt was verified in {}, which the pipeline requires.\n", names.join(", ")));
    }
    if let Some(url) = context.ci.as_ref().map(|ci| &ci.url).filter(|url| is_link(url)) {
        text.push_str(&format!("\n[The pipeline that proposed it]({url})\n"));
    }
    let diffs = plan.stages.first().map(|stage| &stage.diffs[..]).unwrap_or_default();
    for (_, file, diff) in diffs.iter().filter(|(branch, _, _)| branch == target) {
        text.push_str(&format!("\n<details><summary>{}</summary>\n\n", html(file)));
        text.push_str(&format!("{}\n</details>\n", block("diff", diff)));
    }
    text
}

/// Markdown does not work inside of a summary.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn is_link(url: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/?=&%:+#,;".contains(c);
    (url.starts_with("https://") || url.starts_with("http://")) && url.chars().all(plain)
}

/// Makes the merge request, or brings it up to date.
///
/// # Errors
/// See [`draft`]; GitLab's words where it refuses.
pub async fn propose(context: &Context, asked: &Proposal, draft: &Draft) -> Result<Proposed, RunError> {
    let gitlab = context.gitlab.as_ref().map_err(|error| RunError::Usage(error.to_string()))?;
    if gitlab.has_job_token() {
        return Err(RunError::Unreachable(
            "CI_JOB_TOKEN cannot make merge requests: this needs a token with the scope `api` and at least the role Developer; make a project access token and put it into the CI variable DATAPIN_GITLAB_TOKEN (masked)".to_owned(),
        ));
    }
    // everything that may be refused comes before the push
    let assignees = assignees(gitlab, &asked.assignees).await?;
    let (draft, open) = &find(context, gitlab, draft).await?;
    let commit = push(context, draft).await?;
    let (request, new) = match open {
        Some(open) => (update(gitlab, open, asked, draft, assignees).await?, false),
        None => match create(gitlab, asked, draft, assignees.clone()).await {
            Ok(made) => (made, true),
            // another job was faster
            Err(GitLabError::Conflict { .. }) => {
                let open = gitlab.merge_requests().find_open(&draft.branch).await.map_err(refused)?;
                let open = open.ok_or_else(|| {
                    RunError::Unreachable(format!(
                        "GitLab says there is a merge request of {}, and shows none",
                        draft.branch
                    ))
                })?;
                (update(gitlab, &open, asked, draft, assignees).await?, false)
            }
            Err(error) => return Err(refused(error)),
        },
    };
    let request = match asked.merged {
        MergedBy::Person => request,
        // GitLab would say so only once it was asked for long enough
        MergedBy::GitLab if draft_mark(&request.title).is_some() => return Err(is_draft(&request)),
        MergedBy::GitLab => {
            let set = gitlab.merge_requests().accept(request.iid, commit.as_str(), When::ChecksPass).await;
            match set.map_err(refused)? {
                Accepted::Merged(request) | Accepted::Set(request) => request,
            }
        }
    };
    Ok(if new { Proposed::Opened(request) } else { Proposed::Updated(request) })
}

/// The open merge request of a draft. One that was opened when its branch was called otherwise keeps that branch.
async fn find(
    context: &Context,
    gitlab: &GitLab,
    draft: &Draft,
) -> Result<(Draft, Option<MergeRequest>), RunError> {
    let mut draft = draft.clone();
    if let Some(former) = draft.former.take() {
        let open = gitlab.merge_requests().find_open(&former).await.map_err(refused)?;
        if open.is_some() && on_branch(context, &former).await?.as_ref() == Some(&draft.pipeline) {
            draft.branch = former;
            return Ok((draft, open));
        }
    }
    let open = gitlab.merge_requests().find_open(&draft.branch).await.map_err(refused)?;
    Ok((draft, open))
}

/// The pipeline whose proposal is the newest on a branch, below what people may have pushed since.
async fn on_branch(context: &Context, branch: &str) -> Result<Option<String>, RunError> {
    const LOOKED_AT: usize = 20;
    let (repo, branch) = (context.target.clone(), branch.to_owned());
    let found = blocking(move || -> Result<Option<String>, RepoError> {
        let Some(tip) = repo.fetch(&branch)? else { return Ok(None) };
        let messages: Vec<String> =
            repo.log(&tip, LOOKED_AT)?.into_iter().map(|entry| entry.message).collect();
        Ok(proposed(&messages).map(str::to_owned))
    });
    Ok(found.await.map_err(super::outside::OutsideError::from)?)
}

fn refused(error: GitLabError) -> RunError {
    RunError::Unreachable(error.to_string())
}

async fn assignees(gitlab: &GitLab, names: &[String]) -> Result<Vec<u64>, RunError> {
    let mut ids = Vec::new();
    for name in names {
        let id = gitlab.user_id(name.trim_start_matches('@')).await.map_err(refused)?;
        ids.push(id.ok_or_else(|| {
            RunError::Usage(format!("GitLab at {} knows no user `{name}` to assign it to", gitlab.host()))
        })?);
    }
    Ok(ids)
}

async fn create(
    gitlab: &GitLab,
    asked: &Proposal,
    draft: &Draft,
    assignees: Vec<u64>,
) -> Result<MergeRequest, GitLabError> {
    let new = NewMergeRequest {
        source_branch: draft.branch.clone(),
        target_branch: draft.target.clone(),
        title: draft.title.clone(),
        description: draft.description.clone(),
        labels: asked.labels.clone(),
        assignees,
        source: SourceBranch::Removed,
    };
    gitlab.merge_requests().create(&new).await
}

async fn update(
    gitlab: &GitLab,
    open: &MergeRequest,
    asked: &Proposal,
    draft: &Draft,
    assignees: Vec<u64>,
) -> Result<MergeRequest, RunError> {
    let title = match draft_mark(&open.title) {
        Some(mark) => format!("{mark} {}", draft.title),
        None => draft.title.clone(),
    };
    let change = Change {
        title: Some(title),
        description: Some(draft.description.clone()),
        labels: asked.labels.clone(),
        assignees,
        state: None,
    };
    gitlab.merge_requests().update(open.iid, &change).await.map_err(refused)
}

/// What makes a merge request a draft, as it stands in its title. <https://docs.gitlab.com/user/project/merge_requests/drafts/>
fn draft_mark(title: &str) -> Option<&str> {
    const MARKS: [&str; 3] = ["Draft:", "[Draft]", "(Draft)"];
    let begins = |mark: &str| title.get(..mark.len()).filter(|begin| begin.eq_ignore_ascii_case(mark));
    MARKS.into_iter().find_map(begins)
}

fn is_draft(request: &MergeRequest) -> RunError {
    RunError::Unreachable(format!(
        "!{} is brought up to date, and is a draft, which is not merged automatically: mark it as ready, then do this again or set it to auto-merge there: {}",
        request.iid, request.web_url
    ))
}

/// Why what is on the branch may not be replaced.
fn kept(draft: &Draft, there: &CommitId, entry: &LogEntry) -> Option<String> {
    let branch = &draft.branch;
    match proposed(std::slice::from_ref(&entry.message)) {
        Some(pipeline) if pipeline == draft.pipeline => None,
        Some(other) => Some(format!(
            "branch `{branch}` has the proposal of pipeline `{other}` on it ({}), and not one of `{}`: merge or close that merge request and delete its branch first",
            there.short(),
            draft.pipeline
        )),
        None => Some(format!(
            "branch `{branch}` is datapin's own, and {} of {} is on it; merge or delete it first",
            there.short(),
            entry.author_name
        )),
    }
}

/// The commit that is on the branch now: the one that is there if it is the same, else a new one in its place.
async fn push(context: &Context, draft: &Draft) -> Result<CommitId, RunError> {
    let (repo, draft) = (context.target.clone(), draft.clone());
    let pushed = blocking(move || -> Result<Result<CommitId, RunError>, RepoError> {
        let there = repo.fetch(&draft.branch)?;
        let commit =
            repo.commit(Some(&draft.tip), &draft.planned.changes, &draft.message, CommitTime::Now)?;
        if let Some(there) = &there {
            let Some(entry) = repo.log(there, 1)?.into_iter().next() else { return Ok(Ok(commit)) };
            if let Some(why) = kept(&draft, there, &entry) {
                return Ok(Err(RunError::NotAllowed(why)));
            }
            let same =
                entry.parents == [draft.tip.clone()] && repo.changed_paths(Some(there), &commit)?.is_empty();
            if same {
                return Ok(Ok(there.clone()));
            }
        }
        let branch = &draft.branch;
        Ok(match repo.replace(branch, &commit, there.as_ref()) {
            PushOutcome::Updated => Ok(commit),
            PushOutcome::LostRace { detail } | PushOutcome::Unknown { detail } => Err(RunError::Unreachable(
                format!("branch `{branch}` was changed just now ({detail}); try again"),
            )),
            PushOutcome::Refused { reason } => Err(RunError::Unreachable(format!(
                "the server refused the push to `{branch}`: {reason}; in GitLab see Settings → Repository, Protected branches and Push rules: the token's user has to be allowed to push, and to force-push, branches like `datapin/propose/*`"
            ))),
            PushOutcome::Unreachable { error } => return Err(error),
        })
    });
    pushed.await.map_err(super::outside::OutsideError::from)?
}
