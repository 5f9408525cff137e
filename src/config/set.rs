//! `--set SERVICE:PATH=VALUE`.

use super::suggest::suggest;
use super::{Config, UnknownName};
use crate::values;

/// One value that a run sets beside the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetValue {
    /// Service.
    pub service: String,
    /// Path in the file of its first pin.
    pub path: values::Path,
    /// The new value, as text.
    pub value: String,
}

/// Why a `--set` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// No such dataset.
    #[error(transparent)]
    Dataset(#[from] UnknownName),
    /// Not of that form.
    #[error("`{text}` is not SERVICE:PATH=VALUE, for example `mds:cache.size=512`")]
    Form {
        /// What was given.
        text: String,
    },
    /// No such service.
    #[error("`{text}`: dataset `{dataset}` has no service `{service}`; {}", suggest(service, known, "services").join(" "))]
    Service {
        /// What was given.
        text: String,
        /// The dataset.
        dataset: String,
        /// The service.
        service: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Not a path.
    #[error("`{text}`: {source}")]
    Path {
        /// What was given.
        text: String,
        /// Why not.
        source: values::PathError,
    },
    /// The configuration does not allow it.
    #[error("`{path}` of service `{service}` is not settable; {}", suggest(&format!("{service}:{path}"), known, "settable").join(" "))]
    NotSettable {
        /// The service.
        service: String,
        /// The path.
        path: String,
        /// What is.
        known: Vec<String>,
    },
    /// A value that no scalar on one line holds.
    #[error(
        "the value for `{path}` of service `{service}` contains a line break or another control character"
    )]
    Value {
        /// The service.
        service: String,
        /// The path.
        path: String,
    },
}

impl Config {
    /// What `text` (`mds:cache.size=512`) sets.
    ///
    /// # Errors
    ///
    /// It has another form, or names what `settable` of `dataset` does not list.
    pub fn parse_set(&self, dataset: &str, text: &str) -> Result<SetValue, SetError> {
        let dataset = self.dataset(dataset)?;
        let form = || SetError::Form { text: text.to_owned() };
        let (service, rest) = text.split_once(':').ok_or_else(form)?;
        if !rest.trim_start_matches('=').contains('=') {
            return Err(form());
        }
        if !dataset.services.iter().any(|own| own == service) {
            return Err(SetError::Service {
                text: text.to_owned(),
                dataset: dataset.name.clone(),
                service: service.to_owned(),
                known: dataset.services.clone(),
            });
        }
        let (path, value) = values::Path::split_assignment(rest)
            .map_err(|source| SetError::Path { text: text.to_owned(), source })?;
        let service = service.to_owned();
        if !dataset.settable.iter().any(|settable| settable.service == service && settable.path == path) {
            let known =
                dataset.settable.iter().map(|settable| format!("{}:{}", settable.service, settable.path));
            return Err(SetError::NotSettable { service, path: path.to_string(), known: known.collect() });
        }
        if value.contains(|c: char| c.is_control()) {
            return Err(SetError::Value { service, path: path.to_string() });
        }
        Ok(SetValue { service, path, value: value.to_owned() })
    }
}
