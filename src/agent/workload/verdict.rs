//! Whether a workload is up with a version: its rollout, and what its pods themselves carry. Pure.

use std::time::Duration;

use super::object::{Pod, Workload};
use super::proof::{Carried, Proof};
use super::rollout::{Rollout, rollout};
use super::trouble::{self, STAYS, Sureness, Trouble};

/// A workload with everything that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The workload.
    pub workload: &'a Workload,
    /// ReplicaSets of its namespace; a Deployment's own are found by owner.
    pub sets: &'a [Workload],
    /// Pods that its selector selects.
    pub pods: &'a [Pod],
}

/// How a workload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its template carries something else.
    Other(String),
    /// It is on its way.
    Moving(String),
    /// It won't come up.
    Bad {
        /// Why.
        reason: String,
        /// The pod that shows it.
        pod: Option<Trouble>,
    },
    /// Every pod that serves carries the version and is ready.
    Up,
}

/// For how long which trouble was seen: what is tried again is believed when it stays.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    since: Option<(String, Duration)>,
}

impl Seen {
    /// How the workload stands; `now` is the time since the wait began. Without `proof` only its rollout counts.
    pub fn next(&mut self, facts: &Facts<'_>, proof: Option<(&Proof, &[String])>, now: Duration) -> Standing {
        let workload = facts.workload;
        let title = workload.title();
        if let Some((proof, wanted)) = proof {
            let template = &workload.spec.template;
            let carried = proof.of(&template.metadata, &template.spec.containers);
            if !carried.is(wanted) {
                return Standing::Other(format!("{title} carries {} in {proof}", carried.words()));
            }
        }
        let newest = facts.newest();
        let trouble = trouble::worst(&newest);
        let stays = self.stays(trouble.as_ref(), now);
        match (rollout(workload), trouble) {
            (Rollout::Endless(reason), pod) => Standing::Bad { reason: format!("{title}: {reason}"), pod },
            (Rollout::Failed(reason), pod) => {
                let cause = pod.as_ref().map_or_else(String::new, |pod| format!("; {}", pod.reason));
                Standing::Bad { reason: format!("{title}: {reason}{cause}"), pod }
            }
            (Rollout::Moving(_), Some(pod)) if stays => {
                Standing::Bad { reason: format!("{title}: {}", pod.reason), pod: Some(pod) }
            }
            (Rollout::Moving(reason), pod) => {
                let cause = pod.map(|pod| pod.reason).or_else(|| facts.blocked().map(|pod| pod.reason));
                let cause = cause.map_or_else(String::new, |cause| format!("; {cause}"));
                Standing::Moving(format!("{title}: {reason}{cause}"))
            }
            (Rollout::Done, _) => match proof.and_then(|(proof, wanted)| facts.stale(proof, wanted)) {
                Some(stale) => Standing::Moving(format!("{title}: {stale}")),
                None => Standing::Up,
            },
        }
    }

    fn stays(&mut self, trouble: Option<&Trouble>, now: Duration) -> bool {
        let Some(trouble) = trouble.filter(|trouble| trouble.sureness > Sureness::Possible) else {
            self.since = None;
            return false;
        };
        let since = match &self.since {
            Some((pod, since)) if *pod == trouble.pod => *since,
            _ => now,
        };
        self.since = Some((trouble.pod.clone(), since));
        trouble.sureness == Sureness::Certain || now.saturating_sub(since) >= STAYS
    }
}

impl<'a> Facts<'a> {
    /// Pods of the workload, whichever revision.
    fn own(&self) -> Vec<&'a Pod> {
        let uid = &self.workload.metadata.uid;
        let sets: Vec<&str> = self
            .sets
            .iter()
            .filter(|set| set.metadata.is_owned_by(uid))
            .map(|set| set.metadata.uid.as_str())
            .collect();
        let is_own = |pod: &&Pod| {
            pod.metadata.is_owned_by(uid) || sets.iter().any(|set| pod.metadata.is_owned_by(set))
        };
        self.pods.iter().filter(is_own).collect()
    }

    /// Living pods of the newest template.
    pub fn newest(&self) -> Vec<&'a Pod> {
        self.own().into_iter().filter(|pod| pod.is_alive() && self.is_newest(pod)).collect()
    }

    fn is_newest(&self, pod: &Pod) -> bool {
        const REVISION: &str = "deployment.kubernetes.io/revision";
        const TEMPLATE: &str = "deprecated.daemonset.template.generation";
        let workload = self.workload;
        let label = |name: &str| pod.metadata.labels.get(name);
        match workload.kind.as_str() {
            "Deployment" => {
                let newest = workload.metadata.annotations.get(REVISION);
                let sets = self.sets.iter().filter(|set| set.metadata.annotations.get(REVISION) == newest);
                newest.is_none() || sets.into_iter().any(|set| pod.metadata.is_owned_by(&set.metadata.uid))
            }
            "StatefulSet" => label("controller-revision-hash") == Some(&workload.status.update_revision),
            _ => match (label("pod-template-generation"), workload.metadata.annotations.get(TEMPLATE)) {
                (Some(pod), Some(newest)) => pod == newest,
                _ => true,
            },
        }
    }

    /// A broken pod of an earlier template that a StatefulSet waits for instead of replacing it: taking the template back
    /// is not enough.
    /// <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>
    pub fn blocked(&self) -> Option<Trouble> {
        let workload = self.workload;
        if workload.kind != "StatefulSet" || workload.spec.pod_management_policy == "Parallel" {
            return None;
        }
        let own = self.own();
        let old: Vec<&Pod> = own.into_iter().filter(|pod| pod.is_alive() && !self.is_newest(pod)).collect();
        let trouble = trouble::worst(&old)?;
        let reason = format!(
            "{}, and a StatefulSet with podManagementPolicy OrderedReady never replaces a broken pod by itself: if it stays so, delete it (`kubectl --namespace {} delete pod {}`)",
            trouble.reason, workload.metadata.namespace, trouble.pod
        );
        Some(Trouble { reason, ..trouble })
    }

    /// A living pod that does not carry what it should, in words.
    fn stale(&self, proof: &Proof, wanted: &[String]) -> Option<String> {
        self.own().into_iter().filter(|pod| pod.is_alive()).find_map(|pod| {
            let carried = proof.of(&pod.metadata, &pod.spec.containers);
            match carried {
                _ if carried.is(wanted) && pod.is_ready() => None,
                _ if carried.is(wanted) => Some(format!("{} is not ready", pod.title())),
                Carried::Values(_) | Carried::Elsewhere | Carried::Nothing => {
                    Some(format!("{} still carries {} in {proof}", pod.title(), carried.words()))
                }
            }
        })
    }
}
