//! Workloads: kubectl's rollout rules, what pods carry, and what ails them.

use std::time::Duration;

use datapin::agent::workload::object::{Pod, Workload};
use datapin::agent::workload::proof::Proof;
use datapin::agent::workload::verdict::{Facts, Seen, Standing};
use datapin::agent::workload::{Need, ready};
use serde::Deserialize;

use super::found;
use crate::gate::{assert_file, cases};

#[derive(Deserialize)]
struct Row {
    env: Option<String>,
    annotation: Option<String>,
    #[serde(default)]
    wanted: String,
    seen: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    /// Seconds since the wait began.
    #[serde(default)]
    at: f64,
    workload: Workload,
    #[serde(default)]
    sets: Vec<Workload>,
    #[serde(default)]
    pods: Vec<Pod>,
}

/// Each file is a row of what is in the cluster; next to it, how it stood, and what stood in the way before.
#[test]
fn standings() {
    for case in cases("agent/workload", "yaml") {
        let row: Row = serde_yaml::from_str(&std::fs::read_to_string(&case).unwrap()).unwrap();
        let proof = row.env.map(Proof::Env).or(row.annotation.map(Proof::Annotation));
        let wanted = [row.wanted];
        let (mut seen, mut said) = (Seen::default(), String::new());
        for step in &row.seen {
            let facts = Facts { workload: &step.workload, sets: &step.sets, pods: &step.pods };
            let proven = proof.as_ref().map(|proof| (proof, wanted.as_slice()));
            let standing = seen.next(&facts, proven, Duration::from_secs_f64(step.at));
            said += &format!("{}: {}\n", step.at, words(standing));
        }
        let last = row.seen.last().unwrap().workload.clone();
        said += &found(&ready("the workload", &[last], proof.as_ref(), Need::Itself));
        assert_file(&case.with_extension("out"), &said);
    }
}

#[test]
fn a_missing_workload_is_only_a_warning_where_another_agent_makes_it() {
    let wrong = found(&ready("Deployment mds in namespace apps", &[], None, Need::Itself));
    assert!(wrong.starts_with("wrong: Deployment mds in namespace apps does not exist"), "{wrong}");
    let warned = found(&ready("Deployment mds in namespace apps", &[], None, Need::AfterSync));
    assert_eq!(warned, "warning: Deployment mds in namespace apps does not exist yet\n");
}

fn words(standing: Standing) -> String {
    match standing {
        Standing::Up => "up".to_owned(),
        Standing::Other(reason) => format!("other: {reason}"),
        Standing::Moving(reason) => format!("moving: {reason}"),
        Standing::Bad { reason, pod } => {
            let pod = pod.map_or("no pod".to_owned(), |pod| {
                format!("{} {}", pod.pod, pod.container.unwrap_or_default())
            });
            format!("bad: {reason} [{pod}]")
        }
    }
}
