//! A small language for the events of a run.

use std::time::Duration;

use datapin::event::*;
use datapin::queue::{Cause, CauseKind, Outcome, RunId, ServiceState, Verdict};
use jiff::{SignedDuration, Timestamp};

pub const SERVICES: [&str; 4] = ["mds", "fbv", "kv", "remo"];
pub const OLD: &str = "2026.11.20-2";
pub const NEW: &str = "2026.11.23-1";

/// Writes events down, with a clock that goes on by itself.
pub struct Script {
    run: RunId,
    now: Timestamp,
    pub summary: Summary,
    pub events: Vec<Event>,
    /// Where a picture is worth looking at: number of events so far, and what it shows.
    pub looks: Vec<(usize, String)>,
}

impl Script {
    pub fn new(pipeline: &str, stages: &[(&str, &[&str])]) -> Self {
        let services: Vec<String> = SERVICES.map(str::to_owned).to_vec();
        let stages = stages.iter().map(|(environment, gates)| StageSummary {
            environments: vec![((*environment).to_owned(), services.clone())],
            gates: owned(gates),
        });
        Self {
            run: RunId("01KAZ3W8M0Q2V6T4R8N0P5X7YB".to_owned()),
            now: "2026-11-24T15:04:05Z".parse().unwrap(),
            summary: Summary {
                pipeline: pipeline.to_owned(),
                dataset: "timetable".to_owned(),
                version: NEW.to_owned(),
                actor: "anna".to_owned(),
                url: "https://gitlab.example/data/deploy/-/pipelines/7".to_owned(),
                stages: stages.collect(),
            },
            events: Vec::new(),
            looks: Vec::new(),
        }
    }

    pub fn say(&mut self, what: What) -> &mut Self {
        self.events.push(Event { at: self.now, run: self.run.clone(), what });
        self.pass(1)
    }

    pub fn pass(&mut self, seconds: i64) -> &mut Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    pub fn look(&mut self, caption: &str) -> &mut Self {
        self.looks.push((self.events.len(), caption.to_owned()));
        self
    }

    /// What follows is about another run.
    pub fn about(&mut self, run: &str) -> &mut Self {
        self.run = RunId(run.to_owned());
        self
    }

    pub fn enter(&mut self, number: u64) -> &mut Self {
        let entered = Entered { number, place: Place::New, summary: self.summary.clone() };
        self.say(What::Entered(entered))
    }

    pub fn wait(&mut self, position: usize, ahead: Vec<Ahead>, minutes: Option<u64>) -> &mut Self {
        let expected = minutes.map(|minutes| Duration::from_secs(minutes * 60));
        self.say(What::Waiting(Waiting { position, ahead, expected }))
    }

    pub fn start(&mut self) -> &mut Self {
        let summary = self.summary.clone();
        self.say(What::Started(summary)).say(What::Checked)
    }

    /// A stage begins and is pinned; its services are on their way.
    pub fn pin(&mut self, index: usize, commit: &str) -> &mut Self {
        let environment = self.summary.stages[index].environments[0].0.clone();
        let change = |service: &str| PinChange {
            environment: environment.clone(),
            service: service.to_owned(),
            place: format!("environments/{environment}/{service}.yaml:data.timetable.version"),
            before: OLD.to_owned(),
            after: NEW.to_owned(),
        };
        let changes = SERVICES.iter().map(|service| change(service)).collect();
        let environments = vec![environment.clone()];
        let of = self.summary.stages.len();
        self.say(What::Stage { index, of, environments: environments.clone() }).say(What::Pinned {
            environments,
            branch: "main".to_owned(),
            commit: commit.parse().unwrap(),
            changes,
        });
        self.all(&environment, ServiceState::Syncing)
    }

    pub fn all(&mut self, environment: &str, state: ServiceState) -> &mut Self {
        SERVICES.iter().for_each(|service| _ = self.service(environment, service, state));
        self.pass(8)
    }

    pub fn service(&mut self, environment: &str, service: &str, state: ServiceState) -> &mut Self {
        self.service_because(environment, service, state, "", &[])
    }

    pub fn service_because(
        &mut self,
        environment: &str,
        service: &str,
        state: ServiceState,
        reason: &str,
        log: &[&str],
    ) -> &mut Self {
        self.say(What::Service {
            environment: environment.to_owned(),
            service: service.to_owned(),
            state,
            reason: reason.to_owned(),
            log: owned(log),
        })
    }

    pub fn gate_begins(&mut self, stage: usize, gate: &str) -> &mut Self {
        self.say(What::GateBegan { stage, gate: gate.to_owned(), attempt: 1 }).pass(30)
    }

    pub fn gate_ends(
        &mut self,
        stage: usize,
        gate: &str,
        verdict: Verdict,
        summary: &str,
        log: &[&str],
    ) -> &mut Self {
        self.say(What::GateEnded {
            stage,
            gate: gate.to_owned(),
            verdict,
            summary: summary.to_owned(),
            url: "https://gitlab.example/tests/-/pipelines/99".to_owned(),
            log: owned(log),
        })
    }

    pub fn roll_back(&mut self, kind: CauseKind, text: &str, environments: &[&str]) -> &mut Self {
        let cause = Cause { kind, text: text.to_owned() };
        self.say(What::RollingBack { cause, environments: owned(environments) });
        for environment in environments {
            self.say(What::Reverted {
                environments: owned(&[environment]),
                branch: "main".to_owned(),
                commit: "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432".parse().unwrap(),
                subject: format!("Revert \"data({environment}): timetable {NEW}\""),
            });
            self.all(environment, ServiceState::RollingBack);
        }
        self
    }

    pub fn verify(&mut self, environments: &[&str]) -> &mut Self {
        self.say(What::Verified { environments: owned(environments), version: NEW.to_owned() })
    }

    pub fn finish(&mut self, outcome: Outcome, standing: &[(&str, &str)], warnings: &[&str]) -> &mut Self {
        let standing = standing.iter().map(|(environment, words)| Standing {
            environment: (*environment).to_owned(),
            words: (*words).to_owned(),
        });
        let begun = self.events.first().map_or(self.now, |event| event.at);
        let finished = Finished {
            summary: self.summary.clone(),
            exit: outcome.exit().code(),
            outcome,
            standing: standing.collect(),
            warnings: owned(warnings),
            seconds: u64::try_from(self.now.as_second() - begun.as_second()).unwrap(),
        };
        self.say(What::Finished(finished)).look("the end")
    }
}

pub fn cause(kind: CauseKind, text: &str) -> Cause {
    Cause { kind, text: text.to_owned() }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
