//! Every folder of `fixtures/values` is a case: `in.<ext>` and `edits.toml` give `out.<ext>` or `error.txt`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use datapin::values::{self, Change, DocumentSelector, Edit, Target};
use toml_edit::{DocumentMut, Table};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/values")
}

struct Case {
    folder: PathBuf,
    file: String,
    input: Vec<u8>,
    edits: Vec<Edit>,
}

impl Case {
    fn load(folder: PathBuf) -> Self {
        let mut names =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let file = names.find(|name| name.starts_with("in.")).expect("a case has in.<ext>");
        let input = fs::read(folder.join(&file)).unwrap();
        let text = fs::read_to_string(folder.join("edits.toml")).unwrap();
        let document: DocumentMut = text.parse().unwrap();
        let edits = document["edit"].as_array_of_tables().unwrap().iter().map(edit).collect();
        Self { folder, file, input, edits }
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn output(&self) -> PathBuf {
        self.folder.join(self.file.replacen("in.", "out.", 1))
    }

    fn run(&self) -> Result<Vec<u8>, String> {
        values::edit(&self.file, &self.input, &self.edits).map_err(|error| format!("{error}\n"))
    }

    fn update(&self) {
        let error = self.folder.join("error.txt");
        let _ = (fs::remove_file(&error), fs::remove_file(self.output()));
        match self.run() {
            Ok(bytes) => fs::write(self.output(), bytes).unwrap(),
            Err(message) => fs::write(error, message).unwrap(),
        }
    }

    /// What is wrong, if anything.
    fn check(&self) -> Option<String> {
        let expected =
            fs::read(self.output()).or_else(|_| fs::read(self.folder.join("error.txt"))).unwrap_or_default();
        let (result, actual) = match self.run() {
            Ok(bytes) => ("out", bytes),
            Err(message) => ("error.txt", message.into_bytes()),
        };
        let same_kind = (result == "out") == self.output().exists();
        let diff = values::render_diff(result, &expected, &actual);
        (!same_kind || expected != actual).then(|| format!("case {} ({result}):\n{diff}", self.name()))
    }
}

fn edit(table: &Table) -> Edit {
    let text = |key: &str| table.get(key).map(|value| value.as_str().unwrap().to_owned());
    let document = table.get("document").map(|item| {
        let item = item.as_table_like().unwrap();
        let text = |key| item.get(key).map(|value| value.as_str().unwrap().to_owned());
        DocumentSelector { kind: text("kind"), name: text("name") }
    });
    let change =
        [("text", Change::Text as fn(String) -> Change), ("keep", Change::Keep), ("source", Change::Source)];
    let change = change.iter().find_map(|(key, make)| text(key).map(make)).expect("an edit has a change");
    Edit { target: Target { path: text("path").unwrap().parse().unwrap(), document }, change }
}

fn load() -> Vec<Case> {
    let mut folders: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders.into_iter().map(Case::load).collect()
}

#[test]
fn every_case_ends_as_its_files_say() {
    let cases = load();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        cases.iter().for_each(Case::update);
    }
    let mut failures = String::new();
    for failure in cases.iter().filter_map(Case::check) {
        writeln!(failures, "{failure}").unwrap();
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(cases.len() >= 70, "only {} cases were found", cases.len());
}

#[test]
fn restoring_the_source_gives_the_very_same_bytes() {
    for case in load().iter().filter(|case| case.output().exists()) {
        let targets: Vec<Target> = case.edits.iter().map(|edit| edit.target.clone()).collect();
        let before = values::read_all(&case.file, &case.input, &targets).unwrap();
        let after = case.run().unwrap();
        let back: Vec<Edit> = targets
            .into_iter()
            .zip(before)
            .map(|(target, scalar)| Edit { target, change: Change::Source(scalar.source) })
            .collect();
        let restored = values::edit(&case.file, &after, &back).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&restored),
            String::from_utf8_lossy(&case.input),
            "case {}",
            case.name()
        );
    }
}

#[test]
fn reading_an_edit_gives_the_text_asked_for() {
    for case in load().iter().filter(|case| case.output().exists()) {
        let after = case.run().unwrap();
        for edit in &case.edits {
            let scalar = values::read(&case.file, &after, &edit.target).unwrap();
            match &edit.change {
                Change::Text(text) => {
                    assert_eq!(
                        (&scalar.text, scalar.kind),
                        (text, values::Kind::Text),
                        "case {}",
                        case.name()
                    );
                }
                Change::Keep(text) => assert_eq!(&scalar.text, text, "case {}", case.name()),
                Change::Source(source) => assert_eq!(&scalar.source, source, "case {}", case.name()),
            }
        }
    }
}
