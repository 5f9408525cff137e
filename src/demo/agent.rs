//! The demo's GitOps agent: follows the branches of the bare repository and rolls services out over time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use git2::{Oid, Repository};

use super::NEW;
use super::state::{Answer, Faults, Sort, answer_file, write_whole};
use crate::cli::stage::CommandError;
use crate::config::{self, Config};
use crate::exit::Exit;

const LOOK: Duration = Duration::from_millis(40);

/// A service as the agent rolls it out.
#[derive(Debug, Clone)]
struct Service {
    environment: String,
    name: String,
    file: String,
    applied: Option<Oid>,
    value: String,
    previous: String,
    since: Instant,
    takes: Duration,
}

/// Follows until it is killed.
pub async fn follow(dir: &Path) -> Result<Exit, CommandError> {
    let repo = Repository::open_bare(dir.join("environments.git"))
        .map_err(|error| CommandError::Missing(format!("the demo's repository: {error}")))?;
    let text = std::fs::read_to_string(dir.join("datapin.toml"))
        .map_err(|source| CommandError::Local { what: "reading the demo's configuration".into(), source })?;
    let config =
        config::load("datapin.toml", &text).map_err(|error| CommandError::Usage(error.to_string()))?;
    let mut services = services(&config);
    let mut said = BTreeMap::new();
    loop {
        if let Ok(tip) = repo.refname_to_id("refs/heads/main") {
            for service in &mut services {
                service.follow(&repo, tip);
                let answer = service.answer(&Faults::read(dir));
                let key = (service.environment.clone(), service.name.clone());
                if said.get(&key) != Some(&answer) {
                    say(dir, service, &answer)
                        .map_err(|source| CommandError::Local { what: "writing a state".into(), source })?;
                    said.insert(key, answer);
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn say(dir: &Path, service: &Service, answer: &Answer) -> std::io::Result<()> {
    let file = answer_file(dir, &service.environment, &service.name);
    write_whole(&file, &serde_json::to_vec(answer)?)
}

fn services(config: &Config) -> Vec<Service> {
    let mut found = Vec::new();
    for environment in config.environments.keys() {
        for dataset in config.datasets_of(environment) {
            for (index, places) in config.places(environment, &dataset).into_iter().enumerate() {
                found.push(Service {
                    environment: environment.clone(),
                    name: places.service,
                    file: places.pins.first().map(|pin| pin.file.clone()).unwrap_or_default(),
                    applied: None,
                    value: String::new(),
                    previous: String::new(),
                    since: Instant::now(),
                    takes: Duration::from_millis(250 + 120 * u64::try_from(index).unwrap_or_default()),
                });
            }
        }
    }
    found
}

impl Service {
    /// Takes over the tip. A commit that does not change this service's value starts no rollout.
    fn follow(&mut self, repo: &Repository, tip: Oid) {
        if self.applied == Some(tip) {
            return;
        }
        let Some(value) = pinned(repo, tip, &self.file) else { return };
        if value != self.value {
            let old = std::mem::replace(&mut self.value, value);
            self.since = match self.applied {
                Some(_) => Instant::now(),
                // What was there before the agent runs for long.
                None => Instant::now().checked_sub(self.takes * 2).unwrap_or_else(Instant::now),
            };
            self.previous = old;
        }
        self.applied = Some(tip);
    }

    fn answer(&self, faults: &Faults) -> Answer {
        let age = self.since.elapsed();
        let broken = match faults.of(&self.environment, &self.name) {
            Some(Sort::NewIsBroken) => self.value == NEW,
            Some(Sort::NeverComesBack) => self.previous == NEW,
            None => false,
        };
        let (sync, health) = match (age < Duration::from_millis(100), age < self.takes, broken) {
            (true, _, _) => ("pending", "unknown"),
            (false, true, _) => ("synced", "progressing"),
            (false, false, true) => ("synced", "degraded"),
            (false, false, false) => ("synced", "healthy"),
        };
        let (reason, log) = match health {
            "degraded" => self.trouble(),
            _ => (String::new(), Vec::new()),
        };
        Answer {
            api: 1,
            revision: self.applied.map(|id| id.to_string()),
            sync: sync.to_owned(),
            health: health.to_owned(),
            reason,
            log,
        }
    }

    fn trouble(&self) -> (String, Vec<String>) {
        let (name, value) = (&self.name, &self.value);
        match self.value == NEW {
            true => (
                format!("pod {name}-7c9d5 CrashLoopBackOff: cannot load data package {value}"),
                vec![
                    format!("INFO  {name} starts with data version {value}"),
                    "ERROR stop_times.bin: checksum mismatch".to_owned(),
                    "ERROR exiting with code 3".to_owned(),
                ],
            ),
            false => (
                format!("pod {name}-5f6b8 not ready: its volume still holds {NEW}"),
                vec![
                    format!("INFO  {name} starts with data version {value}"),
                    format!("ERROR /data is locked by an older process ({NEW})"),
                ],
            ),
        }
    }
}

fn pinned(repo: &Repository, tip: Oid, file: &str) -> Option<String> {
    let tree = repo.find_commit(tip).ok()?.tree().ok()?;
    let blob = tree.get_path(Path::new(file)).ok()?.to_object(repo).ok()?.peel_to_blob().ok()?;
    let values: serde_yaml::Value = serde_yaml::from_slice(blob.content()).ok()?;
    values.get("data")?.get("timetable")?.get("version")?.as_str().map(str::to_owned)
}
