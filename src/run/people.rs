//! A person's word to a run.

use super::RunError;
use super::context::Context;
use crate::config::{Config, Gate, next_gates};
use crate::queue::{About, Approval, GateRecord, Lives, StageStep, State, Store, Ticket};

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

/// The manual gate for whose job a run in jobs waits now; none while another gate before it has not ended.
pub fn asked_now<'c>(config: &'c Config, ticket: &Ticket) -> Option<&'c Gate> {
    let open: Vec<&Gate> =
        open_gates(ticket).iter().filter_map(|gate| config.gates.get(&gate.name)).collect();
    next_gates(&open).into_iter().next().filter(|gate| gate.asks_a_person())
}
