//! Who may ask what, and what comes out.

mod deploy;
mod notes;
mod requests;
mod run;

use serde_json::{Value, json};

use super::contract;
use super::state::{Grant, Role, State};
use super::wire::{Answer, Request};

/// A request whose asker may ask it.
pub struct Call<'r> {
    pub request: &'r Request,
    /// The asker's name.
    pub user: String,
    /// Id of the project; 0 where there is none.
    pub project: u64,
    /// The parts of the path after the project.
    pub parts: Vec<String>,
}

/// What the token of a job may do, beside `GET /job`. <https://docs.gitlab.com/ci/jobs/ci_job_token/>
const FOR_JOBS: [&str; 5] = [
    "GET projects/{id}/merge_requests",
    "GET projects/{id}/merge_requests/{merge_request_iid}",
    "GET projects/{id}/deployments",
    "POST projects/{id}/deployments",
    "PUT projects/{id}/deployments/{deployment_id}",
];

pub fn answer(state: &mut State, request: &Request) -> Answer {
    let (route, mut parts) = match contract::check(request) {
        Ok(found) => found,
        Err(strange) => return Answer::json(400, &json!({ "error": strange })),
    };
    state.notice_pushes();
    let project = match route.contains("projects/{id}") {
        true => parts.remove(0),
        false => String::new(),
    };
    match allowed(state, request, &route, &project) {
        Ok((user, project)) => routed(state, &route, &Call { request, user, project, parts }),
        Err(refusal) => refusal,
    }
}

/// Name of the asker and id of the project.
fn allowed(
    state: &mut State,
    request: &Request,
    route: &str,
    project: &str,
) -> Result<(String, u64), Answer> {
    let found = state.find(project).map(|project| project.id);
    // a trigger's token is in the body; who asks does not matter
    if route == "POST projects/{id}/trigger/pipeline" {
        return Ok((String::new(), found.ok_or_else(not_found)?));
    }
    let token = request.private_token.as_ref().or(request.job_token.as_ref());
    let grant = token.and_then(|token| state.tokens.get(token)).cloned();
    let missing = || match project {
        "" => Answer::json(404, &json!({ "message": "404 Not Found" })),
        _ => Answer::json(404, &json!({ "message": "404 Project Not Found" })),
    };
    match grant {
        None => Err(Answer::json(401, &json!({ "message": "401 Unauthorized" }))),
        Some(Grant::Access { expired: true, .. }) => Err(Answer::json(
            401,
            &json!({ "error": "invalid_token", "error_description": "Token is expired. You can either do re-authorization or token refresh." }),
        )),
        Some(Grant::Access { user, role, scopes, .. }) => {
            let writes = request.method != "GET";
            let has = |scope: &str| scopes.iter().any(|known| known == scope);
            if !(has("api") || !writes && has("read_api") || route.contains("personal_access_tokens/self")) {
                return Err(Answer::json(
                    403,
                    &json!({ "error": "insufficient_scope", "scope": "api", "error_description": "The request requires higher privileges than provided by the access token." }),
                ));
            }
            match (project, found, role) {
                ("", _, _) => Ok((user, 0)),
                (_, None, _) | (_, _, Role::Stranger) => Err(missing()),
                (_, Some(_), Role::Reporter) if writes => {
                    Err(Answer::json(403, &json!({ "message": "403 Forbidden" })))
                }
                (_, Some(id), _) => Ok((user, id)),
            }
        }
        Some(Grant::Job { user, project: own, .. }) => match (route, found) {
            ("GET job", _) => Ok((user, own)),
            (route, Some(id)) if FOR_JOBS.contains(&route) && id == own => Ok((user, id)),
            ("GET user" | "GET users", _) => {
                Err(Answer::json(401, &json!({ "message": "401 Unauthorized" })))
            }
            _ => Err(missing()),
        },
    }
}

fn routed(state: &mut State, route: &str, call: &Call<'_>) -> Answer {
    let rest = route.split_once("projects/{id}").map_or(route, |(_, rest)| rest);
    match (route.split(' ').next().unwrap(), rest) {
        (_, "GET user") => user(state, &call.user),
        (_, "GET users") => users(state, call),
        (_, "GET job") => {
            Answer::json(200, &json!({ "id": 1, "status": "running", "user": user_json(state, &call.user) }))
        }
        (_, "GET personal_access_tokens/self") => token(state, call),
        ("GET", "") => project(state, call),
        (_, "/repository/branches/{branch}") => branch(state, call),
        (_, rest) if rest.contains("/notes") => notes::answer(state, call),
        (method, rest) if rest.contains("merge_requests") => requests::answer(state, method, rest, call),
        (_, "/repository/commits/{sha}/statuses") => deploy::statuses(state, call),
        (_, "/statuses/{sha}") => deploy::status(state, call),
        (method, rest) if rest.starts_with("/deployments") => deploy::answer(state, method, call),
        (method, rest) => run::answer(state, method, rest, call),
    }
}

pub fn not_found() -> Answer {
    Answer::json(404, &json!({ "message": "404 Not found" }))
}

pub fn bad(said: impl Into<Value>) -> Answer {
    Answer::json(400, &json!({ "message": said.into() }))
}

/// The page of a list that was asked for.
pub fn page(call: &Call<'_>, all: Vec<Value>) -> Answer {
    let number =
        |key: &str, default: usize| call.request.query(key).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (page, size) = (number("page", 1).max(1), number("per_page", 20).min(100));
    let some: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
    Answer::json(200, &Value::Array(some))
}

pub fn user_json(state: &mut State, name: &str) -> Value {
    json!({ "id": state.user_id(name), "username": name, "name": name, "state": "active" })
}

fn user(state: &mut State, name: &str) -> Answer {
    Answer::json(200, &user_json(state, name))
}

fn users(state: &mut State, call: &Call<'_>) -> Answer {
    let wanted = call.request.query("username").unwrap_or_default();
    let known = state.users.iter().any(|(name, _)| name == wanted);
    page(call, known.then(|| user_json(state, wanted)).into_iter().collect())
}

fn token(state: &mut State, call: &Call<'_>) -> Answer {
    match call.request.private_token.as_ref().and_then(|token| state.tokens.get(token)) {
        Some(Grant::Access { scopes, .. }) => Answer::json(
            200,
            &json!({ "id": 1, "name": "datapin", "scopes": scopes, "active": true, "expires_at": "2027-01-31" }),
        ),
        Some(Grant::Job { .. }) | None => not_found(),
    }
}

fn project(state: &mut State, call: &Call<'_>) -> Answer {
    let token = call.request.private_token.as_ref().and_then(|token| state.tokens.get(token));
    let is_maintainer = matches!(token, Some(Grant::Access { role, .. }) if *role >= Role::Maintainer);
    let project = state.project(call.project);
    let mut json = json!({ "id": project.id, "path_with_namespace": project.path, "default_branch": "main" });
    if is_maintainer {
        json["restrict_user_defined_variables"] = json!(true);
        json["ci_pipeline_variables_minimum_override_role"] = json!(match project.variables_for {
            Some(Role::Maintainer) => "maintainer",
            Some(Role::Stranger | Role::Reporter | Role::Developer) => "developer",
            None => "no_one_allowed",
        });
    }
    Answer::json(200, &json)
}

fn branch(state: &mut State, call: &Call<'_>) -> Answer {
    let token = call.request.private_token.as_ref().and_then(|token| state.tokens.get(token));
    let is_developer = matches!(token, Some(Grant::Access { role, .. }) if *role >= Role::Developer);
    let project = state.project(call.project);
    let Some(sha) = project.commit(&call.parts[0]) else {
        return Answer::json(404, &json!({ "message": "404 Branch Not Found" }));
    };
    let pushers = project.protected.get(&call.parts[0]);
    let can_push = is_developer && pushers.is_none_or(|users| users.contains(&call.user));
    Answer::json(
        200,
        &json!({ "name": call.parts[0], "protected": pushers.is_some(), "can_push": can_push, "commit": { "id": sha } }),
    )
}
