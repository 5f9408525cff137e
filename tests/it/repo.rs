//! The git layer against real repositories and real servers.
#![allow(clippy::expect_used)]

mod failures;
mod history;
mod location;
mod objects;
mod packs;
mod push;

use std::path::{Path, PathBuf};
use std::time::Duration;

use datapin::repo::{
    Change, CommitId, CommitTime, Content, Credential, Limits, Location, Pipelines, PushOptions, PushOutcome,
    Repo, Settings, Signature, Signing,
};

use crate::transport::{HttpServer, SshServer, bare};

/// A bare repository, a server in front of it, and a cache of our own.
struct Place {
    root: tempfile::TempDir,
    bare: PathBuf,
    url: String,
    credential: Credential,
    known_hosts: Option<PathBuf>,
    _http: Option<HttpServer>,
    _ssh: Option<SshServer>,
}

impl Place {
    fn local(commits: usize) -> Self {
        let root = tempfile::tempdir().expect("directory");
        let bare = bare(root.path(), "env.git", commits);
        let url = bare.display().to_string();
        Self { root, bare, url, credential: Credential::Ambient, known_hosts: None, _http: None, _ssh: None }
    }

    fn http(commits: usize) -> Self {
        let place = Self::local(commits);
        let server = HttpServer::start(place.root.path(), None);
        Self { url: server.url("env.git"), _http: Some(server), ..place }
    }

    fn ssh(commits: usize) -> Self {
        let place = Self::local(commits);
        let server = SshServer::start(place.root.path());
        Self {
            url: server.url("env.git"),
            credential: Credential::SshKey { file: server.key(), passphrase: None },
            known_hosts: Some(server.known_hosts()),
            _ssh: Some(server),
            ..place
        }
    }

    fn settings(&self, cache: &str) -> Settings {
        Settings {
            credential: self.credential.clone(),
            known_hosts: self.known_hosts.clone(),
            ..settings(&self.url, &self.root.path().join(cache))
        }
    }

    fn repo(&self, cache: &str) -> Repo {
        Repo::open(self.settings(cache)).expect("opens")
    }

    fn git(&self, args: &[&str]) -> String {
        crate::transport::git(&self.bare, args)
    }

    fn head(&self) -> CommitId {
        self.git(&["rev-parse", "main"]).parse().expect("id")
    }

    /// A commit on main by somebody else.
    fn someone_commits(&self, path: &str, text: &str) -> CommitId {
        let repo = git2::Repository::open_bare(&self.bare).expect("opens");
        let parent = repo.find_reference("refs/heads/main").and_then(|r| r.peel_to_commit()).expect("main");
        let blob = repo.blob(text.as_bytes()).expect("blob");
        let mut update = git2::build::TreeUpdateBuilder::new();
        update.upsert(path, blob, git2::FileMode::Blob);
        let tree = update.create_updated(&repo, &parent.tree().expect("tree")).expect("tree");
        let who = git2::Signature::now("Someone", "someone@example.org").expect("signature");
        let tree = repo.find_tree(tree).expect("tree");
        let id = repo.commit(Some("refs/heads/main"), &who, &who, "by someone\n", &tree, &[&parent]);
        id.expect("commit").to_string().parse().expect("id")
    }

    fn in_cache(&self, cache: &str) -> PathBuf {
        let entries = std::fs::read_dir(self.root.path().join(cache)).expect("cache");
        let mut paths = entries.map(|entry| entry.expect("entry").path());
        paths.find(|path| path.extension().is_some_and(|end| end == "git")).expect("kept repository")
    }
}

pub fn settings(url: &str, cache: &Path) -> Settings {
    let bot = Signature { name: "datapin".to_owned(), email: "datapin@example.org".to_owned() };
    Settings {
        location: Location::parse(url).expect("location"),
        credential: Credential::Ambient,
        author: bot.clone(),
        committer: bot,
        signing: Signing::None,
        limits: Limits {
            connect_timeout: Duration::from_secs(20),
            server_timeout: Duration::from_secs(20),
            total: Duration::from_secs(60),
        },
        cache: cache.to_owned(),
        identities: Vec::new(),
        known_hosts: None,
    }
}

fn write(path: &str, text: &str) -> Change {
    Change { path: path.to_owned(), content: Content::Write(text.as_bytes().to_owned()) }
}

fn commit(repo: &Repo, parent: &CommitId, changes: &[Change]) -> CommitId {
    repo.commit(Some(parent), changes, "data(int): a change", CommitTime::Now).expect("commit")
}

const RUN: PushOptions = PushOptions { pipelines: Pipelines::Run };
const SKIP: PushOptions = PushOptions { pipelines: Pipelines::Skip };

fn assert_updated(outcome: &PushOutcome) {
    assert!(matches!(outcome, PushOutcome::Updated), "{outcome:?}");
}
