//! Queues: one for each pipeline, none on a target branch, none too hasty.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, SHORTEST};
use crate::config::error::Problem;
use crate::config::{Queue, Repository};

impl Check<'_> {
    /// Queues that cannot work.
    pub(super) fn queues(&mut self) {
        for queue in self.config.queues.values() {
            self.times(queue);
            self.target(queue);
        }
        self.same_branch();
        self.one_queue_a_pipeline();
    }

    fn times(&mut self, queue: &Queue) {
        let place = format!("in [queue.{}]", queue.name);
        let idle = queue.step_idle.map(|found| ("step_idle_ttl", found));
        for (key, found) in [("ttl", queue.ttl), ("start_grace", queue.start_grace)].into_iter().chain(idle) {
            if found < SHORTEST {
                let problem = Problem::TooShort {
                    key: key.to_owned(),
                    place: place.clone(),
                    found: format!("{found:?}"),
                    least: format!("{SHORTEST:?}"),
                };
                self.problem(&format!("queue/{}/{key}", queue.name), problem);
            }
        }
    }

    /// URL of the repository that a queue lives in; `None` is `origin`.
    fn url<'q>(&'q self, queue: &'q Queue) -> Option<&'q str> {
        let own: &Repository = queue.repository.as_ref().unwrap_or(&self.config.repository);
        own.url.as_deref()
    }

    fn target(&mut self, queue: &Queue) {
        let config = self.config;
        if self.url(queue) != config.repository.url.as_deref() {
            return;
        }
        let hit =
            config.environments.keys().find(|name| config.branch_of(name) == Some(queue.branch.as_str()));
        if let Some(environment) = hit {
            let address = format!("queue/{}/branch", queue.name);
            let own = format!("environment/{environment}/branch");
            let fallback = if self.spans.has(&own) { own } else { "repository/branch".to_owned() };
            let address = if self.spans.has(&address) { address } else { fallback };
            let problem = Problem::QueueIsTarget {
                branch: queue.branch.clone(),
                queue: queue.name.clone(),
                environment: environment.clone(),
            };
            self.problem(&address, problem);
        }
    }

    fn same_branch(&mut self) {
        let config = self.config;
        let mut seen: BTreeMap<(Option<&str>, &str), &str> = BTreeMap::new();
        let mut found = Vec::new();
        for queue in config.queues.values() {
            let own = queue.repository.as_ref().unwrap_or(&config.repository).url.as_deref();
            if let Some(other) = seen.insert((own, &queue.branch), &queue.name) {
                found.push((queue, other));
            }
        }
        for (queue, other) in found {
            let problem = Problem::QueueTwice {
                queue: queue.name.clone(),
                other: other.to_owned(),
                branch: queue.branch.clone(),
            };
            self.problem(&format!("queue/{}/branch", queue.name), problem);
        }
    }

    fn one_queue_a_pipeline(&mut self) {
        let config = self.config;
        for pipeline in config.pipelines.values() {
            let environments = pipeline.stages.iter().flat_map(|stage| &stage.environments);
            let mut queues: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for environment in environments.filter_map(|name| config.environments.get(name)) {
                queues.entry(&environment.queue).or_default().insert(&environment.name);
            }
            if queues.len() > 1 {
                let words = queues.iter().map(|(queue, names)| {
                    let names: Vec<&str> = names.iter().copied().collect();
                    format!("{} in `{queue}`", names.join(", "))
                });
                let queues = words.collect::<Vec<_>>().join("; ");
                let problem = Problem::QueuesDiffer { pipeline: pipeline.name.clone(), queues };
                self.problem(&format!("pipeline/{}/stages", pipeline.name), problem);
            }
        }
    }
}
