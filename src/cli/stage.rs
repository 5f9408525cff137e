//! What every command stands on: a context, listeners, signals, and how it fails.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Common;
use super::artifacts::Artifacts;
use super::ci;
use super::edge::{self, EdgeError};
use crate::config::SetError;
use crate::event::Event;
use crate::exit::Exit;
use crate::gate;
use crate::mirror::{self, Mirror};
use crate::report::Listener;
use crate::report::account::Accounts;
use crate::report::link::Links;
use crate::run::RunError;
use crate::run::context::{Context, Events, Signals};
use crate::run::job::{self, Task};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// At the edge.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// In the run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// `--set`.
    #[error(transparent)]
    Set(#[from] SetError),
    /// A graph.
    #[error(transparent)]
    Graph(#[from] crate::graph::GraphError),
    /// Anything else that was asked wrongly.
    #[error("{0}")]
    Usage(String),
    /// A local file.
    #[error("{what}: {source}")]
    Local {
        /// What was done.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Something on the machine is missing.
    #[error("{0}")]
    Missing(String),
}

impl CommandError {
    /// The exit code that it stands for.
    pub fn exit(&self) -> Exit {
        match self {
            CommandError::Edge(error) => error.exit(),
            CommandError::Run(error) => error.exit(),
            CommandError::Set(_) | CommandError::Usage(_) => Exit::Usage,
            CommandError::Graph(_) => Exit::Damage,
            CommandError::Local { .. } | CommandError::Missing(_) => Exit::Unreachable,
        }
    }
}

impl From<crate::config::UnknownName> for CommandError {
    fn from(error: crate::config::UnknownName) -> Self {
        CommandError::Run(error.into())
    }
}

impl From<crate::queue::StoreError> for CommandError {
    fn from(error: crate::queue::StoreError) -> Self {
        CommandError::Run(error.into())
    }
}

impl From<crate::queue::ChangeError> for CommandError {
    fn from(error: crate::queue::ChangeError) -> Self {
        CommandError::Run(error.into())
    }
}

/// How long a listener may delay the end of a command.
const PATIENCE: Duration = Duration::from_secs(2);

/// A context with its listeners: they hear until it is dropped.
pub struct Stage {
    /// What a run needs.
    pub context: Context,
    listeners: Vec<JoinHandle<()>>,
    ears: Ears,
    reports: Option<Reports>,
    mirror: Option<JoinHandle<()>>,
    signals: Option<JoinHandle<()>>,
}

/// Where each listener gets its events.
type Ears = Arc<Mutex<Vec<mpsc::UnboundedSender<Event>>>>;

/// What is kept of the runs, for the files about them.
struct Reports {
    artifacts: Artifacts,
    accounts: Arc<Mutex<Accounts>>,
    /// What the record has of the run, where this process is only a part of it.
    whole: Option<Accounts>,
}

impl Stage {
    /// Makes the context of a command that drives runs, or a part of one: signals cancel them.
    pub fn open(common: &Common) -> Result<Self, CommandError> {
        let (count, signals) = Signals::new();
        Ok(Self::with(common, signals, &Artifacts::default())?.hearing(count))
    }

    /// The same for a command that drives whole runs: GitLab shows them, and files are written about them when the stage
    /// is closed, whatever became of them.
    pub fn reporting(common: &Common, artifacts: &Artifacts) -> Result<Self, CommandError> {
        let (count, signals) = Signals::new();
        let mut stage = Self::with(common, signals, artifacts)?.hearing(count);
        if let Some(mirror) = ci::mirror(&stage.context) {
            stage.shows(mirror);
        }
        Ok(stage)
    }

    /// The same for one job of a run that is spread over several: GitLab shows what this one moves.
    pub async fn of_a_job(common: &Common, artifacts: &Artifacts, task: &Task) -> Result<Self, CommandError> {
        let (count, signals) = Signals::new();
        let mut stage = Self::with(common, signals, artifacts)?.hearing(count);
        if let Some(mirror) = ci::mirror(&stage.context) {
            let told = told(&stage.context, task).await;
            stage.shows(match task {
                Task::Finish { .. } => mirror.of_the_last_job(&told),
                Task::Announce { .. }
                | Task::Deploy { .. }
                | Task::Gate { .. }
                | Task::Rollback { .. }
                | Task::Record { .. } => mirror.of_a_job(&told),
            });
        }
        Ok(stage)
    }

    /// Lets the files be about all that the record has of the run, and not only about this job.
    pub async fn knows_all(&mut self, task: &Task) {
        let Some(reports) = &mut self.reports else { return };
        let mut whole = Accounts::default();
        told(&self.context, task).await.iter().for_each(|event| whole.hear(event));
        reports.whole = Some(whole);
    }

    fn shows(&mut self, mirror: Mirror) {
        let (ear, from) = mpsc::unbounded_channel();
        self.ears.lock().unwrap_or_else(PoisonError::into_inner).push(ear);
        self.mirror = Some(tokio::spawn(mirror.listen(from)));
    }

    fn hearing(self, count: watch::Sender<u32>) -> Self {
        Self { signals: Some(tokio::spawn(count_signals(count))), ..self }
    }

    /// Makes the context of a command that only looks, or makes one change: signals end it as usual.
    pub fn look(common: &Common) -> Result<Self, CommandError> {
        Self::with(common, Signals::new().1, &Artifacts::default())
    }

    fn with(common: &Common, signals: Signals, artifacts: &Artifacts) -> Result<Self, CommandError> {
        let config = edge::configuration(common)?;
        let (events, heard) = Events::new();
        let context = edge::context(common, config, events, signals)?;
        let listener = Listener::new(edge::look(common), Box::new(std::io::stdout()));
        let (console, from) = mpsc::unbounded_channel();
        let mut listeners = vec![tokio::spawn(listen(listener, from))];
        let mut ears = vec![console];
        let reports = (!artifacts.is_empty()).then(|| {
            let accounts = Arc::new(Mutex::new(Accounts::default()));
            let (ear, from) = mpsc::unbounded_channel();
            ears.push(ear);
            listeners.push(tokio::spawn(keep(accounts.clone(), from)));
            Reports { artifacts: artifacts.clone(), accounts, whole: None }
        });
        let ears: Ears = Arc::new(Mutex::new(ears));
        listeners.push(tokio::spawn(spread(heard, ears.clone())));
        Ok(Self { context, listeners, ears, reports, mirror: None, signals: None })
    }

    /// Lets the listeners hear the last event, and writes the files about the run.
    pub async fn close(self) {
        let Self { context, listeners, ears: _, reports, mirror, signals } = self;
        if let Some(signals) = signals {
            signals.abort();
        }
        let links = Links::of(context.target.location());
        drop(context);
        // What a gate that was stopped had begun elsewhere must not go on.
        if !gate::settled(gate::PATIENCE).await {
            tracing::warn!("what a gate had begun may go on: there was no time to cancel it");
        }
        // A listener never delays the end of a run for long.
        let _ = tokio::time::timeout(PATIENCE, futures_util::future::join_all(listeners)).await;
        if let Some(reports) = reports {
            reports.write(&links);
        }
        if let Some(mirror) = mirror
            && tokio::time::timeout(mirror::PATIENCE, mirror).await.is_err()
        {
            tracing::warn!("GitLab was too slow to be told how the run ended; `datapin history` has it");
        }
    }
}

impl Reports {
    /// A file that cannot be written never fails a run.
    fn write(self, links: &Links) {
        let own = self.accounts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let accounts = self.whole.map_or_else(|| own.clone(), |whole| whole.with_output_of(&own));
        for error in self.artifacts.write(accounts.all(), links) {
            let text = format!("warning: {error}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// What the record tells of a job's run. What keeps it from being read is the job's own to say.
async fn told(context: &Context, task: &Task) -> Vec<Event> {
    job::told(context, task).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "the record of the run is not read");
        Vec::new()
    })
}

/// Passes each event on to every listener: one that hangs holds up no other. At the end their channels close.
async fn spread(mut heard: mpsc::UnboundedReceiver<Event>, ears: Ears) {
    while let Some(event) = heard.recv().await {
        for ear in ears.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // who is gone hears nothing
            let _ = ear.send(event.clone());
        }
    }
    ears.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

async fn keep(accounts: Arc<Mutex<Accounts>>, mut heard: mpsc::UnboundedReceiver<Event>) {
    while let Some(event) = heard.recv().await {
        accounts.lock().unwrap_or_else(PoisonError::into_inner).hear(&event);
    }
}

async fn listen(mut listener: Listener, mut heard: mpsc::UnboundedReceiver<Event>) {
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            event = heard.recv() => match event {
                Some(event) => listener.hear(&event),
                None => break,
            },
            _ = tick.tick() => {
                let (width, height) = edge::size();
                listener.resize(width, height);
                listener.tick();
            }
        }
    }
    listener.close();
}

async fn count_signals(count: watch::Sender<u32>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        count.send_modify(|count| *count += 1);
    }
}
