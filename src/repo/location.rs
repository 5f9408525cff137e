//! Where a repository is.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::RepoError;

/// A parsed remote: an http(s) URL, an ssh URL or its scp-like form, a local path or a `file://` URL.
///
/// A user and password inside an http URL are taken out of it at once: they are used to sign in, and no
/// message, log line or file of the product ever shows them.
#[derive(Debug, Clone)]
pub struct Location {
    pub(super) place: Place,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    Http { scheme: &'static str, host: String, port: Option<u16>, path: String },
    Ssh { host: String, port: u16, path: String },
    Local { path: PathBuf },
}

impl Location {
    /// Parses what people write behind `git clone`. A relative path is taken from the working directory.
    ///
    /// # Errors
    /// `BadLocation` for an empty text, an unknown scheme, a missing host or path, or a bad port.
    pub fn parse(text: &str) -> Result<Self, RepoError> {
        let bad =
            |reason: &str| RepoError::BadLocation { text: without_user(text), reason: reason.to_owned() };
        if text.trim().is_empty() {
            return Err(bad("it is empty"));
        }
        if text.chars().any(char::is_control) || text.starts_with('-') {
            return Err(bad("it has a control character or starts with `-`"));
        }
        match text.split_once("://") {
            Some((scheme, rest)) => parse_url(scheme, rest).map_err(bad),
            None => match scp_parts(text) {
                Some((host, path)) => parse_scp(host, path).map_err(bad),
                None => local(Path::new(text)).map_err(bad),
            },
        }
    }

    /// Host and path without scheme, user, port and `.git`; the absolute path of a local repository.
    /// Two spellings of one repository have the same identity (protocol.md, "Whose is what").
    pub fn identity(&self) -> String {
        match &self.place {
            Place::Http { host, path, .. } | Place::Ssh { host, path, .. } => {
                let path = path.trim_matches('/');
                format!("{host}/{}", path.strip_suffix(".git").unwrap_or(path))
            }
            Place::Local { path } => {
                std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned()
            }
        }
    }

    /// Whether a password was in the text.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether the repository is a directory of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local { .. })
    }

    /// The URL or path for libgit2, without any password.
    pub(super) fn url(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Http { scheme, host, port: Some(port), path } => {
                write!(out, "{scheme}://{host}:{port}{path}")
            }
            Place::Http { scheme, host, port: None, path } => write!(out, "{scheme}://{host}{path}"),
            Place::Ssh { host, port, path } => {
                // `host:path` without a slash is relative to the home of the user: a URL cannot say that
                let scp_like = !path.starts_with('/');
                out.write_str(if scp_like { "" } else { "ssh://" })?;
                if let Some(user) = &self.user {
                    write!(out, "{user}@")?;
                }
                match port {
                    _ if scp_like => write!(out, "{host}:{path}"),
                    22 => write!(out, "{host}{path}"),
                    port => write!(out, "{host}:{port}{path}"),
                }
            }
            Place::Local { path } => write!(out, "{}", path.display()),
        }
    }
}

fn parse_url(scheme: &str, rest: &str) -> Result<Location, &'static str> {
    match scheme {
        "https" | "http" | "ssh" | "git+ssh" | "ssh+git" => {
            let slash = rest.find('/').ok_or("it has no path")?;
            parse_network(scheme, &rest[..slash], &rest[slash..])
        }
        "file" => {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err("a file:// URL needs an absolute path");
            }
            local(Path::new(&decoded(path).ok_or("it has a broken %-escape")?))
        }
        _ => Err("its scheme is none of https, http, ssh, file"),
    }
}

fn parse_network(scheme: &str, authority: &str, path: &str) -> Result<Location, &'static str> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (host, port) = host_and_port(host)?;
    if host.is_empty() {
        return Err("it has no host");
    }
    if path.trim_matches('/').is_empty() {
        return Err("it has no path");
    }
    let (user, password) = match user {
        Some(user) => {
            let (user, password) = user.split_once(':').map_or((user, None), |(u, p)| (u, Some(p)));
            let escape = "it has a broken %-escape";
            let password = password.map(|word| decoded(word).ok_or(escape)).transpose()?;
            (Some(decoded(user).ok_or(escape)?), password.map(SecretString::from))
        }
        None => (None, None),
    };
    let (host, path) = (host.to_ascii_lowercase(), path.to_owned());
    let place = match scheme {
        "https" => Place::Http { scheme: "https", host, port, path },
        "http" => Place::Http { scheme: "http", host, port, path },
        _ => Place::Ssh { host, port: port.unwrap_or(22), path },
    };
    Ok(Location { place, user: user.filter(|user| !user.is_empty()), password })
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
    match text[after_bracket..].split_once(':') {
        Some((rest, port)) => {
            let host = &text[..after_bracket + rest.len()];
            port.parse().map(|port| (host, Some(port))).map_err(|_| "its port is no number below 65536")
        }
        None => Ok((text, None)),
    }
}

/// `[user@]host:path`, told from a path as git does: a colon before the first slash.
fn scp_parts(text: &str) -> Option<(&str, &str)> {
    let (host, path) = text.split_once(':')?;
    (!host.contains('/')).then_some((host, path))
}

fn parse_scp(host: &str, path: &str) -> Result<Location, &'static str> {
    let mut location = parse_network("ssh", host, path)?;
    location.password = None;
    Ok(location)
}

fn local(path: &Path) -> Result<Location, &'static str> {
    let path = std::path::absolute(path).map_err(|_| "the working directory cannot be read")?;
    Ok(Location { place: Place::Local { path }, user: None, password: None })
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let digits = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// The text without anything that could be a user or a password, even where it does not parse.
fn without_user(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(start), Some(at)) if at > start => format!("{}{}", &text[..start + 3], &text[at + 1..]),
        _ => text.to_owned(),
    }
}
