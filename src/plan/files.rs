//! The values files of one commit: read, and edited as a whole.

use std::collections::{BTreeMap, HashSet};

use crate::config::Place;
use crate::repo::{Change, CommitId, Content, File, Mode, Repo, RepoError};
use crate::values::{self, Edit, Scalar, Target, ValuesError};

/// Why values cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is no such file.
    #[error("{file} does not exist at commit {commit}; check the pin's `file` in datapin.toml")]
    Missing {
        /// File.
        file: String,
        /// Commit.
        commit: String,
    },
    /// It is a symbolic link.
    #[error("{file} is a symbolic link; a pin has to be in a file of its own")]
    Symlink {
        /// File.
        file: String,
    },
    /// The editor refuses.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// Git.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl FilesError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            FilesError::Repo(error) => error.is_transient(),
            FilesError::Missing { .. } | FilesError::Symlink { .. } | FilesError::Values(_) => false,
        }
    }
}

/// The files of one commit, each read once.
pub struct Files<'a> {
    repo: &'a Repo,
    commit: CommitId,
    read: BTreeMap<String, Vec<u8>>,
}

impl<'a> Files<'a> {
    /// The files of `commit`.
    pub fn at(repo: &'a Repo, commit: &CommitId) -> Self {
        Self { repo, commit: commit.clone(), read: BTreeMap::new() }
    }

    /// The bytes of a file.
    pub fn bytes(&mut self, file: &str) -> Result<&[u8], FilesError> {
        if !self.read.contains_key(file) {
            let found = self.repo.read(&self.commit, file)?.ok_or_else(|| FilesError::Missing {
                file: file.to_owned(),
                commit: self.commit.short().to_owned(),
            })?;
            match found.mode {
                Mode::Regular | Mode::Executable => {}
                Mode::Symlink => return Err(FilesError::Symlink { file: file.to_owned() }),
            }
            self.read.insert(file.to_owned(), found.bytes);
        }
        Ok(self.read.get(file).map_or(&[], Vec::as_slice))
    }

    /// Reads files together, which takes less than one by one. What is no file is told when its turn comes.
    fn load<'f>(&mut self, files: impl Iterator<Item = &'f str>) -> Result<(), RepoError> {
        let files: Vec<&str> = files.filter(|file| !self.read.contains_key(*file)).collect();
        for (file, found) in files.iter().zip(self.repo.read_all(&self.commit, &files)?) {
            if let Some(File { bytes, mode: Mode::Regular | Mode::Executable }) = found {
                self.read.insert((*file).to_owned(), bytes);
            }
        }
        Ok(())
    }

    /// The scalars at the places, in their order. Each file is parsed once.
    pub fn scalars(&mut self, places: &[&Place]) -> Result<Vec<Scalar>, FilesError> {
        let mut by_file: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, place) in places.iter().enumerate() {
            by_file.entry(&place.file).or_default().push(index);
        }
        self.load(by_file.keys().copied())?;
        let mut found: Vec<(usize, Scalar)> = Vec::with_capacity(places.len());
        for (file, indices) in by_file {
            let targets: Vec<Target> = indices.iter().map(|index| target(places[*index])).collect();
            let scalars = values::read_all(file, self.bytes(file)?, &targets)?;
            found.extend(indices.into_iter().zip(scalars));
        }
        found.sort_by_key(|(index, _)| *index);
        Ok(found.into_iter().map(|(_, scalar)| scalar).collect())
    }

    /// The changed files when every edit is made. Files that stay the same are left out.
    pub fn edit(&mut self, edits: &[(Place, values::Change)]) -> Result<Vec<Change>, FilesError> {
        let mut by_file: BTreeMap<&str, Vec<Edit>> = BTreeMap::new();
        let mut made = HashSet::with_capacity(edits.len());
        for (place, change) in edits {
            // Two services may share a scalar: the same change is made once.
            if made.insert((place, change)) {
                let edit = Edit { target: target(place), change: change.clone() };
                by_file.entry(&place.file).or_default().push(edit);
            }
        }
        let mut changes = Vec::new();
        for (file, edits) in by_file {
            let before = self.bytes(file)?;
            let after = values::edit(file, before, &edits)?;
            if after != before {
                changes.push(Change { path: file.to_owned(), content: Content::Write(after) });
            }
        }
        Ok(changes)
    }

    /// The diff of every changed file: `(file, unified diff)`.
    pub fn diffs(&mut self, changes: &[Change]) -> Result<Vec<(String, String)>, FilesError> {
        let mut diffs = Vec::new();
        for change in changes {
            if let Content::Write(after) = &change.content {
                let before = self.bytes(&change.path)?;
                diffs.push((change.path.clone(), values::render_diff(&change.path, before, after)));
            }
        }
        Ok(diffs)
    }
}

fn target(place: &Place) -> Target {
    Target { path: place.path.clone(), document: place.document.clone() }
}
