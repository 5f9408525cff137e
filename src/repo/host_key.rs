//! The ssh server's key against a known-hosts file of ours.

use std::path::Path;
use std::process::{Command, Stdio};

/// The key that a server showed.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub kind: String,
    pub key: String,
    pub fingerprint: String,
}

impl Offered {
    /// Reads kind and fingerprint out of what libssh2 hands over.
    pub(super) fn new(raw: &[u8], sha256: Option<&[u8; 32]>) -> Self {
        let kind = kind(raw).unwrap_or("unknown kind").to_owned();
        let hash = sha256.map_or_else(|| "unknown".to_owned(), |hash| base64(hash));
        let fingerprint = format!("{kind} SHA256:{}", hash.trim_end_matches('='));
        Self { kind, key: base64(raw), fingerprint }
    }
}

/// A key blob starts with its kind: four bytes of length, then the name.
fn kind(raw: &[u8]) -> Option<&str> {
    let length = u32::from_be_bytes(raw.get(..4)?.try_into().ok()?);
    std::str::from_utf8(raw.get(4..4 + usize::try_from(length).ok()?)?).ok()
}

/// Checks the offered key; the error says what is wrong with it, as a fragment.
pub(super) fn check(file: &Path, host: &str, port: u16, offered: &Offered) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
    let mut lines: Vec<String> = text.lines().filter(|line| names(line, &name)).map(str::to_owned).collect();
    if text.lines().any(|line| line.trim_start_matches("@revoked ").starts_with("|1|")) {
        lines.extend(hashed(file, &name)?);
    }
    judge(&lines, &name, offered)
}

fn judge(lines: &[String], name: &str, offered: &Offered) -> Result<(), String> {
    let mut other_kinds = Vec::new();
    let mut known = false;
    for line in lines {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (marker, fields) = match fields.split_first() {
            Some((marker, rest)) if marker.starts_with('@') => (*marker, rest),
            _ => ("", &fields[..]),
        };
        let [_, kind, key, ..] = fields else { continue };
        match (marker, *key == offered.key) {
            ("@revoked", true) => return Err(format!("the key of {name} is revoked")),
            ("", true) => known = true,
            ("", false) => other_kinds.push((*kind).to_owned()),
            _ => {}
        }
    }
    if known {
        Ok(())
    } else if other_kinds.contains(&offered.kind) {
        Err(format!(
            "{name} is known with another {} key: it was changed, or someone is in between",
            offered.kind
        ))
    } else if other_kinds.is_empty() {
        Err(format!("{name} is not in the file"))
    } else {
        Err(format!("{name} is known, but only with {}", other_kinds.join(", ")))
    }
}

fn names(line: &str, name: &str) -> bool {
    let mut fields = line.split_ascii_whitespace();
    let first = fields.next().unwrap_or_default();
    let hosts = if first.starts_with('@') { fields.next().unwrap_or_default() } else { first };
    let mut found = false;
    for pattern in hosts.split(',').filter(|_| !hosts.starts_with(['#', '|'])) {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not, name) => return false,
            Some(_) => {}
            None => found |= matches(pattern, name),
        }
    }
    found
}

/// `*` and `?` as in ssh.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => (0..=name.len())
            .filter(|&at| name.is_char_boundary(at))
            .any(|at| matches(&pattern[1..], &name[at..])),
        Some(wanted) => name.chars().next().is_some_and(|got| {
            (wanted == '?' || wanted.eq_ignore_ascii_case(&got))
                && matches(&pattern[wanted.len_utf8()..], &name[got.len_utf8()..])
        }),
    }
}

/// Names that the file holds hashed are looked up by ssh's own tool.
fn hashed(file: &Path, name: &str) -> Result<Vec<String>, String> {
    let output =
        Command::new("ssh-keygen").args(["-F", name, "-f"]).arg(file).stdin(Stdio::null()).output().map_err(
            |error| format!("{} holds hashed names, and ssh-keygen cannot be run: {error}", file.display()),
        )?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
