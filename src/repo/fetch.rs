//! What the server says about its branches, and getting their objects.

use git2::{
    AutotagOption, Direction, ErrorClass, ErrorCode, FetchOptions, Oid, RemoteConnection, Repository,
};

use super::kept::seen_ref;
use super::wire::Wire;
use super::{Access, CommitId, Repo, RepoError};

/// How deep to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// one commit at first, then everything since the last tip seen
    Incremental,
    /// at least this many commits from the tip
    AtLeast(i32),
}

/// git's "all of it"
pub(super) const WHOLE: i32 = i32::MAX;

impl Repo {
    /// The name of the branch that the server's HEAD points to.
    ///
    /// # Errors
    /// Those of the exchange; `Git` if the repository has no default branch (it may be empty).
    pub fn default_branch(&self) -> Result<String, RepoError> {
        self.exchange("asking for the default branch of", Access::Shared, |wire, repo| {
            connected(wire, repo, |connection| {
                let none = |error: git2::Error| match error.code() {
                    ErrorCode::NotFound => git2::Error::from_str(
                        "it names none; push a first commit, or set `branch` under [repository]",
                    ),
                    _ => error,
                };
                let name = connection.default_branch().map_err(none)?;
                let name = name.as_str().unwrap_or_default();
                Ok(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned())
            })
        })
    }

    /// The tip of the branch as the server tells it now; `None` if there is no such branch. Gets no objects.
    ///
    /// # Errors
    /// Those of the exchange.
    pub fn tip(&self, branch: &str) -> Result<Option<CommitId>, RepoError> {
        let name = format!("refs/heads/{branch}");
        self.exchange("asking for a branch of", Access::Shared, move |wire, repo| {
            connected(wire, repo, |connection| Ok(tip_of(connection, &name)?.map(CommitId::from)))
        })
    }

    /// The tip of the branch, whose objects are here afterwards; `None` if there is no such branch.
    ///
    /// The first fetch over http or ssh has depth 1; later ones start from the last tip seen, so that the chain
    /// from there is here. Over a local path everything is fetched. Nothing is fetched if nothing changed.
    ///
    /// # Errors
    /// Those of the exchange.
    pub fn fetch(&self, branch: &str) -> Result<Option<CommitId>, RepoError> {
        match self.fetch_to(branch, Depth::Incremental) {
            // it has been made anew: everything can be had from the server again
            Err(RepoError::Damaged { .. }) => self.fetch_to(branch, Depth::Incremental),
            result => result,
        }
    }

    pub(super) fn fetch_to(&self, branch: &str, depth: Depth) -> Result<Option<CommitId>, RepoError> {
        let branch = branch.to_owned();
        let tip = self.exchange("fetching from", Access::Exclusive, move |wire, repo| {
            connected(wire, repo, |connection| fetch(wire, repo, connection, &branch, depth))
        })?;
        self.tidy();
        Ok(tip)
    }

    /// Remembers the tip, so that the next fetch starts from it. Only saves time: a failure is no error.
    pub(super) fn note_tip(&self, branch: &str, tip: &CommitId) {
        let lock = self.kept.lock(self.settings.limits.total);
        let noted = self.kept.open().and_then(|repo| set_seen(&repo, branch, tip.oid()?));
        if let (Ok(_), Err(error)) = (lock, noted) {
            tracing::debug!(branch, error = error.message(), "tip not remembered");
        }
    }
}

fn connected<T>(
    wire: &Wire<'_>,
    repo: &Repository,
    work: impl FnOnce(&mut RemoteConnection<'_, '_, '_>) -> Result<T, git2::Error>,
) -> Result<T, git2::Error> {
    let mut remote = repo.remote_anonymous(&wire.settings.location.url())?;
    let mut connection =
        remote.connect_auth(Direction::Fetch, Some(wire.callbacks()), Some(Wire::proxy()))?;
    wire.watch.sign(|| "connected".to_owned());
    work(&mut connection)
}

fn tip_of(connection: &RemoteConnection<'_, '_, '_>, name: &str) -> Result<Option<Oid>, git2::Error> {
    Ok(connection.list()?.iter().find(|head| head.name() == name).map(git2::RemoteHead::oid))
}

fn fetch(
    wire: &Wire<'_>,
    repo: &Repository,
    connection: &mut RemoteConnection<'_, '_, '_>,
    branch: &str,
    depth: Depth,
) -> Result<Option<CommitId>, git2::Error> {
    let name = format!("refs/heads/{branch}");
    let Some(tip) = tip_of(connection, &name)? else {
        return Ok(None);
    };
    if depth == Depth::Incremental && is_here(repo, tip)? {
        set_seen(repo, branch, tip)?;
        return Ok(Some(tip.into()));
    }
    if let Ok(seen) = repo.refname_to_id(&seen_ref(branch))
        && !is_here(repo, seen)?
    {
        return Err(git2::Error::new(
            ErrorCode::GenericError,
            ErrorClass::Odb,
            "the last tip seen is missing",
        ));
    }
    let refspec = format!("+{name}:{}", seen_ref(branch));
    let wanted = wanted_depth(wire, repo, branch, depth);
    let mut result = download(wire, connection, &refspec, wanted);
    if result.as_ref().is_err_and(|error| error.message().contains("doesn't support shallow")) {
        result = download(wire, connection, &refspec, 0);
    }
    result.map(|()| Some(tip.into()))
}

/// 0 means: whatever is missing. libgit2 has no depth over a local path.
fn wanted_depth(wire: &Wire<'_>, repo: &Repository, branch: &str, depth: Depth) -> i32 {
    match depth {
        _ if wire.settings.location.is_local() => 0,
        Depth::AtLeast(commits) => commits,
        Depth::Incremental if repo.find_reference(&seen_ref(branch)).is_ok() => 0,
        Depth::Incremental => 1,
    }
}

fn download(
    wire: &Wire<'_>,
    connection: &mut RemoteConnection<'_, '_, '_>,
    refspec: &str,
    depth: i32,
) -> Result<(), git2::Error> {
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(wire.callbacks())
        .proxy_options(Wire::proxy())
        .download_tags(AutotagOption::None)
        .update_fetchhead(false)
        .depth(depth);
    connection.remote().fetch(&[refspec], Some(&mut options), None)
}

/// Whether the commit can be read with its tree. A commit that is listed but unreadable is damage.
fn is_here(repo: &Repository, id: Oid) -> Result<bool, git2::Error> {
    match repo.find_commit(id) {
        Ok(commit) => commit.tree().map(|_| true),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn set_seen(repo: &Repository, branch: &str, tip: Oid) -> Result<(), git2::Error> {
    repo.reference(&seen_ref(branch), tip, true, "seen by datapin").map(drop)
}
