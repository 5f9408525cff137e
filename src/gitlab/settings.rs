//! Where GitLab is and who asks.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{self, SecretError, SecretRef};

/// The variable that holds the token where the configuration names none.
pub(super) const TOKEN_VARIABLE: &str = "DATAPIN_GITLAB_TOKEN";

/// Where GitLab is and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base URL of the server.
    pub url: Url,
    /// Path or id of the project.
    pub project: String,
    /// Who asks.
    pub token: Token,
    /// Certificates of authorities beside the system's.
    pub ca: Option<PathBuf>,
    /// Host that git is served from over ssh; the server's own where it is not known.
    pub ssh_host: Option<String>,
    /// Limits.
    pub bounds: Bounds,
}

/// Who asks. Never shown.
#[derive(Clone)]
pub enum Token {
    /// Personal, project or group access token.
    Access(SecretString),
    /// Token of a CI job.
    Job(SecretString),
}

/// Limits of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long connecting may take.
    pub connect: Duration,
    /// How long one request may take.
    pub request: Duration,
    /// How long a call may take with everything that is tried again, waits that GitLab asks for included.
    pub total: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            total: Duration::from_secs(90),
        }
    }
}

/// Why there is no GitLab here. Names places, never secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No server is known.
    #[error("which GitLab? Set `gitlab.url`; in a job of GitLab CI, CI_SERVER_URL says it")]
    NoUrl,
    /// The URL is none.
    #[error("`{url}`, from {from}, is no web address; write `https://gitlab.example.com`")]
    BadUrl {
        /// As written.
        url: String,
        /// Where it was found.
        from: &'static str,
    },
    /// No project is known.
    #[error(
        "which project of {host}? Set `gitlab.project` to its path or id; in a job of its CI, CI_PROJECT_ID says it"
    )]
    NoProject {
        /// Server.
        host: String,
    },
    /// No token is there.
    #[error(
        "no token for GitLab at {host}: set {TOKEN_VARIABLE} (a project access token with the `api` scope) or `gitlab.token`; a CI variable that is *protected* is there only on protected branches"
    )]
    NoToken {
        /// Server.
        host: String,
    },
    /// The secret of the configuration can't be read.
    #[error("the token for GitLab can't be read: {0}")]
    Secret(String),
    /// The token is not what a token can be.
    #[error("the token for GitLab, from {from}, {fault}")]
    BadToken {
        /// Where it was found.
        from: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The client can't be made.
    #[error("cannot prepare requests to GitLab: {0}; check the proxy variables and the CA certificates")]
    Client(String),
}

impl SettingsError {
    /// Whether nothing was set at all: then nobody meant to use GitLab.
    pub fn is_unset(&self) -> bool {
        matches!(self, SettingsError::NoUrl)
    }
}

impl From<SecretError> for SettingsError {
    fn from(error: SecretError) -> Self {
        SettingsError::Secret(error.to_string())
    }
}

impl Settings {
    /// The settings of the configuration, completed by the variables of a CI job. The job's own token and
    /// project are taken only for the job's own server.
    ///
    /// # Errors
    /// What is missing or can't be used.
    pub fn resolve(
        config: &config::GitLab,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let job_url = variable("CI_SERVER_URL");
        let (text, from) = match (&config.url, &job_url) {
            (Some(url), _) => (url.clone(), "`gitlab.url`"),
            (None, Some(url)) => (url.clone(), "CI_SERVER_URL"),
            (None, None) => return Err(SettingsError::NoUrl),
        };
        let url = address(&text).ok_or(SettingsError::BadUrl { url: text, from })?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let own = job_url.and_then(|job| address(&job)).is_some_and(|job| job.origin() == url.origin());
        let of_job = |name: &str| own.then(|| variable(name)).flatten();
        let project = config.project.clone();
        let project = project.or_else(|| of_job("CI_PROJECT_ID")).or_else(|| of_job("CI_PROJECT_PATH"));
        Ok(Self {
            project: project.ok_or_else(|| SettingsError::NoProject { host: host.clone() })?,
            token: token(config.token.as_ref(), &variable, &of_job)?
                .ok_or(SettingsError::NoToken { host })?,
            ca: of_job("CI_SERVER_TLS_CA_FILE").map(PathBuf::from),
            ssh_host: of_job("CI_SERVER_SHELL_SSH_HOST"),
            bounds: Bounds::default(),
            url,
        })
    }
}

/// A base URL; that of the API, as CI_API_V4_URL has it, is taken for it too.
fn address(text: &str) -> Option<Url> {
    let text = text.trim().trim_end_matches('/');
    let url = Url::parse(text.strip_suffix("/api/v4").unwrap_or(text)).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

fn token(
    configured: Option<&SecretRef>,
    variable: &impl Fn(&str) -> Option<String>,
    of_job: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Token>, SettingsError> {
    let checked = |text: &str, from: String| match fault(text) {
        None => Ok(SecretString::from(text.trim())),
        Some(fault) => Err(SettingsError::BadToken { from, fault }),
    };
    if let Some(place) = configured {
        let text = place.read_with(variable)?;
        return checked(text.expose_secret(), place.to_string()).map(|secret| Some(Token::Access(secret)));
    }
    if let Some(text) = variable(TOKEN_VARIABLE) {
        let secret = checked(&text, format!("environment variable `{TOKEN_VARIABLE}`"))?;
        return Ok(Some(Token::Access(secret)));
    }
    let job = of_job("CI_JOB_TOKEN");
    job.map(|text| checked(&text, "environment variable `CI_JOB_TOKEN`".to_owned()).map(Token::Job))
        .transpose()
}

/// What is wrong with a token that was pasted or passed on by hand.
fn fault(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.starts_with('$') {
        Some(
            "is the name of a variable, not its value: that variable is not there in this job; one that is *protected* is there only on protected branches",
        )
    } else if text.contains("[MASKED]") || text.chars().all(|c| c == '*') {
        Some("is a masked word copied from a log, not the token; paste the token itself into the CI variable")
    } else if text.contains(['"', '\'']) {
        Some("has quotes in it; write the token alone")
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        Some("has blanks, line breaks or odd characters in it; write the token alone, on one line")
    } else {
        None
    }
}

impl Token {
    pub(super) fn secret(&self) -> &SecretString {
        match self {
            Token::Access(secret) | Token::Job(secret) => secret,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Token::Access(_) => "Access(…)",
            Token::Job(_) => "Job(…)",
        })
    }
}
