//! Gate `http`: 2xx passed; connection errors, 429 and 5xx errored; others failed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, NoProxy, Proxy, Response, StatusCode, Url};

use super::{Facts, LOG, Report, SUMMARY};
use crate::causes::chain;
use crate::config::{self, SecretRef};
use crate::process;
use crate::queue::Verdict;

const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 5;
/// Bytes of an answer that are read.
const BODY: usize = 64 * 1024;

/// Why an `http` gate can't be run at all.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A secret is not there.
    #[error("header `{header}` needs the environment variable {variable}, which is not set")]
    NoVariable {
        /// Header.
        header: String,
        /// Variable.
        variable: String,
    },
    /// A secret can't be read.
    #[error("header `{header}` needs the file {}: {source}", path.display())]
    NoFile {
        /// Header.
        header: String,
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name or value can't be sent. The value may be a secret: it is not shown.
    #[error("header `{header}` can't be sent: its {part} has characters that are not allowed there")]
    Header {
        /// Header.
        header: String,
        /// `name` or `value`.
        part: &'static str,
    },
    /// The method is no method.
    #[error("`{method}` is no HTTP method; use GET, POST, …")]
    Method {
        /// As written.
        method: String,
    },
    /// The client can't be made.
    #[error("cannot prepare requests: {0}; check the proxy variables and the system's CA certificates")]
    Client(String),
}

#[derive(Debug, Clone)]
pub(super) struct HttpGate {
    client: Client,
    url: String,
    method: Method,
    headers: HeaderMap,
}

impl HttpGate {
    pub(super) fn new(
        url: &str,
        method: &str,
        headers: &BTreeMap<String, config::HeaderValue>,
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, HttpError> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| HttpError::Method { method: method.to_owned() })?;
        let headers = resolve(headers, lookup)?;
        let client = client(lookup).map_err(|error| HttpError::Client(words(error)))?;
        Ok(Self { client, url: url.to_owned(), method, headers })
    }

    pub(super) async fn run(&self, facts: &Facts, timeout: Duration) -> Report {
        let url = match self.fill(facts) {
            Ok(url) => url,
            Err(report) => return report,
        };
        let place = shown(&url);
        match tokio::time::timeout(timeout, self.ask(url)).await {
            Ok(Ok(answer)) => answer.report(&place),
            Ok(Err(error)) => {
                Report::without_output(Verdict::Errored, format!("{} {place}: {}", self.method, words(error)))
            }
            Err(_) => Report::without_output(
                Verdict::TimedOut,
                format!("{} {place}: no answer within {timeout:?}", self.method),
            ),
        }
    }

    async fn ask(&self, url: Url) -> reqwest::Result<Answer> {
        let request = self.client.request(self.method.clone(), url).headers(self.headers.clone());
        let response = request.send().await?;
        let status = response.status();
        Ok(Answer { status, lines: process::plain(&body(response).await?) })
    }

    /// The URL with its placeholders; what is filled in can't leave its place.
    fn fill(&self, facts: &Facts) -> Result<Url, Report> {
        let [dataset, environment, version] =
            [&facts.dataset, &facts.environment(), &facts.version].map(|fact| encoded(fact));
        let facts = [("dataset", &*dataset), ("environment", &*environment), ("version", &*version)];
        Url::parse(&process::fill(&self.url, &facts)).map_err(|error| {
            Report::without_output(Verdict::Errored, format!("the gate's `url` is no URL: {error}"))
        })
    }
}

/// One client a gate. Proxies are taken from `lookup` alone, not from wherever reqwest would look.
pub(super) fn client(lookup: &impl Fn(&str) -> Option<String>) -> reqwest::Result<Client> {
    let either = |name: &str| lookup(name).or_else(|| lookup(&name.to_uppercase())).filter(|v| !v.is_empty());
    let except = either("no_proxy").and_then(|hosts| NoProxy::from_string(&hosts));
    let mut builder = Client::builder()
        .user_agent(concat!("datapin/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(Policy::custom(follow))
        .no_proxy();
    if let Some(url) = either("https_proxy") {
        builder = builder.proxy(Proxy::https(url)?.no_proxy(except.clone()));
    }
    // Not HTTP_PROXY: a CGI server sets that from a header of the request.
    if let Some(url) = lookup("http_proxy").filter(|url| !url.is_empty()) {
        builder = builder.proxy(Proxy::http(url)?.no_proxy(except));
    }
    builder.build()
}

/// Redirects are followed on the same host only: headers may be secret. Else the redirect is the answer.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let same = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

pub(super) fn resolve(
    headers: &BTreeMap<String, config::HeaderValue>,
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<HeaderMap, HttpError> {
    let mut resolved = HeaderMap::new();
    for (header, value) in headers {
        let wrong = |part| HttpError::Header { header: header.clone(), part };
        let name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| wrong("name"))?;
        let (text, secret) = match value {
            config::HeaderValue::Plain(text) => (text.clone(), false),
            config::HeaderValue::Secret(place) => (read(header, place, lookup)?, true),
            config::HeaderValue::Bearer(place) => (format!("Bearer {}", read(header, place, lookup)?), true),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| wrong("value"))?;
        value.set_sensitive(secret);
        resolved.insert(name, value);
    }
    Ok(resolved)
}

fn read(
    header: &str,
    place: &SecretRef,
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<String, HttpError> {
    match place {
        SecretRef::Env(variable) => lookup(variable)
            .ok_or_else(|| HttpError::NoVariable { header: header.to_owned(), variable: variable.clone() }),
        SecretRef::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| HttpError::NoFile {
                header: header.to_owned(),
                path: path.clone(),
                source,
            })?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
        }
    }
}

/// As much of the body as is looked at.
pub(super) async fn body(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < BODY
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(BODY);
    Ok(body)
}

struct Answer {
    status: StatusCode,
    lines: Vec<String>,
}

impl Answer {
    fn report(self, place: &str) -> Report {
        let verdict = match self.status {
            status if status.is_success() => Verdict::Passed,
            StatusCode::TOO_MANY_REQUESTS => Verdict::Errored,
            status if status.is_server_error() => Verdict::Errored,
            _ => Verdict::Failed,
        };
        // A page of markup begins with nothing that is worth to be read.
        let first = self.lines.first().filter(|line| !line.trim_start().starts_with('<'));
        let first = first.map(|line| format!(": {}", process::one_line(line, SUMMARY))).unwrap_or_default();
        let summary = format!("HTTP {} from {place}{first}", self.status);
        let mut log = self.lines;
        log.truncate(LOG);
        Report { verdict, summary, url: String::new(), log }
    }
}

/// A URL without what may be secret in it: user, password, query.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// An error with its causes, without the URL.
pub(super) fn words(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

/// Everything but the unreserved characters of RFC 3986, percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |done, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            done + &char::from(byte).to_string()
        }
        _ => format!("{done}%{byte:02X}"),
    })
}
