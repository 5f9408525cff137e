//! What has to be so before anything is committed for an Application. Pure.

use super::application::{Application, Source};
use crate::agent::readiness::Finding;
use crate::agent::repository::{Repository, shown};

/// Who begins a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncBy {
    /// Argo CD by itself.
    Argo,
    /// datapin.
    Datapin,
}

/// What is expected of an Application.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// Our repository.
    pub repository: &'a Repository,
    /// Files that a commit changes for it.
    pub files: &'a [String],
    /// Who begins a sync.
    pub by: SyncBy,
}

/// What stands in the way of deploying through `app`; empty if nothing does.
pub fn ready(app: &Application, expected: &Expected<'_>) -> Vec<Finding> {
    let title = app.title();
    if let Some(since) = &app.metadata.deletion_timestamp {
        return vec![Finding::Held(format!("{title} is being deleted since {since}"))];
    }
    let found = match ours(app, expected.repository) {
        Ok(sources) => Ok(sources),
        Err(text) => Err(Finding::Wrong(format!("{title} {text}"))),
    };
    let sources = match found {
        Ok(sources) => sources,
        Err(wrong) => return vec![wrong],
    };
    let mut findings = Vec::new();
    if expected.by == SyncBy::Argo && !app.is_automated() {
        findings.push(Finding::Held(format!(
            "{title} does not sync by itself (no `spec.syncPolicy.automated`); switch auto-sync on, or set \
             `sync = \"request\"` in the agent, and datapin begins each sync"
        )));
    }
    if let Some(invalid) = app.condition(&["InvalidSpecError"]) {
        let message = crate::process::one_line(&invalid.message, 300);
        findings.push(Finding::Wrong(format!("{title} is invalid: {message}")));
    }
    findings.extend(
        expected
            .files
            .iter()
            .filter(|file| !covers(app, &sources, file))
            .map(|file| uncovered(app, &sources, file)),
    );
    findings
}

/// The sources that are our branch of our repository, or what is wrong.
fn ours<'a>(app: &'a Application, repository: &Repository) -> Result<Vec<&'a Source>, String> {
    let git: Vec<&Source> = app.sources().into_iter().filter(|source| source.chart.is_none()).collect();
    let mine: Vec<&Source> = git.iter().copied().filter(|source| repository.is(&source.repo_url)).collect();
    if mine.is_empty() {
        let theirs: Vec<String> = git.iter().map(|source| shown(&source.repo_url)).collect();
        let theirs = if theirs.is_empty() { "no git repository".to_owned() } else { theirs.join(", ") };
        return Err(format!(
            "deploys from {theirs}, but the pins are pushed to {}; name the right application, or say by \
             `repository` in the agent under which URL it reads ours",
            repository.identity()
        ));
    }
    let branch =
        |source: &&Source| repository.is_branch(source.target_revision.as_deref().unwrap_or_default());
    let followed: Vec<&Source> = mine.iter().copied().filter(branch).collect();
    if followed.is_empty() {
        let revisions: Vec<&str> =
            mine.iter().filter_map(|source| source.target_revision.as_deref()).collect();
        return Err(format!(
            "follows `{}`, but the pins are pushed to branch `{}`; correct its `targetRevision`, or `branch` \
             of the environment",
            revisions.join("`, `"),
            repository.branch
        ));
    }
    Ok(followed)
}

fn uncovered(app: &Application, sources: &[&Source], file: &str) -> Finding {
    let paths: Vec<String> =
        sources.iter().filter_map(|source| source.path.as_ref()).map(|path| format!("`{path}`")).collect();
    let folders = if paths.is_empty() { String::new() } else { format!(" in {}, nor", paths.join(", ")) };
    Finding::Warning(format!(
        "{}: `{file}` is not{folders} among its values files: a commit to it may change nothing",
        app.title()
    ))
}

/// Whether a change of `file` can change what the application renders, as far as its spec tells.
fn covers(app: &Application, sources: &[&Source], file: &str) -> bool {
    // a plug-in reads what it likes
    sources.iter().any(|source| source.plugin.is_some() || in_folder(source, file) || is_values(source, file))
        || sources.iter().any(|source| is_referenced(app, source, file))
}

fn in_folder(source: &Source, file: &str) -> bool {
    let Some(path) = &source.path else { return false };
    let folder = path.trim_start_matches("./").trim_matches('/');
    folder.is_empty() || folder == "." || file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn is_values(source: &Source, file: &str) -> bool {
    let folder = source.path.as_deref().unwrap_or_default();
    values(source).any(|named| match named.strip_prefix('/') {
        Some(absolute) => absolute == file,
        None => joined(folder, named).as_deref() == Some(file),
    })
}

/// Whether another source takes `file` from `source` by `$ref/…`.
fn is_referenced(app: &Application, source: &Source, file: &str) -> bool {
    let Some(reference) = &source.reference else { return false };
    let wanted = format!("${reference}/{file}");
    app.sources().into_iter().any(|other| values(other).any(|named| *named == wanted))
}

fn values(source: &Source) -> impl Iterator<Item = &String> {
    source.helm.iter().flat_map(|helm| &helm.value_files)
}

/// `relative` seen from `folder`, without `.` and `..`; `None` if that leaves the repository.
fn joined(folder: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(relative.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
