//! Git repositories, through libgit2: read without a checkout, commit in the object database, push with an
//! expected tip.
//!
//! A [`Repo`] stands for one remote repository and keeps one bare repository for it in the cache directory:
//! shallow over http and ssh, full over a local path. Threads and processes may share the cache. All calls
//! block; none prints; none reads the environment, apart from what git itself reads (configuration, credential
//! helpers, ssh agent, proxy, `SSL_CERT_FILE`).

mod commit;
mod commit_id;
mod error;
mod export;
mod fetch;
mod history;
mod host_key;
mod kept;
mod local;
mod location;
mod packs;
mod past;
mod push;
mod signing;
mod tree;
mod watch;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

pub use commit::{Change, CommitTime, Content};
pub use commit_id::{CommitId, NotACommitId};
pub use error::RepoError;
pub use history::{Ancestry, LogEntry};
pub use location::Location;
pub use past::Version;
pub use push::{Pipelines, PushOptions, PushOutcome};
pub use tree::{File, Mode};

use kept::Kept;
use watch::Silence;
use wire::Wire;

/// How to sign in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Git's own credential helpers, the user and password of the URL, and the ssh agent.
    Ambient,
    /// User and token (or password) for http.
    Token {
        /// the user; GitLab takes any name with a token
        username: String,
        /// the token
        token: SecretString,
    },
    /// A private key for ssh.
    SshKey {
        /// the private key
        file: PathBuf,
        /// what opens it
        passphrase: Option<SecretString>,
    },
}

/// How commits are signed.
#[derive(Debug, Clone)]
pub enum Signing {
    /// Not at all.
    None,
    /// By `ssh-keygen -Y sign` with this private key (or public key whose private key is in the agent).
    Ssh {
        /// the key file
        key: PathBuf,
    },
    /// By `gpg` with this key.
    Gpg {
        /// the key's id or user id
        key: String,
    },
}

/// Who a commit is by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// the name
    pub name: String,
    /// the e-mail address
    pub email: String,
}

/// How long an operation may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// On top of `server_timeout` until the server first answers.
    pub connect_timeout: Duration,
    /// How long the server may be silent.
    pub server_timeout: Duration,
    /// How long one operation may take in all, however lively the server is. Also how long to wait for another
    /// process that uses the same kept repository.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            server_timeout: Duration::from_secs(60),
            total: Duration::from_secs(300),
        }
    }
}

/// All that a [`Repo`] has to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// where the repository is
    pub location: Location,
    /// how to sign in
    pub credential: Credential,
    /// author of the commits
    pub author: Signature,
    /// committer of the commits
    pub committer: Signature,
    /// how the commits are signed
    pub signing: Signing,
    /// time limits
    pub limits: Limits,
    /// directory of the kept bare repositories
    pub cache: PathBuf,
    /// private keys without passphrase that are offered over ssh after those of the agent
    pub identities: Vec<PathBuf>,
    /// instead of `~/.ssh/known_hosts`, which libgit2 reads by itself
    pub known_hosts: Option<PathBuf>,
}

/// One remote repository. Cheap to clone; a clone is the same repository.
#[derive(Debug, Clone)]
pub struct Repo {
    settings: Arc<Settings>,
    kept: Kept,
}

/// Whether an exchange changes refs or depth of the kept repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Shared,
    Exclusive,
}

impl Repo {
    /// Makes the kept repository of this location, or opens it. One that is damaged is thrown away and made anew,
    /// with a warning. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// `Cache` if the cache directory cannot be used, `Timeout` if another process keeps it locked.
    pub fn open(settings: Settings) -> Result<Repo, RepoError> {
        let kept = Kept::new(&settings.cache, &settings.location);
        kept.prepare(settings.limits.total)?;
        Ok(Self { settings: Arc::new(settings), kept })
    }

    /// Where the repository is.
    pub fn location(&self) -> &Location {
        &self.settings.location
    }

    /// The token or password that git signs in with, where one is configured.
    pub fn token(&self) -> Option<&SecretString> {
        match &self.settings.credential {
            Credential::Token { token, .. } => Some(token),
            Credential::Ambient => self.settings.location.password.as_ref(),
            Credential::SshKey { .. } => None,
        }
    }

    /// Talks to the server under the time limits. `doing` is a fragment that fits before the location.
    fn exchange<T: Send + 'static>(
        &self,
        doing: &'static str,
        access: Access,
        work: impl FnOnce(&Wire<'_>, &git2::Repository) -> Result<T, git2::Error> + Send + 'static,
    ) -> Result<T, RepoError> {
        tracing::trace!(location = %self.settings.location, "{doing} the git server");
        // held here and not by the thread: one that is given up must not keep it
        let lock = match access {
            Access::Exclusive => Some(self.kept.lock(self.settings.limits.total)?),
            Access::Shared => None,
        };
        let (settings, kept) = (Arc::clone(&self.settings), self.kept.clone());
        let done = watch::run(&self.settings.limits, self.silence(), move |watch| {
            let wire = Wire::new(&settings, watch);
            // one that cannot be opened is no question of the server
            let repo = kept.open().map_err(|error| (true, wire.error(doing, &error)))?;
            work(&wire, &repo).map_err(|error| (error::is_damage(&error), wire.error(doing, &error)))
        });
        drop(lock);
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err((true, error))) => Err(self.throw_away(&error.to_string())),
            Ok(Err((false, error))) => Err(error),
            Err(given_up) => Err(self.timeout(doing, given_up)),
        }
    }

    fn silence(&self) -> Silence {
        if self.settings.location.is_local() { Silence::Endless } else { Silence::Limited }
    }

    fn timeout(&self, doing: &str, given_up: watch::GivenUp) -> RepoError {
        RepoError::Timeout {
            operation: doing.to_owned(),
            location: self.settings.location.to_string(),
            after: given_up.after,
            reason: given_up.reason,
            last: given_up.last,
        }
    }

    /// A handle on the kept repository, for one operation of one thread.
    fn handle(&self) -> Result<git2::Repository, RepoError> {
        self.kept.open().map_err(|error| self.throw_away(error.message()))
    }

    /// Words for an error while reading or writing objects. Missing trees and files are damage: where a commit
    /// is, they are.
    fn object_error(&self, doing: &str, error: &git2::Error) -> RepoError {
        let missing = error.code() == git2::ErrorCode::NotFound && error.class() == git2::ErrorClass::Odb;
        if missing || error::is_damage(error) {
            return self.throw_away(error.message());
        }
        RepoError::Git {
            doing: doing.to_owned(),
            location: self.settings.location.to_string(),
            detail: error.message().to_owned(),
        }
    }

    fn throw_away(&self, detail: &str) -> RepoError {
        let lock = self.kept.lock(self.settings.limits.total);
        match lock.and_then(|_lock| self.kept.make_anew(detail)) {
            Ok(()) => RepoError::Damaged { path: self.kept.path().to_owned(), detail: detail.to_owned() },
            Err(error) => error,
        }
    }

    fn find_commit<'r>(
        &self,
        repo: &'r git2::Repository,
        id: &CommitId,
    ) -> Result<git2::Commit<'r>, RepoError> {
        let found = id.oid().and_then(|oid| repo.find_commit(oid));
        found.map_err(|error| match error.code() {
            git2::ErrorCode::NotFound => self.no_such_commit(id),
            _ => self.object_error("reading a commit of", &error),
        })
    }

    fn no_such_commit(&self, id: &CommitId) -> RepoError {
        RepoError::NoSuchCommit { commit: id.to_string(), location: self.settings.location.to_string() }
    }
}
