//! What Flux's objects say about a commit. Pure: objects in, an [`Observation`] out.
//!
//! Traps: facts/external-systems.md, facts/cluster.md. Ready may belong to an older revision, the token is handled
//! after Ready turned true, and a HelmRelease is ready for a moment between its two upgrades.

use super::object::{Object, Request, commit};
use crate::agent::{Health, Observation, Sync};
use crate::cluster::object::Condition;
use crate::repo::CommitId;

/// Reasons of a Kustomization that will not go by themselves for the revision that was tried.
const FAILED: &[&str] =
    &["HealthCheckFailed", "BuildFailed", "ArtifactFailed", "PruneFailed", "ReconciliationFailed"];

/// What is known of one service.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Source.
    pub source: &'a Object,
    /// Kustomization.
    pub kustomization: &'a Object,
    /// HelmRelease, where one is named; `None` in it where it does not exist (yet).
    pub release: Option<Option<&'a Object>>,
    /// What the Kustomization waits for, as far as it can be read.
    pub dependencies: &'a [Object],
    /// Our requests.
    pub requests: &'a Requests,
}

/// Our requests for the objects of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// To the source.
    pub source: Request,
    /// To the Kustomization.
    pub kustomization: Request,
    /// To the HelmRelease.
    pub release: Request,
}

impl Requests {
    /// All of them alike.
    pub fn all(request: &Request) -> Self {
        let one = || request.clone();
        Self { source: one(), kustomization: one(), release: one() }
    }
}

/// What they say.
pub fn verdict(facts: &Facts<'_>) -> Observation {
    let all = [Some(facts.source), Some(facts.kustomization), facts.release.flatten()];
    if let Some(suspended) = all.into_iter().flatten().find(|object| object.spec.suspend) {
        return failed(None, format!("{} is suspended; `flux resume` starts it again", suspended.title()));
    }
    source(facts).unwrap_or_else(|| kustomization(facts))
}

/// What the source says, as long as the Kustomization cannot have anything new.
fn source(facts: &Facts<'_>) -> Option<Observation> {
    let source = facts.source;
    let ready = source.condition("Ready")?;
    if ready.status != "False" {
        return None;
    }
    let reason = said(source, ready);
    // Flux tries again what a server out of reach causes; a refused login stays
    let certain = source.has("Stalled") || ready.reason == "AuthenticationFailed";
    Some(if certain { failed(None, reason) } else { pending(applied(facts.kustomization), reason) })
}

fn kustomization(facts: &Facts<'_>) -> Observation {
    let object = facts.kustomization;
    let Some(ready) = object.condition("Ready") else {
        return pending(None, format!("{} was not reconciled yet", object.title()));
    };
    let tried = object.status.last_attempted_revision.as_deref().and_then(commit);
    match ready.status.as_str() {
        "False" if ready.reason == "DependencyNotReady" => {
            pending(applied(object), format!("{}{}", said(object, ready), dependencies(facts.dependencies)))
        }
        "False" if FAILED.contains(&ready.reason.as_str()) || object.has("Stalled") => {
            failed(tried, said(object, ready))
        }
        "True" => ready_kustomization(facts, ready),
        _ => pending(tried.or_else(|| applied(object)), progress(object, ready)),
    }
}

/// Ready is only believed with token, generation and revision.
fn ready_kustomization(facts: &Facts<'_>, ready: &Condition) -> Observation {
    let object = facts.kustomization;
    let revision = applied(object);
    let fresh = facts.source.status.artifact.as_ref().and_then(|artifact| commit(&artifact.revision));
    if !facts.source.has_handled(&facts.requests.source) {
        return pending(revision, format!("{} has not looked at git yet", facts.source.title()));
    }
    if fresh.is_some() && fresh != revision {
        return pending(revision, format!("{} has not begun with it yet", object.title()));
    }
    let settled = object.is_observed()
        && object.has_handled(&facts.requests.kustomization)
        && object.status.last_attempted_revision == object.status.last_applied_revision
        && !object.has("Reconciling");
    if !settled {
        return pending(revision, progress(object, ready));
    }
    match facts.release {
        None => healthy(revision),
        Some(None) => pending(revision, "its HelmRelease does not exist yet".to_owned()),
        Some(Some(found)) => release(facts, found, revision),
    }
}

/// A HelmRelease after its Kustomization is through.
fn release(facts: &Facts<'_>, object: &Object, revision: Option<CommitId>) -> Observation {
    let synced = |health: Health, reason: String| Observation {
        revision: revision.clone(),
        sync: Sync::Synced,
        health,
        reason,
        log: Vec::new(),
    };
    let Some(ready) = object.condition("Ready") else {
        return synced(Health::Progressing, format!("{} was not reconciled yet", object.title()));
    };
    if !object.is_observed()
        || !object.has_handled(&facts.requests.release)
        || chart_is_older(object, &revision)
    {
        return synced(Health::Progressing, progress(object, ready));
    }
    match ready.status.as_str() {
        "True" if !object.has("Reconciling") => synced(Health::Healthy, String::new()),
        "False"
            if ready.reason.ends_with("Failed")
                || ready.reason == "RollbackSucceeded"
                || object.has("Stalled") =>
        {
            synced(Health::Degraded, said(object, ready))
        }
        _ => synced(Health::Progressing, progress(object, ready)),
    }
}

/// Whether the chart is one of commits (`1.0.0+<12 digits>`) and not yet that of `revision`.
fn chart_is_older(object: &Object, revision: &Option<CommitId>) -> bool {
    let by_commit = object.spec.chart.as_ref().is_some_and(|chart| {
        chart.spec.reconcile_strategy.as_deref() == Some("Revision")
            && chart.spec.source_ref.as_ref().is_some_and(|source| source.kind == "GitRepository")
    });
    let version = object.status.last_attempted_revision.as_deref().unwrap_or_default();
    match (by_commit, version.split_once('+'), revision) {
        (true, Some((_, digits)), Some(revision)) if digits.len() >= 7 => {
            !revision.as_str().starts_with(digits.split('.').next().unwrap_or(digits))
        }
        _ => false,
    }
}

fn applied(object: &Object) -> Option<CommitId> {
    object.status.last_applied_revision.as_deref().and_then(commit)
}

/// What an object is doing: `Reconciling` says more than `Ready`.
fn progress(object: &Object, ready: &Condition) -> String {
    let reconciling = object.condition("Reconciling").filter(|condition| condition.status == "True");
    said(object, reconciling.unwrap_or(ready))
}

fn said(object: &Object, condition: &Condition) -> String {
    let message = crate::process::one_line(&condition.message, 400);
    format!("{}: {}: {message}", object.title(), condition.reason)
}

/// Why the dependencies are not ready.
fn dependencies(found: &[Object]) -> String {
    let unready = found.iter().filter(|object| object.spec.suspend || !object.has("Ready"));
    let said: Vec<String> = unready
        .map(|object| match object.condition("Ready") {
            _ if object.spec.suspend => format!("{} is suspended", object.title()),
            Some(ready) => said(object, ready),
            None => format!("{} was not reconciled yet", object.title()),
        })
        .collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join("; ")) }
}

fn pending(revision: Option<CommitId>, reason: String) -> Observation {
    Observation { revision, sync: Sync::Pending, health: Health::Unknown, reason, log: Vec::new() }
}

fn failed(revision: Option<CommitId>, reason: String) -> Observation {
    Observation { revision, sync: Sync::Failed, health: Health::Unknown, reason, log: Vec::new() }
}

fn healthy(revision: Option<CommitId>) -> Observation {
    let (sync, health) = (Sync::Synced, Health::Healthy);
    Observation { revision, sync, health, reason: String::new(), log: Vec::new() }
}
