//! Reports: what the jobs of a spread run and people write without an epoch. Pure, like [`super::rules`].
//!
//! The ticket has to be started, the attempt the one that was read and, for a result, the stage's commit the one
//! that was watched. A result is written once per attempt. A driver that writes its record keeps what was reported.

use jiff::Timestamp;

use super::*;
use crate::repo::CommitId;

/// Which ticket a report is about, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct About {
    /// Its number.
    pub number: u64,
    /// Its run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
}

impl About {
    /// The ticket that was read.
    pub fn of(ticket: &Ticket) -> Self {
        Self { number: ticket.number, run: ticket.run.clone(), attempt: ticket.attempt }
    }
}

/// What a job found of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceReport {
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// The commit that was watched.
    pub commit: CommitId,
    /// How it ended.
    pub state: ServiceState,
    /// Why, in plain words.
    pub reason: String,
    /// What it means for the run, if that is nothing good.
    pub fault: Option<Cause>,
}

/// What came out of a gate in a job of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateReport {
    /// Index of the stage.
    pub stage: usize,
    /// Gate.
    pub gate: String,
    /// The commits that were judged, by environment.
    pub commits: Vec<(String, CommitId)>,
    /// Verdict.
    pub verdict: Verdict,
    /// In one line.
    pub summary: String,
    /// Link for people.
    pub url: String,
    /// What it means for the run, if that is nothing good.
    pub fault: Option<Cause>,
}

impl Queue {
    /// Writes how a service came up, or came back. The state moves on once it was the last one of its stage.
    pub fn report_service(&mut self, about: &About, report: &ServiceReport) -> Result<(), Refusal> {
        let ticket = self.reported(about)?;
        let back = matches!(ticket.state, State::RollingBack { .. });
        let stage = ticket.stage_of(&report.environment).ok_or(Refusal::Stale)?;
        let fits = match report.state {
            ServiceState::Deployed | ServiceState::Failed => ticket.is_at(stage, StageStep::Sync),
            ServiceState::RolledBack | ServiceState::RollbackFailed => back,
            ServiceState::Pending | ServiceState::Syncing | ServiceState::RollingBack => false,
        };
        let part = ticket.parts_mut().find(|part| part.identity.name == report.environment);
        let part = part.ok_or(Refusal::Stale)?;
        let watched = if back { part.revert.as_ref() } else { part.commit.as_ref() };
        let record = part.services.iter().find(|record| record.name == report.service);
        let written = record.is_none_or(|record| record.state.rank() >= report.state.rank());
        if !fits || watched != Some(&report.commit) || written {
            return Err(Refusal::Stale);
        }
        ticket.service(&report.environment, &report.service, report.state, &report.reason);
        ticket.blame(report.fault.as_ref());
        ticket.move_on();
        Ok(())
    }

    /// Writes what came out of a gate. The state moves on once it was the last one of its stage.
    pub fn report_gate(&mut self, about: &About, report: &GateReport) -> Result<(), Refusal> {
        let ticket = self.reported(about)?;
        let same = |(name, commit): &(String, CommitId)| {
            ticket.part(name).is_some_and(|part| part.commit.as_ref() == Some(commit))
        };
        if !ticket.is_at(report.stage, StageStep::Gate) || !report.commits.iter().all(same) {
            return Err(Refusal::Stale);
        }
        let gates = &mut ticket.stages[report.stage].gates;
        let open = gates.iter_mut().find(|gate| gate.name == report.gate && gate.verdict.is_none());
        let record = open.ok_or(Refusal::Stale)?;
        record.verdict = Some(report.verdict);
        record.summary.clone_from(&report.summary);
        record.url.clone_from(&report.url);
        ticket.blame(report.fault.as_ref());
        ticket.move_on();
        Ok(())
    }

    /// Writes why a job cannot do its part: the run goes back.
    pub fn report_fault(&mut self, about: &About, cause: &Cause) -> Result<(), Refusal> {
        let ticket = self.reported(about)?;
        match ticket.state {
            State::Started | State::Deploying { .. } => ticket.blame(Some(cause)),
            State::Waiting | State::Verified | State::RollingBack { .. } => return Err(Refusal::Stale),
        }
        Ok(())
    }

    /// Writes a person's yes to a gate that waits for it. The first one stays.
    pub fn approve(&mut self, about: &About, gate: &str, approval: &Approval) -> Result<(), Refusal> {
        self.waiting_gate(about, gate)?.approval.get_or_insert_with(|| approval.clone());
        Ok(())
    }

    /// Notes that a gate was seen waiting for a person. The first note stays.
    pub fn first_seen(&mut self, about: &About, gate: &str, at: Timestamp) -> Result<(), Refusal> {
        self.waiting_gate(about, gate)?.seen.get_or_insert(at);
        Ok(())
    }

    /// Notes that a spread run was seen without a sign of life since this driver's last one. The first note of a
    /// silence stays.
    pub fn first_silent(&mut self, about: &About, seen: &Driver, at: Timestamp) -> Result<(), Refusal> {
        let ticket = self.reported(about)?;
        if ticket.driver != *seen {
            return Err(Refusal::Alive { number: about.number });
        }
        if ticket.idle.as_ref().is_none_or(|idle| idle.driver != *seen) {
            ticket.idle = Some(Idle { driver: seen.clone(), since: at });
        }
        Ok(())
    }

    /// Writes a driver's record over the one that is there, and keeps what others reported meanwhile. A decision, so
    /// it needs the driver's epoch.
    ///
    /// A number is given twice where `queue.json` was set back by hand: then the ticket is another run's.
    pub fn write_record(&mut self, mine: &Ticket, epoch: u64) -> Result<(), Refusal> {
        let number = mine.number;
        if self.ticket(number)?.run != mine.run {
            return Err(Refusal::Gone { number });
        }
        let passed = self.passed(number);
        self.decide(number, epoch, |theirs| theirs.carry(mine, passed))
    }

    fn waiting_gate(&mut self, about: &About, gate: &str) -> Result<&mut GateRecord, Refusal> {
        let ticket = self.reported(about)?;
        let (number, state) = (ticket.number, ticket.state.word());
        let State::Deploying { stage, step: StageStep::Gate } = ticket.state else {
            return Err(Refusal::WrongState { number, state });
        };
        let gates = ticket.stages.get_mut(stage).map(|stage| &mut stage.gates[..]).unwrap_or_default();
        gates.iter_mut().find(|one| one.name == gate && one.verdict.is_none()).ok_or(Refusal::Stale)
    }

    fn reported(&mut self, about: &About) -> Result<&mut Ticket, Refusal> {
        let ticket = self.tickets.get_mut(&about.number).ok_or(Refusal::Gone { number: about.number })?;
        if ticket.run != about.run || ticket.attempt != about.attempt {
            return Err(Refusal::Stale);
        }
        match ticket.state.holds() {
            true => Ok(ticket),
            false => Err(Refusal::WrongState { number: about.number, state: ticket.state.word() }),
        }
    }
}

impl Ticket {
    /// Index of the stage of an environment.
    pub fn stage_of(&self, environment: &str) -> Option<usize> {
        let has =
            |stage: &StageRecord| stage.environments.iter().any(|part| part.identity.name == environment);
        self.stages.iter().position(has)
    }

    /// Whether the run is at this step of that stage.
    pub fn is_at(&self, stage: usize, step: StageStep) -> bool {
        self.state == State::Deploying { stage, step }
    }

    /// Notes how far a service is.
    pub fn service(&mut self, environment: &str, service: &str, state: ServiceState, reason: &str) {
        let services = self
            .parts_mut()
            .filter(|part| part.identity.name == environment)
            .flat_map(|part| &mut part.services);
        for record in services.filter(|record| record.name == service) {
            record.state = state;
            record.reason = reason.to_owned();
        }
    }

    /// Goes on to the next step while every result of this one is there and good.
    pub fn move_on(&mut self) {
        while let State::Deploying { stage, step } = self.state {
            let Some(record) = self.stages.get(stage) else { return };
            let mut services = record.environments.iter().flat_map(|part| &part.services);
            let next = match step {
                StageStep::Sync if services.all(|service| service.state == ServiceState::Deployed) => {
                    State::Deploying { stage, step: StageStep::Gate }
                }
                StageStep::Gate
                    if record.gates.iter().all(|gate| gate.verdict.is_some_and(Verdict::good)) =>
                {
                    State::Deploying { stage: stage + 1, step: StageStep::Pin }
                }
                StageStep::Pin | StageStep::Sync | StageStep::Gate => return,
            };
            self.state = next;
        }
    }

    /// Keeps the gravest cause that was reported; those of the same sort are told together.
    pub fn blame(&mut self, cause: Option<&Cause>) {
        let Some(cause) = cause else { return };
        match &mut self.fault {
            Some(known) if known.kind == cause.kind => {
                if !known.text.contains(&cause.text) {
                    known.text = format!("{}; {}", known.text, cause.text);
                }
            }
            Some(known) if known.kind.gravity() >= cause.kind.gravity() => {}
            _ => self.fault = Some(cause.clone()),
        }
    }

    /// Takes over the driver's record, and keeps what is written by others: reports, the driver's own beat, and
    /// that the commit point was `passed`, which is never taken back.
    fn carry(&mut self, mine: &Ticket, passed: Option<Times>) {
        let (driver, cancel) = (self.driver.clone(), self.cancel.take());
        let theirs = self.clone();
        *self = mine.clone();
        self.keep_reports(&theirs);
        if let Some(times) = passed {
            self.state = State::Verified;
            self.times = times;
        }
        self.keep_unknown(theirs);
        self.driver = driver;
        self.idle = None;
        self.cancel = cancel.or_else(|| mine.cancel.clone());
    }

    /// What others reported since the driver read the record: nothing of it is lost.
    pub(crate) fn keep_reports(&mut self, theirs: &Ticket) {
        self.blame(theirs.fault.as_ref());
        for (stage, other) in self.stages.iter_mut().zip(&theirs.stages) {
            for gate in &mut stage.gates {
                let Some(known) = other.gates.iter().find(|known| known.name == gate.name) else { continue };
                if gate.verdict.is_none() && known.verdict.is_some() {
                    *gate = known.clone();
                }
                gate.approval = gate.approval.take().or_else(|| known.approval.clone());
                gate.seen = gate.seen.or(known.seen);
            }
        }
        if theirs.lives == Lives::Process {
            return;
        }
        if let (State::Deploying { stage, step }, State::Deploying { stage: at, step: before }) =
            (&theirs.state, &self.state)
            && (stage, step) > (at, before)
        {
            self.state = theirs.state.clone();
        }
        for part in self.parts_mut() {
            // a report speaks of the commits that its writer watched
            let watched = |known: &&EnvironmentPart| known.revert == part.revert || part.revert.is_none();
            let Some(known) = theirs.part(&part.identity.name).filter(watched) else { continue };
            for service in &mut part.services {
                let other = known.services.iter().find(|other| other.name == service.name);
                if let Some(other) = other.filter(|other| other.state.rank() > service.state.rank()) {
                    *service = other.clone();
                }
            }
        }
    }

    /// Fields of a newer build stay as they are on the branch.
    fn keep_unknown(&mut self, mut theirs: Ticket) {
        for part in self.parts_mut() {
            if let Some(same) = theirs.parts_mut().find(|same| same.identity == part.identity) {
                part.unknown = std::mem::take(&mut same.unknown);
            }
        }
        self.unknown = theirs.unknown;
    }
}

impl CauseKind {
    /// Which of several causes decides the exit code: 16, 13, 15, 11, 10.
    fn gravity(self) -> u8 {
        match self {
            CauseKind::Abandoned | CauseKind::Unreachable => 0,
            CauseKind::Deployment => 1,
            CauseKind::Gate => 2,
            CauseKind::NotAllowed => 3,
            CauseKind::Superseded => 4,
            CauseKind::Cancelled => 5,
        }
    }
}
