//! Enters the queue, waits for the turn, and checks everything: after that the run is the pipeline's jobs'.

use std::time::Duration;

use super::find::{Found, Site, find};
use super::turn::Turn;
use super::{Job, Task};
use crate::config::Queue as Settings;
use crate::event::Level;
use crate::exit::Exit;
use crate::queue::{Lives, Setting, Spread, State, Word};
use crate::run::context::Context;
use crate::run::driver::{Driver, Trouble};
use crate::run::order::Order;
use crate::run::wait::{Line, Turn as Place};
use crate::run::{RunError, attempt, drive, prepared, tell_end};

/// What is done where others are before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InLine {
    /// It waits for its turn.
    Wait,
    /// It gives up at once.
    Leave,
}

/// Enters, waits, starts and checks. 0 once the run holds its environments, else as a run ends.
pub async fn enter(
    context: &Context,
    pipeline: &str,
    version: &str,
    set: Vec<Setting>,
    in_line: InLine,
) -> Result<Exit, RunError> {
    let pipeline = context.config.pipeline(pipeline)?.clone();
    let spread = spread(context)?;
    let mut settings = context.config.queue_of(&pipeline).clone();
    may_ask(context, &spread, &settings).await?;
    let task = Task::Finish { pipeline: Some(pipeline.name.clone()) };
    if let Found::Here(site) = find(context, &task).await?
        && site.ticket.state.holds()
    {
        return Job { context, site: *site }.go_on(&task).await;
    }
    let (_, store) = prepared(context, &pipeline, version, &set).await?;
    let mut order = Order::deployment(&pipeline, version, set);
    order.lives = Lives::Pipeline(spread);
    order.attempt = attempt(context, &store, &order).await?;
    if in_line == InLine::Leave {
        settings.max_wait = Duration::ZERO;
    }
    let line = Line { context, store: &store, settings: &settings, order: &order };
    match line.wait().await? {
        Place::Over(ticket, outcome) => {
            tell_end(context, &ticket, &outcome);
            Ok(outcome.exit())
        }
        Place::Elsewhere(ticket) => {
            let site = Site { store: store.clone(), settings: settings.clone(), ticket: *ticket };
            Job { context, site }.go_on(&task).await
        }
        Place::Mine(journal) => {
            let context = context.for_run(&journal.run());
            match journal.ticket().lives {
                Lives::Pipeline(_) => check(Driver { context, journal }, &settings).await,
                // Another enter job had started it, and whoever took it as a whole fell silent: there is nothing
                // to begin, and no job that goes on.
                Lives::Process => Ok(drive(&context, &settings, journal).await?.exit()),
            }
        }
    }
}

/// Checks, and hands the run over to the jobs that follow.
async fn check(driver: Driver, settings: &Settings) -> Result<Exit, RunError> {
    let checked = {
        let _pulse = driver.journal.pulse();
        driver.check().await
    };
    match checked {
        Ok(()) => {
            driver.hand_over("checked").await?;
            Ok(Exit::Ok)
        }
        Err(Trouble::End(outcome)) => Ok(driver.end(outcome, Vec::new()).await?.exit()),
        Err(Trouble::Back(cause)) => {
            driver.turn(cause);
            let context = driver.context.clone();
            Ok(drive(&context, settings, driver.journal).await?.exit())
        }
        Err(Trouble::Halt(halt)) => Err(halt.into()),
    }
}

impl Job<'_> {
    /// The run has started already: a retried job finishes what the one before it left.
    async fn go_on(&self, task: &Task) -> Result<Exit, RunError> {
        match self.turn(|ticket| ticket.state != State::Started).await? {
            Turn::Mine(driver) => check(*driver, &self.site.settings).await,
            Turn::Gone => self.gone(task).await,
            Turn::Enough(ticket) => {
                let text = format!("run {} has started already: its jobs go on", ticket.run);
                Ok(self.say(Level::Info, text, Exit::Ok))
            }
        }
    }
}

fn spread(context: &Context) -> Result<Spread, RunError> {
    context.spread.clone().ok_or_else(|| {
        let text =
            "`datapin step` runs in the jobs of a CI pipeline, which set CI_PIPELINE_ID and CI_JOB_ID: one is missing";
        RunError::Usage(text.to_owned())
    })
}

/// A run whose pipeline nobody can ask about would hold its environments for ever.
async fn may_ask(context: &Context, spread: &Spread, settings: &Settings) -> Result<(), RunError> {
    if settings.step_idle.is_some() {
        return Ok(());
    }
    match (context.words)(spread.pipeline()).await {
        Word::Alive | Word::Finished(_) => Ok(()),
        Word::Unknown(why) => Err(RunError::Usage(format!(
            "GitLab does not say whether this pipeline lives: {why}; a run spread over its jobs would hold its \
             environments for ever once it is cancelled. Give it a token that may ask, or set \
             `step_idle_ttl` in [queue.{}]",
            settings.name
        ))),
    }
}
