//! Repositories, and the library's settings for them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use datapin::repo::{Credential, Limits, Location, Repo, Settings, Signature, Signing};

use crate::transport::{HttpServer, fast_import, git, inline};

/// Services of the pipeline `int`.
pub const SERVICES: [&str; 4] = ["mds", "fbv", "kv", "remo"];
/// Branch of the queue.
pub const QUEUE: &str = "datapin/queue";

/// A directory with repositories and the http server in front of them.
pub struct World {
    dir: tempfile::TempDir,
    pub server: HttpServer,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("datapin-bench-").tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("srv")).unwrap();
        let server = HttpServer::start(&dir.path().join("srv"), None);
        Self { dir, server }
    }

    /// A path of ours.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An empty bare repository that takes pushes over http.
    pub fn bare(&self, name: &str) -> PathBuf {
        let path = self.path("srv").join(name);
        std::fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        git(&path, &["config", "http.receivepack", "true"]);
        // as on a server that cares for itself: no measurement is hit by a repack in the middle
        git(&path, &["config", "receive.autogc", "false"]);
        path
    }

    /// A bare repository with the values of [`SERVICES`] in `int` and so many files in all.
    pub fn environments(&self, name: &str, files: usize) -> PathBuf {
        let path = self.bare(name);
        let mut stream =
            "commit refs/heads/main\ncommitter Dev <dev@example.org> 1700000000 +0000\n".to_owned();
        stream += "data 5\nfirst\n";
        for service in SERVICES {
            stream += &inline("100644", &values_file(service), &values(service, "2026.11.20-2"));
        }
        for number in SERVICES.len()..files {
            let file = format!("values/e{:02}/s{number:05}.yaml", number % 100);
            stream += &inline("100644", &file, &values(&format!("s{number}"), "2026.11.20-2"));
        }
        fast_import(&path, &stream);
        path
    }

    /// The repository behind a URL or path, kept in a cache of that name.
    pub fn repo(&self, url: &str, cache: &str) -> Repo {
        Repo::open(settings(url, &self.path("caches").join(cache))).unwrap()
    }
}

pub fn values_file(service: &str) -> String {
    format!("values/int/{service}.yaml")
}

/// A values file as services have it.
pub fn values(service: &str, version: &str) -> String {
    let mut text = format!(
        "# {service}: an integration environment.\n\nimage:\n  repository: registry.example.com/{service}\n  \
         tag: 7.0.2\n\ndata:\n  timetable:\n    version: '{version}'   # data, not software\n\ncache:\n  \
         size: 128 # MiB\n\nenv:\n"
    );
    for number in 0..12 {
        let _ = writeln!(text, "  - name: SETTING_{number}\n    value: {service}-{number}");
    }
    text
}

/// A configuration with one environment `int`.
pub fn config(url: &str, ttl: &str) -> String {
    format!(
        r#"[repository]
url = "{url}"
branch = "main"

[dataset.timetable]
services = ["mds", "fbv", "kv", "remo"]
pin = {{ file = "values/{{environment}}/{{service}}.yaml", path = "data.timetable.version" }}

[environment.int]
agent = {{ kind = "command", command = ["false"] }}

[pipeline.int]
stages = [{{ environment = "int" }}]

[queue.default]
branch = "{QUEUE}"
ttl = "{ttl}"
"#
    )
}

pub fn settings(url: &str, cache: &Path) -> Settings {
    let bot = || Signature { name: "datapin".to_owned(), email: "datapin@example.org".to_owned() };
    Settings {
        location: Location::parse(url).unwrap(),
        credential: Credential::Ambient,
        author: bot(),
        committer: bot(),
        signing: Signing::None,
        limits: Limits { total: Duration::from_secs(120), ..Limits::default() },
        cache: cache.to_owned(),
        identities: Vec::new(),
        known_hosts: None,
    }
}
