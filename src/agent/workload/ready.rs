//! What has to be so before anything is committed for a workload. Pure.

use super::object::Workload;
use super::proof::{Carried, Proof};
use super::rollout::{Rollout, rollout};
use crate::agent::readiness::Finding;

/// What a workload is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It is all that is known of the service.
    Itself,
    /// Another agent has made it by then.
    AfterSync,
}

/// What stands in the way; empty if nothing does. `described` says what was looked for.
pub fn ready(described: &str, found: &[Workload], proof: Option<&Proof>, need: Need) -> Vec<Finding> {
    if found.is_empty() {
        return match need {
            Need::Itself => vec![Finding::Wrong(format!(
                "{described} does not exist; correct `resource`, `selector` or `namespace` of the agent"
            ))],
            Need::AfterSync => vec![Finding::Warning(format!("{described} does not exist yet"))],
        };
    }
    found.iter().flat_map(|workload| one(workload, proof)).collect()
}

fn one(workload: &Workload, proof: Option<&Proof>) -> Vec<Finding> {
    let title = workload.title();
    let endless = match rollout(workload) {
        Rollout::Endless(reason) => Some(Finding::Held(format!("{title}: {reason}"))),
        Rollout::Done | Rollout::Moving(_) | Rollout::Failed(_) => None,
    };
    let template = &workload.spec.template;
    let carried = proof.map(|proof| (proof, proof.of(&template.metadata, &template.spec.containers)));
    let unproven = match carried {
        None | Some((_, Carried::Values(_))) => None,
        Some((proof, Carried::Elsewhere)) => Some(Finding::Wrong(format!(
            "{title} takes {proof} from a ConfigMap or a Secret, and changing those restarts no pod: write the \
             version into the template"
        ))),
        Some((proof, Carried::Nothing)) => Some(Finding::Warning(format!(
            "{title} has no {proof} in its pods' template: nothing proves yet which version they run"
        ))),
    };
    endless.into_iter().chain(unproven).collect()
}
