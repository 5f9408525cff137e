//! What happened between two versions of a ticket.

use jiff::Timestamp;

use crate::event::{Entered, Event, PinChange, Place, What};
use crate::queue::{
    Action, EnvironmentPart, Fate, Outcome, ServiceRecord, ServiceState, StageRecord, StageStep, State,
    Ticket,
};
use crate::run::close;

/// The events that lead from one version to the next, from entering on.
pub(super) fn events(versions: &[(Timestamp, Ticket)]) -> Vec<Event> {
    let Some((_, first)) = versions.first() else { return Vec::new() };
    let entered = Entered { number: first.number, place: Place::New, summary: close::summary(first) };
    let mut events = vec![(first.times.entered, What::Entered(entered))];
    let mut before = None;
    for (at, ticket) in versions {
        events.extend(step(before, ticket, *at));
        before = Some(ticket);
    }
    events.into_iter().map(|(at, what)| Event { at, run: first.run.clone(), what }).collect()
}

fn step(before: Option<&Ticket>, ticket: &Ticket, at: Timestamp) -> Vec<(Timestamp, What)> {
    let mut found = Vec::new();
    if let (None, Some(started)) = (before.and_then(|ticket| ticket.times.started), ticket.times.started) {
        found.push((started, What::Started(close::summary(ticket))));
    }
    let mut now = Vec::new();
    for (index, stage) in ticket.stages.iter().enumerate() {
        let old = before.and_then(|ticket| ticket.stages.get(index));
        pins((index, ticket.stages.len()), stage, old, &mut now);
        services(stage, old, is_forward, &mut now);
        gates_begin(index, stage, before, ticket, &mut now);
        gates_end(index, stage, old, &mut now);
    }
    now.extend(rolling_back(before, ticket));
    for (index, stage) in ticket.stages.iter().enumerate() {
        let old = before.and_then(|ticket| ticket.stages.get(index));
        reverts(stage, old, &mut now);
        services(stage, old, |state| !is_forward(state), &mut now);
    }
    found.extend(now.into_iter().map(|what| (at, what)));
    if let (None, Some(verified)) = (before.and_then(|ticket| ticket.times.verified), ticket.times.verified) {
        let environments = ticket.parts().map(|part| part.identity.name.clone()).collect();
        found.push((verified, What::Verified { environments, version: ticket.version.clone() }));
    }
    found
}

fn is_forward(state: ServiceState) -> bool {
    match state {
        ServiceState::Pending | ServiceState::Syncing | ServiceState::Deployed | ServiceState::Failed => true,
        ServiceState::RollingBack | ServiceState::RolledBack | ServiceState::RollbackFailed => false,
    }
}

/// The same environment in the version before.
fn old_part<'t>(old: Option<&'t StageRecord>, part: &EnvironmentPart) -> Option<&'t EnvironmentPart> {
    old?.environments.iter().find(|old| old.identity.name == part.identity.name)
}

fn pins((index, of): (usize, usize), stage: &StageRecord, old: Option<&StageRecord>, found: &mut Vec<What>) {
    for part in &stage.environments {
        let (Some(commit), None) = (&part.commit, old_part(old, part).and_then(|old| old.commit.as_ref()))
        else {
            continue;
        };
        let names = vec![part.identity.name.clone()];
        found.push(What::Stage { index, of, environments: names.clone() });
        found.push(What::Pinned {
            environments: names,
            branch: part.identity.branch.clone(),
            commit: commit.clone(),
            changes: changes(part),
        });
    }
}

/// What the pin changed; nothing where a commit is only watched.
fn changes(part: &EnvironmentPart) -> Vec<PinChange> {
    let pushed = part.intents.iter().any(|intent| {
        intent.action == Action::Pin
            && intent.fate != Fate::Dead
            && Some(&intent.commit) == part.commit.as_ref()
    });
    let changed = part.pins.iter().filter(|pin| pushed && pin.before.text != pin.after);
    changed.map(|pin| PinChange::of(part, pin)).collect()
}

fn services(
    stage: &StageRecord,
    old: Option<&StageRecord>,
    wanted: impl Fn(ServiceState) -> bool,
    found: &mut Vec<What>,
) {
    for part in &stage.environments {
        let before = old_part(old, part);
        for service in part.services.iter().filter(|service| wanted(service.state)) {
            let same = before.is_some_and(|old| old.services.contains(service));
            if !same && service.state != ServiceState::Pending {
                found.push(What::Service {
                    environment: part.identity.name.clone(),
                    service: service.name.clone(),
                    state: service.state,
                    reason: service.reason.clone(),
                    log: Vec::new(),
                });
            }
        }
    }
}

fn runs_gates(ticket: &Ticket, index: usize) -> bool {
    matches!(ticket.state, State::Deploying { stage, step: StageStep::Gate } if stage == index)
}

fn gates_begin(
    index: usize,
    stage: &StageRecord,
    before: Option<&Ticket>,
    ticket: &Ticket,
    found: &mut Vec<What>,
) {
    if runs_gates(ticket, index) && !before.is_some_and(|before| runs_gates(before, index)) {
        let began = |gate: &crate::queue::GateRecord| What::GateBegan {
            stage: index,
            gate: gate.name.clone(),
            attempt: 1,
        };
        found.extend(stage.gates.iter().map(began));
    }
}

fn gates_end(index: usize, stage: &StageRecord, old: Option<&StageRecord>, found: &mut Vec<What>) {
    for gate in &stage.gates {
        let known = old.and_then(|old| old.gates.iter().find(|old| old.name == gate.name)?.verdict);
        if let (Some(verdict), None) = (gate.verdict, known) {
            found.push(What::GateEnded {
                stage: index,
                gate: gate.name.clone(),
                verdict,
                summary: gate.summary.clone(),
                url: gate.url.clone(),
                log: Vec::new(),
            });
        }
    }
}

fn rolling_back(before: Option<&Ticket>, ticket: &Ticket) -> Option<What> {
    let State::RollingBack { cause } = &ticket.state else { return None };
    if matches!(before.map(|before| &before.state), Some(State::RollingBack { .. })) {
        return None;
    }
    let touched = ticket.parts().filter(|part| part.commit.is_some());
    let mut environments: Vec<String> = touched.map(|part| part.identity.name.clone()).collect();
    environments.reverse();
    Some(What::RollingBack { cause: cause.clone(), environments })
}

fn reverts(stage: &StageRecord, old: Option<&StageRecord>, found: &mut Vec<What>) {
    for part in &stage.environments {
        if let (Some(commit), None) = (&part.revert, old_part(old, part).and_then(|old| old.revert.as_ref()))
        {
            found.push(What::Reverted {
                environments: vec![part.identity.name.clone()],
                branch: part.identity.branch.clone(),
                commit: commit.clone(),
                subject: "the version is taken back".to_owned(),
            });
        }
    }
}

/// How the services ended whose end the last version does not have yet: the outcome says it of each.
pub(super) fn results(ticket: &Ticket, outcome: &Outcome) -> Vec<What> {
    let failures: &[String] = match outcome {
        Outcome::RollbackFailed { failures, .. } => failures,
        Outcome::RolledBack { .. } | Outcome::Restored => &[],
        Outcome::Verified
        | Outcome::NotRecorded { .. }
        | Outcome::NothingToDo
        | Outcome::Stopped { .. }
        | Outcome::Withdrawn { .. }
        | Outcome::GaveUp
        | Outcome::Dropped { .. } => return Vec::new(),
    };
    ticket
        .parts()
        .flat_map(|part| part.services.iter().filter_map(|one| result(part, one, failures)))
        .collect()
}

fn result(part: &EnvironmentPart, service: &ServiceRecord, failures: &[String]) -> Option<What> {
    let name = format!("{}/{}", part.identity.name, service.name);
    let failure = failures.iter().find_map(|one| one.strip_prefix(&name)?.strip_prefix(": "));
    let ended = matches!(service.state, ServiceState::RolledBack | ServiceState::RollbackFailed);
    if ended || (part.revert.is_none() && failure.is_none()) {
        return None;
    }
    Some(What::Service {
        environment: part.identity.name.clone(),
        service: service.name.clone(),
        state: failure.map_or(ServiceState::RolledBack, |_| ServiceState::RollbackFailed),
        reason: failure.unwrap_or_default().to_owned(),
        log: Vec::new(),
    })
}
