//! Gates that wait for a person in a pipeline, where no process waits, and what nobody else takes back there.

use jiff::Timestamp;

use super::{Reconciled, Round, signed, written};
use crate::gate::unanswered;
use crate::queue::{
    About, Cause, CauseKind, GateRecord, GateReport, Lives, Spread, StageStep, State, Ticket, Verdict,
};
use crate::run::RunError;
use crate::run::people::{Asked, asked_now};

impl Round<'_> {
    /// Notes when a gate was first seen waiting, and times out those whose time is over since. A run that was
    /// cancelled while no job of it acts has nobody else to take it back.
    pub(super) async fn manual_gates(&self, done: &mut Reconciled) -> Result<(), RunError> {
        let queue = self.store.read().await?.queue;
        let spread = |ticket: &&Ticket| matches!(ticket.lives, Lives::Pipeline(_)) && self.is_meant(ticket);
        for ticket in queue.tickets.values().filter(spread).filter(|ticket| self.is_own(ticket)) {
            let asked = asked_now(&self.context.config, ticket);
            if is_left(ticket, asked.as_ref()) {
                self.finish(ticket, done).await;
                continue;
            }
            let Some(asked) = asked else { continue };
            match self.time_out(ticket, &asked).await {
                Ok(true) => {
                    let seen = self.store.read().await?.queue;
                    let now = seen.tickets.get(&ticket.number);
                    if let Some(ticket) = now.filter(|now| now.fault.is_some()) {
                        self.finish(ticket, done).await;
                    }
                }
                Ok(false) => {}
                Err(error) => done.errors.push(error),
            }
        }
        Ok(())
    }

    /// Whether this configuration has an environment of the run: else it is another's, which may share the queue.
    fn is_own(&self, ticket: &Ticket) -> bool {
        ticket.parts().any(|part| self.knows(&part.identity))
    }

    /// Whether the gate's time is over, which is written then.
    async fn time_out(&self, ticket: &Ticket, asked: &Asked<'_>) -> Result<bool, RunError> {
        let (about, now, name) = (About::of(ticket), Timestamp::now(), asked.gate);
        let State::Deploying { stage, .. } = ticket.state else { return Ok(false) };
        let record = ticket.stages[stage].gates.iter().find(|record| record.name == name);
        let Some(seen) = record.and_then(|record| record.seen) else {
            let subject = format!("#{}: gate {name} waits for a person", ticket.number);
            return written(self.store.change(&subject, |queue| queue.first_seen(&about, name, now)).await)
                .map(|_| false);
        };
        if now.duration_since(seen) < signed(asked.timeout) {
            return Ok(false);
        }
        let (verdict, summary) = (Verdict::TimedOut, unanswered(asked.who, asked.timeout));
        let text = format!("gate {name} {}: {summary}", verdict.word());
        let parts = ticket.stages[stage].environments.iter();
        let report = GateReport {
            stage,
            gate: name.to_owned(),
            commits: parts
                .filter_map(|part| Some((part.identity.name.clone(), part.commit.clone()?)))
                .collect(),
            verdict,
            summary,
            url: String::new(),
            fault: Some(Cause { kind: CauseKind::Gate, text: text.clone() }),
        };
        let subject = format!("#{}: {text}", ticket.number);
        written(self.store.change(&subject, |queue| queue.report_gate(&about, &report)).await)
    }
}

/// Whether nobody but a reconcile takes the run back: it was cancelled while no job of it acts, or a person's time was
/// over and whoever wrote that died. Its pipeline may wait for a click, and so live for ever.
fn is_left(ticket: &Ticket, asked: Option<&Asked<'_>>) -> bool {
    let goes_forward = match ticket.state {
        State::Started | State::Deploying { .. } => true,
        State::Waiting | State::Verified | State::RollingBack { .. } => false,
    };
    let nobody_acts = matches!(ticket.lives, Lives::Pipeline(Spread { job: None, .. }));
    let cancelled = ticket.cancel.is_some() && (nobody_acts || asked.is_some());
    goes_forward && (cancelled || (nobody_acts && is_unanswered(ticket)))
}

/// Whether a person's time was over: no job says that of a gate that asks one.
fn is_unanswered(ticket: &Ticket) -> bool {
    let State::Deploying { stage, step: StageStep::Gate } = ticket.state else { return false };
    let over = |gate: &GateRecord| gate.asks.is_some() && gate.verdict == Some(Verdict::TimedOut);
    ticket.stages.get(stage).is_some_and(|stage| stage.gates.iter().any(over))
}
