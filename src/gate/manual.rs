//! A gate that waits for a person's word.

use std::time::Duration;

use tokio::sync::watch;

use super::Report;
use crate::queue::{Approval, Verdict};

/// The yeses that were given in the stage, by gate.
pub type Answers = watch::Receiver<Vec<(String, Approval)>>;

/// A gate that waits for a person's word.
#[derive(Debug, Clone)]
pub(super) struct ManualGate {
    /// Who is asked, in words for people.
    pub(super) who: Option<String>,
    /// Where the word comes from; without it nobody can answer.
    pub(super) answers: Option<Answers>,
}

impl ManualGate {
    /// Waits for the yes; a no is the run's cancellation.
    pub(super) async fn run(&self, name: &str, timeout: Duration) -> Report {
        match tokio::time::timeout(timeout, self.answer(name)).await {
            Ok(Approval { by, reason }) => {
                Report::without_output(Verdict::Passed, format!("approved by {by}: {reason}"))
            }
            Err(_) => Report::without_output(Verdict::TimedOut, unanswered(self.who.as_deref(), timeout)),
        }
    }

    async fn answer(&self, name: &str) -> Approval {
        let Some(mut answers) = self.answers.clone() else { return std::future::pending().await };
        loop {
            let given = answers.borrow_and_update().iter().find(|(gate, _)| gate == name).cloned();
            if let Some((_, approval)) = given {
                return approval;
            }
            if answers.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// What is said of a gate that nobody answered in time.
pub fn unanswered(who: Option<&str>, timeout: Duration) -> String {
    let asked = who.map(|who| format!(" (asked: {who})")).unwrap_or_default();
    format!("nobody approved within {timeout:?}{asked}")
}
