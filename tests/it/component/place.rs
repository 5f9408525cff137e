//! A project of a GitLab on the wire whose pipelines gitlab-ci-local runs: what the server knows of a pipeline is what its
//! jobs are told.

use datapin::gitlab::NewMergeRequest;

use super::runs::world;
use super::{GitLab, Pipeline};
use crate::gitlab::{BOUNDS, with_token};
use crate::gitlab_server::{GitLabServer, Role};
use crate::transport::git;
use crate::world::{Bot, World};

pub(super) struct Place {
    pub world: World,
    pub server: GitLabServer,
    pub project: u64,
    token: String,
}

/// Variables of a pipeline.
pub(super) type Variables = Vec<(String, String)>;

impl Place {
    pub fn new() -> Self {
        let world = world();
        let server = GitLabServer::start();
        let project = server.project_of("data/environments", &world.bare());
        let token = server.token("datapin-bot", Role::Maintainer, &["api"]);
        Self { world, server, project, token }
    }

    /// A bot outside of a job.
    pub fn bot(&self, args: &[&str]) -> Bot {
        let bot = self.world.datapin(args).env("CI_SERVER_URL", &self.server.url());
        bot.env("CI_PROJECT_ID", &self.project.to_string()).env("DATAPIN_GITLAB_TOKEN", &self.token)
    }

    /// What every job of this project is told.
    fn of_project(&self) -> Variables {
        let own = [
            ("CI_SERVER_URL", self.server.url()),
            ("CI_SERVER_HOST", self.server.host().to_owned()),
            ("CI_PROJECT_ID", self.project.to_string()),
            ("CI_PROJECT_PATH", "data/environments".to_owned()),
            ("CI_DEFAULT_BRANCH", "main".to_owned()),
            ("DATAPIN_GITLAB_TOKEN", self.token.clone()),
        ];
        own.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// A pipeline that the server has: its variables, and its inputs.
    pub fn known(&self, id: u64) -> (Variables, Variables) {
        let mut state = self.server.state();
        let pipeline = state.pipeline(id);
        let mut variables: Variables = pipeline.variables.clone().into_iter().collect();
        let told = [
            ("CI_PIPELINE_SOURCE", pipeline.source.clone()),
            ("CI_PIPELINE_ID", id.to_string()),
            ("CI_COMMIT_SHA", pipeline.sha.clone()),
            ("CI_COMMIT_REF_NAME", pipeline.branch.clone()),
        ];
        variables.extend(told.map(|(name, value)| (name.to_owned(), value)));
        let inputs = pipeline.inputs.clone().into_iter().collect();
        drop(state);
        variables.extend(self.of_project());
        (variables, inputs)
    }

    /// The pipeline that a push to a branch made; `None` where the last commit there asks for none.
    pub fn of_push(&self, branch: &str, before: &str) -> Variables {
        let sha = self.world.tip(branch);
        let mut state = self.server.state();
        state.notice_pushes();
        let made = state.project(self.project).pipelines.iter().rev().find(|known| known.sha == sha);
        let id = made.unwrap_or_else(|| panic!("{branch} made no pipeline")).id;
        drop(state);
        let mut variables = self.known(id).0;
        variables.push(("CI_COMMIT_BRANCH".to_owned(), branch.to_owned()));
        variables.push(("CI_COMMIT_BEFORE_SHA".to_owned(), before.to_owned()));
        variables
    }

    /// What a merge request's pipeline is told.
    pub fn of_request(&self, iid: u64) -> Variables {
        let mut state = self.server.state();
        let request = state.project(self.project).request(iid).unwrap().clone();
        let id = state.new_pipeline(
            self.project,
            &request.source_branch,
            &request.sha,
            "merge_request_event",
            std::collections::BTreeMap::new(),
        );
        drop(state);
        let base = git(&self.world.bare(), &["merge-base", &request.target_branch, &request.sha]);
        let mut variables = self.known(id).0;
        let told = [
            ("CI_MERGE_REQUEST_IID", iid.to_string()),
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", request.target_branch),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", request.source_branch),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", request.source_project.to_string()),
            ("CI_MERGE_REQUEST_PROJECT_ID", self.project.to_string()),
        ];
        variables.extend(told.map(|(name, value)| (name.to_owned(), value)));
        variables
    }

    /// A person's merge request of a branch into main; its number.
    pub fn request(&self, branch: &str) -> u64 {
        let client = with_token(&self.server, self.project, &self.token, BOUNDS);
        let new = NewMergeRequest {
            source_branch: branch.to_owned(),
            target_branch: "main".to_owned(),
            title: format!("Draft: {branch}"),
            ..NewMergeRequest::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client.merge_requests().create(&new)).unwrap().iid
    }

    /// Merged by a person; the tip of main before.
    pub fn merge(&self, iid: u64) -> String {
        let before = self.world.tip("main");
        self.server.state().merge_by_person(self.project, iid);
        before
    }

    pub fn notes(&self, iid: u64) -> Vec<String> {
        let mut state = self.server.state();
        let notes = &state.project(self.project).request(iid).unwrap().notes;
        notes.iter().map(|note| note.body.clone()).collect()
    }

    /// `POST /trigger/pipeline` as the data-management tool sends it; the pipeline that it made.
    pub fn trigger(&self, fields: &[(&str, &str)]) -> u64 {
        let token = "glptt-0123456789";
        self.server.state().project(self.project).trigger_tokens.push(token.to_owned());
        let url = format!("{}/api/v4/projects/{}/trigger/pipeline", self.server.url(), self.project);
        let fields = [("token", token), ("ref", "main")].into_iter().chain(fields.iter().copied());
        let form = reqwest::Url::parse_with_params("http://form", fields).unwrap();
        let sent = reqwest::Client::new()
            .post(url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.query().unwrap_or_default().to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, body) = runtime.block_on(async {
            let answer = sent.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        });
        assert_eq!(status, 201, "{body}");
        let made: serde_json::Value = serde_json::from_str(&body).unwrap();
        made["id"].as_u64().unwrap()
    }
}

impl GitLab<'_> {
    /// Runs a pipeline with these variables to its end.
    pub(super) fn run(&self, variables: &Variables) -> Pipeline {
        self.run_with(variables, &Vec::new())
    }

    pub(super) fn run_with(&self, variables: &Variables, inputs: &Variables) -> Pipeline {
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.pipeline_with(&variables, inputs)
    }
}
