//! The end of a run: announced, then written.

use std::time::Duration;

use jiff::Timestamp;

use super::driver::{Driver, Halt};
use super::fence::Group;
use super::record::Records;
use crate::event::{Finished, Level, StageSummary, Standing, Summary, What};
use crate::notify::Announcement;
use crate::queue::{EnvironmentPart, Freeze, Outcome, Rejected, Rejection, RunKind, State, Ticket, Verdict};

impl Driver {
    /// Ends a run whose commit point is behind it.
    pub(super) async fn close(&self) -> Result<Outcome, Halt> {
        let records = Box::pin(self.record()).await?;
        let outcome = match (records.reason(), self.journal.ticket().kind) {
            (Some(reason), _) => Outcome::NotRecorded { reason },
            (None, RunKind::Deploy) => Outcome::Verified,
            (None, RunKind::Rollback { .. }) => Outcome::Restored,
        };
        self.end_with(outcome, Vec::new(), &records).await
    }

    /// Announces the end, then writes it. The announcement comes first, so that it is made at least once.
    pub(super) async fn end(
        &self,
        outcome: Outcome,
        freezes: Vec<(String, Freeze)>,
    ) -> Result<Outcome, Halt> {
        self.end_with(outcome, freezes, &Records::default()).await
    }

    async fn end_with(
        &self,
        outcome: Outcome,
        freezes: Vec<(String, Freeze)>,
        records: &Records,
    ) -> Result<Outcome, Halt> {
        self.journal.assure().await?;
        let ticket = self.journal.ticket();
        let frozen: Vec<&str> = freezes.iter().map(|(name, _)| name.as_str()).collect();
        let finished = finished(&ticket, &outcome, &frozen, Timestamp::now());
        self.announce_finish(&ticket, &finished).await;
        self.comment(&ticket, &finished).await;
        let reached = matches!(
            outcome,
            Outcome::Restored | Outcome::NotRecorded { .. } | Outcome::RollbackFailed { .. }
        );
        self.journal
            .finish(&outcome, &freezes, |queue| {
                records.keep(queue, &ticket.dataset)?;
                if reached { reject(queue, &ticket) } else { Ok(()) }
            })
            .await?;
        self.context.events.tell(&ticket.run, What::Finished(finished));
        Ok(outcome)
    }

    /// Never fails the run; the thread is noted for the finish.
    pub(super) async fn announce_start(&self, ticket: &Ticket) {
        if ticket.notify.start {
            return;
        }
        let summary = summary(ticket);
        let announcement =
            Announcement::Started { run: &ticket.run, number: ticket.number, summary: &summary };
        match self.context.notifier.announce(&announcement, None).await {
            Ok(posted) => self.journal.note(|ticket| {
                ticket.notify.start = true;
                ticket.notify.thread = posted.thread;
            }),
            Err(error) => self.not_announced(ticket, &error.to_string()),
        }
    }

    async fn announce_finish(&self, ticket: &Ticket, finished: &Finished) {
        if ticket.notify.finish {
            return;
        }
        let announcement = Announcement::Finished { run: &ticket.run, number: ticket.number, finished };
        let thread = ticket.notify.thread.as_deref();
        match self.context.notifier.announce(&announcement, thread).await {
            Ok(_) => self.journal.note(|ticket| ticket.notify.finish = true),
            Err(error) => self.not_announced(ticket, &error.to_string()),
        }
    }

    pub(super) fn not_announced(&self, ticket: &Ticket, why: &str) {
        self.context.events.note(&ticket.run, Level::Warning, format!("not announced: {why}"));
    }

    /// How long git may be out of reach while a group is pushed.
    pub(super) fn limit(&self, group: &Group) -> Duration {
        self.longest(group, |environment| environment.sync_timeout)
    }

    /// The same for a revert.
    pub(super) fn rollback_limit(&self, group: &Group) -> Duration {
        self.longest(group, |environment| environment.rollback_timeout)
    }

    fn longest(&self, group: &Group, of: impl Fn(&crate::config::Environment) -> Duration) -> Duration {
        let known = group.environments.iter().filter_map(|name| self.context.config.environments.get(name));
        known.map(of).max().unwrap_or(Duration::from_secs(60))
    }
}

/// What a rollback with `--reject` leaves behind.
fn reject(queue: &mut crate::queue::Queue, ticket: &Ticket) -> Result<(), crate::queue::Refusal> {
    let RunKind::Rollback { reject: Rejection::Reject, left: Some(left), .. } = &ticket.kind else {
        return Ok(());
    };
    for part in ticket.parts() {
        let rejected = Rejected {
            version: left.clone(),
            by: ticket.actor.clone(),
            reason: format!("rolled back by run {}", ticket.run),
            at: Timestamp::now(),
        };
        queue.reject(&part.identity.name, &ticket.dataset, rejected)?;
    }
    Ok(())
}

/// What a run is about, for people.
pub fn summary(ticket: &Ticket) -> Summary {
    Summary {
        pipeline: ticket.title(),
        dataset: ticket.dataset.clone(),
        version: ticket.version.clone(),
        actor: ticket.actor.clone(),
        url: ticket.ci.as_ref().map(|ci| ci.url.clone()).unwrap_or_default(),
        stages: ticket
            .stages
            .iter()
            .map(|stage| StageSummary {
                environments: stage
                    .environments
                    .iter()
                    .map(|part| {
                        let services = part.services.iter().map(|service| service.name.clone()).collect();
                        (part.identity.name.clone(), services)
                    })
                    .collect(),
                gates: stage.gates.iter().map(|gate| gate.name.clone()).collect(),
            })
            .collect(),
    }
}

/// How a run ended, for people; `frozen` are the environments that its end froze.
pub(super) fn finished(ticket: &Ticket, outcome: &Outcome, frozen: &[&str], at: Timestamp) -> Finished {
    let warned = ticket.stages.iter().flat_map(|stage| {
        let environments: Vec<&str> =
            stage.environments.iter().map(|part| part.identity.name.as_str()).collect();
        stage
            .gates
            .iter()
            .filter(|gate| gate.verdict == Some(Verdict::Warned))
            .map(move |gate| format!("{}/{}: {}", environments.join(","), gate.name, gate.summary))
    });
    let since = ticket.times.started.unwrap_or(ticket.times.entered);
    let seconds = at.duration_since(since).as_secs();
    Finished {
        summary: summary(ticket),
        outcome: outcome.clone(),
        exit: outcome.exit().code(),
        standing: ticket.parts().map(|part| standing(ticket, part, outcome, frozen)).collect(),
        warnings: warned.collect(),
        seconds: u64::try_from(seconds).unwrap_or_default(),
    }
}

fn standing(ticket: &Ticket, part: &EnvironmentPart, outcome: &Outcome, frozen: &[&str]) -> Standing {
    let environment = part.identity.name.clone();
    let words = if frozen.contains(&environment.as_str()) {
        "not back, frozen: a person is needed".to_owned()
    } else if ticket.state == State::Verified || *outcome == Outcome::NothingToDo {
        format!("{}, verified", ticket.version)
    } else {
        found(part)
    };
    Standing { environment, words }
}

fn found(part: &EnvironmentPart) -> String {
    match (&part.goal, &part.revert, &part.commit) {
        (Some(goal), Some(_), _) => format!("back on {}, last verified", goal.version),
        (None, Some(_), _) => {
            let before = part.pins.first().map(|pin| pin.before.text.clone()).unwrap_or_default();
            format!("back on {before}, as it was found; never verified")
        }
        (_, None, Some(_)) => "as it was found; not verified".to_owned(),
        (Some(goal), None, None) => format!("untouched, on {}", goal.version),
        (None, None, None) => "untouched".to_owned(),
    }
}
