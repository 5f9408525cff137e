//! All cases of a scenario, in several worlds side by side, and the table of what came of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Instant;

use super::case::{Case, Finisher, Row};
use super::scenario::{ALL, Place, Scenario};
use super::wire::{Kind, Point, Side};

/// Worlds side by side: a case mostly waits for `ttl`. Beside all the other tests there are fewer.
fn worlds(extent: Extent) -> usize {
    match extent {
        Extent::Short => 3,
        Extent::Full => 6,
    }
}

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Writes, with the next one by turns.
    Short,
    /// Everything.
    Full,
}

/// What was tried, and what came of it.
#[derive(Default)]
pub struct Matrix {
    rows: Vec<Row>,
}

/// Tries a case.
pub type Try = fn(&Place, Case) -> Row;

impl Matrix {
    /// Tries all cases of a scenario; which these are follows from what an undisturbed run does.
    pub fn run(
        &mut self,
        scenario: &'static Scenario,
        extent: Extent,
        which: impl Fn(&[Point]) -> Vec<Case>,
        attempt: Try,
    ) {
        let begun = Instant::now();
        let first = Place::new(scenario);
        let cases = which(&undisturbed(&first));
        let count = cases.len();
        let left = Mutex::new(VecDeque::from(cases));
        let done = Mutex::new(Vec::new());
        let work = |place: &Place| {
            loop {
                let case = left.lock().unwrap().pop_front();
                let Some(case) = case else { return };
                let row = std::panic::catch_unwind(AssertUnwindSafe(|| attempt(place, case)))
                    .unwrap_or_else(|panic| panicked(scenario, case, panic.as_ref()));
                done.lock().unwrap().push(row);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..worlds(extent) {
                scope.spawn(|| work(&Place::new(scenario)));
            }
            work(&first);
        });
        let mut rows = done.into_inner().unwrap();
        rows.sort_by_key(|row: &Row| row.case.number);
        if self.rows.is_empty() {
            println!("{HEAD}");
        }
        for row in &rows {
            println!("{row}");
        }
        println!("{}: {count} cases in {:.0} s", scenario.name, begun.elapsed().as_secs_f32());
        self.rows.extend(rows);
    }

    /// States in which a bot was killed, without the number of the stage.
    pub fn states(&self) -> BTreeSet<&str> {
        self.reached().filter_map(|row| row.state.split(' ').next()).collect()
    }

    /// Fails if anything was as it should not be.
    pub fn judge(&self) {
        let bad: Vec<String> = self
            .rows
            .iter()
            .filter(|row| !row.violations.is_empty())
            .map(|row| {
                let Case { point, side, finisher, .. } = row.case;
                let words = row.violations.join("\n");
                format!("== {}, {point}, {side}, then {finisher:?}\n{words}", row.scenario)
            })
            .collect();
        assert!(bad.is_empty(), "{} of {} cases went wrong:\n{}", bad.len(), self.rows.len(), bad.join("\n"));
        let reached = self.reached().count();
        assert!(
            reached * 10 >= self.rows.len() * 9,
            "only {reached} of {} points were reached",
            self.rows.len()
        );
    }

    fn reached(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.reached)
    }
}

fn panicked(scenario: &Scenario, case: Case, panic: &dyn std::any::Any) -> Row {
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Row {
        scenario: scenario.name,
        case,
        state: "?".to_owned(),
        outcome: "the case ended early".to_owned(),
        violations: vec![words.unwrap_or_default()],
        reached: true,
    }
}

/// What a run does to the outside when nobody disturbs it.
fn undisturbed(place: &Place) -> Vec<Point> {
    place.reset();
    place.wire.arm(None);
    place.bot(place.scenario.victim).by("undisturbed").run().code(place.scenario.exit);
    place.wire.disarm()
}

/// Where bots are killed: at writes, at the first and the last agent call and gate, and in the first scenario at every
/// third of the reads between two writes. Both come next after a write that was done and not heard of; else by turns.
pub fn cases(seen: &[Point], scenario: &Scenario, extent: Extent) -> Vec<Case> {
    let mut cases: Vec<(Point, Side)> = Vec::new();
    let mut reads = 0;
    for (at, point) in seen.iter().enumerate() {
        let sides: &[Side] = match point.kind {
            Kind::Queue | Kind::Target if extent == Extent::Full => &[Side::Before, Side::After, Side::Late],
            Kind::Queue | Kind::Target | Kind::Chat => &[Side::Before, Side::After],
            Kind::Agent | Kind::Gate if is_edge(*point, seen, scenario) => match extent {
                Extent::Full => &[Side::Before, Side::After, Side::AfterBeat],
                Extent::Short => &[Side::AfterBeat],
            },
            Kind::Read
                if extent == Extent::Full
                    && scenario.name == ALL[0].name
                    && at.checked_sub(1).is_none_or(|at| seen[at].kind != Kind::Read) =>
            {
                reads += 1;
                if reads % 3 == 1 { &[Side::Before, Side::After] } else { &[] }
            }
            Kind::Read | Kind::Agent | Kind::Gate | Kind::Parameter | Kind::Copy | Kind::Look => &[],
        };
        cases.extend(sides.iter().map(|side| (*point, *side)));
    }
    let both = |point: Point, side: Side| {
        extent == Extent::Full && matches!(point.kind, Kind::Queue | Kind::Target) && side == Side::After
    };
    let mut all = Vec::new();
    for (turn, (point, side)) in cases.into_iter().enumerate() {
        let finishers = match both(point, side) {
            true => Finisher::ALL.to_vec(),
            false => vec![Finisher::by_turns(turn)],
        };
        all.extend(finishers.into_iter().map(|finisher| (point, side, finisher)));
    }
    all.into_iter()
        .enumerate()
        .map(|(number, (point, side, finisher))| Case { number, point, side, finisher })
        .collect()
}

/// The first call, and the last that every run makes: each service is asked in its stage and once more at the end.
fn is_edge(point: Point, seen: &[Point], scenario: &Scenario) -> bool {
    let count = seen.iter().filter(|other| other.kind == point.kind).count();
    let last = match point.kind {
        Kind::Agent => count.min(scenario.environments.len() * 8),
        _ => count,
    };
    point.nth == 1 || point.nth == last
}

const HEAD: &str = "scenario            killed at         side          then       state         outcome";

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Row { scenario, case, state, outcome, violations, reached } = self;
        let Case { point, side, finisher, .. } = case;
        let point = point.to_string();
        let (then, state) = (format!("{finisher:?}"), if *reached { state } else { "not reached" });
        let bad = if violations.is_empty() { "" } else { "  WRONG" };
        write!(f, "{scenario:<19} {point:<17} {side:<13} {then:<10} {state:<13} {outcome}{bad}")
    }
}

impl std::fmt::Display for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.reached() {
            *states.entry(&row.state).or_default() += 1;
        }
        let states: Vec<String> = states.iter().map(|(state, count)| format!("{state} {count}")).collect();
        write!(f, "{} cases, while the run was: {}", self.rows.len(), states.join(", "))
    }
}
