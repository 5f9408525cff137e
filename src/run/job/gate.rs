//! Runs one gate, or is a person's yes to it.

use std::time::Duration;

use super::watch::Watched;
use super::{Job, Task};
use crate::config::GateKind;
use crate::event::Level;
use crate::exit::Exit;
use crate::gate::{Report, run_stage};
use crate::queue::{Cause, CauseKind, GateRecord, GateReport, StageStep, Ticket, Verdict};
use crate::run::RunError;
use crate::run::forward::facts;

impl Job<'_> {
    /// Runs a gate of the environment's stage and reports what came out.
    pub(super) async fn gate(&self, task: &Task, environment: &str, gate: &str) -> Result<Exit, RunError> {
        let stage = self.stage(environment)?;
        let ticket = &self.site.ticket;
        let record = self.gate_record(stage, gate)?;
        if let Some(verdict) = record.verdict {
            let text = format!("gate {gate} {}: {}", verdict.word(), record.summary);
            return Ok(self.say(Level::Info, text, exit(verdict)));
        }
        if let Some(exit) = self.other_configuration().await? {
            return Ok(exit);
        }
        if !ticket.is_at(stage, StageStep::Gate) || ticket.stands_still().is_some() {
            return Ok(self.not_yet(ticket));
        }
        if let Some(first) = self.comes_after(stage, gate) {
            let text = format!("not run: {gate} comes after {first}, which has not passed");
            return Ok(self.say(Level::Warning, text, Exit::StepFailed));
        }
        let report = match self.judge(stage, gate).await? {
            Watched::Ended(report) => report,
            Watched::Gone => return self.gone(task).await,
            Watched::Stopped(why) => return Ok(self.say(Level::Warning, why, Exit::StepFailed)),
        };
        self.tell(stage, gate, report).await
    }

    /// What comes out of the gate; a manual one passes: only people start its job.
    async fn judge(&self, stage: usize, gate: &str) -> Result<Watched<Report>, RunError> {
        let ticket = &self.site.ticket;
        if let Some(GateKind::Manual { .. }) = self.context.config.gates.get(gate).map(|gate| &gate.kind) {
            let url = match self.context.who.starts_with("http") {
                true => self.context.who.clone(),
                false => String::new(),
            };
            // whoever started the job; DATAPIN_ACTOR is who asked for the run, and all its jobs have it
            let person = (self.context.lookup)("GITLAB_USER_LOGIN");
            let summary = format!("approved by {}", person.as_ref().unwrap_or(&self.context.actor));
            return Ok(Watched::Ended(Report { verdict: Verdict::Passed, summary, url, log: Vec::new() }));
        }
        let names = [gate.to_owned()];
        let gates = self.context.gates(&names).map_err(|error| RunError::Usage(error.to_string()))?;
        let driver = self.onlooker(ticket);
        let facts = facts(ticket, stage);
        let work = run_stage(&gates, &facts, |event| driver.hear(ticket, stage, event));
        let goes_on = |ticket: &Ticket| ticket.is_at(stage, StageStep::Gate);
        // a stage that is lost has no use for its other gates, as in one process
        Ok(match self.meanwhile(work, Duration::ZERO, goes_on).await? {
            Watched::Ended(reports) => match reports.into_iter().next() {
                Some((_, report)) => Watched::Ended(report),
                None => Watched::Stopped(format!("gate {gate} is not in this configuration")),
            },
            Watched::Stopped(why) => Watched::Stopped(why),
            Watched::Gone => Watched::Gone,
        })
    }

    async fn tell(&self, stage: usize, gate: &str, report: Report) -> Result<Exit, RunError> {
        let Report { verdict, summary, url, .. } = report;
        let commits = self.site.ticket.stages[stage]
            .environments
            .iter()
            .filter_map(|part| Some((part.identity.name.clone(), part.commit.clone()?)));
        let text = format!("gate {gate} {}: {summary}", verdict.word());
        let fault = (!verdict.good()).then(|| Cause { kind: CauseKind::Gate, text: text.clone() });
        let report = GateReport {
            stage,
            gate: gate.to_owned(),
            commits: commits.collect(),
            verdict,
            summary,
            url,
            fault,
        };
        let written = self.report(&text, |queue, about| queue.report_gate(about, &report)).await?;
        if written {
            self.ask_people(stage).await;
        }
        Ok(match written {
            true => self.say(if verdict.good() { Level::Info } else { Level::Warning }, text, exit(verdict)),
            false => {
                let text = format!("{text}; but the run goes back or was taken over meanwhile");
                self.say(Level::Warning, text, Exit::StepFailed)
            }
        })
    }

    fn gate_record(&self, stage: usize, gate: &str) -> Result<&GateRecord, RunError> {
        let gates = &self.site.ticket.stages[stage].gates;
        gates.iter().find(|record| record.name == gate).ok_or_else(|| {
            let known: Vec<&str> = gates.iter().map(|record| record.name.as_str()).collect();
            RunError::Usage(format!(
                "stage {} of this run has no gate `{gate}`; it has {}",
                stage + 1,
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
        })
    }

    /// A gate of the same stage that has to end first, and has not.
    fn comes_after(&self, stage: usize, gate: &str) -> Option<String> {
        let gates = &self.site.ticket.stages[stage].gates;
        let open = |name: &&String| {
            gates.iter().any(|record| record.name == **name && !record.verdict.is_some_and(Verdict::good))
        };
        self.context.config.gates.get(gate)?.after.iter().find(open).cloned()
    }
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Passed => Exit::Ok,
        Verdict::Warned => Exit::GateWarned,
        Verdict::Failed | Verdict::Errored | Verdict::TimedOut | Verdict::Skipped => Exit::StepFailed,
    }
}
