//! What the cluster's objects are now: one watch per kind and namespace, shared by everybody who looks.

mod follow;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::{Cluster, ClusterError, Kind, Labels, Prune};

/// The watches of a cluster.
#[derive(Default)]
pub(super) struct Watches(Mutex<HashMap<(Kind, String), Weak<Shared>>>);

/// The objects of one kind in one namespace, kept up to date for as long as somebody has this.
#[derive(Clone)]
pub struct Watched {
    shared: Arc<Shared>,
    changes: watch::Receiver<u64>,
}

/// One object of a [`Watched`], for somebody who waits for it: others that change wake nobody here.
#[derive(Clone)]
pub struct WatchedOne {
    watched: Watched,
    name: String,
    own: watch::Receiver<u64>,
    whole: watch::Receiver<u64>,
}

/// What is known of one object.
#[derive(Debug, Clone)]
pub enum Seen {
    /// It is there: the newest that the server told.
    Object(Arc<Value>),
    /// It is not there.
    Absent,
    /// The first answer is not here yet.
    Pending,
    /// It can't be told now.
    Unknown(Arc<ClusterError>),
}

/// What is known of the objects with some labels.
#[derive(Debug, Clone)]
pub enum Selected {
    /// Those that are there, by name.
    Objects(Vec<Arc<Value>>),
    /// The first answer is not here yet.
    Pending,
    /// It can't be told now.
    Unknown(Arc<ClusterError>),
}

/// How changes come to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By a watch, at once.
    Watching,
    /// By listing again and again: the right to watch is missing.
    Listing,
    /// By getting, again and again, each object that somebody asked for: the right to list is missing too.
    Getting,
}

struct Shared {
    state: Mutex<State>,
    /// Counts all changes.
    version: watch::Sender<u64>,
    /// Counts those that may be of any object.
    whole: watch::Sender<u64>,
    /// Counts those of each object that somebody waits for.
    names: Mutex<HashMap<String, watch::Sender<u64>>>,
    /// Somebody asked for a name for the first time.
    asked: Notify,
    task: Mutex<Option<AbortHandle>>,
}

struct State {
    phase: Phase,
    way: Way,
    notice: Option<String>,
    objects: BTreeMap<String, Arc<Value>>,
    /// Names that somebody asked for; where there is no list, only these are known.
    wanted: BTreeSet<String>,
    got: BTreeSet<String>,
}

enum Phase {
    Pending,
    Known,
    Broken(Arc<ClusterError>),
}

impl Cluster {
    /// The objects of a kind in a namespace. There is one watch for all who ask; it begins with the first and
    /// ends with the last. `prune` drops what nobody will look at before an object is kept; `managedFields` and
    /// kubectl's copy of the object are always dropped. The first caller's is used: give the same for a kind.
    pub fn watch(&self, kind: Kind, namespace: &str, prune: Prune) -> Watched {
        let mut watches = self.inner.watches.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, namespace.to_owned());
        if let Some(shared) = watches.get(&key).and_then(Weak::upgrade) {
            return Watched { changes: shared.version.subscribe(), shared };
        }
        watches.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared::new());
        watches.insert(key, Arc::downgrade(&shared));
        let follower = follow::Follower {
            cluster: self.clone(),
            kind,
            namespace: namespace.to_owned(),
            prune,
            shared: Arc::downgrade(&shared),
        };
        let task = tokio::spawn(follower.follow());
        *shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        Watched { changes: shared.version.subscribe(), shared }
    }
}

impl Watched {
    /// The object of that name.
    pub fn get(&self, name: &str) -> Seen {
        let mut state = self.shared.state();
        if state.way == Way::Getting || matches!(state.phase, Phase::Pending) {
            let new = state.wanted.insert(name.to_owned());
            if new {
                self.shared.asked.notify_one();
            }
            if state.way == Way::Getting && !state.got.contains(name) {
                return match &state.phase {
                    Phase::Broken(error) => Seen::Unknown(error.clone()),
                    _ => Seen::Pending,
                };
            }
        }
        match &state.phase {
            Phase::Pending => Seen::Pending,
            Phase::Broken(error) => Seen::Unknown(error.clone()),
            Phase::Known => {
                state.objects.get(name).map_or(Seen::Absent, |object| Seen::Object(object.clone()))
            }
        }
    }

    /// The object of that name, for somebody who waits for it.
    pub fn one(&self, name: &str) -> WatchedOne {
        let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
        let own = names.entry(name.to_owned()).or_insert_with(|| watch::Sender::new(0)).subscribe();
        let whole = self.shared.whole.subscribe();
        WatchedOne { watched: self.clone(), name: name.to_owned(), own, whole }
    }

    /// The objects with these labels. Never known where objects can only be got by name: the right to list is
    /// needed, and the error says so.
    pub fn select(&self, labels: &Labels) -> Selected {
        let state = self.shared.state();
        match &state.phase {
            Phase::Pending => Selected::Pending,
            Phase::Broken(error) => Selected::Unknown(error.clone()),
            Phase::Known if state.way == Way::Getting => Selected::Pending,
            Phase::Known => {
                let matching = state.objects.values().filter(|object| labels.match_object(object));
                Selected::Objects(matching.cloned().collect())
            }
        }
    }

    /// Returns when anything has changed since this was made or last returned: an object, or whether it can
    /// be told.
    pub async fn changed(&mut self) {
        // the other end lives as long as this
        let _ = self.changes.changed().await;
    }

    /// How changes come to be known.
    pub fn way(&self) -> Way {
        self.shared.state().way.clone()
    }

    /// What people should know of how this watches; given once, to whoever asks first.
    pub fn take_notice(&self) -> Option<String> {
        self.shared.state().notice.take()
    }
}

impl WatchedOne {
    /// The object.
    pub fn get(&self) -> Seen {
        self.watched.get(&self.name)
    }

    /// Returns when it may have changed since this was made or last returned.
    pub async fn changed(&mut self) {
        // the other ends live as long as this
        tokio::select! {
            _ = self.own.changed() => {}
            _ = self.whole.changed() => {}
        }
    }

    /// What people should know of how this watches; given once, to whoever asks first.
    pub fn take_notice(&self) -> Option<String> {
        self.watched.take_notice()
    }
}

impl Shared {
    fn new() -> Self {
        let state = State {
            phase: Phase::Pending,
            way: Way::Watching,
            notice: None,
            objects: BTreeMap::new(),
            wanted: BTreeSet::new(),
            got: BTreeSet::new(),
        };
        Self {
            state: Mutex::new(state),
            version: watch::Sender::new(0),
            whole: watch::Sender::new(0),
            names: Mutex::default(),
            asked: Notify::new(),
            task: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells everybody.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.whole.send_modify(|version| *version += 1);
        self.version.send_modify(|version| *version += 1);
    }

    /// Changes what is known of one object, and tells whoever waits for it or for all.
    fn change_one(&self, name: &str, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        if let Some(own) = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            own.send_modify(|version| *version += 1);
        }
        self.version.send_modify(|version| *version += 1);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl std::fmt::Debug for WatchedOne {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedOne").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("way", &self.way()).finish_non_exhaustive()
    }
}
