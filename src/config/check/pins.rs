//! Places in the repository: one scalar is one environment's and one dataset's.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::config::error::Problem;
use crate::config::resolve::place;
use crate::config::{Config, Dataset, Environment, Facts, Place, Sharing};

/// One place as one environment reads it.
struct Use<'a> {
    environment: &'a str,
    dataset: &'a str,
    service: &'a str,
    branch: Option<&'a str>,
    sharing: Sharing,
    place: Place,
    role: Role,
}

/// What the place is, and which entry of the file says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Pin(usize),
    Settable(usize),
}

impl Use<'_> {
    fn address(&self, key: &str) -> String {
        match self.role {
            Role::Pin(index) => format!("dataset/{}/pin/{index}/{key}", self.dataset),
            Role::Settable(index) => format!("dataset/{}/settable/{index}", self.dataset),
        }
    }
}

impl<'a> Check<'a> {
    /// Places that collide.
    pub(super) fn pins(&mut self) {
        let config = self.config;
        let mut uses = Vec::new();
        for environment in config.environments.values() {
            let names = config.datasets_of(&environment.name);
            for dataset in names.iter().filter_map(|name| config.datasets.get(name)) {
                uses.extend(self.pin_uses(environment, dataset));
            }
        }
        let settable = settable_uses(config, &uses);
        self.settable_pins(&uses, &settable);
        self.pinned_twice(&uses);
        let refused = self.shared_files(&uses);
        self.shared_paths(
            uses.iter().chain(&settable).filter(|one| !refused.contains(one.place.file.as_str())),
        );
    }

    /// The pins of one environment and dataset. A path that only the filled-in names make unreadable is an error.
    fn pin_uses(&mut self, environment: &'a Environment, dataset: &'a Dataset) -> Vec<Use<'a>> {
        let config = self.config;
        let branch = config.branch_of(&environment.name);
        let mut uses = Vec::new();
        let services = dataset.services.iter();
        for service in services.filter(|s| environment.services.as_ref().is_none_or(|own| own.contains(s))) {
            let facts = Facts {
                dataset: &dataset.name,
                environment: &environment.name,
                service: Some(service),
                version: None,
            };
            for (index, pin) in dataset.pins.iter().enumerate().filter(|(_, pin)| pin.is_for(service)) {
                match place(pin, &facts) {
                    Ok(place) => uses.push(Use {
                        environment: &environment.name,
                        dataset: &dataset.name,
                        service,
                        branch,
                        sharing: pin.sharing,
                        place,
                        role: Role::Pin(index),
                    }),
                    Err((path, reason)) => {
                        let place = format!("in [dataset.{}]", dataset.name);
                        let address = format!("dataset/{}/pin/{index}/path", dataset.name);
                        self.problem(&address, Problem::BadPath { path, place, reason });
                    }
                }
            }
        }
        uses
    }

    fn settable_pins(&mut self, pins: &[Use<'_>], settable: &[Use<'_>]) {
        let mut told = BTreeSet::new();
        for one in settable {
            let hit = pins.iter().any(|pin| pin.environment == one.environment && pin.place == one.place);
            if hit && told.insert((one.dataset, one.role)) {
                let (path, service) = (one.place.path.to_string(), one.service.to_owned());
                self.problem(&one.address(""), Problem::SettableIsPin { path, service });
            }
        }
    }

    fn pinned_twice(&mut self, pins: &[Use<'_>]) {
        let mut first: BTreeMap<(&str, &Place), &Use<'_>> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for one in pins {
            let other = first.entry((one.environment, &one.place)).or_insert(one);
            if other.dataset != one.dataset && told.insert((one.dataset, one.role)) {
                let problem = Problem::PinnedTwice {
                    path: one.place.path.to_string(),
                    file: one.place.file.clone(),
                    environment: one.environment.to_owned(),
                    datasets: format!("`{}` and `{}`", other.dataset, one.dataset),
                };
                self.problem(&one.address("path"), problem);
            }
        }
    }

    /// Files that several environments read although their pins do not say so; returns those files.
    fn shared_files<'u>(&mut self, pins: &'u [Use<'_>]) -> BTreeSet<&'u str> {
        let mut readers: BTreeMap<(Option<&str>, &str), Vec<&Use<'_>>> = BTreeMap::new();
        for one in pins {
            readers.entry((one.branch, &one.place.file)).or_default().push(one);
        }
        let mut refused = BTreeSet::new();
        let mut told = BTreeSet::new();
        for ((branch, file), group) in readers {
            let Some(environments) = several(&group) else { continue };
            for one in group.iter().filter(|one| one.sharing == Sharing::Own) {
                refused.insert(file);
                if told.insert((one.dataset, one.role)) {
                    let branch =
                        branch.map_or("the default branch".to_owned(), |name| format!("branch `{name}`"));
                    let problem = Problem::SharedFile {
                        environments: words(&environments),
                        file: file.to_owned(),
                        branch,
                    };
                    self.problem(&one.address("file"), problem);
                }
            }
        }
        refused
    }

    /// Scalars that several environments read, where a pipeline deploys one without the other.
    fn shared_paths<'u>(&mut self, uses: impl Iterator<Item = &'u Use<'u>>) {
        let mut readers: BTreeMap<(Option<&str>, &Place), Vec<&Use<'_>>> = BTreeMap::new();
        for one in uses {
            readers.entry((one.branch, &one.place)).or_default().push(one);
        }
        let mut told = BTreeSet::new();
        for ((_, place), group) in readers {
            let Some(environments) = several(&group) else { continue };
            let Some(pipeline) = self.pipeline_between(&environments) else { continue };
            for one in group.iter().filter(|one| told.insert((one.dataset, one.role))) {
                let problem = Problem::SharedPath {
                    environments: words(&environments),
                    file: place.file.clone(),
                    path: place.path.to_string(),
                    pipeline: pipeline.clone(),
                };
                self.problem(&one.address("path"), problem);
            }
        }
    }

    /// A pipeline that names some of `environments` but not all in one stage.
    fn pipeline_between(&self, environments: &BTreeSet<&str>) -> Option<String> {
        let among = |name: &String| environments.contains(name.as_str());
        let parted = self.config.pipelines.values().find(|pipeline| {
            let mut stages = pipeline.stages.iter().map(|stage| &stage.environments);
            let hits = |stage: &Vec<String>| stage.iter().filter(|name| among(name)).count();
            stages.any(|stage| (1..environments.len()).contains(&hits(stage)))
        });
        parted.map(|pipeline| pipeline.name.clone())
    }
}

/// The settable places that go with `pins`: those in the file of each service's first pin.
fn settable_uses<'c>(config: &'c Config, pins: &[Use<'c>]) -> Vec<Use<'c>> {
    let mut seen = BTreeSet::new();
    let mut uses = Vec::new();
    for pin in pins.iter().filter(|pin| seen.insert((pin.environment, pin.dataset, pin.service))) {
        let settable = config.datasets.get(pin.dataset).map(|dataset| dataset.settable.iter().enumerate());
        for (index, settable) in settable.into_iter().flatten().filter(|(_, s)| s.service == pin.service) {
            let place = Place { path: settable.path.clone(), ..pin.place.clone() };
            uses.push(Use { place, role: Role::Settable(index), ..*pin });
        }
    }
    uses
}

/// The environments of a group, if there are several.
fn several<'u>(group: &[&'u Use<'_>]) -> Option<BTreeSet<&'u str>> {
    let environments: BTreeSet<&str> = group.iter().map(|one| one.environment).collect();
    (environments.len() > 1).then_some(environments)
}

fn words(names: &BTreeSet<&str>) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
