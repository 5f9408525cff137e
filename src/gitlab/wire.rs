//! How requests go out: limits for everything, rate limits honoured, safe requests tried again.
//!
//! The `gitlab` crate builds the requests and reads the answers; its own client hides headers and waits for
//! ever, so this one stands in its place.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use gitlab::api::{ApiError, AsyncClient, RestClient};
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::request::Builder;
use http::{Method, Response, StatusCode};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::settings::{Bounds, Settings, SettingsError, Token};
use crate::causes::chain;

/// Bytes of an answer that are kept.
const MOST: usize = 16 * 1024 * 1024;
/// Bytes of an answer of which only the end is looked at.
const TAIL: usize = 256 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const PRIVATE_TOKEN: HeaderName = HeaderName::from_static("private-token");
const JOB_TOKEN: HeaderName = HeaderName::from_static("job-token");

/// A server with a login.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    http: reqwest::Client,
    base: Url,
    login: HeaderMap,
    token: Token,
    bounds: Bounds,
    keep: Keep,
}

/// Which part of a long answer is kept.
#[derive(Debug, Clone, Copy)]
enum Keep {
    /// All of it; a longer one is refused.
    Whole,
    /// The last of it.
    End,
}

/// Why there is no good answer. The crate wants it as an error; people read [`super::GitLabError`].
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("{reason}")]
    NoAnswer { reason: String, tries: u32 },
    #[error("rate limited")]
    Limited { wait: Option<Duration> },
    #[error("{status}")]
    Broken { status: StatusCode, body: Vec<u8>, tries: u32 },
    #[error("{status}")]
    Answer { status: StatusCode, body: Vec<u8>, location: Option<String> },
    #[error("the answer is longer than {MOST} bytes")]
    TooLong,
    #[error("it leads to another server ({host})")]
    Elsewhere { host: String },
}

/// How one try failed.
enum Fault {
    /// No connection: nothing was done.
    NotSent(String),
    /// Sent, and no answer: it may have been done.
    Lost(String),
    /// Told to come back later: nothing was done.
    Limited(Option<Duration>),
    /// The server is not well: it may have been done.
    Broken {
        status: StatusCode,
        body: Vec<u8>,
        wait: Option<Duration>,
    },
    Final(WireError),
}

impl Wire {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let mut value = HeaderValue::from_str(settings.token.secret().expose_secret()).map_err(|_| {
            let fault = "has characters that can't be sent; write the token alone";
            SettingsError::BadToken { from: "its place".to_owned(), fault }
        })?;
        value.set_sensitive(true);
        let name = match settings.token {
            Token::Access(_) => PRIVATE_TOKEN,
            Token::Job(_) => JOB_TOKEN,
        };
        Ok(Self {
            http: client(settings.bounds, settings.ca.as_deref())?,
            base: settings.url.clone(),
            login: HeaderMap::from_iter([(name, value)]),
            token: settings.token.clone(),
            bounds: settings.bounds,
            keep: Keep::Whole,
        })
    }

    /// The same, keeping only the end of long answers.
    pub(super) fn keeping_the_end(&self) -> Self {
        Self { keep: Keep::End, ..self.clone() }
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    pub(super) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    pub(super) fn has_job_token(&self) -> bool {
        matches!(self.token, Token::Job(_))
    }

    pub(super) fn secret(&self) -> &SecretString {
        self.token.secret()
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    async fn send(&self, request: Builder, body: Vec<u8>) -> Result<Response<Bytes>, ApiError<WireError>> {
        let request = request
            .body(body)
            .map_err(|error| ApiError::client(WireError::NoAnswer { reason: error.to_string(), tries: 0 }))?;
        let safe = matches!(*request.method(), Method::GET | Method::HEAD);
        let end = Instant::now() + self.bounds.total;
        let mut tries = 0;
        loop {
            tries += 1;
            let fault = match self.attempt(&request, end).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let pause = fault.pause(safe, tries);
            match pause.filter(|pause| *pause < end.saturating_duration_since(Instant::now())) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(ApiError::client(fault.error(tries))),
            }
        }
    }

    async fn attempt(
        &self,
        request: &http::Request<Vec<u8>>,
        end: Instant,
    ) -> Result<Response<Bytes>, Fault> {
        let url =
            Url::parse(&request.uri().to_string()).map_err(|error| Fault::NotSent(error.to_string()))?;
        if url.origin() != self.base.origin() {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(Fault::Final(WireError::Elsewhere { host }));
        }
        let left = end.saturating_duration_since(Instant::now());
        let sent = self
            .http
            .request(request.method().clone(), url)
            .headers(request.headers().clone())
            .headers(self.login.clone())
            .timeout(left.min(self.bounds.request))
            .body(request.body().clone());
        let response = sent.send().await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response).await?;
        judge(status, &headers, body)
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            match self.keep {
                Keep::Whole if body.len() > MOST => return Err(Fault::Final(WireError::TooLong)),
                Keep::End if body.len() > 2 * TAIL => drop(body.drain(..body.len() - TAIL)),
                Keep::Whole | Keep::End => {}
            }
        }
        Ok(body)
    }
}

fn judge(status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Result<Response<Bytes>, Fault> {
    let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = wait.map(Duration::from_secs);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Fault::Limited(wait));
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Err(Fault::Broken { status, body, wait });
    }
    if !status.is_success() {
        let location = headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.map(str::to_owned);
        return Err(Fault::Final(WireError::Answer { status, body, location }));
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers.clone();
    Ok(response)
}

impl Fault {
    /// How long until the next try; `None` if there must be none. Only what can't have been done, or does
    /// nothing, is tried again.
    fn pause(&self, safe: bool, tries: u32) -> Option<Duration> {
        let asked = match self {
            Fault::Final(_) => return None,
            Fault::Lost(_) | Fault::Broken { .. } if !safe => return None,
            Fault::Limited(wait) | Fault::Broken { wait, .. } => *wait,
            Fault::NotSent(_) | Fault::Lost(_) => None,
        };
        let step = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1).min(8)));
        let jitter = 0.5 + fastrand::f64() / 2.0;
        Some(match asked {
            // jitter on top: whoever was told to wait as long comes back at another time
            Some(asked) => asked.saturating_add(FIRST_PAUSE.mul_f64(jitter)),
            None => step.min(LONGEST_PAUSE).mul_f64(jitter),
        })
    }

    fn error(self, tries: u32) -> WireError {
        match self {
            Fault::NotSent(reason) | Fault::Lost(reason) => WireError::NoAnswer { reason, tries },
            Fault::Limited(wait) => WireError::Limited { wait },
            Fault::Broken { status, body, .. } => WireError::Broken { status, body, tries },
            Fault::Final(error) => error,
        }
    }
}

fn lost(error: reqwest::Error) -> Fault {
    let not_sent = error.is_connect();
    let words = match error.is_timeout() {
        true => "no answer in time".to_owned(),
        false => chain(&error.without_url()),
    };
    if words.contains("certificate") {
        // no other try makes it trusted
        let reason = format!(
            "{words}; the authority behind it has to be among this machine's certificates, or in the file that CI_SERVER_TLS_CA_FILE names"
        );
        return Fault::Final(WireError::NoAnswer { reason, tries: 1 });
    }
    if not_sent { Fault::NotSent(words) } else { Fault::Lost(words) }
}

fn client(bounds: Bounds, ca: Option<&Path>) -> Result<reqwest::Client, SettingsError> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(bounds.connect)
        .user_agent(concat!("datapin/", env!("CARGO_PKG_VERSION")))
        // a token never follows a redirection
        .redirect(reqwest::redirect::Policy::none());
    if let Some(path) = ca {
        let pem = std::fs::read(path)
            .map_err(|error| SettingsError::Client(format!("{}: {error}", path.display())))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| SettingsError::Client(format!("{}: {}", path.display(), chain(&error))))?;
        builder = certificates.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
    }
    builder.build().map_err(|error| SettingsError::Client(chain(&error)))
}

impl RestClient for Wire {
    type Error = WireError;

    fn rest_endpoint(&self, endpoint: &str) -> Result<Url, ApiError<Self::Error>> {
        let base = self.base.as_str().trim_end_matches('/');
        Ok(Url::parse(&format!("{base}/api/v4/{endpoint}"))?)
    }
}

impl AsyncClient for Wire {
    // the crate's trait is one of `async_trait`: this is what that macro makes of it
    fn rest_async<'this, 'answer>(
        &'this self,
        request: Builder,
        body: Vec<u8>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, ApiError<WireError>>> + Send + 'answer>>
    where
        'this: 'answer,
        Self: 'answer,
    {
        Box::pin(self.send(request, body))
    }
}
