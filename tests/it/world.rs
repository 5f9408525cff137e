//! A world for the real binary: a real bare repository made from `environments/`, an agent that follows it, gates,
//! and bots. Nothing of this machine's configuration, home or CI job reaches it.
//!
//! ```ignore
//! let world = World::new();
//! world.verified("int", "2026.11.20-2");
//! world.service("int", "kv").breaks_on("2026.11.23-1");
//! world.datapin(&["deploy", "int", "2026.11.23-1"]).run().code(10);
//! assert_eq!(world.pinned("int", "kv"), "2026.11.20-2");
//! ```

mod agent;
mod bot;
mod gate;
mod reading;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use toml_edit::{Array, DocumentMut, value};

pub use agent::Service;
pub use bot::{Bot, Done, Running, Signal};
pub use gate::Gate;
pub use reading::{Queue, pinned as pinned_at};

use crate::chat::Chat;
use crate::transport::{HttpServer, SshServer, git, git_command};

/// Version that the sample repository begins with.
pub const OLD: &str = "2026.11.20-2";
/// Version that most tests deploy.
pub const NEW: &str = "2026.11.23-1";
/// The branch that is the queue.
pub const QUEUE: &str = "datapin/queue";

/// How bots reach the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A path.
    File,
    /// `git http-backend`.
    Http,
    /// sshd.
    Ssh,
}

/// A world. Its agent and servers end with it.
pub struct World {
    dir: tempfile::TempDir,
    agent: agent::Agent,
    chat: Option<Chat>,
    _http: Option<HttpServer>,
    ssh: Option<SshServer>,
}

impl World {
    /// A world whose bots reach the repository by its path, with a queue.
    pub fn new() -> Self {
        Self::over(Transport::File)
    }

    /// The same over a transport.
    pub fn over(transport: Transport) -> Self {
        let world = Self::without_queue(transport);
        world.datapin(&["init"]).run().code(0);
        world
    }

    /// A world in which `datapin init` was not run yet.
    pub fn without_queue(transport: Transport) -> Self {
        let dir = tempfile::Builder::new().prefix("datapin-world-").tempdir().unwrap();
        let root = dir.path();
        repository(&root.join("environments.git"));
        gate::write(root);
        let http = (transport == Transport::Http).then(|| HttpServer::start(root, None));
        let ssh = (transport == Transport::Ssh).then(|| SshServer::start(root));
        let mut text = sample();
        local(&mut text, root);
        let url = match (&http, &ssh) {
            (Some(server), _) => server.url("environments.git"),
            (_, Some(server)) => server.url("environments.git"),
            (None, None) => root.join("environments.git").display().to_string(),
        };
        text["repository"]["url"] = value(url);
        if let Some(server) = &ssh {
            text["repository"]["ssh_key"]["file"] = value(server.key().display().to_string());
            text["repository"]["known_hosts"] = value(server.known_hosts().display().to_string());
        }
        std::fs::write(root.join("datapin.toml"), text.to_string()).unwrap();
        let agent = agent::Agent::start(root, &text);
        Self { dir, agent, chat: None, _http: http, ssh }
    }

    /// Directory of everything.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The bare repository.
    pub fn bare(&self) -> PathBuf {
        self.dir().join("environments.git")
    }

    /// Changes `datapin.toml`, as every bot reads it that has none of its own.
    pub fn config(&self, change: impl FnOnce(&mut DocumentMut)) {
        let text = self.changed(change);
        std::fs::write(self.dir().join("datapin.toml"), text.to_string()).unwrap();
        self.agent.learn(&text);
    }

    /// Writes a changed copy of `datapin.toml`, for [`Bot::config`].
    pub fn another_config(&self, name: &str, change: impl FnOnce(&mut DocumentMut)) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, self.changed(change).to_string()).unwrap();
        path
    }

    fn changed(&self, change: impl FnOnce(&mut DocumentMut)) -> DocumentMut {
        let text = std::fs::read_to_string(self.dir().join("datapin.toml")).unwrap();
        let mut text: DocumentMut = text.parse().unwrap();
        change(&mut text);
        text
    }

    /// How long a silent run is left alone.
    pub fn ttl(&self, ttl: &str) {
        self.config(|text| text["queue"]["default"]["ttl"] = value(ttl));
    }

    /// Announces to a chat of this world.
    pub fn with_chat(mut self) -> Self {
        let chat = Chat::start();
        std::fs::write(self.dir().join("chat.url"), chat.webhook_url()).unwrap();
        let file = self.dir().join("chat.url").display().to_string();
        self.config(|text| text["notify"]["rocketchat"]["webhook"]["file"] = value(file));
        self.chat = Some(chat);
        self
    }

    /// The chat of [`World::with_chat`].
    pub fn chat(&self) -> &Chat {
        self.chat.as_ref().expect("World::with_chat")
    }

    /// A private key that the ssh server does not know.
    pub fn stranger(&self) -> PathBuf {
        self.ssh.as_ref().expect("Transport::Ssh").strange_key()
    }

    /// A service, to say how it behaves. Without that it is healthy as soon as its commit is there.
    pub fn service(&self, environment: &str, name: &str) -> Service<'_> {
        self.agent.service(environment, name)
    }

    /// A gate, to say how it judges. Without that it passes at once.
    pub fn gate(&self, name: &str) -> Gate<'_> {
        Gate::new(self.dir(), name)
    }

    /// A process of the real binary, as the bot `anna`.
    pub fn datapin(&self, args: &[&str]) -> Bot {
        Bot::new(self.dir(), args)
    }

    /// Deploys a version, which has to go well: what was there before.
    pub fn verified(&self, pipeline: &str, version: &str) {
        self.datapin(&["deploy", pipeline, version]).run().code(0);
    }

    /// Waits until a condition holds; panics with the queue and the target branch as they are after `limit`.
    pub fn until(&self, what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(
                begun.elapsed() < limit,
                "{what}: not within {limit:?}\nqueue: {}\nmain:\n{}",
                self.queue(),
                self.log("main").iter().map(|commit| format!("  {}\n", commit.subject)).collect::<String>(),
            );
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// A commit by a person, pushed with plain git: in each file a text is replaced. The commit's id.
    pub fn push_as_person(&self, edits: &[(&str, &str, &str)], message: &str) -> String {
        self.push_as_person_to("main", edits, message)
    }

    /// The same on another branch.
    pub fn push_as_person_to(&self, branch: &str, edits: &[(&str, &str, &str)], message: &str) -> String {
        let checkout = self.checkout(branch);
        for (file, from, to) in edits {
            let path = checkout.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{file} has no `{from}`:\n{text}");
            std::fs::write(&path, text.replace(from, to)).unwrap();
        }
        git(&checkout, &["commit", "--quiet", "--all", "--message", message]);
        git(&checkout, &["push", "--quiet", "origin", &format!("HEAD:{branch}")]);
        git(&checkout, &["rev-parse", "HEAD"])
    }

    /// A person's checkout of a branch as it is now.
    pub fn checkout(&self, branch: &str) -> PathBuf {
        let checkout = self.dir().join("person");
        if !checkout.exists() {
            let bare = self.bare().display().to_string();
            git(self.dir(), &["clone", "--quiet", "--branch", branch, &bare, "person"]);
        }
        git(&checkout, &["fetch", "--quiet", "origin", branch]);
        git(&checkout, &["checkout", "--quiet", "--force", "-B", "work", "FETCH_HEAD"]);
        checkout
    }
}

/// The repository's `environments/` as the first commit of a bare repository.
fn repository(path: &Path) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments");
    std::fs::create_dir_all(path).unwrap();
    git(path, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
    git(path, &["config", "http.receivepack", "true"]);
    let tree = git_command(&sample)
        .arg("--git-dir")
        .arg(path)
        .args(["--work-tree", ".", "-c", "core.bare=false", "add", "--all", "."])
        .status();
    assert!(tree.unwrap().success(), "git add");
    let tree = git(path, &["write-tree"]);
    let commit = git(path, &["commit-tree", &tree, "-m", "The sample environments"]);
    git(path, &["update-ref", "refs/heads/main", &commit]);
}

/// The sample's own configuration.
fn sample() -> DocumentMut {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments/datapin.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// This world's agent and gates, and times for tests.
fn local(text: &mut DocumentMut, root: &Path) {
    let root = root.display();
    let words = |words: &[String]| -> Array { words.iter().map(String::as_str).collect() };
    for (_, environment) in text["environment"].as_table_mut().unwrap().iter_mut() {
        let file = format!("{root}/agent/{{environment}}/{{service}}.json");
        environment["agent"]["command"] = value(words(&["cat".to_owned(), file]));
        environment["agent"]["interval"] = value("100ms");
        environment["sync_timeout"] = value("20s");
        // a busy machine is no failure
        environment["rollback_timeout"] = value("40s");
    }
    for (name, gate) in text["gate"].as_table_mut().unwrap().iter_mut() {
        gate["command"] =
            value(words(&["/bin/sh".to_owned(), format!("{root}/gate.sh"), name.get().to_owned()]));
        gate["timeout"] = value("1m");
    }
    text["queue"]["default"]["ttl"] = value("6s");
    text["queue"]["default"]["start_grace"] = value("10s");
}
