//! Stalls: a bot is stopped, another takes its run over by a clock that is an hour wrong, and the first one wakes up.

use std::path::PathBuf;

use jiff::Timestamp;

use super::case::{Case, Finisher, LIMIT, Row, next, outcome, strike};
use super::check::{Witness, violations};
use super::matrix::Extent;
use super::scenario::{Begun, Fault, Place, Scenario};
use super::wire::{Blow, Kind, Point, Side};
use crate::world::{Bot, QUEUE, Signal};

impl Scenario {
    /// Whether bots are stopped in it.
    pub fn stalls(&self, extent: Extent) -> bool {
        match (extent, self.fault) {
            (Extent::Short, fault) => self.short && fault == Fault::None,
            (Extent::Full, Fault::None | Fault::Gate(_)) => self.begun == Begun::No && self.pipeline == "int",
            (Extent::Full, Fault::Breaks(..) | Fault::NoWayBack) => false,
        }
    }
}

/// Where bots are stopped: at pushes and announcements, while they wait for an agent, and while a gate runs.
pub fn cases(seen: &[Point], extent: Extent) -> Vec<Case> {
    let mut all = Vec::new();
    for point in seen {
        let sides: &[Side] = match (point.kind, extent) {
            (Kind::Queue, Extent::Short) if point.nth < 3 => &[],
            (Kind::Queue, Extent::Short) => &[Side::Before],
            (Kind::Queue | Kind::Target | Kind::Chat, _) => &[Side::Before, Side::After],
            (Kind::Gate, _) => &[Side::AfterBeat],
            (Kind::Agent, Extent::Full) if point.nth == 1 => &[Side::AfterBeat],
            (Kind::Agent | Kind::Read | Kind::Parameter | Kind::Copy | Kind::Look, _) => &[],
        };
        all.extend(sides.iter().map(|side| (*point, *side)));
    }
    let numbered = all.into_iter().enumerate();
    numbered
        .map(|(number, (point, side))| Case { number, point, side, finisher: Finisher::by_turns(number) })
        .collect()
}

/// Stops a bot, lets another one put its run in order, and lets the first one go on.
pub fn stall(place: &Place, case: Case) -> Row {
    let (mut victim, said) = strike(place, case, Blow::Stop);
    place.world.until("the blow falls", LIMIT, || place.wire.fell() || !victim.runs());
    let reached = place.wire.fell();
    if !reached {
        // or it would fall on the next one
        place.wire.disarm();
    }
    let left = Witness::of(place, said);
    let taker = wrong_by_an_hour(next(place, case), case.number).spawn().wait(LIMIT);
    let now = Witness::of(place, said);
    let mut violations = violations(place, &left, &now, case.finisher, &taker);
    let told = outcome(place, &left, said, &taker);
    let tips = || ["main", QUEUE].map(|branch| place.world.tip(branch));
    let before = tips();
    if reached {
        victim.signal(Signal::CONT);
    }
    place.wire.release();
    let victim = victim.wait(LIMIT);
    place.wire.disarm();
    let code = victim.code.map_or("killed".to_owned(), |code| code.to_string());
    let woke = woke(place, &left);
    if !woke.contains(&victim.code.unwrap_or(-1)) {
        violations.push(format!("the one that woke up ended with {code}, not with one of {woke:?}"));
    }
    if woke == [18] && tips() != before {
        violations.push(format!("the one that woke up left something: {:?}", place.world.subjects().first()));
    }
    if woke == [18] && now.line().is_some_and(|line| hours(line) < 0.9) {
        violations.push("the clocks did not differ by an hour".to_owned());
    }
    violations.extend(place.stores_differ(&place.world.queue()));
    if !place.world.queue().tickets.is_empty() {
        violations.push(format!("the queue is not empty:\n{}", place.world.queue()));
    }
    let outcome = format!("{told}; woke up: {code}");
    Row { scenario: place.scenario.name, case, state: left.state(), outcome, violations, reached }
        .tidy(place, &victim, &taker)
}

/// How the stopped one may end: a run that held its environments was taken over; one that only waited enters again;
/// one that was over is over.
fn woke(place: &Place, left: &Witness) -> Vec<i32> {
    match left.state().as_str() {
        "not entered" | "waiting" | "ended" => vec![place.scenario.exit],
        _ => vec![18],
    }
}

/// How many hours lie between the beginning and the end of a run, by those who wrote them down.
fn hours(line: &serde_json::Value) -> f64 {
    let at = |key: &str| line[key].as_str().unwrap().parse::<Timestamp>().unwrap();
    at("finished").duration_since(at("entered")).as_secs_f64().abs() / 3600.0
}

/// The wall clock of every second bot is an hour fast, that of the others an hour slow.
fn wrong_by_an_hour(bot: Bot, number: usize) -> Bot {
    let by = if number % 4 < 2 { "+1h" } else { "-1h" };
    bot.env("LD_PRELOAD", &faketime().display().to_string())
        .env("FAKETIME", by)
        .env("DONT_FAKE_MONOTONIC", "1")
}

fn faketime() -> PathBuf {
    let dirs = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let all = dirs.chain([PathBuf::from("/usr/lib")]).map(|dir| dir.join("faketime/libfaketimeMT.so.1"));
    let found = all.into_iter().find(|path| path.exists());
    found.expect("libfaketime is missing; install it: apt-get install -y faketime")
}
