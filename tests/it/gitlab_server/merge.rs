//! Merge requests: real commits come out of a merge.

use serde_json::{Value, json};

use super::state::{MergeMethod, MergeRequest, Project, State};
use super::wire::Answer;
use crate::transport::{git, git_command};

impl Project {
    /// The merge request as it is now: its tip is that of its branch.
    pub fn request(&mut self, iid: u64) -> Option<&mut MergeRequest> {
        let at = self.merge_requests.iter().position(|request| request.iid == iid)?;
        let (state, branch) = (&self.merge_requests[at].state, self.merge_requests[at].source_branch.clone());
        if state == "opened"
            && self.merge_requests[at].lag == 0
            && self.bare.is_some()
            && let Some(tip) = self.commit(&branch)
        {
            self.merge_requests[at].sha = tip;
        }
        self.merge_requests.get_mut(at)
    }

    fn merge_now(&mut self, iid: u64) -> Result<(), String> {
        let (method, bare) = (self.method, self.bare.clone());
        let request = self.request(iid).expect("merge request").clone();
        let Some(bare) = bare else {
            let request = self.request(iid).expect("merge request");
            request.state = "merged".to_owned();
            request.merge_commit_sha = Some("d".repeat(40));
            return Ok(());
        };
        let target = self.commit(&request.target_branch).ok_or("no target branch")?;
        let tip = match method {
            MergeMethod::FastForward => {
                let is_on_top = git_command(&bare)
                    .args(["merge-base", "--is-ancestor", &target, &request.sha])
                    .status()
                    .unwrap()
                    .success();
                if !is_on_top {
                    return Err("need_rebase".to_owned());
                }
                request.sha.clone()
            }
            MergeMethod::MergeCommit | MergeMethod::Squash => {
                let output = git_command(&bare)
                    .args(["merge-tree", "--write-tree", &target, &request.sha])
                    .output()
                    .unwrap();
                if !output.status.success() {
                    return Err("conflict".to_owned());
                }
                let tree = String::from_utf8(output.stdout).unwrap().trim().to_owned();
                let message = match method {
                    MergeMethod::Squash => request.title.clone(),
                    _ => format!(
                        "Merge branch '{}' into '{}'\n\n{}\n\nSee merge request {}!{iid}",
                        request.source_branch, request.target_branch, request.title, self.path
                    ),
                };
                let mut args = vec!["commit-tree", &tree, "-p", &target, "-m", &message];
                if method == MergeMethod::MergeCommit {
                    args.extend(["-p", &request.sha]);
                }
                git(&bare, &args)
            }
        };
        let range = format!("{target}..{}", request.sha);
        let commits = git(&bare, &["rev-list", &range]).lines().map(str::to_owned).collect();
        git(&bare, &["update-ref", &format!("refs/heads/{}", request.target_branch), &tip, &target]);
        let request = self.request(iid).expect("merge request");
        request.state = "merged".to_owned();
        request.commits = commits;
        match method {
            MergeMethod::MergeCommit => request.merge_commit_sha = Some(tip),
            MergeMethod::Squash => request.squash_commit_sha = Some(tip),
            MergeMethod::FastForward => {}
        }
        Ok(())
    }
}

impl State {
    /// `PUT …/merge`.
    pub fn merge(&mut self, project: u64, iid: u64, sha: Option<&str>, auto: bool) -> Answer {
        let url = self.url.clone();
        let Some(request) = self.project(project).request(iid) else { return super::answer::not_found() };
        if sha.is_some_and(|sha| sha != request.sha) {
            let said = format!("SHA does not match HEAD of source branch: {}", request.sha);
            return Answer::json(409, &json!({ "message": said }));
        }
        if request.state != "opened" || request.unchecked > 0 || is_draft(&request.title) {
            return Answer::json(405, &json!({ "message": "405 Method Not Allowed" }));
        }
        let running = request.blocked.as_deref() == Some("ci_still_running");
        if auto && running {
            request.auto_merge = true;
        } else if request.blocked.is_some() {
            let (status, said) =
                if running { (405, "405 Method Not Allowed") } else { (422, "Branch cannot be merged") };
            return Answer::json(status, &json!({ "message": said }));
        } else if let Err(word) = self.project(project).merge_now(iid) {
            self.project(project).request(iid).expect("merge request").blocked = Some(word);
            return Answer::json(422, &json!({ "message": "Branch cannot be merged" }));
        }
        self.notice_pushes();
        let (project, users) = split(self, project);
        let request = project.request(iid).expect("merge request").clone();
        Answer::json(200, &request_json(&url, project, users, &request))
    }

    /// As a person merges in the page, who marks a draft as ready before.
    pub fn merge_by_person(&mut self, project: u64, iid: u64) {
        let request = self.project(project).request(iid).expect("merge request");
        while is_draft(&request.title) {
            request.title =
                request.title.split_at("Draft:".len()).1.trim_start_matches([')', ']', ' ']).to_owned();
        }
        let answer = self.merge(project, iid, None, false);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
}

/// <https://docs.gitlab.com/user/project/merge_requests/drafts/>
fn is_draft(title: &str) -> bool {
    let title = title.to_lowercase();
    ["draft:", "[draft]", "(draft)"].iter().any(|mark| title.starts_with(mark))
}

pub fn split(state: &mut State, project: u64) -> (&mut Project, &[(String, u64)]) {
    let project = state.projects.iter_mut().find(|known| known.id == project).expect("project");
    (project, &state.users)
}

pub fn request_json(url: &str, project: &Project, users: &[(String, u64)], request: &MergeRequest) -> Value {
    let id = users.iter().find(|(name, _)| *name == request.author).map_or(0, |(_, id)| *id);
    let status = match request {
        MergeRequest { unchecked: 1.., .. } => "checking",
        MergeRequest { state, .. } if state != "opened" => "not_open",
        MergeRequest { title, .. } if is_draft(title) => "draft_status",
        MergeRequest { blocked: Some(word), .. } => word,
        _ => "mergeable",
    };
    json!({
        "iid": request.iid, "id": request.iid + 1000, "project_id": project.id, "state": request.state,
        "title": request.title, "draft": is_draft(&request.title), "description": request.description, "source_branch": request.source_branch,
        "target_branch": request.target_branch, "source_project_id": request.source_project,
        "target_project_id": project.id, "sha": request.sha, "merge_commit_sha": request.merge_commit_sha,
        "squash_commit_sha": request.squash_commit_sha, "detailed_merge_status": status, "labels": request.labels,
        "web_url": format!("{url}/{}/-/merge_requests/{}", project.path, request.iid),
        "author": { "id": id, "username": request.author, "name": request.author }, "merge_user": null,
        "merge_when_pipeline_succeeds": request.auto_merge,
    })
}
