//! Names that have to be declared elsewhere.

use super::Check;
use crate::config::error::Problem;

impl Check<'_> {
    /// Every name that leads nowhere.
    pub(super) fn references(&mut self) {
        self.services();
        self.environments();
        self.stages();
    }

    fn known(&mut self, what: &str, name: &str, known: &[String], (address, place): (&str, &str)) {
        if !known.iter().any(|candidate| candidate == name) {
            let (what, name, place) = (what.to_owned(), name.to_owned(), format!("in {place}"));
            self.problem(address, Problem::UnknownReference { what, name, place, known: known.to_vec() });
        }
    }

    fn all_known(&mut self, what: &str, names: &[String], known: &[String], (address, place): (&str, &str)) {
        for (index, name) in names.iter().enumerate() {
            self.known(what, name, known, (&format!("{address}/{index}"), place));
        }
    }

    fn services(&mut self) {
        for dataset in self.config.datasets.values() {
            let (address, place) =
                (format!("dataset/{}", dataset.name), format!("[dataset.{}]", dataset.name));
            for (index, pin) in dataset.pins.iter().enumerate() {
                let names = pin.services.as_deref().unwrap_or_default();
                let at = format!("{address}/pin/{index}/services");
                self.all_known("service", names, &dataset.services, (&at, &place));
            }
            for (index, settable) in dataset.settable.iter().enumerate() {
                let at = format!("{address}/settable/{index}");
                self.known("service", &settable.service, &dataset.services, (&at, &place));
            }
            let pinned = |service: &String| {
                dataset.pins.iter().any(|pin| pin.services.as_ref().is_none_or(|s| s.contains(service)))
            };
            for (index, service) in dataset.services.iter().enumerate().filter(|(_, s)| !pinned(s)) {
                let (service, dataset) = (service.clone(), dataset.name.clone());
                let at = format!("{address}/services/{index}");
                self.problem(&at, Problem::ServiceWithoutPin { service, dataset });
            }
        }
    }

    fn environments(&mut self) {
        let config = self.config;
        let mut services: Vec<String> = config.datasets.values().flat_map(|d| d.services.clone()).collect();
        services.sort();
        services.dedup();
        // a dataset that is left out because it is broken may have any service
        let complete = self.spans.declared("dataset").len() == config.datasets.len() && !services.is_empty();
        let queues: Vec<String> = config.queues.keys().cloned().collect();
        for environment in config.environments.values() {
            let address = format!("environment/{}", environment.name);
            let place = format!("[environment.{}]", environment.name);
            let names = environment.services.as_deref().filter(|_| complete).unwrap_or_default();
            self.all_known("service", names, &services, (&format!("{address}/services"), &place));
            self.known("queue", &environment.queue, &queues, (&format!("{address}/queue"), &place));
        }
    }

    fn stages(&mut self) {
        let datasets = self.spans.declared("dataset");
        let environments = self.spans.declared("environment");
        let gates = self.spans.declared("gate");
        for pipeline in self.config.pipelines.values() {
            let (address, place) =
                (format!("pipeline/{}", pipeline.name), format!("[pipeline.{}]", pipeline.name));
            if !pipeline.dataset.is_empty() {
                self.known("dataset", &pipeline.dataset, &datasets, (&format!("{address}/dataset"), &place));
            }
            let at = format!("{address}/requires");
            self.all_known("environment", &pipeline.requires, &environments, (&at, &place));
            for (index, stage) in pipeline.stages.iter().enumerate() {
                let at = format!("{address}/stages/{index}");
                let environment = format!("{at}/environment");
                self.all_known("environment", &stage.environments, &environments, (&environment, &place));
                self.all_known("gate", &stage.gates, &gates, (&format!("{at}/gates"), &place));
            }
        }
        for gate in self.config.gates.values() {
            let (at, place) = (format!("gate/{}/after", gate.name), format!("[gate.{}]", gate.name));
            self.all_known("gate", &gate.after, &gates, (&at, &place));
        }
    }
}
