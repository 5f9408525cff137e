//! One object of a shared watch, for somebody who waits for it.

mod prune;

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ObservationError;
use crate::cluster::{Cluster, Kind, Labels, Seen, Selected, Watched, WatchedOne, object};

/// How long the first answer of a watch is waited for.
const FIRST: Duration = Duration::from_secs(15);

/// An object that is watched.
#[derive(Debug, Clone)]
pub struct Live {
    watched: WatchedOne,
    kind: Kind,
    name: String,
    last: Last,
}

#[derive(Debug, Clone)]
enum Last {
    Nothing,
    Object(Arc<Value>),
    Absent,
    Broken,
}

impl Live {
    /// The object of that name.
    pub fn new(cluster: &Cluster, kind: Kind, namespace: &str, name: &str) -> Self {
        let watched = cluster.watch(kind, namespace, prune::of(kind)).one(name);
        Self { watched, kind, name: name.to_owned(), last: Last::Nothing }
    }

    /// The object as it is now; `None` if it does not exist. Waits for the first answer.
    ///
    /// # Errors
    /// It can't be told now.
    pub async fn now<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ObservationError> {
        let begun = tokio::time::Instant::now();
        let mut seen = self.watched.get();
        while matches!(seen, Seen::Pending)
            && tokio::time::timeout_at(begun + FIRST, self.watched.changed()).await.is_ok()
        {
            seen = self.watched.get();
        }
        self.last = Last::of(&seen);
        match seen {
            Seen::Object(object) => read(self.kind, &self.name, &object).map(Some),
            Seen::Absent => Ok(None),
            Seen::Pending => Err(ObservationError::Silent { what: self.kind.resource() }),
            Seen::Unknown(error) => Err(ObservationError::Cluster(error)),
        }
    }

    /// Returns when the object is another than it last was.
    pub async fn changed(&mut self) {
        loop {
            let now = Last::of(&self.watched.get());
            if !self.last.is(&now) {
                return;
            }
            self.watched.changed().await;
        }
    }

    /// What people should know of how it is watched; given once.
    pub fn take_notice(&self) -> Option<String> {
        self.watched.take_notice()
    }
}

impl Last {
    fn of(seen: &Seen) -> Self {
        match seen {
            Seen::Object(object) => Last::Object(object.clone()),
            Seen::Absent => Last::Absent,
            Seen::Pending => Last::Nothing,
            Seen::Unknown(_) => Last::Broken,
        }
    }

    fn is(&self, other: &Last) -> bool {
        match (self, other) {
            (Last::Object(one), Last::Object(other)) => Arc::ptr_eq(one, other),
            (Last::Nothing, Last::Nothing) | (Last::Absent, Last::Absent) | (Last::Broken, Last::Broken) => {
                true
            }
            _ => false,
        }
    }
}

/// The objects with some labels, that are watched.
#[derive(Debug, Clone)]
pub struct Group {
    watched: Watched,
    kind: Kind,
}

impl Group {
    /// The objects of a kind in a namespace.
    pub fn new(cluster: &Cluster, kind: Kind, namespace: &str) -> Self {
        Self { watched: cluster.watch(kind, namespace, prune::of(kind)), kind }
    }

    /// Those with these labels. Waits for the first answer.
    ///
    /// # Errors
    /// It can't be told now.
    pub async fn now<T: DeserializeOwned>(&mut self, labels: &str) -> Result<Vec<T>, ObservationError> {
        let labels: Labels = labels.parse().map_err(|error: crate::cluster::BadLabels| {
            ObservationError::Object { object: self.kind.resource(), reason: error.to_string() }
        })?;
        let selected = first(&mut self.watched, |watched| match watched.select(&labels) {
            Selected::Pending => None,
            selected => Some(selected),
        });
        match selected.await {
            Some(Selected::Objects(objects)) => {
                objects.iter().map(|object| read(self.kind, "", object)).collect()
            }
            Some(Selected::Unknown(error)) => Err(ObservationError::Cluster(error)),
            Some(Selected::Pending) | None => Err(ObservationError::Silent { what: self.kind.resource() }),
        }
    }

    /// Returns when any of them has changed.
    pub async fn changed(&mut self) {
        self.watched.changed().await;
    }

    /// What people should know of how they are watched; given once.
    pub fn take_notice(&self) -> Option<String> {
        self.watched.take_notice()
    }
}

/// The first answer of a watch, if it comes in time.
async fn first<T>(watched: &mut Watched, mut look: impl FnMut(&Watched) -> Option<T>) -> Option<T> {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(seen) = look(watched) {
            return Some(seen);
        }
        tokio::time::timeout_at(begun + FIRST, watched.changed()).await.ok()?;
    }
}

/// An object as the type that knows the parts which matter.
pub fn read<T: DeserializeOwned>(kind: Kind, name: &str, object: &Value) -> Result<T, ObservationError> {
    object::parsed(object).map_err(|error| ObservationError::Object {
        object: format!("{} {name}", kind.kind).trim_end().to_owned(),
        reason: error.to_string(),
    })
}
