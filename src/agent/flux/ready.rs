//! What has to be so before anything is committed for a Kustomization. Pure.

use super::object::Object;
use crate::agent::readiness::Finding;
use crate::agent::repository::{Repository, shown};

/// What stands in the way of deploying through these objects; empty if nothing does.
pub fn ready(
    source: &Object,
    kustomization: &Object,
    release: Option<&Object>,
    repository: &Repository,
    files: &[String],
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [Some(source), Some(kustomization), release]
        .into_iter()
        .flatten()
        .filter(|object| object.spec.suspend)
        .map(|object| {
            let kind = match object.kind.as_str() {
                "GitRepository" => "source git",
                "HelmRelease" => "helmrelease",
                _ => "kustomization",
            };
            Finding::Held(format!(
                "{} is suspended: `flux resume {kind} {} -n {}`",
                object.title(),
                object.metadata.name,
                object.metadata.namespace
            ))
        })
        .collect();
    findings.extend(foreign(source, repository));
    findings.extend(uncovered(kustomization, files));
    findings
}

fn foreign(source: &Object, repository: &Repository) -> Option<Finding> {
    let url = source.spec.url.as_deref().unwrap_or_default();
    let title = source.title();
    if !repository.is(url) {
        return Some(Finding::Wrong(format!(
            "{title} reads {}, but the pins are pushed to {}; name the right Kustomization, or say by \
             `repository` in the agent under which URL it reads ours",
            shown(url),
            repository.identity()
        )));
    }
    let reference = source.spec.reference.clone().unwrap_or_default();
    let fixed = [
        reference.tag.map(|tag| format!("tag `{tag}`")),
        reference.semver.map(|range| format!("tags `{range}`")),
        reference.commit.map(|commit| format!("commit `{commit}`")),
    ];
    let branch = reference.name.or(reference.branch).unwrap_or_else(|| "master".to_owned());
    let followed = match fixed.into_iter().flatten().next() {
        Some(fixed) => fixed,
        None if repository.is_branch(&branch) => return None,
        None => format!("branch `{branch}`"),
    };
    Some(Finding::Wrong(format!(
        "{title} follows {followed}, but the pins are pushed to branch `{}`; correct its `ref`, or `branch` of \
         the environment",
        repository.branch
    )))
}

fn uncovered(kustomization: &Object, files: &[String]) -> Option<Finding> {
    let path = kustomization.spec.path.as_deref().unwrap_or_default();
    let folder = path.trim_start_matches("./").trim_matches('/');
    let inside = |file: &String| {
        folder.is_empty()
            || folder == "."
            || file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    };
    let file = files.iter().find(|file| !inside(file))?;
    Some(Finding::Warning(format!(
        "{} applies `{path}`, and `{file}` is not in there: a commit to it may change nothing",
        kustomization.title()
    )))
}
