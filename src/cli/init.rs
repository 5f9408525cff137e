//! `datapin init`: a starting configuration, and the queue.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;

use super::Common;
use super::edge::{self, CONFIG};
use super::output::emit;
use super::stage::{CommandError, Stage};
use crate::config::{self, starter};
use crate::exit::Exit;
use crate::queue::{StoreError, blocking};
use crate::repo::RepoError;

/// Writes a starting configuration and creates the queue.
#[derive(Debug, Args)]
pub struct Init {
    /// Writes the file even if it is there, and creates a queue even where runs left commits.
    #[arg(long)]
    pub force: bool,
}

/// Files of a repository that are looked at, at most.
const MOST_FILES: usize = 5_000;

/// Writes ./datapin.toml if there is none, and creates the queue branch of each queue.
///
/// A starter in which nothing could be found is not complete: the queue waits for the second `init`.
pub async fn init(common: &Common, args: &Init) -> Result<Exit, CommandError> {
    let path = common.config.clone().unwrap_or_else(|| CONFIG.into());
    if !path.exists() {
        let files = values_files(Path::new("."))
            .map_err(|source| CommandError::Local { what: "reading this directory".to_owned(), source })?;
        let starter = starter(&files, edge::origin().as_deref());
        std::fs::write(&path, &starter.text)
            .map_err(|source| CommandError::Local { what: format!("writing {}", path.display()), source })?;
        emit(&format!("wrote {}: read it and correct it\n", path.display()));
        if let Err(why) = config::load(&path.display().to_string(), &starter.text) {
            tracing::debug!(%why, "the starter is not complete");
            emit("then run `datapin init` again: it creates the queue branch\n");
            return Ok(Exit::Ok);
        }
    }
    create_queues(common, args).await
}

async fn create_queues(common: &Common, args: &Init) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let context = &stage.context;
    for name in context.config.queues.keys() {
        let store = context.queue_store(name);
        let there = match store.read().await {
            Ok(_) => true,
            Err(StoreError::Missing { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !there && !args.force && runs_were_here(context).await? {
            return Err(CommandError::Usage(format!(
                "the last commits of `{}` were made by datapin, but the queue branch `{}` is gone: restore it, or create an empty one with --force",
                context.default_branch,
                store.branch()
            )));
        }
        let created = store.create().await?;
        emit(&match created {
            true => format!("created the queue branch `{}`\n", store.branch()),
            false => format!("the queue branch `{}` is there already\n", store.branch()),
        });
    }
    stage.close().await;
    Ok(Exit::Ok)
}

async fn runs_were_here(context: &crate::run::context::Context) -> Result<bool, CommandError> {
    let target = context.plan_target();
    let names = context.config.environments.keys();
    let branches: BTreeSet<String> =
        names.map(|name| target.identity(&context.config, name).branch).collect();
    let repo = context.target.clone();
    let were = blocking(move || -> Result<bool, RepoError> {
        for branch in &branches {
            let Some(tip) = repo.fetch(branch)? else { continue };
            let ours = |message: &str| message.lines().any(|line| line.starts_with("Datapin-Run: "));
            if repo.log(&tip, 500)?.iter().any(|entry| ours(&entry.message)) {
                return Ok(true);
            }
        }
        Ok(false)
    });
    were.await.map_err(|error| CommandError::Edge(error.into()))
}

/// Values files below a directory: small text files with the usual endings.
fn values_files(top: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut open = vec![top.to_path_buf()];
    while let Some(dir) = open.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&dir)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if kind.is_dir() && !hidden {
                open.push(path);
            } else if kind.is_file() && is_values(&path) && entry.metadata()?.len() < 1_000_000 {
                let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path)?));
            }
        }
        if found.len() >= MOST_FILES {
            break;
        }
    }
    Ok(found)
}

fn is_values(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    [".yaml", ".yml", ".gotmpl", ".toml"].iter().any(|ending| name.ends_with(ending))
}
