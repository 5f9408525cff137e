//! The crash matrix: the real binary is killed before and after everything that it does to the outside, one by one.
//!
//! An undisturbed run is watched on all wires ([`wire`]); then for each of its requests a bot is killed there, and
//! once the next `deploy`, once `reconcile` has to bring everything in order ([`check`]). `DATAPIN_MATRIX=full` runs
//! all of it.

mod case;
mod check;
mod matrix;
mod scenario;
mod stall;
mod stores;
mod wire;

use std::collections::BTreeSet;

use matrix::{Extent, Matrix};

/// States of a started run, as `State` names them.
const STATES: [&str; 7] = ["waiting", "started", "pin", "sync", "gate", "verified", "rolling-back"];

fn extent() -> Extent {
    match std::env::var("DATAPIN_MATRIX").as_deref() {
        Ok("full") => Extent::Full,
        _ => Extent::Short,
    }
}

#[test]
fn whatever_kills_a_bot_the_next_one_or_reconcile_puts_in_order() {
    let extent = extent();
    let mut matrix = Matrix::default();
    for scenario in scenario::ALL.iter().filter(|one| extent == Extent::Full || one.short) {
        matrix.run(scenario, extent, |seen| matrix::cases(seen, scenario, extent), case::kill);
    }
    println!("{matrix}");
    let hit: BTreeSet<&str> = matrix.states();
    let missed: Vec<&&str> = STATES.iter().filter(|state| !hit.contains(**state)).collect();
    assert!(extent == Extent::Short || missed.is_empty(), "no bot was killed while {missed:?}");
    matrix.judge();
}

#[test]
fn a_stopped_bot_that_wakes_up_late_leaves_nothing_behind() {
    let extent = extent();
    let mut matrix = Matrix::default();
    for scenario in scenario::ALL.iter().filter(|one| one.stalls(extent)) {
        matrix.run(scenario, extent, |seen| stall::cases(seen, extent), stall::stall);
    }
    println!("{matrix}");
    matrix.judge();
}

/// From the commit point on, and while packages are copied before the pin.
#[test]
fn whatever_kills_a_bot_the_parameter_ends_at_what_is_verified() {
    if crate::moto::Moto::start().is_none() {
        return;
    }
    let extent = extent();
    let mut matrix = Matrix::default();
    for scenario in stores::ALL {
        matrix.run(scenario, extent, |seen| stores::cases(seen, extent), case::kill);
    }
    println!("{matrix}");
    assert!(matrix.states().contains("verified"), "no bot was killed behind the commit point");
    matrix.judge();
}

#[test]
fn a_writer_that_wakes_up_late_leaves_the_parameter_at_what_is_verified() {
    if crate::moto::Moto::start().is_none() {
        return;
    }
    let mut matrix = Matrix::default();
    matrix.run(&stores::ALL[0], extent(), stores::stalls, stall::stall);
    println!("{matrix}");
    matrix.judge();
}
