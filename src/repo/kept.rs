//! The kept bare repository of one location, in the cache directory.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use git2::{Oid, Repository, RepositoryOpenFlags};

use super::{Location, RepoError};

const SEEN: &str = "refs/datapin/seen/";
/// How long a look at the kept repository may take: it reads a commit and a tree for each branch.
const LOOK: Duration = Duration::from_secs(10);

/// Path of a kept repository and of its lock. Handles are opened anew for each operation: a handle must not be
/// shared by threads, and opening one takes far less than a millisecond.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    path: PathBuf,
    lock: PathBuf,
}

impl Kept {
    pub(super) fn new(cache: &Path, location: &Location) -> Self {
        let name = directory_name(&location.to_string());
        Self { path: cache.join(format!("{name}.git")), lock: cache.join(format!("{name}.lock")) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the repository if it isn't there, and anew if it is damaged.
    pub(super) fn prepare(&self, patience: Duration) -> Result<(), RepoError> {
        let cache = self.path.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(cache).map_err(|source| self.cache_error(cache, source))?;
        let _lock = self.lock(patience)?;
        if !self.path.exists() {
            return self.make();
        }
        self.remove_stale_locks();
        match self.look_within(LOOK) {
            Ok(()) => Ok(()),
            Err(damage) => self.make_anew(&damage),
        }
    }

    /// Refs are changed under our own lock only, which the caller holds: a lock file of git's that is there was left by
    /// a process that was killed, and would be in the way for ever.
    fn remove_stale_locks(&self) {
        let seen = std::fs::read_dir(self.path.join(SEEN)).into_iter().flatten().flatten();
        let others =
            ["shallow", "packed-refs", "HEAD", "config"].map(|name| self.path.join(format!("{name}.lock")));
        let of_refs =
            seen.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "lock"));
        for stale in of_refs.chain(others) {
            // where it is not there, or stays, the next exchange tells
            let _ = std::fs::remove_file(stale);
        }
    }

    /// The exclusive right to change refs and depth of this repository, among threads and processes.
    pub(super) fn lock(&self, patience: Duration) -> Result<File, RepoError> {
        let file = self.lock_file().map_err(|source| self.cache_error(&self.lock, source))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(self.cache_error(&self.lock, source)),
                Err(TryLockError::WouldBlock) if begun.elapsed() > patience => {
                    return Err(self.busy(begun.elapsed()));
                }
                // `File::lock` cannot be given up, so the lock is asked for again and again
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The directory of the cache may have been removed since it was made.
    fn lock_file(&self) -> std::io::Result<File> {
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        match (options.open(&self.lock), self.lock.parent()) {
            (Err(error), Some(cache)) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(cache)?;
                options.open(&self.lock)
            }
            (opened, _) => opened,
        }
    }

    pub(super) fn open(&self) -> Result<Repository, git2::Error> {
        // not `open_bare`: that one overlooks where a shallow repository ends
        Repository::open_ext(&self.path, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>())
    }

    /// Throws the damaged repository away and makes an empty one. The caller holds the lock.
    pub(super) fn make_anew(&self, why: &str) -> Result<(), RepoError> {
        tracing::warn!(path = %self.path.display(), reason = why, "kept repository is damaged: making it anew");
        match std::fs::remove_dir_all(&self.path) {
            Ok(()) => {}
            // somebody cleaned the cache up
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(self.cache_error(&self.path, source)),
        }
        self.make()
    }

    fn make(&self) -> Result<(), RepoError> {
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).external_template(false);
        Repository::init_opts(&self.path, &options)
            .map(drop)
            .map_err(|error| self.cache_error(&self.path, std::io::Error::other(error.message().to_owned())))
    }

    /// libgit2 1.9 reads a loose object that is cut short without end.
    fn look_within(&self, limit: Duration) -> Result<(), String> {
        let (send, receive) = channel();
        let theirs = self.clone();
        let looks = std::thread::Builder::new().name("look".to_owned()).spawn(move || {
            // the receiver is gone only when nobody wants the result any more
            let _ = send.send(theirs.look().map_err(|error| error.message().to_owned()));
        });
        looks.map_err(|error| format!("no thread could be started: {error}"))?;
        receive.recv_timeout(limit).unwrap_or_else(|_| Err(format!("it could not be read within {limit:?}")))
    }

    fn look(&self) -> Result<(), git2::Error> {
        let repo = self.open()?;
        for reference in repo.references_glob(&format!("{SEEN}*"))? {
            if let Some(tip) = reference?.target() {
                repo.find_commit(tip)?.tree()?;
            }
        }
        Ok(())
    }

    fn cache_error(&self, path: &Path, source: std::io::Error) -> RepoError {
        RepoError::Cache { path: path.to_owned(), source }
    }

    fn busy(&self, after: Duration) -> RepoError {
        RepoError::Timeout {
            operation: "waiting for another datapin on".to_owned(),
            location: self.lock.display().to_string(),
            after,
            reason: "it holds the kept repository".to_owned(),
            last: "none".to_owned(),
        }
    }
}

/// The ref that remembers the last tip seen of a branch. One flat name each: `a` and `a/b` may follow each other.
pub(super) fn seen_ref(branch: &str) -> String {
    format!("{SEEN}{}", branch.replace('%', "%25").replace('/', "%2F"))
}

/// Readable, and different for different locations.
fn directory_name(location: &str) -> String {
    let readable: String =
        location.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let tail: String = readable.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    let hash = Oid::hash_object(git2::ObjectType::Blob, location.as_bytes());
    let hash = hash.map(|oid| oid.to_string()).unwrap_or_default();
    format!("{}-{}", tail.trim_matches(['-', '.']), hash.get(..12).unwrap_or("0"))
}
