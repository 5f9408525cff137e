//! An Application through Argo CD's own API.

mod cause;
mod client;
mod stream;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::client::Client;
use self::stream::Stream;
use super::application::Application;
use super::window::Told;
use crate::agent::cause::Cause;
use crate::cluster::object;
use crate::config::{SecretError, SecretRef};

/// Why Argo CD's API could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The token is not there.
    #[error("the token for {server}: {source}")]
    Token {
        /// Address.
        server: String,
        /// Why.
        source: SecretError,
    },
    /// The client cannot be made.
    #[error("cannot prepare requests to {server}: {reason}; check `ca` of the agent")]
    Client {
        /// Address.
        server: String,
        /// Why.
        reason: String,
    },
    /// The certificate cannot be read.
    #[error("`ca` {}: {source}", path.display())]
    Certificate {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No answer.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// Address.
        server: String,
        /// Why.
        reason: String,
    },
    /// The server is not who it should be.
    #[error("{server} is not trusted: {reason}; name the certificate of its authority in `ca` of the agent")]
    NotTrusted {
        /// Address.
        server: String,
        /// Why.
        reason: String,
    },
    /// 401.
    #[error(
        "{server} does not know the token (401): it is wrong, expired or withdrawn; make a new one with `argocd account generate-token`"
    )]
    Unauthorized {
        /// Address.
        server: String,
    },
    /// 403, also for an unknown Application.
    #[error(
        "{server} denies to {doing} (403): there is no such Application, or the token may not; Argo CD does not say which"
    )]
    Denied {
        /// Address.
        server: String,
        /// What was tried.
        doing: String,
    },
    /// Another answer that is no success.
    #[error("{server} answered {code} to {doing}: {said}")]
    Refused {
        /// Address.
        server: String,
        /// What was tried.
        doing: String,
        /// HTTP status.
        code: u16,
        /// The server's words.
        said: String,
    },
    /// An answer that cannot be read.
    #[error(
        "{server} answered what is no Application ({doing}): {reason}; is `server` the address of Argo CD?"
    )]
    Garbled {
        /// Address.
        server: String,
        /// What was tried.
        doing: String,
        /// Why.
        reason: String,
    },
}

impl RestError {
    /// Whether a right is missing, or the Application.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, RestError::Denied { .. })
    }

    /// Whether the configuration has to be corrected.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            RestError::Token { .. }
                | RestError::Client { .. }
                | RestError::Certificate { .. }
                | RestError::Denied { .. }
                | RestError::Garbled { .. }
        )
    }
}

/// An Application on an Argo CD server.
#[derive(Debug)]
pub struct OnServer {
    server: String,
    token: SecretRef,
    ca: Option<PathBuf>,
    namespace: String,
    name: String,
    client: Option<Client>,
    stream: Option<Stream>,
}

impl OnServer {
    /// An Application; nothing is asked yet.
    pub fn new(server: &str, token: &SecretRef, ca: Option<&Path>, namespace: String, name: String) -> Self {
        Self {
            server: server.trim_end_matches('/').to_owned(),
            token: token.clone(),
            ca: ca.map(Path::to_owned),
            namespace,
            name,
            client: None,
            stream: None,
        }
    }

    fn client(&mut self) -> Result<Client, RestError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = Client::new(&self.server, &self.token, self.ca.as_deref())?;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn path(&self, rest: &str, query: &[(&str, &str)]) -> String {
        let mut path = format!("/api/v1/applications/{}{rest}", client::segment(&self.name));
        let mut separator = '?';
        // the server's own namespace is its default, and may be another than `argocd`
        let own = [("appNamespace", self.namespace.as_str())];
        let named = own.iter().filter(|(_, namespace)| *namespace != "argocd");
        for (key, value) in query.iter().chain(named) {
            path = format!("{path}{separator}{key}={}", client::segment(value));
            separator = '&';
        }
        path
    }

    /// The Application as it is now; `None` if there is none.
    pub async fn now(&mut self) -> Result<Option<Application>, RestError> {
        let client = self.client()?;
        if let Some(stream) = &mut self.stream
            && let Some(object) = stream.latest()
        {
            return client.read(&object, &self.doing()).map(Some);
        }
        let found = client.get(&self.path("", &[]), &self.doing()).await;
        let object = match found {
            Err(RestError::Refused { code: 404, .. }) => return Ok(None),
            found => found?,
        };
        client.read(&object, &self.doing()).map(Some)
    }

    fn doing(&self) -> String {
        format!("read Application {}", self.name)
    }

    /// Returns when the server told something new. The stream begins with the first wait, not with a mere look.
    pub async fn changed(&mut self) {
        if let (None, Some(client)) = (&self.stream, &self.client) {
            let mut path = format!("/api/v1/stream/applications?name={}", client::segment(&self.name));
            if self.namespace != "argocd" {
                path = format!("{path}&appNamespace={}", client::segment(&self.namespace));
            }
            self.stream = Some(Stream::begin(client.clone(), path));
        }
        match &mut self.stream {
            Some(stream) => stream.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Asks for a comparison with git; the Application as the answer shows it.
    pub async fn refresh(&mut self) -> Result<Application, RestError> {
        let (client, path) = (self.client()?, self.path("", &[]));
        let before: Application = client.read(&client.get(&path, &self.doing()).await?, &self.doing())?;
        let doing = format!("ask for a comparison of Application {}", self.name);
        // the answer comes when the comparison is done
        client.get(&self.path("", &[("refresh", "normal")]), &doing).await?;
        Ok(before)
    }

    /// Asks for a sync.
    pub async fn sync(&mut self, revision: &str) -> Result<(), RestError> {
        let doing = format!("sync Application {}", self.name);
        let mut body = json!({ "name": self.name, "revision": revision });
        if self.namespace != "argocd" {
            body["appNamespace"] = Value::from(self.namespace.as_str());
        }
        let path = format!("/api/v1/applications/{}/sync", client::segment(&self.name));
        self.client()?.post(&path, &body, &doing).await.map(|_| ())
    }

    /// Ends the sync that is under way.
    pub async fn terminate(&mut self) -> Result<(), RestError> {
        let (client, path) = (self.client()?, self.path("/operation", &[]));
        client.delete(&path, &format!("end the sync of Application {}", self.name)).await
    }

    /// Why the Application is not up.
    pub async fn cause(&mut self, _app: &Application) -> Cause {
        match self.client() {
            Ok(client) => cause::of(&client, |rest, query| self.path(rest, query)).await,
            Err(_) => Cause::default(),
        }
    }

    /// The Application's sync windows, as the server knows them.
    pub async fn windows(&mut self) -> Told {
        let (Ok(client), path) = (self.client(), self.path("/syncwindows", &[])) else {
            return Told::default();
        };
        let found = client.get(&path, "read the sync windows").await;
        found.ok().and_then(|found| object::parsed(&found).ok()).unwrap_or_default()
    }

    /// How messages name it.
    pub fn title(&self) -> String {
        format!("Application {} on {}", self.name, self.server)
    }

    /// What people should know; given once.
    pub fn take_notice(&mut self) -> Option<String> {
        let notice = self.stream.as_mut().and_then(Stream::take_notice)?;
        Some(format!("{}: {notice}", self.title()))
    }
}
