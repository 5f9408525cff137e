//! Configuration: what `datapin.toml` says, checked and resolved.
//!
//! [`load`] turns the text of a file into a [`Config`] or into every error found in it at once. The types
//! here hold what the rest of the program needs; the file's own shape is in `config/key.rs`.

mod agent;
mod aws;
mod check;
mod condition;
mod error;
mod form;
mod gate;
mod key;
mod parse;
mod raw;
mod resolve;
mod schema;
mod secret;
mod set;
mod starter;
pub(crate) mod suggest;
mod template;
mod verify;

pub use agent::*;
pub use aws::*;
pub use condition::{BadCondition, Comparison, Condition};
pub use error::{ConfigError, ConfigErrors, FileFault, Problem};
pub use gate::*;
pub use parse::load;
pub use resolve::{UnknownName, usable};
pub use schema::schema;
pub use secret::SecretError;
pub use set::{SetError, SetValue};
pub use starter::{Found, Starter, starter};
pub use template::{Facts, fill};
pub use verify::Verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

use crate::values;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it was read from, and which bytes.
    pub source: Source,
    /// The environment repository.
    pub repository: Repository,
    /// Datasets by name.
    pub datasets: BTreeMap<String, Dataset>,
    /// Environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// Gates by name.
    pub gates: BTreeMap<String, Gate>,
    /// Pipelines by name.
    pub pipelines: BTreeMap<String, Pipeline>,
    /// Queues by name; `default` is always there.
    pub queues: BTreeMap<String, Queue>,
    /// Who is told.
    pub notify: Notify,
    /// How GitLab's API is reached.
    pub gitlab: GitLab,
}

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name for messages: a path, or `datapin.toml` of a repository.
    pub name: String,
    /// Git blob id (hex) of the bytes that were read; written into the ticket.
    pub blob: String,
}

/// The environment repository that is pushed to, or a repository of a queue's own.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    /// URL or path; `None` means `origin` of the checkout that datapin was started in.
    pub url: Option<String>,
    /// Target branch; `None` means the repository's default branch.
    pub branch: Option<String>,
    /// How to log in.
    pub credential: Credential,
    /// `Name <mail>` of the commits; `None` means `datapin <datapin@localhost>`.
    pub author: Option<Person>,
    /// `Name <mail>` of the committer; `None` means the author.
    pub committer: Option<Person>,
    /// How commits are signed.
    pub signing: Signing,
    /// Template of a pin commit's message, without the trailers; `None` means the built-in one.
    pub message: Option<String>,
    /// `known_hosts` file for ssh; `None` means the user's own.
    pub known_hosts: Option<PathBuf>,
    /// How a commit is proven before it is made.
    pub verify: Verify,
}

/// A name with a mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

/// How to log in to a git server.
#[derive(Debug, Clone, Default)]
pub enum Credential {
    /// Git's own credential helpers and the ssh agent.
    #[default]
    Ambient,
    /// A token (or password) over https.
    Token {
        /// User name that goes with it.
        username: String,
        /// Where the token is.
        token: SecretRef,
    },
    /// A private key over ssh.
    SshKey {
        /// Path of the private key.
        file: PathBuf,
        /// Where its passphrase is, if it has one.
        passphrase: Option<SecretRef>,
    },
}

/// How commits are signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signing {
    /// Not at all.
    #[default]
    None,
    /// With an ssh key, by `ssh-keygen -Y sign`.
    Ssh {
        /// Path of the private key.
        key: PathBuf,
    },
    /// With an OpenPGP key, by `gpg`.
    Gpg {
        /// Key id.
        key: String,
    },
}

/// Where a secret is. Secrets are never values in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; its last line break is not part of the secret.
    File(PathBuf),
}

/// A named data product.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name.
    pub name: String,
    /// Every version has to match it as a whole.
    pub version_pattern: Regex,
    /// Services that depend on it, in the order of the file.
    pub services: Vec<String>,
    /// Templates of its pins.
    pub pins: Vec<PinTemplate>,
    /// What `--set` may change.
    pub settable: Vec<Settable>,
}

/// The template of one pin: placeholders not yet filled in.
#[derive(Debug, Clone)]
pub struct PinTemplate {
    /// Services that it is for; `None` means all of the dataset.
    pub services: Option<Vec<String>>,
    /// File in the repository, with placeholders.
    pub file: String,
    /// Path of the scalar, with placeholders.
    pub path: String,
    /// Which document of the file.
    pub document: Option<values::DocumentSelector>,
    /// Whether one file may serve several environments.
    pub sharing: Sharing,
}

/// Whether one values file may hold the pins of several environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Refused.
    Own,
    /// Allowed, with different paths.
    Shared,
}

/// A path that `--set` may change, in the file of its service's first pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settable {
    /// Service.
    pub service: String,
    /// Path in the values file.
    pub path: values::Path,
}

/// One scalar of the repository: the place of a pin or of a settable value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// File, relative to the repository's root, with `/`.
    pub file: String,
    /// Path of the scalar.
    pub path: values::Path,
    /// Which document of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<values::DocumentSelector>,
}

/// The places of one service in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlaces {
    /// Service.
    pub service: String,
    /// Pins; never empty.
    pub pins: Vec<Place>,
    /// Settable values.
    pub settable: Vec<Place>,
}

/// A Helmfile environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Name.
    pub name: String,
    /// Target branch; `None` means the repository's.
    pub branch: Option<String>,
    /// Services that it has; `None` means all of the dataset.
    pub services: Option<Vec<String>>,
    /// The GitOps agent that deploys it.
    pub agent: Agent,
    /// How long a deployment may take.
    pub sync_timeout: Duration,
    /// How long a rollback may take.
    pub rollback_timeout: Duration,
    /// Name of its queue.
    pub queue: String,
    /// What its data is for (`preview`, `live`): a bucket has one purpose.
    pub purpose: Option<String>,
    /// Where the packages are that it reads.
    pub bucket: Option<Bucket>,
    /// Parameter that holds its last verified version.
    pub ssm: Option<Parameter>,
}

/// An ordered list of stages.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Name.
    pub name: String,
    /// Dataset that it deploys.
    pub dataset: String,
    /// Environments where the version must have been verified.
    pub requires: Vec<String>,
    /// Stages, in order; never empty.
    pub stages: Vec<Stage>,
    /// What a newer run does with waiting ones.
    pub on_newer: OnNewer,
}

/// One or more environments that are deployed together, with their gates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Environments; never empty.
    pub environments: Vec<String>,
    /// Gates that begin when all are synced.
    pub gates: Vec<String>,
    /// What fills the buckets of its environments before they are pinned.
    pub promote: Option<Promote>,
}

/// What entering does with runs of the same pipeline and dataset that still wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNewer {
    /// Both take their turn.
    #[default]
    Queue,
    /// The waiting one is withdrawn.
    ReplaceWaiting,
}

/// A queue: a branch.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Name in the configuration.
    pub name: String,
    /// A repository of its own; `None` means the environment repository.
    pub repository: Option<Repository>,
    /// Branch.
    pub branch: String,
    /// After this silence a driver is taken for dead.
    pub ttl: Duration,
    /// How long a run waits for its turn.
    pub max_wait: Duration,
    /// After this time a ticket that may start and does not is dropped.
    pub start_grace: Duration,
    /// After this silence a run in `step` jobs is taken for dead where GitLab cannot be asked; `None` means never.
    pub step_idle: Option<Duration>,
}

/// Who is told about start and finish.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    /// Rocket.Chat.
    pub rocketchat: Option<RocketChat>,
}

/// How Rocket.Chat is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RocketChat {
    /// An incoming webhook; it cannot thread.
    Webhook {
        /// Where its URL is; the URL is a secret.
        url: SecretRef,
        /// Channel that overrides the webhook's own.
        channel: Option<String>,
    },
    /// `chat.postMessage`; finish is a reply in the thread of start.
    Api {
        /// Base URL of the server.
        server: String,
        /// Channel (`#name`) or room id.
        channel: String,
        /// Where the user id is.
        user_id: SecretRef,
        /// Where the token is.
        token: SecretRef,
    },
}

/// How GitLab's API is reached. What is left out is taken from the CI job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitLab {
    /// Base URL of the server.
    pub url: Option<String>,
    /// Path or id of the project.
    pub project: Option<String>,
    /// Where the token is.
    pub token: Option<SecretRef>,
}
