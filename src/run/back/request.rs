//! The way back that the server keeps from datapin: a merge request with the revert, which a person merges.
//!
//! Its commit is another one than that of the fence, and no journal names it: once it is merged, `adopt` takes it for what
//! it is, a person's revert, waits for it, and thaws. It never fails a rollback, which has failed already.

use crate::gitlab::{Change, GitLab, GitLabError, MergeRequest, NewMergeRequest, SourceBranch};
use crate::queue::blocking;
use crate::repo::{CommitId, CommitTime, PushOutcome, Repo};
use crate::run::driver::Driver;
use crate::run::fence::{Group, Made, Make};
use crate::run::markup::{code, title};

const NO_JOB_TOKEN: &str = "CI_JOB_TOKEN cannot make merge requests: put a project access token with the scope `api` into the CI variable DATAPIN_GITLAB_TOKEN (masked)";

/// What a merge request of a revert is made of.
struct Draft {
    branch: String,
    message: String,
    description: String,
}

impl Driver {
    /// Opens the merge request with the revert of a group, or brings it up to date. The refusal with what became of that;
    /// the refusal alone where there is no GitLab, or nothing to take back.
    pub(in crate::run) async fn ask_for_revert(&self, group: &Group, make: &Make, refusal: String) -> String {
        let opened = match &self.context.gitlab {
            Ok(gitlab) if gitlab.has_job_token() => Err(NO_JOB_TOKEN.to_owned()),
            Ok(gitlab) => self.open_request(gitlab, group, make, &refusal).await,
            Err(error) if error.is_unset() => Ok(None),
            Err(error) => Err(error.to_string()),
        };
        match opened {
            Ok(None) => refusal,
            Ok(Some(request)) => format!(
                "{refusal}; merge request !{} has the revert ({}): once somebody merges it, `datapin adopt` waits for it and thaws, else `datapin reconcile` does",
                request.iid, request.web_url
            ),
            Err(why) => format!("{refusal}; no merge request with the revert: {why}"),
        }
    }

    async fn open_request(
        &self,
        gitlab: &GitLab,
        group: &Group,
        make: &Make,
        refusal: &str,
    ) -> Result<Option<MergeRequest>, String> {
        let Some(made) = self.made_again(group, make).await? else { return Ok(None) };
        let draft = self.draft(group, &made, refusal);
        self.push_draft(group, made, &draft).await?;
        opened(gitlab, &draft, &group.branch).await.map(Some).map_err(|error| error.to_string())
    }

    /// The revert at the branch's tip as it is now, with that tip; `None` where nothing is to be taken back any more.
    async fn made_again(&self, group: &Group, make: &Make) -> Result<Option<(CommitId, Made)>, String> {
        let ticket = self.journal.ticket();
        let parts: Vec<_> = group.environments.iter().filter_map(|name| ticket.part(name).cloned()).collect();
        let (repo, make, branch) = (self.context.target.clone(), make.clone(), group.branch.clone());
        let made = blocking(move || -> Result<_, crate::plan::FilesError> {
            let Some(tip) = repo.fetch(&branch)? else { return Ok(None) };
            let made = make(&repo, &tip, &parts)?;
            Ok((!made.changes.is_empty()).then_some((tip, made)))
        });
        made.await.map_err(|error| error.to_string())
    }

    fn draft(&self, group: &Group, (_, made): &(CommitId, Made), refusal: &str) -> Draft {
        let ticket = self.journal.ticket();
        let (head, rest) = made.message.split_once("\n\n").unwrap_or((&made.message, ""));
        let each: Vec<String> = group.environments.iter().map(|name| code(name)).collect();
        Draft {
            branch: format!("datapin/revert/{}-{}", group.environments.join("-"), ticket.run),
            message: format!(
                "{head}\n\nFor a merge request: the server did not let datapin push it.\n\n{rest}"
            ),
            description: format!(
                "Run {} of {} {} failed, and {} has to go back, but the server refused datapin's push to {}:\n\n{}\n\n{} is frozen until this is merged. Then `datapin adopt` waits for the services and thaws it; where that job does not run, `datapin reconcile` does. So that it needs nobody next time, let datapin's user push to that branch.\n",
                code(&ticket.run.0),
                code(&ticket.dataset),
                code(&ticket.version),
                each.join(", "),
                code(&group.branch),
                code(refusal),
                each.join(", "),
            ),
        }
    }

    /// The branch is this run's own: what is there is from an earlier try.
    async fn push_draft(
        &self,
        group: &Group,
        (tip, made): (CommitId, Made),
        draft: &Draft,
    ) -> Result<(), String> {
        let (repo, branch, message) =
            (self.context.target.clone(), draft.branch.clone(), draft.message.clone());
        let pushed = blocking(move || -> Result<_, crate::repo::RepoError> {
            let there = repo.fetch(&branch)?;
            let commit = repo.commit(Some(&tip), &made.changes, &message, CommitTime::Now)?;
            Ok(replaced(&repo, &branch, &commit, there.as_ref()))
        });
        let refused = |why: String| {
            format!(
                "`{}` could not be pushed ({why}); revert {} on `{}` by hand",
                draft.branch,
                group.environments.join(", "),
                group.branch
            )
        };
        pushed.await.map_err(|error| refused(error.to_string()))?.map_err(refused)
    }
}

fn replaced(repo: &Repo, branch: &str, commit: &CommitId, there: Option<&CommitId>) -> Result<(), String> {
    match repo.replace(branch, commit, there) {
        PushOutcome::Updated => Ok(()),
        PushOutcome::Refused { reason } => Err(reason),
        PushOutcome::LostRace { detail } | PushOutcome::Unknown { detail } => Err(detail),
        PushOutcome::Unreachable { error } => Err(error.to_string()),
    }
}

async fn opened(gitlab: &GitLab, draft: &Draft, target: &str) -> Result<MergeRequest, GitLabError> {
    let requests = gitlab.merge_requests();
    let title = title(draft.message.lines().next().unwrap_or_default());
    if let Some(open) = requests.find_open(&draft.branch).await? {
        let change =
            Change { title: Some(title), description: Some(draft.description.clone()), ..Change::default() };
        return requests.update(open.iid, &change).await;
    }
    let new = NewMergeRequest {
        source_branch: draft.branch.clone(),
        target_branch: target.to_owned(),
        title,
        description: draft.description.clone(),
        source: SourceBranch::Removed,
        ..NewMergeRequest::default()
    };
    requests.create(&new).await
}
