//! What the server knows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::wire::Request;

pub struct State {
    pub url: String,
    pub projects: Vec<Project>,
    /// By name, with its id.
    pub users: Vec<(String, u64)>,
    pub tokens: BTreeMap<String, Grant>,
    /// Part of `METHOD path`, how often, what.
    pub faults: Vec<(String, usize, Fault)>,
    pub requests: Vec<String>,
    pub violations: Vec<String>,
    /// How often a merge request is looked at before GitLab has checked it.
    pub checks: u32,
    last_id: u64,
}

#[derive(Debug, Clone)]
pub enum Grant {
    Access { user: String, role: Role, scopes: Vec<String>, expired: bool },
    Job { project: u64, user: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// No member: everything of a project looks as if it were not there.
    Stranger,
    Reporter,
    Developer,
    Maintainer,
}

#[derive(Debug, Clone)]
pub enum Fault {
    Status(u16),
    /// 429, with `Retry-After`.
    Limited(Option<u64>),
    /// Taken, never answered.
    Hang,
    /// Done, never answered.
    HangAfter,
    /// Done, and the connection breaks.
    LoseAnswer,
    /// 200 with a web page.
    Page,
    Answer(u16, Value),
    /// 301 to there.
    Moved(String),
}

pub struct Project {
    pub id: u64,
    pub path: String,
    pub bare: Option<PathBuf>,
    pub method: MergeMethod,
    /// What a pipeline consists of.
    pub template: Vec<JobTemplate>,
    /// Branches that only these users may push.
    pub protected: BTreeMap<String, Vec<String>>,
    pub trigger_tokens: Vec<String>,
    /// The least role that may start its pipelines with variables; `None` is GitLab's `no_one_allowed`.
    pub variables_for: Option<Role>,
    /// Projects whose jobs may trigger it.
    pub job_allowlist: Vec<u64>,
    pub merge_requests: Vec<MergeRequest>,
    pub statuses: Vec<CommitStatus>,
    pub deployments: Vec<Deployment>,
    pub pipelines: Vec<Pipeline>,
    /// Tips at the last look.
    pub seen: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeMethod {
    MergeCommit,
    Squash,
    FastForward,
}

#[derive(Debug, Clone)]
pub struct MergeRequest {
    pub iid: u64,
    pub state: String,
    pub title: String,
    pub description: String,
    pub source_branch: String,
    pub target_branch: String,
    pub source_project: u64,
    pub sha: String,
    pub merge_commit_sha: Option<String>,
    pub squash_commit_sha: Option<String>,
    pub labels: Vec<String>,
    pub assignees: Vec<u64>,
    pub author: String,
    pub auto_merge: bool,
    /// Why it can't be merged, in GitLab's word; `mergeable` by default.
    pub blocked: Option<String>,
    pub unchecked: u32,
    /// How often it is looked at before GitLab has worked off a push to its branch.
    pub lag: u32,
    pub notes: Vec<Note>,
    pub commits: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Note {
    pub id: u64,
    pub author: String,
    pub body: String,
}

#[derive(Debug, Clone)]
pub struct CommitStatus {
    pub sha: String,
    pub name: String,
    pub state: String,
    pub target_url: String,
    pub description: String,
    pub pipeline: Option<u64>,
    /// Every state that it had.
    pub history: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: u64,
    pub environment: String,
    pub sha: String,
    pub branch: String,
    pub status: String,
    pub history: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Pipeline {
    pub id: u64,
    pub branch: String,
    pub sha: String,
    pub source: String,
    pub variables: BTreeMap<String, String>,
    pub inputs: BTreeMap<String, String>,
    pub cancelled: bool,
    pub on_new_commit: OnNewCommit,
    /// Retried ones too.
    pub jobs: Vec<Job>,
}

/// `workflow: auto_cancel: on_new_commit` of the file that a pipeline was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNewCommit {
    /// Cancelled as long as no job began that is not interruptible: the default.
    Conservative,
    /// Left alone.
    None,
}

impl OnNewCommit {
    /// As the text of a `.gitlab-ci.yml` says, with a header of inputs or without.
    pub fn of(text: &str) -> Self {
        let jobs = text.split_once("\n---\n").map_or(text, |(_, jobs)| jobs);
        let file: serde_yaml::Value = serde_yaml::from_str(jobs).unwrap_or_default();
        match file["workflow"]["auto_cancel"]["on_new_commit"].as_str() {
            Some("none") => OnNewCommit::None,
            Some("conservative") | None => OnNewCommit::Conservative,
            Some(other) => panic!("{other} is not known here"),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Job {
    pub id: u64,
    pub name: String,
    pub stage: usize,
    pub status: String,
    pub allow_failure: bool,
    pub bridge: bool,
    /// The pipeline that a bridge started.
    pub downstream: Option<u64>,
    pub manual: bool,
    pub retried: bool,
    pub log: String,
}

#[derive(Debug, Clone)]
pub struct JobTemplate {
    pub name: String,
    pub stage: usize,
    pub allow_failure: bool,
    pub bridge: bool,
    pub manual: bool,
}

impl JobTemplate {
    pub fn new(name: &str, stage: usize) -> Self {
        Self { name: name.to_owned(), stage, allow_failure: false, bridge: false, manual: false }
    }
}

impl State {
    pub fn new(url: String) -> Self {
        Self {
            url,
            projects: Vec::new(),
            users: Vec::new(),
            tokens: BTreeMap::new(),
            faults: Vec::new(),
            requests: Vec::new(),
            violations: Vec::new(),
            checks: 0,
            last_id: 100,
        }
    }

    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub fn add_project(&mut self, path: &str, bare: Option<PathBuf>) -> u64 {
        let id = self.next_id();
        let mut project = Project {
            id,
            path: path.to_owned(),
            bare,
            method: MergeMethod::MergeCommit,
            template: vec![JobTemplate::new("test", 0)],
            protected: BTreeMap::new(),
            trigger_tokens: Vec::new(),
            variables_for: Some(Role::Developer),
            job_allowlist: Vec::new(),
            merge_requests: Vec::new(),
            statuses: Vec::new(),
            deployments: Vec::new(),
            pipelines: Vec::new(),
            seen: BTreeMap::new(),
        };
        project.seen = project.tips();
        self.projects.push(project);
        id
    }

    pub fn add_token(&mut self, grant: Grant) -> String {
        let user = match &grant {
            Grant::Access { user, .. } | Grant::Job { user, .. } => user.clone(),
        };
        self.user_id(&user);
        let token = format!("glpat-{}-0123456789abcdef", self.next_id());
        self.tokens.insert(token.clone(), grant);
        token
    }

    /// The id of a user, who is made if it is new.
    pub fn user_id(&mut self, name: &str) -> u64 {
        if let Some((_, id)) = self.users.iter().find(|(known, _)| known == name) {
            return *id;
        }
        let id = self.next_id();
        self.users.push((name.to_owned(), id));
        id
    }

    /// A project by id or path.
    pub fn find(&mut self, which: &str) -> Option<&mut Project> {
        self.projects.iter_mut().find(|project| project.path == which || project.id.to_string() == which)
    }

    pub fn project(&mut self, id: u64) -> &mut Project {
        self.find(&id.to_string()).expect("project")
    }

    /// Every pipeline of every project.
    pub fn pipelines(&self) -> impl Iterator<Item = &Pipeline> {
        self.projects.iter().flat_map(|project| &project.pipelines)
    }

    pub fn pipeline(&mut self, id: u64) -> &mut Pipeline {
        let mut all = self.projects.iter_mut().flat_map(|project| &mut project.pipelines);
        all.find(|pipeline| pipeline.id == id).expect("pipeline")
    }

    /// Writes the request down, and what GitLab does not have of it; what it meets instead of an answer, if anything.
    pub(super) fn noted(&mut self, request: &Request) -> Option<Fault> {
        self.violations.extend(super::contract::check(request).err());
        let line = format!("{} {}", request.method, super::wire::decoded(&request.path));
        self.requests.push(line.clone());
        let at =
            self.faults.iter().position(|(part, times, _)| *times > 0 && line.contains(part.as_str()))?;
        self.faults[at].1 -= 1;
        Some(self.faults[at].2.clone())
    }
}
