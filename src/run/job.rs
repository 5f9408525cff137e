//! One job of a run that is spread over the jobs of a CI pipeline: `datapin step …`.
//!
//! The ticket holds the lock across the jobs, and is all that they know of each other: each may run on another
//! machine. Whoever pushes or decides first becomes the driver, and hands over when it is done; the others watch
//! their own service or gate, and report it.

mod back;
mod enter;
mod find;
mod forward;
mod gate;
mod told;
mod turn;
mod watch;

pub use enter::{InLine, enter};
pub use find::queues;
pub use told::told;

use crate::event::Level;
use crate::exit::Exit;
use crate::queue::{Cause, CauseKind, HistoryLine, Outcome, RunId, ServiceState, StageStep, State, Ticket};

use super::RunError;
use super::context::Context;
use super::driver::{Driver, cancelled_by};
use find::{Found, Site, find};
use turn::Turn;

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Announces the start.
    Announce {
        /// Pipeline; needed where the CI pipeline has more than one run.
        pipeline: Option<String>,
    },
    /// Deploys a service: the first one of a stage pushes for all.
    Deploy {
        /// Environment.
        environment: String,
        /// Service.
        service: String,
    },
    /// Runs a gate, or is a person's yes to it.
    Gate {
        /// Environment.
        environment: String,
        /// Gate.
        gate: String,
    },
    /// Takes a service back: the first one pushes all reverts.
    Rollback {
        /// Environment.
        environment: String,
        /// Service.
        service: String,
    },
    /// Writes the commit point, and records outside git.
    Record {
        /// Environment.
        environment: String,
    },
    /// Does whatever is left, and announces the end.
    Finish {
        /// Pipeline; needed where the CI pipeline has more than one run.
        pipeline: Option<String>,
    },
}

/// Does what one job is for. Returns the job's exit code, which is its colour in the graph.
///
/// # Errors
/// What kept it from doing so; nothing was written, or another job goes on from where it stopped.
pub async fn perform(context: &Context, task: &Task) -> Result<Exit, RunError> {
    let site = match find(context, task).await? {
        Found::Here(site) => *site,
        Found::Over(line) => return Ok(over(context, task, &line)),
        Found::Nowhere => return Ok(nowhere(context, task)),
    };
    let job = Job { context, site };
    match task {
        Task::Announce { .. } => job.announce(task).await,
        Task::Deploy { environment, service } => job.deploy(task, environment, service).await,
        Task::Gate { environment, gate } => job.gate(task, environment, gate).await,
        Task::Rollback { environment, service } => job.rollback(task, environment, service).await,
        Task::Record { environment } => job.record(task, environment).await,
        Task::Finish { .. } => job.finish().await,
    }
}

/// A job, and the run that it belongs to.
struct Job<'a> {
    context: &'a Context,
    site: Site,
}

impl Job<'_> {
    async fn announce(&self, task: &Task) -> Result<Exit, RunError> {
        let driver = match self.turn(|ticket| ticket.notify.start || !ticket.state.holds()).await? {
            Turn::Mine(driver) => driver,
            Turn::Enough(ticket) => {
                let text = match ticket.state.holds() {
                    true => "the start was announced already",
                    false => "the run has not started: nothing to announce",
                };
                return Ok(self.say(Level::Info, text, Exit::Ok));
            }
            Turn::Gone => return self.gone(task).await,
        };
        driver.announce_start(&driver.journal.ticket()).await;
        driver.hand_over("the start is announced").await?;
        Ok(Exit::Ok)
    }

    /// Says how it stands, and ends so.
    fn say(&self, level: Level, text: impl Into<String>, exit: Exit) -> Exit {
        self.context.events.note(&self.site.ticket.run, level, text);
        exit
    }

    /// The run ended while this job was at work.
    async fn gone(&self, task: &Task) -> Result<Exit, RunError> {
        match find(self.context, task).await? {
            Found::Over(line) => Ok(over(self.context, task, &line)),
            Found::Here(_) | Found::Nowhere => Ok(nowhere(self.context, task)),
        }
    }
}

impl Driver {
    /// Lets the next job act: from here on this one only watches.
    async fn hand_over(&self, subject: &str) -> Result<(), super::driver::Halt> {
        self.journal.decide(subject, Ticket::hand_over).await.map_err(Into::into)
    }
}

/// What a step says of a run that is over; nothing is written.
fn over(context: &Context, task: &Task, line: &HistoryLine) -> Exit {
    let good = matches!(line.outcome.exit(), Exit::Ok | Exit::NotRecorded);
    let reason = line.outcome.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    let text = format!("run {} is over: {}{reason}", line.run, line.outcome.word());
    context.events.note(&line.run, if good { Level::Info } else { Level::Warning }, text);
    match task {
        Task::Announce { .. } | Task::Finish { .. } => Exit::Ok,
        Task::Record { .. } if good => line.outcome.exit(),
        Task::Deploy { .. } | Task::Gate { .. } if good => Exit::Ok,
        Task::Deploy { .. } | Task::Gate { .. } | Task::Record { .. } => Exit::StepFailed,
        Task::Rollback { environment, service } => {
            let own = format!("{environment}/{service}: ");
            match &line.outcome {
                Outcome::RollbackFailed { failures, .. }
                    if failures.iter().any(|failure| failure.starts_with(&own)) =>
                {
                    Exit::RollbackFailed
                }
                _ => Exit::Ok,
            }
        }
    }
}

/// What a step says where no run of this CI pipeline ever entered.
fn nowhere(context: &Context, task: &Task) -> Exit {
    let nobody = RunId(String::new());
    match task {
        Task::Announce { .. } | Task::Finish { .. } | Task::Rollback { .. } => {
            let text = "no run of this CI pipeline entered the queue: nothing to do";
            context.events.note(&nobody, Level::Info, text);
            Exit::Ok
        }
        Task::Deploy { .. } | Task::Gate { .. } | Task::Record { .. } => {
            let text = "no run of this CI pipeline is in the queue; `datapin step enter` comes first";
            context.events.note(&nobody, Level::Warning, text);
            Exit::StepFailed
        }
    }
}

impl Ticket {
    /// The job that acted as the driver has done its part.
    pub fn hand_over(&mut self) {
        if let crate::queue::Lives::Pipeline(spread) = &mut self.lives {
            spread.job = None;
        }
    }

    /// Whether everything is good, and only the commit point is left.
    pub fn is_complete(&self) -> bool {
        let past = matches!(self.state, State::Deploying { stage, .. } if stage >= self.stages.len());
        past && self.fault.is_none() && self.cancel.is_none()
    }

    /// Why the run does not go on, if it does not.
    pub fn stands_still(&self) -> Option<String> {
        match (&self.state, &self.cancel, &self.fault) {
            (State::RollingBack { cause }, _, _) => Some(format!("the run goes back: {}", cause.text)),
            (_, Some(wish), _) => Some(format!("cancelled by {}: {}", wish.by, wish.reason)),
            (_, None, Some(fault)) => Some(format!("the run goes back: {}", fault.text)),
            (_, None, None) => None,
        }
    }

    /// Where the run is, for a step that it is not at.
    fn whereabouts(&self) -> String {
        match &self.state {
            State::Deploying { stage, step } if *stage < self.stages.len() => {
                let names = super::forward::names(&self.stages[*stage]).join(", ");
                let what = match step {
                    StageStep::Pin => "is not pinned yet",
                    StageStep::Sync => "is not deployed by all services",
                    StageStep::Gate => "has gates that have not passed",
                };
                format!("stage {} ({names}) {what}", stage + 1)
            }
            other => format!("the run is {}", other.word()),
        }
    }

    /// Why the run is taken back, from what was reported; `by` asks for it where nothing was.
    pub fn why_back(&self, by: &str) -> Cause {
        if let Some(wish) = &self.cancel {
            return cancelled_by(wish.clone());
        }
        if let Some(fault) = &self.fault {
            return fault.clone();
        }
        let parts = self.parts().filter(|part| part.commit.is_some());
        let silent = parts.flat_map(|part| {
            let open = part.services.iter().filter(|service| service.state != ServiceState::Deployed);
            open.map(move |service| format!("{}/{}", part.identity.name, service.name))
        });
        let silent: Vec<String> = silent.collect();
        match (silent.is_empty(), self.is_complete()) {
            (false, _) => Cause {
                kind: CauseKind::Deployment,
                text: format!("nothing was reported of {}", silent.join(", ")),
            },
            (true, false) => Cause {
                kind: CauseKind::Deployment,
                text: format!("its pipeline went back before it was complete: {}", self.whereabouts()),
            },
            (true, true) => Cause {
                kind: CauseKind::Cancelled,
                text: format!("{by} took it back before it was verified"),
            },
        }
    }
}
