//! The keys of a gate.

use super::{CONTEXT, EKS, KUBECONFIG, RUN, SECRET};
use crate::config::key::{Form, Key, Keys, Kind, Shape};

pub(super) static GATE: Keys = Keys::of(&[
    Key::optional("timeout", Shape::Text(Form::Duration), "how long one attempt may take; 30m by default"),
    Key::optional("allow_failure", Shape::Flag, "whether a failure is only a warning; false by default"),
    Key::optional("after", Shape::Set(Form::Reference, 0), "gates of the same stage that have to end first"),
    Key::optional("retries", Shape::Count(10), "how often an error is tried again; 2 by default"),
])
.kinds(&[
    Kind {
        name: "command",
        keys: &[
            Key::required("command", Shape::Argv, "program and arguments; never a shell string"),
            Key::optional("pass", Shape::Set(Form::Variable, 0), "environment variables that it gets"),
        ],
        doc: "a program: exit 0 passed, 1 failed, anything else errored",
    },
    Kind {
        name: "http",
        keys: &[
            Key::required("url", Shape::Text(Form::HttpTemplate), "address; placeholders are filled in"),
            Key::optional(
                "method",
                Shape::Text(Form::OneOf(&["GET", "HEAD", "POST", "PUT"])),
                "method; GET by default",
            ),
            Key::optional("headers", Shape::Headers, "headers by name: text, or where a secret is"),
        ],
        doc: "a request: 2xx passed; connection errors, 429 and 5xx errored; others failed",
    },
    Kind {
        name: "kubernetes-job",
        keys: &[
            Key::optional("manifest", Shape::Text(Form::Any), "file with the manifest of a Job"),
            Key::optional("cronjob", Shape::Text(Form::Any), "CronJob whose job is run once"),
            Key::optional("namespace", Shape::Text(Form::Any), "namespace; the context's by default"),
            Key::optional("keep", Shape::Flag, "whether the job stays afterwards; false by default"),
            KUBECONFIG,
            CONTEXT,
            EKS,
        ],
        doc: "a Job in a cluster: complete passed, failed failed",
    },
    Kind {
        name: "gitlab-pipeline",
        keys: &[
            Key::required("project", Shape::Text(Form::Any), "path or id of the project on the same GitLab"),
            Key::required("ref", Shape::Text(Form::Branch), "branch or tag whose pipeline is run"),
            Key::optional(
                "variables",
                Shape::Variables(Form::Template(RUN)),
                "variables beside DATAPIN_*; placeholders are filled in",
            ),
            Key::optional(
                "trigger_token",
                Shape::Table(&SECRET),
                "where a trigger token of that project is; GitLab's own token by default",
            ),
        ],
        doc: "a pipeline of another project: success passed, failed failed",
    },
    Kind {
        name: "prometheus",
        keys: &[
            Key::required("server", Shape::Text(Form::HttpUrl), "base address of the Prometheus"),
            Key::required(
                "query",
                Shape::Text(Form::Template(RUN)),
                "PromQL; placeholders are filled in, within quotes",
            ),
            Key::required(
                "condition",
                Shape::Text(Form::Condition),
                "what every series has to satisfy: `< 0.01`",
            ),
            Key::optional("for", Shape::Text(Form::Duration), "how long it is sampled; once by default"),
            Key::optional("interval", Shape::Text(Form::Duration), "time between samples; 15s by default"),
            Key::optional("max_bad", Shape::Count(1000), "bad samples that are allowed; 0 by default"),
            Key::optional(
                "max_missing",
                Shape::Count(1000),
                "samples without an answer that are allowed; 2 by default",
            ),
            Key::optional("token", Shape::Table(&SECRET), "where the bearer token is"),
            Key::optional("headers", Shape::Headers, "headers by name: text, or where a secret is"),
        ],
        doc: "a query that has to satisfy a condition for some time",
    },
    Kind {
        name: "manual",
        keys: &[
            Key::optional("who", Shape::Text(Form::Any), "who is asked, in words for people"),
            Key::optional(
                "protected_by",
                Shape::Text(Form::Environment),
                "environment of GitLab: who may deploy to it, once it is protected, may start the graph's job",
            ),
        ],
        doc: "a person's word: `datapin approve`, or a click on the manual job of the graph",
    },
]);
