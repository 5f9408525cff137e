//! The files of a commit in a directory, for programs that want to see a checkout.

use std::path::Path;

use git2::build::CheckoutBuilder;

use super::{CommitId, Repo, RepoError};

impl Repo {
    /// Writes the files of a commit into `dir`, which exists and is empty: as they are in git, without filters.
    /// Submodules are empty directories. No index, ref or work tree of any repository changes. The commit must be
    /// here: fetch its branch first.
    ///
    /// # Errors
    /// `NoSuchCommit`; `Damaged`; `Git` if a file cannot be written.
    pub fn export(&self, commit: &CommitId, dir: &Path) -> Result<(), RepoError> {
        let repo = self.handle()?;
        let failed = |error: git2::Error| self.object_error("writing out a commit of", &error);
        let tree = self.find_commit(&repo, commit)?.tree().map_err(failed)?;
        let mut checkout = CheckoutBuilder::new();
        checkout.target_dir(dir).update_index(false).refresh(false).disable_filters(true).force();
        repo.checkout_tree(tree.as_object(), Some(&mut checkout)).map_err(failed)
    }
}
