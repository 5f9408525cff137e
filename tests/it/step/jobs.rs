//! What GitLab does: runs the jobs of a graph in their order, and skips those that do not run.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use toml_edit::value;

use super::gitlab::GitLab;
use crate::transport::git;
use crate::world::{Bot, Running, World};

/// How long a job may take.
const LONG: Duration = Duration::from_secs(90);

static JOB: AtomicU32 = AtomicU32::new(1000);

/// The runners of one CI pipeline. Each job runs on a machine of its own.
pub struct Runner<'w> {
    world: &'w World,
    pub pipeline: String,
    gitlab: Option<&'w GitLab>,
    env: Vec<(String, String)>,
}

impl<'w> Runner<'w> {
    /// A pipeline of that id. The configuration is the one at the tip of the repository.
    pub fn new(world: &'w World, pipeline: &str) -> Self {
        Self { world, pipeline: pipeline.to_owned(), gitlab: None, env: Vec::new() }
    }

    /// The same where GitLab knows of the pipeline: it knows of every job, and starts none of a cancelled one.
    pub fn of(self, gitlab: &'w GitLab) -> Self {
        Self { gitlab: Some(gitlab), ..self }
    }

    /// With a variable in every job.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A job that is going to run `datapin step …`, and its id.
    pub fn job(&self, args: &[&str]) -> (Bot, String) {
        let id = JOB.fetch_add(1, Ordering::Relaxed).to_string();
        if let Some(gitlab) = self.gitlab {
            gitlab.job_begins(&self.pipeline, &id, &args.join(" "));
        }
        let dir = self.world.dir().join("work").join(&id);
        std::fs::create_dir_all(&dir).unwrap();
        let args: Vec<&str> = ["step"].iter().chain(args).copied().collect();
        let mut bot = self
            .world
            .datapin(&args)
            .by(&format!("runner-{id}"))
            .env("DATAPIN_ACTOR", "anna")
            .env("DATAPIN_REPOSITORY", &self.world.bare().display().to_string())
            .config(None)
            .cwd(&dir)
            .in_ci(&self.pipeline, &id);
        for (name, value) in &self.env {
            bot = bot.env(name, value);
        }
        (bot, id)
    }

    /// Runs a job to its end.
    #[track_caller]
    pub fn step(&self, args: &[&str]) -> crate::world::Done {
        let (bot, id) = self.job(args);
        let done = bot.run();
        if let Some(gitlab) = self.gitlab {
            gitlab.job_ends(&id, if done.code == Some(0) { "success" } else { "failed" });
        }
        done
    }

    /// Starts a job.
    pub fn start(&self, args: &[&str]) -> Running {
        self.job(args).0.spawn()
    }
}

/// Lets jobs read the world's configuration from the repository, as they do where nothing else is there.
pub fn publish(world: &World) {
    let checkout = world.checkout("main");
    std::fs::copy(world.dir().join("datapin.toml"), checkout.join("datapin.toml")).unwrap();
    if git(&checkout, &["status", "--porcelain"]).is_empty() {
        return;
    }
    git(&checkout, &["commit", "--quiet", "--all", "--message", "Configuration of this world"]);
    git(&checkout, &["push", "--quiet", "origin", "HEAD:main"]);
}

/// A world in which GitLab cannot be asked: silence counts, and only after an hour.
pub fn world() -> World {
    let world = World::new();
    world.config(|text| text["queue"]["default"]["step_idle_ttl"] = value("1h"));
    publish(&world);
    world
}

/// A stage of the graph: environment, services, gates.
type Stage = (&'static str, &'static [&'static str], &'static [&'static str]);

const ALL: &[&str] = &["mds", "fbv", "kv", "remo"];
const INT: &[Stage] = &[("int", ALL, &["int-test"])];
const PREPROD: &[Stage] = &[("abn", ALL, &["abn-test"]), ("lup", ALL, &["lup-test"]), ("prd", ALL, &[])];

/// The jobs of a pipeline, with the colours that they got.
pub struct Graph<'r> {
    runner: &'r Runner<'r>,
    pipeline: &'static str,
    stages: &'static [Stage],
    failed: bool,
    text: String,
}

impl<'r> Graph<'r> {
    /// The graph of a pipeline of the sample.
    pub fn new(runner: &'r Runner<'r>, pipeline: &'static str) -> Self {
        let stages = if pipeline == "int" { INT } else { PREPROD };
        Self { runner, pipeline, stages, failed: false, text: String::new() }
    }

    /// Runs all of it, and returns what the picture shows.
    pub fn run(mut self, version: &str) -> String {
        self.column("wait-for-pipeline", &[vec!["enter", self.pipeline, version]]);
        self.column("notify-start", &[vec!["announce"]]);
        for (environment, services, gates) in self.stages {
            let jobs: Vec<Vec<&str>> =
                services.iter().map(|service| vec!["deploy", environment, service]).collect();
            self.column(&format!("deploy-{environment}"), &jobs);
            for gate in *gates {
                self.column(&format!("test-{environment}"), &[vec!["gate", environment, gate]]);
            }
        }
        let failed = self.failed;
        let mut back = Vec::new();
        for (environment, services, _) in self.stages.iter().rev() {
            back.extend(services.iter().map(|service| vec!["rollback", environment, service]));
        }
        let record: Vec<Vec<&str>> =
            self.stages.iter().map(|(environment, ..)| vec!["record", environment]).collect();
        self.failed = !failed;
        self.column("rollback", &back);
        self.failed = failed;
        self.column("store-ssm", &record);
        self.failed = false;
        self.column("notify-end", &[vec!["finish"]]);
        self.text
    }

    /// The jobs of a column run side by side; none of them if a job before failed.
    fn column(&mut self, name: &str, jobs: &[Vec<&str>]) {
        if self.failed {
            for job in jobs {
                writeln!(self.text, "{name:<18} {:<22} skipped", job[..job.len().min(3)].join(" ")).unwrap();
            }
            return;
        }
        let running: Vec<(&Vec<&str>, Running)> =
            jobs.iter().map(|job| (job, self.runner.start(job))).collect();
        for (job, running) in running {
            let done = running.wait(LONG);
            let colour = match done.code {
                Some(0) => "green",
                Some(21) => "orange",
                Some(_) | None => "red",
            };
            self.failed |= colour == "red";
            let code = done.code.map_or("killed".to_owned(), |code| code.to_string());
            let shown: Vec<&str> =
                job.iter().take(3).copied().filter(|word| !word.starts_with("20")).collect();
            writeln!(self.text, "{name:<18} {:<22} {colour} {code}", shown.join(" ")).unwrap();
            eprintln!("--- {} ended {code}\n{}{}", done.what, done.stdout, done.stderr);
        }
    }
}
