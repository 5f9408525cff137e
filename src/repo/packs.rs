//! Few files in a kept repository: each fetch brings a pack, each commit some loose objects, and nobody else tidies up.
//!
//! Everything in the small packs and in loose files is put into one pack before any of them is removed, so that no
//! object is ever missing. Others may use the repository meanwhile: whoever does not find an object, or finds the file
//! gone that had it, looks at the list of packs again (libgit2's `git_odb_refresh`) and finds the new one.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

use super::Repo;

/// So many small packs become one.
const MANY_PACKS: usize = 50;
/// Loose objects become a pack too when one of their 256 directories has so many, as git itself estimates it.
const MANY_LOOSE: usize = 8;
/// A larger pack stays as it is: to copy it again and again would cost more than it saves.
const SMALL: u64 = 4 << 20;

impl Repo {
    /// Puts small packs and loose objects together if there are many. Only saves time: a failure is no error.
    pub(super) fn tidy(&self) {
        let objects = self.kept.path().join("objects");
        if !is_untidy(&objects) {
            return;
        }
        // whoever has the lock fetches, and tidies after that
        let Ok(_lock) = self.kept.lock(std::time::Duration::ZERO) else { return };
        let tidied = self.kept.open().map_err(io::Error::other).and_then(|repo| pack(&repo, &objects));
        if let Err(error) = tidied {
            tracing::debug!(objects = %objects.display(), %error, "kept repository not tidied");
        }
    }
}

fn is_untidy(objects: &Path) -> bool {
    let loose = fs::read_dir(objects.join("17")).map_or(0, Iterator::count);
    loose >= MANY_LOOSE || small_packs(objects).is_ok_and(|packs| packs.len() >= MANY_PACKS)
}

/// The caller holds the lock: no pack comes or goes meanwhile. Loose objects may come.
fn pack(repo: &Repository, objects: &Path) -> io::Result<()> {
    let packs = small_packs(objects)?;
    let loose = loose_objects(objects)?;
    let mut builder = repo.packbuilder().map_err(io::Error::other)?;
    builder.set_threads(1);
    let mut known = HashSet::new();
    for id in packs.iter().map(|pack| listed(pack)).collect::<io::Result<Vec<_>>>()?.into_iter().flatten() {
        if known.insert(id) {
            builder.insert_object(id, None).map_err(io::Error::other)?;
        }
    }
    for (id, _) in loose.iter().filter(|(id, _)| !known.contains(id)) {
        builder.insert_object(*id, None).map_err(io::Error::other)?;
    }
    builder.write(&objects.join("pack"), 0).map_err(io::Error::other)?;
    let made = builder.name().ok().flatten().unwrap_or_default().to_owned();
    // the index first: a pack counts by it
    for index in packs.iter().filter(|index| !index.to_string_lossy().contains(&made)) {
        fs::remove_file(index)?;
        fs::remove_file(index.with_extension("pack"))?;
    }
    loose.iter().try_for_each(|(_, file)| fs::remove_file(file))
}

/// The indexes of the small packs.
fn small_packs(objects: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(objects.join("pack"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "idx")
            && fs::metadata(path.with_extension("pack")).is_ok_and(|pack| pack.len() < SMALL)
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// The objects of a pack, by its index (gitformat-pack, "Version 2 pack-*.idx files"): a head of 8 bytes, 256 sums of
/// which the last one is the number of objects, and their ids.
fn listed(index: &Path) -> io::Result<Vec<Oid>> {
    const HEAD: &[u8] = b"\xfftOc\0\0\0\x02";
    const IDS: usize = 8 + 256 * 4;
    let bytes = fs::read(index)?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("{}: no index", index.display()));
    let count = bytes.get(IDS - 4..IDS).and_then(|sum| sum.try_into().ok()).ok_or_else(broken)?;
    let count = usize::try_from(u32::from_be_bytes(count)).map_err(io::Error::other)?;
    let ids = bytes.get(IDS..IDS.saturating_add(count.saturating_mul(20))).ok_or_else(broken)?;
    if !bytes.starts_with(HEAD) {
        return Err(broken());
    }
    ids.chunks_exact(20).map(|id| Oid::from_bytes(id).map_err(io::Error::other)).collect()
}

/// Loose objects and their files.
fn loose_objects(objects: &Path) -> io::Result<Vec<(Oid, PathBuf)>> {
    let mut found = Vec::new();
    for number in 0..=u8::MAX {
        let start = format!("{number:02x}");
        let entries = match fs::read_dir(objects.join(&start)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // others are files that are being written
            if let Some(id) = entry.file_name().to_str().filter(|name| name.len() == 38)
                && let Ok(id) = Oid::from_str(&format!("{start}{id}"))
            {
                found.push((id, entry.path()));
            }
        }
    }
    Ok(found)
}
