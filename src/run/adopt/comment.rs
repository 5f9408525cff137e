//! What a merged merge request is told of the run that it became: one note, updated in place. It is opened no more.

use crate::event::{Finished, Level};
use crate::gitlab::{GitLab, GitLabError, MergeState};
use crate::queue::Ticket;
use crate::run::driver::Driver;
use crate::run::markup::code;

impl Driver {
    /// Tells the merge request that brought what the run adopted how it ended. Never fails the run.
    pub(in crate::run) async fn comment(&self, ticket: &Ticket, finished: &Finished) {
        let (Some(adopted), Ok(gitlab)) = (&ticket.adopts, &self.context.gitlab) else { return };
        // a token of a job may neither ask nor tell
        if gitlab.has_job_token() {
            return;
        }
        if let Err(error) = tell(gitlab, adopted.commit.as_str(), &note(ticket, finished)).await {
            let text = format!("the merge request is not told: {error}");
            self.context.events.note(&ticket.run, Level::Warning, text);
        }
    }
}

async fn tell(gitlab: &GitLab, commit: &str, text: &str) -> Result<(), GitLabError> {
    let requests = gitlab.merge_requests();
    let merged = requests.of_commit(commit).await?.into_iter().find(|one| one.state == MergeState::Merged);
    if let Some(request) = merged {
        requests.upsert_note(request.iid, "adopt", text).await?;
    }
    Ok(())
}

/// The note. What others wrote stands in code.
fn note(ticket: &Ticket, finished: &Finished) -> String {
    let sign = if finished.exit == 0 { "✅" } else { "❌" };
    let mut text = format!(
        "**{sign} datapin: {}**\n\n{} {}, run {}\n",
        finished.outcome.word(),
        code(&finished.summary.dataset),
        code(&finished.summary.version),
        code(&ticket.run.0)
    );
    if let Some(reason) = finished.outcome.reason() {
        let pieces: Vec<String> = reason.split("; ").map(|piece| format!("- {}\n", code(piece))).collect();
        text.push_str(&format!("\n{}", pieces.concat()));
    }
    text.push_str("\n| environment | is |\n|---|---|\n");
    for one in &finished.standing {
        text.push_str(&format!("| {} | {} |\n", code(&one.environment), code(&one.words.replace('|', "¦"))));
    }
    for part in ticket.parts() {
        if let Some(revert) = &part.revert {
            text.push_str(&format!("\nTaken back by {revert}.\n"));
            break;
        }
    }
    text
}
