//! README.md of the queue branch: the queue as a table, for people who open the branch.

use super::{EnvironmentFile, Queue, Ticket};

/// The page. The same queue gives the same bytes.
pub fn render(queue: &Queue) -> String {
    let tickets: Vec<&Ticket> = queue.tickets.values().collect();
    let environments: Vec<&EnvironmentFile> = queue.environments.values().collect();
    crate::report::queue_page(&tickets, &environments)
}
