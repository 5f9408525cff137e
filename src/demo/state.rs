//! What the demo's processes tell each other, as files below the demo's directory.

use std::fs;
use std::io::{Result, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What does not work in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Environment.
    pub environment: &'static str,
    /// Service.
    pub service: &'static str,
    /// How.
    pub sort: Sort,
}

/// How something does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// The new version does not start.
    NewIsBroken,
    /// Once it had the new version, the old one does not start any more.
    NeverComesBack,
}

/// File `faults.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Faults {
    /// By `environment/service`.
    pub services: Vec<(String, Sort)>,
    /// Gates that fail.
    pub gates: Vec<String>,
}

impl Faults {
    /// What the file says; nothing is broken without it.
    pub fn read(dir: &Path) -> Self {
        let read = fs::read(dir.join("faults.json")).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// How a service does not work.
    pub fn of(&self, environment: &str, service: &str) -> Option<Sort> {
        let name = format!("{environment}/{service}");
        self.services.iter().find(|(known, _)| *known == name).map(|(_, sort)| *sort)
    }
}

/// What the agent says of a service: the answer of the agent contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Version of the contract.
    pub api: u32,
    /// Commit.
    pub revision: Option<String>,
    /// `pending`, `synced`, `failed`.
    pub sync: String,
    /// `progressing`, `healthy`, `degraded`, `unknown`.
    pub health: String,
    /// Why.
    pub reason: String,
    /// Last log lines.
    pub log: Vec<String>,
}

/// Where the answer for a service is.
pub fn answer_file(dir: &Path, environment: &str, service: &str) -> PathBuf {
    dir.join("agent").join(environment).join(format!("{service}.json"))
}

/// Writes a file as a whole: a reader sees the old one or the new one.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
