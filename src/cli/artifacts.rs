//! Files about a run, for the job that it runs in.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::emit;
use super::stage::CommandError;
use crate::report::account::Account;
use crate::report::html::run_page;
use crate::report::junit::junit;
use crate::report::link::Links;
use crate::report::markdown::markdown;
use crate::report::outputs::{annotations, dotenv};

/// The file that stands for standard output.
const STDOUT: &str = "-";

/// Where to write an HTML report and other files about the run of this process, also when it fails.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Files about the run")]
pub struct Artifacts {
    /// Writes the run as one HTML file.
    #[arg(long, env = "DATAPIN_REPORT", value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What other formats are written.
    #[command(flatten)]
    pub files: Files,
}

/// A run in other formats.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Files about the run")]
pub struct Files {
    /// Writes it as JUnit, for `artifacts:reports:junit`.
    #[arg(long, env = "DATAPIN_JUNIT", value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Writes it as Markdown.
    #[arg(long, env = "DATAPIN_MARKDOWN", value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Writes variables for later jobs, for `artifacts:reports:dotenv`.
    #[arg(long, env = "DATAPIN_DOTENV", value_name = "FILE")]
    pub dotenv: Option<PathBuf>,
    /// Writes links that GitLab shows at the job, for `artifacts:reports:annotations`.
    #[arg(long, env = "DATAPIN_ANNOTATIONS", value_name = "FILE")]
    pub annotations: Option<PathBuf>,
}

impl Files {
    /// Whether none is asked for.
    pub fn is_empty(&self) -> bool {
        let Self { junit, markdown, dotenv, annotations } = self;
        [junit, markdown, dotenv, annotations].into_iter().all(Option::is_none)
    }
}

impl Artifacts {
    /// Whether none is asked for.
    pub fn is_empty(&self) -> bool {
        self.paths().is_empty()
    }

    /// The files that are asked for.
    pub fn paths(&self) -> Vec<PathBuf> {
        let Files { junit, markdown, dotenv, annotations } = &self.files;
        let all = [&self.report, junit, markdown, dotenv, annotations];
        all.into_iter().flatten().cloned().collect()
    }

    /// Writes what is asked for; nothing where no run was heard of. Every file is tried, whatever became of the others.
    ///
    /// Returns why files could not be written.
    pub fn write(&self, accounts: &[Account], links: &Links) -> Vec<CommandError> {
        let Some(own) = accounts.first() else { return Vec::new() };
        let Files { junit: to_junit, markdown: to_markdown, dotenv: to_dotenv, annotations: to_annotations } =
            &self.files;
        let bug = |error: &dyn std::error::Error| CommandError::Missing(error.to_string());
        let results = [
            write(&self.report, || run_page(accounts, links).map_err(|error| bug(&error))),
            write(to_junit, || junit(accounts).map_err(|error| bug(&error))),
            write(to_markdown, || Ok(markdown(accounts, links))),
            write(to_dotenv, || Ok(dotenv(own))),
            write(to_annotations, || Ok(annotations(own, links))),
        ];
        results.into_iter().filter_map(Result::err).collect()
    }
}

fn write(
    path: &Option<PathBuf>,
    make: impl FnOnce() -> Result<String, CommandError>,
) -> Result<(), CommandError> {
    let Some(path) = path else { return Ok(()) };
    let text = make()?;
    if path == Path::new(STDOUT) {
        emit(&text);
        return Ok(());
    }
    save(path, &text)
}

/// Writes a file; its directories are made.
pub fn save(path: &Path, text: &str) -> Result<(), CommandError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let made = dir.map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text)).map_err(|source| CommandError::Local {
        what: format!("{} cannot be written, is there another place for it?", path.display()),
        source,
    })
}
