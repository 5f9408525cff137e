//! Gates: one script that does what a file says.

use std::path::{Path, PathBuf};

/// Arguments: the gate's name. A hanging gate ends when its file says something else or is gone.
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
mode() { cat "$here/gates/$1" 2>/dev/null || echo passes; }
echo "$1 $DATAPIN_VERSION $DATAPIN_RUN $DATAPIN_ATTEMPT" >> "$here/gates.log"
while [ "$(mode "$1")" = hangs ] && [ -d "$here" ]; do sleep 0.03; done
case $(mode "$1") in
  passes) echo '{"api": 1, "summary": "all is well"}' ;;
  fails) echo '{"api": 1, "summary": "3 connections have no fare"}'; exit 1 ;;
  *) echo 'the test machine is gone' >&2; exit 7 ;;
esac
"#;

pub(super) fn write(root: &Path) {
    std::fs::create_dir_all(root.join("gates")).unwrap();
    std::fs::write(root.join("gate.sh"), SCRIPT).unwrap();
}

/// A gate, to say how it judges from now on.
pub struct Gate<'a> {
    root: &'a Path,
    name: String,
}

impl<'a> Gate<'a> {
    pub(super) fn new(root: &'a Path, name: &str) -> Self {
        Self { root, name: name.to_owned() }
    }

    /// It passes at once.
    pub fn passes(&self) {
        self.say("passes");
    }

    /// It fails.
    pub fn fails(&self) {
        self.say("fails");
    }

    /// It cannot tell.
    pub fn errors(&self) {
        self.say("errors");
    }

    /// It runs until it is told something else.
    pub fn hangs(&self) {
        self.say("hangs");
    }

    /// The versions that it was started for, in order.
    pub fn began(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.root.join("gates.log")).unwrap_or_default();
        let words = log.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        words.filter(|words| words[0] == self.name).map(|words| words[1].to_owned()).collect()
    }

    fn say(&self, word: &str) {
        let file: PathBuf = self.root.join("gates").join(&self.name);
        let new = file.with_extension("new");
        std::fs::write(&new, word).unwrap();
        std::fs::rename(&new, &file).unwrap();
    }
}
