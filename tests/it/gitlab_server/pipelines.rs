//! Pipelines and their jobs: pushes make them, jobs move them on, a cancelled one starts nothing more.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::state::{CommitStatus, Job, OnNewCommit, Pipeline, Project, State};
use crate::transport::{git, git_command};

const DONE: [&str; 4] = ["success", "failed", "canceled", "skipped"];

impl Project {
    /// Branches of the repository with their tips.
    pub fn tips(&self) -> BTreeMap<String, String> {
        let Some(bare) = &self.bare else { return BTreeMap::new() };
        let all = git(bare, &["for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads"]);
        all.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .collect()
    }

    /// The commit that a branch or id names.
    pub fn commit(&self, name: &str) -> Option<String> {
        let Some(bare) = &self.bare else { return Some(format!("{:0>40}", "c0ffee")) };
        let name = format!("{name}^{{commit}}");
        let output = git_command(bare).args(["rev-parse", "--verify", "--quiet", &name]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn ci_file(&self, sha: &str) -> Option<String> {
        let file = format!("{sha}:.gitlab-ci.yml");
        let output = git_command(self.bare.as_ref()?).args(["show", &file]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn skips_ci(&self, sha: &str) -> bool {
        let Some(bare) = &self.bare else { return false };
        let message = git(bare, &["log", "-1", "--format=%B", sha]).to_lowercase();
        message.contains("[skip ci]") || message.contains("[ci skip]")
    }
}

impl CommitStatus {
    fn lives(&self) -> bool {
        ["pending", "running"].contains(&self.state.as_str())
    }
}

impl Pipeline {
    /// Whether it is one of its project's own list, as most of the API has it: a child pipeline is not.
    pub fn is_listed(&self) -> bool {
        self.source != "parent_pipeline"
    }

    /// Jobs that count: not those that were retried.
    pub fn live_jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| !job.retried)
    }

    pub fn status(&self) -> &'static str {
        let any = |words: &[&str]| self.live_jobs().any(|job| words.contains(&job.status.as_str()));
        let all_pending = self.live_jobs().all(|job| ["created", "pending"].contains(&job.status.as_str()));
        let failed = self.live_jobs().any(|job| job.status == "failed" && !job.allow_failure);
        match () {
            () if self.cancelled && any(&["running", "canceling"]) => "canceling",
            () if self.cancelled => "canceled",
            () if all_pending => "pending",
            () if any(&["running", "pending"]) => "running",
            // beside one that failed, too: what comes later does not begin
            () if any(&["manual"]) => "manual",
            () if failed => "failed",
            () if any(&["canceled"]) => "canceled",
            () if any(&["created"]) => "running",
            () => "success",
        }
    }

    /// Stages begin when those before are done well; after a failure the rest is skipped.
    fn go_on(&mut self) {
        if self.cancelled {
            return;
        }
        let stages: Vec<usize> = {
            let mut stages: Vec<usize> = self.live_jobs().map(|job| job.stage).collect();
            stages.sort_unstable();
            stages.dedup();
            stages
        };
        for stage in stages {
            let failed =
                self.live_jobs().any(|job| job.stage < stage && job.status == "failed" && !job.allow_failure);
            let waits = self.live_jobs().any(|job| job.stage < stage && !DONE.contains(&job.status.as_str()));
            let begins = self.jobs.iter_mut();
            for job in begins.filter(|job| !job.retried && job.stage == stage && job.status == "created") {
                job.status = match () {
                    () if failed => "skipped",
                    () if waits => "created",
                    () if job.manual => "manual",
                    () => "pending",
                }
                .to_owned();
            }
        }
    }
}

impl State {
    /// Looks at every repository; a branch that moved makes a pipeline.
    pub fn notice_pushes(&mut self) {
        for id in self.projects.iter().map(|project| project.id).collect::<Vec<_>>() {
            let project = self.project(id);
            let tips = project.tips();
            let moved = |(branch, sha): &(&String, &String)| project.seen.get(*branch) != Some(*sha);
            let moved: Vec<(String, String)> =
                tips.iter().filter(moved).map(|(branch, sha)| (branch.clone(), sha.clone())).collect();
            project.seen = tips;
            for (branch, sha) in moved {
                if !self.project(id).skips_ci(&sha) {
                    let made = self.new_pipeline(id, &branch, &sha, "push", BTreeMap::new());
                    self.cancel_redundant(id, made);
                }
            }
        }
    }

    /// “Auto-cancel redundant pipelines”, which is on by default: child pipelines are no exception. No job here is
    /// interruptible. <https://docs.gitlab.com/ci/pipelines/settings/#auto-cancel-redundant-pipelines>
    fn cancel_redundant(&mut self, project: u64, new: u64) {
        let (branch, sha) = {
            let new = self.pipeline(new);
            (new.branch.clone(), new.sha.clone())
        };
        let waits = |job: &Job| ["created", "pending", "manual", "skipped"].contains(&job.status.as_str());
        let redundant = |known: &&Pipeline| {
            known.id < new
                && known.branch == branch
                && known.sha != sha
                && known.on_new_commit == OnNewCommit::Conservative
                && !DONE.contains(&known.status())
                && known.live_jobs().all(waits)
        };
        let old: Vec<u64> =
            self.project(project).pipelines.iter().filter(redundant).map(|known| known.id).collect();
        old.into_iter().for_each(|id| self.cancel(id));
    }

    pub fn new_pipeline(
        &mut self,
        project: u64,
        branch: &str,
        sha: &str,
        source: &str,
        variables: BTreeMap<String, String>,
    ) -> u64 {
        let id = self.next_id();
        let template = self.project(project).template.clone();
        // a child pipeline has a file of its own
        let file = if source == "parent_pipeline" { None } else { self.project(project).ci_file(sha) };
        let on_new_commit = OnNewCommit::of(&file.unwrap_or_default());
        let jobs = template.into_iter().map(|job| Job {
            id: self.next_id(),
            name: job.name,
            stage: job.stage,
            status: "created".to_owned(),
            allow_failure: job.allow_failure,
            bridge: job.bridge,
            downstream: None,
            manual: job.manual,
            retried: false,
            log: String::new(),
        });
        let mut pipeline = Pipeline {
            id,
            branch: branch.to_owned(),
            sha: sha.to_owned(),
            source: source.to_owned(),
            variables,
            inputs: BTreeMap::new(),
            cancelled: false,
            on_new_commit,
            jobs: jobs.collect(),
        };
        pipeline.go_on();
        self.project(project).pipelines.push(pipeline);
        id
    }

    /// The same under an id of the test's own.
    pub fn new_pipeline_called(&mut self, id: u64, project: u64, branch: &str, sha: &str, source: &str) {
        let made = self.new_pipeline(project, branch, sha, source, BTreeMap::new());
        self.pipeline(made).id = id;
    }

    pub fn set_job(&mut self, pipeline: u64, name: &str, status: &str) -> bool {
        let pipeline = self.pipeline(pipeline);
        let job = pipeline.jobs.iter_mut().find(|job| !job.retried && job.name == name).expect("job");
        if pipeline.cancelled && !(job.status == "running" || job.status == "canceling") {
            return false;
        }
        job.status = status.to_owned();
        pipeline.go_on();
        true
    }

    /// A job of a pipeline, under an id of the test's own, runs on a runner. A cancelled pipeline starts none.
    pub fn run_job(&mut self, pipeline: u64, id: u64, name: &str) {
        let pipeline = self.pipeline(pipeline);
        assert!(!DONE.contains(&pipeline.status()), "pipeline {} is {}", pipeline.id, pipeline.status());
        for old in pipeline.jobs.iter_mut().filter(|job| job.name == name) {
            assert!(DONE.contains(&old.status.as_str()), "{name} runs already");
            old.retried = true;
        }
        pipeline.jobs.push(Job {
            id,
            name: name.to_owned(),
            stage: 0,
            status: "running".to_owned(),
            allow_failure: false,
            bridge: false,
            downstream: None,
            manual: false,
            retried: false,
            log: String::new(),
        });
    }

    /// A job that runs ends so; one that was cancelled meanwhile stays it.
    pub fn end_job(&mut self, id: u64, status: &str) {
        let pipelines = self.projects.iter_mut().flat_map(|project| &mut project.pipelines);
        let mut jobs = pipelines.flat_map(|pipeline| &mut pipeline.jobs);
        let job = jobs.find(|job| job.id == id).expect("job");
        if job.status == "running" {
            job.status = status.to_owned();
        }
    }

    /// As a person does it in the page: a job of a cancelled pipeline is retried, and the pipeline runs again.
    pub fn revive(&mut self, pipeline: u64) {
        let pipeline = self.pipeline(pipeline);
        assert!(pipeline.cancelled, "only a cancelled pipeline is revived");
        pipeline.cancelled = false;
        for job in pipeline.jobs.iter_mut().filter(|job| job.status == "canceled" && job.name == "later") {
            job.status = "pending".to_owned();
        }
    }

    /// As a person does it in the page: the old job stays, and counts no more.
    pub fn retry_job(&mut self, pipeline: u64, name: &str) {
        let id = self.next_id();
        let pipeline = self.pipeline(pipeline);
        let old = pipeline.jobs.iter_mut().find(|job| !job.retried && job.name == name).expect("job");
        old.retried = true;
        let new = Job { id, status: "pending".to_owned(), retried: false, ..old.clone() };
        let stage = new.stage;
        pipeline.jobs.push(new);
        for job in pipeline.jobs.iter_mut().filter(|job| job.stage > stage && job.status == "skipped") {
            job.status = "created".to_owned();
        }
    }

    /// Created and pending jobs are over at once; one that runs has to notice.
    pub fn cancel(&mut self, pipeline: u64) {
        let statuses = self.projects.iter_mut().flat_map(|project| &mut project.statuses);
        for status in statuses.filter(|status| status.pipeline == Some(pipeline) && status.lives()) {
            "canceled".clone_into(&mut status.state);
        }
        let pipeline = self.pipeline(pipeline);
        pipeline.cancelled |= !DONE.contains(&pipeline.status());
        for job in &mut pipeline.jobs {
            match job.status.as_str() {
                "created" | "pending" | "manual" | "running" => job.status = "canceled".to_owned(),
                _ => {}
            }
        }
    }
}

pub fn pipeline_json(url: &str, project: &Project, pipeline: &Pipeline) -> Value {
    let id = pipeline.id;
    // a commit status in it is a job of it
    let shown = project.statuses.iter().any(|status| status.pipeline == Some(id) && status.lives());
    let status = match pipeline.status() {
        "success" | "failed" | "manual" if shown => "running",
        other => other,
    };
    json!({
        "id": id, "iid": id, "project_id": project.id, "status": status, "source": pipeline.source,
        "ref": pipeline.branch, "sha": pipeline.sha, "web_url": format!("{url}/{}/-/pipelines/{id}", project.path),
        "created_at": "2026-11-25T00:00:00.000Z", "updated_at": "2026-11-25T00:00:00.000Z",
    })
}

pub fn job_json(url: &str, project: &Project, job: &Job) -> Value {
    let reason = if job.status == "failed" { json!("script_failure") } else { Value::Null };
    let mut value = json!({
        "id": job.id, "name": job.name, "stage": format!("stage-{}", job.stage), "status": job.status,
        "allow_failure": job.allow_failure, "failure_reason": reason,
        "web_url": format!("{url}/{}/-/jobs/{}", project.path, job.id), "user": null, "tag_list": [],
    });
    if job.bridge {
        value["downstream_pipeline"] = Value::Null;
    }
    value
}
