//! A starting `datapin.toml`, guessed from the files of a Helmfile repository.

mod helmfile;
mod layout;
mod pin;
mod text;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use helmfile::Helmfile;
use layout::Layout;
use pin::Guess;

/// A starting configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The commented file. Where values were found, [`super::load`] accepts it as it is.
    pub text: String,
    /// What it is based on.
    pub found: Found,
}

/// What a repository says about its data versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Values files, with placeholders; `None` where no layout was recognised.
    pub file: Option<String>,
    /// Path of the data version; `None` where no scalar looks like one.
    pub path: Option<String>,
    /// Environments.
    pub environments: Vec<String>,
    /// Services that have the path.
    pub services: Vec<String>,
    /// Data versions that are there now, by environment.
    pub versions: BTreeMap<String, String>,
    /// What a person has to look at.
    pub notes: Vec<String>,
    /// The services of environments that do not have all of them.
    fewer: BTreeMap<String, Vec<String>>,
    /// Name for the dataset.
    dataset: Option<String>,
}

/// The starting configuration for a repository with these files (paths with `/`, relative to its root).
///
/// `remote` is where the repository comes from; it only decides which login the comments explain.
pub fn starter(files: &[(String, Vec<u8>)], remote: Option<&str>) -> Starter {
    let helmfile = Helmfile::read(files);
    let found = layout::best(files, &helmfile)
        .map_or_else(nothing, |(layout, guess)| look(&layout, guess, &helmfile));
    Starter { text: text::compose(&found, remote), found }
}

fn nothing() -> Found {
    let note =
        "no values files in a layout that datapin knows, such as environments/<environment>/<service>.yaml";
    Found { notes: vec![note.to_owned()], ..Found::default() }
}

fn look(layout: &Layout<'_>, guess: Option<Guess>, helmfile: &Helmfile) -> Found {
    let file = Some(layout.template.clone());
    let environments: BTreeSet<String> = layout.files.iter().map(|file| file.environment.clone()).collect();
    let Some(guess) = guess else {
        let services: BTreeSet<String> =
            layout.files.iter().filter_map(|file| file.service.clone()).collect();
        let note = "no scalar named like a version under a key named like data";
        return Found {
            file,
            environments: environments.into_iter().collect(),
            services: services.into_iter().collect(),
            notes: vec![note.to_owned()],
            ..Found::default()
        };
    };
    let mut notes = guess.notes.clone();
    let left: Vec<&String> = environments.iter().filter(|name| !guess.versions.contains_key(*name)).collect();
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|name| name.as_str()).collect();
        notes.push(format!("no `{}` in {}: left out", guess.path, names.join(", ")));
    }
    let (services, fewer) = services(&guess, helmfile, &mut notes);
    Found {
        file,
        dataset: dataset_name(&guess.keys),
        path: Some(guess.path),
        environments: guess.versions.keys().cloned().collect(),
        services,
        versions: guess.versions,
        notes,
        fewer,
    }
}

/// All services, and those of the environments that have fewer.
fn services(
    guess: &Guess,
    helmfile: &Helmfile,
    notes: &mut Vec<String>,
) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let all: BTreeSet<String> = guess.services.values().flatten().cloned().collect();
    if all.is_empty() {
        let (services, note) = match helmfile.releases.as_slice() {
            [] => (vec!["app".to_owned()], "which services read this version does not show: replace `app`"),
            releases => {
                (releases.to_vec(), "all releases of the helmfile are taken for services that read it")
            }
        };
        notes.push(note.to_owned());
        return (services, BTreeMap::new());
    }
    let fewer = guess.services.iter().filter(|(_, services)| services.len() < all.len());
    let fewer = fewer.map(|(name, services)| (name.clone(), services.iter().cloned().collect())).collect();
    (all.into_iter().collect(), fewer)
}

/// `timetable` of `data.timetable.version`.
fn dataset_name(keys: &[String]) -> Option<String> {
    let at = keys.iter().position(|key| key.eq_ignore_ascii_case("data"))?;
    let name = keys.get(at + 1).filter(|_| at + 2 < keys.len())?;
    layout::is_name(name).then(|| name.clone())
}
