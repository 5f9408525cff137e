//! What every command stands on: a context, listeners, signals, and how it fails.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Common;
use super::edge::{self, EdgeError};
use crate::config::SetError;
use crate::event::Event;
use crate::exit::Exit;
use crate::report::Listener;
use crate::run::RunError;
use crate::run::context::{Context, Events, Signals};

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

/// A context with its listeners: they hear until it is dropped.
pub struct Stage {
    /// What a run needs.
    pub context: Context,
    listener: tokio::task::JoinHandle<()>,
    signals: Option<tokio::task::JoinHandle<()>>,
}

impl Stage {
    /// Makes the context of a command that drives runs: signals cancel them.
    pub fn open(common: &Common) -> Result<Self, CommandError> {
        let (count, signals) = Signals::new();
        let mut stage = Self::with(common, signals)?;
        stage.signals = Some(tokio::spawn(count_signals(count)));
        Ok(stage)
    }

    /// Makes the context of a command that only looks, or makes one change: signals end it as usual.
    pub fn look(common: &Common) -> Result<Self, CommandError> {
        Self::with(common, Signals::new().1)
    }

    fn with(common: &Common, signals: Signals) -> Result<Self, CommandError> {
        let config = edge::configuration(common)?;
        let (events, heard) = Events::new();
        let context = edge::context(common, config, events, signals)?;
        let listener = Listener::new(edge::look(common), Box::new(std::io::stdout()));
        Ok(Self { context, listener: tokio::spawn(listen(listener, heard)), signals: None })
    }

    /// Lets the listeners hear the last event.
    pub async fn close(self) {
        let Self { context, listener, signals } = self;
        if let Some(signals) = signals {
            signals.abort();
        }
        drop(context);
        // A listener never delays the end of a run for long.
        let _ = tokio::time::timeout(Duration::from_secs(2), listener).await;
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
