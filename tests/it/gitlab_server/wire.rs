//! HTTP/1.1 on a thread.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::state::Fault;
use super::{Shared, answer};

/// A request.
pub struct Request {
    pub method: String,
    /// Still percent-encoded.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Of a form, or the top level of a JSON object.
    pub fields: Vec<(String, Value)>,
    pub private_token: Option<String>,
    pub job_token: Option<String>,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, headers: Vec::new(), content_type: "application/json", body }
    }

    pub fn text(status: u16, text: &str) -> Self {
        Self { status, headers: Vec::new(), content_type: "text/plain", body: text.as_bytes().to_vec() }
    }
}

pub(super) fn converse(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut wire = BufReader::new(stream);
    while let Some(mut request) = Request::read(&mut wire) {
        // as the web server in front of it has it: what is not below the relative URL is not GitLab's
        let Some(path) = request.path.strip_prefix(&shared.root).map(str::to_owned) else { return };
        request.path = path;
        let fault = shared.lock().noted(&request);
        let answer = match fault {
            Some(hang @ (Fault::Hang | Fault::HangAfter)) => {
                if matches!(hang, Fault::HangAfter) {
                    answer::answer(&mut shared.lock(), &request);
                    shared.changed.notify_all();
                }
                let mut state = shared.lock();
                while !shared.stopping.load(Ordering::SeqCst) {
                    state = shared.changed.wait_timeout(state, Duration::from_millis(100)).unwrap().0;
                }
                return;
            }
            Some(Fault::Status(status)) => Answer::text(status, "Something went wrong on our end"),
            Some(Fault::Limited(after)) => {
                let mut answer = Answer::text(429, "Retry later\n");
                answer.headers.extend(after.map(|seconds| ("Retry-After", seconds.to_string())));
                answer
            }
            Some(Fault::Page) => Answer::text(200, "<html><title>Sign in</title></html>"),
            Some(Fault::Moved(there)) => {
                let mut answer = Answer::text(301, "Moved");
                answer.headers.push(("Location", there));
                answer
            }
            Some(Fault::Answer(status, body)) => Answer::json(status, &body),
            Some(Fault::LoseAnswer) => {
                answer::answer(&mut shared.lock(), &request);
                return;
            }
            None => answer::answer(&mut shared.lock(), &request),
        };
        shared.changed.notify_all();
        if send(wire.get_mut(), &answer).is_err() {
            return;
        }
    }
}

fn send(wire: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\nContent-Type: {}\r\n", answer.status, answer.content_type);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", answer.body.len());
    wire.write_all(head.as_bytes())?;
    wire.write_all(&answer.body)?;
    wire.flush()
}

impl Request {
    fn read(wire: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        wire.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (mut private_token, mut job_token, mut kind, mut length) = (None, None, String::new(), 0_usize);
        loop {
            let mut line = String::new();
            // whoever was killed in the middle of it has asked nothing
            if wire.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim().to_owned();
            match name.to_ascii_lowercase().as_str() {
                "private-token" => private_token = Some(value),
                "job-token" => job_token = Some(value),
                "content-type" => kind = value,
                "content-length" => length = value.parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        wire.read_exact(&mut body).ok()?;
        let fields = match kind.starts_with("application/json") {
            true => match serde_json::from_slice(&body).ok()? {
                Value::Object(fields) => fields.into_iter().collect(),
                other => vec![("?".to_owned(), other)],
            },
            false => pairs(&String::from_utf8_lossy(&body))
                .into_iter()
                .map(|(key, value)| (key, Value::String(value)))
                .collect(),
        };
        let (path, query) = (path.to_owned(), pairs(query));
        Some(Self { method, path, query, fields, private_token, job_token })
    }

    pub fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn field(&self, key: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// A text, number or flag as text.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.field(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")))).collect()
}

pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut done, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                done.push(byte);
                at += 3;
            }
            None => {
                done.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&done).into_owned()
}
