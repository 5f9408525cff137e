//! Why an Application is not up, as Argo CD's API tells it: the pod in trouble, its log and its events.

use serde_json::Value;

use super::client::Client;
use crate::agent::cause::Cause;
use crate::agent::workload::object::Pod;
use crate::agent::workload::trouble::{self, Trouble};

/// Pods that are looked at.
const PODS: usize = 8;
/// Lines of a container's log.
const LINES: &str = "12";
const EVENTS: usize = 4;

/// A pod of the resource tree.
struct Node {
    namespace: String,
    name: String,
    uid: String,
}

/// What ails the worst pod of the Application whose paths `path` makes.
pub async fn of(client: &Client, path: impl Fn(&str, &[(&str, &str)]) -> String) -> Cause {
    let Ok(tree) = client.get(&path("/resource-tree", &[]), "read its resources").await else {
        return Cause::default();
    };
    let mut worst: Option<(Trouble, Node)> = None;
    for node in unhealthy(&tree) {
        let query = [
            ("namespace", node.namespace.as_str()),
            ("resourceName", &node.name),
            ("version", "v1"),
            ("group", ""),
            ("kind", "Pod"),
        ];
        let Ok(answer) = client.get(&path("/resource", &query), "read a pod").await else { continue };
        let Some(trouble) = pod(&answer).as_ref().and_then(trouble::of) else { continue };
        if worst.as_ref().is_none_or(|(worst, _)| trouble.sureness > worst.sureness) {
            worst = Some((trouble, node));
        }
    }
    let Some((trouble, node)) = worst else { return Cause::default() };
    let mut log = Vec::new();
    if let Some(container) = &trouble.container {
        log = lines(client, &path, &node, container).await;
    }
    log.extend(events(client, &path, &node).await);
    Cause { reason: trouble.reason, log }
}

/// Pods that Argo CD does not call healthy.
fn unhealthy(tree: &Value) -> Vec<Node> {
    let nodes = tree["nodes"].as_array().into_iter().flatten();
    let text = |node: &Value, key: &str| node[key].as_str().unwrap_or_default().to_owned();
    nodes
        .filter(|node| node["kind"] == "Pod" && node["health"]["status"] != "Healthy")
        .map(|node| Node {
            namespace: text(node, "namespace"),
            name: text(node, "name"),
            uid: text(node, "uid"),
        })
        .take(PODS)
        .collect()
}

fn pod(answer: &Value) -> Option<Pod> {
    let manifest: Value = serde_json::from_str(answer["manifest"].as_str()?).ok()?;
    crate::cluster::object::parsed(&manifest).ok()
}

/// The log of the life that crashed, else of the one that runs.
async fn lines(
    client: &Client,
    path: &impl Fn(&str, &[(&str, &str)]) -> String,
    node: &Node,
    container: &str,
) -> Vec<String> {
    for previous in ["true", "false"] {
        let query = [
            ("namespace", node.namespace.as_str()),
            ("podName", &node.name),
            ("container", container),
            ("tailLines", LINES),
            ("previous", previous),
            ("follow", "false"),
        ];
        let Ok(lines) = client.lines(&path("/logs", &query), "read a log").await else { continue };
        let text: Vec<String> = lines
            .iter()
            .filter_map(|line| line["result"]["content"].as_str().filter(|text| !text.is_empty()))
            .map(str::to_owned)
            .collect();
        if !text.is_empty() {
            return crate::process::plain(text.join("\n").as_bytes());
        }
    }
    Vec::new()
}

async fn events(
    client: &Client,
    path: &impl Fn(&str, &[(&str, &str)]) -> String,
    node: &Node,
) -> Vec<String> {
    let query = [
        ("resourceNamespace", node.namespace.as_str()),
        ("resourceName", &node.name),
        ("resourceUID", &node.uid),
    ];
    let Ok(answer) = client.get(&path("/events", &query), "read events").await else { return Vec::new() };
    let events: Vec<&Value> = answer["items"].as_array().into_iter().flatten().collect();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    events[events.len().saturating_sub(EVENTS)..]
        .iter()
        .map(|event| {
            let message = crate::process::one_line(&text(event, "message"), 300);
            format!("{} Pod {}: {}: {message}", text(event, "type"), node.name, text(event, "reason"))
        })
        .collect()
}
