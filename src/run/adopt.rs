//! Pins that people committed: the commit is the pin, and becomes a run that waits for it, gates it and takes it back if
//! it fails.
//!
//! What people changed in a range of commits ([`range`]) becomes one run for each environment ([`route`]), or for those
//! that a stage deploys side by side. What counts is what the newest commit holds. No commit is made for the first stage;
//! the stages after it are pinned as usual. A commit is a run's own, and not a person's, if the journal names its id.
//!
//! A plain `git revert` by a person is a rollback by the rule of [`revert`].

mod comment;
pub mod range;
pub mod revert;
pub mod route;
mod start;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::context::Context;
use super::ready::{Needs, ready};
use super::{RunError, carry_out};
use crate::event::Level;
use crate::plan::{FilesError, PlanError};
use crate::queue::{
    Cause, CauseKind, EnvironmentFile, HistoryLine, Outcome, Queue, RunId, Store, VerifiedSet, blocking,
};
use crate::repo::{CommitId, LogEntry, Repo};

use super::outside::OutsideError;
pub(super) use start::one_version;

use range::{Found, Ground, Range, Sight, look, range};
use route::{Meaning, Route, routes};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The newest commit; `None` means the branch's tip.
    pub commit: Option<CommitId>,
    /// The commit before the oldest; none or zeros: the first parent of the newest.
    pub before: Option<CommitId>,
    /// Target branch; `None` means every one that has the commit.
    pub branch: Option<String>,
    /// Pipeline that the version goes through.
    pub pipeline: Option<String>,
}

/// What became of one environment, or of those of one stage.
#[derive(Debug)]
pub struct Adoption {
    /// Environments.
    pub what: String,
    /// How it ended.
    pub outcome: Result<Outcome, RunError>,
}

/// Adopts what people changed in a range of commits. Empty if that is nothing.
///
/// One environment that fails stops no other.
pub async fn adopt(context: &Context, asked: &Asked) -> Result<Vec<Adoption>, RunError> {
    let grounds = grounds(context, asked)?;
    let journal = Records::read(context, grounds.iter().map(|ground| &ground.environment[..])).await?;
    let sights = see(context, asked, grounds, &journal).await?;
    let mut adoptions = Vec::new();
    let mut found = Vec::new();
    for (ground, sight) in sights {
        match sight {
            Ok(Sight::Nothing) => {}
            Ok(Sight::Run(commit)) => adoptions.extend(journal.earlier(&ground, &commit)),
            Ok(Sight::People(one)) => found.push(*one),
            Err(error) => adoptions.push(Adoption { what: ground.environment, outcome: Err(error) }),
        }
    }
    let found = meanings(context, found, &journal).await?;
    let routes = routes(&context.config, found, asked.pipeline.as_deref())?;
    if !routes.is_empty() {
        tell_of_silence(context);
    }
    adoptions.extend(carry_each(context, routes).await?);
    Ok(adoptions)
}

/// Says why no merge request is told how it ends, where GitLab lets this login tell none.
fn tell_of_silence(context: &Context) {
    if context.gitlab.as_ref().is_ok_and(|gitlab| gitlab.has_job_token()) {
        let text = "no merge request is told how it ends: that needs a token with the scope `api` in the CI variable \
                    DATAPIN_GITLAB_TOKEN, because CI_JOB_TOKEN cannot write notes";
        context.events.note(&RunId(String::new()), Level::Info, text);
    }
}

/// Adopts what people changed in an environment since it was verified with these sets, where it differs from them and no
/// run explains it.
pub(super) async fn unexplained(
    context: &Context,
    environment: &str,
    verified: &BTreeMap<String, VerifiedSet>,
) -> Result<Vec<Adoption>, RunError> {
    let journal = Records::read(context, std::iter::once(environment)).await?;
    let (mut adoptions, mut found) = (Vec::new(), Vec::new());
    let all = Ground::all(&context.config, &context.default_branch).into_iter();
    for ground in all.filter(|ground| ground.environment == environment) {
        let Some(set) = verified.get(&ground.dataset) else { continue };
        let asked = Asked { before: Some(set.commit.clone()), ..Asked::default() };
        for (ground, sight) in see(context, &asked, vec![ground], &journal).await? {
            match sight {
                Ok(Sight::People(one)) if one.differs(set) => found.push(*one),
                Ok(Sight::People(_) | Sight::Run(_) | Sight::Nothing) => {}
                Err(error) => adoptions.push(Adoption { what: ground.environment, outcome: Err(error) }),
            }
        }
    }
    let found = meanings(context, found, &journal).await?;
    adoptions.extend(carry_each(context, routes(&context.config, found, None)?).await?);
    Ok(adoptions)
}

async fn carry_each(context: &Context, routes: Vec<Route>) -> Result<Vec<Adoption>, RunError> {
    let mut adoptions = Vec::new();
    for route in routes {
        let what = route.what.clone();
        adoptions.push(Adoption { what, outcome: follow(context, route).await });
    }
    Ok(adoptions)
}

/// Whether an environment follows a branch.
pub fn is_followed(context: &Context, branch: &str) -> bool {
    Ground::all(&context.config, &context.default_branch).iter().any(|ground| ground.branch == branch)
}

fn grounds(context: &Context, asked: &Asked) -> Result<Vec<Ground>, RunError> {
    let mut grounds = Ground::all(&context.config, &context.default_branch);
    if let Some(branch) = &asked.branch {
        grounds.retain(|ground| ground.branch == *branch);
        if grounds.is_empty() {
            return Err(RunError::Usage(format!(
                "`{branch}` is no target branch: no environment of {} follows it; run `adopt` only in pipelines of target branches",
                context.config.source.name
            )));
        }
    }
    Ok(grounds)
}

/// Who changed what in the range, for every ground; one that cannot be read stops no other.
async fn see(
    context: &Context,
    asked: &Asked,
    grounds: Vec<Ground>,
    journal: &Records,
) -> Result<Vec<(Ground, Result<Sight, RunError>)>, RunError> {
    let grounds: Vec<_> =
        grounds.into_iter().map(|ground| (journal.current(&ground).cloned(), ground)).collect();
    let (repo, asked, ours) = (context.target.clone(), asked.clone(), journal.ours.clone());
    let name = asked.commit.as_ref().map(|commit| commit.short().to_owned());
    let seen = blocking(move || -> Result<_, OutsideError> {
        let mut lines: BTreeMap<String, Option<(Range, Vec<LogEntry>)>> = BTreeMap::new();
        let mut seen = Vec::new();
        for (record, ground) in grounds {
            if !lines.contains_key(&ground.branch) {
                let range = range(&repo, &ground.branch, asked.commit.as_ref(), asked.before.as_ref())?;
                let line = range.map(|range| {
                    let line = repo.line(&ground.branch, &range.commit, &range.before)?;
                    Ok::<_, crate::repo::RepoError>((range, line))
                });
                lines.insert(ground.branch.clone(), line.transpose()?);
            }
            let Some(Some((_, line))) = lines.get(&ground.branch) else { continue };
            let sight = look(&repo, &ground, line, &ours, record.as_ref());
            let sight = sight.map_err(|error| in_environment(&ground, error).into());
            seen.push((ground, sight));
        }
        Ok((lines.values().all(Option::is_none), seen))
    });
    match (seen.await?, name) {
        ((true, _), Some(name)) => Err(RunError::Usage(format!(
            "commit {name} is on no target branch, or has no parent to compare it with; `adopt` is for commits that are merged"
        ))),
        ((_, seen), _) => Ok(seen),
    }
}

fn in_environment(ground: &Ground, source: FilesError) -> OutsideError {
    PlanError::Files { environment: ground.environment.clone(), source }.into()
}

/// Tells rollbacks from deployments.
async fn meanings(
    context: &Context,
    found: Vec<Found>,
    journal: &Records,
) -> Result<Vec<(Found, Meaning)>, RunError> {
    let mut all = Vec::new();
    for one in found {
        let file = journal.files.get(&one.ground.environment);
        let record = file.and_then(|file| file.datasets.get(&one.ground.dataset)).cloned();
        let (repo, ground): (std::sync::Arc<Repo>, _) = (context.target.clone(), one.ground.clone());
        let asked = one.clone();
        let back = blocking(move || -> Result<_, OutsideError> {
            revert::as_rollback(&repo, &asked, record.as_ref())
                .map_err(|error| in_environment(&ground, error))
        });
        let meaning = match back.await? {
            Some(back) => Meaning::Rollback(Box::new(back)),
            None => Meaning::Deployment,
        };
        all.push((one, meaning));
    }
    Ok(all)
}

/// Enters the queue, and drives the run to its end.
async fn follow(context: &Context, route: Route) -> Result<Outcome, RunError> {
    let Route { pipeline, order, .. } = route;
    let Some(first) = order.stages.first().and_then(|(environments, _)| environments.first()).cloned() else {
        return Err(RunError::Usage("the pipeline has no stage".to_owned()));
    };
    let environments: Vec<String> = order.stages.iter().flat_map(|(names, _)| names.clone()).collect();
    let gates: Vec<String> = order.stages.iter().flat_map(|(_, gates)| gates.clone()).collect();
    let needs = Needs {
        environments: &environments,
        dataset: &order.dataset,
        version: &order.version,
        gates: &gates,
    };
    ready(context, &needs).await?;
    let store = context.queue_store(&context.config.queue_of_environment(&first).name);
    if let Some(pipeline) = pipeline.filter(|_| start::one_version(&order.adopts).is_ok()) {
        let request = crate::plan::Request { version: order.version.clone(), set: Vec::new() };
        let plan = super::outside::plan(context, &store, &pipeline, &request).await;
        if plan.is_ok_and(|plan| plan.nothing_to_do()) {
            let text = format!("{first} is verified on {} already: nothing to do", order.version);
            context.events.note(&RunId(String::new()), Level::Info, text);
            return Ok(Outcome::NothingToDo);
        }
    }
    carry_out(context, &store, context.config.queue_of_environment(&first), order).await
}

/// What the queues of some environments say.
struct Records {
    files: BTreeMap<String, EnvironmentFile>,
    /// Commits of runs; those that a run adopted and has not ended yet are still the person's.
    ours: HashSet<CommitId>,
    ended: HashMap<CommitId, HistoryLine>,
}

/// So many finished runs are looked at for the ids of their commits.
const LINES: usize = 2000;

impl Records {
    async fn read(context: &Context, environments: impl Iterator<Item = &str>) -> Result<Self, RunError> {
        let mut queues: Vec<&str> =
            environments.map(|name| &context.config.queue_of_environment(name).name[..]).collect();
        queues.sort_unstable();
        queues.dedup();
        let mut records = Self { files: BTreeMap::new(), ours: HashSet::new(), ended: HashMap::new() };
        for name in queues {
            let store: Store = context.queue_store(name);
            let seen = store.read().await?;
            let lines = store.history(|lines| lines.len() >= LINES).await?;
            records.add(&seen.queue, lines);
        }
        Ok(records)
    }

    fn add(&mut self, queue: &Queue, lines: Vec<HistoryLine>) {
        for file in queue.environments.values() {
            let carried = file.freeze.as_ref().and_then(|freeze| freeze.origin.carried());
            let intents = carried.into_iter().flat_map(|carried| &carried.part.intents);
            self.ours.extend(intents.map(|intent| intent.commit.clone()));
            self.files.insert(file.identity.name.clone(), file.clone());
        }
        for line in lines.into_iter().rev() {
            for commit in &line.commits {
                self.ours.insert(commit.clone());
                self.ended.insert(commit.clone(), line.clone());
            }
        }
        for ticket in queue.tickets.values() {
            let intents = ticket.parts().flat_map(|part| &part.intents);
            self.ours.extend(intents.map(|intent| intent.commit.clone()));
            if let Some(adopted) = &ticket.adopts {
                self.ours.remove(&adopted.commit);
            }
        }
    }

    /// What an environment was verified with last.
    fn current(&self, ground: &Ground) -> Option<&VerifiedSet> {
        self.files.get(&ground.environment)?.datasets.get(&ground.dataset)?.current()
    }

    /// What is said of a commit that a run adopted before; nothing of a commit that a run made.
    fn earlier(&self, ground: &Ground, commit: &CommitId) -> Option<Adoption> {
        let line = self.ended.get(commit).filter(|line| line.adopted.as_ref() == Some(commit))?;
        let outcome = match &line.outcome {
            // What is not recorded is written by any later run: it was adopted all the same.
            Outcome::Verified | Outcome::NotRecorded { .. } | Outcome::Restored | Outcome::NothingToDo => {
                Outcome::NothingToDo
            }
            failed @ Outcome::RollbackFailed { .. } => failed.clone(),
            other => {
                let why = other.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
                let text = format!(
                    "run {} adopted {} before, and ended: {}{why}; commit it again to try again",
                    line.run,
                    commit.short(),
                    other.word()
                );
                Outcome::Stopped { cause: Cause { kind: CauseKind::Superseded, text } }
            }
        };
        Some(Adoption { what: ground.environment.clone(), outcome: Ok(outcome) })
    }
}

/// The worst of several ends decides the exit code; 0 if there is none.
pub fn exit(adoptions: &[Adoption]) -> crate::exit::Exit {
    let of = |adoption: &Adoption| match &adoption.outcome {
        Ok(outcome) => outcome.exit(),
        Err(error) => error.exit(),
    };
    crate::exit::Exit::worst(adoptions.iter().map(of))
}
