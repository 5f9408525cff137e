//! What people changed in a range of commits of a target branch. Only reads git.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::config::{Config, Place};
use crate::plan::{Files, FilesError};
use crate::queue::{Adopted, PersonCommit, PinRecord, Role, Value, VerifiedSet};
use crate::repo::{Ancestry, CommitId, LogEntry, Repo, RepoError};
use crate::values::Scalar;

/// One scalar of an environment that a verified set holds.
#[derive(Debug, Clone)]
pub struct Spot {
    /// Service.
    pub service: String,
    /// Pin or settable value.
    pub role: Role,
    /// Where.
    pub place: Place,
}

/// An environment of one dataset, and what is looked at there.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Environment.
    pub environment: String,
    /// Dataset.
    pub dataset: String,
    /// Target branch.
    pub branch: String,
    /// Every pin and settable value.
    pub spots: Vec<Spot>,
}

/// The commits that are looked at: after `before`, up to `commit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The newest.
    pub commit: CommitId,
    /// The one before the oldest.
    pub before: CommitId,
}

/// What people changed in an environment.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where.
    pub ground: Ground,
    /// What the run takes over.
    pub adopted: Adopted,
    /// For each of its commits, how many of the range's line are newer.
    pub at: Vec<usize>,
    /// The messages of every commit that changes its files, those that a merge brought among them.
    pub messages: Vec<String>,
}

/// Who changed an environment last in a range.
#[derive(Debug, Clone)]
pub enum Sight {
    /// Nobody, or it is as it was.
    Nothing,
    /// A run, by this commit.
    Run(CommitId),
    /// People.
    People(Box<Found>),
}

impl Found {
    /// Whether what they wrote differs from a verified set.
    pub fn differs(&self, set: &VerifiedSet) -> bool {
        let mut pins = self.adopted.pins.values().flatten();
        pins.any(|pin| set.value(&pin.place).is_none_or(|value| value.text != pin.after))
    }
}

impl Ground {
    /// Every environment and dataset of a configuration.
    pub fn all(config: &Config, default_branch: &str) -> Vec<Self> {
        let of = |environment: &String| {
            let branch = config.branch_of(environment).unwrap_or(default_branch).to_owned();
            let datasets = config.datasets_of(environment).into_iter();
            let ground = move |dataset: String| Self {
                spots: spots(config, environment, &dataset),
                environment: environment.clone(),
                dataset,
                branch: branch.clone(),
            };
            datasets.map(ground).collect::<Vec<_>>()
        };
        config.environments.keys().flat_map(of).collect()
    }

    /// The files of its spots, each once.
    pub fn files(&self) -> Vec<String> {
        let files: BTreeSet<&String> = self.spots.iter().map(|spot| &spot.place.file).collect();
        files.into_iter().cloned().collect()
    }

    /// What a commit holds at its spots; `None` where a spot is not there.
    pub fn held(&self, repo: &Repo, commit: &CommitId) -> Result<Vec<Option<Scalar>>, FilesError> {
        let mut files = Files::at(repo, commit);
        let places: Vec<&Place> = self.spots.iter().map(|spot| &spot.place).collect();
        match files.scalars(&places) {
            Ok(scalars) => Ok(scalars.into_iter().map(Some).collect()),
            Err(FilesError::Repo(error)) => Err(error.into()),
            Err(_) => places
                .iter()
                .map(|place| match files.scalars(&[place]) {
                    Ok(mut scalars) => Ok(scalars.pop()),
                    Err(FilesError::Repo(error)) => Err(error.into()),
                    Err(_) => Ok(None),
                })
                .collect(),
        }
    }

    /// The same without how it is written.
    pub fn texts(&self, repo: &Repo, commit: &CommitId) -> Result<Vec<Option<String>>, FilesError> {
        let held = self.held(repo, commit)?;
        Ok(held.into_iter().map(|scalar| scalar.map(|scalar| scalar.text)).collect())
    }

    /// Whether both ends of a range hold the same at its spots, or are as unreadable there.
    pub fn is_as_before(&self, repo: &Repo, range: &Range) -> Result<bool, FilesError> {
        Ok(self.texts(repo, &range.before)? == self.texts(repo, &range.commit)?)
    }

    /// Whether a commit of the line changes a spot.
    pub fn changed_by(&self, repo: &Repo, entry: &LogEntry) -> Result<bool, FilesError> {
        let Some(parent) = entry.parents.first() else { return Ok(false) };
        let changed = repo.changed_paths(Some(parent), &entry.id)?;
        if !self.spots.iter().any(|spot| changed.contains(&spot.place.file)) {
            return Ok(false);
        }
        Ok(self.texts(repo, parent)? != self.texts(repo, &entry.id)?)
    }
}

fn spots(config: &Config, environment: &str, dataset: &str) -> Vec<Spot> {
    let mut spots = Vec::new();
    for service in config.places(environment, dataset) {
        let pins = service.pins.into_iter().map(|place| (Role::Pin, place));
        let settable = service.settable.into_iter().map(|place| (Role::Setting, place));
        spots.extend(pins.chain(settable).map(|(role, place)| Spot {
            service: service.service.clone(),
            role,
            place,
        }));
    }
    spots
}

/// The range that is meant: up to `commit`, else the branch's tip; after `before`, else the first parent. `None` where
/// the commit is not on the branch, or nothing is in the range.
pub fn range(
    repo: &Repo,
    branch: &str,
    commit: Option<&CommitId>,
    before: Option<&CommitId>,
) -> Result<Option<Range>, RepoError> {
    let Some(tip) = repo.fetch(branch)? else { return Ok(None) };
    let commit = commit.unwrap_or(&tip).clone();
    if repo.descends(branch, &commit, &tip)? == Ancestry::NotRelated {
        return Ok(None);
    }
    if let Some(before) = before.filter(|before| **before != CommitId::none()) {
        match repo.descends(branch, before, &commit)? {
            Ancestry::Descendant => return Ok(Some(Range { commit, before: before.clone() })),
            Ancestry::Same => return Ok(None),
            // a forced push: what was there before says nothing any more
            Ancestry::NotRelated => {}
        }
    }
    let Some(first) = repo.log(&commit, 1)?.into_iter().next() else { return Ok(None) };
    let Some(parent) = first.parents.into_iter().next() else { return Ok(None) };
    repo.descends(branch, &parent, &commit)?;
    Ok(Some(Range { commit, before: parent }))
}

/// Who changed an environment last in a range, and what. `ours` are the commits of runs; `line` is the range's own line,
/// newest first; `record` is what it was verified with last.
pub fn look(
    repo: &Repo,
    ground: &Ground,
    line: &[LogEntry],
    ours: &HashSet<CommitId>,
    record: Option<&VerifiedSet>,
) -> Result<Sight, FilesError> {
    let (mut people, mut at): (Vec<&LogEntry>, Vec<usize>) = (Vec::new(), Vec::new());
    for (newer, entry) in line.iter().enumerate() {
        if !ground.changed_by(repo, entry)? {
            continue;
        }
        if ours.contains(&entry.id) {
            if people.is_empty() {
                return Ok(Sight::Run(entry.id.clone()));
            }
            break;
        }
        people.push(entry);
        at.push(newer);
    }
    let (Some(newest), Some(before)) =
        (people.first(), people.last().and_then(|oldest| oldest.parents.first()))
    else {
        return Ok(Sight::Nothing);
    };
    let Some(pins) = pins(repo, ground, before, &newest.id, record)? else { return Ok(Sight::Nothing) };
    let brought = repo.last_change(&ground.branch, &newest.id, before, &ground.files())?;
    let messages =
        people.iter().map(|entry| &entry.message).chain(brought.iter().map(|entry| &entry.message));
    let found = Found {
        ground: ground.clone(),
        at,
        messages: messages.cloned().collect(),
        adopted: Adopted {
            commits: people.iter().map(|entry| person(entry)).collect(),
            commit: newest.id.clone(),
            before: before.clone(),
            pins: BTreeMap::from([(ground.environment.clone(), pins)]),
        },
    };
    Ok(Sight::People(Box::new(found)))
}

fn person(entry: &LogEntry) -> PersonCommit {
    PersonCommit {
        id: entry.id.clone(),
        author: one_line(&entry.author_name),
        subject: one_line(entry.message.lines().next().unwrap_or_default()),
    }
}

/// What others wrote stays on one line, so that it can be no trailer.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a branch that is not merged yet changes in an environment, against the commit that it began at. What it does not
/// change is what the tip of its target holds: so a merge leaves it. `record` is what the environment was verified with
/// last.
pub fn proposed(
    repo: &Repo,
    ground: &Ground,
    range: &Range,
    target: Option<&CommitId>,
    record: Option<&VerifiedSet>,
) -> Result<Option<Found>, FilesError> {
    let Some(mut pins) = pins(repo, ground, &range.before, &range.commit, record)? else { return Ok(None) };
    if let Some(target) = target {
        let unchanged = |(pin, _): &(&mut PinRecord, Option<Scalar>)| pin.before.text == pin.after;
        for (pin, now) in pins.iter_mut().zip(ground.held(repo, target)?).filter(unchanged) {
            if let Some(now) = now {
                pin.after.clone_from(&now.text);
                pin.before = Value { text: now.text, source: now.source };
            }
        }
    }
    let commits = repo.last_change(&ground.branch, &range.commit, &range.before, &ground.files())?;
    Ok(Some(Found {
        ground: ground.clone(),
        at: (0..commits.len()).collect(),
        messages: commits.iter().map(|entry| entry.message.clone()).collect(),
        adopted: Adopted {
            commits: commits.iter().map(person).collect(),
            commit: range.commit.clone(),
            before: range.before.clone(),
            pins: BTreeMap::from([(ground.environment.clone(), pins)]),
        },
    }))
}

/// Every spot with what was there before; `None` if it is as it was. What stood where nothing could be read is what the
/// environment was verified with.
fn pins(
    repo: &Repo,
    ground: &Ground,
    before: &CommitId,
    after: &CommitId,
    record: Option<&VerifiedSet>,
) -> Result<Option<Vec<PinRecord>>, FilesError> {
    let places: Vec<&Place> = ground.spots.iter().map(|spot| &spot.place).collect();
    let now = Files::at(repo, after).scalars(&places)?;
    let then = ground.held(repo, before)?;
    let spots = ground.spots.iter().zip(now).zip(then);
    let pins: Vec<PinRecord> = spots
        .map(|((spot, now), then)| {
            let before = match then {
                Some(then) => Value { text: then.text, source: then.source },
                None => unread(spot, &now, record),
            };
            PinRecord {
                service: spot.service.clone(),
                place: spot.place.clone(),
                role: spot.role,
                before,
                after: now.text,
            }
        })
        .collect();
    let moved = pins.iter().any(|pin| pin.before.text != pin.after);
    Ok(moved.then_some(pins))
}

/// What a scalar that could not be read counts as: a pin as it was verified, written as it is now. One that is new stays
/// when the rest is taken back.
fn unread(spot: &Spot, now: &Scalar, record: Option<&VerifiedSet>) -> Value {
    let known = record.and_then(|set| set.value(&spot.place)).filter(|_| spot.role == Role::Pin);
    match known.filter(|_| now.source.contains(&now.text)) {
        Some(known) => {
            Value { text: known.text.clone(), source: now.source.replacen(&now.text, &known.text, 1) }
        }
        None => Value { text: now.text.clone(), source: now.source.clone() },
    }
}
