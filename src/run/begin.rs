//! The first step of a run that holds its environments: everything that can be checked is checked.

use std::sync::Arc;

use jiff::Timestamp;

use super::driver::{Driver, Trouble};
use super::{RunError, outside, protected, ready};
use crate::event::{Level, What};
use crate::exit::Exit;
use crate::plan::{self, EnvironmentPlan, Files, FilesError, Plan, Request, frozen};
use crate::queue::{
    Action, Cause, CauseKind, DatasetFile, EnvironmentFile, FrozenBy, Intent, Origin, Outcome, Queue, Role,
    RunKind, SetValue, StageStep, Standing, State, Ticket, VerifiedSet, blocking,
};

impl Driver {
    /// Checks, and announces the start.
    pub(super) async fn begin(&self) -> Result<(), Trouble> {
        self.check().await?;
        self.announce_start(&self.journal.ticket()).await;
        Ok(())
    }

    /// Checks everything that can be checked; from here on the run deploys.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        self.go_on()?;
        self.begin_adoption().await?;
        match self.journal.ticket().kind {
            RunKind::Deploy => self.begin_deployment().await?,
            RunKind::Rollback { .. } => self.begin_rollback().await?,
        }
        let ticket = self.journal.ticket();
        self.context.events.tell(&ticket.run, What::Checked);
        self.journal.note(|ticket| ticket.state = State::Deploying { stage: 0, step: StageStep::Pin });
        Ok(())
    }

    async fn begin_deployment(&self) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        let stopped = |kind: CauseKind, text: String| self.not_begun(kind, text);
        let pipeline = self.pipeline(&ticket).map_err(|text| stopped(CauseKind::NotAllowed, text))?;
        let known = self.context.config.check_version(&ticket.dataset, &ticket.version);
        known.map_err(|text| stopped(CauseKind::NotAllowed, text))?;
        let request = Request { version: ticket.version.clone(), set: ticket.set.clone() };
        let plan = outside::plan(&self.context, self.journal.store(), &pipeline, &request);
        let plan = self.unless_cancelled(plan).await?.map_err(|error| {
            let passing = error.is_transient();
            let error = RunError::from(error);
            // a server that refuses is out of reach, as it is before the run enters
            let kind = match passing || error.exit() == Exit::Unreachable {
                true => CauseKind::Unreachable,
                false => CauseKind::NotAllowed,
            };
            stopped(kind, error.to_string())
        })?;
        if !plan.obstacles.is_empty() {
            return Err(stopped(CauseKind::NotAllowed, plan.obstacles.join("; ")));
        }
        self.may_push(&ticket).await?;
        if plan.nothing_to_do() {
            return Err(Trouble::End(Outcome::NothingToDo));
        }
        // Whoever comes next writes what a cancelled run leaves.
        Box::pin(self.unless_cancelled(self.catch_up(&ticket))).await?;
        self.tell_drift(&ticket, &plan);
        self.tell_proof(&ticket, &plan);
        self.journal.note(|ticket| ticket.planned(&plan));
        Ok(())
    }

    /// Whether GitLab lets this login push every target branch; what people merged needs no push if it is good.
    async fn may_push(&self, ticket: &Ticket) -> Result<(), Trouble> {
        if ticket.adopts.is_some() {
            return Ok(());
        }
        let names = ticket.parts().map(|part| part.identity.name.as_str());
        let denied = self.unless_cancelled(protected::denied(&self.context, names)).await?;
        match denied.is_empty() {
            true => Ok(()),
            false => Err(self.not_begun(CauseKind::NotAllowed, denied.join("; "))),
        }
    }

    fn tell_drift(&self, ticket: &Ticket, plan: &Plan) {
        for environment in plan.drifts() {
            self.context.events.note(&ticket.run, Level::Warning, drift(environment));
        }
    }

    fn tell_proof(&self, ticket: &Ticket, plan: &Plan) {
        for note in &plan.notes {
            self.context.events.note(&ticket.run, Level::Warning, note);
        }
        for change in plan.stages.iter().flat_map(|stage| &stage.rendered) {
            self.context.events.tell(&ticket.run, What::Rendered(change.clone()));
        }
    }

    async fn begin_rollback(&self) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        let not_allowed = |text: String| {
            let cause = Cause { kind: CauseKind::NotAllowed, text };
            Trouble::End(Outcome::Stopped { cause })
        };
        let Some(part) = ticket.parts().next() else {
            return Err(not_allowed("the rollback names no environment".to_owned()));
        };
        let name = part.identity.name.clone();
        let seen = self.journal.store().read().await.map_err(|error| {
            let cause = Cause { kind: CauseKind::Unreachable, text: error.to_string() };
            Trouble::End(Outcome::Stopped { cause })
        })?;
        let file = seen.queue.environment(&name).ok_or_else(|| {
            not_allowed(format!("nothing was ever deployed to `{name}`: there is no set to go back to"))
        })?;
        self.obey_freeze(&ticket, file).map_err(not_allowed)?;
        if was_mended(&ticket, file) {
            return Err(Trouble::End(Outcome::NothingToDo));
        }
        let held = self.held(&ticket, &name).await?;
        let goal = match &ticket.adopts {
            None => {
                let (goal, said) = rollback_goal(&ticket, file, &held).map_err(not_allowed)?;
                if let Some(text) = said {
                    self.context.events.note(&ticket.run, Level::Warning, text);
                }
                goal
            }
            Some(_) => self.reached(&ticket, &seen.queue).ok_or_else(|| {
                let text = format!(
                    "`{name}` was verified on {}, and that was taken back or rejected since",
                    ticket.version
                );
                self.leave_it(CauseKind::Superseded, text)
            })?,
        };
        let left = held.iter().find(|value| value.role == Role::Pin).map(|value| value.text.clone());
        let open = open_work(file);
        self.journal.note(|ticket| {
            ticket.version.clone_from(&goal.version);
            if let (RunKind::Rollback { left: known, .. }, None) = (&mut ticket.kind, &ticket.adopts) {
                *known = left.filter(|left| *left != goal.version);
            }
            for part in ticket.parts_mut() {
                // Only to be settled: another run's commit is never taken for ours.
                for intent in &open {
                    if !part.intents.iter().any(|known| known.commit == intent.commit) {
                        part.intents.push(Intent { action: Action::Settle, ..intent.clone() });
                    }
                }
                part.goal = Some(goal.clone());
            }
        });
        Ok(())
    }

    fn obey_freeze(&self, ticket: &Ticket, file: &EnvironmentFile) -> Result<(), String> {
        let RunKind::Rollback { frozen: by, .. } = &ticket.kind else { return Ok(()) };
        let by_person = file.freeze.as_ref().is_some_and(|freeze| freeze.origin == Origin::Person);
        match (by_person, by) {
            (true, FrozenBy::Obey) => match frozen(file, Timestamp::now()) {
                Some(text) => Err(format!("{text}; `--force` rolls back all the same")),
                None => Ok(()),
            },
            (true, FrozenBy::Override) | (false, _) => Ok(()),
        }
    }

    async fn held(&self, ticket: &Ticket, name: &str) -> Result<Vec<SetValue>, Trouble> {
        let places = self.context.config.places(name, &ticket.dataset);
        let (repo, branch) = (
            self.context.target.clone(),
            self.context.plan_target().identity(&self.context.config, name).branch,
        );
        blocking(move || -> Result<_, FilesError> {
            match repo.fetch(&branch)? {
                Some(tip) => plan::held(&mut Files::at(&repo, &tip), &places),
                None => Ok(Vec::new()),
            }
        })
        .await
        .map_err(|error| {
            let cause = Cause { kind: CauseKind::Unreachable, text: error.to_string() };
            Trouble::End(Outcome::Stopped { cause })
        })
    }

    /// A person may have frozen or rejected meanwhile: that stops a pin which is not pushed yet.
    pub(super) async fn may_pin(&self, names: &[String]) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        if matches!(ticket.kind, RunKind::Rollback { .. }) {
            return Ok(());
        }
        if let Some(text) = ready::obstacle(&self.context, names, &ticket.dataset, &ticket.version).await {
            return Err(Trouble::back(CauseKind::NotAllowed, text));
        }
        let seen = match self.journal.store().read().await {
            Ok(seen) => seen,
            // The intent is written before the push: a queue out of reach stops it there.
            Err(error) => {
                tracing::warn!(%error, "cannot look for freezes");
                return Ok(());
            }
        };
        match obstacle(&seen.queue, names, &ticket) {
            Some(text) => Err(Trouble::back(CauseKind::NotAllowed, text)),
            None => Ok(()),
        }
    }
}

fn obstacle(queue: &Arc<Queue>, names: &[String], ticket: &Ticket) -> Option<String> {
    names.iter().filter_map(|name| queue.environment(name)).find_map(|file| {
        frozen(file, Timestamp::now()).or_else(|| plan::rejected(file, &ticket.dataset, &ticket.version))
    })
}

/// Whether the work that a rollback was meant for is done already.
fn was_mended(ticket: &Ticket, file: &EnvironmentFile) -> bool {
    let RunKind::Rollback { mends: Some(run), .. } = &ticket.kind else { return false };
    let carried = file.freeze.as_ref().and_then(|freeze| freeze.origin.carried());
    carried.is_none_or(|carried| carried.run != *run)
}

/// What is said about pins that differ from the record.
pub fn drift(environment: &EnvironmentPlan) -> String {
    let name = &environment.identity.name;
    let goal = environment.goal.as_ref();
    let differing: Vec<String> = environment
        .held
        .iter()
        .filter_map(|held| {
            let set = goal?.value(&held.place)?;
            (set.text != held.text)
                .then(|| format!("{} holds {}, verified was {}", held.service, held.text, set.text))
        })
        .collect();
    format!("{name} is not as it was verified: {}", differing.join("; "))
}

/// What a rollback goes for, and what people should know of it. See the design: the last verified set if the pins are not
/// that, else the newest one before it, rejected ones passed by; `--to` takes the newest of that version.
fn rollback_goal(
    ticket: &Ticket,
    file: &EnvironmentFile,
    held: &[SetValue],
) -> Result<(VerifiedSet, Option<String>), String> {
    let RunKind::Rollback { to, .. } = &ticket.kind else {
        return Err("not a rollback".to_owned());
    };
    let (name, dataset) = (&file.identity.name, &ticket.dataset);
    let carried = file.freeze.as_ref().and_then(|freeze| freeze.origin.carried());
    if let Some(other) = carried.filter(|carried| carried.dataset != *dataset) {
        return Err(format!(
            "`{name}` is frozen by unfinished work of dataset {}: roll that back first",
            other.dataset
        ));
    }
    let record = file.datasets.get(dataset);
    if let Some(version) = to {
        let mut sets = record.into_iter().flat_map(|record| &record.verified);
        let goal = sets.rfind(|set| set.version == *version).cloned();
        let goal = goal.ok_or_else(|| format!("{dataset} {version} was never verified in `{name}`"))?;
        let rejected = plan::rejected(file, dataset, version);
        return Ok((
            goal,
            rejected.map(|text| format!("{text}; it is gone back to all the same: it was named")),
        ));
    }
    if let Some(carried) = carried {
        let goal = carried.part.goal.clone().or_else(|| VerifiedSet::before(carried, Timestamp::now()));
        let goal =
            goal.ok_or_else(|| format!("the run that left `{name}` had not written anything there"))?;
        return Ok((goal, None));
    }
    let never = || format!("no set of {dataset} was ever verified in `{name}`");
    newest_not_there(name, record.ok_or_else(never)?, held)?.ok_or_else(never)
}

/// The newest verified set that the environment does not hold and that is not rejected, with what is said of those passed
/// by; `None` if nothing was verified, why not if nothing is left.
fn newest_not_there(
    name: &str,
    record: &DatasetFile,
    held: &[SetValue],
) -> Result<Option<(VerifiedSet, Option<String>)>, String> {
    let Some(current) = record.current() else { return Ok(None) };
    let differs = |set: &&VerifiedSet| {
        held.iter().any(|value| set.value(&value.place).is_some_and(|known| known.text != value.text))
    };
    let good = record.verified.iter().rev().filter(|set| set.standing == Standing::Good);
    let mut passed: Vec<&str> = Vec::new();
    for set in good.filter(differs) {
        if !record.is_rejected(&set.version) {
            let said = (!passed.is_empty()).then(|| {
                let all = passed.join(", ");
                format!(
                    "passed by, because rejected in `{name}`: {all}; `--to VERSION` goes to one all the same"
                )
            });
            return Ok(Some((set.clone(), said)));
        }
        if passed.last() != Some(&&set.version[..]) {
            passed.push(&set.version);
        }
    }
    Err(match &passed[..] {
        [] => format!("`{name}` holds {}, and nothing else was verified before it", current.version),
        all => format!(
            "everything else that was verified in `{name}` is rejected ({}); `--to VERSION` goes to one all the same, \
             `datapin deploy` to another version",
            all.join(", ")
        ),
    })
}

/// Pushes of a run that left this environment, which may still be under way.
fn open_work(file: &EnvironmentFile) -> Vec<Intent> {
    file.freeze
        .as_ref()
        .and_then(|freeze| freeze.origin.carried())
        .map(|carried| carried.part.open().cloned().collect())
        .unwrap_or_default()
}

impl Ticket {
    /// Takes over goals and services of the plan.
    fn planned(&mut self, plan: &Plan) {
        for part in self.parts_mut() {
            let planned = plan.stages.iter().flat_map(|stage| &stage.environments);
            let mine = planned.into_iter().find(|planned| planned.identity == part.identity);
            part.goal = mine.and_then(|planned| planned.goal.clone());
            part.package = plan.packages.get(&part.identity.name).cloned();
        }
    }
}
