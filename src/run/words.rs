//! Asks GitLab about tickets, not too often, and says what it could not say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use crate::event::Level;
use crate::queue::{RunId, Ticket, Watch, Word};

/// What was asked when, and what was told.
#[derive(Debug, Default)]
pub struct Words {
    asked: BTreeMap<u64, Instant>,
    told: BTreeSet<String>,
}

impl Words {
    /// Asks about each of the tickets for which GitLab answers, and lets the watch hear it.
    ///
    /// What GitLab did not say is told once, to the run that waits for it.
    pub async fn ask(
        &mut self,
        context: &Context,
        run: &RunId,
        tickets: impl IntoIterator<Item = &Ticket>,
        watch: &mut Watch,
        ttl: Duration,
    ) {
        let pause = pause(ttl);
        for ticket in tickets {
            let Some(asked) = ticket.asked() else { continue };
            if self.asked.get(&ticket.number).is_some_and(|last| last.elapsed() < pause) {
                continue;
            }
            let word = (context.words)(asked.clone()).await;
            self.asked.insert(ticket.number, Instant::now());
            if let (Word::Unknown(why), true) = (&word, ticket.state.holds()) {
                let text = format!(
                    "GitLab does not say whether #{} lives ({asked}): {why}; it counts as alive, \
                     `datapin resume {} --force` is the way out",
                    ticket.number, ticket.number
                );
                if self.told.insert(text.clone()) {
                    context.events.note(run, Level::Warning, text);
                }
            }
            watch.hear(ticket.number, asked, word);
        }
    }
}

/// How long GitLab is not asked again.
pub fn pause(ttl: Duration) -> Duration {
    (ttl / 20).clamp(Duration::from_millis(200), Duration::from_secs(10))
}
