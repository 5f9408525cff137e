//! Whether what was rendered is what the stage is for.

use std::collections::BTreeSet;

use super::lane::{After, Look};
use super::{Effect, EnvironmentChange, Question, ReleaseChange, StageProof, Touched};

/// What stage number `stage` does, from the looks at all environments.
pub fn of(question: &Question, stage: usize, looks: &[Look]) -> StageProof {
    let mut proof = StageProof::default();
    let Some(change) = question.stages.get(stage) else { return proof };
    let own = change.environments();
    let whose = |look: &Look| match own.contains(question.environments[look.environment].as_str()) {
        true => Whose::Own,
        false => Whose::Other,
    };
    let mut looks: Vec<&Look> = looks.iter().collect();
    looks.sort_by_key(|look| (whose(look), look.environment));
    for look in looks {
        let (name, whose) = (&question.environments[look.environment], whose(look));
        let after = match &look.stages {
            Ok(stages) => stages.get(stage),
            Err(why) => {
                proof.not_renderable(name, whose, why);
                continue;
            }
        };
        match after {
            Some(After::Broken(why)) => proof.obstacles.push(match whose {
                Whose::Own => format!("helmfile cannot render `{name}` with the new values: {why}"),
                Whose::Other => format!(
                    "the change breaks `{name}`, which it is not for: helmfile cannot render it any more: {why}"
                ),
            }),
            Some(After::Rendered { releases, changes }) => {
                let touched: Vec<&Touched> =
                    change.touched.iter().filter(|touched| touched.environment == *name).collect();
                proof.look(name, releases, changes, &touched);
            }
            None => {}
        }
    }
    proof
}

/// Whether a stage is for an environment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Own,
    Other,
}

impl StageProof {
    fn not_renderable(&mut self, name: &str, whose: Whose, why: &str) {
        match whose {
            Whose::Own => self.obstacles.push(format!(
                "helmfile cannot render `{name}` even as it is now: {why}; mend the repository first"
            )),
            Whose::Other => self.notes.push(format!(
                "helmfile cannot render `{name}` as it is now, so nothing is known about it: {why}"
            )),
        }
    }

    fn look(
        &mut self,
        name: &str,
        releases: &BTreeSet<String>,
        changes: &[ReleaseChange],
        touched: &[&Touched],
    ) {
        let changed = |service: &str| changes.iter().any(|change| change.release == service);
        for touched in touched.iter().filter(|touched| touched.effect == Effect::NewValue) {
            let service = &touched.service;
            if !releases.contains(service) {
                self.obstacles.push(format!(
                    "helmfile has no release `{service}` in `{name}` (it has {}); a service has to be called like \
                     its release",
                    list(releases)
                ));
            } else if !changed(service) {
                self.obstacles.push(unused(name, touched));
            }
        }
        let meant = |release: &str| touched.iter().any(|touched| touched.service == release);
        for change in changes.iter().filter(|change| !meant(&change.release)) {
            self.obstacles.push(format!(
                "release `{}` in `{name}` changes too ({}), and this deployment is not for it; does it read a \
                 values file of another service or environment?",
                change.release,
                change.objects.join(", ")
            ));
        }
        if !changes.is_empty() {
            let (environment, releases) = (name.to_owned(), changes.to_vec());
            self.changes.push(EnvironmentChange { environment, releases });
        }
    }
}

fn unused(name: &str, touched: &Touched) -> String {
    let places = touched.places.join(", ");
    format!(
        "no manifest of `{}` in `{name}` changes: its chart does not use {places}, or the release does not read \
         that file; correct the chart, the release's `values` or the pin",
        touched.service
    )
}

fn list(releases: &BTreeSet<String>) -> String {
    match releases.is_empty() {
        true => "none".to_owned(),
        false => releases.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}
