//! What the API server answers: authentication, authorization, then the resource, in that order.

use std::time::Duration;

use datapin::cluster::Labels;
use serde_json::{Value, json};

use super::store::Place;
use super::wire::Request;
use super::{Asked, Mood, State};

/// An answer.
pub enum Answer {
    Body { status: u16, content_type: &'static str, body: Vec<u8> },
    Watch(Watch),
}

/// A watch that begins.
pub struct Watch {
    pub path: String,
    pub place: Place,
    pub version: u64,
    pub timeout: Duration,
    filter: Filter,
}

impl Watch {
    pub fn matches(&self, object: &Value) -> bool {
        self.filter.matches(object)
    }
}

/// Label and field selectors.
struct Filter {
    labels: Option<Labels>,
    fields: Vec<(String, String)>,
}

impl Filter {
    fn of(request: &Request) -> Self {
        let labels = request.query("labelSelector").map(|text| text.parse().unwrap());
        let fields = request.query("fieldSelector").unwrap_or_default().split(',');
        let fields = fields.filter_map(|field| field.split_once('='));
        Self { labels, fields: fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
    }

    fn matches(&self, object: &Value) -> bool {
        let field = |(path, value): &(String, String)| {
            object.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_str) == Some(value)
        };
        self.labels.as_ref().is_none_or(|labels| labels.match_object(object)) && self.fields.iter().all(field)
    }
}

/// What a path names.
struct Target {
    place: Place,
    name: Option<String>,
    sub: Option<String>,
}

impl Target {
    fn of(path: &str) -> Option<Self> {
        let mut parts = path.trim_start_matches('/').split('/').map(str::to_owned);
        let group = match parts.next()?.as_str() {
            "api" => String::new(),
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?;
        let first = parts.next()?;
        let (namespace, plural) = match first.as_str() {
            "namespaces" => (parts.next()?, parts.next()?),
            _ => (String::new(), first),
        };
        let (name, sub) = (parts.next(), parts.next());
        Some(Self { place: Place { group, version, plural, namespace }, name, sub })
    }

    fn resource(&self) -> String {
        let sub = self.sub.as_ref().map(|sub| format!("/{sub}")).unwrap_or_default();
        match self.place.group.as_str() {
            "" => format!("{}{sub}", self.place.plural),
            group => format!("{}.{group}{sub}", self.place.plural),
        }
    }
}

/// A `Status` object.
pub fn status(code: u16, reason: &str, message: &str) -> Value {
    let outcome = if code < 400 { "Success" } else { "Failure" };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": outcome, "message": message,
        "reason": reason, "code": code,
    })
}

fn failure(code: u16, reason: &str, message: &str) -> Answer {
    object(code, &status(code, reason, message))
}

fn object(status: u16, body: &Value) -> Answer {
    Answer::Body { status, content_type: "application/json", body: body.to_string().into_bytes() }
}

/// The answer; it is remembered that it was asked.
pub fn answer(state: &mut State, request: &Request, mood: &Mood) -> Answer {
    let target = Target::of(&request.path);
    let verb = verb(request, target.as_ref().is_some_and(|target| target.name.is_some()));
    let answer = decide(state, request, mood, target, verb);
    let status = match &answer {
        Answer::Body { status, .. } => *status,
        Answer::Watch(_) => 200,
    };
    state.asked.push(Asked {
        verb: verb.to_owned(),
        path: request.path.clone(),
        query: request.raw_query.clone(),
        token: request.token.clone(),
        status,
    });
    answer
}

fn verb(request: &Request, named: bool) -> &'static str {
    let watching = request.query("watch").is_some_and(|watch| matches!(watch, "1" | "true"));
    match request.method.as_str() {
        "GET" if watching => "watch",
        "GET" if named => "get",
        "GET" => "list",
        "POST" => "create",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "update",
    }
}

fn decide(state: &mut State, request: &Request, mood: &Mood, target: Option<Target>, verb: &str) -> Answer {
    if let Mood::Failing(code, _) = mood {
        return failure(*code, "InternalError", "etcdserver: leader changed");
    }
    if !(state.accepts)(&request.token) {
        return failure(401, "Unauthorized", "Unauthorized");
    }
    let Some(target) = target else { return no_such_path() };
    if target.place.plural == "selfsubjectaccessreviews" {
        return review(state, &request.body);
    }
    if state.denied.iter().any(|denied| denied.verb == verb && denied.resource == target.resource()) {
        return forbidden(&target, verb);
    }
    let Some(kind) = state.store.kind(&target.place) else { return no_such_path() };
    match (verb, &target.name, target.sub.as_deref()) {
        ("get", Some(pod), Some("log")) => log(state, &target.place.namespace, pod, request),
        ("get", Some(name), None) => {
            state.store.at(&target.place, name).map_or_else(|| missing(&target), |found| object(200, &found))
        }
        ("list", None, None) => list(state, request, &target.place, &kind),
        ("watch", None, None) => watch(state, request, target.place),
        ("create", None, None) => create(state, request, &target),
        ("patch", Some(name), _) => patch(state, request, &target, name),
        ("delete", Some(name), None) => match state.store.remove(&target.place, name) {
            Some(_) => object(200, &status(200, "", "")),
            None => missing(&target),
        },
        _ => failure(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
    }
}

/// As the real one answers for a group or kind that is not installed.
fn no_such_path() -> Answer {
    Answer::Body { status: 404, content_type: "text/plain", body: b"404 page not found\n".to_vec() }
}

fn missing(target: &Target) -> Answer {
    let name = target.name.as_deref().unwrap_or_default();
    failure(404, "NotFound", &format!("{} \"{name}\" not found", target.resource()))
}

fn forbidden(target: &Target, verb: &str) -> Answer {
    let name = target.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let resource =
        target.place.plural.clone() + &target.sub.as_ref().map(|sub| format!("/{sub}")).unwrap_or_default();
    let message = format!(
        "{}{name} is forbidden: User \"bot\" cannot {verb} resource \"{resource}\" in API group \"{}\" in the \
         namespace \"{}\"",
        target.resource(),
        target.place.group,
        target.place.namespace,
    );
    failure(403, "Forbidden", &message)
}

fn review(state: &State, body: &Value) -> Answer {
    let asked = &body["spec"]["resourceAttributes"];
    let text = |key: &str| asked[key].as_str().unwrap_or_default();
    let mut resource = text("resource").to_owned();
    if !text("group").is_empty() {
        resource = format!("{resource}.{}", text("group"));
    }
    if !text("subresource").is_empty() {
        resource = format!("{resource}/{}", text("subresource"));
    }
    let denied = |one: &super::Denied| one.verb == text("verb") && one.resource == resource;
    let mut answer = body.clone();
    answer["status"] = json!({ "allowed": !state.denied.iter().any(denied) });
    object(201, &answer)
}

fn log(state: &State, namespace: &str, pod: &str, request: &Request) -> Answer {
    let container = request.query("container").unwrap_or_default();
    let life = if request.query("previous") == Some("true") { "previous" } else { "current" };
    let Some(text) = state.logs.get(&format!("{namespace}/{pod}/{container}/{life}")) else {
        let words = format!("{life} terminated container \"{container}\" in pod \"{pod}\" not found");
        return failure(400, "BadRequest", &words);
    };
    let lines: Vec<&str> = text.lines().collect();
    let tail = request.query("tailLines").and_then(|tail| tail.parse().ok()).unwrap_or(lines.len());
    let body = lines[lines.len().saturating_sub(tail)..].join("\n") + "\n";
    Answer::Body { status: 200, content_type: "text/plain", body: body.into_bytes() }
}

fn list(state: &mut State, request: &Request, place: &Place, kind: &str) -> Answer {
    let limit = request.query("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
    let page = match request.query("continue") {
        Some(token) => state.store.next_page(token, limit),
        None => {
            let filter = Filter::of(request);
            let objects =
                state.store.list(place).into_iter().filter(|object| filter.matches(object)).collect();
            Some(state.store.page(objects, limit))
        }
    };
    let Some(page) = page else {
        return failure(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list",
        );
    };
    let mut metadata = json!({ "resourceVersion": page.version.to_string() });
    if let Some(next) = page.next {
        metadata["continue"] = json!(next);
    }
    let api = if place.group.is_empty() {
        place.version.clone()
    } else {
        format!("{}/{}", place.group, place.version)
    };
    object(
        200,
        &json!({ "kind": format!("{kind}List"), "apiVersion": api, "metadata": metadata, "items": page.objects }),
    )
}

fn watch(state: &State, request: &Request, place: Place) -> Answer {
    let version = request.query("resourceVersion").and_then(|version| version.parse().ok());
    let timeout = request.query("timeoutSeconds").and_then(|timeout| timeout.parse().ok()).unwrap_or(1800);
    Answer::Watch(Watch {
        path: request.path.clone(),
        place,
        version: version.unwrap_or_else(|| state.store.version()),
        timeout: Duration::from_secs(timeout),
        filter: Filter::of(request),
    })
}

fn create(state: &mut State, request: &Request, target: &Target) -> Answer {
    let body = &request.body;
    let name = body["metadata"]["name"].as_str();
    let prefix = body["metadata"]["generateName"].as_str();
    if name.is_none() && prefix.is_none() {
        return failure(422, "Invalid", "metadata.name: Required value: name or generateName is required");
    }
    if name.is_some_and(|name| state.store.at(&target.place, name).is_some()) {
        let words = format!("{} \"{}\" already exists", target.resource(), name.unwrap_or_default());
        return failure(409, "AlreadyExists", &words);
    }
    let namespace = body["metadata"]["namespace"].as_str();
    if namespace.is_some_and(|namespace| namespace != target.place.namespace) {
        return failure(
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        );
    }
    if let Some(fault) = (target.place.plural == "jobs").then(|| job_fault(body)).flatten() {
        return failure(
            422,
            "Invalid",
            &format!("Job.batch \"{}\" is invalid: {fault}", name.unwrap_or_default()),
        );
    }
    object(201, &state.store.write(&target.place, body.clone()))
}

/// The part of the validation of jobs that a manifest easily breaks.
fn job_fault(job: &Value) -> Option<String> {
    let template = &job["spec"]["template"]["spec"];
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if name.len() > 63 || !name.chars().all(good) || name.ends_with(['-', '.']) {
        return Some(format!("metadata.name: Invalid value: \"{name}\""));
    }
    if template["containers"].as_array().is_none_or(Vec::is_empty) {
        return Some("spec.template.spec.containers: Required value".to_owned());
    }
    if !matches!(template["restartPolicy"].as_str(), Some("Never" | "OnFailure")) {
        return Some(
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
                .to_owned(),
        );
    }
    if !job["spec"]["selector"].is_null() {
        return Some("spec.selector: Invalid value: `selector` not auto-generated".to_owned());
    }
    let labels = job["metadata"]["labels"].as_object().into_iter().flatten();
    let long = labels.filter_map(|(key, value)| Some((key, value.as_str()?)));
    long.into_iter()
        .find(|(_, value)| value.len() > 63)
        .map(|(key, _)| format!("metadata.labels: Invalid value: {key}"))
}

fn patch(state: &mut State, request: &Request, target: &Target, name: &str) -> Answer {
    if request.content_type != "application/merge-patch+json" {
        return failure(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
    }
    match state.store.merge(&target.place, name, &request.body) {
        Some(found) => object(200, &found),
        None => missing(target),
    }
}
