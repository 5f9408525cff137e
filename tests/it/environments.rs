//! The sample repository `environments/`: its pins, and what the real Helmfile makes of them.
//!
//! Helmfile and Helm 3 come from `.ci/tools.sh DIR` (then set `DATAPIN_TOOLS=DIR`) or from `PATH`; without them the
//! tests that render are skipped, and say so.
#![expect(clippy::unwrap_used, reason = "the helpers of tests panic as tests do")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;
use tempfile::TempDir;
use toml_edit::{DocumentMut, Item};

/// The data version that every environment starts with.
const VERSION: &str = "2026.11.20-2";

const FOUR: &[&str] = &["fbv", "kv", "mds", "remo"];

/// Environment → its services, as the pictures of the deployment schema have them.
const ENVIRONMENTS: [(&str, &[&str]); 9] = [
    ("abn", FOUR),
    ("dt", FOUR),
    ("int", FOUR),
    ("lup", FOUR),
    ("play-koala", &["mds"]),
    ("play-test", &["fbv", "kv", "mds"]),
    ("prd", FOUR),
    ("pres", FOUR),
    ("total-dt", FOUR),
];

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("environments")
}

/// All files below a folder, by path relative to it.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            assert!(!kind.is_symlink(), "{} is a symlink: the binary cannot embed it", path.display());
            if kind.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The value at a dot-separated path.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |inner, key| inner.get(key))
}

fn strings(item: &Item) -> Vec<&str> {
    let mut found: Vec<_> = item.as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    found.sort_unstable();
    found
}

/// Environment → service → file of its pin, as `datapin.toml` names them.
fn pin_files(config: &DocumentMut) -> BTreeMap<String, BTreeMap<String, String>> {
    let dataset = &config["dataset"]["timetable"];
    let file = dataset["pin"]["file"].as_str().unwrap();
    let environments = config["environment"].as_table().unwrap();
    environments
        .iter()
        .map(|(environment, settings)| {
            let services = strings(settings.get("services").unwrap_or(&dataset["services"]));
            let filled = |service| file.replace("{environment}", environment).replace("{service}", service);
            (environment.to_owned(), services.into_iter().map(|s| (s.to_owned(), filled(s))).collect())
        })
        .collect()
}

fn config() -> DocumentMut {
    fs::read_to_string(sample().join("datapin.toml")).unwrap().parse().unwrap()
}

#[test]
fn every_pin_file_is_there_and_holds_the_first_version() {
    let config = config();
    let files = files(&sample());
    let path = config["dataset"]["timetable"]["pin"]["path"].as_str().unwrap();
    let pins = pin_files(&config);

    let named: Vec<(&str, Vec<&str>)> =
        pins.iter().map(|(e, s)| (e.as_str(), s.keys().map(String::as_str).collect())).collect();
    let expected: Vec<(&str, Vec<&str>)> = ENVIRONMENTS.iter().map(|(e, s)| (*e, s.to_vec())).collect();
    assert_eq!(named, expected, "environments and services of datapin.toml");

    for file in pins.values().flat_map(BTreeMap::values) {
        let bytes = files.get(file).unwrap_or_else(|| panic!("datapin.toml names {file}, which is missing"));
        let values: Value = serde_yaml::from_slice(bytes).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(at(&values, path).and_then(Value::as_str), Some(VERSION), "{path} in {file}");
    }
}

/// Every other change has to be made in both.
#[test]
fn the_configuration_with_aws_is_the_same_and_more() {
    let load = |name: &str| {
        let text = fs::read_to_string(sample().join(name)).unwrap();
        datapin::config::load(name, &text).unwrap_or_else(|error| panic!("{error}"))
    };
    let (plain, mut aws) = (load("datapin.toml"), load("datapin-aws.toml"));
    aws.source = plain.source.clone();
    for (name, environment) in &mut aws.environments {
        let equipped = (environment.purpose.take().is_some(), environment.bucket.take().is_some());
        assert_eq!(equipped, (true, true), "{name}");
        environment.ssm = None;
    }
    for stage in aws.pipelines.values_mut().flat_map(|pipeline| &mut pipeline.stages) {
        stage.promote = None;
    }
    assert_eq!(format!("{plain:#?}"), format!("{aws:#?}"));
}

#[test]
fn no_values_file_is_left_over() {
    let pins = pin_files(&config());
    let mut expected: Vec<&str> = pins.values().flat_map(BTreeMap::values).map(String::as_str).collect();
    expected.push("values/defaults.yaml");
    expected.sort_unstable();
    let files = files(&sample());
    let found: Vec<&str> = files.keys().map(String::as_str).filter(|f| f.starts_with("values/")).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_settable_path_is_a_number_in_every_environment() {
    let config = config();
    let files = files(&sample());
    for settable in strings(&config["dataset"]["timetable"]["settable"]) {
        let (service, path) = settable.split_once(':').unwrap();
        for file in pin_files(&config).values().filter_map(|services| services.get(service)) {
            let values: Value = serde_yaml::from_slice(&files[file]).unwrap();
            assert!(at(&values, path).is_some_and(Value::is_u64), "{path} in {file}");
        }
    }
}

#[test]
fn the_sample_is_small_text() {
    let files = files(&sample());
    assert!(files.len() < 100, "{} files", files.len());
    let size: usize = files.values().map(Vec::len).sum();
    assert!(size < 64 * 1024, "{size} bytes");
    for (name, bytes) in &files {
        let text = str::from_utf8(bytes).unwrap_or_else(|_| panic!("{name} is not text"));
        assert!(text.ends_with('\n') && !text.contains('\r'), "{name}: line endings");
    }
}

/// The real `helmfile` with the real `helm` 3, cut off from this machine's own settings.
struct Helmfile {
    helmfile: PathBuf,
    helm: PathBuf,
    home: TempDir,
}

impl Helmfile {
    /// `None` where the programs are missing.
    fn find() -> Option<Self> {
        let (helmfile, helm) = programs()?;
        Some(Self { helmfile, helm, home: TempDir::new().unwrap() })
    }

    /// Its standard output in an environment of the repository at `root`.
    fn run(&self, root: &Path, environment: &str, args: &[&str]) -> String {
        let mut command = Command::new(&self.helmfile);
        command.args(["--quiet", "--environment", environment, "--helm-binary"]).arg(&self.helm).args(args);
        command.current_dir(root).env_clear();
        command.env("HOME", self.home.path()).env("PATH", env::var_os("PATH").unwrap_or_default());
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helmfile -e {environment} {args:?}: {}\n{stderr}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Everything that an environment of the repository at `root` is made of: (kind, name) → manifest.
    fn render(&self, root: &Path, environment: &str) -> BTreeMap<(String, String), Value> {
        let text = self.run(root, environment, &["template"]);
        let mut manifests = BTreeMap::new();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let manifest: Value = serde::Deserialize::deserialize(document).unwrap();
            if manifest.is_null() {
                continue;
            }
            let text = |path| at(&manifest, path).and_then(Value::as_str).unwrap().to_owned();
            let key = (text("kind"), text("metadata.name"));
            assert!(manifests.insert(key.clone(), manifest).is_none(), "{key:?} twice in {environment}");
        }
        manifests
    }
}

/// The real `helmfile` and `helm`; `None`, said aloud, where one is missing.
pub fn programs() -> Option<(PathBuf, PathBuf)> {
    let found = program("helmfile").zip(program("helm"));
    if found.is_none() {
        eprintln!("SKIPPED: helmfile or helm not found. Run `.ci/tools.sh DIR` and set DATAPIN_TOOLS=DIR");
    }
    found
}

/// `$DATAPIN_TOOLS/h3/NAME`, which has to be there if the variable is set; else the first one in `PATH`.
fn program(name: &str) -> Option<PathBuf> {
    if let Some(tools) = env::var_os("DATAPIN_TOOLS") {
        let path = Path::new(&tools).join("h3").join(name);
        assert!(path.is_file(), "no {}: run `.ci/tools.sh $DATAPIN_TOOLS`", path.display());
        return Some(fs::canonicalize(path).unwrap());
    }
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What the container of a rendered Deployment gets as `DATA_VERSION`.
fn data_version(deployment: &Value) -> &str {
    let pod = at(deployment, "spec.template.spec").unwrap();
    let variables = pod["containers"][0]["env"].as_sequence().unwrap();
    let mut versions = variables.iter().filter(|variable| variable["name"] == "DATA_VERSION");
    let version = versions.next().and_then(|variable| variable["value"].as_str()).unwrap();
    assert!(versions.next().is_none(), "DATA_VERSION twice");
    version
}

#[test]
fn helmfile_lists_exactly_the_services_of_each_environment() {
    let Some(helmfile) = Helmfile::find() else { return };
    for (environment, services) in ENVIRONMENTS {
        let json = helmfile.run(&sample(), environment, &["list", "--output", "json", "--skip-charts"]);
        let releases: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert!(releases.iter().all(|release| release["namespace"] == environment), "namespaces: {json}");
        let installed = releases.iter().filter(|r| r["enabled"] == true && r["installed"] == true);
        let mut names: Vec<&str> = installed.map(|release| release["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, services, "installed releases of {environment}");
    }
}

#[test]
fn helmfile_renders_every_environment_with_its_pins() {
    let Some(helmfile) = Helmfile::find() else { return };
    for (environment, services) in ENVIRONMENTS {
        let manifests = helmfile.render(&sample(), environment);
        let deployments = manifests.iter().filter(|((kind, _), _)| kind == "Deployment");
        let versions: Vec<(&str, &str)> =
            deployments.map(|((_, name), manifest)| (name.as_str(), data_version(manifest))).collect();
        let expected: Vec<(&str, &str)> = services.iter().map(|service| (*service, VERSION)).collect();
        assert_eq!(versions, expected, "DATA_VERSION in {environment}");
    }
}

/// A copy of the sample in which `edit` has rewritten each file, by name and text.
fn copy(edit: impl Fn(&str, String) -> String) -> TempDir {
    let copy = TempDir::new().unwrap();
    for (name, bytes) in files(&sample()) {
        let path = copy.path().join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, edit(&name, String::from_utf8(bytes).unwrap())).unwrap();
    }
    copy
}

/// A copy of the sample with one text of one file replaced.
fn edited(file: &str, old: &str, new: &str) -> TempDir {
    copy(|name, text| {
        if name != file {
            return text;
        }
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {file}");
        text.replace(old, new)
    })
}

/// With the same version everywhere, a release that reads another environment's file would go unseen.
#[test]
fn every_service_reads_the_file_of_its_own_pin() {
    let Some(helmfile) = Helmfile::find() else { return };
    let pins = pin_files(&config());
    let marked = copy(|name, text| text.replace(VERSION, name));
    for (environment, services) in &pins {
        let manifests = helmfile.render(marked.path(), environment);
        for (service, file) in services {
            let deployment = &manifests[&("Deployment".to_owned(), service.clone())];
            assert_eq!(data_version(deployment), file, "DATA_VERSION of {service} in {environment}");
        }
    }
}

/// The names of all manifests that an edit changes, as `Kind/name`, in its environment.
fn changed_by(helmfile: &Helmfile, edit: &TempDir, environment: &str) -> Vec<String> {
    let before = helmfile.render(&sample(), environment);
    let after = helmfile.render(edit.path(), environment);
    assert!(before.keys().eq(after.keys()), "an edit of values adds and removes no manifest");
    let differ = after.iter().filter(|(key, manifest)| before[key] != **manifest);
    differ.map(|((kind, name), _)| format!("{kind}/{name}")).collect()
}

#[test]
fn a_pin_changes_only_its_own_deployment() {
    let Some(helmfile) = Helmfile::find() else { return };
    let edit = edited("values/int/kv.yaml", VERSION, "2026.11.23-1");
    assert_eq!(changed_by(&helmfile, &edit, "int"), ["Deployment/kv"]);
    let manifests = helmfile.render(edit.path(), "int");
    assert_eq!(data_version(&manifests[&("Deployment".into(), "kv".into())]), "2026.11.23-1");
}

/// A change of a ConfigMap alone restarts nothing: the checksum annotation has to change with it.
#[test]
fn a_cache_size_rolls_its_service_out() {
    let Some(helmfile) = Helmfile::find() else { return };
    let edit = edited("values/int/mds.yaml", "size: 512", "size: 1024");
    assert_eq!(changed_by(&helmfile, &edit, "int"), ["ConfigMap/mds", "Deployment/mds"]);
}
