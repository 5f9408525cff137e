//! Pipelines and jobs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Call, bad, not_found, page};
use crate::gitlab_server::pipelines::{job_json, pipeline_json};
use crate::gitlab_server::state::{Grant, Job, Role, State};
use crate::gitlab_server::wire::Answer;

pub fn answer(state: &mut State, method: &str, rest: &str, call: &Call<'_>) -> Answer {
    let id: u64 = call.parts.first().and_then(|part| part.parse().ok()).unwrap_or(0);
    match (method, rest) {
        ("POST", "/trigger/pipeline") => trigger(state, call),
        ("POST", "/pipeline") => start(state, call, "api", variables_list(call), BTreeMap::new()),
        ("GET", "/pipelines") => list(state, call),
        ("GET", "/jobs/{job_id}") => job(state, call, id),
        ("GET", "/jobs/{job_id}/trace") => trace(state, call, id),
        (method, rest) => one(state, method, rest, call, id),
    }
}

fn trigger(state: &mut State, call: &Call<'_>) -> Answer {
    let token = call.request.text("token").unwrap_or_default();
    let own = state.project(call.project).trigger_tokens.contains(&token);
    let source = match state.tokens.get(&token).cloned() {
        _ if own => "trigger",
        Some(Grant::Job { project, .. })
            if project == call.project || state.project(call.project).job_allowlist.contains(&project) =>
        {
            "pipeline"
        }
        _ => return not_found(),
    };
    match (hash(call, "variables"), hash(call, "inputs")) {
        (Some(variables), Some(inputs)) => start(state, call, source, variables, inputs),
        _ => bad("variables needs to be a map of key-valued strings"),
    }
}

/// A hash of texts, as JSON or as `name[key]=value` of a form.
fn hash(call: &Call<'_>, name: &str) -> Option<BTreeMap<String, String>> {
    let own = |key: &str| Some(key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
    let form = call.request.fields.iter().filter_map(|(key, value)| Some((own(key)?, value)));
    let json = match call.request.field(name) {
        Some(Value::Object(fields)) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
        None => Vec::new(),
        Some(_) => return None,
    };
    form.chain(json).map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
}

fn variables_list(call: &Call<'_>) -> BTreeMap<String, String> {
    let list = call.request.field("variables").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.iter().map(|one| (text(&one["key"]), text(&one["value"]))).collect()
}

fn start(
    state: &mut State,
    call: &Call<'_>,
    source: &str,
    variables: BTreeMap<String, String>,
    inputs: BTreeMap<String, String>,
) -> Answer {
    let branch = call.request.text("ref").unwrap_or_default();
    let url = state.url.clone();
    let Some(sha) = state.project(call.project).commit(&branch).filter(|_| branch != "gone") else {
        return bad(json!({ "base": ["Reference not found"] }));
    };
    let token = call.request.private_token.as_ref().and_then(|token| state.tokens.get(token));
    // a trigger token is its owner's, and only maintainers make one
    let role = match token {
        Some(Grant::Access { role, .. }) if source == "api" => *role,
        _ if source == "trigger" => Role::Maintainer,
        _ => Role::Developer,
    };
    let may = state.project(call.project).variables_for.is_some_and(|least| role >= least);
    if !variables.is_empty() && !may {
        return bad(json!({ "base": ["Insufficient permissions to set pipeline variables"] }));
    }
    let id = state.new_pipeline(call.project, &branch, &sha, source, variables);
    state.pipeline(id).inputs = inputs;
    let project = state.project(call.project);
    let made = project.pipelines.iter().find(|known| known.id == id).unwrap();
    Answer::json(201, &pipeline_json(&url, project, made))
}

fn list(state: &mut State, call: &Call<'_>) -> Answer {
    let url = state.url.clone();
    let project = state.project(call.project);
    let wanted = call.request.query("ref");
    let all = project.pipelines.iter().rev();
    let all = all.filter(|known| wanted.is_none_or(|wanted| wanted == known.branch));
    page(call, all.map(|known| pipeline_json(&url, project, known)).collect())
}

fn one(state: &mut State, method: &str, rest: &str, call: &Call<'_>, id: u64) -> Answer {
    let url = state.url.clone();
    let every =
        state.projects.iter().flat_map(|project| project.pipelines.iter().map(move |one| (project, one)));
    let shown: BTreeMap<u64, Value> =
        every.map(|(project, one)| (one.id, pipeline_json(&url, project, one))).collect();
    if state.project(call.project).pipelines.iter().all(|known| known.id != id) {
        return not_found();
    }
    if method == "POST" {
        state.cancel(id);
    }
    let project = state.project(call.project);
    let pipeline = project.pipelines.iter().find(|known| known.id == id).unwrap();
    let bridges = rest.ends_with("/bridges");
    if bridges || rest.ends_with("/jobs") {
        let retried = call.request.query("include_retried") == Some("true");
        let jobs =
            pipeline.jobs.iter().rev().filter(|job| job.bridge == bridges && (retried || !job.retried));
        let started = |job: &Job| job.downstream.and_then(|id| shown.get(&id)).cloned();
        let jobs = jobs.map(|job| {
            let mut json = job_json(&url, project, job);
            if let Some(pipeline) = started(job) {
                json["downstream_pipeline"] = pipeline;
            }
            json
        });
        return page(call, jobs.collect());
    }
    if rest.ends_with("/variables") {
        let all = pipeline.variables.iter();
        let all = all.map(|(key, value)| json!({ "key": key, "value": value, "variable_type": "env_var" }));
        return Answer::json(200, &Value::Array(all.collect()));
    }
    Answer::json(200, &pipeline_json(&url, project, pipeline))
}

fn job(state: &mut State, call: &Call<'_>, id: u64) -> Answer {
    let url = state.url.clone();
    let project = state.project(call.project);
    let found = project.pipelines.iter().flat_map(|pipeline| &pipeline.jobs).find(|job| job.id == id);
    found.map_or_else(not_found, |job| Answer::json(200, &job_json(&url, project, job)))
}

fn trace(state: &mut State, call: &Call<'_>, id: u64) -> Answer {
    let project = state.project(call.project);
    let found = project.pipelines.iter().flat_map(|pipeline| &pipeline.jobs).find(|job| job.id == id);
    found.map_or_else(not_found, |job| Answer::text(200, &job.log))
}
