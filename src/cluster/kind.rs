//! Kinds of objects, as the API server's paths name them.

use serde_json::Value;

/// Drops what nobody will look at from an object that is kept.
pub type Prune = fn(&mut Value);

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version of the group.
    pub version: &'static str,
    /// `kind` of its objects.
    pub kind: &'static str,
    /// Its name in paths and roles.
    pub plural: &'static str,
}

impl Kind {
    /// Pods.
    pub const POD: Kind = Kind::core("Pod", "pods");
    /// Events of the core group.
    pub const EVENT: Kind = Kind::core("Event", "events");
    /// Jobs.
    pub const JOB: Kind = Kind { group: "batch", version: "v1", kind: "Job", plural: "jobs" };
    /// Cron jobs.
    pub const CRON_JOB: Kind = Kind { group: "batch", version: "v1", kind: "CronJob", plural: "cronjobs" };

    /// A kind of the core group, version `v1`.
    pub const fn core(kind: &'static str, plural: &'static str) -> Kind {
        Kind { group: "", version: "v1", kind, plural }
    }

    /// `apiVersion` of its objects.
    pub fn api_version(self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `applications.argoproj.io`, as roles and kubectl name it.
    pub fn resource(self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The path of its objects in a namespace; of all namespaces where that is empty.
    pub(super) fn path(self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let version = self.api_version();
        match namespace {
            "" => format!("{root}/{version}/{}", self.plural),
            _ => format!("{root}/{version}/namespaces/{}/{}", segment(namespace), self.plural),
        }
    }
}

/// A name as one part of a path, which it can't leave.
pub(super) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'~');
    if name.bytes().all(|byte| byte == b'.') {
        return "%2E".repeat(name.len().max(1));
    }
    name.bytes().fold(String::new(), |done, byte| match plain(byte) {
        true => done + &char::from(byte).to_string(),
        false => format!("{done}%{byte:02X}"),
    })
}
