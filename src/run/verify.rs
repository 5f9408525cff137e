//! Looks at everything once more, and writes the commit point.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::driver::{Driver, Halt, Trouble};
use super::forward::judged;
use super::sync;
use crate::agent::wait::Mode;
use crate::config::{Place, ServicePlaces};
use crate::event::What;
use crate::plan::{self, Files, FilesError};
use crate::queue::{CauseKind, EnvironmentPart, RunKind, Ticket, VerifiedSet, blocking};
use crate::repo::Repo;

/// What an environment holds at the tip.
enum AtTip {
    /// What the run pinned; here is the whole set.
    Ours(Box<VerifiedSet>),
    /// Somebody changed it.
    Theirs {
        /// Who, and which commit.
        by: String,
    },
    /// The branch is gone.
    NoBranch,
}

impl Driver {
    /// Every service synced and healthy, then the pins at the tip, then the commit point.
    pub(super) async fn verify(&self) -> Result<(), Trouble> {
        self.go_on()?;
        let ticket = self.journal.ticket();
        if matches!(ticket.kind, RunKind::Deploy) {
            let awaited: Vec<_> =
                (0..ticket.stages.len()).flat_map(|stage| self.awaited(&ticket, stage)).collect();
            let wait = sync::look_again(&self.context, &self.journal, &awaited, Mode::Deploy);
            judged(&self.unless_cancelled(wait).await?)?;
        }
        Box::pin(self.packages_unchanged(&ticket)).await?;
        let sets = self.sets(&ticket).await?;
        self.go_on()?;
        match (&ticket.kind, ticket.parts().next()) {
            (RunKind::Rollback { .. }, Some(EnvironmentPart { identity, goal: Some(goal), .. })) => {
                self.journal.restored(&identity.name, goal).await?;
            }
            (RunKind::Rollback { .. }, _) => {
                let text = "the rollback's environment is not in its record any more";
                return Err(Trouble::back(CauseKind::NotAllowed, text));
            }
            (RunKind::Deploy, _) => self.journal.verify(&sets).await?,
        }
        let environments = ticket.parts().map(|part| part.identity.name.clone()).collect();
        let version = ticket.version.clone();
        self.context.events.tell(&ticket.run, What::Verified { environments, version });
        Ok(())
    }

    /// What every environment is verified with: all pins and all settable values at the tip, where every pin
    /// of the run still holds its value.
    async fn sets(&self, ticket: &Ticket) -> Result<Vec<(String, VerifiedSet)>, Trouble> {
        let mut sets = Vec::new();
        for part in ticket.parts() {
            let name = part.identity.name.clone();
            let places = self.context.config.places(&name, &ticket.dataset);
            let (repo, part, about) = (self.context.target.clone(), part.clone(), ticket.clone());
            let limit = self.sync_timeout(&name);
            match self.patient(limit, move || at_tip(&repo, &part, &places, &about)).await? {
                AtTip::Ours(set) => sets.push((name, *set)),
                AtTip::Theirs { by } => {
                    let text = format!("{name}: somebody changed what this run had pinned: {by}");
                    return Err(Trouble::back(CauseKind::Superseded, text));
                }
                AtTip::NoBranch => {
                    let text = format!("{name}: its branch does not exist any more");
                    return Err(Trouble::back(CauseKind::Deployment, text));
                }
            }
        }
        Ok(sets)
    }

    fn sync_timeout(&self, environment: &str) -> Duration {
        let known = self.context.config.environments.get(environment);
        known.map_or(Duration::from_secs(60), |known| known.sync_timeout)
    }

    /// Reads from git, again while it is out of reach, for at most `limit`.
    pub(super) async fn patient<T: Send + 'static>(
        &self,
        limit: Duration,
        read: impl Fn() -> Result<T, FilesError> + Clone + Send + 'static,
    ) -> Result<T, Trouble> {
        let begun = Instant::now();
        loop {
            let once = read.clone();
            match blocking(once).await {
                Ok(read) => return Ok(read),
                Err(error) if error.is_transient() && begun.elapsed() < limit => {
                    tracing::warn!(%error, "reading from git is tried again");
                    self.unless_cancelled(tokio::time::sleep(Duration::from_secs(1))).await?;
                }
                Err(error) if error.is_transient() => {
                    return Err(Trouble::Halt(Halt::Stopped(error.to_string())));
                }
                Err(error) => return Err(Trouble::back(CauseKind::Deployment, error.to_string())),
            }
        }
    }
}

fn at_tip(
    repo: &Repo,
    part: &EnvironmentPart,
    places: &[ServicePlaces],
    ticket: &Ticket,
) -> Result<AtTip, FilesError> {
    let branch = &part.identity.branch;
    let (Some(tip), Some(commit)) = (repo.fetch(branch)?, &part.commit) else { return Ok(AtTip::NoBranch) };
    let values = plan::held(&mut Files::at(repo, &tip), places)?;
    let theirs: Vec<&Place> = part
        .pins
        .iter()
        .filter(|pin| !values.iter().any(|value| value.place == pin.place && value.text == pin.after))
        .map(|pin| &pin.place)
        .collect();
    if !theirs.is_empty() {
        return Ok(AtTip::Theirs { by: sync::who_changed(repo, branch, &tip, commit, &theirs) });
    }
    let set = VerifiedSet::new(&ticket.version, values, commit.clone(), &ticket.run, Timestamp::now())
        .with_package(part.package.clone());
    Ok(AtTip::Ours(Box::new(set)))
}
