//! What keys of an agent exclude each other, and whether each service has an object of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::config::error::Problem;
use crate::config::{Agent, ArgoReach, Facts, Place, WorkloadName, fill};

impl Check<'_> {
    pub(super) fn agents(&mut self) {
        let spans = self.spans;
        for environment in spans.declared("environment") {
            let address = format!("environment/{environment}/agent");
            let place = format!("in `agent` of [environment.{environment}]");
            self.reach(&address, &place);
            self.cluster(&address, &place);
            self.which(&address, &place);
            for index in (0..).take_while(|index| spans.has(&format!("{address}/after_sync/{index}"))) {
                let address = format!("{address}/after_sync/{index}");
                let place = format!("in after_sync {} of `agent` of [environment.{environment}]", index + 1);
                self.cluster(&address, &place);
                self.which(&address, &place);
            }
        }
        self.proofs();
        self.same_objects();
    }

    fn exclude(&mut self, address: &str, place: &str, key: &str, others: &[&str]) {
        if !self.spans.has(&format!("{address}/{key}")) {
            return;
        }
        for other in others {
            let at = format!("{address}/{other}");
            if self.spans.has(&at) {
                let (key, other, place) = (key.to_owned(), (*other).to_owned(), place.to_owned());
                self.problem(&at, Problem::Exclusive { key, other, place });
            }
        }
    }

    fn needs(&mut self, address: &str, place: &str, key: &str, needs: &str) {
        let at = format!("{address}/{key}");
        if self.spans.has(&at) && !self.spans.has(&format!("{address}/{needs}")) {
            let (key, needs, place) = (key.to_owned(), needs.to_owned(), place.to_owned());
            self.problem(&at, Problem::Incomplete { key, needs, place });
        }
    }

    /// Argo CD's own API, or the cluster.
    fn reach(&mut self, address: &str, place: &str) {
        self.exclude(address, place, "server", &["context", "kubeconfig", "eks"]);
        self.needs(address, place, "server", "token");
        self.needs(address, place, "token", "server");
        self.needs(address, place, "ca", "server");
    }

    fn cluster(&mut self, address: &str, place: &str) {
        self.exclude(address, place, "eks", &["context", "kubeconfig"]);
    }

    fn which(&mut self, address: &str, place: &str) {
        self.exclude(address, place, "resource", &["selector"]);
        let is_workload = self.is_kind(address, "workload");
        let has = |key: &str| self.spans.has(&format!("{address}/{key}"));
        if is_workload && !has("resource") && !has("selector") {
            let ways = "`resource`, or `selector`".to_owned();
            self.problem(address, Problem::MissingWay { ways, place: place.to_owned() });
        }
    }

    /// Whether the agent at `address` was read as that kind.
    fn is_kind(&self, address: &str, kind: &str) -> bool {
        self.spans.kind(address) == Some(kind)
    }

    /// A workload agent that nothing proves.
    fn proofs(&mut self) {
        let config = self.config;
        for environment in config.environments.values() {
            let address = format!("environment/{}/agent", environment.name);
            match &environment.agent {
                Agent::Workload { workload, .. }
                    if workload.proof.is_none() && !self.spans.has(&format!("{address}/proof")) =>
                {
                    let place = format!("of [environment.{}]", environment.name);
                    self.problem(&address, Problem::ProofMissing { place });
                }
                _ => {}
            }
        }
    }

    /// Services with pins of their own that are one object: its health could not say whose it is.
    fn same_objects(&mut self) {
        let config = self.config;
        let mut objects: BTreeMap<(String, String), Vec<User>> = BTreeMap::new();
        for (name, environment) in &config.environments {
            for dataset in config.datasets_of(name) {
                for places in config.places(name, &dataset) {
                    let facts = Facts {
                        dataset: &dataset,
                        environment: name,
                        service: Some(&places.service),
                        version: None,
                    };
                    let Some(object) = object(&environment.agent, &facts) else { continue };
                    let (environment, service) = (name.clone(), places.service);
                    let pins = places.pins.into_iter().collect();
                    objects.entry(object).or_default().push(User { environment, service, pins });
                }
            }
        }
        for ((_, object), users) in objects {
            // one service may depend on several datasets
            let services: BTreeSet<(&str, &str)> =
                users.iter().map(|user| (user.environment.as_str(), user.service.as_str())).collect();
            let pins: BTreeSet<&BTreeSet<Place>> = users.iter().map(|user| &user.pins).collect();
            let Some(last) = users.last().filter(|_| services.len() > 1 && pins.len() > 1) else { continue };
            let environment = &last.environment;
            let address = format!("environment/{environment}/agent");
            let services: Vec<String> = services
                .iter()
                .map(|(environment, service)| format!("`{service}` of `{environment}`"))
                .collect();
            self.problem(&address, Problem::SameObject { services: services.join(" and "), object });
        }
    }
}

/// A service that an object is.
struct User {
    environment: String,
    service: String,
    pins: BTreeSet<Place>,
}

/// Where an agent looks, and what it looks at, in words.
fn object(agent: &Agent, facts: &Facts<'_>) -> Option<(String, String)> {
    match agent {
        // one Kustomization of many services is what most people have, and waits for all of them
        Agent::Command { .. } | Agent::Flux(_) => None,
        // its workloads tell them apart
        Agent::ArgoCd(argocd) if !argocd.after_sync.is_empty() => None,
        Agent::ArgoCd(argocd) => {
            let reach = match &argocd.reach {
                ArgoReach::Cluster(access) => format!("{access:?}"),
                ArgoReach::Server { server, .. } => server.clone(),
            };
            let namespace = fill(&argocd.namespace, facts);
            Some((
                format!("{reach} {namespace}"),
                format!("Application `{}`", fill(&argocd.application, facts)),
            ))
        }
        Agent::Workload { workload, .. } => {
            let namespace = fill(workload.namespace.as_deref().unwrap_or("default"), facts);
            let name = match &workload.which {
                WorkloadName::Resource { kind, name } => format!("{kind} `{}`", fill(name, facts)),
                WorkloadName::Selector(labels) => format!("workload with labels `{}`", fill(labels, facts)),
            };
            Some((format!("{:?} {namespace}", workload.access), name))
        }
    }
}
