//! Buckets by their purpose, parameters by their owner, and where promotions lead.

use std::collections::BTreeMap;

use super::Check;
use crate::config::aws::{bad_parameter_name, cannot_promote};
use crate::config::error::Problem;
use crate::config::{AwsAccess, Environment, Parameter, Secrecy};

/// Stands for any version: only the places before it are compared.
const ANY: &str = "\u{1}";

impl Check<'_> {
    /// A bucket under two purposes, a parameter of two owners, a promotion from nowhere.
    pub(super) fn aws(&mut self) {
        self.purposes();
        self.roles();
        self.parameters();
        self.promotions();
    }

    /// Every environment with each of its datasets.
    fn owned(&self) -> Vec<(&Environment, String)> {
        let all = self.config.environments.values();
        all.flat_map(|one| self.config.datasets_of(&one.name).into_iter().map(move |dataset| (one, dataset)))
            .collect()
    }

    /// One environment that says what a bucket is for, and another one that does not, are two purposes as well.
    fn purposes(&mut self) {
        let mut first: BTreeMap<String, (Option<String>, String)> = BTreeMap::new();
        let mut problems = Vec::new();
        for (environment, dataset) in self.owned() {
            let Some(bucket) = &environment.bucket else { continue };
            let (name, _) = bucket.place(&environment.name, &dataset, ANY);
            let mine = (environment.purpose.clone(), environment.name.clone());
            let other = first.entry(name.clone()).or_insert_with(|| mine.clone());
            if other.0 != mine.0 {
                let words = |(purpose, name): &(Option<String>, String)| match purpose {
                    Some(purpose) => format!("`{name}` is {purpose}"),
                    None => format!("`{name}` has no `purpose`"),
                };
                let problem = Problem::TwoPurposes { bucket: name, one: words(other), other: words(&mine) };
                problems.push((format!("environment/{}/bucket/url", environment.name), problem));
            }
        }
        for (address, problem) in problems {
            self.problem(&address, problem);
        }
    }

    fn roles(&mut self) {
        let mut problems = Vec::new();
        for environment in self.config.environments.values() {
            let bucket = environment.bucket.as_ref().map(|bucket| ("bucket", &bucket.access));
            let ssm = environment.ssm.as_ref().map(|ssm| ("ssm", &ssm.access));
            for (key, access) in bucket.into_iter().chain(ssm) {
                if let Err(role) = access.account() {
                    let address = format!("environment/{}/{key}/role_arn", environment.name);
                    problems.push((address, Problem::BadRole { role }));
                }
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
            let at = |key: &str| format!("environment/{}/ssm/{key}", environment.name);
            problems.extend(unfit(parameter, &name).map(|(key, problem)| (at(key), problem)));
            let mine = format!("{dataset} in `{}`", environment.name);
            let other = first.entry(shelf(&name, &parameter.access)).or_insert_with(|| mine.clone());
            if *other != mine {
                let problem = Problem::ParameterTwice { parameter: name, one: other.clone(), other: mine };
                problems.push((at("parameter"), problem));
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

/// Where a parameter is: two roles of one account reach the same one.
fn shelf(name: &str, access: &AwsAccess) -> (String, AwsAccess) {
    let account = access.account().ok().flatten().map(str::to_owned);
    let owner = account.or_else(|| access.role_arn.clone());
    (name.to_owned(), AwsAccess { role_arn: owner, external_id: None, ..access.clone() })
}

/// The key that SSM would not take, and why.
fn unfit(parameter: &Parameter, name: &str) -> Option<(&'static str, Problem)> {
    if let Some(reason) = bad_parameter_name(name) {
        return Some(("parameter", Problem::BadParameter { parameter: name.to_owned(), reason }));
    }
    let plain = parameter.secrecy == Secrecy::Plain && parameter.kms_key.is_some();
    plain.then_some(("kms_key", Problem::KeyOfPlain))
}
