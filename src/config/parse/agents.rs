//! Agents.

use std::time::Duration;

use super::clusters::access;
use crate::config::raw::Fields;
use crate::config::{Agent, ArgoCd, ArgoReach, Flux, Proof, SyncBy, Workload, WorkloadName, form};

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(10);
const SYNC_RETRIES: u32 = 1;

/// The agent of an environment.
pub(super) fn agent(fields: &Fields) -> Option<Agent> {
    match fields.kind()? {
        "command" => Some(Agent::Command {
            command: fields.texts("command")?,
            interval: interval(fields),
            timeout: fields.time("timeout").unwrap_or(TIMEOUT),
            pass: fields.texts("pass").unwrap_or_default(),
        }),
        "argocd" => argocd(fields).map(Agent::ArgoCd),
        "flux" => flux(fields).map(Agent::Flux),
        "workload" => Some(Agent::Workload { workload: workload(fields)?, interval: interval(fields) }),
        _ => None,
    }
}

fn interval(fields: &Fields) -> Duration {
    fields.time("interval").unwrap_or(INTERVAL)
}

fn argocd(fields: &Fields) -> Option<ArgoCd> {
    let reach = match (fields.text("server"), fields.secret("token")) {
        (Some(server), Some(token)) => {
            ArgoReach::Server { server, token, ca: fields.text("ca").map(Into::into) }
        }
        _ => ArgoReach::Cluster(access(fields)),
    };
    Some(ArgoCd {
        application: fields.text("application")?,
        namespace: fields.text("namespace").unwrap_or_else(|| "argocd".to_owned()),
        reach,
        repository: fields.text("repository"),
        sync: match fields.text("sync").as_deref() {
            Some("request") => SyncBy::Request,
            _ => SyncBy::Auto,
        },
        sync_retries: fields.count("sync_retries").unwrap_or(SYNC_RETRIES),
        after_sync: after_sync(fields),
        interval: interval(fields),
    })
}

fn flux(fields: &Fields) -> Option<Flux> {
    Some(Flux {
        kustomization: fields.text("kustomization")?,
        namespace: fields.text("namespace").unwrap_or_else(|| "flux-system".to_owned()),
        helm_release: fields.text("helm_release"),
        access: access(fields),
        repository: fields.text("repository"),
        after_sync: after_sync(fields),
        interval: interval(fields),
    })
}

fn after_sync(fields: &Fields) -> Vec<Workload> {
    fields.tables("after_sync").into_iter().flatten().filter_map(workload).collect()
}

fn workload(fields: &Fields) -> Option<Workload> {
    let which = match (fields.text("resource"), fields.text("selector")) {
        (Some(resource), _) => {
            let (kind, name) = form::resource(&resource)?;
            WorkloadName::Resource { kind, name }
        }
        (None, selector) => WorkloadName::Selector(selector?),
    };
    let proof = fields.table("proof");
    let env = proof.and_then(|proof| proof.text("env")).map(Proof::Env);
    Some(Workload {
        which,
        namespace: fields.text("namespace"),
        access: access(fields),
        proof: env.or_else(|| proof.and_then(|proof| proof.text("annotation")).map(Proof::Annotation)),
    })
}
