//! Where real Helmfile repositories keep the values of an environment.

use std::collections::BTreeMap;

use super::helmfile::Helmfile;
use super::pin::{Guess, guess};
use crate::config::form::{self, Spot};

/// Layouts seen in the wild, the more telling ones first.
const LAYOUTS: &[&str] = &[
    "environments/{environment}/{service}/values",
    "environments/{environment}/{service}",
    "environments/{environment}/values",
    "environments/{environment}",
    "helmfile.d/services/{service}/values-{environment}",
    "values/{environment}/{service}",
    "values/{service}/{environment}",
    "values/{environment}",
    "config/{environment}/{service}",
];
const ENDINGS: &[&str] = &[".yaml", ".yml", ".yaml.gotmpl", ".yml.gotmpl"];
/// Files that belong to all environments or to no service.
const NO_NAMES: &[&str] = &["values", "default", "defaults", "common", "global", "base", "secrets", "shared"];
/// Names by which an environment is told from a service where the helmfile does not say.
const USUAL: &[&str] = &[
    "dev",
    "development",
    "int",
    "integration",
    "test",
    "qa",
    "uat",
    "abn",
    "lup",
    "stage",
    "staging",
    "preprod",
    "pre",
    "prd",
    "prod",
    "production",
    "live",
    "preview",
    "play",
    "sandbox",
    "demo",
    "dt",
    "pres",
];

/// Values files in one layout.
#[derive(Debug)]
pub(super) struct Layout<'f> {
    /// Files, with placeholders.
    pub(super) template: String,
    pub(super) files: Vec<ValuesFile<'f>>,
}

/// The values of one environment, or of one service in it.
#[derive(Debug)]
pub(super) struct ValuesFile<'f> {
    pub(super) environment: String,
    pub(super) service: Option<String>,
    pub(super) bytes: &'f [u8],
}

/// The layout that explains most files with a data version, and that version's place.
pub(super) fn best<'f>(
    files: &'f [(String, Vec<u8>)],
    helmfile: &Helmfile,
) -> Option<(Layout<'f>, Option<Guess>)> {
    let rated = layouts(files).into_iter().map(|layout| {
        let guess = guess(&layout.files);
        let known = layout.files.iter().filter(|file| is_environment(&file.environment, helmfile)).count();
        let rank = (guess.as_ref().map_or(0, |guess| guess.hits), known, layout.files.len());
        (rank, layout, guess)
    });
    // the first of equals: LAYOUTS has the more telling ones first
    let best = rated.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some((best.1, best.2))
}

fn is_environment(name: &str, helmfile: &Helmfile) -> bool {
    if helmfile.environments.is_empty() {
        USUAL.contains(&name)
    } else {
        helmfile.environments.iter().any(|known| known == name)
    }
}

/// Every layout that has files, in the order of [`LAYOUTS`].
fn layouts(files: &[(String, Vec<u8>)]) -> Vec<Layout<'_>> {
    let mut found: BTreeMap<(usize, String), Layout<'_>> = BTreeMap::new();
    for (path, bytes) in files {
        for (index, layout) in LAYOUTS.iter().enumerate() {
            for pattern in ENDINGS.iter().map(|ending| format!("{layout}{ending}")) {
                if let Some((folder, environment, service)) = matched(&pattern, path) {
                    let template = format!("{folder}{pattern}");
                    let new = || Layout { template: template.clone(), files: Vec::new() };
                    let layout = found.entry((index, template.clone())).or_insert_with(new);
                    layout.files.push(ValuesFile { environment, service, bytes });
                }
            }
        }
    }
    found.into_values().collect()
}

/// The folder before the pattern, the environment and the service, if `path` ends like `pattern`.
fn matched<'p>(pattern: &str, path: &'p str) -> Option<(&'p str, String, Option<String>)> {
    let count = pattern.split('/').count();
    let start = match path.rmatch_indices('/').nth(count - 1) {
        Some((slash, _)) => slash + 1,
        None if path.split('/').count() == count => 0,
        None => return None,
    };
    let (mut environment, mut service) = (None, None);
    for (wanted, part) in pattern.split('/').zip(path[start..].split('/')) {
        let Some(open) = wanted.find('{') else {
            if wanted != part {
                return None;
            }
            continue;
        };
        let close = wanted.find('}')?;
        let name = part.strip_prefix(&wanted[..open])?.strip_suffix(&wanted[close + 1..])?;
        if !is_name(name) || NO_NAMES.contains(&name) {
            return None;
        }
        match &wanted[open..=close] {
            "{service}" => service = Some(name.to_owned()),
            _ => environment = Some(name.to_owned()),
        }
    }
    // `mds.yaml` ends like `{service}.yaml`, and so does nothing that has another ending in front
    let doubled =
        service.iter().chain(&environment).any(|name| name.ends_with(".yaml") || name.ends_with(".yml"));
    if doubled { None } else { Some((&path[..start], environment?, service)) }
}

/// Whether datapin accepts it as a name.
pub(super) fn is_name(name: &str) -> bool {
    form::name(name, Spot { key: "", place: "" }).is_none()
}
