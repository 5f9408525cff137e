//! What can go wrong with a repository, and what to do about it.

use std::path::PathBuf;
use std::time::Duration;

use git2::{ErrorClass, ErrorCode};
use thiserror::Error;

/// A failed operation on a repository. No message holds a password, token or passphrase.
#[derive(Debug, Error)]
pub enum RepoError {
    /// The text is no URL, scp-like address or path.
    #[error(
        "`{text}` is no repository location: {reason}; write https://host/path, ssh://user@host/path, user@host:path or a path"
    )]
    BadLocation {
        /// what was written, without user and password
        text: String,
        /// what is wrong with it
        reason: String,
    },
    /// No connection, or the server failed by itself. Trying again may help.
    #[error(
        "cannot reach {location}: {detail}; check the address, the network and the server, then try again"
    )]
    Unreachable {
        /// the repository
        location: String,
        /// what the network said
        detail: String,
    },
    /// The server wants other credentials.
    #[error("{location} refused to let us in ({detail}); tried: {tried}; {hint}")]
    Authentication {
        /// the repository
        location: String,
        /// the server's answer
        detail: String,
        /// which credentials were offered, never their secrets
        tried: String,
        /// what to set
        hint: String,
    },
    /// The ssh server's key is unknown or another one than before.
    #[error(
        "the host key of {host} cannot be trusted: {detail}; it offered {fingerprint}; compare this with the server's administrator, then add it: ssh-keyscan -p {port} {host} >> {known_hosts}"
    )]
    HostKey {
        /// the server
        host: String,
        /// its port
        port: u16,
        /// unknown, changed or revoked
        detail: String,
        /// kind and SHA256 fingerprint, as ssh prints it
        fingerprint: String,
        /// the file to add it to
        known_hosts: String,
    },
    /// The TLS certificate was not accepted.
    #[error(
        "the TLS certificate of {location} was not accepted: {detail}; for a private authority set SSL_CERT_FILE to its certificate"
    )]
    Tls {
        /// the repository
        location: String,
        /// what is wrong with it
        detail: String,
    },
    /// There is no such repository, or the credentials may not see it.
    #[error(
        "there is no repository at {location} ({detail}); check the address, and whether the credentials may see it ({tried})"
    )]
    NotFound {
        /// the repository
        location: String,
        /// the server's answer
        detail: String,
        /// which credentials were offered
        tried: String,
    },
    /// Something answers there, but it is no git repository.
    #[error("{location} is no git repository: {detail}; check the address")]
    NotARepository {
        /// the location
        location: String,
        /// what it is instead
        detail: String,
    },
    /// The server was silent for too long, or the whole operation took too long.
    #[error("{operation} {location} was given up after {} s: {reason}; last sign of life: {last}", .after.as_secs_f32().round())]
    Timeout {
        /// what was being done
        operation: String,
        /// the repository
        location: String,
        /// how long it took until then
        after: Duration,
        /// which limit was hit
        reason: String,
        /// the last progress that was seen
        last: String,
    },
    /// The kept repository in the cache is damaged; it has been thrown away.
    #[error("the kept repository {} was damaged ({detail}) and has been thrown away; run the command again", .path.display())]
    Damaged {
        /// the kept repository
        path: PathBuf,
        /// what libgit2 said
        detail: String,
    },
    /// The cache directory cannot be used.
    #[error("cannot use the cache {}, make it writable or name another one with --cache: {source}", .path.display())]
    Cache {
        /// the file or directory
        path: PathBuf,
        /// why
        source: std::io::Error,
    },
    /// A part of the path is a symbolic link.
    #[error("`{path}` goes through the symbolic link `{link}`; name the file itself")]
    SymlinkInPath {
        /// the path asked for
        path: String,
        /// the link
        link: String,
    },
    /// A part of the path is a submodule: its files belong to another repository.
    #[error("`{path}` goes through the submodule `{submodule}`; pin in that repository instead")]
    Submodule {
        /// the path asked for
        path: String,
        /// the submodule
        submodule: String,
    },
    /// The path names a directory.
    #[error("`{path}` is a directory, not a file; name a file in it")]
    IsDirectory {
        /// the path asked for
        path: String,
    },
    /// A part of the path is a file where a directory is needed.
    #[error("`{path}` cannot be written: `{file}` is a file, not a directory")]
    NotADirectory {
        /// the path asked for
        path: String,
        /// the file in its way
        file: String,
    },
    /// The path is absolute, has `..`, `.` or `.git` in it, or is empty.
    #[error(
        "`{path}` does not lead into the repository; write it relative to the repository's root, without `.` and `..`"
    )]
    OutsideRepository {
        /// the path asked for
        path: String,
    },
    /// The new tree differs from its parent's in more than the planned paths: never pushed.
    #[error("refused to commit: {} would change although nobody asked for it; this is a defect, please report it", .paths.join(", "))]
    UnplannedPaths {
        /// the paths that would change
        paths: Vec<String>,
    },
    /// The commit could not be signed.
    #[error("cannot sign the commit: {detail}; check the signing key and that `{program}` runs here")]
    Signing {
        /// ssh-keygen or gpg
        program: &'static str,
        /// its own words
        detail: String,
    },
    /// The commit is not here and not on the branch.
    #[error("commit {commit} is not in {location}, or no branch leads to it; was the branch rewritten?")]
    NoSuchCommit {
        /// the commit
        commit: String,
        /// the repository
        location: String,
    },
    /// Anything else that libgit2 refused.
    #[error("{doing} {location} failed: {detail}")]
    Git {
        /// what was being done
        doing: String,
        /// the repository
        location: String,
        /// what libgit2 said
        detail: String,
    },
}

/// Where an answer that only says what failed is put into words.
pub(super) struct Circumstances<'a> {
    pub doing: &'a str,
    pub location: String,
    pub local: bool,
    /// which credentials were offered so far
    pub tried: String,
    pub hint: String,
}

impl Circumstances<'_> {
    /// The named error for what libgit2 said while talking to the server. Its texts are stable (libgit2 1.9).
    pub(super) fn name(&self, error: &git2::Error) -> RepoError {
        // for a path that isn't there, libgit2 complains about a URL
        let detail = match error.message().trim() {
            "unsupported URL protocol" if self.local => "no such directory".to_owned(),
            text => text.to_owned(),
        };
        let location = self.location.clone();
        match kind(error, self.local) {
            Kind::Authentication => RepoError::Authentication {
                location,
                detail,
                tried: self.tried.clone(),
                hint: self.hint.clone(),
            },
            Kind::NotFound => RepoError::NotFound { location, detail, tried: self.tried.clone() },
            Kind::NotARepository => RepoError::NotARepository { location, detail },
            Kind::Tls => RepoError::Tls { location, detail },
            Kind::Unreachable => RepoError::Unreachable { location, detail },
            Kind::Other => RepoError::Git { doing: self.doing.to_owned(), location, detail },
        }
    }
}

enum Kind {
    Authentication,
    NotFound,
    NotARepository,
    Tls,
    Unreachable,
    Other,
}

fn kind(error: &git2::Error, local: bool) -> Kind {
    let text = error.message();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match (error.code(), error.class()) {
        (ErrorCode::Auth, _) => Kind::Authentication,
        (_, ErrorClass::Ssh) if says(&["private key", "public key"]) => Kind::Authentication,
        (ErrorCode::Certificate, _) | (_, ErrorClass::Ssl) => Kind::Tls,
        (_, ErrorClass::Http) if says(&["code: 401", "code: 403", "code: 407"]) => Kind::Authentication,
        (_, ErrorClass::Http) if says(&["code: 404", "code: 410"]) => Kind::NotFound,
        (_, ErrorClass::Http) if says(&["content-type", "redirect"]) => Kind::NotARepository,
        _ if local && says(&["unsupported URL protocol"]) => Kind::NotFound,
        _ if says(&["does not appear to be a git", "not found", "could not be found", "does not exist"]) => {
            Kind::NotFound
        }
        (ErrorCode::NotFound, ErrorClass::Repository | ErrorClass::Os) if local => Kind::NotFound,
        (_, ErrorClass::Os) if local && says(&["No such file"]) => Kind::NotFound,
        (_, ErrorClass::Repository) if local => Kind::NotARepository,
        (ErrorCode::Timeout | ErrorCode::Eof, _) => Kind::Unreachable,
        (_, ErrorClass::Net | ErrorClass::Http | ErrorClass::Ssh | ErrorClass::Os) => Kind::Unreachable,
        _ => Kind::Other,
    }
}

/// Whether this error means that the kept repository itself is broken.
pub(super) fn is_damage(error: &git2::Error) -> bool {
    match error.class() {
        // an object that is asked for and isn't here is a question of its own
        _ if error.code() == ErrorCode::NotFound => false,
        ErrorClass::Odb | ErrorClass::Zlib | ErrorClass::Object => true,
        ErrorClass::Tree => error.message().contains("parse"),
        ErrorClass::Indexer => error.message().contains("delta") || error.message().contains("missing"),
        _ => error.code() == ErrorCode::HashsumMismatch,
    }
}
