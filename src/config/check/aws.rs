//! Buckets by their purpose, parameters by their owner, and where promotions lead.

use std::collections::BTreeMap;

use super::Check;
use crate::config::Environment;
use crate::config::error::Problem;

/// Stands for any version: only the places before it are compared.
const ANY: &str = "\u{1}";

impl Check<'_> {
    /// A bucket under two purposes, a parameter of two owners, a promotion from nowhere.
    pub(super) fn aws(&mut self) {
        self.purposes();
        self.parameters();
        self.promotions();
    }

    /// Every environment with each of its datasets.
    fn owned(&self) -> Vec<(&Environment, String)> {
        let all = self.config.environments.values();
        all.flat_map(|one| self.config.datasets_of(&one.name).into_iter().map(move |dataset| (one, dataset)))
            .collect()
    }

    fn purposes(&mut self) {
        let mut first: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut problems = Vec::new();
        for (environment, dataset) in self.owned() {
            let (Some(bucket), Some(purpose)) = (&environment.bucket, &environment.purpose) else { continue };
            let (name, _) = bucket.place(&environment.name, &dataset, ANY);
            let mine = (purpose.clone(), environment.name.clone());
            let other = first.entry(name.clone()).or_insert_with(|| mine.clone());
            if other.0 != mine.0 {
                let problem = Problem::TwoPurposes {
                    bucket: name,
                    one: format!("`{}` is {}", other.1, other.0),
                    other: format!("`{}` is {}", mine.1, mine.0),
                };
                problems.push((format!("environment/{}/bucket/url", environment.name), problem));
            }
        }
        for (address, problem) in problems {
            self.problem(&address, problem);
        }
    }

    fn parameters(&mut self) {
        let mut first: BTreeMap<_, String> = BTreeMap::new();
        let mut problems = Vec::new();
        for (environment, dataset) in self.owned() {
            let Some(parameter) = &environment.ssm else { continue };
            let name = parameter.name_for(&environment.name, &dataset);
            let mine = format!("{dataset} in `{}`", environment.name);
            let other = first.entry((name.clone(), parameter.access.clone())).or_insert_with(|| mine.clone());
            if *other != mine {
                let problem = Problem::ParameterTwice { parameter: name, one: other.clone(), other: mine };
                problems.push((format!("environment/{}/ssm/parameter", environment.name), problem));
            }
        }
        for (address, problem) in problems {
            self.problem(&address, problem);
        }
    }

    fn promotions(&mut self) {
        let config = self.config;
        let environments = self.spans.declared("environment");
        for pipeline in config.pipelines.values() {
            for (index, stage) in pipeline.stages.iter().enumerate() {
                let Some(promote) = &stage.promote else { continue };
                let address = format!("pipeline/{}/stages/{index}/promote/from", pipeline.name);
                let place = format!("in stage {} of [pipeline.{}]", index + 1, pipeline.name);
                let Some(from) = config.environments.get(&promote.from) else {
                    if !environments.contains(&promote.from) {
                        let (what, name) = ("environment".to_owned(), promote.from.clone());
                        let known = environments.clone();
                        self.problem(&address, Problem::UnknownReference { what, name, place, known });
                    }
                    continue;
                };
                for name in &stage.environments {
                    let Some(to) = config.environments.get(name) else { continue };
                    if let Some(reason) = cannot_promote(from, to, &pipeline.dataset) {
                        let problem = Problem::CannotPromote {
                            from: from.name.clone(),
                            to: name.clone(),
                            place: place.clone(),
                            reason,
                        };
                        self.problem(&address, problem);
                    }
                }
            }
        }
    }
}

fn cannot_promote(from: &Environment, to: &Environment, dataset: &str) -> Option<String> {
    let (Some(source), Some(target)) = (&from.bucket, &to.bucket) else {
        let without = if from.bucket.is_none() { from } else { to };
        return Some(format!("`{}` has no `bucket`", without.name));
    };
    if target.complete.last().is_some_and(|last| source.complete.last() != Some(last)) {
        return Some("their packages end with different objects (`marker`, `manifest`)".to_owned());
    }
    let same = source.place(&from.name, dataset, ANY) == target.place(&to.name, dataset, ANY)
        && source.access.endpoint == target.access.endpoint;
    same.then(|| "they read the same place of the same bucket".to_owned())
}
