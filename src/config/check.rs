//! What no single value shows: references, cycles, places that two environments share, queues.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::error::Problem;
use super::raw::Spans;
use super::{Config, Pipeline, Verify};

mod agents;
mod aws;
mod gates;
mod pins;
mod queues;
mod references;

/// A beat is sent every third of it, and a push takes a second.
const SHORTEST: Duration = Duration::from_secs(3);

/// All that is wrong with how the parts of `config` fit together, with places.
pub(super) fn check(config: &Config, spans: &Spans) -> Vec<(Range<usize>, Problem)> {
    let mut check = Check { config, spans, problems: Vec::new() };
    check.references();
    check.proof();
    check.pipelines();
    check.agents();
    check.gates();
    check.pins();
    check.queues();
    check.aws();
    check.problems
}

struct Check<'a> {
    config: &'a Config,
    spans: &'a Spans,
    problems: Vec<(Range<usize>, Problem)>,
}

impl Check<'_> {
    fn problem(&mut self, address: &str, problem: Problem) {
        self.problems.push((self.spans.of(address), problem));
    }

    /// A state file that nobody renders.
    fn proof(&mut self) {
        let address = "repository/helmfile";
        if self.spans.has(address) && self.config.repository.verify == Verify::ValuesOnly {
            let (key, needs) = ("helmfile".to_owned(), "verify".to_owned());
            self.problem(address, Problem::Incomplete { key, needs, place: "in [repository]".to_owned() });
        }
    }

    /// An environment that is twice, one without anything to deploy, and a dataset that nobody named.
    fn pipelines(&mut self) {
        let config = self.config;
        for pipeline in config.pipelines.values() {
            let address = format!("pipeline/{}", pipeline.name);
            if pipeline.dataset.is_empty() {
                self.dataset_missing(&address, &pipeline.name);
            }
            let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
            for (stage, index, environment) in pipeline.places() {
                let place = format!("{address}/stages/{stage}/environment/{index}");
                // twice in one stage is what the reader has said
                if *seen.entry(environment).or_insert(stage) != stage {
                    let (environment, pipeline) = (environment.to_owned(), pipeline.name.clone());
                    self.problem(&place, Problem::EnvironmentTwice { environment, pipeline });
                } else if self.has_nothing(environment, &pipeline.dataset) {
                    let (environment, dataset) = (environment.to_owned(), pipeline.dataset.clone());
                    self.problem(&place, Problem::NothingToDeploy { environment, dataset });
                }
            }
        }
    }

    fn has_nothing(&self, environment: &str, dataset: &str) -> bool {
        self.config.environments.contains_key(environment)
            && self.config.datasets.contains_key(dataset)
            && self.config.services(environment, dataset).is_empty()
    }

    fn dataset_missing(&mut self, address: &str, pipeline: &str) {
        let known = self.spans.declared("dataset");
        // without any dataset, or with a broken value, that error is enough
        if known.len() > 1 && !self.spans.has(&format!("{address}/dataset")) {
            self.problem(address, Problem::DatasetMissing { pipeline: pipeline.to_owned(), known });
        }
    }
}

impl Pipeline {
    /// Each environment with the indices of its stage and of itself there.
    fn places(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.stages.iter().enumerate().flat_map(|(stage, found)| {
            found.environments.iter().enumerate().map(move |(index, name)| (stage, index, name.as_str()))
        })
    }
}
