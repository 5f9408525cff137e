//! Questions to a configuration.

use super::suggest::suggest;
use super::template::{Facts, fill};
use super::{Config, Dataset, PinTemplate, Pipeline, Place, Queue, ServicePlaces};
use crate::values;

/// A name that the configuration does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} has no {what} `{name}`; {}", suggest(name, known, &format!("{what}s")).join(" "))]
pub struct UnknownName {
    /// Name of the file.
    pub file: String,
    /// What was looked for: `pipeline`, `environment`, `dataset`, `queue`.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: Vec<String>,
}

impl Config {
    /// The pipeline of that name.
    ///
    /// # Errors
    ///
    /// There is none; the error lists those there are.
    pub fn pipeline(&self, name: &str) -> Result<&Pipeline, UnknownName> {
        self.pipelines.get(name).ok_or_else(|| self.unknown("pipeline", name, self.pipelines.keys()))
    }

    /// The environment of that name.
    ///
    /// # Errors
    ///
    /// There is none; the error lists those there are.
    pub fn environment(&self, name: &str) -> Result<&super::Environment, UnknownName> {
        self.environments.get(name).ok_or_else(|| self.unknown("environment", name, self.environments.keys()))
    }

    /// The dataset of that name.
    ///
    /// # Errors
    ///
    /// There is none; the error lists those there are.
    pub fn dataset(&self, name: &str) -> Result<&Dataset, UnknownName> {
        self.datasets.get(name).ok_or_else(|| self.unknown("dataset", name, self.datasets.keys()))
    }

    /// The queue of that name.
    ///
    /// # Errors
    ///
    /// There is none; the error lists those there are.
    pub fn queue(&self, name: &str) -> Result<&Queue, UnknownName> {
        self.queues.get(name).ok_or_else(|| self.unknown("queue", name, self.queues.keys()))
    }

    fn unknown<'n>(
        &self,
        what: &'static str,
        name: &str,
        known: impl Iterator<Item = &'n String>,
    ) -> UnknownName {
        let file = self.source.name.clone();
        UnknownName { file, what, name: name.to_owned(), known: known.cloned().collect() }
    }

    /// The services of `dataset` that `environment` has, in the dataset's order; empty for unknown names.
    pub fn services(&self, environment: &str, dataset: &str) -> Vec<String> {
        let (Some(environment), Some(dataset)) =
            (self.environments.get(environment), self.datasets.get(dataset))
        else {
            return Vec::new();
        };
        let has = |service: &&String| environment.services.as_ref().is_none_or(|own| own.contains(service));
        dataset.services.iter().filter(has).cloned().collect()
    }

    /// Where the version and the settable values of each service are written, with placeholders filled in.
    pub fn places(&self, environment: &str, dataset: &str) -> Vec<ServicePlaces> {
        let Some(found) = self.datasets.get(dataset) else { return Vec::new() };
        let services = self.services(environment, dataset).into_iter();
        services.filter_map(|service| service_places(found, environment, service)).collect()
    }

    /// The datasets of the pipelines that name `environment` in a stage; all of them where none does.
    pub fn datasets_of(&self, environment: &str) -> Vec<String> {
        let named = |dataset: &&String| {
            self.pipelines.values().any(|pipeline| pipeline.dataset == **dataset && pipeline.has(environment))
        };
        let own: Vec<String> = self.datasets.keys().filter(named).cloned().collect();
        if own.is_empty() { self.datasets.keys().cloned().collect() } else { own }
    }

    /// The target branch of `environment`; `None` is the repository's default branch.
    pub fn branch_of(&self, environment: &str) -> Option<&str> {
        let own = self.environments.get(environment).and_then(|environment| environment.branch.as_deref());
        own.or(self.repository.branch.as_deref())
    }

    /// The queue of a pipeline of this configuration: that of its environments, which have the same one.
    pub fn queue_of(&self, pipeline: &Pipeline) -> &Queue {
        let first = pipeline.stages.first().and_then(|stage| stage.environments.first());
        self.queue_of_environment(first.map_or("", String::as_str))
    }

    /// The queue of `environment`; `default` for an unknown name.
    pub fn queue_of_environment(&self, environment: &str) -> &Queue {
        let name = self.environments.get(environment).map_or("default", |environment| &environment.queue);
        // `load` puts `default` there and refuses unknown names
        self.queues.get(name).unwrap_or_else(|| &self.queues["default"])
    }

    /// Whether `version` may be deployed by what the configuration says of it.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    pub fn check_version(&self, dataset: &str, version: &str) -> Result<(), String> {
        let dataset = self.dataset(dataset).map_err(|error| error.to_string())?;
        usable(version)?;
        if dataset.version_pattern.is_match(version) {
            return Ok(());
        }
        let whole = dataset.version_pattern.as_str();
        let pattern =
            whole.strip_prefix(r"\A(?:").and_then(|rest| rest.strip_suffix(r")\z")).unwrap_or(whole);
        let (version, dataset) = (shown(version), &dataset.name);
        Err(format!("`{version}` is no version of dataset `{dataset}`: it does not match `{pattern}`"))
    }
}

/// Whether anything may be named like that, whatever a pattern allows.
///
/// # Errors
///
/// Why not, in words.
pub fn usable(version: &str) -> Result<(), String> {
    match unusable(version) {
        Some(why) => Err(format!("`{}` cannot be a version: {why}", shown(version))),
        None => Ok(()),
    }
}

/// Why nothing should be named like that, whatever a pattern allows.
fn unusable(version: &str) -> Option<&'static str> {
    const LONGEST: usize = 256;
    if version.is_empty() {
        Some("it is empty")
    } else if version.len() > LONGEST {
        Some("it is longer than 256 bytes")
    } else if version.contains(|c: char| c.is_control()) {
        Some("it contains a line break or another control character")
    } else if version.starts_with('-') {
        Some("it begins with `-`, so programs would take it for an option")
    } else if version.contains("{{") || version.contains("}}") {
        Some("it contains template braces, which Helmfile would run")
    } else if version.trim() != version {
        Some("it begins or ends with a space")
    } else {
        None
    }
}

/// A version fit for a message.
fn shown(version: &str) -> String {
    let start: String = version.chars().take(60).collect();
    let dots = if start.len() < version.len() { "…" } else { "" };
    format!("{}{dots}", start.escape_debug())
}

fn service_places(dataset: &Dataset, environment: &str, service: String) -> Option<ServicePlaces> {
    let facts = Facts { dataset: &dataset.name, environment, service: Some(&service), version: None };
    let mut pins: Vec<Place> = Vec::new();
    for pin in dataset.pins.iter().filter(|pin| pin.is_for(&service)) {
        // `load` has read every one of them
        let place = place(pin, &facts).ok()?;
        if !pins.contains(&place) {
            pins.push(place);
        }
    }
    let first = pins.first()?.clone();
    let own = dataset.settable.iter().filter(|settable| settable.service == service);
    let settable = own.map(|settable| Place { path: settable.path.clone(), ..first.clone() }).collect();
    Some(ServicePlaces { service, pins, settable })
}

/// A pin's place, or the filled-in path that cannot be read and why.
pub(super) fn place(pin: &PinTemplate, facts: &Facts<'_>) -> Result<Place, (String, String)> {
    let path = fill(&pin.path, facts);
    match path.parse::<values::Path>() {
        Ok(path) => Ok(Place { file: fill(&pin.file, facts), path, document: pin.document.clone() }),
        Err(error) => Err((path, error.reason.to_string())),
    }
}

impl PinTemplate {
    /// Whether it is a pin of `service`.
    pub fn is_for(&self, service: &str) -> bool {
        self.services.as_ref().is_none_or(|services| services.iter().any(|own| own == service))
    }
}

impl Pipeline {
    /// Whether a stage names `environment`.
    pub fn has(&self, environment: &str) -> bool {
        self.stages.iter().any(|stage| stage.environments.iter().any(|name| name == environment))
    }
}
