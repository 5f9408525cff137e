//! The GitOps agent: a thread that follows the branches of the bare repository and writes what `cat` answers with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use git2::{Oid, Repository};
use toml_edit::DocumentMut;

/// How often the agent looks.
const LOOK: Duration = Duration::from_millis(15);

/// The agent until it is dropped.
pub(super) struct Agent {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    root: PathBuf,
    state: Mutex<State>,
    ends: AtomicBool,
}

#[derive(Default)]
struct State {
    services: BTreeMap<(String, String), Follower>,
}

/// A service as the agent knows it.
#[derive(Default, Clone)]
struct Follower {
    branch: String,
    fault: Fault,
    applied: Option<Oid>,
    values: Vec<String>,
    said: String,
}

/// How a service behaves.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Fault {
    /// As it should.
    #[default]
    None,
    /// Degraded on this version.
    BreaksOn(String),
    /// Progressing for ever on this version.
    StallsOn(String),
    /// Degraded once it has changed this often, counted from the start, and its sync fails: nobody has to wait for
    /// that to be certain.
    AfterChanges(usize),
    /// The agent gives no answer.
    Silent,
    /// The agent stays at what it had applied.
    Stuck,
    /// Its sync fails, and the agent does not say of which commit.
    FailsUnnamed,
}

/// A service, to say how it behaves from now on.
pub struct Service<'a> {
    agent: &'a Agent,
    key: (String, String),
}

impl Service<'_> {
    /// It does not come up on this version.
    pub fn breaks_on(&self, version: &str) {
        self.set(|_| Fault::BreaksOn(version.to_owned()));
    }

    /// It stays on its way on this version, without end.
    pub fn stalls_on(&self, version: &str) {
        self.set(|_| Fault::StallsOn(version.to_owned()));
    }

    /// The next version works; once it is taken away again, nothing works any more.
    pub fn never_comes_back(&self) {
        self.set(|follower| Fault::AfterChanges(follower.values.len() + 1));
    }

    /// The agent cannot be asked about it.
    pub fn is_silent(&self) {
        self.set(|_| Fault::Silent);
    }

    /// The agent does not apply new commits.
    pub fn is_stuck(&self) {
        self.set(|_| Fault::Stuck);
    }

    /// Its sync fails, and the agent does not say of which commit.
    pub fn fails_unnamed(&self) {
        self.set(|_| Fault::FailsUnnamed);
    }

    /// It works again.
    pub fn heals(&self) {
        self.set(|_| Fault::None);
    }

    fn set(&self, fault: impl FnOnce(&Follower) -> Fault) {
        let mut state = self.agent.shared.state.lock().unwrap();
        let follower = state.services.get_mut(&self.key).unwrap_or_else(|| panic!("no {:?}", self.key));
        follower.fault = fault(follower);
        follower.say(&self.agent.shared.root, &self.key);
    }
}

impl Agent {
    /// Starts to follow.
    pub(super) fn start(root: &Path, config: &DocumentMut) -> Self {
        let shared =
            Arc::new(Shared { root: root.to_owned(), state: Mutex::default(), ends: AtomicBool::new(false) });
        let mut agent = Self { shared: shared.clone(), thread: None };
        agent.learn(config);
        let repo = Repository::open_bare(root.join("environments.git")).unwrap();
        shared.follow(&repo);
        agent.thread = Some(std::thread::spawn(move || {
            while !shared.ends.load(Ordering::Relaxed) {
                shared.follow(&repo);
                std::thread::sleep(LOOK);
            }
        }));
        agent
    }

    /// Takes environments, services and branches from a configuration.
    pub(super) fn learn(&self, config: &DocumentMut) {
        let all = &config["dataset"]["timetable"]["services"];
        let mut state = self.shared.state.lock().unwrap();
        for (environment, keys) in config["environment"].as_table().unwrap().iter() {
            let services = keys.get("services").unwrap_or(all).as_array().unwrap();
            let branch = keys.get("branch").and_then(toml_edit::Item::as_str).unwrap_or("main");
            for service in services.iter().map(|name| name.as_str().unwrap()) {
                let key = (environment.to_owned(), service.to_owned());
                state.services.entry(key).or_default().branch = branch.to_owned();
            }
        }
    }

    pub(super) fn service(&self, environment: &str, name: &str) -> Service<'_> {
        Service { agent: self, key: (environment.to_owned(), name.to_owned()) }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn follow(&self, repo: &Repository) {
        let mut state = self.state.lock().unwrap();
        for (key, follower) in &mut state.services {
            let Ok(tip) = repo.refname_to_id(&format!("refs/heads/{}", follower.branch)) else { continue };
            if follower.applied == Some(tip) || follower.fault == Fault::Stuck {
                continue;
            }
            let Some(value) = super::reading::pinned(repo, tip, &key.0, &key.1) else { continue };
            if follower.values.last() != Some(&value) {
                follower.values.push(value);
            }
            follower.applied = Some(tip);
            follower.say(&self.root, key);
        }
    }
}

impl Follower {
    fn say(&mut self, root: &Path, (environment, service): &(String, String)) {
        let file = root.join("agent").join(environment).join(format!("{service}.json"));
        let value = self.values.last().cloned().unwrap_or_default();
        let health = match &self.fault {
            Fault::Silent => {
                let _ = std::fs::remove_file(file);
                self.said.clear();
                return;
            }
            Fault::BreaksOn(version) if *version == value => "degraded",
            Fault::AfterChanges(changes) if self.values.len() > *changes => "degraded",
            Fault::StallsOn(version) if *version == value => "progressing",
            _ => "healthy",
        };
        let (reason, log) = match health {
            "degraded" => {
                (format!("{service} cannot load {value}"), vec![format!("ERROR {value}: checksum")])
            }
            _ => (String::new(), Vec::new()),
        };
        let named = self.applied.map(|id| id.to_string());
        let (sync, revision) = match self.fault {
            Fault::FailsUnnamed => ("failed", None),
            Fault::AfterChanges(changes) if self.values.len() > changes => ("failed", named),
            _ => ("synced", named),
        };
        let answer = serde_json::json!({
            "api": 1, "revision": revision, "sync": sync, "health": health, "reason": reason, "log": log,
        });
        let text = answer.to_string();
        if text != self.said {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let new = file.with_extension("new");
            std::fs::write(&new, &text).unwrap();
            std::fs::rename(&new, &file).unwrap();
            self.said = text;
        }
    }
}
