//! The graph of a run: columns of nodes, as GitLab draws a pipeline.

use serde::Serialize;

use super::{Shade, line};
use crate::queue::Outcome;
use crate::report::account::{Account, EnvironmentAccount, ServiceAccount, StageAccount, Step};
use crate::report::words;

/// One column.
#[derive(Debug, Serialize)]
pub(super) struct Column {
    title: String,
    nodes: Vec<Node>,
}

/// One node.
#[derive(Debug, Serialize)]
struct Node {
    label: String,
    shade: Shade,
    word: &'static str,
    took: String,
    why: String,
}

impl Node {
    fn of(label: &str, step: &Step, account: &Account) -> Self {
        let shade = Shade::of(step, account);
        Self {
            label: line(label),
            shade,
            word: shade.word(),
            took: step.seconds().map(words::elapsed).unwrap_or_default(),
            why: line(&step.reason),
        }
    }

    fn plain(label: &str, shade: Shade, took: String, why: String) -> Self {
        Self { label: line(label), shade, word: shade.word(), took, why }
    }
}

/// The columns of a run. A run that only goes back has none on the way forward.
pub(super) fn columns(account: &Account) -> Vec<Column> {
    let mut columns = vec![Column { title: "Wait".to_owned(), nodes: vec![queue(account)] }];
    if !account.only_back() {
        for stage in &account.stages {
            columns.extend(forward(stage, account));
        }
    }
    columns.push(Column { title: back_title(account).to_owned(), nodes: back(account) });
    columns.push(Column { title: "End".to_owned(), nodes: vec![end(account)] });
    columns.retain(|column| !column.nodes.is_empty());
    columns
}

fn queue(account: &Account) -> Node {
    let shade = match (account.started.is_some(), account.is_over()) {
        (true, _) => Shade::Good,
        (false, true) => Shade::Skip,
        (false, false) => Shade::Run,
    };
    let until = account.started.or(account.is_over().then_some(account.last));
    let took = until.map(|until| words::between(account.first, until)).unwrap_or_default();
    Node::plain("wait for turn", shade, took, String::new())
}

fn forward(stage: &StageAccount, account: &Account) -> Vec<Column> {
    let services = stage.environments.iter().flat_map(|environment| {
        environment
            .services
            .iter()
            .map(|service| Node::of(&label(stage, environment, service), &service.deploy, account))
    });
    let gates = stage.gates.iter().map(|gate| Node::of(&gate.name, &gate.step, account));
    vec![
        Column { title: format!("Deploy {}", line(&stage.names())), nodes: services.collect() },
        Column { title: format!("Gates {}", line(&stage.names())), nodes: gates.collect() },
    ]
}

fn label(stage: &StageAccount, environment: &EnvironmentAccount, service: &ServiceAccount) -> String {
    match stage.environments.len() {
        1 => service.name.clone(),
        _ => format!("{}/{}", environment.name, service.name),
    }
}

fn back_title(account: &Account) -> &'static str {
    match account.only_back() {
        true => "Rollback",
        false => "Rollback, record",
    }
}

/// Newest stage first, as they are taken back; then one record for each environment.
fn back(account: &Account) -> Vec<Node> {
    let services = account.stages.iter().rev().flat_map(|stage| {
        stage
            .environments
            .iter()
            .flat_map(|environment| environment.services.iter().map(move |service| (environment, service)))
    });
    let services = services.map(|(environment, service)| {
        Node::of(&format!("{}/{}", environment.name, service.name), &service.rollback, account)
    });
    services.chain(account.environments().map(|environment| record(environment, account))).collect()
}

/// The outcome names each environment whose record could not be written.
fn record(environment: &EnvironmentAccount, account: &Account) -> Node {
    let owed = account.ending.as_ref().and_then(|finished| {
        let Outcome::NotRecorded { reason } = &finished.outcome else { return None };
        let name = format!("{}: ", environment.name);
        reason.split("; ").any(|one| one.starts_with(&name)).then(|| line(reason))
    });
    let shade = match (environment.verified.is_some(), &owed, account.is_over()) {
        (_, Some(_), _) => Shade::Warn,
        (true, None, _) => Shade::Good,
        (false, None, true) => Shade::Skip,
        (false, None, false) => Shade::Wait,
    };
    Node::plain(&format!("record {}", environment.name), shade, String::new(), owed.unwrap_or_default())
}

fn end(account: &Account) -> Node {
    let Some(finished) = &account.ending else {
        return Node::plain("not finished", Shade::Run, String::new(), String::new());
    };
    let why = finished.outcome.reason().unwrap_or_default();
    Node::plain(finished.outcome.word(), outcome(finished), String::new(), line(&why))
}

/// How an outcome looks: a run that did what was asked is good, one that has to be looked at is bad.
pub(super) fn outcome(finished: &crate::event::Finished) -> Shade {
    match finished.outcome {
        Outcome::NotRecorded { .. } => Shade::Warn,
        Outcome::Verified if !finished.warnings.is_empty() => Shade::Warn,
        Outcome::Verified | Outcome::NothingToDo | Outcome::Restored => Shade::Good,
        Outcome::RolledBack { .. } | Outcome::RollbackFailed { .. } => Shade::Bad,
        Outcome::Stopped { .. } | Outcome::GaveUp => Shade::Bad,
        Outcome::Withdrawn { .. } | Outcome::Dropped { .. } => Shade::Skip,
    }
}
