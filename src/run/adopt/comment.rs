//! What merged merge requests are told of the runs that they became: one note for each dataset and environments of a
//! run, updated in place. They are opened no more.

use std::collections::BTreeSet;

use crate::event::{Finished, Level, Summary};
use crate::gitlab::{GitLab, GitLabError, MergeState};
use crate::notify::Asked;
use crate::queue::{Adopted, Ticket};
use crate::run::driver::Driver;
use crate::run::markup::code;

/// Of so many commits that a run adopted, the newest ones, the merge requests are looked for.
const COMMITS: usize = 20;

impl Driver {
    /// Tells the merge requests that brought what the run adopted how it ended. Never fails the run.
    pub(in crate::run) async fn comment(&self, ticket: &Ticket, finished: &Finished) {
        self.tell_requests(ticket, &note(ticket, finished)).await;
    }

    /// Tells them that a person is asked. Never fails the run.
    pub(in crate::run) async fn comment_asked(&self, ticket: &Ticket, summary: &Summary, asked: &Asked<'_>) {
        self.tell_requests(ticket, &question(ticket, summary, asked)).await;
    }

    async fn tell_requests(&self, ticket: &Ticket, text: &str) {
        let (Some(adopted), Ok(gitlab)) = (&ticket.adopts, &self.context.gitlab) else { return };
        // a token of a job may neither ask nor tell, which `adopt` says
        if gitlab.has_job_token() {
            return;
        }
        if let Err(error) = tell(gitlab, adopted, &name(ticket), text).await {
            let text = format!("the merge request is not told: {error}");
            self.context.events.note(&ticket.run, Level::Warning, text);
        }
    }
}

/// The name of the run's note: one merge may become several runs, each with its own.
fn name(ticket: &Ticket) -> String {
    let environments: Vec<&str> = ticket.parts().map(|part| &part.identity.name[..]).collect();
    format!("adopt:{}:{}", ticket.dataset, environments.join("/"))
}

async fn tell(gitlab: &GitLab, adopted: &Adopted, name: &str, text: &str) -> Result<(), GitLabError> {
    let requests = gitlab.merge_requests();
    let mut merged = BTreeSet::new();
    let newest = std::iter::once(&adopted.commit);
    let others = adopted.commits.iter().map(|one| &one.id).filter(|id| **id != adopted.commit);
    for commit in newest.chain(others).take(COMMITS) {
        let found = requests.of_commit(commit.as_str()).await?;
        let request = found.into_iter().find(|one| one.state == MergeState::Merged);
        merged.extend(request.map(|request| request.iid));
    }
    for iid in merged {
        requests.upsert_note(iid, name, text).await?;
    }
    Ok(())
}

/// The note while a person is asked. What others wrote stands in code.
fn question(ticket: &Ticket, summary: &Summary, asked: &Asked<'_>) -> String {
    let stage = summary.stages.get(asked.stage);
    let environments: Vec<String> =
        stage.iter().flat_map(|stage| &stage.environments).map(|(name, _)| code(name)).collect();
    format!(
        "**⏳ datapin: waits for {}**\n\n{} {}, run {}\n\nGate {} of {}: {} is the yes, {} the no. After {:?} without \
         an answer it is taken back.\n",
        asked.who.map_or_else(|| "a person".to_owned(), code),
        code(&ticket.dataset),
        code(&ticket.version),
        code(&ticket.run.0),
        code(asked.gate),
        environments.join(", "),
        code(&format!("datapin approve {} --gate {} --reason …", ticket.number, asked.gate)),
        code(&format!("datapin cancel {} --reason …", ticket.number)),
        asked.timeout,
    )
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
