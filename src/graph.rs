//! The jobs that GitLab draws: one pipeline of the configuration as a GitLab pipeline, a node for each service, gate
//! and record.
//!
//! GitLab's inputs cannot loop over services, so the graph is generated and run as a child pipeline. [`graph`] decides
//! which jobs there are, [`Graph::yaml`] writes them down. The same configuration gives the same bytes.

mod yaml;

use std::collections::HashSet;
use std::time::Duration;

use crate::config::{Config, Gate, Pipeline, Requirement, Stage, next_gates};

/// What a job needs beside the time that its step may take: waiting for a runner's image, git, the queue.
const MARGIN: Duration = Duration::from_mins(10);
const ROLLBACK: &str = "Rollback";
const NOTIFY_END: &str = "Notify-end";

/// The jobs of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// Name of the pipeline in the configuration.
    pub pipeline: String,
    /// GitLab stages in order, the built-in `.pre` first; never empty.
    pub stages: Vec<Column>,
}

/// A GitLab stage: its jobs run beside each other, after those of the stages before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Jobs, in the order in which they are listed; never empty.
    pub jobs: Vec<Job>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Name; unique in the graph.
    pub name: String,
    /// What `datapin step` is called with.
    pub step: Vec<String>,
    /// When it runs.
    pub when: When,
    /// Exit code that is shown as a warning and lets the pipeline go on.
    pub warns_with: Option<u8>,
    /// How long GitLab lets it run.
    pub timeout: Duration,
    /// Environment of GitLab whose protection says who may start it. It is named with the action `prepare`: from `verify`
    /// GitLab means to take the protection, <https://gitlab.com/gitlab-org/gitlab/-/issues/437142>.
    pub protected_by: Option<String>,
    /// Whether it leaves the reports of the whole run.
    pub leaves: Leaves,
}

/// When a job runs. A failure that is allowed is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// No job of an earlier stage failed.
    Success,
    /// A job of an earlier stage failed.
    Failure,
    /// No job of an earlier stage failed and a person starts it; until then the stages after it wait.
    Manual,
}

/// What a job leaves as artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Nothing.
    Nothing,
    /// The reports of the run.
    Reports,
}

/// What the jobs are started with; the same for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Settings {
    /// Image of the jobs; `None` means the runner's.
    pub image: Option<String>,
    /// Tags of the runners.
    pub tags: Vec<String>,
    /// File of the repository that the jobs' common settings are read from (`include: local`).
    pub include: Option<String>,
    /// Variables by name, in order; their values are taken as they stand.
    pub variables: Vec<(String, String)>,
}

/// Why a graph could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The built-in template is broken: a bug.
    #[error("the graph of pipeline `{pipeline}` cannot be written, this is a bug: {source}")]
    Template {
        /// Pipeline.
        pipeline: String,
        /// Why.
        source: Box<minijinja::Error>,
    },
}

/// The graph of `pipeline`: enter, announce, deploy and gate each stage in order, then roll everything back or record
/// it, finish.
pub fn graph(config: &Config, pipeline: &Pipeline) -> Graph {
    let mut stages = vec![
        Column { name: ".pre".to_owned(), jobs: vec![enter(config, pipeline)] },
        Column { name: "Notify-start".to_owned(), jobs: vec![announce(pipeline)] },
    ];
    let later = [ROLLBACK.to_owned(), NOTIFY_END.to_owned()];
    let fixed: Vec<String> =
        pipeline.stages.iter().map(|stage| deploy_title(pipeline, stage)).chain(later).collect();
    for stage in &pipeline.stages {
        stages.push(deployments(config, pipeline, stage));
        for gates in levels(config, stage) {
            let taken =
                |name: &String| fixed.contains(name) || stages.iter().any(|stage| stage.name == *name);
            let name = free(gates_title(pipeline, stage, &gates), taken);
            stages.push(Column { name, jobs: gates.iter().map(|gate| check(stage, gate)).collect() });
        }
    }
    stages.push(Column { name: ROLLBACK.to_owned(), jobs: endings(config, pipeline) });
    stages.push(Column { name: NOTIFY_END.to_owned(), jobs: finish(config, pipeline) });
    tell_apart(&mut stages);
    Graph { pipeline: pipeline.name.clone(), stages }
}

/// Names of environments and services may have `-` in them, so that two jobs would be called the same: GitLab would
/// keep one of them.
fn tell_apart(stages: &mut [Column]) {
    let mut known = HashSet::new();
    for job in stages.iter_mut().flat_map(|stage| &mut stage.jobs) {
        job.name = free(std::mem::take(&mut job.name), |name| known.contains(name));
        known.insert(job.name.clone());
    }
}

fn job(name: String, step: &[&str], timeout: Duration) -> Job {
    Job {
        name,
        step: step.iter().map(|word| (*word).to_owned()).collect(),
        when: When::Success,
        warns_with: None,
        timeout: timeout + MARGIN,
        protected_by: None,
        leaves: Leaves::Nothing,
    }
}

fn enter(config: &Config, pipeline: &Pipeline) -> Job {
    job("wait-for-pipeline".to_owned(), &["enter"], config.queue_of(pipeline).max_wait)
}

fn announce(pipeline: &Pipeline) -> Job {
    job(format!("notify-start:{}", pipeline.name), &["announce"], Duration::ZERO)
}

/// Every service of the stage. The first that runs copies the packages and pushes for all of them; the others wait
/// for it.
fn deployments(config: &Config, pipeline: &Pipeline, stage: &Stage) -> Column {
    let copies = stage.promote.as_ref().map_or(Duration::ZERO, |promote| promote.timeout);
    let jobs = services(config, pipeline, &stage.environments).map(|(environment, service)| {
        let limit = copies + config.environments.get(environment).map_or(MARGIN, |one| one.sync_timeout);
        job(format!("deploy-{environment}-{service}"), &["deploy", environment, &service], limit)
    });
    Column { name: deploy_title(pipeline, stage), jobs: jobs.collect() }
}

fn deploy_title(pipeline: &Pipeline, stage: &Stage) -> String {
    match pipeline.stages.as_slice() {
        [_] => "Deploy".to_owned(),
        _ => format!("Deploy-{}", stage.environments.join("+")),
    }
}

fn services<'c>(
    config: &'c Config,
    pipeline: &'c Pipeline,
    environments: &'c [String],
) -> impl Iterator<Item = (&'c str, String)> {
    let of = |name: &'c String| {
        config.services(name, &pipeline.dataset).into_iter().map(|service| (name.as_str(), service))
    };
    environments.iter().flat_map(of)
}

/// The gates of a stage: those that begin at once, then those that are `after` one of them, and so on; people are asked
/// after all that wait for no person. As stages, since `needs` has a limit of fifty jobs and would name every service.
fn levels<'c>(config: &'c Config, stage: &Stage) -> Vec<Vec<&'c Gate>> {
    let mut left: Vec<&Gate> = stage.gates.iter().filter_map(|name| config.gates.get(name)).collect();
    let mut levels = Vec::new();
    while !left.is_empty() {
        let next = next_gates(&left);
        left.retain(|gate| next.iter().all(|taken| taken.name != gate.name));
        levels.push(next);
    }
    levels
}

/// As the pictures have it: a gate on its own gives its stage its name.
fn gates_title(pipeline: &Pipeline, stage: &Stage, gates: &[&Gate]) -> String {
    match (gates, pipeline.stages.as_slice()) {
        ([only], _) => capital(&only.name),
        (_, [_]) => "Gates".to_owned(),
        _ => format!("Gates-{}", stage.environments.join("+")),
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// The title, or the first one like it that is not taken.
fn free(title: String, taken: impl Fn(&String) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{title}-{number}"));
    std::iter::once(title.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(title)
}

fn check(stage: &Stage, gate: &Gate) -> Job {
    let environment = stage.environments.first().map_or("", String::as_str);
    let name = format!("{}:{}", gate.name, stage.environments.join("+"));
    // the job of a manual gate is a person's yes: it waits for nobody
    let manual = gate.asks_a_person();
    let limit = if manual { Duration::ZERO } else { gate.timeout * (gate.retries + 1) };
    let when = if manual { When::Manual } else { When::Success };
    let warns_with = match gate.requirement {
        Requirement::Required => None,
        Requirement::AllowedToFail => Some(21),
    };
    let protected_by = gate.protected_by().map(str::to_owned);
    Job { when, warns_with, protected_by, ..job(name, &["gate", environment, &gate.name], limit) }
}

/// On a failure everything goes back, newest stage first; else it is recorded. In one stage, so that a record that
/// fails rolls nothing back.
fn endings(config: &Config, pipeline: &Pipeline) -> Vec<Job> {
    let forward: Vec<String> =
        pipeline.stages.iter().flat_map(|stage| stage.environments.iter().cloned()).collect();
    let backward: Vec<String> =
        pipeline.stages.iter().rev().flat_map(|stage| stage.environments.iter().cloned()).collect();
    let rollbacks = services(config, pipeline, &backward).map(|(environment, service)| {
        let limit = config.environments.get(environment).map_or(MARGIN, |one| one.rollback_timeout);
        let step = ["rollback", environment, &service];
        Job { when: When::Failure, ..job(format!("rollback-{environment}-{service}"), &step, limit) }
    });
    let records = forward.iter().map(|environment| Job {
        warns_with: Some(17),
        ..job(format!("store-ssm-{environment}"), &["record", environment], MARGIN)
    });
    rollbacks.chain(records).collect()
}

/// Exactly one of the two runs.
fn finish(config: &Config, pipeline: &Pipeline) -> Vec<Job> {
    let environments = pipeline.stages.iter().flat_map(|stage| &stage.environments);
    let limits = environments.filter_map(|name| config.environments.get(name));
    let longest = limits.map(|one| one.rollback_timeout).max().unwrap_or(MARGIN);
    let ending = |name: &str, when| Job {
        when,
        leaves: Leaves::Reports,
        ..job(format!("{name}:{}", pipeline.name), &["finish"], longest)
    };
    vec![ending("notify-failure", When::Failure), ending("notify-success", When::Success)]
}
