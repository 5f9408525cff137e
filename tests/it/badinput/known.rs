//! The cases of the configuration and of the values editor, through the binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use toml_edit::{DocumentMut, InlineTable, Item, Table};

use super::course::refs;
use crate::transport::git;
use crate::world::World;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn datapin(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datapin"));
    command.env_clear().env("HOME", dir).env("GIT_CONFIG_NOSYSTEM", "1").args(args);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_bad_configuration_ends_with_2_and_its_message() {
    let world = World::new();
    let before = refs(&world.bare());
    let bare = world.bare().display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder("config/bad")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        count += 1;
        std::fs::copy(&file, dir.path().join("datapin.toml")).unwrap();
        let args = ["check", "--config", "datapin.toml", "--repository", &bare];
        let output = datapin(dir.path(), &args);
        let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        let said = text(&output.stderr);
        if output.status.code() != Some(2) || said != expected || !output.stdout.is_empty() {
            wrong.push(format!("{}: {:?}\n{said}", file.display(), output.status));
        }
    }
    assert_eq!(before, refs(&world.bare()), "something was written");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 170, "only {count} bad files");
    println!("{count} bad configurations");
}

/// A values case that one `deploy --dry-run` can ask for.
struct Values {
    name: String,
    file: String,
    edits: Vec<Table>,
    /// The editor's message, or nothing where it edits.
    refusal: Option<String>,
}

impl Values {
    fn all() -> Vec<Self> {
        let mut folders: Vec<PathBuf> =
            std::fs::read_dir(folder("values")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.retain(|path| path.is_dir());
        folders.sort();
        folders.iter().map(|folder| Self::load(folder)).collect()
    }

    fn load(folder: &Path) -> Self {
        let mut names =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let file = names.find(|name| name.starts_with("in.")).unwrap();
        let edits: DocumentMut = std::fs::read_to_string(folder.join("edits.toml")).unwrap().parse().unwrap();
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            file,
            edits: edits["edit"].as_array_of_tables().unwrap().iter().cloned().collect(),
            refusal: std::fs::read_to_string(folder.join("error.txt")).ok(),
        }
    }

    /// One run pins one version; a restored source is no input of anybody, and a settable value stands in the file
    /// of a pin.
    fn can_be_asked_for(&self) -> bool {
        let texts: BTreeSet<_> =
            self.edits.iter().map(|edit| edit.get("text").and_then(Item::as_str)).collect();
        let usable = |text: &&str| datapin::config::usable(text).is_ok();
        texts.len() == 1 && texts.first().is_some_and(|text| text.as_ref().is_some_and(usable))
    }

    fn version(&self) -> &str {
        self.edits[0]["text"].as_str().unwrap()
    }

    fn config(&self, bare: &str) -> String {
        let pins: toml_edit::Array = self.edits.iter().map(|edit| self.pin(edit)).collect();
        format!(
            "[repository]\nurl = \"{bare}\"\n\n\
             [dataset.d]\nservices = [\"s\"]\nversion_pattern = '(?s).*'\npin = {pins}\n\n\
             [environment.e]\nagent = {{ kind = \"command\", command = [\"cat\"] }}\n\n\
             [pipeline.p]\nstages = [{{ environment = \"e\" }}]\n"
        )
    }

    fn pin(&self, edit: &Table) -> InlineTable {
        let mut pin = InlineTable::new();
        pin.insert("file", format!("{}/{}", self.name, self.file).into());
        pin.insert("path", edit["path"].as_str().unwrap().into());
        if let Some(document) = edit.get("document") {
            pin.insert("document", document.as_value().unwrap().clone());
        }
        pin
    }
}

#[test]
fn every_values_case_is_refused_in_the_editors_words_or_planned() {
    let world = World::new();
    let cases: Vec<Values> = Values::all().into_iter().filter(Values::can_be_asked_for).collect();
    push(&world.bare(), &cases);
    let before = refs(&world.bare());
    let bare = world.bare().display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut refused = 0;
    for case in &cases {
        std::fs::write(dir.path().join("datapin.toml"), case.config(&bare)).unwrap();
        let output = datapin(dir.path(), &["deploy", "p", "--dry-run", "--", case.version()]);
        let said = text(&output.stderr);
        let right = match &case.refusal {
            None => output.status.code() == Some(0),
            Some(refusal) => {
                refused += 1;
                let refusal = refusal.trim_end().replace("in.", &format!("{}/in.", case.name));
                output.status.code() == Some(2) && said.contains(&refusal)
            }
        };
        if !right || said.contains("panicked at") {
            let want = case.refusal.as_deref().unwrap_or("0\n");
            wrong.push(format!("{}: {:?}\n  want: {want}  said: {said}", case.name, output.status.code()));
        }
    }
    assert_eq!(before, refs(&world.bare()), "something was written");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(refused >= 60, "only {refused} refusals");
    println!("{} values files, {refused} of them refused", cases.len());
}

/// All files in one commit on `main`.
fn push(bare: &Path, cases: &[Values]) {
    let checkout = tempfile::tempdir().unwrap();
    for case in cases {
        let to = checkout.path().join(&case.name);
        std::fs::create_dir_all(&to).unwrap();
        std::fs::copy(folder("values").join(&case.name).join(&case.file), to.join(&case.file)).unwrap();
    }
    git(checkout.path(), &["init", "--quiet"]);
    git(checkout.path(), &["-c", "core.autocrlf=false", "add", "--all", "."]);
    git(checkout.path(), &["commit", "--quiet", "--message", "cases"]);
    git(checkout.path(), &["push", "--quiet", "--force", &bare.display().to_string(), "HEAD:main"]);
}
