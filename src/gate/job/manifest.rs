//! From a manifest to the Job of one attempt.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::config::Afterwards;
use crate::gate::{Facts, command};

/// Label with the run.
pub(super) const RUN: &str = "datapin/run";
/// Longest name of a Job: its pods' label has to hold it.
const NAME: usize = 63;
/// Seconds after which a Job is deleted by the cluster, should nobody else do so.
const TIME_TO_LIVE: u32 = 24 * 60 * 60;

/// Why a manifest can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It can't be read.
    #[error("manifest {}: {source}", file.display())]
    Unreadable {
        /// File.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no Job.
    #[error("{place}: {reason}")]
    NoJob {
        /// File or CronJob.
        place: String,
        /// Why.
        reason: String,
    },
}

/// What Jobs are made of.
#[derive(Debug, Clone)]
pub(super) struct Template {
    name: String,
    pub(super) namespace: Option<String>,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
    spec: Value,
}

impl Template {
    /// The manifest in a file: exactly one Job.
    pub(super) fn read(file: &Path) -> Result<Self, ManifestError> {
        let place = format!("manifest {}", file.display());
        let no_job = |reason: String| ManifestError::NoJob { place: place.clone(), reason };
        let text = std::fs::read_to_string(file)
            .map_err(|source| ManifestError::Unreadable { file: file.to_owned(), source })?;
        let documents: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
            .map(Value::deserialize)
            .collect::<Result<_, _>>()
            .map_err(|error| no_job(format!("it is no YAML: {error}")))?;
        let mut documents = documents.into_iter().filter(|document| !document.is_null());
        let (Some(job), None) = (documents.next(), documents.next()) else {
            return Err(no_job("it has to hold exactly one object, a Job".to_owned()));
        };
        if job["apiVersion"] != "batch/v1" || job["kind"] != "Job" {
            return Err(no_job("it has to hold a Job of batch/v1".to_owned()));
        }
        let metadata = &job["metadata"];
        let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str());
        let name = name.ok_or_else(|| no_job("its `metadata.name` is missing".to_owned()))?;
        Self::new(name, metadata, job["spec"].clone()).ok_or_else(|| no_job(NO_CONTAINERS.to_owned()))
    }

    /// What a CronJob would run.
    pub(super) fn of_cron_job(name: &str, found: &Value) -> Result<Self, ManifestError> {
        let template = &found["spec"]["jobTemplate"];
        let mut made = Self::new(name, &template["metadata"], template["spec"].clone()).ok_or_else(|| {
            ManifestError::NoJob { place: format!("CronJob `{name}`"), reason: NO_CONTAINERS.to_owned() }
        })?;
        // as `kubectl create job --from` does
        made.annotations.insert("cronjob.kubernetes.io/instantiate".to_owned(), json!("manual"));
        Ok(made)
    }

    fn new(name: &str, metadata: &Value, spec: Value) -> Option<Self> {
        let map = |key: &str| metadata[key].as_object().cloned().unwrap_or_default();
        spec["template"]["spec"]["containers"].as_array().filter(|containers| !containers.is_empty())?;
        Some(Self {
            name: name.to_owned(),
            namespace: metadata["namespace"].as_str().map(str::to_owned),
            labels: map("labels"),
            annotations: map("annotations"),
            spec,
        })
    }

    /// The Job of one attempt. Its name follows from run, stage, gate and attempt, so that whoever goes on with
    /// an interrupted run finds it.
    pub(super) fn job(
        &self,
        gate: &str,
        facts: &Facts,
        attempt: u32,
        namespace: &str,
        afterwards: Afterwards,
    ) -> Value {
        let mut labels = self.labels.clone();
        labels.insert("app.kubernetes.io/managed-by".to_owned(), json!("datapin"));
        labels.insert(RUN.to_owned(), json!(label(&facts.run)));
        labels.insert("datapin/gate".to_owned(), json!(label(gate)));
        labels.insert("datapin/stage".to_owned(), json!(facts.stage.to_string()));
        let mut annotations = self.annotations.clone();
        annotations.insert("datapin/version".to_owned(), json!(facts.version));
        annotations.insert("datapin/environments".to_owned(), json!(facts.environment()));
        let mut spec = self.spec.clone();
        if afterwards == Afterwards::Deleted && spec["ttlSecondsAfterFinished"].is_null() {
            spec["ttlSecondsAfterFinished"] = json!(TIME_TO_LIVE);
        }
        let env = command::variables(gate, facts, attempt);
        let pod = &mut spec["template"]["spec"];
        for list in ["initContainers", "containers"] {
            for container in pod.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                add(container, &env);
            }
        }
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": self.unique(gate, facts, attempt), "namespace": namespace, "labels": labels,
                "annotations": annotations,
            },
            "spec": spec,
        })
    }

    fn unique(&self, gate: &str, facts: &Facts, attempt: u32) -> String {
        let key = format!("{}\n{}\n{gate}\n{attempt}", facts.run, facts.stage);
        // hashing fails only without memory
        let hash = git2::Oid::hash_object(git2::ObjectType::Blob, key.as_bytes());
        let end: String = hash.map(|hash| hash.to_string()).unwrap_or_default().chars().take(10).collect();
        let most = NAME - end.len() - 1;
        let name: String = self.name.chars().take(most).collect();
        format!("{}-{end}", name.trim_end_matches(['-', '.']))
    }
}

const NO_CONTAINERS: &str = "its pods have no containers";

/// The run's facts take the place of variables with the same names.
fn add(container: &mut Value, env: &[(String, String)]) {
    let Some(container) = container.as_object_mut() else { return };
    let own = container.entry("env").or_insert_with(|| json!([]));
    let Some(own) = own.as_array_mut() else { return };
    own.retain(|one| env.iter().all(|(name, _)| one["name"] != name.as_str()));
    own.extend(env.iter().map(|(name, value)| json!({ "name": name, "value": value })));
}

/// A text as the value of a label: at most 63 letters, digits, `-`, `_`, `.`, at the ends letters or digits.
fn label(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text: String = text.chars().map(|c| if good(c) { c } else { '_' }).take(NAME).collect();
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}
