//! A demo's world: a bare repository with the sample environments, and the processes around it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use git2::{Repository, RepositoryInitOptions, Signature};
use include_dir::{Dir, include_dir};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use toml_edit::{Array, DocumentMut, value};

use super::scenario::Scenario;
use super::state::{Faults, answer_file};
use crate::cli::runs::CommandError;
use crate::exit::Exit;

static ENVIRONMENTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/environments");

/// How long the simulated processes have to be there.
const READY: Duration = Duration::from_secs(10);

/// A demo's world. Its processes end with it.
pub struct World {
    dir: PathBuf,
    own: PathBuf,
    around: Vec<Child>,
}

impl World {
    /// Makes repository and configuration, starts agent and chat, and creates the queue.
    pub async fn make(dir: &Path) -> Result<Self, CommandError> {
        let missing = |what: String| CommandError::Missing(what);
        std::fs::create_dir_all(dir).map_err(super::local("making the demo's directory"))?;
        let dir = dir.canonicalize().map_err(super::local("finding the demo's directory"))?;
        let own = std::env::current_exe().map_err(super::local("finding this program"))?;
        repository(&dir.join("environments.git"))
            .map_err(|error| missing(format!("making the demo's repository: {error}")))?;
        let configuration = configuration(&dir, &own).map_err(missing)?;
        std::fs::write(dir.join("datapin.toml"), configuration)
            .map_err(super::local("writing the demo's configuration"))?;
        let mut world = Self { dir, own, around: Vec::new() };
        for part in ["agent", "chat"] {
            let child = world.command(&["demo-part", part, &world.dir.display().to_string()]).spawn();
            world.around.push(child.map_err(super::local("starting the demo's processes"))?);
        }
        world.ready().await?;
        world.run_quietly(&["init"]).await?;
        Ok(world)
    }

    async fn ready(&self) -> Result<(), CommandError> {
        let begun = Instant::now();
        let last = answer_file(&self.dir, "prd", "remo");
        while !(self.dir.join("chat.url").exists() && last.exists()) {
            if begun.elapsed() > READY {
                return Err(CommandError::Missing(format!(
                    "agent and chat of the demo are not there after {READY:?}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The demo's own program with its own configuration, and nothing of a CI job around it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.own);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CI_", "DATAPIN_", "GITLAB_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .arg("--config")
            .arg(self.dir.join("datapin.toml"))
            .arg("--cache")
            .arg(self.dir.join("cache"))
            .args(["--actor", "anna"])
            .args(args)
            .current_dir(&self.dir)
            .kill_on_drop(true);
        command
    }

    /// A run that is shown.
    pub async fn openly(&self, pipeline: &str, version: &str) -> Result<Exit, CommandError> {
        let mut command = self.command(&["deploy", pipeline, version]);
        let status = command.status().await.map_err(super::local("running datapin"))?;
        Ok(Exit::from_code(status.code()))
    }

    /// A run that has to go well, with its output in `setup.log`.
    pub async fn quietly(&self, pipeline: &str, version: &str) -> Result<(), CommandError> {
        self.run_quietly(&["deploy", pipeline, version]).await
    }

    async fn run_quietly(&self, args: &[&str]) -> Result<(), CommandError> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("setup.log"));
        let log = log.map_err(super::local("writing setup.log"))?;
        let too = log.try_clone().map_err(super::local("writing setup.log"))?;
        let status = self.command(args).stdin(Stdio::null()).stdout(log).stderr(too).status().await;
        match status.map_err(super::local("running datapin"))?.code() {
            Some(0) => Ok(()),
            code => Err(CommandError::Missing(format!(
                "setting up the demo: `datapin {}` ended with {code:?}; see {}",
                args.join(" "),
                self.dir.join("setup.log").display()
            ))),
        }
    }

    /// The setting up is over: what the chat heard of it is no news, and from here on what the scenario says does
    /// not work.
    pub fn begin(&self, scenario: &Scenario) -> std::io::Result<()> {
        std::fs::write(self.dir.join("chat.log"), "")?;
        let faults = Faults {
            services: scenario
                .faults
                .iter()
                .map(|fault| (format!("{}/{}", fault.environment, fault.service), fault.sort))
                .collect(),
            gates: scenario.failing_gates.iter().map(|gate| (*gate).to_owned()).collect(),
        };
        super::state::write_whole(&self.dir.join("faults.json"), &serde_json::to_vec(&faults)?)
    }

    /// Ends the processes around it; what they wrote stays.
    pub async fn end(mut self) {
        for child in &mut self.around {
            let _ = child.kill().await;
        }
    }
}

fn repository(path: &Path) -> Result<(), git2::Error> {
    let repo = Repository::init_opts(
        path,
        RepositoryInitOptions::new().bare(true).initial_head("main").mkpath(true),
    )?;
    let mut index = git2::Index::new()?;
    add(&repo, &mut index, &ENVIRONMENTS)?;
    let tree = repo.find_tree(index.write_tree_to(&repo)?)?;
    let who = Signature::now("Sample", "sample@example.com")?;
    repo.commit(Some("refs/heads/main"), &who, &who, "The sample environments\n", &tree, &[])?;
    Ok(())
}

fn add(repo: &Repository, index: &mut git2::Index, dir: &Dir<'_>) -> Result<(), git2::Error> {
    for file in dir.files() {
        let id = repo.blob(file.contents())?;
        index.add(&git2::IndexEntry {
            ctime: git2::IndexTime::new(0, 0),
            mtime: git2::IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id,
            flags: 0,
            flags_extended: 0,
            path: file.path().to_string_lossy().into_owned().into_bytes(),
        })?;
    }
    dir.dirs().try_for_each(|dir| add(repo, index, dir))
}

/// The sample's own configuration, with the demo's repository, agent, gates and chat.
fn configuration(dir: &Path, own: &Path) -> Result<String, String> {
    let sample = ENVIRONMENTS.get_file("datapin.toml").and_then(|file| file.contents_utf8());
    let mut text: DocumentMut =
        sample.unwrap_or_default().parse().map_err(|error| format!("the sample's datapin.toml: {error}"))?;
    let part = |name: &str| -> Array {
        [own.display().to_string(), "demo-part".to_owned(), name.to_owned(), dir.display().to_string()]
            .into_iter()
            .collect()
    };
    text["repository"]["url"] = value(dir.join("environments.git").display().to_string());
    for (_, environment) in
        text["environment"].as_table_mut().into_iter().flat_map(toml_edit::Table::iter_mut)
    {
        environment["agent"]["command"] = value(part("observe"));
        environment["agent"]["interval"] = value("100ms");
        environment["sync_timeout"] = value("20s");
        environment["rollback_timeout"] = value("5s");
    }
    for (_, gate) in text["gate"].as_table_mut().into_iter().flat_map(toml_edit::Table::iter_mut) {
        gate["command"] = value(part("gate"));
    }
    text["queue"]["default"]["ttl"] = value("5s");
    text["queue"]["default"]["start_grace"] = value("5s");
    text["notify"]["rocketchat"]["webhook"]["file"] = value(dir.join("chat.url").display().to_string());
    Ok(text.to_string())
}
