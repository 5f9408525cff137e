//! Making commits in the object database.

use std::collections::BTreeSet;

use git2::build::TreeUpdateBuilder;
use git2::{Commit, FileMode, Oid, Repository, Time, Tree};

use super::tree::{Found, Mode, Trees};
use super::{CommitId, Repo, RepoError, Signature};

/// One planned change of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// the file, relative to the repository's root
    pub path: String,
    /// what it becomes
    pub content: Content,
}

/// What a file becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes. The mode of a file that is there is kept.
    Write(Vec<u8>),
    /// Nothing. No error if there is no such file.
    Delete,
}

/// When a commit was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitTime {
    /// By this machine's clock and time zone.
    Now,
    /// At this second, UTC.
    At(jiff::Timestamp),
}

impl Repo {
    /// Makes a commit with these changes on top of `parent`, in the object database: no work tree, no ref, nothing
    /// pushed. Without a parent it begins a new history. Empty `changes` make an empty commit. The parent must be
    /// here: fetch its branch first. Signed if the settings say so.
    ///
    /// # Errors
    /// `UnplannedPaths` if the new tree differs from the parent's in any path that isn't in `changes`;
    /// `SymlinkInPath` also where a link would be overwritten; `IsDirectory`, `Submodule`, `OutsideRepository`;
    /// `Signing`; `NoSuchCommit`.
    pub fn commit(
        &self,
        parent: Option<&CommitId>,
        changes: &[Change],
        message: &str,
        time: CommitTime,
    ) -> Result<CommitId, RepoError> {
        let repo = self.handle()?;
        let failed = |error: git2::Error| self.object_error("making a commit for", &error);
        let parent = parent.map(|id| self.find_commit(&repo, id)).transpose()?;
        let before = parent.as_ref().map(Commit::tree).transpose().map_err(failed)?;
        let after = self.changed_tree(&repo, before.as_ref(), changes)?;
        // tree against tree: a mistake anywhere above, or a shallow boundary taken for a root, shows here
        let mut paths = changed_paths(&repo, before.as_ref(), &after).map_err(failed)?;
        for change in changes {
            paths.remove(&change.path);
        }
        if !paths.is_empty() {
            return Err(RepoError::UnplannedPaths { paths: paths.into_iter().collect() });
        }
        self.write_commit(&repo, parent.as_ref(), &after, message, time)
    }

    /// The paths of all files in which two commits differ, sorted; without `from` those of all files of `to`. Both
    /// must be here.
    ///
    /// # Errors
    /// `NoSuchCommit`, `Damaged`.
    pub fn changed_paths(
        &self,
        from: Option<&CommitId>,
        to: &CommitId,
    ) -> Result<BTreeSet<String>, RepoError> {
        let repo = self.handle()?;
        let failed = |error: git2::Error| self.object_error("comparing commits of", &error);
        let tree = |id: &CommitId| self.find_commit(&repo, id)?.tree().map_err(failed);
        let from = from.map(tree).transpose()?;
        changed_paths(&repo, from.as_ref(), &tree(to)?).map_err(failed)
    }

    fn changed_tree<'r>(
        &self,
        repo: &'r Repository,
        before: Option<&Tree<'_>>,
        changes: &[Change],
    ) -> Result<Tree<'r>, RepoError> {
        let failed = |error: git2::Error| self.object_error("making a commit for", &error);
        let empty = repo.treebuilder(None).and_then(|empty| empty.write()).map_err(failed)?;
        let base = repo.find_tree(before.map_or(empty, Tree::id)).map_err(failed)?;
        let mut builder = TreeUpdateBuilder::new();
        let mut trees = Trees::new(repo);
        for change in changes {
            let there = self.writable(&mut trees, base.id(), &change.path)?;
            match &change.content {
                Content::Write(bytes) => {
                    let blob = repo.blob(bytes).map_err(failed)?;
                    builder.upsert(change.path.as_str(), blob, there.unwrap_or(FileMode::Blob));
                }
                Content::Delete if there.is_some() => {
                    builder.remove(change.path.as_str());
                }
                Content::Delete => {}
            }
        }
        let tree = builder.create_updated(repo, &base).map_err(failed)?;
        repo.find_tree(tree).map_err(failed)
    }

    /// The mode of the file that is to be changed; `None` if it is new.
    fn writable(&self, trees: &mut Trees<'_>, root: Oid, path: &str) -> Result<Option<FileMode>, RepoError> {
        match self.look_up(trees, root, path)? {
            Found::Nothing => Ok(None),
            Found::Below(file) => Err(RepoError::NotADirectory { path: path.to_owned(), file }),
            Found::Directory(_) => Err(RepoError::IsDirectory { path: path.to_owned() }),
            Found::File(_, Mode::Regular) => Ok(Some(FileMode::Blob)),
            Found::File(_, Mode::Executable) => Ok(Some(FileMode::BlobExecutable)),
            Found::File(_, Mode::Symlink) => {
                Err(RepoError::SymlinkInPath { path: path.to_owned(), link: path.to_owned() })
            }
        }
    }

    fn write_commit(
        &self,
        repo: &Repository,
        parent: Option<&Commit<'_>>,
        tree: &Tree<'_>,
        message: &str,
        time: CommitTime,
    ) -> Result<CommitId, RepoError> {
        let failed = |error: git2::Error| self.object_error("making a commit for", &error);
        let author = signature(&self.settings.author, time).map_err(failed)?;
        let committer = signature(&self.settings.committer, time).map_err(failed)?;
        let message = format!("{}\n", message.trim_end());
        let parents: Vec<_> = parent.into_iter().collect();
        let text =
            repo.commit_create_buffer(&author, &committer, &message, tree, &parents).map_err(failed)?;
        let written = match super::signing::sign(&self.settings.signing, &text)? {
            Some(signature) => {
                let text = text.as_str().map_err(failed)?;
                repo.commit_signed(text, &signature, None)
            }
            None => repo.odb().and_then(|odb| odb.write(git2::ObjectType::Commit, &text)),
        };
        written.map(CommitId::from).map_err(failed)
    }
}

fn signature(who: &Signature, time: CommitTime) -> Result<git2::Signature<'static>, git2::Error> {
    match time {
        CommitTime::Now => git2::Signature::now(&who.name, &who.email),
        CommitTime::At(time) => git2::Signature::new(&who.name, &who.email, &Time::new(time.as_second(), 0)),
    }
}

fn changed_paths(
    repo: &Repository,
    before: Option<&Tree<'_>>,
    after: &Tree<'_>,
) -> Result<BTreeSet<String>, git2::Error> {
    let diff = repo.diff_tree_to_tree(before, Some(after), None)?;
    let sides = diff.deltas().flat_map(|delta| {
        let sides = [delta.old_file().path_bytes(), delta.new_file().path_bytes()];
        sides.map(|path| path.map(|path| String::from_utf8_lossy(path).into_owned()))
    });
    Ok(sides.flatten().collect())
}
