//! One case: a bot is killed at one point, and another puts in order what it left.

use std::time::Duration;

use super::check::{Witness, violations};
use super::scenario::{NEXT, Place};
use super::wire::{Blow, Plan, Point, Side};
use crate::world::{Bot, Done, Running};

/// How long a bot may take that puts something in order.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Who puts in order what a killed bot left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finisher {
    /// The next `deploy` of another version.
    Deploy,
    /// `reconcile`.
    Reconcile,
    /// `resume`.
    Resume,
}

impl Finisher {
    /// Those after whom everything has to be in order.
    pub const ALL: [Self; 2] = [Finisher::Deploy, Finisher::Reconcile];

    /// The one of a case, where only one is asked for.
    pub fn by_turns(number: usize) -> Self {
        Self::ALL[number % 2]
    }
}

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Tells it from the others.
    pub number: usize,
    /// Where the blow falls.
    pub point: Point,
    /// When.
    pub side: Side,
    /// Who comes next.
    pub finisher: Finisher,
}

/// What was tried, and what came of it.
pub struct Row {
    /// Scenario.
    pub scenario: &'static str,
    /// Case.
    pub case: Case,
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
pub fn kill(place: &Place, case: Case) -> Row {
    let (victim, said) = strike(place, case, Blow::Kill);
    let victim = victim.wait(LIMIT);
    let reached = place.wire.fell();
    place.wire.disarm();
    let left = Witness::of(place, said);
    let next = next(place, case).spawn().wait(LIMIT);
    let mut violations = violations(place, &left, &Witness::of(place, said), case.finisher, &next);
    violations.extend(land_late(place, case.side));
    if case.side == Side::Late {
        violations.extend(place.mended_after_a_late_write(case.number));
    }
    if reached == victim.code.is_some() {
        violations.push(format!("the victim ended with {:?}", victim.code));
    }
    let outcome = outcome(place, &left, said, &next);
    Row { scenario: place.scenario.name, case, state: left.state(), outcome, violations, reached }
        .tidy(place, &victim, &next)
}

/// Starts the bot that the blow falls on. Also how much the chat had heard before.
pub fn strike(place: &Place, case: Case, blow: Blow) -> (Running, usize) {
    place.reset();
    let said = place.world.chat().messages().len();
    place.wire.arm(Some(Plan { point: case.point, side: case.side, blow }));
    let victim = place.bot(place.scenario.victim).by(&format!("victim-{}", case.number)).spawn();
    place.wire.victim(victim.pid());
    (victim, said)
}

/// Who puts in order what was left.
pub fn next(place: &Place, case: Case) -> Bot {
    let args = match case.finisher {
        Finisher::Deploy => vec!["deploy", place.scenario.pipeline, NEXT],
        Finisher::Reconcile => vec!["reconcile"],
        Finisher::Resume => vec!["resume"],
    };
    place.bot(&args).by(&format!("next-{}", case.number))
}

impl Row {
    /// Removes what the bots left on the disk, and adds what they said to what is wrong.
    pub fn tidy(mut self, place: &Place, victim: &Done, next: &Done) -> Self {
        for name in ["victim", "next"] {
            let _ =
                std::fs::remove_dir_all(place.world.dir().join(format!("bots/{name}-{}", self.case.number)));
        }
        if !self.violations.is_empty() {
            for (who, done) in [("victim", victim), ("next one", next)] {
                let Done { code, stdout, stderr, .. } = done;
                self.violations.push(format!("the {who} ended with {code:?} and said:\n{stdout}{stderr}"));
            }
        }
        self
    }
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

/// In words: the killed run's line, what is pinned, how the next one ended.
pub fn outcome(place: &Place, left: &Witness, said: usize, next: &Done) -> String {
    let now = Witness::of(place, said);
    let line = match (now.line(), left.entered()) {
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
