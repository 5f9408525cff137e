//! The GitLab that the jobs of a run belong to: the shared stateful one, with the repository of a world in it.

use datapin::graph::Settings;

use super::jobs::Runner;
use crate::gitlab_server::{CommitStatus, Deployment, GitLabServer, JobTemplate, OnNewCommit, Role};
use crate::world::{Bot, World};

/// What a pipeline still has before it: without it a pipeline would be over after its first job.
const LATER: &str = "later";

const SAMPLE: &str = include_str!("../../../environments/datapin.toml");

/// GitLab until it is dropped.
pub struct GitLab {
    pub server: GitLabServer,
    pub project: u64,
    reads: String,
    shows: String,
    stranger: String,
}

/// The file that a child pipeline is made from.
fn graph_file() -> String {
    let config = datapin::config::load("datapin.toml", SAMPLE).unwrap();
    let graph = datapin::graph::graph(&config, config.pipeline("int").unwrap());
    graph.yaml(&config.source, &Settings::default()).unwrap()
}

impl GitLab {
    pub fn start(world: &World) -> Self {
        let server = GitLabServer::start();
        let project = server.project_of("data/environments", &world.bare());
        server.state().project(project).template = vec![JobTemplate::new(LATER, 1)];
        let reads = server.token("reader", Role::Reporter, &["read_api"]);
        let shows = server.token("bot", Role::Maintainer, &["api"]);
        let stranger = server.token("stranger", Role::Stranger, &["api"]);
        Self { server, project, reads, shows, stranger }
    }

    /// A new pipeline of the tip.
    pub fn pipeline(&self, world: &World) -> u64 {
        self.pipeline_by(world, "push")
    }

    /// The same for another reason.
    pub fn pipeline_by(&self, world: &World, source: &str) -> u64 {
        let sha = world.tip("main");
        let mut state = self.server.state();
        let id = state.new_pipeline(self.project, "main", &sha, source, Default::default());
        if source == "parent_pipeline" {
            state.pipeline(id).on_new_commit = OnNewCommit::of(&graph_file());
        }
        id
    }

    /// The pipeline is cancelled.
    pub fn cancels(&self, pipeline: &str) {
        self.server.state().cancel(pipeline.parse().unwrap());
    }

    /// A person retries a job of a cancelled pipeline.
    pub fn revives(&self, pipeline: &str) {
        self.server.state().revive(pipeline.parse().unwrap());
    }

    pub fn job_begins(&self, pipeline: &str, job: &str, name: &str) {
        let (pipeline, job) = (pipeline.parse().unwrap(), job.parse().unwrap());
        self.server.state().run_job(pipeline, job, name);
    }

    pub fn job_ends(&self, job: &str, how: &str) {
        self.server.state().end_job(job.parse().unwrap(), how);
    }

    /// How often it was asked about `pipelines/81` or `jobs/1000`.
    pub fn asked(&self, what: &str) -> usize {
        let path = format!("GET /api/v4/projects/{}/{what}", self.project);
        self.server.requests().iter().filter(|asked| **asked == path).count()
    }

    /// The variables of a job.
    fn variables(&self, token: &str) -> [(&'static str, String); 4] {
        [
            ("CI_SERVER_URL", self.server.url()),
            ("CI_SERVER_HOST", self.server.host().to_owned()),
            ("CI_PROJECT_ID", self.project.to_string()),
            ("DATAPIN_GITLAB_TOKEN", token.to_owned()),
        ]
    }

    /// The runners of a new pipeline whose token may ask.
    pub fn runner<'w>(&'w self, world: &'w World) -> Runner<'w> {
        self.runner_with(world, self.pipeline(world), &self.reads)
    }

    /// The runners of a new child pipeline, as a graph is, whose token may show the run as well.
    pub fn showing<'w>(&'w self, world: &'w World) -> Runner<'w> {
        let parent = self.parent().unwrap_or_else(|| self.pipeline_by(world, "trigger"));
        self.showing_without_parent(world).env("DATAPIN_PARENT_PIPELINE", &parent.to_string())
    }

    /// The same where the jobs are not told whose child they are.
    pub fn showing_without_parent<'w>(&'w self, world: &'w World) -> Runner<'w> {
        let child = self.pipeline_by(world, "parent_pipeline");
        self.runner_with(world, child, &self.shows)
            .env("CI_PIPELINE_SOURCE", "parent_pipeline")
            .env("CI_COMMIT_SHA", &world.tip("main"))
            .env("CI_COMMIT_REF_NAME", "main")
    }

    /// The pipeline that the data-management tool triggered.
    pub fn parent(&self) -> Option<u64> {
        let state = self.server.state();
        state.pipelines().find(|known| known.source == "trigger").map(|known| known.id)
    }

    fn runner_with<'w>(&'w self, world: &'w World, pipeline: u64, token: &str) -> Runner<'w> {
        let runner = Runner::new(world, &pipeline.to_string()).of(self);
        self.variables(token).into_iter().fold(runner, |runner, (name, value)| runner.env(name, &value))
    }

    /// A process with a token that may ask.
    pub fn may_ask(&self, bot: Bot) -> Bot {
        self.variables(&self.reads).into_iter().fold(bot, |bot, (name, value)| bot.env(name, &value))
    }

    /// A process with a token that may not.
    pub fn may_not_ask(&self, bot: Bot) -> Bot {
        self.variables(&self.stranger).into_iter().fold(bot, |bot, (name, value)| bot.env(name, &value))
    }

    pub fn statuses(&self) -> Vec<CommitStatus> {
        self.server.state().project(self.project).statuses.clone()
    }

    pub fn deployments(&self) -> Vec<Deployment> {
        self.server.state().project(self.project).deployments.clone()
    }

    /// Every status with the state that it has, by name: `int/mds: success`. Two of a name are two lines. Whether it was
    /// shown running before depends on how fast it went.
    pub fn shown(&self) -> Vec<String> {
        let line = |one: CommitStatus| format!("{}: {}", one.name, one.state);
        let mut lines: Vec<String> = self.statuses().into_iter().map(line).collect();
        lines.sort();
        lines
    }

    /// Every deployment with all states that it had, in order: `int: running success`.
    pub fn deployed(&self) -> Vec<String> {
        let line = |one: Deployment| format!("{}: {}", one.environment, one.history.join(" "));
        self.deployments().into_iter().map(line).collect()
    }
}
