//! The whole account of a run, from its events: what report files are made of.
//!
//! Other than the picture of a live view ([`super::state`]) it keeps times, output, commits and values.
//! [`Accounts::hear`] is the only way to change it, and needs no order.

mod hear;
mod output;

use jiff::Timestamp;

use super::line::Tone;
use super::narrate;
use super::state::ViewState;
use crate::event::{Event, Finished, PinChange, Summary, What};
use crate::queue::{Cause, RunId, Verdict};
use crate::render::EnvironmentChange;
use crate::repo::CommitId;

/// Most moments that are kept of a run: one that waits for a day tells a lot.
const MOMENTS: usize = 2000;

/// Accounts of the runs that were heard of: first this process's own, then those that it took over.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    runs: Vec<Account>,
    view: ViewState,
}

/// What became of one run, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its id.
    pub run: RunId,
    /// Number of its ticket, where it is known.
    pub number: Option<u64>,
    /// What it is about, where it is known.
    pub summary: Option<Summary>,
    /// When it was first heard of.
    pub first: Timestamp,
    /// When it was last heard of.
    pub last: Timestamp,
    /// When it got its environments.
    pub started: Option<Timestamp>,
    /// Its stages, in order.
    pub stages: Vec<StageAccount>,
    /// Why it goes back; `None` while it goes forward.
    pub cause: Option<Cause>,
    /// How it ended; `None` if nothing was heard of that.
    pub ending: Option<Finished>,
    /// What becomes of manifests.
    pub rendered: Vec<EnvironmentChange>,
    /// What happened, in words.
    pub moments: Vec<Moment>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StageAccount {
    /// Its environments.
    pub environments: Vec<EnvironmentAccount>,
    /// Its gates.
    pub gates: Vec<GateAccount>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EnvironmentAccount {
    /// Name.
    pub name: String,
    /// Target branch; empty until something was pushed.
    pub branch: String,
    /// The commit that was watched.
    pub commit: Option<CommitId>,
    /// The commit that took it back.
    pub revert: Option<CommitId>,
    /// What the commit changed.
    pub changes: Vec<PinChange>,
    /// Its services.
    pub services: Vec<ServiceAccount>,
    /// When it was verified.
    pub verified: Option<Timestamp>,
    /// Why it is frozen.
    pub frozen: Option<String>,
}

/// One service of an environment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceAccount {
    /// Name.
    pub name: String,
    /// On its way to the version.
    pub deploy: Step,
    /// On its way back.
    pub rollback: Step,
}

/// One gate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GateAccount {
    /// Name.
    pub name: String,
    /// How it went.
    pub step: Step,
    /// What came out.
    pub verdict: Option<Verdict>,
    /// Tries.
    pub tries: u32,
    /// Link; may be empty.
    pub url: String,
}

/// Something that takes its time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// How it stands.
    pub state: StepState,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it stands so; may be empty.
    pub reason: String,
    /// Last lines of its output.
    pub log: Vec<String>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepState {
    /// It has not begun; of a run that ended: it was skipped.
    #[default]
    NotBegun,
    /// It runs.
    Running,
    /// It went well.
    Good,
    /// It did not, and was allowed to.
    Warned,
    /// It did not.
    Bad,
    /// It was given up without a result.
    GivenUp,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// How it sounds.
    pub tone: Tone,
    /// In words, one line.
    pub text: String,
}

impl Accounts {
    /// Takes an event in.
    pub fn hear(&mut self, event: &Event) {
        self.view.hear(event);
        if let What::TakingOver { left, number, .. } = &event.what {
            self.account(left, event.at).number = Some(*number);
        }
        let told = match event.what {
            What::Finished(_) | What::Waiting(_) => Vec::new(),
            _ => narrate::narrate(event, &self.view),
        };
        let account = self.account(&event.run, event.at);
        account.last = event.at;
        account.apply(event.at, &event.what);
        account.tell(event.at, told);
    }

    /// All of them, in the order in which they were heard of.
    pub fn all(&self) -> &[Account] {
        &self.runs
    }

    fn account(&mut self, run: &RunId, at: Timestamp) -> &mut Account {
        let known = self.runs.iter().position(|known| known.run == *run);
        let index = known.unwrap_or_else(|| {
            self.runs.push(Account::new(run.clone(), at));
            self.runs.len() - 1
        });
        &mut self.runs[index]
    }
}

impl Account {
    fn new(run: RunId, at: Timestamp) -> Self {
        Self {
            run,
            number: None,
            summary: None,
            first: at,
            last: at,
            started: None,
            stages: Vec::new(),
            cause: None,
            ending: None,
            rendered: Vec::new(),
            moments: Vec::new(),
        }
    }

    /// The account of one run from its events.
    ///
    /// Returns `None` without any.
    pub fn of(events: &[Event]) -> Option<Self> {
        let mut accounts = Accounts::default();
        events.iter().for_each(|event| accounts.hear(event));
        accounts.runs.into_iter().next()
    }

    /// Whether it ended, as far as was heard.
    pub fn is_over(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether it only went back: a rollback that somebody asked for.
    pub fn only_back(&self) -> bool {
        let services = || self.environments().flat_map(|one| &one.services);
        let forward = services().any(|one| one.deploy.has_begun())
            || self.stages.iter().flat_map(|stage| &stage.gates).any(|gate| gate.step.has_begun());
        !forward && services().any(|one| one.rollback.has_begun())
    }

    /// Its environments, in the order of the stages.
    pub fn environments(&self) -> impl DoubleEndedIterator<Item = &EnvironmentAccount> {
        self.stages.iter().flat_map(|stage| &stage.environments)
    }

    fn tell(&mut self, at: Timestamp, lines: Vec<super::Line>) {
        let room = MOMENTS.saturating_sub(self.moments.len());
        let told = lines.into_iter().map(|line| Moment { at, tone: line.tone(), text: line.text() });
        self.moments.extend(told.take(room));
    }
}

impl EnvironmentAccount {
    /// The commits that are known, each behind what is said of it: `pinned by`, `taken back by`; `watched` where nothing
    /// was changed.
    pub fn commits(&self) -> impl Iterator<Item = (&'static str, &CommitId)> {
        let pinned = if self.changes.is_empty() { "watched" } else { "pinned by" };
        let commit = self.commit.as_ref().map(|commit| (pinned, commit));
        commit.into_iter().chain(self.revert.as_ref().map(|commit| ("taken back by", commit)))
    }
}

impl StageAccount {
    /// Its environments: `dt, total-dt`.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.environments.iter().map(|one| one.name.as_str()).collect();
        names.join(", ")
    }
}

impl Step {
    /// Whether anything happened.
    pub fn has_begun(&self) -> bool {
        self.state != StepState::NotBegun
    }

    /// How long it took, in seconds, where both ends are known; a clock that went back counts as 0.
    pub fn seconds(&self) -> Option<u64> {
        let (from, to) = self.began.zip(self.ended)?;
        Some(u64::try_from(to.as_second() - from.as_second()).unwrap_or(0))
    }
}
