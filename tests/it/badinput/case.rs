//! A case is a folder with `case.toml`, and what it says has to be in `message.txt`.
//!
//! | key | meaning |
//! |---|---|
//! | `what` | what is bad, in a line |
//! | `args`, `env`, `unset` | arguments; variables that are set or missing |
//! | `code` | exit code |
//! | `transport` | `file` (default), `http`, `ssh` |
//! | `queue = false` | `datapin init` was not run |
//! | `config`, `remove` | merged into `datapin.toml`; dotted keys that are removed from it |
//! | `no_config` | neither `--config` nor a `datapin.toml` in the working directory |
//! | `file` | files that a person pushes: `path` with `text`, or with `from` and `to` |
//! | `prepare` | commands of datapin that went well before |
//! | `writes` | `nothing` (default), `rolled back`, `verified`: what may have become of the repository |
//! | `says` | words that either output has to contain, beside the message |
//!
//! Scripts beside it: `repo.sh` changes a checkout that is then pushed, `prepare.sh` changes the world, `run.sh`
//! runs `$DATAPIN` itself, `after.sh` checks. `@DIR@`, `@BARE@`, `@AUTH@` (a server that wants a password) and
//! `@CLOSED@` (a port that nothing listens on) are filled in.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike};

/// What may have become of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// No branch moved.
    Nothing,
    /// Every file of `main` is as it was, and the queue is empty.
    RolledBack,
    /// The version is in every pin of `int`, and nothing else of those files changed.
    Verified,
}

/// A case.
pub struct Case {
    pub name: String,
    pub folder: PathBuf,
    text: DocumentMut,
}

impl Case {
    /// All of them, those that `BADINPUT` asks for.
    pub fn all(folder: &Path) -> Vec<Self> {
        let only = std::env::var("BADINPUT").unwrap_or_default();
        let mut folders: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders.into_iter().map(Self::load).filter(|case| case.name.contains(&only)).collect()
    }

    fn load(folder: PathBuf) -> Self {
        let path = folder.join("case.toml");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text: DocumentMut = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let known =
            "what args env unset code transport queue config remove no_config file prepare writes says";
        for (key, _) in text.iter() {
            assert!(known.split(' ').any(|one| one == key), "{}: key `{key}`", path.display());
        }
        assert!(text.contains_key("what"), "{}: `what` is missing", path.display());
        Self { name: folder.file_name().unwrap().to_string_lossy().into_owned(), folder, text }
    }

    pub fn code(&self) -> i32 {
        i32::try_from(self.text["code"].as_integer().unwrap()).unwrap()
    }

    pub fn word(&self, key: &str) -> Option<&str> {
        self.text.get(key).map(|item| item.as_str().unwrap())
    }

    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.text.get(key).map_or(default, |item| item.as_bool().unwrap())
    }

    pub fn words(&self, key: &str) -> Vec<String> {
        self.text.get(key).map(words).unwrap_or_default()
    }

    pub fn writes(&self) -> Writes {
        match self.word("writes") {
            None | Some("nothing") => Writes::Nothing,
            Some("rolled back") => Writes::RolledBack,
            Some("verified") => Writes::Verified,
            Some(other) => panic!("{}: writes = {other}", self.name),
        }
    }

    pub fn env(&self) -> Vec<(String, String)> {
        let Some(env) = self.text.get("env") else { return Vec::new() };
        let env = env.as_table_like().unwrap();
        env.iter().map(|(name, value)| (name.to_owned(), value.as_str().unwrap().to_owned())).collect()
    }

    /// Commands before.
    pub fn prepare(&self) -> Vec<Vec<String>> {
        let Some(all) = self.text.get("prepare") else { return Vec::new() };
        all.as_array().unwrap().iter().map(|one| words(&Item::Value(one.clone()))).collect()
    }

    /// `(path, text, from, to)` of what a person pushes.
    pub fn files(&self) -> Vec<(String, Option<String>, String, String)> {
        let Some(all) = self.text.get("file") else { return Vec::new() };
        let all = all.as_array_of_tables().unwrap();
        all.iter()
            .map(|file| {
                let get = |key: &str| file.get(key).map(|item| item.as_str().unwrap().to_owned());
                (
                    get("path").unwrap(),
                    get("text"),
                    get("from").unwrap_or_default(),
                    get("to").unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Whether the case changes the configuration.
    pub fn changes_config(&self) -> bool {
        self.text.contains_key("config") || self.text.contains_key("remove")
    }

    /// Makes its changes of the configuration; `fill` fills placeholders in.
    pub fn configure(&self, text: &mut DocumentMut, fill: &dyn Fn(&str) -> String) {
        for key in self.words("remove") {
            let mut steps: Vec<&str> = key.split('.').collect();
            let last = steps.pop().unwrap();
            let mut at: &mut dyn TableLike = text.as_table_mut();
            for step in steps {
                at = at.get_mut(step).unwrap().as_table_like_mut().unwrap();
            }
            at.remove(last);
        }
        if let Some(changes) = self.text.get("config") {
            let filled: DocumentMut = fill(&own_document(changes)).parse().unwrap();
            merge(text.as_table_mut(), filled.as_table());
        }
    }
}

fn own_document(item: &Item) -> String {
    let mut document = DocumentMut::new();
    for (key, value) in item.as_table_like().unwrap().iter() {
        document.insert(key, value.clone());
    }
    document.to_string()
}

fn merge(into: &mut dyn TableLike, from: &dyn TableLike) {
    for (key, value) in from.iter() {
        let both = into.get_mut(key).and_then(Item::as_table_like_mut).zip(value.as_table_like());
        match both {
            Some((own, other)) => merge(own, other),
            None => {
                into.insert(key, value.clone());
            }
        }
    }
}

fn words(item: &Item) -> Vec<String> {
    item.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}
