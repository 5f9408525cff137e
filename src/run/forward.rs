//! The steps of a deployment on its way forward.

use std::sync::Arc;

use super::driver::{Driver, Trouble};
use super::fence::{Group, Made, Make, Passed, pass};
use super::journal::Pulse;
use super::message;
use super::sync::{self, Awaited, Ended, How};
use crate::agent::wait::Mode;
use crate::event::{Level, PinChange, What};
use crate::gate::{Facts, GateEvent, GateRunner, Report, run_stage};
use crate::notify::Announcement;
use crate::plan::{self, Files, Wanted};
use crate::queue::{
    Action, CauseKind, EnvironmentPart, Lives, RunKind, ServiceState, StageRecord, Ticket, Verdict,
};
use crate::repo::CommitId;

impl Driver {
    /// Pushes the pins of a stage, one commit per target branch, in the listed order.
    pub(super) async fn pin(&self, stage: usize) -> Result<(), Trouble> {
        self.go_on()?;
        let ticket = self.journal.ticket();
        let environments = names(&ticket.stages[stage]);
        self.context
            .events
            .tell(&ticket.run, What::Stage { index: stage, of: ticket.stages.len(), environments });
        Box::pin(self.provide(stage)).await?;
        for mut group in groups(&ticket, stage) {
            self.go_on()?;
            if ticket.kind == RunKind::Deploy {
                self.tell_live(&ticket, &mut group);
            }
            if !group.environments.is_empty() {
                self.may_pin(&group.environments).await?;
                self.pin_group(&group).await?;
            }
        }
        Ok(())
    }

    /// What people committed is live: it is taken out of what is pinned.
    fn tell_live(&self, ticket: &Ticket, group: &mut Group) {
        let (live, rest): (Vec<String>, Vec<String>) =
            std::mem::take(&mut group.environments).into_iter().partition(|name| ticket.adopted(name));
        group.environments = rest;
        let Some(commit) = live.first().and_then(|name| ticket.part(name)?.commit.clone()) else { return };
        let live = Group { environments: live, ..group.clone() };
        let changes = changes(ticket, &live);
        let Group { environments, branch, .. } = live;
        self.context.events.tell(&ticket.run, What::Pinned { environments, branch, commit, changes });
    }

    async fn pin_group(&self, group: &Group) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        let wanted = self.wanted(&ticket, group);
        self.prove_pin(group, &wanted).await?;
        let make = pin_maker(&self.context.config.repository.message, ticket.clone(), group, wanted.clone());
        let limit = self.limit(group);
        let passed = pass(&self.context, &self.journal, group, Action::Pin, limit, make)
            .await
            .map_err(Trouble::fence)?;
        let commit = match passed {
            Passed::Pushed { commit, .. } => commit,
            Passed::Unchanged { tip } => self.found(group, &tip, wanted).await?,
        };
        self.journal.note(|ticket| {
            for part in ticket.parts_mut().filter(|part| group.has(part)) {
                part.commit = Some(commit.clone());
            }
        });
        self.context.events.tell(
            &ticket.run,
            What::Pinned {
                environments: group.environments.clone(),
                branch: group.branch.clone(),
                commit,
                changes: changes(&self.journal.ticket(), group),
            },
        );
        Ok(())
    }

    /// Nothing had to be changed: either our commit is there already, or the pins hold the version anyhow.
    async fn found(&self, group: &Group, tip: &CommitId, wanted: Vec<Wanted>) -> Result<CommitId, Trouble> {
        let ticket = self.journal.ticket();
        let ours = ticket.parts().filter(|part| group.has(part)).find_map(|part| part.pinned().cloned());
        if let Some(commit) = ours {
            return Ok(commit);
        }
        let (repo, at) = (self.context.target.clone(), tip.clone());
        let planned =
            self.patient(self.limit(group), move || plan::pin(&mut Files::at(&repo, &at), &wanted)).await?;
        self.journal
            .decide("pins hold the version already", |ticket| {
                for part in ticket.parts_mut().filter(|part| group.has(part)) {
                    part.commit = Some(tip.clone());
                    if let Some((_, pins)) = planned.pins.iter().find(|(name, _)| *name == part.identity.name)
                    {
                        part.pins.clone_from(pins);
                    }
                }
            })
            .await?;
        Ok(tip.clone())
    }

    fn wanted(&self, ticket: &Ticket, group: &Group) -> Vec<Wanted> {
        let config = &self.context.config;
        ticket
            .parts()
            .filter(|part| group.has(part))
            .map(|part| {
                let name = &part.identity.name;
                let places = config.places(name, &ticket.dataset);
                match (&ticket.kind, &part.goal) {
                    (RunKind::Rollback { .. }, Some(goal)) => Wanted::set(name, &places, goal),
                    (RunKind::Rollback { .. } | RunKind::Deploy, _) => {
                        Wanted::version(name, &places, &ticket.version, &ticket.set)
                    }
                }
            })
            .collect()
    }

    /// Waits until the agent has rolled the stage out.
    pub(super) async fn sync(&self, stage: usize) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        let awaited = self.awaited(&ticket, stage);
        let mode = match ticket.kind {
            RunKind::Deploy => Mode::Deploy,
            RunKind::Rollback { .. } => Mode::Rollback,
        };
        let ended = self.unless_cancelled(sync::wait(&self.context, &self.journal, &awaited, mode)).await?;
        judged(&ended)
    }

    pub(super) fn awaited(&self, ticket: &Ticket, stage: usize) -> Vec<Awaited> {
        ticket.stages[stage]
            .environments
            .iter()
            .filter_map(|part| {
                let known = self.context.config.environments.get(&part.identity.name)?;
                let limit = match ticket.kind {
                    RunKind::Deploy => known.sync_timeout,
                    RunKind::Rollback { .. } => known.rollback_timeout,
                };
                Some(Awaited {
                    environment: part.identity.name.clone(),
                    branch: part.identity.branch.clone(),
                    commit: part.commit.clone()?,
                    services: Awaited::services(part, |pin| Some(pin.after.clone())),
                    dataset: ticket.dataset.clone(),
                    version: ticket.version.clone(),
                    limit,
                })
            })
            .collect()
    }

    /// Runs the gates of a stage that have not ended yet.
    pub(super) async fn gate(&self, stage: usize) -> Result<(), Trouble> {
        self.go_on()?;
        let ticket = self.journal.ticket();
        if let Some(ended) = ticket.stages[stage].gates.iter().find(|gate| gate.verdict.is_some_and(lost)) {
            // A verdict is not asked for twice, not even by another driver.
            return Err(Trouble::back(CauseKind::Gate, format!("gate {}: {}", ended.name, ended.summary)));
        }
        let open: Vec<String> = ticket.stages[stage]
            .gates
            .iter()
            .filter(|gate| !matches!(gate.verdict, Some(Verdict::Passed | Verdict::Warned)))
            .map(|gate| gate.name.clone())
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let gates: Vec<GateRunner> =
            self.context.gates(&open).map_err(|error| Trouble::back(CauseKind::Gate, error.to_string()))?;
        if let Some(missing) = open.iter().find(|name| !gates.iter().any(|gate| gate.name() == *name)) {
            let text = format!("gate {missing} is not in this configuration");
            return Err(Trouble::back(CauseKind::NotAllowed, text));
        }
        let _eyes = self.ask_people(stage, &gates).await?;
        let gates: Vec<GateRunner> =
            gates.into_iter().map(|gate| gate.with_answers(self.journal.answers())).collect();
        self.journal.assure().await?;
        let hear = |event: GateEvent| self.hear(&ticket, stage, event);
        let reports = self.unless_cancelled(run_stage(&gates, &facts(&ticket, stage), hear)).await?;
        match reports.iter().find(|(_, report)| lost(report.verdict)) {
            None => Ok(()),
            Some((gate, report)) => Err(Trouble::back(
                CauseKind::Gate,
                format!("gate {gate} {}: {}", report.verdict.word(), report.summary),
            )),
        }
    }

    /// Says who is asked by manual gates, and looks for answers more often than a beat would.
    async fn ask_people(&self, stage: usize, gates: &[GateRunner]) -> Result<Option<Pulse>, Trouble> {
        if gates.iter().all(|gate| gate.asks().is_none()) {
            return Ok(None);
        }
        // An answer is only taken where the branch says that the gate waits for one.
        self.journal.confirm().await?;
        self.tell_asked(stage, gates).await;
        Ok(Some(self.journal.watch(self.context.glance())))
    }

    /// Tells chat and listeners who is asked.
    pub(super) async fn tell_asked(&self, stage: usize, gates: &[GateRunner]) {
        let ticket = self.journal.ticket();
        let summary = super::close::summary(&ticket);
        for gate in gates {
            let Some((who, timeout)) = gate.asks() else { continue };
            let asked = crate::notify::Asked { gate: gate.name(), who, timeout, stage };
            self.comment_asked(&ticket, &summary, &asked).await;
            let announcement =
                Announcement::Asked { run: &ticket.run, number: ticket.number, summary: &summary, asked };
            let yes = match ticket.lives {
                Lives::Process => format!("`datapin approve {} --gate {}`", ticket.number, gate.name()),
                Lives::Pipeline(_) => "start its job in the CI pipeline".to_owned(),
            };
            let text = format!(
                "gate {} waits for a person{}: {yes}, no is `datapin cancel {}`; {timeout:?} at most",
                gate.name(),
                who.map(|who| format!(" ({who})")).unwrap_or_default(),
                ticket.number,
            );
            self.context.events.note(&ticket.run, Level::Info, text);
            if let Err(error) =
                self.context.notifier.announce(&announcement, ticket.notify.thread.as_deref()).await
            {
                self.not_announced(&ticket, &error.to_string());
            }
        }
    }

    pub(super) fn hear(&self, ticket: &Ticket, stage: usize, event: GateEvent) {
        let what = match event {
            GateEvent::Began { gate, attempt } => What::GateBegan { stage, gate, attempt },
            GateEvent::Retrying { gate, attempt, report, pause } => What::Note {
                level: Level::Warning,
                text: format!(
                    "gate {gate}, try {attempt}: {}; tried again in {} s",
                    report.summary,
                    pause.as_secs_f32().ceil()
                ),
            },
            GateEvent::Ended { gate, report } => {
                self.journal.note(|ticket| ticket.stages[stage].verdict(&gate, &report));
                What::GateEnded {
                    stage,
                    gate,
                    verdict: report.verdict,
                    summary: report.summary,
                    url: report.url,
                    log: report.log,
                }
            }
        };
        self.context.events.tell(&ticket.run, what);
    }
}

fn pin_maker(template: &Option<String>, ticket: Ticket, group: &Group, wanted: Vec<Wanted>) -> Make {
    let (template, group) = (template.clone(), group.clone());
    Arc::new(move |repo, tip, parts| {
        if parts.iter().any(|part| part.pinned().is_some()) {
            return Ok(Made::default());
        }
        let planned = plan::pin(&mut Files::at(repo, tip), &wanted)?;
        let message = message::pin(template.as_deref(), &ticket, &group, &planned.pins);
        Ok(Made { changes: planned.changes, message, pins: planned.pins })
    })
}

/// What the ends of a wait mean for the run.
pub(super) fn judged(ended: &[Ended]) -> Result<(), Trouble> {
    let mut failed = Vec::new();
    let mut superseded = Vec::new();
    for one in ended {
        let name = format!("{}/{}", one.environment, one.service);
        match &one.how {
            How::Up => {}
            How::Failed { reason } => failed.push(format!("{name}: {reason}")),
            How::Superseded { by } => superseded.push(format!("{name}: superseded by {by}")),
        }
    }
    match (superseded.is_empty(), failed.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(Trouble::back(CauseKind::Superseded, superseded.join("; "))),
        (true, false) => Err(Trouble::back(CauseKind::Deployment, failed.join("; "))),
    }
}

fn lost(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Passed | Verdict::Warned | Verdict::Skipped => false,
        Verdict::Failed | Verdict::Errored | Verdict::TimedOut => true,
    }
}

/// Names of the environments of a stage.
pub fn names(stage: &StageRecord) -> Vec<String> {
    stage.environments.iter().map(|part| part.identity.name.clone()).collect()
}

/// The environments of a stage by target branch, in the listed order.
pub fn groups(ticket: &Ticket, stage: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for part in &ticket.stages[stage].environments {
        let name = part.identity.name.clone();
        match groups.iter_mut().find(|group| group.branch == part.identity.branch) {
            Some(group) => group.environments.push(name),
            None => {
                groups.push(Group { stage, branch: part.identity.branch.clone(), environments: vec![name] })
            }
        }
    }
    groups
}

impl Group {
    /// Whether a part belongs to it.
    pub fn has(&self, part: &EnvironmentPart) -> bool {
        self.environments.contains(&part.identity.name)
    }
}

fn changes(ticket: &Ticket, group: &Group) -> Vec<PinChange> {
    ticket
        .parts()
        .filter(|part| group.has(part))
        .flat_map(|part| part.pins.iter().map(move |pin| (part, pin)))
        .filter(|(_, pin)| pin.before.text != pin.after)
        .map(|(part, pin)| PinChange::of(part, pin))
        .collect()
}

pub(super) fn facts(ticket: &Ticket, stage: usize) -> Facts {
    let parts = &ticket.stages[stage].environments;
    let mut services: Vec<String> = Vec::new();
    for service in parts.iter().flat_map(|part| &part.services) {
        if service.state == ServiceState::Deployed && !services.contains(&service.name) {
            services.push(service.name.clone());
        }
    }
    Facts {
        run: ticket.run.to_string(),
        pipeline: ticket.pipeline.clone(),
        dataset: ticket.dataset.clone(),
        version: ticket.version.clone(),
        stage,
        environments: names(&ticket.stages[stage]),
        commits: parts
            .iter()
            .filter_map(|part| Some((part.identity.name.clone(), part.commit.clone()?)))
            .collect(),
        services,
        actor: ticket.actor.clone(),
        url: ticket.ci.as_ref().map(|ci| ci.url.clone()).unwrap_or_default(),
    }
}

impl StageRecord {
    fn verdict(&mut self, gate: &str, report: &Report) {
        for record in self.gates.iter_mut().filter(|record| record.name == gate) {
            record.verdict = Some(report.verdict);
            record.summary.clone_from(&report.summary);
            record.url.clone_from(&report.url);
        }
    }
}
