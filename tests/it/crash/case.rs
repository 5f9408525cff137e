//! One case: a bot is killed at one point, and another puts in order what it left.

use std::time::Duration;

use super::check::{Witness, violations};
use super::scenario::{NEXT, Place};
use super::wire::{Blow, Plan, Point, Side};
use crate::world::{Done, NEW};

/// How long a bot may take that puts something in order.
const LIMIT: Duration = Duration::from_secs(90);

/// Who puts in order what a killed bot left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finisher {
    /// The next `deploy` of another version.
    Deploy,
    /// `reconcile`.
    Reconcile,
}

impl Finisher {
    /// Both.
    pub const ALL: [Self; 2] = [Finisher::Deploy, Finisher::Reconcile];

    /// The one of a case, where only one is asked for.
    pub fn by_turns(number: usize) -> Self {
        Self::ALL[number % 2]
    }
}

/// What was tried, and what came of it.
pub struct Row {
    /// Scenario.
    pub scenario: &'static str,
    /// Where, and which side.
    pub point: Point,
    /// When.
    pub side: Side,
    /// Who came next.
    pub finisher: Finisher,
    /// State of the run in the queue when the blow fell.
    pub state: String,
    /// How it ended.
    pub outcome: String,
    /// What should not be.
    pub violations: Vec<String>,
    /// Whether the point was reached.
    pub reached: bool,
}

/// Lets a bot be killed and another one put everything in order.
pub fn kill(place: &Place, number: usize, point: Point, side: Side, finisher: Finisher) -> Row {
    place.reset();
    let said = place.world.chat().messages().len();
    place.wire.arm(Some(Plan { point, side, blow: Blow::Kill }));
    let victim =
        place.world.datapin(&["deploy", place.scenario.pipeline, NEW]).by(&format!("victim-{number}"));
    let victim = victim.spawn();
    place.wire.victim(victim.pid());
    let victim = victim.wait(LIMIT);
    let reached = place.wire.fell();
    place.wire.disarm();
    let left = Witness::of(place, said);
    let next = put_in_order(place, number, finisher);
    let mut violations = violations(place, &left, &Witness::of(place, said), finisher, &next);
    violations.extend(land_late(place, side));
    if reached == victim.code.is_some() {
        violations.push(format!("the victim ended with {:?}:\n{}", victim.code, victim.stderr));
    }
    let outcome = outcome(place, &left, said, &next);
    for name in ["victim", "next"] {
        let _ = std::fs::remove_dir_all(place.world.dir().join(format!("bots/{name}-{number}")));
    }
    if !violations.is_empty() {
        violations.push(format!("the victim said:\n{}{}", victim.stdout, victim.stderr));
        violations.push(format!(
            "the next one ended with {:?} and said:\n{}{}",
            next.code, next.stdout, next.stderr
        ));
    }
    Row {
        scenario: place.scenario.name,
        point,
        side,
        finisher,
        state: left.state(),
        outcome,
        violations,
        reached,
    }
}

fn put_in_order(place: &Place, number: usize, finisher: Finisher) -> Done {
    let args = match finisher {
        Finisher::Deploy => vec!["deploy", place.scenario.pipeline, NEXT],
        Finisher::Reconcile => vec!["reconcile"],
    };
    place.world.datapin(&args).by(&format!("next-{number}")).spawn().wait(LIMIT)
}

/// A push that was under way all the time arrives at last: nothing of it may stay.
fn land_late(place: &Place, side: Side) -> Vec<String> {
    let tips = || ["main", crate::world::QUEUE].map(|branch| place.world.tip(branch));
    let before = tips();
    place.wire.release();
    match side == Side::Late && tips() != before {
        true => vec![format!("a push that came late landed: {:?}", place.world.subjects().first())],
        false => Vec::new(),
    }
}

fn outcome(place: &Place, left: &Witness, said: usize, next: &Done) -> String {
    let now = Witness::of(place, said);
    let line = match (now.line(NEW), left.entered()) {
        (Some(line), _) => line["outcome"].as_str().unwrap_or("?").to_owned(),
        (None, true) => "no line".to_owned(),
        (None, false) => "never entered".to_owned(),
    };
    let standing: Vec<String> = place
        .scenario
        .environments
        .iter()
        .map(|name| match place.world.freeze(name) {
            Some(_) => "frozen".to_owned(),
            None => place.world.versions(name).join("+"),
        })
        .collect();
    let code = next.code.map_or("killed".to_owned(), |code| code.to_string());
    format!("{line}; {}; exit {code}", standing.join(" "))
}
