//! From the file to a [`Config`].

mod agents;
mod aws;
mod clusters;
mod gates;

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{ConfigErrors, Problem};
use super::raw::{Fields, Reading, Spans, read};
use super::{
    Config, Credential, Dataset, Environment, Gate, GitLab, Notify, OnNewer, PinTemplate, Pipeline, Queue,
    Repository, Requirement, RocketChat, Sharing, Signing, Source, Stage, Verify, check, form,
};
use crate::values::DocumentSelector;

/// More than anybody writes by hand.
const LARGEST: usize = 1024 * 1024;
/// Versions that are safe in file names, messages and values.
const ANY_VERSION: &str = r"[A-Za-z0-9][A-Za-z0-9._+-]*";

const SYNC_TIMEOUT: Duration = Duration::from_mins(15);
const GATE_TIMEOUT: Duration = Duration::from_mins(30);
const GATE_RETRIES: u32 = 2;
const QUEUE_BRANCH: &str = "datapin/queue";
const QUEUE_TTL: Duration = Duration::from_mins(5);
const QUEUE_MAX_WAIT: Duration = Duration::from_hours(2);
const QUEUE_START_GRACE: Duration = Duration::from_mins(2);

/// The configuration that `text` says.
///
/// # Errors
///
/// Everything that is wrong with it, by position. `name` is what the messages call the file.
pub fn load(name: &str, text: &str) -> Result<Config, ConfigErrors> {
    if text.len() > LARGEST {
        let problem = Problem::TooLarge { size: text.len(), limit: LARGEST };
        return Err(ConfigErrors::new(name, text, vec![(0..0, problem)]));
    }
    let Reading { root, spans, mut problems } =
        read(text).map_err(|problem| ConfigErrors::new(name, text, vec![problem]))?;
    let source = Source { name: name.to_owned(), blob: blob_id(text) };
    let config = build(source, &root, &spans);
    problems.extend(check::check(&config, &spans));
    if problems.is_empty() { Ok(config) } else { Err(ConfigErrors::new(name, text, problems)) }
}

/// Git's id of the bytes; hashing fails only without memory.
fn blob_id(text: &str) -> String {
    git2::Oid::hash_object(git2::ObjectType::Blob, text.as_bytes())
        .map(|id| id.to_string())
        .unwrap_or_default()
}

/// What is good of the file; tables that lack something are left out, and the reader has said so.
fn build(source: Source, root: &Fields, spans: &Spans) -> Config {
    let repository = root.table("repository").map(repository).unwrap_or_default();
    let queues = queues(root, &repository);
    Config {
        source,
        repository,
        datasets: collect(root, "dataset", dataset),
        environments: collect(root, "environment", environment),
        gates: collect(root, "gate", gate),
        pipelines: collect(root, "pipeline", |name, fields| pipeline(name, fields, spans)),
        queues,
        notify: Notify {
            rocketchat: root
                .table("notify")
                .and_then(|notify| notify.table("rocketchat"))
                .and_then(rocketchat),
        },
        gitlab: root.table("gitlab").map(gitlab).unwrap_or_default(),
    }
}

fn collect<T>(root: &Fields, key: &str, make: impl Fn(&str, &Fields) -> Option<T>) -> BTreeMap<String, T> {
    root.named(key).filter_map(|(name, fields)| Some((name.clone(), make(name, fields)?))).collect()
}

fn repository(fields: &Fields) -> Repository {
    Repository {
        url: fields.text("url"),
        branch: fields.text("branch"),
        credential: credential(fields),
        author: fields.text("author").and_then(|text| form::person(&text)),
        committer: fields.text("committer").and_then(|text| form::person(&text)),
        signing: fields.table("sign").map(signing).unwrap_or_default(),
        message: fields.text("message"),
        known_hosts: fields.text("known_hosts").map(Into::into),
        verify: verify(fields),
    }
}

fn verify(fields: &Fields) -> Verify {
    let own = fields.table("helmfile");
    match fields.text("verify") {
        Some(_) => Verify::Helmfile {
            file: own.and_then(|own| own.text("file")),
            pass: own.and_then(|own| own.texts("pass")).unwrap_or_default(),
        },
        None => Verify::ValuesOnly,
    }
}

fn credential(fields: &Fields) -> Credential {
    if let Some(token) = fields.secret("token") {
        // GitLab and GitHub look at the token alone; `oauth2` is GitLab's own word for it
        let username = fields.text("username").unwrap_or_else(|| "oauth2".to_owned());
        return Credential::Token { username, token };
    }
    let key = fields.table("ssh_key").and_then(|key| Some((key, key.text("file")?)));
    match key {
        Some((key, file)) => Credential::SshKey { file: file.into(), passphrase: key.secret("passphrase") },
        None => Credential::Ambient,
    }
}

fn signing(fields: &Fields) -> Signing {
    let ssh = fields.table("ssh_key").and_then(|key| key.text("file"));
    match (ssh, fields.text("gpg_key")) {
        (Some(key), _) => Signing::Ssh { key: key.into() },
        (None, Some(key)) => Signing::Gpg { key },
        (None, None) => Signing::None,
    }
}

fn dataset(name: &str, fields: &Fields) -> Option<Dataset> {
    let pattern = fields.text("version_pattern").unwrap_or_else(|| ANY_VERSION.to_owned());
    let settable = fields.texts("settable").unwrap_or_default();
    Some(Dataset {
        name: name.to_owned(),
        version_pattern: form::whole_match(&pattern).ok()?,
        services: fields.texts("services")?,
        pins: fields.tables("pin")?.iter().map(pin).collect::<Option<_>>()?,
        settable: settable.iter().map(|text| form::settable(text)).collect::<Option<_>>()?,
    })
}

fn pin(fields: &Fields) -> Option<PinTemplate> {
    let document =
        |document: &Fields| DocumentSelector { kind: document.text("kind"), name: document.text("name") };
    Some(PinTemplate {
        services: fields.texts("services"),
        file: fields.text("file")?,
        path: fields.text("path")?,
        document: fields.table("document").map(document),
        sharing: if fields.flag("shared") == Some(true) { Sharing::Shared } else { Sharing::Own },
    })
}

fn environment(name: &str, fields: &Fields) -> Option<Environment> {
    let sync_timeout = fields.time("sync_timeout").unwrap_or(SYNC_TIMEOUT);
    Some(Environment {
        name: name.to_owned(),
        branch: fields.text("branch"),
        services: fields.texts("services"),
        agent: agents::agent(fields.table("agent")?)?,
        sync_timeout,
        rollback_timeout: fields.time("rollback_timeout").unwrap_or(sync_timeout),
        queue: fields.text("queue").unwrap_or_else(|| "default".to_owned()),
        purpose: fields.text("purpose"),
        bucket: fields.table("bucket").and_then(aws::bucket),
        ssm: fields.table("ssm").and_then(aws::parameter),
    })
}

fn gate(name: &str, fields: &Fields) -> Option<Gate> {
    let allowed = fields.flag("allow_failure") == Some(true);
    Some(Gate {
        name: name.to_owned(),
        kind: gates::kind(fields)?,
        timeout: fields.time("timeout").unwrap_or(GATE_TIMEOUT),
        requirement: if allowed { Requirement::AllowedToFail } else { Requirement::Required },
        after: fields.texts("after").unwrap_or_default(),
        retries: fields.count("retries").unwrap_or(GATE_RETRIES),
    })
}

fn pipeline(name: &str, fields: &Fields, spans: &Spans) -> Option<Pipeline> {
    let declared = spans.declared("dataset");
    let only = || <[String; 1]>::try_from(declared).ok().map(|[only]| only);
    Some(Pipeline {
        name: name.to_owned(),
        // empty where it is missing: the checks say so
        dataset: fields.text("dataset").or_else(only).unwrap_or_default(),
        requires: fields.texts("requires").unwrap_or_default(),
        stages: fields.tables("stages")?.iter().map(stage).collect::<Option<_>>()?,
        on_newer: match fields.text("on_newer").as_deref() {
            Some("replace-waiting") => OnNewer::ReplaceWaiting,
            _ => OnNewer::Queue,
        },
    })
}

fn stage(fields: &Fields) -> Option<Stage> {
    Some(Stage {
        environments: fields.texts("environment")?,
        gates: fields.texts("gates").unwrap_or_default(),
        promote: fields.table("promote").and_then(aws::promote),
    })
}

fn queues(root: &Fields, repository: &Repository) -> BTreeMap<String, Queue> {
    let mut queues = collect(root, "queue", |name, fields| Some(queue(name, fields, repository)));
    queues.entry("default".to_owned()).or_insert_with(|| queue("default", &Fields::default(), repository));
    queues
}

fn queue(name: &str, fields: &Fields, environments: &Repository) -> Queue {
    Queue {
        name: name.to_owned(),
        repository: queue_repository(fields, environments),
        branch: fields.text("branch").unwrap_or_else(|| QUEUE_BRANCH.to_owned()),
        ttl: fields.time("ttl").unwrap_or(QUEUE_TTL),
        max_wait: fields.time("max_wait").unwrap_or(QUEUE_MAX_WAIT),
        start_grace: fields.time("start_grace").unwrap_or(QUEUE_START_GRACE),
        step_idle: fields.time("step_idle_ttl"),
    }
}

/// A repository of the queue's own, or a login of its own. The environment repository's login never goes to
/// another repository; author and signing do.
fn queue_repository(fields: &Fields, environments: &Repository) -> Option<Repository> {
    if !fields.has_any(&["repository", "token", "ssh_key", "known_hosts"]) {
        return None;
    }
    let url = fields.text("repository").or_else(|| environments.url.clone());
    let own_login = url != environments.url || fields.has_any(&["token", "ssh_key"]);
    Some(Repository {
        credential: if own_login { credential(fields) } else { environments.credential.clone() },
        url,
        branch: None,
        message: None,
        known_hosts: fields.text("known_hosts").map(Into::into).or_else(|| environments.known_hosts.clone()),
        ..environments.clone()
    })
}

fn rocketchat(fields: &Fields) -> Option<RocketChat> {
    let channel = fields.text("channel");
    if let Some(url) = fields.secret("webhook") {
        return Some(RocketChat::Webhook { url, channel });
    }
    Some(RocketChat::Api {
        server: fields.text("server")?,
        channel: channel?,
        user_id: fields.secret("user_id")?,
        token: fields.secret("token")?,
    })
}

fn gitlab(fields: &Fields) -> GitLab {
    GitLab { url: fields.text("url"), project: fields.text("project"), token: fields.secret("token") }
}
