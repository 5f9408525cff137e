//! The proof of a plan by its manifests, where the configuration asks for it.

use std::collections::BTreeMap;

use super::context::Context;
use crate::plan::{Plan, Planned, Written};
use crate::render::{Effect, Question, RenderError, StageChange, Touched};
use crate::repo::CommitId;

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
        let environments = environments(context, &plan, branch);
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
        Some((index, StageChange { changes: planned.changes.clone(), touched: touched(planned) }))
    })
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

/// Every configured environment of a branch, those of the plan first.
fn environments(context: &Context, plan: &Plan, branch: &str) -> Vec<String> {
    let target = context.plan_target();
    let planned = plan.stages.iter().flat_map(|stage| &stage.environments);
    let mut names: Vec<String> = planned
        .filter(|planned| planned.identity.branch == branch)
        .map(|planned| planned.identity.name.clone())
        .collect();
    for name in context.config.environments.keys() {
        if target.identity(&context.config, name).branch == branch && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// What holds for every stage is told once.
fn add(known: &mut Vec<String>, new: Vec<String>) {
    for text in new {
        if !known.contains(&text) {
            known.push(text);
        }
    }
}
