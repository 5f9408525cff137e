//! Merge requests.

use serde_json::{Value, json};

use super::{Call, bad, not_found, page};
use crate::gitlab_server::merge::{request_json, split};
use crate::gitlab_server::state::{MergeRequest, State};
use crate::gitlab_server::wire::{Answer, Request};

pub fn answer(state: &mut State, method: &str, rest: &str, call: &Call<'_>) -> Answer {
    let iid = call.parts.first().and_then(|part| part.parse().ok()).unwrap_or(0);
    match (method, rest) {
        ("GET", "/merge_requests") => list(state, call, |request| {
            let is = |key: &str, value: &str| call.request.query(key).is_none_or(|wanted| wanted == value);
            is("state", &request.state)
                && is("source_branch", &request.source_branch)
                && is("target_branch", &request.target_branch)
        }),
        ("GET", "/repository/commits/{sha}/merge_requests") => {
            let sha = &call.parts[0];
            list(state, call, |request| {
                let of = [&request.merge_commit_sha, &request.squash_commit_sha];
                of.into_iter().flatten().any(|known| known == sha)
                    || request.sha == *sha
                    || request.commits.contains(sha)
            })
        }
        ("POST", _) => create(state, call),
        ("PUT", "/merge_requests/{merge_request_iid}/merge") => {
            let auto = call.request.text("auto_merge").as_deref() == Some("true");
            state.merge(call.project, iid, call.request.text("sha").as_deref(), auto)
        }
        ("PUT", _) => update(state, call, iid),
        _ => {
            if let Some(request) = state.project(call.project).request(iid) {
                request.unchecked = request.unchecked.saturating_sub(1);
                request.lag = request.lag.saturating_sub(1);
            }
            show(state, call, iid, 200)
        }
    }
}

fn list(state: &mut State, call: &Call<'_>, wanted: impl Fn(&MergeRequest) -> bool) -> Answer {
    let url = state.url.clone();
    let iids: Vec<u64> = state.project(call.project).merge_requests.iter().map(|r| r.iid).collect();
    let (project, users) = split(state, call.project);
    let mut all: Vec<Value> = Vec::new();
    for iid in iids.into_iter().rev() {
        let request = project.request(iid).unwrap().clone();
        if wanted(&request) {
            all.push(request_json(&url, project, users, &request));
        }
    }
    page(call, all)
}

fn show(state: &mut State, call: &Call<'_>, iid: u64, status: u16) -> Answer {
    let url = state.url.clone();
    let (project, users) = split(state, call.project);
    let Some(request) = project.request(iid).cloned() else { return not_found() };
    Answer::json(status, &request_json(&url, project, users, &request))
}

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let text = |key: &str| call.request.text(key).unwrap_or_default();
    let (source, target, title) = (text("source_branch"), text("target_branch"), text("title"));
    let checks = state.checks;
    let project = state.project(call.project);
    if title.is_empty() || title.chars().count() > 255 {
        return bad(json!({ "title": ["can't be blank"] }));
    }
    let same = |request: &&MergeRequest| {
        request.state == "opened" && request.source_branch == source && request.target_branch == target
    };
    if let Some(known) = project.merge_requests.iter().find(same) {
        let said =
            format!("Another open merge request already exists for this source branch: !{}", known.iid);
        return Answer::json(409, &json!({ "message": [said] }));
    }
    let Some(sha) = project.commit(&source) else {
        return Answer::json(422, &json!({ "message": ["Source branch \"x\" does not exist"] }));
    };
    let iid = project.merge_requests.len() as u64 + 1;
    let id = project.id;
    project.merge_requests.push(MergeRequest {
        iid,
        state: "opened".to_owned(),
        title,
        description: text("description"),
        source_branch: source,
        target_branch: target,
        source_project: id,
        sha,
        merge_commit_sha: None,
        squash_commit_sha: None,
        labels: labels(&text("labels")),
        assignees: assignees(call.request),
        author: call.user.clone(),
        auto_merge: false,
        blocked: None,
        unchecked: checks,
        lag: 0,
        notes: Vec::new(),
        commits: Vec::new(),
    });
    show(state, call, iid, 201)
}

fn update(state: &mut State, call: &Call<'_>, iid: u64) -> Answer {
    let Some(request) = state.project(call.project).request(iid) else { return not_found() };
    for (key, place) in [("title", &mut request.title), ("description", &mut request.description)] {
        if let Some(text) = call.request.text(key) {
            *place = text;
        }
    }
    let added = labels(&call.request.text("add_labels").unwrap_or_default());
    for label in added {
        if !request.labels.contains(&label) {
            request.labels.push(label);
        }
    }
    let new = assignees(call.request);
    if !new.is_empty() {
        request.assignees = new;
    }
    match call.request.text("state_event").as_deref() {
        Some("close") => request.state = "closed".to_owned(),
        Some("reopen") => request.state = "opened".to_owned(),
        Some(_) => return bad("state_event does not have a valid value"),
        None => {}
    }
    show(state, call, iid, 200)
}

fn labels(text: &str) -> Vec<String> {
    text.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect()
}

fn assignees(request: &Request) -> Vec<u64> {
    let fields = request.fields.iter().filter(|(name, _)| name.starts_with("assignee_id"));
    fields.filter_map(|(_, value)| value.as_str()?.parse().ok()).collect()
}
