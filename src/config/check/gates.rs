//! The order of gates.

use std::collections::BTreeSet;

use super::Check;
use crate::config::error::Problem;
use crate::config::{Gate, GateKind, Prometheus, Requirement};

impl Check<'_> {
    /// `after` that leads out of the stage, or round in a circle.
    pub(super) fn gates(&mut self) {
        self.gates_elsewhere();
        self.gate_cycles();
        self.jobs();
        self.windows();
        self.patience_with_people();
        self.answers();
    }

    /// A run that went on without the yes would need none. In a graph nobody could go on: its job is still a person's.
    fn answers(&mut self) {
        let config = self.config;
        let needless = |gate: &&Gate| gate.asks_a_person() && gate.requirement == Requirement::AllowedToFail;
        for gate in config.gates.values().filter(needless) {
            let problem = Problem::NobodyHasToAnswer { place: format!("in [gate.{}]", gate.name) };
            self.problem(&format!("gate/{}/allow_failure", gate.name), problem);
        }
    }

    /// Nobody waits for ever: a `manual` gate says how long.
    fn patience_with_people(&mut self) {
        for name in self.spans.declared("gate") {
            let address = format!("gate/{name}");
            if self.spans.kind(&address) == Some("manual") && !self.spans.has(&format!("{address}/timeout")) {
                let problem = Problem::MissingKey {
                    key: "timeout".to_owned(),
                    place: format!("in [gate.{name}]"),
                    doc: "how long people have to answer, like `8h`".to_owned(),
                };
                self.problem(&address, problem);
            }
        }
    }

    /// Keys of a `kubernetes-job` that exclude each other, or of which one has to be there.
    fn jobs(&mut self) {
        for name in self.spans.declared("gate") {
            let address = format!("gate/{name}");
            let has = |key: &str| self.spans.has(&format!("{address}/{key}"));
            let place = format!("in [gate.{name}]");
            let pairs = [("manifest", "cronjob"), ("eks", "context"), ("eks", "kubeconfig")];
            let both: Vec<_> = pairs.into_iter().filter(|(key, other)| has(key) && has(other)).collect();
            let lost =
                self.spans.kind(&address) == Some("kubernetes-job") && !has("manifest") && !has("cronjob");
            for (key, other) in both {
                let (key, other_key, place) = (key.to_owned(), other.to_owned(), place.clone());
                let problem = Problem::Exclusive { key, other: other_key, place };
                self.problem(&format!("{address}/{other}"), problem);
            }
            if lost {
                let ways = "`manifest`, or `cronjob`".to_owned();
                self.problem(&address, Problem::MissingWay { ways, place });
            }
        }
    }

    /// A `prometheus` gate whose time is over before its samples are.
    fn windows(&mut self) {
        let config = self.config;
        for gate in config.gates.values() {
            let GateKind::Prometheus(Prometheus { window: Some(window), .. }) = &gate.kind else { continue };
            if gate.timeout <= *window {
                let problem = Problem::TooShort {
                    key: "timeout".to_owned(),
                    place: format!("in [gate.{}]", gate.name),
                    found: format!("{:?}", gate.timeout),
                    least: format!("`for` ({window:?})"),
                };
                self.problem(&format!("gate/{}/for", gate.name), problem);
            }
        }
    }

    fn gates_elsewhere(&mut self) {
        let config = self.config;
        let mut told = BTreeSet::new();
        for pipeline in config.pipelines.values() {
            for stage in &pipeline.stages {
                for gate in stage.gates.iter().filter_map(|name| config.gates.get(name)) {
                    let elsewhere = |(_, after): &(usize, &String)| {
                        !stage.gates.contains(after) && config.gates.contains_key(*after)
                    };
                    for (index, after) in gate.after.iter().enumerate().filter(elsewhere) {
                        if told.insert((&gate.name, after, &pipeline.name)) {
                            let problem = Problem::GateElsewhere {
                                gate: gate.name.clone(),
                                after: after.clone(),
                                pipeline: pipeline.name.clone(),
                            };
                            self.problem(&format!("gate/{}/after/{index}", gate.name), problem);
                        }
                    }
                }
            }
        }
    }

    fn gate_cycles(&mut self) {
        let mut told: BTreeSet<String> = BTreeSet::new();
        for gate in self.config.gates.values() {
            if told.contains(&gate.name) {
                continue;
            }
            if let Some(cycle) = self.cycle_through(gate) {
                let address = format!("gate/{}/after", gate.name);
                told.extend(cycle.iter().cloned());
                self.problem(&address, Problem::GateCycle { cycle: cycle.join(" → ") });
            }
        }
    }

    /// The way from `start` over `after` back to itself.
    fn cycle_through(&self, start: &Gate) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut ways: Vec<Vec<String>> = vec![vec![start.name.clone()]];
        while let Some(way) = ways.pop() {
            let gate = way.last().and_then(|name| self.config.gates.get(name));
            for after in gate.into_iter().flat_map(|gate| &gate.after) {
                let longer = [way.as_slice(), std::slice::from_ref(after)].concat();
                if *after == start.name {
                    return Some(longer);
                }
                if seen.insert(after) {
                    ways.push(longer);
                }
            }
        }
        None
    }
}
