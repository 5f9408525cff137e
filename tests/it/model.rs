//! The queue's protocol, model-checked: every interleaving of a few processes, with the product's own rules.
//!
//! `DATAPIN_MODEL=full` explores the larger configurations as well.

mod act;
mod drive;
mod fence;
mod gitlab;
mod graph;
mod properties;
mod setup;
mod sight;
mod spread;
mod walk;
mod world;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;

use stateright::{Checker, HasDiscoveries, Model};

use act::{Act, Protocol};
use graph::print;
use properties::{CLEAN, DEPLOYED, ONE_DRIVER};
use setup::{Budget, Job, Kind, Mutation, Role, Setup, Task};
use world::World;

const A: Job = Job { key: "a", environments: &[0], version: 1, kind: Kind::Deploy };
const B: Job = Job { key: "b", environments: &[0, 1], version: 2, kind: Kind::Deploy };
const C: Job = Job { key: "c", environments: &[1], version: 3, kind: Kind::Deploy };
const D: Job = Job { key: "d", environments: &[0], version: 2, kind: Kind::Deploy };
/// Pins what is there already.
const SAME: Job = Job { key: "z", environments: &[0], version: 0, kind: Kind::Deploy };
const BACK: Job = Job { key: "r", environments: &[0], version: 0, kind: Kind::Rollback };

const CALM: Budget = Budget {
    crashes: 0,
    suspicions: 0,
    unknown: 0,
    unheard: 0,
    cancels: 0,
    failures: 0,
    entries: 0,
    strangers: 0,
    pipelines: 0,
    resets: 0,
};

fn setup(name: &'static str, jobs: &[Job], bots: &[Role], budget: Budget) -> Setup {
    Setup { name, jobs: jobs.to_vec(), bots: bots.to_vec(), branch: [0, 1], budget, mutation: None }
}

/// Explores all of it and asserts the five properties; `met` has to have happened somewhere.
fn holds(setup: Setup, met: &[&str]) {
    let name = setup.name;
    let began = std::time::Instant::now();
    let checker = Protocol::new(setup.clone()).checker().spawn_bfs().join();
    checker.model().replays.store(true, Ordering::Relaxed);
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let acts: Vec<String> = path.clone().into_actions().iter().map(|act| format!("{act:?}")).collect();
        panic!("model {name}: {property}\n{}\n{:#?}", acts.join("\n"), path.last_state());
    }
    let seen = checker.model().met.lock().expect("no panic while held").clone();
    for what in met {
        assert!(seen.contains_key(what), "model {name}: nothing of the sort happened: {what}; but {seen:?}");
    }
    if let Some(stuck) = checker.model().graph.stuck() {
        panic!("model {name}: no empty queue is reachable from here\n{}", way_to(setup, stuck));
    }
    let (states, took) = (checker.unique_state_count(), began.elapsed());
    println!("model {name}: {states} states, properties hold ({took:.1?})");
}

/// The shortest way to a state, for people.
fn way_to(setup: Setup, state: u64) -> String {
    let protocol = Protocol::new(setup);
    let first = protocol.init_states().remove(0);
    let mut before: HashMap<u64, Option<(u64, Act)>> = HashMap::from([(print(&first), None)]);
    let mut open: VecDeque<World> = VecDeque::from([first]);
    let mut last = String::new();
    while let Some(world) = open.pop_front() {
        if print(&world) == state {
            last = format!("{world:#?}");
            break;
        }
        for (act, next) in protocol.next_steps(&world) {
            before.entry(print(&next)).or_insert_with(|| {
                open.push_back(next.clone());
                Some((print(&world), act))
            });
        }
    }
    let mut way = vec![last];
    let mut at = state;
    while let Some(Some((earlier, act))) = before.get(&at) {
        way.push(format!("{act:?}"));
        at = *earlier;
    }
    way.reverse();
    way.join("\n")
}

/// A rule left out has to break this property.
fn breaks(setup: Setup, mutation: Mutation, property: &'static str) {
    let name = setup.name;
    let setup = Setup { mutation: Some(mutation), ..setup };
    let when = HasDiscoveries::AnyOf([property].into());
    let mut protocol = Protocol::new(setup);
    protocol.watched = Some(property);
    let checker = protocol.checker().finish_when(when).spawn_bfs().join();
    checker.model().replays.store(true, Ordering::Relaxed);
    let path = checker.discovery(property);
    let path = path.unwrap_or_else(|| panic!("model {name}: {mutation:?} has to break: {property}"));
    let acts = path.into_actions();
    println!("model {name}: {mutation:?} breaks: {property} ({} steps)", acts.len());
    assert!(acts.len() > 1, "the beginning is sound");
}

use Role::{LastReconcile, Reconcile, Run, Step, Stranger};

const fn step(task: Task) -> Role {
    Step(0, task)
}

const ENTER: Role = step(Task::Enter);
const DEPLOY: Role = step(Task::Deploy(0));
const OTHER: Role = step(Task::Deploy(1));
const GATE: Role = step(Task::Gate);
const RECORD: Role = step(Task::Record);
const ROLLBACK: Role = step(Task::Rollback(0));
const FINISH: Role = step(Task::Finish);

#[test]
fn a_job_and_its_retry() {
    let budget = Budget { crashes: 2, suspicions: 2, unknown: 1, failures: 1, ..CALM };
    let met = ["settle", "rejoined, forward", "landed late", "lost race"];
    holds(setup("retry", &[A], &[Run(0), Run(0), LastReconcile], budget), &met);
}

#[test]
fn two_runs_that_meet() {
    let budget = Budget { crashes: 1, suspicions: 1, unknown: 1, entries: 1, ..CALM };
    let met = ["settle", "taken over, forward", "drop", "enters again"];
    holds(setup("two", &[A, B], &[Run(0), Run(1), LastReconcile], budget), &met);
}

#[test]
fn three_runs_two_environments() {
    let budget = Budget { crashes: 2, ..CALM };
    holds(setup("three", &[A, B, C], &[Run(0), Run(1), Run(2), LastReconcile], budget), &["drop"]);
}

#[test]
fn a_reconcile_beside_runs() {
    let budget = Budget { crashes: 1, suspicions: 1, ..CALM };
    holds(setup("reconcile", &[A, B], &[Run(0), Run(1), Reconcile], budget), &["settle"]);
}

#[test]
fn a_rollback_with_priority() {
    let budget = Budget { crashes: 1, suspicions: 1, unknown: 1, ..CALM };
    holds(setup("rollback", &[A, BACK], &[Run(0), Run(1), LastReconcile], budget), &["settle"]);
}

#[test]
fn a_rollback_that_passes_a_waiting_run() {
    let budget = Budget { crashes: 1, suspicions: 1, ..CALM };
    holds(setup("passing", &[A, B, BACK], &[Run(0), Run(1), Run(2), LastReconcile], budget), &["settle"]);
}

#[test]
fn one_branch_for_both_environments() {
    let budget = Budget { crashes: 1, suspicions: 1, strangers: 1, ..CALM };
    let shared =
        Setup { branch: [0, 0], ..setup("shared", &[A, C], &[Run(0), Run(1), LastReconcile], budget) };
    holds(shared, &["lost race"]);
}

#[test]
fn writers_that_do_not_hear_back() {
    let budget = Budget { crashes: 1, suspicions: 1, unheard: 2, ..CALM };
    holds(setup("unheard", &[A, B], &[Run(0), Run(1), LastReconcile], budget), &["unheard", "settle"]);
}

#[test]
fn a_wish_to_cancel() {
    let budget = Budget { crashes: 1, suspicions: 1, cancels: 1, ..CALM };
    let met = ["cancelled while it waited", "cancelled at work"];
    holds(setup("cancel", &[A, B], &[Run(0), Run(1), LastReconcile], budget), &met);
}

#[test]
fn an_environment_that_a_taker_does_not_know() {
    let budget = Budget { crashes: 1, suspicions: 1, ..CALM };
    let met = ["freeze", "reconcile enters"];
    holds(setup("stranger", &[B, A], &[Run(0), Stranger(1), Reconcile], budget), &met);
}

#[test]
fn a_rollback_that_fails() {
    let budget = Budget { crashes: 1, failures: 2, ..CALM };
    holds(setup("freeze", &[B, A], &[Run(0), Run(1), Reconcile], budget), &["freeze", "reconcile enters"]);
}

#[test]
fn a_run_spread_over_jobs() {
    let budget = Budget { crashes: 1, failures: 1, unknown: 1, ..CALM };
    let met = ["a report", "a bad report", "a job drives", "reconcile takes a spread run"];
    let bots = [ENTER, DEPLOY, OTHER, GATE, RECORD, ROLLBACK, FINISH, LastReconcile];
    holds(setup("steps", &[A], &bots, budget), &met);
}

#[test]
fn jobs_that_are_lost_and_retried() {
    let budget = Budget { suspicions: 1, unheard: 1, ..CALM };
    let met = ["a job is written off", "a report is refused", "unheard", "superseded driver stops"];
    let bots = [ENTER, DEPLOY, DEPLOY, GATE, RECORD, FINISH, LastReconcile];
    holds(setup("steps retried", &[A], &bots, budget), &met);
}

#[test]
fn enter_jobs_that_meet() {
    let budget = Budget { suspicions: 1, unheard: 1, crashes: 1, ..CALM };
    let bots = [ENTER, ENTER, DEPLOY, FINISH, LastReconcile];
    holds(setup("steps enter", &[A], &bots, budget), &["a job waits for a run that another one started"]);
}

/// The jobs of a pipeline beside a run that waits behind it.
const BESIDE: [Role; 7] = [ENTER, DEPLOY, GATE, RECORD, FINISH, Run(1), LastReconcile];

#[test]
fn a_cancelled_pipeline_and_the_next_in_line() {
    let budget = Budget { crashes: 1, pipelines: 1, ..CALM };
    let met =
        ["a pipeline is cancelled", "the next in line takes a spread run", "reconcile takes a spread run"];
    holds(setup("steps cancelled", &[A, D], &BESIDE, budget), &met);
}

/// The jobs of a cancelled pipeline, and those of its second attempt, under the same number.
const TWICE: [Role; 8] = [ENTER, DEPLOY, ENTER, DEPLOY, GATE, RECORD, FINISH, Reconcile];
const LATE: [&str; 2] = ["a late report is stale", "reconcile takes a spread run"];

#[test]
fn a_late_report_of_an_earlier_attempt() {
    let budget = Budget { pipelines: 1, resets: 1, ..CALM };
    holds(setup("steps late", &[SAME], &TWICE, budget), &LATE);
}

#[test]
fn reports_of_another_attempt_or_commit() {
    let budget = Budget { pipelines: 1, ..CALM };
    breaks(setup("steps late", &[SAME], &TWICE, budget), Mutation::AnyAttempt, DEPLOYED);
    breaks(setup("steps late", &[A], &TWICE, budget), Mutation::AnyCommit, DEPLOYED);
}

#[test]
fn settling_left_out_of_a_cancelled_pipeline() {
    let budget = Budget { pipelines: 1, ..CALM };
    let plain = setup("steps cancelled", &[A, D], &BESIDE, budget);
    for property in [ONE_DRIVER, DEPLOYED] {
        breaks(plain.clone(), Mutation::NoSettling, property);
    }
}

#[test]
fn settling_left_out() {
    let budget = Budget { suspicions: 1, ..CALM };
    let plain = setup("two", &[A, B], &[Run(0), Run(1), LastReconcile], budget);
    for property in [ONE_DRIVER, DEPLOYED, CLEAN] {
        breaks(plain.clone(), Mutation::NoSettling, property);
    }
}

#[test]
fn the_queue_read_before_the_branch() {
    let budget = Budget { suspicions: 1, ..CALM };
    let plain = setup("two", &[A, B], &[Run(0), Run(1), LastReconcile], budget);
    for property in [ONE_DRIVER, DEPLOYED] {
        breaks(plain.clone(), Mutation::QueueBeforeBranch, property);
    }
}

#[test]
fn holding_derived_from_the_order() {
    let plain = setup("rollback", &[A, BACK], &[Run(0), Run(1), LastReconcile], CALM);
    for property in [ONE_DRIVER, DEPLOYED] {
        breaks(plain.clone(), Mutation::DerivedHolding, property);
    }
}

/// The larger configurations take minutes.
fn holds_in_full(setup: Setup, met: &[&str]) {
    if std::env::var("DATAPIN_MODEL").is_ok_and(|size| size == "full") {
        holds(setup, met);
    }
}

#[test]
fn full_three_runs_and_a_reconcile() {
    let budget = Budget { crashes: 1, suspicions: 1, ..CALM };
    let bots = [Run(0), Run(1), Run(2), Reconcile];
    holds_in_full(setup("full three", &[A, B, C], &bots, budget), &["settle"]);
}

#[test]
fn full_retry_reconcile_and_rollback() {
    let budget = Budget { crashes: 1, suspicions: 1, unknown: 1, ..CALM };
    let bots = [Run(0), Run(0), Run(1), Reconcile];
    holds_in_full(setup("full rollback", &[A, BACK], &bots, budget), &["settle"]);
}

#[test]
fn full_retry_of_two_environments() {
    let budget = Budget { crashes: 1, suspicions: 1, unknown: 1, unheard: 1, ..CALM };
    let bots = [Run(0), Run(0), Reconcile];
    holds_in_full(setup("full retry", &[B], &bots, budget), &["settle", "rejoined, forward"]);
}

#[test]
fn full_cancel_of_a_retried_job() {
    let budget = Budget { crashes: 1, suspicions: 1, cancels: 1, ..CALM };
    let bots = [Run(0), Run(0), Run(1), LastReconcile];
    holds_in_full(setup("full cancel", &[A, B], &bots, budget), &["cancelled at work"]);
}

#[test]
fn full_stranger() {
    let budget = Budget { crashes: 1, suspicions: 1, unknown: 1, ..CALM };
    let bots = [Run(0), Stranger(1), Reconcile];
    holds_in_full(setup("full stranger", &[B, A], &bots, budget), &["freeze"]);
}

#[test]
fn full_one_branch() {
    let budget = Budget { crashes: 1, suspicions: 2, unknown: 1, strangers: 1, ..CALM };
    let bots = [Run(0), Run(1), LastReconcile];
    let shared = Setup { branch: [0, 0], ..setup("full shared", &[B, C], &bots, budget) };
    holds_in_full(shared, &["lost race", "settle"]);
}

#[test]
fn full_run_spread_over_jobs() {
    let budget = Budget { crashes: 1, suspicions: 1, failures: 1, unknown: 1, ..CALM };
    let bots = [ENTER, DEPLOY, OTHER, GATE, RECORD, ROLLBACK, FINISH, LastReconcile];
    holds_in_full(setup("full steps", &[A], &bots, budget), &["a bad report", "a job is written off"]);
}

#[test]
fn full_jobs_that_are_lost_and_retried() {
    let budget = Budget { suspicions: 1, unknown: 1, unheard: 1, ..CALM };
    let bots = [ENTER, DEPLOY, DEPLOY, GATE, RECORD, FINISH, LastReconcile];
    holds_in_full(setup("full steps retried", &[A], &bots, budget), &["landed late", "unheard"]);
}

#[test]
fn full_cancelled_pipeline() {
    let budget = Budget { crashes: 1, unknown: 1, pipelines: 1, ..CALM };
    let met = ["the next in line takes a spread run", "reconcile takes a spread run", "settle"];
    holds_in_full(setup("full steps cancelled", &[A, D], &BESIDE, budget), &met);
}

#[test]
fn full_late_report() {
    let budget = Budget { pipelines: 1, resets: 1, ..CALM };
    holds_in_full(setup("full steps late", &[A], &TWICE, budget), &LATE);
}
