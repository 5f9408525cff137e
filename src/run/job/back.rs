//! The way back, and the end.

use jiff::Timestamp;

use super::turn::Turn;
use super::watch::Watched;
use super::{Job, Task};
use crate::agent::wait::Mode;
use crate::event::Level;
use crate::exit::Exit;
use crate::queue::{
    Cause, CauseKind, ChangeError, Lives, Outcome, Refusal, ServiceReport, ServiceState, Spread, State,
    Ticket,
};
use crate::run::driver::{Driver, Trouble};
use crate::run::{RunError, drive};

impl Job<'_> {
    /// The first job pushes the reverts of all stages; each waits for its own service and reports it.
    pub(super) async fn rollback(
        &self,
        task: &Task,
        environment: &str,
        service: &str,
    ) -> Result<Exit, RunError> {
        self.own(&self.site.ticket, environment, service)?;
        let ticket = match self.turn(|ticket| ticket.is_reverted() || !ticket.goes_back()).await? {
            Turn::Gone => return self.gone(task).await,
            Turn::Enough(ticket) => *ticket,
            Turn::Mine(driver) => {
                self.push_back(&driver).await?;
                driver.journal.ticket()
            }
        };
        let name = format!("{environment}/{service}");
        let record = self.own(&ticket, environment, service)?;
        match (&ticket.state, record.state) {
            (State::Waiting, _) => {
                Ok(self.say(Level::Info, "the run has not started: nothing to roll back", Exit::Ok))
            }
            (State::Verified, _) => {
                Ok(self.say(Level::Info, "the run is verified: nothing to roll back", Exit::Ok))
            }
            (_, ServiceState::RolledBack) => {
                Ok(self.say(Level::Info, format!("{name} is rolled back"), Exit::Ok))
            }
            (_, ServiceState::RollbackFailed) => {
                let text = format!("{name} did not come back: {}", record.reason);
                Ok(self.say(Level::Warning, text, Exit::RollbackFailed))
            }
            _ => self.watch_back(task, &ticket, (environment, service)).await,
        }
    }

    async fn push_back(&self, driver: &Driver) -> Result<(), RunError> {
        {
            let _pulse = driver.journal.pulse();
            let ticket = driver.journal.ticket();
            let cause = match ticket.state {
                State::RollingBack { cause } => cause,
                _ => ticket.why_back(&self.context.actor),
            };
            driver.turn(cause.clone());
            driver.journal.decide("goes back", |_| {}).await.map_err(crate::run::driver::Halt::from)?;
            driver.push_all_back(&cause).await?;
        }
        Ok(driver.hand_over("the reverts are pushed").await?)
    }

    async fn watch_back(&self, task: &Task, ticket: &Ticket, own: (&str, &str)) -> Result<Exit, RunError> {
        let driver = self.onlooker(ticket);
        let name = format!("{}/{}", own.0, own.1);
        let commit = ticket.part(own.0).and_then(|part| part.revert.clone());
        if let Err(why) = driver.knows(ticket, own.0) {
            return Ok(self.say(Level::Warning, format!("{name}: {why}"), Exit::RollbackFailed));
        }
        let Some(commit) = commit else {
            return Ok(self.say(Level::Info, format!("{name}: nothing to roll back"), Exit::Ok));
        };
        let awaited = driver.awaited_back(ticket).await;
        let report = match self.service(&driver, awaited, own, Mode::Rollback).await? {
            Some(Watched::Ended(ended)) => ServiceReport::of(ended, commit, Mode::Rollback),
            Some(Watched::Gone) => return self.gone(task).await,
            Some(Watched::Stopped(why)) => return Ok(self.say(Level::Warning, why, Exit::Ok)),
            None => return Ok(self.say(Level::Info, format!("{name}: nothing to roll back"), Exit::Ok)),
        };
        let good = report.state == ServiceState::RolledBack;
        let word = if good { "is rolled back" } else { "did not come back" };
        self.report(&format!("{name} {word}"), |queue, about| queue.report_service(about, &report)).await?;
        Ok(if good { Exit::Ok } else { Exit::RollbackFailed })
    }

    /// Does whatever is left, announces how it ended, and writes it.
    pub(super) async fn finish(&self) -> Result<Exit, RunError> {
        let driver = match self.turn(|ticket| !ticket.state.holds()).await? {
            Turn::Gone => return Ok(self.say(Level::Info, "the run is over already", Exit::Ok)),
            Turn::Enough(waiting) => return self.leave(&waiting).await,
            Turn::Mine(driver) => driver,
        };
        let ticket = driver.journal.ticket();
        let complete = ticket.is_complete();
        let verified = match (&ticket.state, complete) {
            (State::Verified | State::RollingBack { .. }, _) => Ok(()),
            (_, true) => {
                let _pulse = driver.journal.pulse();
                driver.verify_known().await
            }
            (State::Waiting | State::Started | State::Deploying { .. }, false) => {
                Err(Trouble::Back(ticket.why_back(&self.context.actor)))
            }
        };
        match verified {
            Ok(()) => {}
            Err(Trouble::Halt(halt)) => return Err(halt.into()),
            Err(Trouble::Back(cause)) => driver.turn(cause),
            Err(Trouble::End(outcome)) => {
                let text = outcome.reason().unwrap_or_else(|| outcome.word().to_owned());
                driver.turn(Cause { kind: CauseKind::NotAllowed, text });
            }
        }
        let outcome = drive(self.context, &self.site.settings, driver.journal).await?;
        let text = format!("the run ended: {}", outcome.word());
        Ok(self.say(if outcome.exit() == Exit::Ok { Level::Info } else { Level::Warning }, text, Exit::Ok))
    }

    /// The pipeline ends before the run's turn came.
    async fn leave(&self, waiting: &Ticket) -> Result<Exit, RunError> {
        let (number, at) = (waiting.number, Timestamp::now());
        let text = "its pipeline ended before its turn came".to_owned();
        let outcome = Outcome::Stopped { cause: Cause { kind: CauseKind::Cancelled, text } };
        let subject = format!("#{number} leaves: its pipeline ended");
        let left = self
            .site
            .store
            .change(&subject, |queue| queue.leave(number, outcome.clone(), &self.context.who, at))
            .await;
        match left {
            Ok(()) | Err(ChangeError::Refusal(Refusal::Gone { .. })) => {
                crate::run::tell_end(self.context, waiting, &outcome);
                Ok(Exit::Ok)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Ticket {
    /// Whether the reverts of all stages are pushed, by whoever was the driver.
    pub fn is_reverted(&self) -> bool {
        let acts = matches!(&self.lives, Lives::Process | Lives::Pipeline(Spread { job: Some(_), .. }));
        matches!(self.state, State::RollingBack { .. }) && !acts
    }

    /// Whether a rollback job has something to do with it.
    pub fn goes_back(&self) -> bool {
        match self.state {
            State::Waiting | State::Verified => false,
            State::Started | State::Deploying { .. } | State::RollingBack { .. } => true,
        }
    }
}
