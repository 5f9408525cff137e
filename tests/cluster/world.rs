//! A world in the bed: a repository, a namespace of its name, and the agents' objects that deploy the one into the other.
//!
//! ```ignore
//! let world = World::plain("good", &["mds", "fbv"]);
//! world.under_argocd();
//! world.configure(&world.argocd());
//! world.datapin(&["deploy", "int", NEW]).run().code(0);
//! assert_eq!(world.running("mds"), [NEW]);
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::RwLockReadGuard;
use std::time::Duration;

use serde_json::Value;

use crate::bed::{bed, calm, until};
use crate::bot::Bot;

#[path = "world/deployers.rs"]
mod deployers;

/// The version that every repository begins with.
pub const OLD: &str = "2026.11.20-2";
/// The version that most tests deploy.
pub const NEW: &str = "2026.11.23-1";
/// How long an agent may take for something.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The pin of plain manifests.
const PLAIN: &str = r#"{ file = "{environment}/{service}/service.yaml", path = "spec.template.spec.containers[0].env[name=DATA_VERSION].value" }"#;
/// The pin of a HelmRelease.
const RELEASE: &str =
    r#"{ file = "{environment}/{service}/release.yaml", path = "spec.values.data.timetable.version" }"#;
/// The pin of the sample.
const SAMPLE: &str = r#"{ file = "values/{environment}/{service}.yaml", path = "data.timetable.version" }"#;

/// A world.
pub struct World {
    name: String,
    services: Vec<String>,
    pin: &'static str,
    dir: tempfile::TempDir,
    _calm: Calm,
}

/// Keeps the bed's programs up; `None` in a test that ends some itself.
type Calm = Option<RwLockReadGuard<'static, ()>>;

/// The repository's folder of that name.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs git, without the configuration of this machine, and gives what it printed.
#[track_caller]
pub fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GIT_")) {
        command.env_remove(name);
    }
    command.args(["-c", "user.name=Dev", "-c", "user.email=dev@example.org"]).args(args).current_dir(dir);
    command.env("HOME", dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

impl World {
    /// Plain manifests of these services, of `mds`, `fbv` (Deployments), `kv` (a StatefulSet) and `remo` (a DaemonSet).
    pub fn plain(name: &str, services: &[&str]) -> Self {
        Self::plain_folders(name, services, Some(calm()))
    }

    /// The same for a test that ends the bed's programs: it holds [`crate::bed::alone`].
    pub fn plain_alone(name: &str, services: &[&str]) -> Self {
        Self::plain_folders(name, services, None)
    }

    fn plain_folders(name: &str, services: &[&str], calm: Calm) -> Self {
        let folders: Vec<_> = services
            .iter()
            .map(|service| (format!("fixtures/cluster/plain/int/{service}"), format!("int/{service}")))
            .collect();
        Self::new(name, services, PLAIN, &folders, calm)
    }

    /// One service, `remo`, that Flux deploys by a HelmRelease with the sample's chart.
    pub fn helm(name: &str) -> Self {
        let folders = [("fixtures/cluster/helm/int", "int"), ("environments/charts", "charts")];
        let folders: Vec<_> =
            folders.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Self::new(name, &["remo"], RELEASE, &folders, Some(calm()))
    }

    /// The sample repository as it is.
    pub fn sample(name: &str) -> Self {
        let folders = [("environments".to_owned(), ".".to_owned())];
        Self::new(name, &["mds", "fbv", "kv", "remo"], SAMPLE, &folders, Some(calm()))
    }

    fn new(
        name: &str,
        services: &[&str],
        pin: &'static str,
        folders: &[(String, String)],
        calm: Calm,
    ) -> Self {
        // A bed of DATAPIN_BED sees many runs: no name comes twice.
        let name = format!("{name}-{}", ulid::Ulid::generate().to_string().to_lowercase().split_off(20));
        let dir = tempfile::Builder::new().prefix("datapin-cluster-").tempdir().unwrap();
        let services = services.iter().map(|service| (*service).to_owned()).collect();
        let world = Self { name, services, pin, dir, _calm: calm };
        world.seed(folders);
        bed().kubectl(&["create", "namespace", &world.name]);
        world
    }

    /// The folders' files, with this world's name in them, as the first commit of a bare repository and in a checkout.
    fn seed(&self, folders: &[(String, String)]) {
        let bare = self.bare();
        std::fs::create_dir_all(&bare).unwrap();
        git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        git(&bare, &["config", "http.receivepack", "true"]);
        git(self.dir.path(), &["clone", "--quiet", bare.to_str().unwrap(), "person"]);
        for (from, to) in folders {
            copy(&folder(from), &self.checkout().join(to), &|text| self.filled(&text));
        }
        git(&self.checkout(), &["add", "--all"]);
        git(&self.checkout(), &["commit", "--quiet", "--message", "The first of it"]);
        git(&self.checkout(), &["push", "--quiet", "origin", "HEAD:main"]);
    }

    fn filled(&self, text: &str) -> String {
        text.replace("@WORLD@", &self.name)
    }

    fn object(&self, file: &str, service: &str) -> String {
        let text = std::fs::read_to_string(folder("fixtures/cluster/objects").join(file)).unwrap();
        self.filled(&text).replace("@SERVICE@", service)
    }

    /// Its folder, where datapin's configuration is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its namespace, and the name of its repository.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn bare(&self) -> PathBuf {
        bed().dir().join("git").join(format!("{}.git", self.name))
    }

    fn checkout(&self) -> PathBuf {
        self.dir.path().join("person")
    }

    /// The file of a service in a plain repository.
    pub fn file_of(service: &str) -> String {
        format!("int/{service}/service.yaml")
    }

    /// A commit by a person on what is at the tip of main; in each file a text is replaced. The commit's id.
    #[track_caller]
    pub fn push(&self, edits: &[(&str, &str, &str)]) -> String {
        let checkout = self.checkout();
        git(&checkout, &["fetch", "--quiet", "origin", "main"]);
        git(&checkout, &["checkout", "--quiet", "--force", "-B", "work", "FETCH_HEAD"]);
        for (file, from, to) in edits {
            let text = std::fs::read_to_string(checkout.join(file)).unwrap();
            assert!(text.contains(from), "{file} has no `{from}`:\n{text}");
            std::fs::write(checkout.join(file), text.replace(from, to)).unwrap();
        }
        git(&checkout, &["commit", "--quiet", "--all", "--message", "By hand"]);
        git(&checkout, &["push", "--quiet", "origin", "HEAD:main"]);
        git(&checkout, &["rev-parse", "HEAD"])
    }

    /// A file at the tip of main.
    #[track_caller]
    pub fn file(&self, path: &str) -> String {
        git(&self.bare(), &["show", &format!("main:{path}")])
    }

    /// The tip of main.
    pub fn tip(&self) -> String {
        git(&self.bare(), &["rev-parse", "main"])
    }

    /// The subjects of main, newest first.
    pub fn log(&self) -> Vec<String> {
        git(&self.bare(), &["log", "--format=%s", "main"]).lines().map(str::to_owned).collect()
    }

    /// The data versions that a service's running pods carry.
    #[track_caller]
    pub fn running(&self, service: &str) -> Vec<String> {
        let pods = bed().kubectl(&["-n", &self.name, "get", "pods", "-o", "json"]);
        let pods: Value = serde_json::from_str(&pods).unwrap();
        let pods = pods["items"].as_array().unwrap().iter();
        let living = pods.filter(|pod| pod["metadata"].get("deletionTimestamp").is_none());
        let containers = living.flat_map(|pod| pod["spec"]["containers"].as_array().unwrap());
        let of_service = containers.filter(|container| container["name"] == service);
        let variables = of_service.flat_map(|container| container["env"].as_array().unwrap());
        let versions = variables.filter(|variable| variable["name"] == "DATA_VERSION");
        let versions: BTreeSet<_> = versions.map(|v| v["value"].as_str().unwrap().to_owned()).collect();
        versions.into_iter().collect()
    }

    /// Waits until a service's pods carry this version and nothing else.
    #[track_caller]
    pub fn settles_on(&self, service: &str, version: &str) {
        until(&format!("{service} of {} runs {version}", self.name), LIMIT, || {
            let running = self.running(service);
            if running == [version] { Ok(()) } else { Err(format!("{running:?}")) }
        });
    }

    /// Waits until the tip of main pins a service to this version.
    #[track_caller]
    pub fn is_pinned(&self, service: &str, version: &str) {
        until(&format!("{service} of {} is pinned to {version}", self.name), LIMIT, || {
            let file = self.file(&Self::file_of(service));
            if file.contains(version) { Ok(()) } else { Err(file) }
        });
    }

    /// Writes datapin's configuration with this agent for `int`, changed as text, and makes the queue.
    #[track_caller]
    pub fn configure(&self, agent: &str, change: impl FnOnce(String) -> String) {
        let services: Vec<_> = self.services.iter().map(|service| format!("\"{service}\"")).collect();
        let text = std::fs::read_to_string(folder("fixtures/cluster/datapin.toml")).unwrap();
        let text = self.filled(&text).replace("@AGENT@", agent).replace("@SERVICES@", &services.join(", "));
        let text = text.replace("@PIN@", self.pin);
        std::fs::write(self.dir.path().join("datapin.toml"), change(text)).unwrap();
        self.datapin(&["init"]).run().code(0);
    }

    /// The real datapin with that configuration.
    pub fn datapin(&self, args: &[&str]) -> Bot {
        Bot::new(self.dir.path().to_owned(), args)
    }
}

/// Its objects go with it, so that the bed stays as fast as at its start.
impl Drop for World {
    fn drop(&mut self) {
        let label = format!("world={}", self.name);
        let kinds = [
            "application.argoproj.io",
            "kustomization.kustomize.toolkit.fluxcd.io",
            "gitrepository",
            "secret",
            "appproject",
        ];
        for kind in kinds {
            let _ = bed().try_kubectl(&["delete", "--all-namespaces", "--wait=false", "-l", &label, kind]);
        }
        let _ = bed().try_kubectl(&["delete", "--wait=false", "namespace", &self.name]);
    }
}

/// Copies a folder, with the text of each file changed.
fn copy(from: &Path, to: &Path, change: &dyn Fn(String) -> String) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to, change);
        } else {
            std::fs::write(to, change(std::fs::read_to_string(from).unwrap())).unwrap();
        }
    }
}
