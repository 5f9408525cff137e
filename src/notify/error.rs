//! Why an announcement could not be made.

use std::fmt;
use std::time::Duration;

use crate::config::SecretRef;

/// Why an announcement could not be made. No text here holds a webhook's URL or a token: only the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// A secret could not be read.
    #[error("{what}: {from} could not be read: {reason}; nothing can be announced until it is there", from = Origin(from))]
    Secret {
        /// Which.
        what: Secret,
        /// Where it should be.
        from: SecretRef,
        /// Why not.
        reason: String,
    },
    /// A webhook's URL is no URL.
    #[error(
        "{what}: {from} holds no http or https URL; copy the webhook's URL from Rocket.Chat \
         (Administration, Integrations) as it is",
        from = Origin(from)
    )]
    BadUrl {
        /// Which.
        what: Secret,
        /// Where it is.
        from: SecretRef,
    },
    /// A token or a user id cannot be sent.
    #[error(
        "{what}: {from} is empty or holds a line break or another character that no HTTP header may have; \
         store only the value itself",
        from = Origin(from)
    )]
    BadHeader {
        /// Which.
        what: Secret,
        /// Where it is.
        from: SecretRef,
    },
    /// The server's address is none.
    #[error("`{server}` is no address of a Rocket.Chat server; write it like `https://chat.example.org`")]
    BadServer {
        /// As configured.
        server: String,
    },
    /// No HTTP client could be made.
    #[error("no HTTP client for the announcements: {reason}; are the system's CA certificates installed?")]
    Client {
        /// Why not.
        reason: String,
    },
    /// The server's limit lasts longer than an announcement may take.
    #[error(
        "Rocket.Chat at {host} limits the rate of messages{wait}, and an announcement may take {bound} s: \
         it was not posted; raise the limit for datapin's user, or let fewer senders share it",
        wait = Wait(wait), bound = bound.as_secs_f32().ceil()
    )]
    RateLimited {
        /// Host.
        host: String,
        /// How long the server wants a pause; `None` if it did not say.
        wait: Option<Duration>,
        /// How long an announcement may take.
        bound: Duration,
    },
    /// The server does not want it; the same again would change nothing.
    #[error("Rocket.Chat at {host} refused the announcement ({status}): {reason}; {hint}", hint = hint(*status))]
    Refused {
        /// Host.
        host: String,
        /// HTTP status.
        status: u16,
        /// The server's own words.
        reason: String,
    },
    /// It answered, but not as Rocket.Chat does.
    #[error(
        "{host} answered {status} to the announcement, but not as Rocket.Chat does ({reason}), so nobody knows \
         whether it was posted; check the address"
    )]
    NotRocketChat {
        /// Host.
        host: String,
        /// HTTP status.
        status: u16,
        /// What it said, or that it said nothing.
        reason: String,
    },
    /// The server did not work, or could not be reached, until the time was over.
    #[error(
        "Rocket.Chat at {host} could not take the announcement ({tries}, the last one: {reason}); \
         is the server up and reachable from here, and its webhooks enabled?",
        tries = Tries(*tries)
    )]
    Unavailable {
        /// Host.
        host: String,
        /// How the last try ended.
        reason: String,
        /// How many tries were made.
        tries: u32,
    },
}

/// Which secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// URL of the incoming webhook.
    Webhook,
    /// Id of the user that posts.
    UserId,
    /// The user's token.
    Token,
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Webhook => "notify.rocketchat.webhook",
            Secret::UserId => "notify.rocketchat.user_id",
            Secret::Token => "notify.rocketchat.token",
        })
    }
}

struct Origin<'a>(&'a SecretRef);

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SecretRef::Env(name) => write!(f, "environment variable {name}"),
            SecretRef::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

struct Wait<'a>(&'a Option<Duration>);

impl fmt::Display for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(wait) => write!(f, " and takes none for {} s", wait.as_secs_f32().ceil()),
            None => Ok(()),
        }
    }
}

struct Tries(u32);

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 try"),
            tries => write!(f, "{tries} tries"),
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        301..=308 => "it moved, and a secret is not sent on: configure the address that it names, with https",
        401 | 403 => "check the token, the user id, and that the user may post there",
        404 => "the webhook or the address is gone: check it in Rocket.Chat",
        413 => "the message is too long for a proxy or for Rocket.Chat's limit",
        _ => "check the channel, and that the webhook is enabled",
    }
}
