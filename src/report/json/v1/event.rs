//! One event of a run.

use serde::Serialize;

use super::{Cause, Ending, Rendered, Summary, Waiting, moment, service, verdict};
use crate::event as inner;

/// One event: when, of which run, and what.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    at: String,
    run: &'a str,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
enum What<'a> {
    Entered {
        number: u64,
        place: &'static str,
        #[serde(flatten)]
        summary: Summary<'a>,
    },
    Waiting(Waiting<'a>),
    Started(Summary<'a>),
    TakingOver {
        left: &'a str,
        number: u64,
        who: &'a str,
        direction: &'static str,
    },
    Adopted {
        environments: &'a [String],
        commit: &'a str,
        author: &'a str,
        subject: &'a str,
        taken: &'static str,
    },
    Checked,
    Rendered(Rendered<'a>),
    Promoting {
        environment: &'a str,
        objects: usize,
        of_objects: usize,
        bytes: u64,
        of_bytes: u64,
        seconds_left: Option<u64>,
    },
    Stage {
        index: usize,
        of: usize,
        environments: &'a [String],
    },
    Pinned {
        environments: &'a [String],
        branch: &'a str,
        commit: &'a str,
        changes: Vec<Change<'a>>,
    },
    Service {
        environment: &'a str,
        service: &'a str,
        state: &'static str,
        reason: &'a str,
        log: &'a [String],
    },
    GateBegan {
        stage: usize,
        gate: &'a str,
        attempt: u32,
    },
    GateEnded {
        stage: usize,
        gate: &'a str,
        verdict: &'static str,
        summary: &'a str,
        url: &'a str,
        log: &'a [String],
    },
    RollingBack {
        cause: Cause<'a>,
        environments: &'a [String],
    },
    Reverted {
        environments: &'a [String],
        branch: &'a str,
        commit: &'a str,
        subject: &'a str,
    },
    Verified {
        environments: &'a [String],
        version: &'a str,
    },
    Frozen {
        environment: &'a str,
        reason: &'a str,
    },
    Note {
        level: &'static str,
        text: &'a str,
    },
    Finished(Box<Finished<'a>>),
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    environment: &'a str,
    service: &'a str,
    place: &'a str,
    before: &'a str,
    after: &'a str,
}

#[derive(Debug, Serialize)]
struct Finished<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    #[serde(flatten)]
    ending: Ending<'a>,
    exit: u8,
    standing: Vec<Standing<'a>>,
    warnings: &'a [String],
    seconds: u64,
}

#[derive(Debug, Serialize)]
struct Standing<'a> {
    environment: &'a str,
    words: &'a str,
}

impl<'a> From<&'a inner::Event> for Event<'a> {
    fn from(from: &'a inner::Event) -> Self {
        Self { at: moment(from.at), run: &from.run.0, what: What::from(&from.what) }
    }
}

impl<'a> From<&'a inner::What> for What<'a> {
    fn from(from: &'a inner::What) -> Self {
        match from {
            inner::What::Entered(entered) => What::Entered {
                number: entered.number,
                place: place(entered.place),
                summary: Summary::from(&entered.summary),
            },
            inner::What::Waiting(waiting) => What::Waiting(waiting.into()),
            inner::What::Started(summary) => What::Started(summary.into()),
            inner::What::TakingOver { left, number, who, direction } => {
                What::TakingOver { left: &left.0, number: *number, who, direction: towards(*direction) }
            }
            inner::What::Adopted { environments, commit, author, subject, taken } => What::Adopted {
                environments,
                commit: commit.as_str(),
                author,
                subject,
                taken: taken_as(*taken),
            },
            inner::What::Checked => What::Checked,
            inner::What::Rendered(change) => What::Rendered(change.into()),
            inner::What::Promoting { environment, objects, of_objects, bytes, of_bytes, left } => {
                What::Promoting {
                    environment,
                    objects: *objects,
                    of_objects: *of_objects,
                    bytes: *bytes,
                    of_bytes: *of_bytes,
                    seconds_left: *left,
                }
            }
            inner::What::Stage { index, of, environments } => {
                What::Stage { index: *index, of: *of, environments }
            }
            inner::What::Pinned { environments, branch, commit, changes } => {
                let changes = changes.iter().map(Change::from).collect();
                What::Pinned { environments, branch, commit: commit.as_str(), changes }
            }
            inner::What::Service { environment, service: name, state, reason, log } => {
                What::Service { environment, service: name, state: service(*state), reason, log }
            }
            inner::What::GateBegan { stage, gate, attempt } => {
                What::GateBegan { stage: *stage, gate, attempt: *attempt }
            }
            inner::What::GateEnded { stage, gate, verdict: out, summary, url, log } => {
                What::GateEnded { stage: *stage, gate, verdict: verdict(*out), summary, url, log }
            }
            inner::What::RollingBack { cause, environments } => {
                What::RollingBack { cause: cause.into(), environments }
            }
            inner::What::Reverted { environments, branch, commit, subject } => {
                What::Reverted { environments, branch, commit: commit.as_str(), subject }
            }
            inner::What::Verified { environments, version } => What::Verified { environments, version },
            inner::What::Frozen { environment, reason } => What::Frozen { environment, reason },
            inner::What::Note { level, text } => What::Note { level: grave(*level), text },
            inner::What::Finished(finished) => What::Finished(Box::new(finished.into())),
        }
    }
}

fn taken_as(taken: inner::Taken) -> &'static str {
    match taken {
        inner::Taken::Deployment => "deployment",
        inner::Taken::Rollback => "rollback",
    }
}

impl<'a> From<&'a inner::PinChange> for Change<'a> {
    fn from(from: &'a inner::PinChange) -> Self {
        Self {
            environment: &from.environment,
            service: &from.service,
            place: &from.place,
            before: &from.before,
            after: &from.after,
        }
    }
}

impl<'a> From<&'a inner::Finished> for Finished<'a> {
    fn from(from: &'a inner::Finished) -> Self {
        let standing = from.standing.iter();
        Self {
            summary: Summary::from(&from.summary),
            ending: Ending::from(&from.outcome),
            exit: from.exit,
            standing: standing
                .map(|one| Standing { environment: &one.environment, words: &one.words })
                .collect(),
            warnings: &from.warnings,
            seconds: from.seconds,
        }
    }
}

fn place(place: inner::Place) -> &'static str {
    match place {
        inner::Place::New => "new",
        inner::Place::Kept => "kept",
        inner::Place::Again => "again",
    }
}

fn towards(direction: inner::Direction) -> &'static str {
    match direction {
        inner::Direction::Forward => "forward",
        inner::Direction::Back => "back",
    }
}

fn grave(level: inner::Level) -> &'static str {
    match level {
        inner::Level::Info => "info",
        inner::Level::Warning => "warning",
    }
}
