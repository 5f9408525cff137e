//! The loop behind a watch: list, watch from there, and begin again when the server says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::{TryStreamExt as _, pin_mut};
use kube::core::WatchEvent;
use kube::core::params::WatchParams;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{Phase, Shared, Way};
use crate::cluster::access::Connected;
use crate::cluster::call::{of_kind, path};
use crate::cluster::{Cluster, ClusterError, Kind, Prune};

/// Pause between two questions where there is no right to watch.
const POLL: Duration = Duration::from_secs(2);
/// First and longest pause after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Seconds after which the server ends a watch, so that a dead connection is found.
const SERVER_ENDS: u32 = 50;
/// Silence after which a connection is taken for dead: the server should have ended it.
const SILENCE: Duration = Duration::from_secs(60);
/// A watch that ended sooner may do so again.
const SHORT: Duration = Duration::from_secs(1);

pub(super) struct Follower {
    pub(super) cluster: Cluster,
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) prune: Prune,
    /// Weak: nobody looks, nobody follows.
    pub(super) shared: Weak<Shared>,
}

/// Why a watch ended.
enum End {
    /// The stream ended; it goes on from the last version.
    Cut,
    /// The server forgot that version: everything is listed anew.
    Gone,
    /// Something else.
    Failed(ClusterError),
}

/// A pause that doubles.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(PAUSE.0)
    }

    async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE.1);
    }
}

impl Follower {
    pub(super) async fn follow(self) {
        let mut pause = Pause::new();
        while self.shared.strong_count() > 0 {
            match self.list().await {
                Ok(version) if self.way() == Some(Way::Watching) => {
                    pause = Pause::new();
                    self.watch(version).await;
                }
                Ok(_) => sleep(POLL).await,
                Err(error) if error.is_forbidden() => return self.get_again_and_again(&error).await,
                Err(error) => {
                    self.broken(error);
                    pause.wait().await;
                }
            }
        }
    }

    /// Lists everything; the version that a watch goes on from.
    async fn list(&self) -> Result<String, ClusterError> {
        let (mut objects, mut next) = (BTreeMap::new(), None);
        loop {
            let page = self.cluster.page(self.kind, &self.namespace, "", next).await?;
            objects.extend(page.objects.into_iter().filter_map(|object| self.kept(object)));
            next = page.next;
            if next.is_none() {
                self.change(|state| {
                    state.objects = objects;
                    state.phase = Phase::Known;
                });
                return Ok(page.version);
            }
        }
    }

    /// Watches from a version until everything has to be listed anew.
    async fn watch(&self, mut version: String) {
        let mut pause = Pause::new();
        loop {
            let begun = Instant::now();
            match self.watch_once(&mut version).await {
                End::Cut if begun.elapsed() >= SHORT => pause = Pause::new(),
                End::Cut => pause.wait().await,
                End::Gone => return,
                End::Failed(error) if error.is_forbidden() => return self.cannot_watch(&error),
                End::Failed(error) => {
                    self.broken(error);
                    return pause.wait().await;
                }
            }
        }
    }

    async fn watch_once(&self, version: &mut String) -> End {
        let first = match self.cluster.inner.ready().await {
            Ok(connected) => connected,
            Err(error) => return End::Failed(error),
        };
        match self.watch_with(&first, version).await {
            End::Failed(ClusterError::Unauthorized { .. }) => match self.cluster.inner.renew(&first).await {
                Ok(renewed) => self.watch_with(&renewed, version).await,
                Err(error) => End::Failed(error),
            },
            end => end,
        }
    }

    async fn watch_with(&self, connected: &Connected, version: &mut String) -> End {
        let params = WatchParams::default().timeout(SERVER_ENDS);
        let Ok(request) = path(self.kind, &self.namespace).watch(&params, version) else { return End::Gone };
        let asked = of_kind("watch", self.kind, &self.namespace, request.clone());
        let limit = self.cluster.inner.limit;
        let events = match timeout(limit, connected.client.request_events::<Value>(request)).await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => return ended(ClusterError::of(error, &connected.label, &asked)),
            Err(_) => {
                let (cluster, doing) = (connected.label.clone(), asked.doing);
                return End::Failed(ClusterError::TimedOut { cluster, doing, after: limit });
            }
        };
        pin_mut!(events);
        loop {
            match timeout(SILENCE, events.try_next()).await {
                Err(_) | Ok(Ok(None)) => return End::Cut,
                Ok(Err(kube::Error::Api(status)) | Ok(Some(WatchEvent::Error(status)))) => {
                    return ended(ClusterError::of_status(&status, connected.label.clone(), &asked));
                }
                // what can't be read is read again
                Ok(Err(_)) => return End::Cut,
                Ok(Ok(Some(event))) => self.apply(event, version),
            }
        }
    }

    fn apply(&self, event: WatchEvent<Value>, version: &mut String) {
        let (object, there) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, true),
            WatchEvent::Deleted(object) => (object, false),
            WatchEvent::Bookmark(bookmark) => {
                version.clone_from(&bookmark.metadata.resource_version);
                return;
            }
            WatchEvent::Error(_) => return,
        };
        if let Some(new) = object["metadata"]["resourceVersion"].as_str() {
            new.clone_into(version);
        }
        let (Some((name, object)), Some(shared)) = (self.kept(object), self.shared.upgrade()) else { return };
        shared.change_one(&name, |state| match there {
            true => drop(state.objects.insert(name.clone(), object)),
            false => drop(state.objects.remove(&name)),
        });
    }

    /// An object as it is kept, by name.
    fn kept(&self, mut object: Value) -> Option<(String, Arc<Value>)> {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            if let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                notes.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        }
        (self.prune)(&mut object);
        let name = object["metadata"]["name"].as_str()?.to_owned();
        Some((name, Arc::new(object)))
    }

    fn cannot_watch(&self, error: &ClusterError) {
        let notice = format!("{error}; it is listed every {} s instead", POLL.as_secs());
        self.change(|state| {
            state.way = Way::Listing;
            state.notice = Some(notice);
        });
    }

    /// Gets each object that somebody asked for, again and again.
    async fn get_again_and_again(&self, error: &ClusterError) {
        let notice = format!("{error}; each object is got by name every {} s instead", POLL.as_secs());
        self.change(|state| {
            state.way = Way::Getting;
            state.notice = Some(notice);
            state.phase = Phase::Known;
        });
        loop {
            let Some(wanted) = self.shared.upgrade().map(|shared| shared.state().wanted.clone()) else {
                return;
            };
            for name in wanted {
                self.get(&name).await;
            }
            // whoever asks for a new name does not wait
            let Some(shared) = self.shared.upgrade() else { return };
            let asked = async move { shared.asked.notified().await };
            let _ = timeout(POLL, asked).await;
        }
    }

    async fn get(&self, name: &str) {
        let got = self.cluster.get(self.kind, &self.namespace, name).await;
        self.change(|state| {
            match got {
                Ok(object) => {
                    state.objects.extend(self.kept(object));
                    state.phase = Phase::Known;
                }
                Err(error) if error.is_not_found() => {
                    state.objects.remove(name);
                    state.phase = Phase::Known;
                }
                Err(error) => state.phase = Phase::Broken(Arc::new(error)),
            }
            state.got.insert(name.to_owned());
        });
    }

    fn broken(&self, error: ClusterError) {
        self.change(|state| state.phase = Phase::Broken(Arc::new(error)));
    }

    fn way(&self) -> Option<Way> {
        self.shared.upgrade().map(|shared| shared.state().way.clone())
    }

    fn change(&self, change: impl FnOnce(&mut super::State)) {
        if let Some(shared) = self.shared.upgrade() {
            shared.change(change);
        }
    }
}

fn ended(error: ClusterError) -> End {
    match error {
        ClusterError::Refused { code: 410, .. } => End::Gone,
        error => End::Failed(error),
    }
}
