//! The proof of a plan by its manifests, where the configuration asks for it.

use std::collections::BTreeMap;

use super::context::Context;
use super::driver::{Driver, Trouble};
use super::fence::Group;
use crate::plan::{self, Files, FilesError, Plan, Planned, Wanted, Written};
use crate::queue::{CauseKind, Intent};
use crate::render::{Effect, Question, RenderError, StageChange, Touched};
use crate::repo::{CommitId, Repo, RepoError};

/// The plan with what its stages do to the manifests; what stands against it is among its obstacles. The same plan
/// where no proof is asked for, or nothing is to be done.
pub async fn prove(
    context: &Context,
    tips: &BTreeMap<String, CommitId>,
    mut plan: Plan,
) -> Result<Plan, RenderError> {
    let Some(helmfile) = &context.helmfile else { return Ok(plan) };
    if plan.nothing_to_do() {
        return Ok(plan);
    }
    for (branch, tip) in tips {
        let (stages, changes): (Vec<usize>, Vec<StageChange>) = stage_changes(&plan, branch).unzip();
        if stages.is_empty() {
            continue;
        }
        let environments = environments(context, branch);
        let question = Question { tip: tip.clone(), environments, stages: changes };
        let proofs = helmfile.prove(&context.target, &question).await?;
        for (stage, proof) in stages.into_iter().zip(proofs) {
            plan.stages[stage].rendered.extend(proof.changes);
            add(&mut plan.obstacles, proof.obstacles);
            add(&mut plan.notes, proof.notes);
        }
    }
    Ok(plan)
}

/// What stages write into a branch; those that write nothing there are left out.
fn stage_changes(plan: &Plan, branch: &str) -> impl Iterator<Item = (usize, StageChange)> {
    plan.stages.iter().enumerate().filter_map(move |(index, stage)| {
        let (_, planned) =
            stage.commits.iter().find(|(name, planned)| name == branch && !planned.changes.is_empty())?;
        Some((index, stage_change(planned)))
    })
}

fn stage_change(planned: &Planned) -> StageChange {
    StageChange { changes: planned.changes.clone(), touched: touched(planned) }
}

/// Services whose values are written, each once.
fn touched(planned: &Planned) -> Vec<Touched> {
    let mut found: Vec<Touched> = Vec::new();
    for written in &planned.written {
        let Written { environment, service, place, before, after } = written;
        let known = found.iter_mut().find(|one| one.environment == *environment && one.service == *service);
        let place = format!("`{}` of {}", place.path, place.file);
        let effect = if before == after { Effect::SameText } else { Effect::NewValue };
        match (known, effect) {
            (Some(known), Effect::NewValue) => {
                if known.effect == Effect::SameText {
                    known.places.clear();
                }
                known.places.push(place);
                known.effect = effect;
            }
            (Some(_), Effect::SameText) => {}
            (None, effect) => found.push(Touched {
                environment: environment.clone(),
                service: service.clone(),
                places: vec![place],
                effect,
            }),
        }
    }
    found
}

/// Every configured environment of a branch.
fn environments(context: &Context, branch: &str) -> Vec<String> {
    let target = context.plan_target();
    let here = |name: &&String| target.identity(&context.config, name).branch == branch;
    context.config.environments.keys().filter(here).cloned().collect()
}

/// What holds for every stage is told once.
fn add(known: &mut Vec<String>, new: Vec<String>) {
    for text in new {
        if !known.contains(&text) {
            known.push(text);
        }
    }
}

impl Driver {
    /// Proves what a deployment is about to write: somebody may have changed a chart since it started.
    pub(super) async fn prove_pin(&self, group: &Group, wanted: &[Wanted]) -> Result<(), Trouble> {
        let Some(helmfile) = self.context.helmfile.as_ref().filter(|_| !self.is_rollback()) else {
            return Ok(());
        };
        let own: Vec<Intent> = self.journal.ticket().parts().flat_map(|part| part.intents.clone()).collect();
        let (repo, branch, wanted) = (self.context.target.clone(), group.branch.clone(), wanted.to_vec());
        let read = move || match repo.fetch(&branch)? {
            Some(tip) => beneath(&repo, tip, &own, &wanted).map(Some),
            None => Ok(None),
        };
        let planned = self.patient(self.limit(group), read).await?;
        // without the branch, or anything to write, the push says what there is to say
        let Some((tip, planned)) = planned.filter(|(_, planned)| !planned.changes.is_empty()) else {
            return Ok(());
        };
        let environments = environments(&self.context, &group.branch);
        let question = Question { tip, environments, stages: vec![stage_change(&planned)] };
        let proofs = self.unless_cancelled(helmfile.prove(&self.context.target, &question)).await?;
        let proofs = proofs.map_err(|error| Trouble::back(CauseKind::Unreachable, error.to_string()))?;
        let obstacles: Vec<String> = proofs.into_iter().flat_map(|proof| proof.obstacles).collect();
        match obstacles.is_empty() {
            true => Ok(()),
            false => Err(Trouble::back(CauseKind::NotAllowed, obstacles.join("; "))),
        }
    }
}

/// What is to be written on top of the newest commit that is not the run's own: what its other stages wrote was
/// proven to change nothing here. At the tip where that commit is not in a shallow repository.
fn beneath(
    repo: &Repo,
    tip: CommitId,
    own: &[Intent],
    wanted: &[Wanted],
) -> Result<(CommitId, Planned), FilesError> {
    let mut at = &tip;
    while let Some(intent) = own.iter().find(|intent| intent.commit == *at) {
        at = &intent.parent;
    }
    match plan::pin(&mut Files::at(repo, at), wanted) {
        Err(FilesError::Repo(RepoError::NoSuchCommit { .. })) if *at != tip => {
            let planned = plan::pin(&mut Files::at(repo, &tip), wanted)?;
            Ok((tip, planned))
        }
        planned => Ok((at.clone(), planned?)),
    }
}
