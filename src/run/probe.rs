//! The live side of a configuration: every agent, gate, bucket and parameter is tried, and every right that it needs.
//! Only reads.

mod aws;

use std::collections::{BTreeSet, HashMap};

use futures_util::future::join_all;

use super::context::Context;
use super::ready::wants;
use crate::agent::Finding;
use crate::cluster::{ClusterError, Permission, Right, role};
use crate::config::ClusterAccess;
use crate::gate::{GateError, GateRunner};

pub use aws::Policy;

/// What came out of trying one agent, gate, bucket or parameter.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Which, in words.
    pub what: String,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Rights that are missing.
    pub missing: Vec<Right>,
}

/// A role that grants what is needed in one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which cluster.
    pub cluster: String,
    /// Kubernetes YAML.
    pub yaml: String,
}

/// What came out of trying all of them.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// By agent and gate, in the order of their names; then what is in AWS, by principal.
    pub probes: Vec<Probe>,
    /// For each cluster in which a right is missing.
    pub grants: Vec<Grant>,
    /// For each principal of AWS that lacks a right.
    pub policies: Vec<Policy>,
}

/// Rights that are needed, by cluster.
type Needed = Vec<(ClusterAccess, Vec<Right>)>;

/// Tries every agent and gate of the configuration, and what it needs of AWS.
///
/// # Errors
/// A gate that can't even be made ready.
pub async fn probe(context: &Context) -> Result<Probes, GateError> {
    let names: Vec<String> = context.config.gates.keys().cloned().collect();
    let gates = context.gates(&names)?;
    let agents = join_all(context.config.environments.keys().map(|name| agent(context, name))).await;
    let gates = join_all(gates.iter().map(gate)).await;
    let mut probes = Probes::default();
    let mut grants: HashMap<ClusterAccess, (bool, BTreeSet<Right>)> = HashMap::new();
    let mut order = Vec::new();
    for (mut probe, needed) in agents.into_iter().chain(gates) {
        for (access, rights) in needed {
            let missing = missing(context, &access, &rights, &mut probe.findings).await;
            if !grants.contains_key(&access) {
                order.push(access.clone());
            }
            let (lacking, all) = grants.entry(access).or_default();
            *lacking |= !missing.is_empty();
            all.extend(rights);
            probe.missing.extend(missing);
        }
        probes.probes.push(probe);
    }
    for access in order {
        if let (Some((true, rights)), Ok(cluster)) =
            (grants.get(&access), context.clusters.get(&access).await)
        {
            probes.grants.push(Grant { cluster: cluster.label(), yaml: role(rights) });
        }
    }
    let (tried, policies) = Box::pin(aws::probe(context)).await;
    probes.probes.extend(tried);
    probes.policies = policies;
    Ok(probes)
}

async fn agent(context: &Context, environment: &str) -> (Probe, Needed) {
    let mut probe = Probe {
        what: format!("agent of environment `{environment}`"),
        findings: Vec::new(),
        missing: Vec::new(),
    };
    let mut needed = Vec::new();
    let Some(agent) = context.agent(environment) else { return (probe, needed) };
    for dataset in context.config.datasets_of(environment) {
        let wants = wants(context, environment, &dataset, "");
        for finding in agent.ready(&wants).await {
            add(&mut probe.findings, finding);
        }
        needed.extend(agent.rights(&wants).await);
    }
    (probe, needed)
}

async fn gate(gate: &GateRunner) -> (Probe, Needed) {
    let mut findings = Vec::new();
    if let Err(text) = gate.findable() {
        findings.push(Finding::Wrong(text.to_string()));
    } else if let Err(text) = gate.probe().await {
        findings.push(Finding::Unreachable(text));
    } else {
        findings.extend(gate.warnings().await.into_iter().map(Finding::Warning));
    }
    let needed = match gate.rights().await {
        Ok(needed) => needed.into_iter().collect(),
        Err(error) => {
            findings.clear();
            findings.push(found(&error));
            Vec::new()
        }
    };
    (Probe { what: format!("gate `{}`", gate.name()), findings, missing: Vec::new() }, needed)
}

/// Those of the rights that are not there.
async fn missing(
    context: &Context,
    access: &ClusterAccess,
    rights: &[Right],
    findings: &mut Vec<Finding>,
) -> BTreeSet<Right> {
    let cluster = match context.clusters.get(access).await {
        Ok(cluster) => cluster,
        Err(error) => {
            add(findings, found(&error));
            return BTreeSet::new();
        }
    };
    let rights: BTreeSet<&Right> = rights.iter().collect();
    let asked = rights.iter().map(async |right| (*right, cluster.permission(right).await));
    let mut missing = BTreeSet::new();
    for (right, permission) in join_all(asked).await {
        match permission {
            Ok(Permission::Granted) => {}
            Ok(Permission::Denied(_)) => drop(missing.insert(right.clone())),
            Err(error) => add(findings, found(&error)),
        }
    }
    missing
}

/// What has to be changed in the configuration, or may be otherwise later.
fn found(error: &ClusterError) -> Finding {
    match error {
        ClusterError::NoKubeconfig { .. }
        | ClusterError::Kubeconfig { .. }
        | ClusterError::UnknownContext { .. }
        | ClusterError::NoPlugIn { .. } => Finding::Wrong(error.to_string()),
        other => Finding::Unreachable(other.to_string()),
    }
}

/// One cluster that can't be reached is said once.
fn add(findings: &mut Vec<Finding>, finding: Finding) {
    if findings.iter().all(|known| !known.text().contains(finding.text())) {
        findings.push(finding);
    }
}
