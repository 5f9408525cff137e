//! Reading files of a commit, without a checkout.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use git2::{ObjectType, Oid, Repository, Tree};

use super::{CommitId, Repo, RepoError};

/// A file as a commit has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// the content; of a symbolic link, its target
    pub bytes: Vec<u8>,
    /// what kind of file it is
    pub mode: Mode,
}

/// What git knows about a file besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// an ordinary file
    Regular,
    /// an executable file
    Executable,
    /// a symbolic link
    Symlink,
}

const DIRECTORY: i32 = 0o040_000;
const EXECUTABLE: i32 = 0o100_755;
const SYMLINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;

/// What is at a path.
pub(super) enum Found {
    Nothing,
    /// a file is where the path needs a directory
    Below(String),
    Directory(Oid),
    File(Oid, Mode),
}

/// Trees, each read once: to read and to parse a large one takes longer than all else that is done for a file in it.
pub(super) struct Trees<'r> {
    repo: &'r Repository,
    known: HashMap<Oid, Tree<'r>>,
}

impl<'r> Trees<'r> {
    pub(super) fn new(repo: &'r Repository) -> Self {
        Self { repo, known: HashMap::new() }
    }

    fn get(&mut self, id: Oid) -> Result<&Tree<'r>, git2::Error> {
        Ok(match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.repo.find_tree(id)?),
        })
    }
}

impl Repo {
    /// The file at this path; `None` if there is nothing. The commit must be here: fetch its branch first.
    ///
    /// # Errors
    /// `OutsideRepository`, `SymlinkInPath`, `Submodule` and `IsDirectory` for what the path leads to;
    /// `NoSuchCommit`; `Damaged`.
    pub fn read(&self, commit: &CommitId, path: &str) -> Result<Option<File>, RepoError> {
        Ok(self.read_all(commit, &[path])?.pop().flatten())
    }

    /// The files at these paths, in their order, each as [`Repo::read`] gives it. Much faster than one by one where
    /// directories are large.
    ///
    /// # Errors
    /// As [`Repo::read`], for the first path that fails.
    pub fn read_all(&self, commit: &CommitId, paths: &[&str]) -> Result<Vec<Option<File>>, RepoError> {
        let repo = self.handle()?;
        let failed = |error: git2::Error| self.object_error("reading a file of", &error);
        let root = self.find_commit(&repo, commit)?.tree_id();
        let mut trees = Trees::new(&repo);
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            files.push(match self.look_up(&mut trees, root, path)? {
                Found::Nothing | Found::Below(_) => None,
                Found::Directory(_) => return Err(RepoError::IsDirectory { path: (*path).to_owned() }),
                Found::File(id, mode) => {
                    let blob = repo.find_blob(id).map_err(failed)?;
                    Some(File { bytes: blob.content().to_owned(), mode })
                }
            });
        }
        Ok(files)
    }

    /// The names of the files in a directory, not of those below it, sorted as git does. Empty if there is no such
    /// directory. `""` and `"."` are the root. Links and names that are no UTF-8 are left out.
    ///
    /// # Errors
    /// As [`Repo::read`].
    pub fn list(&self, commit: &CommitId, dir: &str) -> Result<Vec<String>, RepoError> {
        let repo = self.handle()?;
        let failed = |error: git2::Error| self.object_error("reading a directory of", &error);
        let root = self.find_commit(&repo, commit)?.tree().map_err(failed)?;
        let dir = dir.trim_end_matches('/');
        let tree = if matches!(dir, "" | ".") {
            root
        } else {
            match self.look_up(&mut Trees::new(&repo), root.id(), dir)? {
                Found::Directory(id) => repo.find_tree(id).map_err(failed)?,
                Found::Nothing | Found::Below(_) | Found::File(..) => return Ok(Vec::new()),
            }
        };
        let files = tree.iter().filter(|entry| entry.kind() == Some(ObjectType::Blob));
        let files = files.filter(|entry| entry.filemode() != SYMLINK);
        Ok(files.filter_map(|entry| entry.name().ok().map(str::to_owned)).collect())
    }

    /// Follows the path from the root, step by step, so that no link or submodule is followed unseen.
    pub(super) fn look_up(&self, trees: &mut Trees<'_>, root: Oid, path: &str) -> Result<Found, RepoError> {
        let steps = steps(path)?;
        let mut found = Found::Directory(root);
        for (at, step) in steps.iter().enumerate() {
            let Found::Directory(id) = found else {
                return Ok(Found::Below(steps[..at].join("/")));
            };
            let so_far = steps[..=at].join("/");
            let last = at + 1 == steps.len();
            let tree = trees.get(id).map_err(|error| self.object_error("reading a file of", &error))?;
            let entry = tree.get_name(step).map(|entry| (entry.id(), entry.filemode()));
            found = match entry {
                None => return Ok(Found::Nothing),
                Some((id, DIRECTORY)) => Found::Directory(id),
                Some((_, SUBMODULE)) => {
                    return Err(RepoError::Submodule { path: path.to_owned(), submodule: so_far });
                }
                Some((_, SYMLINK)) if !last => {
                    return Err(RepoError::SymlinkInPath { path: path.to_owned(), link: so_far });
                }
                Some((id, SYMLINK)) => Found::File(id, Mode::Symlink),
                Some((id, EXECUTABLE)) => Found::File(id, Mode::Executable),
                Some((id, _)) => Found::File(id, Mode::Regular),
            };
        }
        Ok(found)
    }
}

/// The parts of a path that leads into the repository and nowhere else.
fn steps(path: &str) -> Result<Vec<&str>, RepoError> {
    let steps: Vec<&str> = path.split('/').collect();
    let outside = |step: &str| {
        matches!(step, "" | "." | "..") || step.eq_ignore_ascii_case(".git") || step.contains(['\\', '\0'])
    };
    if steps.iter().any(|step| outside(step)) {
        return Err(RepoError::OutsideRepository { path: path.to_owned() });
    }
    Ok(steps)
}
