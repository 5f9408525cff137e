//! How long a run may take by its configuration.

use std::time::Duration;

use crate::config::{Config, Pipeline, Stage};

/// The longest that a pipeline may take once it has started: every stage up to its limits, the last gate fails, and
/// everything is taken back. Gates that run side by side count once, each with its retries.
pub fn longest(config: &Config, pipeline: &Pipeline) -> Duration {
    let most = |names: &[String], of: fn(&crate::config::Environment) -> Duration| {
        names.iter().filter_map(|name| config.environments.get(name)).map(of).max().unwrap_or_default()
    };
    let stages = pipeline.stages.iter();
    let copies = |stage: &Stage| stage.promote.as_ref().map_or(Duration::ZERO, |promote| promote.timeout);
    let forward: Duration = stages
        .map(|stage| {
            let synced = most(&stage.environments, |one| one.sync_timeout);
            copies(stage) + synced + gates(config, &stage.gates)
        })
        .sum();
    // all are waited for side by side
    let all: Vec<String> = pipeline.stages.iter().flat_map(|stage| stage.environments.clone()).collect();
    forward + most(&all, |one| one.rollback_timeout)
}

/// The longest chain of gates that wait for each other.
fn gates(config: &Config, names: &[String]) -> Duration {
    names.iter().map(|name| chain(config, names, name, names.len())).max().unwrap_or_default()
}

fn chain(config: &Config, names: &[String], name: &str, limit: usize) -> Duration {
    let Some(gate) = config.gates.get(name) else { return Duration::ZERO };
    let own = gate.timeout * (gate.retries + 1);
    if limit == 0 {
        return own;
    }
    let before = gate.after.iter().filter(|other| names.contains(other));
    own + before.map(|other| chain(config, names, other, limit - 1)).max().unwrap_or_default()
}

/// What to say of pipelines that may take longer, their wait in the queue included, than a job of this length, which
/// GitLab then kills.
pub fn too_long(config: &Config, job: Duration) -> Vec<String> {
    let all = config
        .pipelines
        .values()
        .map(|pipeline| (pipeline, config.queue_of(pipeline).max_wait, longest(config, pipeline)));
    all.filter(|(_, wait, longest)| *wait + *longest > job)
        .map(|(pipeline, wait, longest)| {
            format!(
                "pipeline `{}` may take {} by its limits (promote, sync_timeout, gates with retries, rollback_timeout) after {} in the queue (max_wait), and this job is killed after {} (CI_JOB_TIMEOUT); set a longer `timeout` for the job that runs it",
                pipeline.name,
                minutes(longest),
                minutes(wait),
                minutes(job)
            )
        })
        .collect()
}

fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
