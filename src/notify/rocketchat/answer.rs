//! What Rocket.Chat's answers mean.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::causes::chain;

/// More than this of an answer is not read.
const MAX_BODY: usize = 64 * 1024;
/// More than this of the server's words is not shown.
const MAX_WORDS: usize = 300;

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is there; only `chat.postMessage` gives the id.
    Posted { id: Option<String> },
    /// Too many messages; the pause that the server wants, if it said so.
    RateLimited { wait: Option<Duration> },
    /// The server is at fault; the same again may work.
    Broken { reason: String },
    /// The request is at fault; the same again changes nothing.
    Refused { reason: String },
    /// A success that is none of Rocket.Chat's.
    Strange { reason: String },
}

#[derive(Deserialize, Default)]
struct Body {
    success: Option<bool>,
    /// Of most errors.
    error: Option<serde_json::Value>,
    /// Of errors about logging in.
    message: Option<serde_json::Value>,
}

/// Reads status, headers and as much of the body as tells something.
pub(super) async fn read(mut response: Response) -> Result<(u16, Reading), reqwest::Error> {
    let status = response.status();
    let wait = pause(response.headers(), SystemTime::now());
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= MAX_BODY {
            break;
        }
    }
    Ok((status.as_u16(), meaning(status, wait, &String::from_utf8_lossy(&bytes))))
}

/// An error of the HTTP client in words, without the URL.
pub(super) fn words(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let words = chain(&error.without_url());
    if timed_out { format!("it took too long: {words}") } else { words }
}

fn meaning(status: StatusCode, wait: Option<Duration>, body: &str) -> Reading {
    let parsed: Option<Body> = serde_json::from_str(body).ok();
    let reason = reason(parsed.as_ref(), body);
    match (status, parsed.and_then(|body| body.success)) {
        (StatusCode::TOO_MANY_REQUESTS, _) => Reading::RateLimited { wait },
        (StatusCode::REQUEST_TIMEOUT, _) => Reading::Broken { reason },
        (status, _) if status.is_server_error() => Reading::Broken { reason },
        (status, Some(true)) if status.is_success() => Reading::Posted { id: message_id(body) },
        (status, None) if status.is_success() => Reading::Strange { reason },
        _ => Reading::Refused { reason },
    }
}

fn message_id(body: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    value.pointer("/message/_id")?.as_str().map(str::to_owned)
}

fn reason(parsed: Option<&Body>, body: &str) -> String {
    let said = parsed.and_then(|body| body.error.as_ref().or(body.message.as_ref()));
    let text = match said {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => body.to_owned(),
    };
    if text.trim().is_empty() { "it did not say why".to_owned() } else { text }
}

/// On one line, and not too much of it.
pub(super) fn shown(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The pause that a rate limit asks for: `Retry-After` in seconds, or `X-RateLimit-Reset` as the
/// milliseconds of an epoch (Rocket.Chat's own).
fn pause(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let after = number(RETRY_AFTER.as_str()).map(Duration::from_secs);
    after.or_else(|| {
        let reset = Duration::from_millis(number("x-ratelimit-reset")?);
        Some(reset.saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default()))
    })
}
