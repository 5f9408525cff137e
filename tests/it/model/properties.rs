//! What has to hold in every state. The fifth property is one of the whole graph: see `graph.rs`.

use datapin::queue::*;
use stateright::Property;

use super::act::Protocol;
use super::setup::NAMES;
use super::spread::said;
use super::world::{Drive, Fault, Pc, Push, Step, World};

pub const ONE_DRIVER: &str = "1 one valid driver changes an environment";
pub const DEPLOYED: &str = "2 what is verified is what is deployed";
pub const FIRST_COME: &str = "3 first come first served within a priority";
pub const CLEAN: &str = "4 an empty queue leaves nothing unverified";

pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_DRIVER, |_, world| one_driver(world)),
        Property::always(DEPLOYED, |protocol, world| deployed(protocol, world) && vouched(world)),
        Property::always(FIRST_COME, |_, world: &World| !world.faults.contains(&Fault::Overtook)),
        Property::always(CLEAN, clean),
    ]
}

/// No commit of a superseded driver lands after its successor, and no two holders have an environment.
fn one_driver(world: &World) -> bool {
    let holders: Vec<&Ticket> = world.queue.tickets.values().filter(|ticket| ticket.state.holds()).collect();
    let shared = |at: usize, one: &Ticket| holders[at + 1..].iter().any(|other| other.meets(one));
    let overruled = [Fault::Superseded, Fault::Stray, Fault::DeadLanded];
    !holders.iter().enumerate().any(|(at, one)| shared(at, one))
        && !overruled.iter().any(|fault| world.faults.contains(fault))
}

/// Wherever no run is at work, the tip holds what the record says; the commit point ends the work.
fn deployed(protocol: &Protocol, world: &World) -> bool {
    let working = |at: usize| {
        let here = world.queue.tickets.values().filter(|ticket| ticket.part(NAMES[at]).is_some());
        here.into_iter()
            .any(|ticket| matches!(ticket.state, State::Deploying { .. } | State::RollingBack { .. }))
    };
    let same = |at: usize| world.branches[protocol.setup.branch[at]].values[at] == world.recorded(at);
    (0..NAMES.len()).all(|at| working(at) || world.frozen(at).is_some() || same(at))
}

/// What a spread run verifies was seen by jobs that watched this very commit, in this very attempt.
fn vouched(world: &World) -> bool {
    let spread = |ticket: &&Ticket| ticket.lives != Lives::Process && ticket.state == State::Verified;
    let verified = world.queue.tickets.values().filter(spread);
    verified.into_iter().all(|ticket| {
        let by_eyes = |part: &EnvironmentPart| {
            let Some(commit) = &part.commit else { return part.services.is_empty() };
            let seen = said(ticket.attempt, commit);
            part.services.iter().all(|service| service.reason == seen)
                && ticket.stages[0].gates.iter().all(|gate| gate.summary == seen)
        };
        ticket.parts().all(by_eyes)
    })
}

/// Nothing unverified is there, and nothing can land any more.
fn clean(protocol: &Protocol, world: &World) -> bool {
    let held = world.bots.iter().filter_map(|pc| match pc {
        Pc::Drive(Drive { step: Step::Push { push }, .. }) => Some(push),
        _ => None,
    });
    let may_land = |push: &Push| world.branches[push.branch].height == push.parent && !world.is_carried(push);
    !world.queue.tickets.is_empty()
        || (deployed(protocol, world) && !world.flying.iter().chain(held).any(may_land))
}

/// Where every run has ended: an empty queue, and no work left behind a freeze.
pub fn is_at_rest(world: &World) -> bool {
    let carries = |freeze: &Freeze| freeze.origin.carried().is_some();
    world.queue.tickets.is_empty() && !(0..NAMES.len()).any(|at| world.frozen(at).is_some_and(carries))
}
