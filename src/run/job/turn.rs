//! Becomes the driver: at once where nobody acts, else as soon as whoever does has handed over or is gone.

use std::time::Duration;

use tokio::time::Instant;

use super::Job;
use crate::event::Level;
use crate::queue::{ChangeError, Driver as Acting, Lives, Refusal, Spread, Ticket, Word};
use crate::run::RunError;
use crate::run::driver::Driver;
use crate::run::journal::Journal;
use crate::run::wait::{jittered, look};
use crate::run::words;

/// How it went.
pub enum Turn {
    /// This job is the driver now.
    Mine(Box<Driver>),
    /// There is no need to be.
    Enough(Box<Ticket>),
    /// The run is over.
    Gone,
}

/// What is known of whoever acts, by this job's own clock.
struct Other {
    acting: Acting,
    since: Instant,
    asked: Option<Instant>,
    told: String,
}

impl Job<'_> {
    /// Waits until this job is the driver, or until there is no need any more.
    pub(super) async fn turn(&self, enough: impl Fn(&Ticket) -> bool) -> Result<Turn, RunError> {
        let mut other: Option<Other> = None;
        loop {
            let seen = look(self.context, &self.site.store, self.site.settings.ttl).await?;
            let own = seen.tickets.get(&self.site.ticket.number);
            let Some(ticket) = own.filter(|own| own.run == self.site.ticket.run) else {
                return Ok(Turn::Gone);
            };
            if enough(ticket) {
                return Ok(Turn::Enough(Box::new(ticket.clone())));
            }
            let known = match other.take() {
                Some(known) if known.acting == ticket.driver => known,
                past => Other {
                    acting: ticket.driver.clone(),
                    since: Instant::now(),
                    asked: past.as_ref().and_then(|past| past.asked),
                    told: past.map(|past| past.told).unwrap_or_default(),
                },
            };
            let known = other.insert(known);
            if self.is_free(ticket, known).await
                && let Some(driver) = self.claim(ticket).await?
            {
                return Ok(Turn::Mine(driver));
            }
            self.pause().await?;
        }
    }

    /// Whether nobody acts for the run any more.
    async fn is_free(&self, ticket: &Ticket, other: &mut Other) -> bool {
        let settings = &self.site.settings;
        let silent = other.since.elapsed();
        match &ticket.lives {
            // Somebody took the run as a whole.
            Lives::Process => silent >= settings.ttl,
            Lives::Pipeline(Spread { job: None, .. }) => true,
            Lives::Pipeline(spread) if spread.job == self.me().job => true,
            Lives::Pipeline(spread) => {
                let idle = settings.step_idle.is_some_and(|limit| silent >= limit);
                idle || self.is_over(spread, ticket, other).await
            }
        }
    }

    /// Whether GitLab calls the job that acts finished.
    async fn is_over(&self, spread: &Spread, ticket: &Ticket, other: &mut Other) -> bool {
        let Some(job) = &spread.job else { return true };
        if other.asked.is_some_and(|last| last.elapsed() < words::pause(self.site.settings.ttl)) {
            return false;
        }
        let asked = spread.job(job);
        let word = (self.context.words)(asked.clone()).await;
        other.asked = Some(Instant::now());
        let text = match word {
            Word::Finished(how) => {
                let text = format!("{} is over ({how}) and left work: this job goes on", ticket.driver.who);
                self.context.events.note(&ticket.run, Level::Warning, text);
                return true;
            }
            Word::Alive => format!("waits for {}", ticket.driver.who),
            Word::Unknown(why) => {
                format!("waits for {}; GitLab does not say of {asked}: {why}", ticket.driver.who)
            }
        };
        if other.told != text {
            self.context.events.note(&ticket.run, Level::Info, text.clone());
            other.told = text;
        }
        false
    }

    /// `None` if somebody was faster.
    async fn claim(&self, seen: &Ticket) -> Result<Option<Box<Driver>>, RunError> {
        let (number, who, spread) = (seen.number, &self.context.who, self.me());
        let taken = self
            .site
            .store
            .change(&format!("#{number} is driven by {who}"), |queue| {
                queue.claim(number, &seen.driver, who, &spread)?;
                queue.ticket(number).cloned()
            })
            .await;
        match taken {
            Ok(ticket) => {
                let journal = Journal::new(&self.site.store, ticket, self.site.settings.ttl);
                Ok(Some(Box::new(Driver { context: self.context.for_run(&seen.run), journal })))
            }
            Err(ChangeError::Refusal(
                Refusal::Alive { .. } | Refusal::Gone { .. } | Refusal::WrongState { .. },
            )) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// This job as a part of the run.
    fn me(&self) -> Spread {
        let none = || Spread {
            host: String::new(),
            project: String::new(),
            pipeline: String::new(),
            job: Some(self.context.who.clone()),
        };
        self.context.spread.clone().unwrap_or_else(none)
    }

    async fn pause(&self) -> Result<(), RunError> {
        let pause = (self.site.settings.ttl / 20).clamp(Duration::from_millis(50), Duration::from_secs(2));
        tokio::select! {
            () = self.context.signals.wait_for(1) => {
                Err(RunError::Stopped("a signal while this job waited for its turn; it wrote nothing".to_owned()))
            }
            () = tokio::time::sleep(jittered(pause)) => Ok(()),
        }
    }
}
