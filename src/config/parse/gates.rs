//! What a gate does.

use std::time::Duration;

use super::clusters::access;
use crate::config::raw::Fields;
use crate::config::{
    Afterwards, GateKind, GitLabPipeline, HeaderValue, JobSource, KubernetesJob, Prometheus,
};

const INTERVAL: Duration = Duration::from_secs(15);
const MAX_MISSING: u32 = 2;

/// The kind of a gate, if all of it is good.
pub(super) fn kind(fields: &Fields) -> Option<GateKind> {
    match fields.kind()? {
        "command" => Some(GateKind::Command {
            command: fields.texts("command")?,
            pass: fields.texts("pass").unwrap_or_default(),
        }),
        "http" => Some(GateKind::Http {
            url: fields.text("url")?,
            method: fields.text("method").unwrap_or_else(|| "GET".to_owned()),
            headers: fields.headers("headers"),
        }),
        "kubernetes-job" => job(fields).map(GateKind::KubernetesJob),
        "gitlab-pipeline" => Some(GateKind::GitLabPipeline(GitLabPipeline {
            project: fields.text("project")?,
            branch: fields.text("ref")?,
            variables: fields.variables("variables"),
            trigger_token: fields.secret("trigger_token"),
        })),
        "prometheus" => prometheus(fields).map(GateKind::Prometheus),
        "manual" => {
            Some(GateKind::Manual { who: fields.text("who"), protected_by: fields.text("protected_by") })
        }
        _ => None,
    }
}

fn job(fields: &Fields) -> Option<KubernetesJob> {
    let manifest = fields.text("manifest").map(|file| JobSource::Manifest(file.into()));
    Some(KubernetesJob {
        access: access(fields),
        namespace: fields.text("namespace"),
        source: manifest.or_else(|| fields.text("cronjob").map(JobSource::CronJob))?,
        afterwards: if fields.flag("keep") == Some(true) { Afterwards::Kept } else { Afterwards::Deleted },
    })
}

fn prometheus(fields: &Fields) -> Option<Prometheus> {
    let mut headers = fields.headers("headers");
    if let Some(token) = fields.secret("token") {
        headers.insert("Authorization".to_owned(), HeaderValue::Bearer(token));
    }
    Some(Prometheus {
        server: fields.text("server")?,
        query: fields.text("query")?,
        condition: fields.text("condition")?.parse().ok()?,
        window: fields.time("for"),
        interval: fields.time("interval").unwrap_or(INTERVAL),
        max_bad: fields.count("max_bad").unwrap_or(0),
        max_missing: fields.count("max_missing").unwrap_or(MAX_MISSING),
        headers,
    })
}
