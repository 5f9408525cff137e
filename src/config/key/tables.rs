//! The keys themselves. A new key is added here and read in `config/parse.rs`; the schema follows.

mod agents;
mod aws;
mod gates;

use super::{Choice, Form, Key, Keys, Shape, Way};
use agents::{AGENT, CONTEXT, EKS, KUBECONFIG};
use aws::{BUCKET, PROMOTE, SSM};
use gates::GATE;

const SERVICE: &[&str] = &["dataset", "environment", "service"];
const ALL: &[&str] = &["dataset", "environment", "service", "version"];
const RUN: &[&str] = &["dataset", "environment", "version"];

/// Placeholders of a pin's file and path.
pub(in crate::config) const PIN_PLACEHOLDERS: &[&str] = SERVICE;
/// Placeholders of a web address, and of a bucket's.
pub(in crate::config) const URL_PLACEHOLDERS: &[&str] = RUN;

/// `{ env = … }` or `{ file = … }`.
pub(in crate::config) static SECRET: Keys = Keys::of(&[
    Key::optional("env", Shape::Text(Form::Variable), "environment variable that holds the secret"),
    Key::optional("file", Shape::Text(Form::Any), "file that holds the secret"),
])
.choice(Choice::One(&[Way { needs: &["env"], allows: &[] }, Way { needs: &["file"], allows: &[] }]));

static SSH_KEY: Keys = Keys::of(&[
    Key::required("file", Shape::Text(Form::Any), "path of the private key"),
    Key::optional("passphrase", Shape::Table(&SECRET), "where its passphrase is"),
]);

static SIGN_KEY: Keys =
    Keys::of(&[Key::required("file", Shape::Text(Form::Any), "path of the private key that signs")]);

static SIGN: Keys = Keys::of(&[
    Key::optional("ssh_key", Shape::Table(&SIGN_KEY), "sign with an ssh key"),
    Key::optional("gpg_key", Shape::Text(Form::Any), "sign with the OpenPGP key of this id"),
])
.choice(Choice::One(&[Way { needs: &["ssh_key"], allows: &[] }, Way { needs: &["gpg_key"], allows: &[] }]));

const TOKEN: Key = Key::optional("token", Shape::Table(&SECRET), "token or password for https");
const USERNAME: Key = Key::optional(
    "username",
    Shape::Text(Form::Any),
    "user name that goes with the token; `oauth2` by default",
);
const SSH: Key = Key::optional("ssh_key", Shape::Table(&SSH_KEY), "private key for ssh");
const KNOWN_HOSTS: Key =
    Key::optional("known_hosts", Shape::Text(Form::Any), "known_hosts file; the user's own by default");
const LOGIN: Choice = Choice::AtMostOne(&[
    Way { needs: &["token"], allows: &["username"] },
    Way { needs: &["ssh_key"], allows: &[] },
]);

static HELMFILE: Keys = Keys::of(&[
    Key::optional(
        "file",
        Shape::Text(Form::RepositoryFile),
        "state file (or folder) in the repository; what helmfile takes by itself by default",
    ),
    Key::optional("pass", Shape::Set(Form::Variable, 0), "environment variables that it gets"),
]);

static REPOSITORY: Keys = Keys::of(&[
    Key::optional("url", Shape::Text(Form::Remote), "URL or path; `origin` of the checkout by default"),
    Key::optional(
        "branch",
        Shape::Text(Form::Branch),
        "branch that the GitOps agent follows; the default branch by default",
    ),
    TOKEN,
    USERNAME,
    SSH,
    KNOWN_HOSTS,
    Key::optional("author", Shape::Text(Form::Person), "`Name <mail>` of the commits"),
    Key::optional(
        "committer",
        Shape::Text(Form::Person),
        "`Name <mail>` of the committer; the author by default",
    ),
    Key::optional("sign", Shape::Table(&SIGN), "how commits are signed"),
    Key::optional(
        "message",
        Shape::Text(Form::Template(RUN)),
        "template of a pin commit's message, without trailers",
    ),
    Key::optional(
        "verify",
        Shape::Text(Form::OneOf(&["helmfile"])),
        "proof of a commit before it is made: `helmfile` renders it; none by default",
    ),
    Key::optional("helmfile", Shape::Table(&HELMFILE), "how helmfile is run for that proof"),
])
.choice(LOGIN);

static DOCUMENT: Keys = Keys::of(&[
    Key::optional("kind", Shape::Text(Form::Any), "`kind` of the document"),
    Key::optional("name", Shape::Text(Form::Any), "`metadata.name` of the document"),
]);

static PIN: Keys = Keys::of(&[
    Key::required("file", Shape::Text(Form::PinFile), "values file, relative to the repository's root"),
    Key::required("path", Shape::Text(Form::PinPath), "path of the scalar that holds the version"),
    Key::optional("document", Shape::Table(&DOCUMENT), "which document of a file with several"),
    Key::optional("shared", Shape::Flag, "whether several environments may read this file"),
    Key::optional("services", Shape::Set(Form::Reference, 1), "services that it is for; all by default"),
]);

static DATASET: Keys = Keys::of(&[
    Key::optional("version_pattern", Shape::Text(Form::Pattern), "every version has to match it as a whole"),
    Key::required("services", Shape::Set(Form::Name, 1), "services that depend on this data"),
    Key::required("pin", Shape::OneOrTables(&PIN), "where the version is written"),
    Key::optional("settable", Shape::Set(Form::Settable, 0), "`service:path` values that --set may change"),
]);

static ENVIRONMENT: Keys = Keys::of(&[
    Key::optional("branch", Shape::Text(Form::Branch), "target branch; the repository's by default"),
    Key::optional("services", Shape::Set(Form::Reference, 1), "services that it has; all by default"),
    Key::required("agent", Shape::Table(&AGENT), "the GitOps agent that deploys it"),
    Key::optional(
        "sync_timeout",
        Shape::Text(Form::Duration),
        "how long a deployment may take; 15m by default",
    ),
    Key::optional(
        "rollback_timeout",
        Shape::Text(Form::Duration),
        "how long a rollback may take; as sync_timeout by default",
    ),
    Key::optional("queue", Shape::Text(Form::Reference), "name of its queue; `default` by default"),
    Key::optional("purpose", Shape::Text(Form::Name), "what its data is for, such as `preview` or `live`"),
    Key::optional("bucket", Shape::Table(&BUCKET), "where the packages are that it reads"),
    Key::optional("ssm", Shape::Table(&SSM), "parameter that holds its last verified version"),
]);

static STAGE: Keys = Keys::of(&[
    Key::required(
        "environment",
        Shape::OneOrSet(Form::Reference),
        "one environment, or several side by side",
    ),
    Key::optional("gates", Shape::Set(Form::Reference, 0), "gates that begin when all are synced"),
    Key::optional("promote", Shape::Table(&PROMOTE), "fills its bucket from that of another environment"),
]);

static PIPELINE: Keys = Keys::of(&[
    Key::optional(
        "dataset",
        Shape::Text(Form::Reference),
        "dataset; may be left out where there is only one",
    ),
    Key::optional(
        "requires",
        Shape::Set(Form::Reference, 0),
        "environments where the version must be verified",
    ),
    Key::required("stages", Shape::Tables(&STAGE), "stages, in order"),
    Key::optional(
        "on_newer",
        Shape::Text(Form::OneOf(&["queue", "replace-waiting"])),
        "what a newer run does with waiting ones; queue by default",
    ),
]);

static QUEUE: Keys = Keys::of(&[
    Key::optional("branch", Shape::Text(Form::Branch), "branch of the queue; datapin/queue by default"),
    Key::optional("ttl", Shape::Text(Form::Duration), "silence after which a driver is dead; 5m by default"),
    Key::optional("max_wait", Shape::Text(Form::Duration), "how long a run waits; 2h by default"),
    Key::optional(
        "start_grace",
        Shape::Text(Form::Duration),
        "how long a run may take to start; 2m by default",
    ),
    Key::optional(
        "step_idle_ttl",
        Shape::Text(Form::Duration),
        "silence after which a run in `step` jobs is dead where GitLab cannot be asked; never by default",
    ),
    Key::optional("repository", Shape::Text(Form::Remote), "URL of a repository of the queue's own"),
    TOKEN,
    USERNAME,
    SSH,
    KNOWN_HOSTS,
])
.choice(LOGIN);

static ROCKETCHAT: Keys = Keys::of(&[
    Key::optional("webhook", Shape::Table(&SECRET), "where the webhook's URL is"),
    Key::optional("server", Shape::Text(Form::HttpUrl), "base URL of the server"),
    Key::optional("channel", Shape::Text(Form::Any), "channel (`#name`) or room id"),
    Key::optional("user_id", Shape::Table(&SECRET), "where the user id is"),
    Key::optional("token", Shape::Table(&SECRET), "where the token is"),
])
.choice(Choice::One(&[
    Way { needs: &["webhook"], allows: &["channel"] },
    Way { needs: &["server", "channel", "user_id", "token"], allows: &[] },
]));

static NOTIFY: Keys =
    Keys::of(&[Key::optional("rocketchat", Shape::Table(&ROCKETCHAT), "Rocket.Chat: webhook or API")]);

static GITLAB: Keys = Keys::of(&[
    Key::optional("url", Shape::Text(Form::HttpUrl), "base URL of the server; that of the CI job by default"),
    Key::optional(
        "project",
        Shape::Text(Form::Any),
        "path or id of the project; that of the CI job by default",
    ),
    Key::optional(
        "token",
        Shape::Table(&SECRET),
        "token for its API; DATAPIN_GITLAB_TOKEN, else CI_JOB_TOKEN by default",
    ),
]);

/// The whole file.
pub(in crate::config) static ROOT: Keys = Keys::of(&[
    Key::optional("repository", Shape::Table(&REPOSITORY), "the environment repository"),
    Key::required("dataset", Shape::Named(&DATASET), "data products"),
    Key::required("environment", Shape::Named(&ENVIRONMENT), "Helmfile environments"),
    Key::optional("gate", Shape::Named(&GATE), "quality gates"),
    Key::optional("pipeline", Shape::Named(&PIPELINE), "ordered lists of stages"),
    Key::optional("queue", Shape::Named(&QUEUE), "queues; `default` is always there"),
    Key::optional("notify", Shape::Table(&NOTIFY), "who is told about start and finish"),
    Key::optional("gitlab", Shape::Table(&GITLAB), "how GitLab's API is reached"),
]);

/// Placeholders that exist at all.
pub(in crate::config) const PLACEHOLDERS: &[&str] = ALL;
