//! Announcements of start and finish in a chat.
//!
//! An announcement is a courtesy: it is bounded in time ([`Bounds`]), and whoever calls [`Notifier::announce`]
//! goes on with the deployment whatever comes back. It is made at least once: a try whose answer got lost is
//! repeated. All text that people see is in [`message`]; no error shows a secret.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::{Notify, SecretRef};
use crate::event::{Finished, Summary};
use crate::queue::RunId;

mod error;
mod escape;
pub mod message;
mod rocketchat;

pub use error::{NotifyError, Secret};

use rocketchat::RocketChat;

/// What is announced.
#[derive(Debug, Clone, Copy)]
pub enum Announcement<'a> {
    /// A run holds its environments and begins.
    Started {
        /// The run.
        run: &'a RunId,
        /// Its number.
        number: u64,
        /// What it is about.
        summary: &'a Summary,
    },
    /// A gate waits for a person.
    Asked {
        /// The run.
        run: &'a RunId,
        /// Its number.
        number: u64,
        /// What it is about.
        summary: &'a Summary,
        /// Who is asked.
        asked: Asked<'a>,
    },
    /// A run ended.
    Finished {
        /// The run.
        run: &'a RunId,
        /// Its number.
        number: u64,
        /// How it ended.
        finished: &'a Finished,
    },
}

/// A gate that waits for a person.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Gate.
    pub gate: &'a str,
    /// Who, in words of the configuration.
    pub who: Option<&'a str>,
    /// How long.
    pub timeout: Duration,
    /// Index of its stage.
    pub stage: usize,
}

/// What came of an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Id of the message that later ones reply to; `None` where the destination cannot thread.
    pub thread: Option<String>,
}

/// How long an announcement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// To connect.
    pub connect: Duration,
    /// One try, connecting included.
    pub request: Duration,
    /// All tries and the pauses between them.
    pub total: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            request: Duration::from_secs(10),
            total: Duration::from_secs(20),
        }
    }
}

/// Who is told, ready to use.
pub struct Notifier(Destination);

enum Destination {
    Off,
    RocketChat(Box<RocketChat>),
}

impl Notifier {
    /// A notifier for the configuration; one that does nothing where nobody is to be told.
    ///
    /// `read` gets a secret's value, or says why it cannot. Nothing is sent yet.
    ///
    /// # Errors
    /// A secret that cannot be read or has no use as what it is for, and a server address that is none.
    pub fn new(
        config: &Notify,
        read: &dyn Fn(&SecretRef) -> Result<SecretString, String>,
    ) -> Result<Self, NotifyError> {
        Self::with_bounds(config, read, Bounds::default())
    }

    /// The same with other bounds.
    ///
    /// # Errors
    /// As [`Notifier::new`].
    pub fn with_bounds(
        config: &Notify,
        read: &dyn Fn(&SecretRef) -> Result<SecretString, String>,
        bounds: Bounds,
    ) -> Result<Self, NotifyError> {
        Ok(Self(match &config.rocketchat {
            None => Destination::Off,
            Some(chat) => Destination::RocketChat(Box::new(RocketChat::new(chat, read, bounds)?)),
        }))
    }

    /// Posts an announcement, as a reply to `thread` where the destination can thread.
    ///
    /// Returns the thread that later announcements of the run reply to, within [`Bounds::total`].
    ///
    /// # Errors
    /// Why it was not posted, or not certainly so. The caller notes it and goes on.
    pub async fn announce(
        &self,
        announcement: &Announcement<'_>,
        thread: Option<&str>,
    ) -> Result<Posted, NotifyError> {
        match &self.0 {
            Destination::Off => Ok(Posted { thread: None }),
            Destination::RocketChat(chat) => chat.post(&message::compose(announcement), thread).await,
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Destination::Off => f.write_str("Notifier(off)"),
            Destination::RocketChat(chat) => write!(f, "Notifier({chat:?})"),
        }
    }
}
