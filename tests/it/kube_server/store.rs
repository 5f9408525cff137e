//! The objects, and what happened to them: etcd.

use std::collections::BTreeMap;

use datapin::cluster::Kind;
use serde_json::{Value, json};

/// Group, version, plural, namespace, name.
type Key = (String, String, String, String, String);

pub struct Store {
    kinds: Vec<(String, String, String, String)>,
    objects: BTreeMap<Key, Value>,
    events: Vec<Event>,
    version: u64,
    /// Versions before it are forgotten.
    oldest: u64,
    pages: BTreeMap<String, (u64, Vec<Value>)>,
    made: u64,
}

/// A change.
#[derive(Clone)]
pub struct Event {
    pub version: u64,
    pub place: Place,
    pub what: &'static str,
    pub object: Value,
}

/// A kind in a namespace; all namespaces where that is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub namespace: String,
}

/// A page of a list.
pub struct Page {
    pub objects: Vec<Value>,
    pub version: u64,
    pub next: Option<String>,
}

impl Place {
    fn of(kind: Kind, namespace: &str) -> Self {
        Self {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            plural: kind.plural.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    fn holds(&self, other: &Self) -> bool {
        let namespace = self.namespace.is_empty() || self.namespace == other.namespace;
        namespace && (&self.group, &self.plural) == (&other.group, &other.plural)
    }

    fn key(&self, name: &str) -> Key {
        let Self { group, version, plural, namespace } = self.clone();
        (group, version, plural, namespace, name.to_owned())
    }
}

impl Store {
    pub fn new() -> Self {
        let mut store = Self {
            kinds: Vec::new(),
            objects: BTreeMap::new(),
            events: Vec::new(),
            version: 100,
            oldest: 0,
            pages: BTreeMap::new(),
            made: 0,
        };
        for kind in [
            Kind::POD,
            Kind::EVENT,
            Kind::JOB,
            Kind::CRON_JOB,
            Kind::core("ConfigMap", "configmaps"),
            Kind { group: "apps", version: "v1", kind: "Deployment", plural: "deployments" },
            Kind { group: "apps", version: "v1", kind: "ReplicaSet", plural: "replicasets" },
            Kind { group: "apps", version: "v1", kind: "StatefulSet", plural: "statefulsets" },
            Kind { group: "apps", version: "v1", kind: "DaemonSet", plural: "daemonsets" },
            Kind { group: "apps", version: "v1", kind: "ControllerRevision", plural: "controllerrevisions" },
        ] {
            store.install(kind);
        }
        store
    }

    pub fn install(&mut self, kind: Kind) {
        let row = [kind.group, kind.version, kind.plural, kind.kind].map(str::to_owned);
        self.kinds.push(row.into());
    }

    /// `kind` of the objects at a place, if there is such a kind.
    pub fn kind(&self, place: &Place) -> Option<String> {
        let known = |row: &&(String, String, String, String)| {
            (&row.0, &row.1, &row.2) == (&place.group, &place.version, &place.plural)
        };
        self.kinds.iter().find(known).map(|row| row.3.clone())
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        self.at(&Place::of(kind, namespace), name)
    }

    pub fn at(&self, place: &Place, name: &str) -> Option<Value> {
        self.objects.get(&place.key(name)).cloned()
    }

    pub fn all(&self, kind: Kind, namespace: &str) -> Vec<Value> {
        self.list(&Place::of(kind, namespace))
    }

    pub fn list(&self, place: &Place) -> Vec<Value> {
        let inside = |key: &Key| {
            let there = Place {
                group: key.0.clone(),
                version: key.1.clone(),
                plural: key.2.clone(),
                namespace: key.3.clone(),
            };
            place.holds(&there)
        };
        self.objects.iter().filter(|(key, _)| inside(key)).map(|(_, object)| object.clone()).collect()
    }

    pub fn put(&mut self, kind: Kind, namespace: &str, object: Value) {
        self.write(&Place::of(kind, namespace), object);
    }

    pub fn patch(&mut self, kind: Kind, namespace: &str, name: &str, patch: &Value) -> Option<Value> {
        self.merge(&Place::of(kind, namespace), name, patch)
    }

    pub fn delete(&mut self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        self.remove(&Place::of(kind, namespace), name)
    }

    /// Creates or replaces; `generation` counts the changes of `spec`.
    pub fn write(&mut self, place: &Place, mut object: Value) -> Value {
        self.made += 1;
        self.version += 1;
        let prefix = object["metadata"]["generateName"].as_str().map(str::to_owned);
        if let Some(prefix) = prefix.filter(|_| object["metadata"]["name"].is_null()) {
            object["metadata"]["name"] = json!(format!("{prefix}{:05}", self.made));
        }
        let name = object["metadata"]["name"].as_str().expect("an object has a name").to_owned();
        let before = self.objects.get(&place.key(&name));
        let meta = |key: &str| before.map(|before| before["metadata"][key].clone());
        let old = meta("generation").and_then(|generation| generation.as_u64());
        let same = before.is_some_and(|before| before["spec"] == object["spec"]);
        let generation = object["metadata"]["generation"].as_u64().filter(|_| before.is_none());
        object["metadata"]["generation"] =
            json!(generation.unwrap_or_else(|| old.unwrap_or(0) + u64::from(!same)));
        object["metadata"]["uid"] = meta("uid").unwrap_or_else(|| json!(format!("uid-{}", self.made)));
        object["metadata"]["creationTimestamp"] = meta("creationTimestamp").unwrap_or_else(|| {
            json!(jiff::Timestamp::now().to_string().split('.').next().map(|at| format!("{at}Z")))
        });
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if !place.namespace.is_empty() {
            object["metadata"]["namespace"] = json!(place.namespace);
        }
        object["apiVersion"] = json!(match place.group.as_str() {
            "" => place.version.clone(),
            group => format!("{group}/{}", place.version),
        });
        object["kind"] = json!(self.kind(place).expect("the kind is installed"));
        let what = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.objects.insert(place.key(&name), object.clone());
        self.happened(place, what, object.clone());
        object
    }

    pub fn merge(&mut self, place: &Place, name: &str, patch: &Value) -> Option<Value> {
        let mut object = self.at(place, name)?;
        merge(&mut object, patch);
        Some(self.write(place, object))
    }

    pub fn remove(&mut self, place: &Place, name: &str) -> Option<Value> {
        let mut object = self.objects.remove(&place.key(name))?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.happened(place, "DELETED", object.clone());
        Some(object)
    }

    fn happened(&mut self, place: &Place, what: &'static str, object: Value) {
        self.events.push(Event { version: self.version, place: place.clone(), what, object });
    }

    /// Forgets everything that happened until now.
    pub fn compact(&mut self) {
        self.version += 1;
        self.oldest = self.version;
        self.events.clear();
        self.pages.clear();
    }

    /// What happened at a place after `version`; `None` if that is forgotten.
    pub fn since(&self, place: &Place, version: u64) -> Option<Vec<Event>> {
        if version < self.oldest {
            return None;
        }
        let new = |event: &&Event| event.version > version && place.holds(&event.place);
        Some(self.events.iter().filter(new).cloned().collect())
    }

    /// The first page of a list.
    pub fn page(&mut self, objects: Vec<Value>, limit: Option<usize>) -> Page {
        self.cut(self.version, objects, limit)
    }

    /// The next one; `None` if the list is forgotten.
    pub fn next_page(&mut self, token: &str, limit: Option<usize>) -> Option<Page> {
        let (version, objects) = self.pages.remove(token)?;
        Some(self.cut(version, objects, limit))
    }

    fn cut(&mut self, version: u64, mut objects: Vec<Value>, limit: Option<usize>) -> Page {
        let rest = limit.filter(|limit| objects.len() > *limit).map(|limit| objects.split_off(limit));
        self.made += 1;
        let next = rest.map(|rest| {
            let token = format!("page-{}", self.made);
            self.pages.insert(token.clone(), (version, rest));
            token
        });
        Page { objects, version, next }
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.as_object_mut().map(|target| target.remove(key))),
            value => merge(&mut target[key], value),
        }
    }
}
