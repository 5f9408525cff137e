//! `datapin check --live`: what every agent, gate, bucket and parameter says now, in words and as JSON.

use serde_json::{Value, json};

use crate::agent::Finding;
use crate::agent::kinds::APP_PROJECT;
use crate::cluster::Right;
use crate::exit::Exit;
use crate::run::probe::{Probe, Probes};

/// How it ends: what is wrong in the configuration comes first, then what is out of reach or not allowed, then
/// what somebody holds. Without some rights it only is slower, or says less.
pub fn exit(probes: &Probes) -> Exit {
    let any = |is: fn(&Probe) -> bool| probes.probes.iter().any(is);
    if any(|probe| probe.findings.iter().any(|finding| matches!(finding, Finding::Wrong(_)))) {
        Exit::Usage
    } else if any(|probe| {
        probe.missing.iter().any(is_needed)
            || probe.findings.iter().any(|finding| matches!(finding, Finding::Unreachable(_)))
    }) {
        Exit::Unreachable
    } else if any(|probe| probe.findings.iter().any(|finding| matches!(finding, Finding::Held(_)))) {
        Exit::NotAllowed
    } else {
        Exit::Ok
    }
}

fn is_needed(right: &Right) -> bool {
    spared(right).is_none()
}

/// What it is like without a right that it can do without.
fn spared(right: &Right) -> Option<&'static str> {
    match (right.verb, right.resource.as_str()) {
        ("watch", _) => Some("it asks every 2 s instead"),
        ("get", resource) if resource == APP_PROJECT.plural => {
            Some("where a sync window of Argo CD keeps a service waiting, it cannot say so")
        }
        _ => None,
    }
}

/// For people: a line for each thing that was tried, what is wrong below it, and roles and policies at the end.
pub fn text(probes: &Probes) -> String {
    let mut text = String::new();
    for probe in &probes.probes {
        text.push_str(&format!("{}: {}\n", probe.what, state(probe)));
        for finding in &probe.findings {
            text.push_str(&format!("  {}: {}\n", level(finding), finding.text()));
        }
        for right in &probe.missing {
            match spared(right) {
                None => text.push_str(&format!("  error: not allowed: {right}\n")),
                Some(instead) => text.push_str(&format!("  warning: not allowed: {right}; {instead}\n")),
            }
        }
    }
    for grant in &probes.grants {
        text.push_str(&format!(
            "\n# Grants exactly what datapin needs in {}.\n# Put the user, group or service account that it logs in as \
             in place of CHANGE-ME.\n{}",
            grant.cluster, grant.yaml
        ));
    }
    for policy in &probes.policies {
        text.push_str(&format!(
            "\n# Grants exactly what datapin needs in AWS as {}. Where a bucket or a key is another account's, its own \
             policy has to allow the same.\n{}",
            policy.who, policy.json
        ));
    }
    text
}

/// For programs.
pub fn json(probes: &Probes) -> Value {
    let right = |right: &Right| {
        json!({
            "verb": right.verb, "group": right.group, "resource": right.resource, "namespace": right.namespace,
            "name": right.name,
        })
    };
    let finding = |finding: &Finding| json!({ "level": level(finding), "text": finding.text() });
    let probe = |probe: &Probe| {
        json!({
            "what": probe.what,
            "findings": probe.findings.iter().map(finding).collect::<Vec<_>>(),
            "missing": probe.missing.iter().map(right).collect::<Vec<_>>(),
        })
    };
    json!({
        "probes": probes.probes.iter().map(probe).collect::<Vec<_>>(),
        "roles": probes.grants.iter()
            .map(|grant| json!({ "cluster": grant.cluster, "yaml": grant.yaml }))
            .collect::<Vec<_>>(),
        "policies": probes.policies.iter()
            .map(|policy| json!({ "who": policy.who, "policy": policy.json }))
            .collect::<Vec<_>>(),
    })
}

fn state(probe: &Probe) -> &'static str {
    let stops = |finding: &Finding| !matches!(finding, Finding::Warning(_));
    if probe.findings.iter().any(stops) || probe.missing.iter().any(is_needed) {
        "not ready"
    } else if probe.findings.is_empty() && probe.missing.is_empty() {
        "ready"
    } else {
        "ready, with a warning"
    }
}

fn level(finding: &Finding) -> &'static str {
    match finding {
        Finding::Wrong(_) | Finding::Unreachable(_) => "error",
        Finding::Held(_) => "held",
        Finding::Warning(_) => "warning",
    }
}
