//! Single questions and changes.

use kube::core::Request;
use kube::core::params::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::subresource::LogParams;
use serde_json::Value;

use super::connection::{Asked, Missing};
use super::kind::segment;
use super::{Cluster, ClusterError, Kind};

/// Objects per page of a list: what is in memory at once stays small however many there are.
const PAGE: u32 = 100;
/// Bytes of a log that are read.
const LOG: i64 = 64 * 1024;

/// Which log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsOf<'a> {
    /// Pod.
    pub pod: &'a str,
    /// Container; init containers too.
    pub container: &'a str,
    /// Of which life of the container.
    pub stream: Stream,
    /// How many lines from the end.
    pub lines: u32,
}

/// Which life of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The one that runs, or ran last.
    Current,
    /// The one before it: where a crash is told.
    Previous,
}

/// What becomes of the objects that belong to one that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted too, later.
    Background,
    /// They stay.
    Orphan,
}

/// An event of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// `FailedScheduling`.
    pub reason: String,
    /// In words.
    pub message: String,
    /// When it happened last, as the server writes it; may be empty.
    pub at: String,
    /// How often.
    pub count: u64,
}

/// Objects of a page, and where the next one begins.
pub(super) struct Page {
    pub(super) objects: Vec<Value>,
    pub(super) version: String,
    pub(super) next: Option<String>,
}

impl Cluster {
    /// The object of that name.
    ///
    /// # Errors
    /// It is not there, or the cluster can't be asked.
    pub async fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value, ClusterError> {
        let request = path(kind, namespace).get(&segment(name), &GetParams::default());
        self.ask(&of_object("get", kind, namespace, name, built(request)?)).await
    }

    /// The objects with these labels (`app=mds`; empty for all).
    ///
    /// # Errors
    /// The cluster can't be asked, or does not have the kind.
    pub async fn list(&self, kind: Kind, namespace: &str, labels: &str) -> Result<Vec<Value>, ClusterError> {
        let mut objects = Vec::new();
        let mut next = None;
        loop {
            let page = self.page(kind, namespace, labels, next).await?;
            objects.extend(page.objects);
            next = page.next;
            if next.is_none() {
                return Ok(objects);
            }
        }
    }

    pub(super) async fn page(
        &self,
        kind: Kind,
        namespace: &str,
        labels: &str,
        from: Option<String>,
    ) -> Result<Page, ClusterError> {
        let mut params = ListParams::default().limit(PAGE);
        if !labels.is_empty() {
            params = params.labels(labels);
        }
        params.continue_token = from;
        let request = path(kind, namespace).list(&params);
        let mut answer = self.ask(&of_kind("list", kind, namespace, built(request)?)).await?;
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Page {
            version: text(&answer["metadata"]["resourceVersion"]).unwrap_or_default(),
            next: text(&answer["metadata"]["continue"]),
            objects: match answer["items"].take() {
                Value::Array(objects) => objects,
                _ => Vec::new(),
            },
        })
    }

    /// The object after a JSON merge patch.
    ///
    /// # Errors
    /// It is not there, the right is missing, or the cluster can't be asked.
    pub async fn merge_patch(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ClusterError> {
        let request =
            path(kind, namespace).patch(&segment(name), &PatchParams::default(), &Patch::Merge(patch));
        self.ask(&of_object("patch", kind, namespace, name, built(request)?)).await
    }

    /// The object as the server created it.
    ///
    /// # Errors
    /// It is there already ([`ClusterError::Conflict`]), it is refused, or the cluster can't be asked.
    pub async fn create(&self, kind: Kind, namespace: &str, object: &Value) -> Result<Value, ClusterError> {
        let request = path(kind, namespace).create(&PostParams::default(), object.to_string().into_bytes());
        self.ask(&of_kind("create", kind, namespace, built(request)?)).await
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// The right is missing, or the cluster can't be asked.
    pub async fn delete(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        propagation: Propagation,
    ) -> Result<(), ClusterError> {
        let params = match propagation {
            Propagation::Background => DeleteParams::background(),
            Propagation::Orphan => DeleteParams::orphan(),
        };
        let request = path(kind, namespace).delete(&segment(name), &params);
        match self.send(&of_object("delete", kind, namespace, name, built(request)?)).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The last lines of a container's log, oldest first, without control characters.
    ///
    /// # Errors
    /// There is no such pod, container or earlier life, or the cluster can't be asked.
    pub async fn logs(&self, namespace: &str, of: &LogsOf<'_>) -> Result<Vec<String>, ClusterError> {
        let params = LogParams {
            container: Some(of.container.to_owned()),
            previous: of.stream == Stream::Previous,
            tail_lines: Some(of.lines.into()),
            limit_bytes: Some(LOG),
            ..LogParams::default()
        };
        let request = path(Kind::POD, namespace).logs(&segment(of.pod), &params);
        let body =
            self.send(&of_object("get the log of", Kind::POD, namespace, of.pod, built(request)?)).await?;
        let mut lines = crate::process::plain(&body);
        lines.drain(..lines.len().saturating_sub(of.lines as usize));
        Ok(lines)
    }

    /// The events of an object, oldest first.
    ///
    /// # Errors
    /// The cluster can't be asked.
    pub async fn events(
        &self,
        namespace: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Happening>, ClusterError> {
        let fields = format!("involvedObject.kind={},involvedObject.name={name}", kind.kind);
        let request = path(Kind::EVENT, namespace).list(&ListParams::default().fields(&fields));
        let answer = self.ask(&of_kind("list", Kind::EVENT, namespace, built(request)?)).await?;
        let mut events: Vec<Happening> =
            answer["items"].as_array().into_iter().flatten().map(happening).collect();
        events.sort_by(|one, other| one.at.cmp(&other.at));
        Ok(events)
    }
}

fn happening(event: &Value) -> Happening {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let times = [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
    Happening {
        kind: text("type"),
        reason: text("reason"),
        message: crate::process::one_line(&text("message"), 500),
        at: times.iter().find_map(|time| time.as_str()).unwrap_or_default().to_owned(),
        count: event["series"]["count"].as_u64().or_else(|| event["count"].as_u64()).unwrap_or(1),
    }
}

pub(super) fn path(kind: Kind, namespace: &str) -> Request {
    Request::new(kind.path(namespace))
}

fn built(
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<http::Request<Vec<u8>>, ClusterError> {
    request.map_err(|error| ClusterError::Garbled {
        cluster: "the request".to_owned(),
        doing: "build it".to_owned(),
        reason: error.to_string(),
    })
}

pub(super) fn of_kind(verb: &str, kind: Kind, namespace: &str, request: http::Request<Vec<u8>>) -> Asked {
    Asked {
        doing: format!("{verb} {}{}", kind.resource(), within(namespace)),
        missing: Missing::Kind(format!("{} ({})", kind.resource(), kind.api_version())),
        request,
    }
}

fn of_object(verb: &str, kind: Kind, namespace: &str, name: &str, request: http::Request<Vec<u8>>) -> Asked {
    Asked {
        doing: format!("{verb} {} `{name}`{}", kind.resource(), within(namespace)),
        missing: Missing::Object(format!("{} `{name}`{}", kind.kind, within(namespace))),
        request,
    }
}

fn within(namespace: &str) -> String {
    if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") }
}
