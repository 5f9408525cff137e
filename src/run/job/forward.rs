//! The way forward: deploys a service, writes the commit point.

use super::turn::Turn;
use super::watch::Watched;
use super::{Job, Task};
use crate::agent::wait::Mode;
use crate::event::Level;
use crate::exit::Exit;
use crate::queue::{Cause, CauseKind, ServiceRecord, ServiceReport, ServiceState, StageStep, State, Ticket};
use crate::run::driver::{Driver, Halt, Trouble};
use crate::run::people::asked_now;
use crate::run::step::{Step, after};
use crate::run::{RunError, record};

impl Job<'_> {
    /// The first job of a stage pushes for all its services; each watches its own and reports it.
    pub(super) async fn deploy(
        &self,
        task: &Task,
        environment: &str,
        service: &str,
    ) -> Result<Exit, RunError> {
        let stage = self.stage(environment)?;
        self.own(&self.site.ticket, environment, service)?;
        if let Some(exit) = self.other_configuration().await? {
            return Ok(exit);
        }
        let pushes = |ticket: &Ticket| ticket.is_at(stage, StageStep::Pin) && ticket.stands_still().is_none();
        let ticket = match self.turn(|ticket| !pushes(ticket)).await? {
            Turn::Gone => return self.gone(task).await,
            Turn::Enough(ticket) => *ticket,
            Turn::Mine(driver) => match self.push(&driver, stage).await {
                // Another job went on where this one stalled: it watches its own service all the same.
                Err(RunError::TakenOver { .. }) => {
                    return Box::pin(self.deploy(task, environment, service)).await;
                }
                Err(error) => return Err(error),
                Ok(Some(cause)) => {
                    return Ok(self.say(
                        Level::Warning,
                        format!("the run goes back: {}", cause.text),
                        Exit::StepFailed,
                    ));
                }
                Ok(None) => driver.journal.ticket(),
            },
        };
        let record = self.own(&ticket, environment, service)?;
        match record.state {
            ServiceState::Deployed if ticket.cancel.is_none() => {
                return Ok(self.say(Level::Info, format!("{environment}/{service} is deployed"), Exit::Ok));
            }
            ServiceState::Failed => {
                let text = format!("{environment}/{service} did not come up: {}", record.reason);
                return Ok(self.say(Level::Warning, text, Exit::StepFailed));
            }
            _ if ticket.is_at(stage, StageStep::Sync) && ticket.cancel.is_none() => {}
            _ => return Ok(self.not_yet(&ticket)),
        }
        self.watch_own(task, &ticket, stage, (environment, service)).await
    }

    /// Pushes the pins of a stage for all its services, and hands over. Why the run goes back, if it does.
    async fn push(&self, driver: &Driver, stage: usize) -> Result<Option<Cause>, RunError> {
        let pinned = {
            let _pulse = driver.journal.pulse();
            match driver.may_go(Step::Pin { stage }) {
                Ok(()) => driver.pin(stage).await,
                Err(cause) => Err(Trouble::Back(cause)),
            }
        };
        let cause = match pinned {
            Ok(()) => {
                driver.journal.note(|ticket| ticket.state = after(stage, StageStep::Pin));
                None
            }
            Err(trouble) => Some(driver.fault(trouble)?),
        };
        driver.hand_over(if cause.is_some() { "goes back" } else { "the stage is pinned" }).await?;
        Ok(cause)
    }

    async fn watch_own(
        &self,
        task: &Task,
        ticket: &Ticket,
        stage: usize,
        own: (&str, &str),
    ) -> Result<Exit, RunError> {
        let driver = self.onlooker(ticket);
        let commit = ticket.part(own.0).and_then(|part| part.commit.clone());
        let awaited = driver.awaited(ticket, stage);
        let name = format!("{}/{}", own.0, own.1);
        let (ended, commit) = match (self.service(&driver, awaited, own, Mode::Deploy).await?, commit) {
            (Some(Watched::Ended(ended)), Some(commit)) => (ended, commit),
            (Some(Watched::Gone), _) => return self.gone(task).await,
            (Some(Watched::Stopped(why)), _) => return Ok(self.say(Level::Warning, why, Exit::StepFailed)),
            (None, _) | (_, None) => {
                let text = format!("{name} is not in this configuration");
                return Ok(self.say(Level::Warning, text, Exit::StepFailed));
            }
        };
        let report = ServiceReport::of(ended, commit, Mode::Deploy);
        let good = report.state == ServiceState::Deployed;
        let word = if good { "is deployed" } else { "did not come up" };
        let written = self
            .report(&format!("{name} {word}"), |queue, about| queue.report_service(about, &report))
            .await?;
        if written {
            self.ask_people(stage).await;
        }
        let stands = written || self.is_written(own, report.state);
        Ok(match (stands, good) {
            (true, true) => Exit::Ok,
            (true, false) => Exit::StepFailed,
            (false, _) => {
                let text = format!("{name} {word}, but the run goes back or was taken over meanwhile");
                self.say(Level::Warning, text, Exit::StepFailed)
            }
        })
    }

    /// Whether another job of the same service reported the same.
    fn is_written(&self, own: (&str, &str), state: ServiceState) -> bool {
        let Some(seen) = self.site.store.last() else { return false };
        let ticket = seen.queue.tickets.get(&self.site.ticket.number);
        let record = ticket.and_then(|ticket| self.own(ticket, own.0, own.1).ok());
        let back = |ticket: &Ticket| matches!(ticket.state, State::RollingBack { .. });
        record.is_some_and(|record| record.state == state) && !ticket.is_some_and(back)
    }

    /// The report that opens a manual gate tells people of it.
    pub(super) async fn ask_people(&self, stage: usize) {
        let Some(seen) = self.site.store.last() else { return };
        let own = seen.queue.tickets.get(&self.site.ticket.number);
        let goes_on = |own: &&Ticket| own.is_at(stage, StageStep::Gate) && own.stands_still().is_none();
        let Some(ticket) = own.filter(goes_on) else { return };
        let Some(asked) = asked_now(&self.context.config, ticket) else { return };
        if let Ok(gates) = self.context.gates(&[asked.gate.to_owned()]) {
            self.onlooker(ticket).tell_asked(stage, &gates).await;
        }
    }

    /// The first one that finds every result good writes the commit point.
    pub(super) async fn record(&self, task: &Task, environment: &str) -> Result<Exit, RunError> {
        self.stage(environment)?;
        let ticket = match self.turn(|ticket| !ticket.is_complete()).await? {
            Turn::Gone => return self.gone(task).await,
            Turn::Enough(ticket) => *ticket,
            Turn::Mine(driver) => {
                let verified = {
                    let _pulse = driver.journal.pulse();
                    driver.verify_known().await
                };
                if let Err(trouble) = verified {
                    let cause = driver.fault(trouble)?;
                    driver.hand_over("goes back").await?;
                    let text = format!("the run goes back: {}", cause.text);
                    return Ok(self.say(Level::Warning, text, Exit::StepFailed));
                }
                driver.hand_over("verified").await?;
                driver.journal.ticket()
            }
        };
        match ticket.state {
            State::Verified => Ok(self.record_outside(&ticket, environment).await),
            _ => Ok(self.not_yet(&ticket)),
        }
    }

    /// Needs no turn: whoever writes, writes what the record says. What cannot be written here is tried by `finish`.
    async fn record_outside(&self, ticket: &Ticket, environment: &str) -> Exit {
        let context = self.context.for_run(&ticket.run);
        let store = &self.site.store;
        let written = record::settle(&context, store, &ticket.run, environment, &ticket.dataset);
        let verified = format!("{environment} is verified on {}", ticket.version);
        match Box::pin(written).await {
            Ok(None) => {
                self.say(Level::Info, format!("{verified}; nothing is to be recorded outside git"), Exit::Ok)
            }
            Ok(Some(version)) => {
                self.say(Level::Info, format!("{verified}; {version} is recorded"), Exit::Ok)
            }
            Err(reason) => {
                self.say(Level::Warning, format!("{verified}, not recorded: {reason}"), Exit::NotRecorded)
            }
        }
    }

    /// An earlier stage is not complete and good: nothing is written.
    pub(super) fn not_yet(&self, ticket: &Ticket) -> Exit {
        let text = ticket.stands_still().unwrap_or_else(|| ticket.whereabouts());
        self.say(Level::Warning, format!("not run: {text}"), Exit::StepFailed)
    }

    /// With another configuration than the run entered with nothing goes forward.
    pub(super) async fn other_configuration(&self) -> Result<Option<Exit>, RunError> {
        let ticket = &self.site.ticket;
        if ticket.config == self.context.config.source.blob
            || !matches!(ticket.state, State::Deploying { .. })
        {
            return Ok(None);
        }
        let text = format!(
            "the configuration changed since the run entered ({} then, {} here)",
            ticket.config, self.context.config.source.blob
        );
        let cause = Cause { kind: CauseKind::NotAllowed, text: text.clone() };
        self.report("another configuration", |queue, about| queue.report_fault(about, &cause)).await?;
        Ok(Some(self.say(Level::Warning, text, Exit::StepFailed)))
    }

    pub(super) fn stage(&self, environment: &str) -> Result<usize, RunError> {
        let unknown = || RunError::Usage(format!("the run does not name environment `{environment}`"));
        self.site.ticket.stage_of(environment).ok_or_else(unknown)
    }

    pub(super) fn own(
        &self,
        ticket: &Ticket,
        environment: &str,
        service: &str,
    ) -> Result<ServiceRecord, RunError> {
        let services = ticket.part(environment).map(|part| &part.services[..]).unwrap_or_default();
        services.iter().find(|record| record.name == service).cloned().ok_or_else(|| {
            let known: Vec<&str> = services.iter().map(|record| record.name.as_str()).collect();
            RunError::Usage(format!(
                "`{environment}` has no service `{service}` in this run; it has {}",
                known.join(", ")
            ))
        })
    }
}

impl Driver {
    /// Notes why the run goes back; another job takes it back.
    fn fault(&self, trouble: Trouble) -> Result<Cause, Halt> {
        let cause = match trouble {
            Trouble::Halt(halt) => return Err(halt),
            Trouble::Back(cause) => cause,
            Trouble::End(outcome) => Cause {
                kind: CauseKind::NotAllowed,
                text: outcome.reason().unwrap_or_else(|| outcome.word().to_owned()),
            },
        };
        self.journal.note(|ticket| ticket.blame(Some(&cause)));
        Ok(cause)
    }

    /// Writes the commit point, if this process's own configuration pins what the record says.
    pub(super) async fn verify_known(&self) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        for part in ticket.parts() {
            let name = &part.identity.name;
            if let Err(why) = self.knows(&ticket, name) {
                return Err(Trouble::back(CauseKind::NotAllowed, format!("{name}: {why}")));
            }
        }
        self.verify().await
    }
}
