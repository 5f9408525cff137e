//! Watches one service or gate until it ended, or until the run does not want to know any more.

use std::time::Duration;

use tokio::time::Instant;

use super::Job;
use crate::agent::wait::Mode;
use crate::queue::{
    About, Cause, CauseKind, ChangeError, Queue, Refusal, ServiceReport, ServiceState, State, Ticket,
};
use crate::run::RunError;
use crate::run::driver::Driver;
use crate::run::journal::Journal;
use crate::run::sync::{self, Awaited, Ended, How};

/// How a watch ended.
pub enum Watched<T> {
    /// What was watched ended.
    Ended(T),
    /// The run is over, or goes back.
    Stopped(String),
    /// The ticket is gone.
    Gone,
}

impl Job<'_> {
    /// A driver that never writes: only its eyes are used.
    pub(super) fn onlooker(&self, ticket: &Ticket) -> Driver {
        let journal = Journal::new(&self.site.store, ticket.clone(), self.site.settings.ttl);
        Driver { context: self.context.clone(), journal }
    }

    /// Does work that may be dropped at any time, for as long as the run stands as `goes_on` says. Once another job
    /// reported a fault, the work has no more than `grace` left.
    pub(super) async fn meanwhile<T>(
        &self,
        work: impl Future<Output = T>,
        grace: Duration,
        goes_on: impl Fn(&Ticket) -> bool,
    ) -> Result<Watched<T>, RunError> {
        tokio::select! {
            biased;
            () = self.context.signals.wait_for(1) => {
                let text = "a signal while this job watched; it wrote nothing, and may be retried";
                Err(RunError::Stopped(text.to_owned()))
            }
            done = work => Ok(Watched::Ended(done)),
            why = self.until(grace, goes_on) => Ok(why.map_or(Watched::Gone, Watched::Stopped)),
        }
    }

    /// Waits until the run does not go on; `None` if it is gone.
    async fn until(&self, grace: Duration, goes_on: impl Fn(&Ticket) -> bool) -> Option<String> {
        let mut faulty: Option<Instant> = None;
        let pause = (self.site.settings.ttl / 20).clamp(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            tokio::time::sleep(pause).await;
            let Ok(seen) = self.site.store.read().await else { continue };
            let own = seen.queue.tickets.get(&self.site.ticket.number);
            let ticket = own.filter(|own| own.run == self.site.ticket.run)?;
            let back = matches!(ticket.state, State::RollingBack { .. });
            // on the way back the fault is only why
            let fault = ticket.fault.is_some() && !back;
            let lost = fault && faulty.get_or_insert_with(Instant::now).elapsed() >= grace;
            if lost || (ticket.cancel.is_some() && !back) || !goes_on(ticket) {
                return Some(ticket.stands_still().unwrap_or_else(|| ticket.whereabouts()));
            }
        }
    }

    /// Watches one service of what is awaited. `None`: nothing of it is awaited.
    pub(super) async fn service(
        &self,
        driver: &Driver,
        awaited: Vec<Awaited>,
        own: (&str, &str),
        mode: Mode,
    ) -> Result<Option<Watched<Ended>>, RunError> {
        let (environment, service) = own;
        let mut awaited: Vec<Awaited> =
            awaited.into_iter().filter(|one| one.environment == environment).collect();
        awaited.iter_mut().for_each(|one| one.services.retain(|(name, _)| name == service));
        if awaited.iter().all(|one| one.services.is_empty()) {
            return Ok(None);
        }
        let back = |ticket: &Ticket| matches!(ticket.state, State::RollingBack { .. });
        let grace = self.context.agent(environment).map(|agent| sync::grace(agent.interval()));
        let work = sync::wait(self.context, &driver.journal, &awaited, mode);
        let goes_on = |ticket: &Ticket| back(ticket) == (mode == Mode::Rollback);
        let watched = self.meanwhile(work, grace.unwrap_or_default(), goes_on).await?;
        Ok(match watched {
            Watched::Ended(ended) => ended.into_iter().next().map(Watched::Ended),
            Watched::Stopped(why) => Some(Watched::Stopped(why)),
            Watched::Gone => Some(Watched::Gone),
        })
    }

    /// Writes a report. Whether it was written: it is not if the run stands otherwise by now.
    pub(super) async fn report(
        &self,
        subject: &str,
        rule: impl Fn(&mut Queue, &About) -> Result<(), Refusal> + Send + Sync,
    ) -> Result<bool, RunError> {
        let about = About::of(&self.site.ticket);
        let subject = format!("#{} {}: {subject}", about.number, self.site.ticket.title());
        match self.site.store.change(&subject, |queue| rule(queue, &about)).await {
            Ok(()) => Ok(true),
            Err(ChangeError::Refusal(Refusal::Stale | Refusal::Gone { .. } | Refusal::WrongState { .. })) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl ServiceReport {
    /// The report of a watch that ended.
    pub(super) fn of(ended: Ended, commit: crate::repo::CommitId, mode: Mode) -> Self {
        let name = format!("{}/{}", ended.environment, ended.service);
        let fault = |kind, text: String| match mode {
            Mode::Deploy => Some(Cause { kind, text }),
            Mode::Rollback => None,
        };
        let (good, bad) = match mode {
            Mode::Deploy => (ServiceState::Deployed, ServiceState::Failed),
            Mode::Rollback => (ServiceState::RolledBack, ServiceState::RollbackFailed),
        };
        let (state, reason, fault) = match (ended.how, mode) {
            (How::Up, _) => (good, String::new(), None),
            (How::Superseded { by }, Mode::Rollback) => (good, format!("superseded by {by}"), None),
            (How::Superseded { by }, Mode::Deploy) => {
                let text = format!("{name}: superseded by {by}");
                (bad, format!("superseded by {by}"), fault(CauseKind::Superseded, text))
            }
            (How::Failed { reason }, _) => {
                let text = format!("{name}: {reason}");
                (bad, reason, fault(CauseKind::Deployment, text))
            }
        };
        Self { environment: ended.environment, service: ended.service, commit, state, reason, fault }
    }
}
