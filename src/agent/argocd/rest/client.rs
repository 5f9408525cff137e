//! Requests to Argo CD's API.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::RestError;
use crate::agent::argocd::application::Application;
use crate::config::SecretRef;

const CONNECT: Duration = Duration::from_secs(10);
/// A refreshing GET answers when the comparison is done.
const ANSWER: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read.
const MOST: usize = 16 * 1024 * 1024;

/// A connection to an Argo CD server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: String,
    token: SecretRef,
}

/// A name as one part of a URL, which it cannot leave.
pub fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    name.bytes().fold(String::new(), |mut done, byte| {
        if plain(byte) {
            done.push(char::from(byte));
        } else {
            done.push_str(&format!("%{byte:02X}"));
        }
        done
    })
}

impl Client {
    pub fn new(server: &str, token: &SecretRef, ca: Option<&Path>) -> Result<Self, RestError> {
        let fault =
            |error: reqwest::Error| RestError::Client { server: server.to_owned(), reason: chain(&error) };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .user_agent(concat!("datapin/", env!("CARGO_PKG_VERSION")))
            // a token never follows a redirection
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = ca {
            let pem = std::fs::read(path)
                .map_err(|source| RestError::Certificate { path: path.to_owned(), source })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(fault)?;
            builder = certificates.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
        }
        let http = builder.build().map_err(fault)?;
        Ok(Self { http, server: server.to_owned(), token: token.clone() })
    }

    /// The JSON at `path`.
    pub async fn get(&self, path: &str, doing: &str) -> Result<Value, RestError> {
        let response = self.send(Method::GET, path, None, Some(ANSWER), doing).await?;
        self.json(response, doing).await
    }

    /// The JSON values at `path`, one a line.
    pub async fn lines(&self, path: &str, doing: &str) -> Result<Vec<Value>, RestError> {
        let response = self.send(Method::GET, path, None, Some(ANSWER), doing).await?;
        let body = body_of(response).await.map_err(|error| self.unreachable(&error))?;
        let lines = body.split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// The answer to `body`.
    pub async fn post(&self, path: &str, body: &Value, doing: &str) -> Result<Value, RestError> {
        let response = self.send(Method::POST, path, Some(body), Some(ANSWER), doing).await?;
        self.json(response, doing).await
    }

    /// Asks to delete what is at `path`.
    pub async fn delete(&self, path: &str, doing: &str) -> Result<(), RestError> {
        self.send(Method::DELETE, path, None, Some(ANSWER), doing).await.map(|_| ())
    }

    /// An answer that goes on for as long as it is read.
    pub async fn open(&self, path: &str, doing: &str) -> Result<Response, RestError> {
        self.send(Method::GET, path, None, None, doing).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        timeout: Option<Duration>,
        doing: &str,
    ) -> Result<Response, RestError> {
        let server = self.server.clone();
        // read each time: a file may be renewed while a run waits
        let token =
            self.token.read().map_err(|source| RestError::Token { server: server.clone(), source })?;
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        request = request.bearer_auth(token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED => Err(RestError::Unauthorized { server }),
            StatusCode::FORBIDDEN => Err(RestError::Denied { server, doing: doing.to_owned() }),
            status if status.is_success() => Ok(response),
            status => {
                let body = body_of(response).await.unwrap_or_default();
                let said = serde_json::from_slice::<Value>(&body)
                    .ok()
                    .and_then(|body| body["message"].as_str().map(str::to_owned))
                    .unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
                let said = crate::process::one_line(&said, 300);
                Err(RestError::Refused { server, doing: doing.to_owned(), code: status.as_u16(), said })
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> RestError {
        let (server, reason) = (self.server.clone(), chain(error));
        match reason.contains("certificate") {
            true => RestError::NotTrusted { server, reason },
            false => RestError::Unreachable { server, reason },
        }
    }

    async fn json(&self, response: Response, doing: &str) -> Result<Value, RestError> {
        let body = body_of(response).await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| self.garbled(doing, &error))
    }

    fn garbled(&self, doing: &str, error: &serde_json::Error) -> RestError {
        let (server, doing) = (self.server.clone(), doing.to_owned());
        RestError::Garbled { server, doing, reason: error.to_string() }
    }

    /// An object as an Application.
    pub fn read(&self, object: &Value, doing: &str) -> Result<Application, RestError> {
        crate::cluster::object::parsed(object).map_err(|error| self.garbled(doing, &error))
    }
}

async fn body_of(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MOST.saturating_sub(body.len());
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(body)
}

/// An error with its causes, without the URL: that is said already.
fn chain(error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    let mut words = Vec::new();
    while let Some(cause) = source {
        words.push(cause.to_string());
        source = cause.source();
    }
    if words.is_empty() { error.to_string() } else { words.join(": ") }
}
