//! One exchange with the server: callbacks, credentials, host keys, and what was seen meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{
    CertificateCheckStatus, Cred, CredentialType, ErrorClass, ErrorCode, ProxyOptions, RemoteCallbacks,
};
use secrecy::ExposeSecret;

use super::error::Circumstances;
use super::host_key::{self, Offered};
use super::location::Place;
use super::watch::Watch;
use super::{Credential, RepoError, Settings};

/// What an exchange leaves behind besides its result.
#[derive(Default)]
pub(super) struct Notes {
    /// lines that the server sent for people
    pub remote: Vec<u8>,
    /// credentials offered so far, without secrets
    pub tried: Vec<String>,
    /// the answer of the server to each pushed ref
    pub statuses: Vec<(String, Option<String>)>,
    /// the tip that the server showed instead of the expected one
    pub lost_lease: Option<String>,
    host_key: Option<(Offered, Option<String>)>,
}

/// One exchange. Cheap to make; made anew for every operation.
pub(super) struct Wire<'a> {
    pub settings: &'a Settings,
    pub watch: Arc<Watch>,
    notes: Arc<Mutex<Notes>>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(settings: &'a Settings, watch: &Arc<Watch>) -> Self {
        Self { settings, watch: Arc::clone(watch), notes: Arc::default() }
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The proxy that git's configuration and the environment name.
    pub(super) fn proxy() -> ProxyOptions<'static> {
        let mut proxy = ProxyOptions::new();
        proxy.auto();
        proxy
    }

    /// Callbacks that sign in, check the host, and tell the watch about every sign of life.
    pub(super) fn callbacks<'b>(&'b self) -> RemoteCallbacks<'b> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(|url, user, allowed| {
            self.watch.sign(|| "asked for credentials".to_owned());
            self.credential(url, user, allowed)
        });
        callbacks.certificate_check(|cert, host| {
            self.watch.sign(|| format!("connected to {host}"));
            match cert.as_hostkey() {
                // libgit2 goes on to verify against the system's certificates: `CertificateOk` would switch that off
                None => Ok(CertificateCheckStatus::CertificatePassthrough),
                Some(key) => {
                    self.host_key(Offered::new(key.hostkey().unwrap_or_default(), key.hash_sha256()))
                }
            }
        });
        callbacks.transfer_progress(|progress| {
            let (got, all) = (progress.received_objects(), progress.total_objects());
            self.watch.sign(|| format!("received {got} of {all} objects"))
        });
        callbacks.sideband_progress(|bytes| {
            self.notes().remote.extend_from_slice(bytes);
            self.watch.sign(|| String::from_utf8_lossy(bytes).trim().to_owned())
        });
        callbacks.push_transfer_progress(|sent, all, _bytes| {
            self.watch.sign(|| format!("sent {sent} of {all} objects"));
        });
        callbacks.pack_progress(|_stage, done, all| {
            self.watch.sign(|| format!("packed {done} of {all} objects"));
        });
        callbacks.push_update_reference(|name, status| {
            self.notes().statuses.push((name.to_owned(), status.map(str::to_owned)));
            Ok(())
        });
        callbacks
    }

    /// Each credential is offered once: libgit2 asks again for ever.
    fn credential(
        &self,
        url: &str,
        user: Option<&str>,
        allowed: CredentialType,
    ) -> Result<Cred, git2::Error> {
        let embedded = self.settings.location.user.as_deref();
        let ssh_user = user.or(embedded).unwrap_or("git");
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(ssh_user);
        }
        let ssh = allowed.contains(CredentialType::SSH_KEY);
        let plain = allowed.contains(CredentialType::USER_PASS_PLAINTEXT);
        match &self.settings.credential {
            Credential::SshKey { file, passphrase } if ssh => {
                self.offer(format!("the ssh key {} for user {ssh_user}", file.display()))?;
                let passphrase = passphrase.as_ref().map(|secret| secret.expose_secret());
                Cred::ssh_key(ssh_user, None, file, passphrase)
            }
            Credential::Token { username, token } if plain => {
                self.offer(format!("the configured token for user {username}"))?;
                Cred::userpass_plaintext(username, token.expose_secret())
            }
            Credential::Ambient if plain => self.ambient_password(url, user.or(embedded)),
            Credential::Ambient if ssh => self.ambient_key(ssh_user),
            Credential::SshKey { .. } => {
                Err(denied("an ssh key is configured, but the server wants a password"))
            }
            Credential::Token { .. } => Err(denied("a token is configured, but the server wants an ssh key")),
            Credential::Ambient => Err(denied("the server wants a kind of credential that git cannot give")),
        }
    }

    fn ambient_password(&self, url: &str, user: Option<&str>) -> Result<Cred, git2::Error> {
        let location = &self.settings.location;
        if let (Some(user), Some(password)) = (&location.user, &location.password) {
            let in_url = format!("the user {user} and password of the URL");
            if self.offer(in_url).is_ok() {
                return Cred::userpass_plaintext(user, password.expose_secret());
            }
        }
        self.offer("git's credential helpers".to_owned())?;
        Cred::credential_helper(&git2::Config::open_default()?, url, user)
            .map_err(|_| denied("no credential helper of git knows this server"))
    }

    /// As ssh does: the agent first, then the user's own keys.
    fn ambient_key(&self, user: &str) -> Result<Cred, git2::Error> {
        if self.offer(format!("the ssh agent for user {user}")).is_ok()
            && let Ok(agent) = Cred::ssh_key_from_agent(user)
        {
            return Ok(agent);
        }
        let offered = |file: &&PathBuf| self.offer(format!("the ssh key {}", file.display())).is_ok();
        match self.settings.identities.iter().find(offered) {
            Some(file) => Cred::ssh_key(user, None, file, None),
            None => Err(denied("the server accepted neither a key of the ssh agent nor one of ~/.ssh")),
        }
    }

    fn offer(&self, what: String) -> Result<(), git2::Error> {
        let mut notes = self.notes();
        if notes.tried.contains(&what) {
            return Err(denied("the server did not accept it"));
        }
        notes.tried.push(what);
        Ok(())
    }

    fn host_key(&self, offered: Offered) -> Result<CertificateCheckStatus, git2::Error> {
        let verdict = match (&self.settings.known_hosts, &self.settings.location.place) {
            (Some(file), Place::Ssh { host, port, .. }) => host_key::check(file, host, *port, &offered),
            _ => {
                self.notes().host_key = Some((offered, None));
                return Ok(CertificateCheckStatus::CertificatePassthrough);
            }
        };
        match verdict {
            Ok(()) => Ok(CertificateCheckStatus::CertificateOk),
            Err(reason) => {
                self.notes().host_key = Some((offered, Some(reason.clone())));
                Err(git2::Error::new(ErrorCode::Certificate, ErrorClass::Ssh, reason))
            }
        }
    }

    /// The named error for what libgit2 said in this exchange, with every secret taken out.
    pub(super) fn error(&self, doing: &str, error: &git2::Error) -> RepoError {
        let place = &self.settings.location.place;
        if let (ErrorCode::Certificate, Place::Ssh { host, port, .. }) = (error.code(), place) {
            return self.host_key_error(host, *port);
        }
        let notes = self.notes();
        let tried = if notes.tried.is_empty() { "no credential".to_owned() } else { notes.tried.join(", ") };
        let circumstances = Circumstances {
            doing,
            location: self.settings.location.to_string(),
            local: self.settings.location.is_local(),
            tried,
            hint: hint(place),
        };
        circumstances.name(&git2::Error::new(error.code(), error.class(), self.scrub(error.message())))
    }

    fn host_key_error(&self, host: &str, port: u16) -> RepoError {
        let notes = self.notes();
        let (fingerprint, reason) = match &notes.host_key {
            Some((offered, reason)) => (offered.fingerprint.clone(), reason.clone()),
            None => ("no key".to_owned(), None),
        };
        let default = PathBuf::from("~/.ssh/known_hosts");
        let file = self.settings.known_hosts.as_ref().unwrap_or(&default).display().to_string();
        let detail = reason.unwrap_or_else(|| format!("it is unknown, or another one than in {file}"));
        RepoError::HostKey { host: host.to_owned(), port, detail, fingerprint, known_hosts: file }
    }

    /// The text without the configured secrets, should a server or a helper have echoed one.
    pub(super) fn scrub(&self, text: &str) -> String {
        let token = match &self.settings.credential {
            Credential::Token { token, .. } => Some(token),
            Credential::SshKey { passphrase, .. } => passphrase.as_ref(),
            Credential::Ambient => None,
        };
        [token, self.settings.location.password.as_ref()]
            .into_iter()
            .flatten()
            .map(|secret| secret.expose_secret())
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
    }

    /// What the server said to people, line by line.
    pub(super) fn remote_words(&self) -> String {
        let notes = self.notes();
        let text = String::from_utf8_lossy(&notes.remote);
        let lines = text.split(['\n', '\r']).map(str::trim_end).filter(|line| !line.is_empty());
        self.scrub(&lines.collect::<Vec<_>>().join("\n"))
    }
}

fn denied(reason: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, reason)
}

fn hint(place: &Place) -> String {
    let set = match place {
        Place::Http { .. } => {
            "set `token = { env = \"DATAPIN_TOKEN\" }` under [repository] to a token that may read and write the repository"
        }
        Place::Ssh { .. } => {
            "set `ssh_key = { file = \"…\" }` under [repository] to a key that the server knows, or load it into the agent"
        }
        Place::Local { .. } => "check who owns the directory and its modes",
    };
    set.to_owned()
}
