//! A person's word to a run.

use std::time::Duration;

use super::RunError;
use super::context::Context;
use crate::config::{Config, Gate, GateKind, next_gates};
use crate::queue::{About, Approval, GateRecord, Lives, RunKind, StageStep, State, Store, Ticket};

/// Writes a person's yes to a manual gate that waits for it. Returns the gate.
///
/// # Errors
/// No gate waits, or several do and none is named.
pub async fn approve(
    context: &Context,
    store: &Store,
    ticket: &Ticket,
    gate: Option<&str>,
    reason: &str,
) -> Result<String, RunError> {
    let gate = waiting(context, ticket, gate)?;
    if let Lives::Pipeline(spread) = &ticket.lives {
        return Err(RunError::NotAllowed(format!(
            "run {} is spread over the jobs of pipeline {} on {}: start the manual job of gate `{gate}` there, \
             that is the approval",
            ticket.run, spread.pipeline, spread.host
        )));
    }
    let approval = Approval { by: context.actor.clone(), reason: reason.to_owned() };
    let (about, subject) =
        (About::of(ticket), format!("#{}: {} approves {gate}", ticket.number, context.actor));
    store.change(&subject, |queue| queue.approve(&about, &gate, &approval)).await?;
    Ok(gate)
}

/// The manual gate that is meant.
fn waiting(context: &Context, ticket: &Ticket, named: Option<&str>) -> Result<String, RunError> {
    let open = open_gates(ticket).into_iter().map(|gate| gate.name.clone());
    let manual = |name: &String| context.config.gates.get(name).is_some_and(Gate::asks_a_person);
    let waiting: Vec<String> = open.filter(manual).collect();
    match (named, waiting.as_slice()) {
        (_, []) => Err(RunError::NotAllowed(format!(
            "no gate of run {} (#{}) waits for a person; it is {}",
            ticket.run,
            ticket.number,
            ticket.state.word()
        ))),
        (Some(name), waiting) if waiting.iter().any(|gate| gate == name) => Ok(name.to_owned()),
        (None, [only]) => Ok(only.clone()),
        (Some(name), waiting) => Err(RunError::Usage(format!(
            "gate `{name}` does not wait for a person; these do: {}",
            waiting.join(", ")
        ))),
        (None, several) => Err(RunError::Usage(format!(
            "several gates wait for a person ({}): say which with --gate",
            several.join(", ")
        ))),
    }
}

/// Gates of the stage that a run is at which have not ended.
pub fn open_gates(ticket: &Ticket) -> Vec<&GateRecord> {
    let State::Deploying { stage, step: StageStep::Gate } = ticket.state else { return Vec::new() };
    let gates = ticket.stages.get(stage).map(|stage| &stage.gates[..]).unwrap_or_default();
    gates.iter().filter(|gate| gate.verdict.is_none()).collect()
}

/// Whose word a run in jobs waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Gate.
    pub gate: &'a str,
    /// Who is asked, in words for people.
    pub who: Option<&'a str>,
    /// How long.
    pub timeout: Duration,
}

/// The manual gate for whose job a run in jobs waits now; none while another gate before it has not ended.
///
/// A gate that asked a person when the run entered and that the configuration does not have any more, or has as
/// something else, waits for as long as it was given then: its job is still there.
pub fn asked_now<'a>(config: &'a Config, ticket: &'a Ticket) -> Option<Asked<'a>> {
    let records = open_gates(ticket);
    let open: Vec<&Gate> = records.iter().filter_map(|record| config.gates.get(&record.name)).collect();
    let known = next_gates(&open).into_iter().next().and_then(asks);
    let forgotten = || {
        let is_asked = |name: &String| config.gates.get(name).is_some_and(Gate::asks_a_person);
        let mut others = records.iter().filter(|record| !is_asked(&record.name));
        others.find_map(|record| {
            let timeout = Duration::try_from(record.asks?).unwrap_or_default();
            Some(Asked { gate: &record.name, who: None, timeout })
        })
    };
    known.or_else(forgotten)
}

fn asks(gate: &Gate) -> Option<Asked<'_>> {
    let GateKind::Manual { who, protected_by: _ } = &gate.kind else { return None };
    Some(Asked { gate: &gate.name, who: who.as_deref(), timeout: gate.timeout })
}

/// What becomes of a run that is asked to cancel, in words: `at its next sign of life it rolls back what it pinned`.
pub fn after_cancel(config: &Config, ticket: &Ticket) -> String {
    let spread = match (&ticket.kind, &ticket.state, &ticket.lives) {
        (_, State::Waiting, _) => return "it leaves the line, and has pinned nothing".to_owned(),
        (RunKind::Rollback { .. }, _, _) => {
            return "a rollback is not stopped half-way: it goes on".to_owned();
        }
        (RunKind::Deploy, State::RollingBack { .. }, _) => return "it goes back already".to_owned(),
        (RunKind::Deploy, State::Verified, _) => {
            return "it is verified already, so nothing is rolled back".to_owned();
        }
        (RunKind::Deploy, State::Started | State::Deploying { .. }, Lives::Process) => {
            return "at its next sign of life it rolls back what it pinned".to_owned();
        }
        (RunKind::Deploy, State::Started | State::Deploying { .. }, Lives::Pipeline(spread)) => spread,
    };
    match (asked_now(config, ticket), &spread.job) {
        (Some(Asked { gate, .. }), _) => format!(
            "its pipeline waits for a person at gate {gate}, so the next `datapin reconcile` rolls back what it pinned"
        ),
        (None, None) => {
            "its jobs stop, and its pipeline or the next `datapin reconcile`, whichever is first, rolls \
                         back what it pinned"
                .to_owned()
        }
        (None, Some(job)) => format!(
            "its job {job} acts now: it stops at its next sign of life, and its pipeline or the next `datapin \
             reconcile`, whichever is first, rolls back what it pinned"
        ),
    }
}
