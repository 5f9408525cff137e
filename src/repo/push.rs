//! Pushing one commit to one branch, expecting its tip.

use git2::{ErrorClass, ErrorCode, Oid, Repository};

use super::watch::{self, GivenUp};
use super::wire::Wire;
use super::{CommitId, Repo, RepoError};

/// Whether the push shall start CI pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pipelines {
    /// As the server does by itself.
    #[default]
    Run,
    /// Ask the server not to (`ci.skip`). One that takes no push options is not asked.
    Skip,
}

/// How to push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushOptions {
    /// whether to start CI pipelines
    pub pipelines: Pipelines,
}

/// What became of a push.
#[derive(Debug)]
pub enum PushOutcome {
    /// The branch points to the commit.
    Updated,
    /// The branch had another tip than the expected one: fetch, and make the commit anew on the new tip.
    LostRace {
        /// what the server said or showed
        detail: String,
    },
    /// The server refused by policy. The same push will be refused again.
    Refused {
        /// the server's own words, with its `remote:` lines
        reason: String,
    },
    /// The commit may have landed: read the branch before doing anything else.
    Unknown {
        /// what happened
        detail: String,
    },
    /// Nothing was sent, so certainly nothing was written.
    Unreachable {
        /// why
        error: RepoError,
    },
}

/// What is to be pushed.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub name: String,
    pub commit: Oid,
    /// `None`: the branch must not be there
    pub expected: Option<Oid>,
    pub pipelines: Pipelines,
    pub moves: Moves,
}

/// Where a branch may be moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moves {
    /// To a commit that descends from its tip.
    Forward,
    /// Anywhere: what was there is thrown away.
    Anywhere,
}

impl Repo {
    /// Moves the branch from `expected` to `commit`; with `expected` `None` creates it. Never anything else than a
    /// fast-forward.
    pub fn push(
        &self,
        branch: &str,
        commit: &CommitId,
        expected: Option<&CommitId>,
        options: &PushOptions,
    ) -> PushOutcome {
        self.send_order(branch, commit, self.order(branch, commit, expected, options))
    }

    /// Replaces a branch of this program's own: moves it from `expected` to `commit`, whatever that throws away; with
    /// `expected` `None` creates it.
    pub fn replace(&self, branch: &str, commit: &CommitId, expected: Option<&CommitId>) -> PushOutcome {
        let order = self.order(branch, commit, expected, &PushOptions::default());
        self.send_order(branch, commit, order.map(|order| Order { moves: Moves::Anywhere, ..order }))
    }

    fn send_order(&self, branch: &str, commit: &CommitId, order: Result<Order, RepoError>) -> PushOutcome {
        let outcome = match order {
            Ok(order) if self.settings.location.is_local() => self.push_locally(&order),
            Ok(order) => self.push_over_wire(&order),
            Err(error) => PushOutcome::Unreachable { error },
        };
        if matches!(outcome, PushOutcome::Updated) {
            self.note_tip(branch, commit);
        }
        outcome
    }

    fn order(
        &self,
        branch: &str,
        commit: &CommitId,
        expected: Option<&CommitId>,
        options: &PushOptions,
    ) -> Result<Order, RepoError> {
        let name = format!("refs/heads/{branch}");
        if !git2::Reference::is_valid_name(&name) {
            return Err(self.push_error(format!("`{branch}` is no valid branch name")));
        }
        self.find_commit(&self.handle()?, commit)?;
        let oid = |id: &CommitId| id.oid().map_err(|error| self.push_error(error.message().to_owned()));
        Ok(Order {
            name,
            commit: oid(commit)?,
            expected: expected.map(oid).transpose()?,
            pipelines: options.pipelines,
            moves: Moves::Forward,
        })
    }

    pub(super) fn push_error(&self, detail: String) -> RepoError {
        let location = self.settings.location.to_string();
        RepoError::Git { doing: "pushing to".to_owned(), location, detail }
    }

    fn push_over_wire(&self, order: &Order) -> PushOutcome {
        match self.attempt(order.clone()) {
            Attempt::Done(outcome) => outcome,
            Attempt::NoPushOptions => {
                match self.attempt(Order { pipelines: Pipelines::Run, ..order.clone() }) {
                    Attempt::Done(outcome) => outcome,
                    Attempt::NoPushOptions => PushOutcome::Unreachable {
                        error: self.push_error("it wants push options and takes none".to_owned()),
                    },
                }
            }
        }
    }

    fn attempt(&self, order: Order) -> Attempt {
        let (settings, kept) = (std::sync::Arc::clone(&self.settings), self.kept.clone());
        let done = watch::run(&self.settings.limits, self.silence(), move |watch| {
            let wire = Wire::new(&settings, watch);
            let sent = kept.open().and_then(|repo| send(&wire, &repo, &order));
            let broken = sent.as_ref().err().filter(|error| is_broken(error));
            let broken = broken.map(|error| error.message().to_owned());
            (judge(&wire, &order, sent), broken)
        });
        match done {
            Ok((attempt, broken)) => {
                if let Some(detail) = broken {
                    // else every push fails for the same reason, whatever is fetched
                    tracing::warn!(error = %self.throw_away(&detail), "the push could not be packed");
                }
                attempt
            }
            Err(given_up) => Attempt::Done(self.given_up(given_up)),
        }
    }

    pub(super) fn given_up(&self, given_up: GivenUp) -> PushOutcome {
        let sending = given_up.sending;
        let error = self.timeout("pushing to", given_up);
        if sending {
            PushOutcome::Unknown { detail: error.to_string() }
        } else {
            PushOutcome::Unreachable { error }
        }
    }
}

/// Whether the kept repository lacks what it has to send.
fn is_broken(error: &git2::Error) -> bool {
    let missing = error.code() == ErrorCode::NotFound && error.class() == ErrorClass::Odb;
    missing || super::error::is_damage(error)
}

enum Attempt {
    Done(PushOutcome),
    NoPushOptions,
}

fn send(wire: &Wire<'_>, repo: &Repository, order: &Order) -> Result<(), git2::Error> {
    let mut callbacks = wire.callbacks();
    callbacks.push_negotiation(|updates| {
        wire.watch.sign(|| "connected".to_owned());
        // the lease: what the server shows in this very connection, and then insists on itself
        let shown = updates.first().map_or(Oid::ZERO_SHA1, git2::PushUpdate::src);
        if shown != order.expected.unwrap_or(Oid::ZERO_SHA1) {
            wire.notes().lost_lease = Some(describe(shown));
            return Err(git2::Error::from_str("the branch has another tip than expected"));
        }
        if wire.watch.begin_sending() { Ok(()) } else { Err(git2::Error::from_str("given up")) }
    });
    let mut options = git2::PushOptions::new();
    options.remote_callbacks(callbacks).proxy_options(Wire::proxy());
    if order.pipelines == Pipelines::Skip {
        options.remote_push_options(&["ci.skip"]);
    }
    let mut remote = repo.remote_anonymous(&wire.settings.location.url())?;
    let force = match order.moves {
        Moves::Forward => "",
        Moves::Anywhere => "+",
    };
    remote.push(&[format!("{force}{}:{}", order.commit, order.name)], Some(&mut options))
}

pub(super) fn describe(tip: Oid) -> String {
    if tip.is_zero() { "the branch is not there".to_owned() } else { format!("the branch is at {tip}") }
}

fn judge(wire: &Wire<'_>, order: &Order, sent: Result<(), git2::Error>) -> Attempt {
    if let Some(detail) = wire.notes().lost_lease.clone() {
        return Attempt::Done(PushOutcome::LostRace { detail });
    }
    Attempt::Done(match sent {
        Ok(()) => judge_status(wire, order),
        Err(error) if error.message().contains("push-options not supported") => {
            return Attempt::NoPushOptions;
        }
        Err(error) if !wire.watch.sending() => {
            PushOutcome::Unreachable { error: wire.error("pushing to", &error) }
        }
        Err(error) => judge_failure(wire, &error),
    })
}

/// `push` says Ok even when the server refused: the answer to each ref is what counts.
fn judge_status(wire: &Wire<'_>, order: &Order) -> PushOutcome {
    let status = wire.notes().statuses.iter().find(|(name, _)| *name == order.name).map(|(_, s)| s.clone());
    match status {
        Some(None) => PushOutcome::Updated,
        Some(Some(status)) => {
            let words = with_remote_words(wire, &status);
            if is_lost_race(&words) {
                PushOutcome::LostRace { detail: words }
            } else {
                PushOutcome::Refused { reason: words }
            }
        }
        None => {
            PushOutcome::Unknown { detail: "the server did not say what became of the branch".to_owned() }
        }
    }
}

/// The connection broke, or the server gave an error, after sending had begun.
fn judge_failure(wire: &Wire<'_>, error: &git2::Error) -> PushOutcome {
    let text = error.message();
    let refused = ["code: 401", "code: 403", "code: 404", "code: 413", "unpacking the sent packfile failed"];
    if error.code() == ErrorCode::NotFastForward {
        PushOutcome::Refused { reason: format!("{text} (the commit does not descend from the expected tip)") }
    } else if refused.iter().any(|words| text.contains(words)) {
        PushOutcome::Refused { reason: with_remote_words(wire, text) }
    } else {
        PushOutcome::Unknown { detail: with_remote_words(wire, text) }
    }
}

fn with_remote_words(wire: &Wire<'_>, status: &str) -> String {
    let words = wire.remote_words();
    let status = wire.scrub(status);
    if words.is_empty() { status } else { format!("{status}\n{words}") }
}

/// Server texts for "somebody was faster" (external-systems.md, "Git server"; newer git adds the last two).
fn is_lost_race(words: &str) -> bool {
    [
        "failed to update ref",
        "cannot lock ref",
        "but expected",
        "fetch first",
        "non-fast-forward",
        "stale info",
        "reference already exists",
        "incorrect old value provided",
    ]
    .iter()
    .any(|text| words.contains(text))
}
