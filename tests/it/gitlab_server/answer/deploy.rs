//! Commit statuses and deployments, with their real transitions.

use serde_json::{Value, json};

use super::{Call, bad, not_found, page};
use crate::gitlab_server::state::{CommitStatus, Deployment, Pipeline, State};
use crate::gitlab_server::wire::Answer;

const STATES: [&str; 6] = ["pending", "running", "success", "failed", "canceled", "skipped"];

/// `POST /statuses/:sha`.
pub fn status(state: &mut State, call: &Call<'_>) -> Answer {
    let text = |key: &str| call.request.text(key).unwrap_or_default();
    let (wanted, name) = (text("state"), text("name"));
    if !STATES.contains(&wanted.as_str()) {
        return bad("state does not have a valid value");
    }
    let project = state.project(call.project);
    let Some(sha) = project.commit(&call.parts[0]) else {
        return Answer::json(404, &json!({ "message": "404 Commit Not Found" }));
    };
    // without a repository every id is that of a commit
    let sha = if project.bare.is_some() { sha } else { call.parts[0].clone() };
    let branch = text("ref");
    let of_commit = |known: &&Pipeline| {
        known.is_listed() && known.sha == sha && (branch.is_empty() || known.branch == branch)
    };
    let asked = call.request.text("pipeline_id").filter(|id| !id.is_empty());
    let mut listed = project.pipelines.iter().filter(of_commit);
    let pipeline = match &asked {
        Some(id) => listed.find(|known| known.id.to_string() == *id),
        // else an external one of its own, which nobody here looks at
        None => listed.max_by_key(|known| known.id),
    };
    let pipeline = pipeline.map(|known| known.id);
    if asked.is_some() && pipeline.is_none() {
        let said = "404 Pipeline for pipeline_id, sha and ref Not Found";
        return Answer::json(404, &json!({ "message": said }));
    }
    // one that has ended is left as it is, and another one takes its place
    let lives = |known: &CommitStatus| ["created", "pending", "running"].contains(&known.state.as_str());
    let same = |known: &CommitStatus| {
        known.sha == sha && known.name == name && known.pipeline == pipeline && lives(known)
    };
    let at = project.statuses.iter().position(same);
    let at = at.unwrap_or_else(|| {
        project.statuses.push(CommitStatus {
            sha,
            name,
            state: "created".to_owned(),
            target_url: String::new(),
            description: String::new(),
            pipeline,
            history: Vec::new(),
        });
        project.statuses.len() - 1
    });
    let known = &mut project.statuses[at];
    if known.state == "running" && ["pending", "running", "skipped"].contains(&wanted.as_str())
        || known.state == wanted
    {
        return bad(refusal(&wanted, &known.state));
    }
    known.target_url = text("target_url");
    known.description = text("description");
    known.state.clone_from(&wanted);
    known.history.push(wanted.clone());
    Answer::json(201, &json!({ "id": at + 1, "sha": known.sha, "name": known.name, "status": wanted }))
}

/// `GET /repository/commits/:sha/statuses`: the newest of each name.
pub fn statuses(state: &mut State, call: &Call<'_>) -> Answer {
    let project = state.project(call.project);
    let pipeline: Option<u64> = call.request.query("pipeline_id").and_then(|id| id.parse().ok());
    let here = |known: &&CommitStatus| {
        known.sha == call.parts[0] && (pipeline.is_none() || known.pipeline == pipeline)
    };
    let all: Vec<&CommitStatus> = project.statuses.iter().filter(here).collect();
    let newest =
        |(at, known): &(usize, &CommitStatus)| all[at + 1..].iter().all(|other| other.name != known.name);
    let shown = all.iter().copied().enumerate().filter(newest).map(|(_, known)| {
        json!({ "id": 1, "sha": known.sha, "name": known.name, "status": known.state, "description": known.description })
    });
    page(call, shown.collect())
}

fn refusal(wanted: &str, from: &str) -> String {
    let event = match wanted {
        "running" => "run",
        "pending" => "enqueue",
        "failed" => "drop",
        "canceled" => "cancel",
        other => other,
    };
    format!(
        "Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")"
    )
}

pub fn answer(state: &mut State, method: &str, call: &Call<'_>) -> Answer {
    let text = |key: &str| call.request.text(key).unwrap_or_default();
    let new_id = state.next_id();
    let project = state.project(call.project);
    let (status, deployment) = match method {
        "GET" => {
            let wanted = call.request.query("environment");
            let all = project.deployments.iter();
            let all = all.filter(|known| wanted.is_none_or(|wanted| wanted == known.environment));
            let mut all: Vec<Value> = all.map(deployment_json).collect();
            // oldest first by default
            if call.request.query("sort") == Some("desc") {
                all.reverse();
            }
            return page(call, all);
        }
        "POST" => {
            let fields = ["environment", "sha", "ref", "tag", "status"];
            if let Some(missing) = fields.into_iter().find(|key| call.request.field(key).is_none()) {
                return bad(format!("{missing} is missing"));
            }
            project.deployments.push(Deployment {
                id: new_id,
                environment: text("environment"),
                sha: text("sha"),
                branch: text("ref"),
                status: text("status"),
                history: vec![text("status")],
            });
            (201, project.deployments.last().unwrap())
        }
        _ => {
            let found = project.deployments.iter_mut().find(|known| known.id.to_string() == call.parts[0]);
            let Some(known) = found else { return not_found() };
            let wanted = text("status");
            let over = ["success", "failed", "canceled"].contains(&known.status.as_str());
            if known.status == wanted || over {
                return bad(refusal(&wanted, &known.status));
            }
            known.status.clone_from(&wanted);
            known.history.push(wanted);
            (200, &*known)
        }
    };
    Answer::json(status, &deployment_json(deployment))
}

fn deployment_json(known: &Deployment) -> Value {
    json!({
        "id": known.id, "iid": known.id, "ref": known.branch, "sha": known.sha, "status": known.status,
        "environment": { "name": known.environment },
    })
}
