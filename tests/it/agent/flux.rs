//! Flux: what follows from the objects that the real controllers write.

use datapin::agent::Repository;
use datapin::agent::flux::object::{Object, REQUESTED, Request};
use datapin::agent::flux::ready::ready;
use datapin::agent::flux::verdict::{Facts, Requests, verdict};
use serde::Deserialize;

use super::{found, shown};
use crate::gate::{assert_file, cases};

#[derive(Deserialize)]
struct Row {
    /// Token of the last request, which came after `t0`; none where we may not ask.
    token: Option<String>,
    /// Whether a HelmRelease is named.
    #[serde(default)]
    helm: bool,
    #[serde(default)]
    dependencies: Vec<Object>,
    seen: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    source: Object,
    kustomization: Object,
    release: Option<Object>,
}

/// Each file is a row of objects; next to it, what each said.
#[test]
fn verdicts() {
    for case in cases("agent/flux", "yaml") {
        let mut row: Row = serde_yaml::from_str(&std::fs::read_to_string(&case).unwrap()).unwrap();
        let mut said = String::new();
        let request = match row.token {
            Some(_) => Request::Sent { before: Some("t0".to_owned()) },
            None => Request::Impossible,
        };
        let requests = Requests::all(&request);
        for step in &mut row.seen {
            for object in [Some(&mut step.source), Some(&mut step.kustomization), step.release.as_mut()] {
                let asked = row.token.clone().map(|token| (REQUESTED.to_owned(), token));
                object.map(|object| object.metadata.annotations.extend(asked));
            }
            let facts = Facts {
                source: &step.source,
                kustomization: &step.kustomization,
                release: row.helm.then_some(step.release.as_ref()),
                dependencies: &row.dependencies,
                requests: &requests,
            };
            said += &format!("{}\n", shown(&verdict(&facts)));
        }
        assert_file(&case.with_extension("out"), &said);
    }
}

#[derive(Deserialize)]
struct Readiness {
    #[serde(default)]
    files: Vec<String>,
    source: Object,
    kustomization: Object,
    release: Option<Object>,
}

/// Each file is what is there before anything is committed; next to it, what stands in the way.
#[test]
fn readiness() {
    let repository = Repository::new("gitlab.example.org/data/environments", "main", "main");
    for case in cases("agent/flux/ready", "yaml") {
        let row: Readiness = serde_yaml::from_str(&std::fs::read_to_string(&case).unwrap()).unwrap();
        let findings = ready(&row.source, &row.kustomization, row.release.as_ref(), &repository, &row.files);
        assert_file(&case.with_extension("out"), &found(&findings));
    }
}
