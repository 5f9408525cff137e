//! What can be wrong with a configuration, and what to do about it: all of it is text for people.

use thiserror::Error;

use crate::config::suggest::{list, nearest, suggest};

/// Why a pin's file cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FileFault {
    /// Starts at the root of a file system.
    #[error("it is absolute")]
    Absolute,
    /// Leads outside.
    #[error("it contains `..`")]
    Parent,
    /// `.` or nothing between slashes: a second spelling of the same file.
    #[error("it contains an empty or `.` part")]
    EmptyPart,
    /// Windows separators.
    #[error("it contains a backslash")]
    Backslash,
    /// Line breaks and the like.
    #[error("it contains a control character")]
    Control,
    /// Git's own folder.
    #[error("it is inside `.git`")]
    Git,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what its fields are")]
pub enum Problem {
    #[error("not valid TOML: {message}")]
    Syntax { message: String },
    #[error("the file has {size} bytes; more than {limit} is refused")]
    TooLarge { size: usize, limit: usize },
    #[error("unknown key `{key}` {place}")]
    UnknownKey { key: String, place: String, known: Vec<String>, elsewhere: Option<String> },
    #[error("key `{key}` {place} does not go with kind `{kind}`")]
    KeyOfOtherKind { key: String, place: String, kind: String, owner: String },
    #[error("this build does not have key `{key}` {place}")]
    KeyNotBuilt { key: String, place: String, known: Vec<String> },
    #[error("unknown kind `{kind}` {place}")]
    UnknownKind { kind: String, place: String, known: Vec<String> },
    #[error("{what} {place} must be {expected}, not {found}")]
    WrongType { what: String, place: String, expected: String, found: String },
    #[error("`{key}` is missing {place}")]
    MissingKey { key: String, place: String, doc: String },
    #[error("{ways} is missing {place}")]
    MissingWay { ways: String, place: String },
    #[error("`{key}` and `{other}` exclude each other {place}")]
    Exclusive { key: String, other: String, place: String },
    #[error("`allow_failure` {place} does not go with kind `manual`")]
    NobodyHasToAnswer { place: String },
    #[error("`{key}` {place} needs `{needs}`")]
    Incomplete { key: String, needs: String, place: String },
    #[error("`{key}` {place} is a secret, and a secret is never a value in this file")]
    PlainSecret { key: String, place: String },
    #[error("`{key}` {place} holds a password, and a secret is never a value in this file")]
    PasswordInUrl { key: String, place: String },
    #[error("{what} {place} is empty")]
    Empty { what: String, place: String },
    #[error("{what} {place} is listed twice: `{value}`")]
    Duplicate { what: String, place: String, value: String },
    #[error("`{key}` {place} is no duration: {reason}")]
    BadDuration { key: String, place: String, reason: String },
    #[error("`{key}` {place} must be longer than zero")]
    NotPositive { key: String, place: String },
    #[error("`{key}` {place} must be a whole number from 0 to {most}, not {found}")]
    OutOfRange { key: String, place: String, most: u32, found: i64 },
    #[error("`{name}` {place} cannot be a name")]
    BadName { name: String, place: String },
    #[error("`{branch}` {place} cannot be a branch")]
    BadBranch { branch: String, place: String },
    #[error("`{name}` {place} cannot be an environment of GitLab")]
    BadEnvironment { name: String, place: String },
    #[error("`{text}` {place} names no person")]
    BadPerson { text: String, place: String },
    #[error("`{key}` {place} is no regular expression: {reason}")]
    BadPattern { key: String, place: String, reason: String },
    #[error("`{text}` {place} is no web address")]
    BadUrl { text: String, place: String },
    #[error("`{text}` {place} is no repository")]
    BadRemote { text: String, place: String },
    #[error("`{name}` {place} cannot be an environment variable")]
    BadVariable { name: String, place: String },
    #[error("`{name}` {place} cannot be the name of a header")]
    BadHeader { name: String, place: String },
    #[error("`{value}` {place} holds a control character")]
    ControlCharacter { value: String, place: String },
    #[error("`{word}` is no value of `{key}` {place}")]
    UnknownWord { word: String, key: String, place: String, known: Vec<String> },
    #[error("unknown placeholder `{{{name}}}` {place}")]
    UnknownPlaceholder { name: String, place: String, known: Vec<String> },
    #[error("`{{` {place} is never closed")]
    UnclosedBrace { place: String },
    #[error("`}}` {place} was never opened")]
    StrayBrace { place: String },
    #[error("`{file}` {place} is no file of the repository: {fault}")]
    BadFile { file: String, place: String, fault: FileFault },
    #[error("`{path}` {place} is no path: {reason}")]
    BadPath { path: String, place: String, reason: String },
    #[error("`{text}` {place} is no condition")]
    BadCondition { text: String, place: String },
    #[error("`{text}` {place} is no workload")]
    BadResource { text: String, place: String },
    #[error("`{text}` {place} selects nothing: {reason}")]
    BadSelector { text: String, place: String, reason: String },
    #[error("an agent of kind `workload` {place} knows no commit, so it needs `proof`")]
    ProofMissing { place: String },
    #[error("services {services} are the same {object}, with different pins")]
    SameObject { services: String, object: String },
    #[error("`{text}` {place} is not `service:path`")]
    BadSettable { text: String, place: String },
    #[error("unknown {what} `{name}` {place}")]
    UnknownReference { what: String, name: String, place: String, known: Vec<String> },
    #[error(
        "gate `{gate}` runs after gate `{after}`, which is not in the same stage of [pipeline.{pipeline}]"
    )]
    GateElsewhere { gate: String, after: String, pipeline: String },
    #[error("gates wait for each other: {cycle}")]
    GateCycle { cycle: String },
    #[error("[pipeline.{pipeline}] has no stages")]
    NoStages { pipeline: String },
    #[error("environment `{environment}` is twice in [pipeline.{pipeline}]")]
    EnvironmentTwice { environment: String, pipeline: String },
    #[error("[pipeline.{pipeline}] does not say which dataset it deploys")]
    DatasetMissing { pipeline: String, known: Vec<String> },
    #[error("environment `{environment}` has none of the services of dataset `{dataset}`")]
    NothingToDeploy { environment: String, dataset: String },
    #[error("service `{service}` of dataset `{dataset}` has no pin")]
    ServiceWithoutPin { service: String, dataset: String },
    #[error("environments {environments} read the same file `{file}` of {branch}")]
    SharedFile { environments: String, file: String, branch: String },
    #[error("environments {environments} read the same scalar `{path}` of `{file}`")]
    SharedPath { environments: String, file: String, path: String, pipeline: String },
    #[error("`{path}` of `{file}` in environment `{environment}` is pinned by datasets {datasets}")]
    PinnedTwice { path: String, file: String, environment: String, datasets: String },
    #[error("`{path}` of service `{service}` is settable, but it is a pin")]
    SettableIsPin { path: String, service: String },
    #[error("the environments of [pipeline.{pipeline}] have different queues: {queues}")]
    QueuesDiffer { pipeline: String, queues: String },
    #[error("branch `{branch}` of queue `{queue}` is the target branch of environment `{environment}`")]
    QueueIsTarget { branch: String, queue: String, environment: String },
    #[error("queues `{queue}` and `{other}` are the same branch `{branch}`")]
    QueueTwice { queue: String, other: String, branch: String },
    #[error("`{text}` {place} is no place of packages: {reason}")]
    BadBucketUrl { text: String, place: String, reason: String },
    #[error("`{name}` {place} is no name of an object")]
    BadObject { name: String, place: String },
    #[error("bucket `{bucket}` has two purposes: {one}, {other}")]
    TwoPurposes { bucket: String, one: String, other: String },
    #[error("parameter `{parameter}` would hold the version of two: {one} and {other}")]
    ParameterTwice { parameter: String, one: String, other: String },
    #[error("SSM takes no parameter `{parameter}`: {reason}")]
    BadParameter { parameter: String, reason: &'static str },
    #[error("`kms_key` encrypts nothing: the parameter is a String")]
    KeyOfPlain,
    #[error("`{role}` is no role of IAM")]
    BadRole { role: String },
    #[error("nothing can be promoted from `{from}` to `{to}` {place}: {reason}")]
    CannotPromote { from: String, to: String, place: String, reason: String },
    #[error("`{key}` {place} is {found}, but less than {least} cannot work")]
    TooShort { key: String, place: String, found: String, least: String },
}

impl Problem {
    /// What to do, one line each.
    pub fn help(&self) -> Vec<String> {
        match self {
            Problem::UnknownKey { key, known, elsewhere, .. } => {
                unknown_key(key, known, elsewhere.as_deref())
            }
            Problem::UnknownKind { kind, known, .. } => suggest(kind, known, "kinds in this build"),
            Problem::KeyNotBuilt { known, .. } => vec![list("keys in this build", known)],
            Problem::UnknownWord { word, known, .. } => suggest(word, known, "it can be"),
            Problem::UnknownPlaceholder { name, known, .. } => {
                let braced: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
                suggest(&format!("{{{name}}}"), &braced, "placeholders here")
            }
            Problem::UnknownReference { what, name, known, .. } => suggest(name, known, &format!("{what}s")),
            Problem::DatasetMissing { known, .. } => {
                vec!["there is more than one: add `dataset = \"…\"`".to_owned(), list("datasets", known)]
            }
            Problem::KeyOfOtherKind { owner, .. } => vec![format!("it belongs to kind `{owner}`")],
            Problem::MissingKey { key, doc, .. } => vec![format!("`{key}`: {doc}")],
            Problem::SharedPath { pipeline, .. } => vec![
                format!(
                    "[pipeline.{pipeline}] does not have them in the same stage: one pin would deploy both"
                ),
                "use a path or file with `{environment}` in it".to_owned(),
            ],
            Problem::BadPerson { .. } => vec!["write `Name <mail@example.org>`".to_owned()],
            other => other.fixed_help().map(str::to_owned).into_iter().collect(),
        }
    }

    /// Help that does not depend on the case.
    fn fixed_help(&self) -> Option<&'static str> {
        self.spelling().or_else(|| self.meaning())
    }

    /// How such a value is written.
    fn spelling(&self) -> Option<&'static str> {
        Some(match self {
            Problem::BadName { .. } => {
                "names become file names of the queue: lower-case letters, digits, `.`, `_` and `-`, \
                 beginning with a letter or digit, at most 63"
            }
            Problem::BadDuration { .. } | Problem::NotPositive { .. } => "write \"90s\", \"15m\" or \"2h\"",
            Problem::BadBranch { .. } => "write it without `refs/heads/`; see `git help check-ref-format`",
            Problem::BadEnvironment { .. } => {
                "letters, digits, spaces, `.`, `_`, `-` and `/`, at most 255, no space or `/` at an end"
            }
            Problem::BadUrl { .. } => "it begins with `https://` or `http://` and has a host",
            Problem::BadRemote { .. } => "write `https://…`, `ssh://…`, `git@host:path` or a local path",
            Problem::BadVariable { .. } => "letters, digits and `_`, not beginning with a digit",
            Problem::BadFile { .. } => "write it relative to the repository's root, with `/`",
            Problem::BadPath { .. } => {
                "dot-separated keys; `\"a.b\"` quotes one, `[0]` is an index, `[name=DATA_VERSION]` selects an item"
            }
            Problem::BadCondition { .. } => "write `<`, `<=`, `>`, `>=`, `==` or `!=` and a number: `< 0.01`",
            Problem::BadSettable { .. } => "for example `mds:cache.size`",
            Problem::BadResource { .. } => {
                "write `deployment/{service}`, `statefulset/{service}` or `daemonset/{service}`"
            }
            Problem::BadSelector { .. } => "for example `app={service}`",
            Problem::StrayBrace { .. } | Problem::UnclosedBrace { .. } => {
                "placeholders are written `{environment}`"
            }
            _ => return None,
        })
    }

    /// What does not fit, and what would.
    fn meaning(&self) -> Option<&'static str> {
        Some(match self {
            Problem::PasswordInUrl { .. } => {
                "take it out: a git login belongs in `token`, a web login in `headers`, each as { env = \"VARIABLE\" } \
                 or { file = \"path\" }; replace this one, it may have been seen"
            }
            Problem::PlainSecret { .. } => {
                "say where it is: { env = \"VARIABLE\" } or { file = \"path\" }; replace this one, it may have been seen"
            }
            Problem::ProofMissing { .. } => {
                "say where its pods carry the version: proof = { env = \"DATA_VERSION\" } or { annotation = \"…\" }"
            }
            Problem::SameObject { .. } => {
                "the agent could not tell which of them is up: give each its own, with `{service}` or \
                 `{environment}` in its name, or make them one service"
            }
            Problem::GateElsewhere { .. } => "a gate waits only for gates of its own stage",
            Problem::NoStages { .. } => "add `stages = [{ environment = \"…\" }]`",
            Problem::NothingToDeploy { .. } => "see `services` of the environment and of the dataset",
            Problem::ServiceWithoutPin { .. } => "add a pin for it, or a pin without `services`",
            Problem::SharedFile { .. } => {
                "one edit of it reaches all of them: use `{environment}` in the file, or say `shared = true` \
                 and use it in the path"
            }
            Problem::PinnedTwice { .. } => "use `{dataset}` in the file or the path",
            Problem::SettableIsPin { .. } => {
                "the pin is changed by the version alone: remove it from `settable`"
            }
            Problem::QueuesDiffer { .. } => "a run has one ticket: give them the same `queue`",
            Problem::QueueIsTarget { .. } => "the GitOps agent would deploy the queue: use another branch",
            Problem::QueueTwice { .. } => "two names for one queue: remove one",
            Problem::Exclusive { .. } => "keep one of them",
            Problem::NobodyHasToAnswer { .. } => {
                "a person's yes is waited for: without it everything is taken back once `timeout` is over; remove \
                 `allow_failure`, or the gate"
            }
            Problem::BadBucketUrl { .. } => "for example `s3://data-preview/{dataset}/{version}/`",
            Problem::BadObject { .. } => "it stands below `url` and neither begins nor ends with `/`",
            Problem::TwoPurposes { .. } => {
                "an environment reads only what its purpose allows: give each purpose a bucket of its own"
            }
            Problem::ParameterTwice { .. } => "use `{environment}` and `{dataset}` in its name",
            Problem::BadParameter { .. } => "for example `/{environment}/{dataset}/version`",
            Problem::KeyOfPlain => "add `type = \"SecureString\"`, or remove it",
            Problem::BadRole { .. } => "for example `arn:aws:iam::111111111111:role/datapin`",
            Problem::CannotPromote { .. } => "both need a `bucket`, each at a place of its own",
            _ => return None,
        })
    }
}

fn unknown_key(key: &str, known: &[String], elsewhere: Option<&str>) -> Vec<String> {
    match (nearest(key, known), elsewhere) {
        (Some(near), _) => vec![format!("did you mean `{near}`?")],
        (None, Some(place)) => vec![format!("`{key}` is a key {place}")],
        (None, None) => vec![list("keys here", known)],
    }
}
