//! What has to hold whenever somebody has put in order what a killed bot left.

use serde_json::Value;

use super::case::Finisher;
use super::scenario::{Begun, Fault, NEXT, Place, Subject};
use crate::chat::Message;
use crate::world::{Done, Queue};

/// What there is to see from outside.
pub struct Witness {
    queue: Queue,
    /// Lines of the history that every case begins with.
    old: usize,
    subject: Subject,
    heard: Vec<Message>,
}

impl Witness {
    /// As it is now; of the chat what was said after the first `said` messages.
    pub fn of(place: &Place, said: usize) -> Self {
        let heard = place.world.chat().messages().split_off(said);
        Self { queue: place.world.queue(), old: place.lines(), subject: place.scenario.subject, heard }
    }

    /// The state of the killed run in the queue.
    pub fn state(&self) -> String {
        let Some(ticket) = self.queue.tickets.iter().find(|ticket| self.subject.owns(ticket)) else {
            return if self.line().is_some() { "ended".to_owned() } else { "not entered".to_owned() };
        };
        let state = &ticket["state"];
        let name = state["name"].as_str().unwrap_or("?").to_owned();
        match (state["step"].as_str(), state["stage"].as_u64()) {
            (Some(step), Some(stage)) => format!("{step} {}", stage + 1),
            _ => name,
        }
    }

    /// Whether the killed run got into the queue.
    pub fn entered(&self) -> bool {
        self.state() != "not entered"
    }

    /// The history line of the killed run.
    pub fn line(&self) -> Option<&Value> {
        self.lines().into_iter().next_back()
    }

    fn lines(&self) -> Vec<&Value> {
        self.fresh().iter().filter(|line| self.subject.is_told_by(line)).collect()
    }

    fn fresh(&self) -> &[Value] {
        &self.queue.history[self.old..]
    }

    fn said_a_start(&self, run: &str) -> bool {
        self.heard.iter().any(|message| message.text.contains(run) && message.text.contains("*started*"))
    }

    fn said_an_end(&self, run: &str) -> bool {
        self.heard.iter().any(|message| message.text.contains(run) && !message.text.contains("*started*"))
    }
}

/// What should not be.
pub fn violations(
    place: &Place,
    left: &Witness,
    now: &Witness,
    finisher: Finisher,
    next: &Done,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if !now.queue.tickets.is_empty() {
        wrong.push(format!("the queue is not empty:\n{}", now.queue));
    }
    for environment in place.scenario.environments {
        wrong.extend(standing(place, now, environment));
    }
    wrong.extend(history(left, now));
    wrong.extend(every_commit_is_named(place, now));
    let subject = place.scenario.subject.word();
    for run in [subject, NEXT] {
        let started = now.said_a_start(run) || (run == subject && place.scenario.begun == Begun::AtTheGate);
        if started && !now.said_an_end(run) {
            wrong.push(format!("the chat heard of the start of {run}, and of no end"));
        }
    }
    wrong.extend(never_back(left, now));
    wrong.extend(place.stores_differ(&now.queue));
    wrong.extend(exit(place, left, now, finisher, next));
    wrong
}

/// Verified by the record and so at the tip, or frozen where the way back is broken.
fn standing(place: &Place, now: &Witness, environment: &str) -> Vec<String> {
    let file = &now.queue.environments[environment];
    let reason = file["freeze"]["reason"].as_str();
    let pinned = place.world.versions(environment).join(" + ");
    match (reason, place.scenario.fault) {
        (Some(reason), Fault::NoWayBack) if reason.contains("int/kv") => Vec::new(),
        (Some(reason), _) => vec![format!("{environment} is frozen: {reason}")],
        (None, _) => {
            let sets = file["datasets"]["timetable"]["verified"].as_array().cloned().unwrap_or_default();
            let Some(set) = sets.iter().rfind(|set| set["standing"] == "good") else {
                return vec![format!("{environment} has no verified set")];
            };
            let values = set["values"].as_array().unwrap();
            let other: Vec<String> = values
                .iter()
                .filter_map(|value| {
                    let held = held(place, value["file"].as_str().unwrap(), value["path"].as_str().unwrap());
                    (held.as_deref() != value["text"].as_str()).then(|| {
                        format!("{environment}: {} is {held:?}, verified is {}", value["path"], value["text"])
                    })
                })
                .collect();
            match other.is_empty() && values.len() >= 4 {
                true => Vec::new(),
                false => vec![format!("{environment} is pinned to {pinned}: {}", other.join("; "))],
            }
        }
    }
}

/// The value at a path of a file at the tip.
fn held(place: &Place, file: &str, path: &str) -> Option<String> {
    let text = place.world.file("main", file)?;
    let mut at: &serde_yaml::Value = &serde_yaml::from_str(&text).ok()?;
    for key in path.split('.') {
        at = at.get(key)?;
    }
    match at {
        serde_yaml::Value::String(text) => Some(text.clone()),
        serde_yaml::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// One line tells of the killed run, and what it tells is so.
fn history(left: &Witness, now: &Witness) -> Vec<String> {
    let lines = now.lines();
    let wanted = usize::from(left.entered());
    if lines.len() != wanted {
        return vec![format!("the history has {} lines of the killed run instead of {wanted}", lines.len())];
    }
    let Some(line) = lines.first().filter(|_| now.subject == Subject::Deployment) else { return Vec::new() };
    let verified = now.queue.environments.iter().filter(|(name, _)| {
        line["environments"].as_array().unwrap().iter().any(|named| named == name.as_str())
    });
    let has = |file: &Value| {
        let sets = file["datasets"]["timetable"]["verified"].as_array().cloned().unwrap_or_default();
        sets.iter().any(|set| set["run"] == line["run"])
    };
    verified
        .filter(|(_, file)| has(file) != (line["outcome"] == "verified"))
        .map(|(name, _)| {
            format!("the history tells `{}`, the record of {name} another story", line["outcome"])
        })
        .collect()
}

/// Behind the commit point there is only one way.
fn never_back(left: &Witness, now: &Witness) -> Option<String> {
    let outcome = now.line().map(|line| line["outcome"].clone()).unwrap_or_default();
    let good = ["verified", "restored"].iter().any(|good| outcome == *good);
    (left.state() == "verified" && !good)
        .then(|| format!("it was verified when it was killed, and ended as {outcome}"))
}

/// No push without an intent.
fn every_commit_is_named(place: &Place, now: &Witness) -> Vec<String> {
    let named: Vec<&Value> =
        now.queue.history.iter().filter_map(|line| line["commits"].as_array()).flatten().collect();
    place
        .world
        .log("main")
        .into_iter()
        .take_while(|commit| commit.id != place.begin())
        .filter(|commit| !named.iter().any(|name| **name == commit.id.as_str()))
        .map(|commit| {
            format!("no line of the history names commit {} `{}`", &commit.id[..10], commit.subject)
        })
        .collect()
}

fn exit(place: &Place, left: &Witness, now: &Witness, finisher: Finisher, next: &Done) -> Vec<String> {
    let frozen = place.world.freeze(place.scenario.environments[0]).is_some();
    let expected = match (finisher, place.scenario.fault) {
        (Finisher::Deploy, Fault::NoWayBack) if frozen => 15,
        (Finisher::Reconcile, Fault::NoWayBack) if frozen => 12,
        (Finisher::Deploy, Fault::Gate(_)) => 11,
        // There is nothing to resume where nothing was left.
        (Finisher::Resume, _) if ["not entered", "ended"].contains(&&*left.state()) => 2,
        (Finisher::Deploy | Finisher::Reconcile | Finisher::Resume, _) => 0,
    };
    let mut wrong = Vec::new();
    if next.code != Some(expected) {
        wrong.push(format!("the next one ended with {:?} instead of {expected}", next.code));
    }
    if finisher == Finisher::Deploy
        && next.code != Some(15)
        && !now.fresh().iter().any(|line| line["version"] == NEXT)
    {
        wrong.push("the history does not tell of the next run".to_owned());
    }
    wrong
}
