//! What the helmfile itself says: environments and releases.

use serde_yaml::Value;

use super::layout::is_name;
use super::yaml::documents;

/// Names of a helmfile.
#[derive(Debug, Default)]
pub(super) struct Helmfile {
    pub(super) environments: Vec<String>,
    pub(super) releases: Vec<String>,
}

impl Helmfile {
    /// The names of every `helmfile.yaml` and of `helmfile.d/*.yaml`.
    pub(super) fn read(files: &[(String, Vec<u8>)]) -> Self {
        let mut names = Self::default();
        for (_, bytes) in files.iter().filter(|(path, _)| is_helmfile(path)) {
            for document in documents(bytes) {
                names.add(&document);
            }
        }
        names
    }

    fn add(&mut self, document: &Value) {
        let environments = document.get("environments").and_then(Value::as_mapping);
        let environments = environments.into_iter().flatten().filter_map(|(name, _)| name.as_str());
        push_new(&mut self.environments, environments);
        let releases = document.get("releases").and_then(Value::as_sequence);
        let releases = releases.into_iter().flatten().filter_map(|release| release.get("name")?.as_str());
        push_new(&mut self.releases, releases);
    }
}

fn push_new<'n>(names: &mut Vec<String>, found: impl Iterator<Item = &'n str>) {
    for name in found.filter(|name| is_name(name)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
}

fn is_helmfile(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let yaml = name.ends_with(".yaml") || name.ends_with(".yaml.gotmpl") || name.ends_with(".yml");
    yaml && (name.starts_with("helmfile.") || folder == "helmfile.d" || folder.ends_with("/helmfile.d"))
}
