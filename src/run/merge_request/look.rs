//! What the branch of a merge request changes. Only reads git.

use std::sync::Arc;

use super::{Home, MergeRequest, is_git};
use crate::config::Place;
use crate::plan::{Files, PlanError};
use crate::queue::{Queue, blocking};
use crate::repo::{Ancestry, Content, Repo, RepoError};
use crate::run::RunError;
use crate::run::adopt::range::{Found, Ground, Range, proposed};
use crate::run::adopt::revert::as_rollback;
use crate::run::adopt::route::Meaning;
use crate::run::context::Context;
use crate::run::outside::OutsideError;
use crate::values;

/// What a branch changes.
pub(super) struct Looked {
    pub found: Vec<(Found, Meaning)>,
    pub others: Vec<String>,
}

/// The commits of a merge request; `None` where its branch is in another project, which is not looked at.
///
/// # Errors
/// Git out of reach; a branch that is gone, or that did not begin where it is said.
pub async fn commits(context: &Context, asked: &MergeRequest) -> Result<Option<Range>, RunError> {
    match asked.home {
        Home::Fork => Ok(None),
        Home::Project => {
            let (repo, asked) = (context.target.clone(), asked.clone());
            let known = blocking(move || range(&repo, &asked)).await.map_err(OutsideError::from)?;
            known.map(Some).map_err(RunError::Usage)
        }
    }
}

/// Whether a merge request leaves an environment as it was, readable or not. Never where it changes a file of the
/// configuration's name: what that asks for may be new.
///
/// # Errors
/// Git out of reach.
pub async fn is_as_before(
    context: &Context,
    range: &Range,
    config: &str,
    (environment, dataset): (&str, &str),
) -> Result<bool, RunError> {
    let mut grounds = Ground::all(&context.config, &context.default_branch).into_iter();
    let Some(ground) = grounds.find(|one| one.environment == environment && one.dataset == dataset) else {
        return Ok(false);
    };
    let (repo, range, config) = (context.target.clone(), range.clone(), config.to_owned());
    let same = blocking(move || -> Result<bool, OutsideError> {
        let changed = repo.changed_paths(Some(&range.before), &range.commit)?;
        let is_config = |path: &String| path.rsplit('/').next() == Some(&config);
        let failed = |source| PlanError::Files { environment: ground.environment.clone(), source };
        Ok(!changed.iter().any(is_config) && ground.is_as_before(&repo, &range).map_err(failed)?)
    });
    Ok(same.await?)
}

/// What the branch changes at these places.
pub(super) async fn look(
    context: &Context,
    asked: &MergeRequest,
    range: &Range,
    grounds: Vec<Ground>,
    queues: &[Arc<Queue>],
) -> Result<Looked, OutsideError> {
    let (repo, asked, range, queues) =
        (context.target.clone(), asked.clone(), range.clone(), queues.to_vec());
    let seen = blocking(move || -> Result<Looked, OutsideError> {
        let mut found = Vec::new();
        let target = repo.fetch(&asked.target)?;
        for ground in grounds {
            // its history is that of the branch
            let ground = Ground { branch: asked.source.clone(), ..ground };
            let failed = |source| PlanError::Files { environment: ground.environment.clone(), source };
            let mut files = queues.iter().filter_map(|queue| queue.environment(&ground.environment));
            let record = files.find_map(|file| file.datasets.get(&ground.dataset));
            let verified = record.and_then(|record| record.current());
            let one = match proposed(&repo, &ground, &range, target.as_ref(), verified) {
                // the merge request neither breaks nor mends it: `check` warns
                Err(source) if !is_git(&source) && ground.is_as_before(&repo, &range).map_err(failed)? => {
                    None
                }
                one => one.map_err(failed)?,
            };
            let Some(one) = one else { continue };
            let back = as_rollback(&repo, &one, record).map_err(failed)?;
            found.push((one, back.map_or(Meaning::Deployment, |back| Meaning::Rollback(Box::new(back)))));
        }
        let others = others(&repo, &range, &found)?;
        Ok(Looked { found, others })
    });
    seen.await
}

/// The commits of the merge request, or why they are not known.
fn range(repo: &Repo, asked: &MergeRequest) -> Result<Result<Range, String>, RepoError> {
    let Some(tip) = repo.fetch(&asked.source)? else {
        return Ok(Err(format!("branch `{}` of !{} is not there any more", asked.source, asked.iid)));
    };
    let own = match &asked.head {
        Some(head) => repo.descends(&asked.source, head, &tip)? != Ancestry::NotRelated,
        None => false,
    };
    // a pipeline for the merged result runs for a commit that is on no branch
    let commit = asked.head.clone().filter(|_| own).unwrap_or(tip);
    if repo.descends(&asked.source, &asked.base, &commit)? == Ancestry::NotRelated {
        return Ok(Err(format!(
            "branch `{}` does not contain {}, which GitLab says it began at; rebase it",
            asked.source,
            asked.base.short()
        )));
    }
    Ok(Ok(Range { commit, before: asked.base.clone() }))
}

/// The files in which something else changes than pins and settable values.
fn others(repo: &Repo, range: &Range, found: &[(Found, Meaning)]) -> Result<Vec<String>, OutsideError> {
    let mut others = Vec::new();
    for file in repo.changed_paths(Some(&range.before), &range.commit)? {
        let pins = found.iter().flat_map(|(one, _)| one.adopted.pins.values().flatten());
        let back: Vec<_> = pins
            .filter(|pin| pin.place.file == file && pin.after != pin.before.text)
            .map(|pin| (pin.place.clone(), values::Change::Source(pin.before.source.clone())))
            .collect();
        if back.is_empty() || !is_undone(repo, range, &file, &back)? {
            others.push(file);
        }
    }
    Ok(others)
}

/// Whether a file is as it was once its pins are put back.
fn is_undone(
    repo: &Repo,
    range: &Range,
    file: &str,
    back: &[(Place, values::Change)],
) -> Result<bool, RepoError> {
    let was = repo.read(&range.before, file)?.map(|file| file.bytes);
    let edited = Files::at(repo, &range.commit).edit(back);
    let edited = edited.ok().and_then(|mut changes| changes.pop());
    Ok(match edited.map(|change| change.content) {
        Some(Content::Write(bytes)) => Some(bytes) == was,
        Some(Content::Delete) | None => false,
    })
}
