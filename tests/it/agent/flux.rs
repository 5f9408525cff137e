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
                if let Some(object) = object {
                    object.metadata.annotations.extend(asked);
                }
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

/// What is ready before we asked may be so on the revision before ours.
#[test]
fn nothing_is_believed_before_the_request_is_sent() {
    let case = cases("agent/flux", "yaml").into_iter().find(|case| case.ends_with("good.yaml")).unwrap();
    let row: Row = serde_yaml::from_str(&std::fs::read_to_string(&case).unwrap()).unwrap();
    let (first, last) = (&row.seen[0], row.seen.last().unwrap());
    let said = |request: &Request| {
        let requests = Requests::all(request);
        let (source, kustomization) = (&last.source, &last.kustomization);
        let facts = Facts { source, kustomization, release: None, dependencies: &[], requests: &requests };
        shown(&verdict(&facts))
    };
    assert!(said(&Request::Open).contains("has not looked at git yet"), "{}", said(&Request::Open));
    assert_eq!(said(&Request::Impossible), "aaaaaaaa Synced Healthy: ");
    assert!(!first.kustomization.has_handled(&Request::Open));
}

/// Services of one wait share a token and a source: whoever comes second finds it asked already, and handled.
#[test]
fn a_request_that_another_service_sent_is_ours() {
    let object = |asked: &str, handled: &str| {
        let mut object = Object::default();
        object.metadata.annotations.insert(REQUESTED.to_owned(), asked.to_owned());
        object.status.last_handled_reconcile_at = Some(handled.to_owned());
        object
    };
    let request = Request::sent(&object("ours", "theirs"), "ours");
    assert!(!object("ours", "theirs").has_handled(&request), "it was not looked at since");
    assert!(object("ours", "ours").has_handled(&request));
    let request = Request::sent(&object("theirs", "theirs"), "ours");
    assert!(!object("theirs", "theirs").has_handled(&request), "that was before ours");
    assert!(object("later", "later").has_handled(&request), "whoever asked last, it was after us");
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
