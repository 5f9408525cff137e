//! Rocket.Chat: an incoming webhook, or `chat.postMessage` of its REST API.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use super::error::{NotifyError, Secret};
use super::message::Message;
use super::{Bounds, Posted};
use crate::config::{self, SecretRef};

mod answer;

use answer::Reading;

/// An endpoint with everything that it takes to post there.
pub(super) struct RocketChat {
    client: Client,
    endpoint: Url,
    /// Headers that log in; none for a webhook.
    login: HeaderMap,
    room: Room,
    /// What no error may show.
    secrets: Vec<SecretString>,
    bounds: Bounds,
}

/// Where a message goes and whether a later one can reply to it.
enum Room {
    /// A webhook knows its channel; its answer has no message id, so nothing can be threaded.
    OfWebhook { other: Option<String> },
    /// `#name` or `@name`.
    Channel(String),
    /// A room's id.
    Id(String),
}

/// The whole request: Rocket.Chat refuses properties that it does not know, and `roomId` with `channel`.
#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(rename = "roomId", skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(rename = "tmid", skip_serializing_if = "Option::is_none")]
    thread: Option<&'a str>,
    #[serde(flatten)]
    message: &'a Message,
}

/// How one try ended.
enum Try {
    Posted { id: Option<String> },
    Final(NotifyError),
    Again { pause: Option<Duration>, failure: Failure },
}

/// Why a try has to be repeated.
enum Failure {
    RateLimited { wait: Option<Duration> },
    Other { reason: String },
}

impl RocketChat {
    pub(super) fn new(
        config: &config::RocketChat,
        read: &dyn Fn(&SecretRef) -> Result<SecretString, String>,
        bounds: Bounds,
    ) -> Result<Self, NotifyError> {
        let get = |what, from: &SecretRef| {
            read(from).map_err(|reason| NotifyError::Secret { what, from: from.clone(), reason })
        };
        let client = client(bounds)?;
        match config {
            config::RocketChat::Webhook { url, channel } => {
                let secret = get(Secret::Webhook, url)?;
                let endpoint = address(secret.expose_secret().trim())
                    .ok_or_else(|| NotifyError::BadUrl { what: Secret::Webhook, from: url.clone() })?;
                let secrets = secret_parts(&endpoint);
                let room = Room::OfWebhook { other: channel.clone() };
                Ok(Self { client, endpoint, login: HeaderMap::new(), room, secrets, bounds })
            }
            config::RocketChat::Api { server, channel, user_id, token } => {
                let (user, secret) = (get(Secret::UserId, user_id)?, get(Secret::Token, token)?);
                let mut login = HeaderMap::new();
                login.insert(USER_ID, header(Secret::UserId, user_id, &user)?);
                login.insert(AUTH_TOKEN, header(Secret::Token, token, &secret)?);
                let endpoint = address(&format!("{}/api/v1/chat.postMessage", server.trim_end_matches('/')))
                    .ok_or_else(|| NotifyError::BadServer { server: server.clone() })?;
                let room = Room::named(channel);
                Ok(Self { client, endpoint, login, room, secrets: vec![user, secret], bounds })
            }
        }
    }

    /// Posts until it is posted, refused, or the time is over.
    pub(super) async fn post(&self, message: &Message, thread: Option<&str>) -> Result<Posted, NotifyError> {
        let request = self.room.request(message, thread);
        let end = Instant::now() + self.bounds.total;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.attempt(&request, end).await {
                Try::Posted { id } => return Ok(self.room.posted(request.thread, id)),
                Try::Final(error) => return Err(error),
                Try::Again { pause, failure } => {
                    let pause = self.pause(pause, tries);
                    if pause.saturating_add(self.shortest()) > end.saturating_duration_since(Instant::now()) {
                        return Err(self.give_up(failure, tries));
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn attempt(&self, request: &Request<'_>, end: Instant) -> Try {
        let left = end.saturating_duration_since(Instant::now());
        let sent = self.request(request).timeout(left.min(self.bounds.request)).send().await;
        let reading = match sent {
            Ok(response) => answer::read(response).await,
            Err(error) => Err(error),
        };
        match reading {
            Err(error) => Try::Again {
                pause: None,
                failure: Failure::Other { reason: self.told(&answer::words(error)) },
            },
            Ok((status, reading)) => self.judge(status, reading),
        }
    }

    fn request(&self, body: &Request<'_>) -> RequestBuilder {
        self.client.post(self.endpoint.clone()).headers(self.login.clone()).json(body)
    }

    fn judge(&self, status: u16, reading: Reading) -> Try {
        let host = self.host();
        match reading {
            Reading::Posted { id } => Try::Posted { id },
            Reading::RateLimited { wait } => {
                Try::Again { pause: wait, failure: Failure::RateLimited { wait } }
            }
            Reading::Broken { reason } => {
                let reason = format!("{status}: {}", self.told(&reason));
                Try::Again { pause: None, failure: Failure::Other { reason } }
            }
            Reading::Refused { reason } => {
                Try::Final(NotifyError::Refused { host, status, reason: self.told(&reason) })
            }
            Reading::Strange { reason } => {
                Try::Final(NotifyError::NotRocketChat { host, status, reason: self.told(&reason) })
            }
        }
    }

    fn give_up(&self, failure: Failure, tries: u32) -> NotifyError {
        let host = self.host();
        match failure {
            Failure::RateLimited { wait } => {
                NotifyError::RateLimited { host, wait, bound: self.bounds.total }
            }
            Failure::Other { reason } => NotifyError::Unavailable { host, reason, tries },
        }
    }

    /// Doubles from a fortieth of the time, at most as long as was asked for, with jitter so that runs which
    /// end together do not come back together.
    fn pause(&self, asked: Option<Duration>, tries: u32) -> Duration {
        let step = self.shortest() / 2;
        let jitter = step.mul_f64(fastrand::f64() / 2.0);
        match asked {
            Some(asked) => asked.max(step / 2).saturating_add(jitter),
            None => (step * 2_u32.saturating_pow(tries.saturating_sub(1).min(8)))
                .mul_f64(0.5 + fastrand::f64() / 2.0),
        }
    }

    /// A try with less time than this is not worth it.
    fn shortest(&self) -> Duration {
        self.bounds.total / 20
    }

    /// A text of somebody else: without secrets, on one line, and not too much of it.
    fn told(&self, text: &str) -> String {
        let secrets = self.secrets.iter().map(|secret| secret.expose_secret().trim());
        let text = secrets
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        answer::shown(&text)
    }

    fn host(&self) -> String {
        let host = self.endpoint.host_str().unwrap_or_default();
        self.endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl Room {
    fn named(channel: &str) -> Self {
        if channel.starts_with(['#', '@']) {
            Self::Channel(channel.to_owned())
        } else {
            Self::Id(channel.to_owned())
        }
    }

    fn request<'a>(&'a self, message: &'a Message, thread: Option<&'a str>) -> Request<'a> {
        let (channel, room, thread) = match self {
            Room::OfWebhook { other } => (other.as_deref(), None, None),
            Room::Channel(name) => (Some(name.as_str()), None, thread),
            Room::Id(id) => (None, Some(id.as_str()), thread),
        };
        Request { channel, room, thread, message }
    }

    /// A reply leaves the thread as it is; the first message begins one.
    fn posted(&self, thread: Option<&str>, id: Option<String>) -> Posted {
        match self {
            Room::OfWebhook { .. } => Posted { thread: None },
            Room::Channel(_) | Room::Id(_) => Posted { thread: thread.map(str::to_owned).or(id) },
        }
    }
}

impl fmt::Debug for RocketChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rocket.Chat at {}", self.host())
    }
}

const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const USER_ID: HeaderName = HeaderName::from_static("x-user-id");

fn client(bounds: Bounds) -> Result<Client, NotifyError> {
    Client::builder()
        .connect_timeout(bounds.connect)
        .timeout(bounds.request)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("datapin/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| NotifyError::Client { reason: answer::words(error) })
}

fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn header(what: Secret, from: &SecretRef, value: &SecretString) -> Result<HeaderValue, NotifyError> {
    let value = HeaderValue::from_str(value.expose_secret().trim()).ok().filter(|value| !value.is_empty());
    let mut value = value.ok_or_else(|| NotifyError::BadHeader { what, from: from.clone() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The URL and its parts, longest first: a server may tell only its path or the token.
fn secret_parts(url: &Url) -> Vec<SecretString> {
    let segments = url.path_segments().into_iter().flatten().filter(|segment| segment.len() >= 8);
    let whole = [url.as_str(), url.path()].into_iter().filter(|part| *part != "/");
    whole.chain(segments).chain(url.query()).map(SecretString::from).collect()
}
