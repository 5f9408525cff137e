//! What the record tells of the run that a job belongs to.

use super::Task;
use super::find::{Found, find, queues};
use crate::event::Event;
use crate::run::RunError;
use crate::run::context::Context;
use crate::run::past::{Which, past};

/// The events of the run that a job belongs to, whichever job they happened in; none if it has not entered.
///
/// # Errors
/// A queue that cannot be read, or a job of which it is not known what it belongs to.
pub async fn told(context: &Context, task: &Task) -> Result<Vec<Event>, RunError> {
    match find(context, task).await? {
        Found::Here(site) => past(&site.store, &Which::Named(site.ticket.run.0.clone())).await,
        Found::Over(line) => {
            for (store, _) in queues(context) {
                let events = past(&store, &Which::Named(line.run.0.clone())).await?;
                if !events.is_empty() {
                    return Ok(events);
                }
            }
            Ok(Vec::new())
        }
        Found::Nowhere => Ok(Vec::new()),
    }
}
