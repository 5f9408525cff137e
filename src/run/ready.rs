//! What has to be so before the first write: agents that can do what the run will ask of them, programs that are
//! there. Only reads.

use super::context::Context;
use super::error::RunError;
use crate::agent::{Finding, Question, Want};
use crate::event::Level;
use crate::queue::RunId;

/// What a run is going to need.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// Environments.
    pub environments: &'a [String],
    /// Dataset.
    pub dataset: &'a str,
    /// Version; empty where it is not known yet.
    pub version: &'a str,
    /// Gates.
    pub gates: &'a [String],
}

/// Whether everything is there that a run will need; warnings are told to the listeners.
///
/// # Errors
/// What is wrong, what is held by somebody, or what could not be found out, all of it at once.
pub async fn ready(context: &Context, needs: &Needs<'_>) -> Result<(), RunError> {
    for gate in context.gates(needs.gates).map_err(|error| RunError::Usage(error.to_string()))? {
        gate.findable().map_err(|error| RunError::Usage(format!("gate `{}`: {error}", gate.name())))?;
    }
    let mut findings = Vec::new();
    for environment in needs.environments {
        let Some(agent) = context.agent(environment) else { continue };
        let wants = wants(context, environment, needs.dataset, needs.version);
        findings.extend(agent.ready(&wants).await.into_iter().map(|finding| finding.within(environment)));
    }
    for finding in &findings {
        if let Finding::Warning(text) = finding {
            context.events.note(&RunId(String::new()), Level::Warning, text.clone());
        }
    }
    verdict(&findings)
}

/// What somebody holds, or what does not fit any more, in environments that are about to be written: time has passed
/// since the run was asked for. What cannot be found out is no reason: the wait is patient.
pub async fn obstacle(
    context: &Context,
    environments: &[String],
    dataset: &str,
    version: &str,
) -> Option<String> {
    for environment in environments {
        let Some(agent) = context.agent(environment) else { continue };
        let findings = agent.ready(&wants(context, environment, dataset, version)).await;
        let refuses = |finding: &Finding| matches!(finding, Finding::Wrong(_) | Finding::Held(_));
        if let Some(finding) = findings.into_iter().find(refuses) {
            return Some(finding.within(environment).text().to_owned());
        }
    }
    None
}

/// The services of an environment, with the files that a commit may change for each.
pub fn wants(context: &Context, environment: &str, dataset: &str, version: &str) -> Vec<Want> {
    let places = context.config.places(environment, dataset);
    let want = |places: crate::config::ServicePlaces| {
        let mut files: Vec<String> = places.pins.into_iter().map(|place| place.file).collect();
        files.dedup();
        Want { question: Question::of_no_commit(environment, &places.service, dataset, version), files }
    };
    places.into_iter().map(want).collect()
}

/// What is wrong comes before what is held, and that before what could not be found out: in that order the next
/// try is not wasted.
fn verdict(findings: &[Finding]) -> Result<(), RunError> {
    let all = |is: fn(&Finding) -> bool| -> Option<String> {
        let texts: Vec<&str> = findings.iter().filter(|finding| is(finding)).map(Finding::text).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    };
    if let Some(text) = all(|finding| matches!(finding, Finding::Wrong(_))) {
        return Err(RunError::Usage(text));
    }
    if let Some(text) = all(|finding| matches!(finding, Finding::Held(_))) {
        return Err(RunError::NotAllowed(text));
    }
    match all(|finding| matches!(finding, Finding::Unreachable(_))) {
        Some(text) => Err(RunError::Unreachable(text)),
        None => Ok(()),
    }
}
