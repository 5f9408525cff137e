//! What the repository says: the only witness of what bots did.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{Oid, Repository, Sort};
use serde_json::Value;

use super::{QUEUE, World};

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Id.
    pub id: String,
    /// First line.
    pub subject: String,
    /// The whole message.
    pub message: String,
    /// Who wrote it.
    pub author: String,
}

/// The tree of the queue branch.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    /// Tickets by number.
    pub tickets: Vec<Value>,
    /// Environments by name.
    pub environments: BTreeMap<String, Value>,
    /// History, oldest first.
    pub history: Vec<Value>,
    /// The table for people.
    pub readme: String,
    /// `queue.json`.
    pub queue: Value,
}

impl World {
    fn repo(&self) -> Repository {
        Repository::open_bare(self.bare()).unwrap()
    }

    /// Tip of a branch.
    pub fn tip(&self, branch: &str) -> String {
        self.repo().refname_to_id(&format!("refs/heads/{branch}")).unwrap().to_string()
    }

    /// The version that a service is pinned to at the tip of main.
    pub fn pinned(&self, environment: &str, service: &str) -> String {
        self.pinned_on("main", environment, service)
    }

    /// The same on another branch.
    pub fn pinned_on(&self, branch: &str, environment: &str, service: &str) -> String {
        let repo = self.repo();
        let tip = repo.refname_to_id(&format!("refs/heads/{branch}")).unwrap();
        pinned(&repo, tip, environment, service).unwrap()
    }

    /// The versions of an environment's services, each once.
    pub fn versions(&self, environment: &str) -> Vec<String> {
        let mut all: Vec<String> = ["mds", "fbv", "kv", "remo"]
            .into_iter()
            .filter(|service| self.file("main", &format!("values/{environment}/{service}.yaml")).is_some())
            .map(|service| self.pinned(environment, service))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// A file at the tip of a branch.
    pub fn file(&self, branch: &str, path: &str) -> Option<String> {
        let repo = self.repo();
        let tip = repo.refname_to_id(&format!("refs/heads/{branch}")).unwrap();
        read(&repo, tip, path)
    }

    /// Commits of a branch, newest first.
    pub fn log(&self, branch: &str) -> Vec<Commit> {
        let repo = self.repo();
        let mut walk = repo.revwalk().unwrap();
        walk.set_sorting(Sort::TOPOLOGICAL).unwrap();
        walk.push_ref(&format!("refs/heads/{branch}")).unwrap();
        walk.map(|id| commit(&repo, id.unwrap())).collect()
    }

    /// Subjects of main, newest first.
    pub fn subjects(&self) -> Vec<String> {
        self.log("main").into_iter().map(|commit| commit.subject).collect()
    }

    /// The queue as it is.
    pub fn queue(&self) -> Queue {
        let repo = self.repo();
        let mut queue = Queue::default();
        let Ok(tip) = repo.refname_to_id(&format!("refs/heads/{QUEUE}")) else { return queue };
        let tree = repo.find_commit(tip).unwrap().tree().unwrap();
        let mut files = BTreeMap::new();
        tree.walk(git2::TreeWalkMode::PreOrder, |dir, entry| {
            if let Ok(blob) = repo.find_blob(entry.id()) {
                let text = String::from_utf8(blob.content().to_owned()).unwrap();
                files.insert(format!("{dir}{}", entry.name().unwrap()), text);
            }
            git2::TreeWalkResult::Ok
        })
        .unwrap();
        for (path, text) in files {
            let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            match path.split_once('/') {
                Some(("tickets", _)) => queue.tickets.push(json(&text)),
                Some(("environments", name)) => {
                    queue.environments.insert(name.trim_end_matches(".json").to_owned(), json(&text));
                }
                Some(("history", _)) => queue.history.extend(text.lines().map(json)),
                None if path == "README.md" => queue.readme = text,
                None if path == "queue.json" => queue.queue = json(&text),
                _ => {}
            }
        }
        queue
    }

    /// The last history line.
    pub fn last(&self) -> Value {
        self.queue().history.last().cloned().unwrap_or_default()
    }

    /// The only ticket's state name, or nothing.
    pub fn state(&self) -> String {
        let queue = self.queue();
        let state = queue.tickets.first().map(|ticket| ticket["state"].clone()).unwrap_or_default();
        match state["step"].as_str() {
            Some(step) => step.to_owned(),
            None => state["name"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The version that an environment is verified with, by the record.
    pub fn verified_on(&self, environment: &str) -> Option<String> {
        let queue = self.queue();
        let sets = queue.environments.get(environment)?["datasets"]["timetable"]["verified"].clone();
        let good = |set: &&Value| set["standing"] == "good";
        sets.as_array()?.iter().rfind(good)?["version"].as_str().map(str::to_owned)
    }

    /// Why an environment is frozen, if it is.
    pub fn freeze(&self, environment: &str) -> Option<Value> {
        let freeze = self.queue().environments.get(environment)?["freeze"].clone();
        (!freeze.is_null()).then_some(freeze)
    }
}

impl std::fmt::Display for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for ticket in &self.tickets {
            let (number, version) = (&ticket["number"], &ticket["version"]);
            writeln!(f, "  #{number} {version} {} by {}", ticket["state"], ticket["driver"])?;
        }
        for line in &self.history {
            writeln!(f, "  ended: #{} {} {}", line["number"], line["version"], line["outcome"])?;
        }
        Ok(())
    }
}

fn commit(repo: &Repository, id: Oid) -> Commit {
    let commit = repo.find_commit(id).unwrap();
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    Commit {
        id: id.to_string(),
        subject: message.lines().next().unwrap_or_default().to_owned(),
        author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
        message,
    }
}

fn read(repo: &Repository, tip: Oid, path: &str) -> Option<String> {
    let tree = repo.find_commit(tip).ok()?.tree().ok()?;
    let blob = tree.get_path(Path::new(path)).ok()?.to_object(repo).ok()?.peel_to_blob().ok()?;
    String::from_utf8(blob.content().to_owned()).ok()
}

/// The version that a service is pinned to at a commit.
pub fn pinned(repo: &Repository, tip: Oid, environment: &str, service: &str) -> Option<String> {
    let text = read(repo, tip, &format!("values/{environment}/{service}.yaml"))?;
    let values: serde_yaml::Value = serde_yaml::from_str(&text).ok()?;
    values.get("data")?.get("timetable")?.get("version")?.as_str().map(str::to_owned)
}
