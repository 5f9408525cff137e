//! HTTP/1.1 on a thread: requests in, answers and watches out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::answer::{Answer, Watch};
use super::{Mood, Shared};

/// A request.
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub raw_query: String,
    pub token: String,
    pub content_type: String,
    pub body: Value,
}

/// A stream, plain or not.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// Answers requests until the other side ends.
pub fn converse(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let raw = stream.try_clone().unwrap();
    let wire: Box<dyn Wire> = match tls {
        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
        None => Box::new(stream),
    };
    let mut wire = BufReader::new(wire);
    while let Some(request) = Request::read(&mut wire) {
        let mood = next_mood(shared);
        match mood {
            Mood::Hanging => {
                // held open until the mood changes or the server stops
                while shared.lock().mood == Mood::Hanging && !shared.lock().connections.is_empty() {
                    pause(shared, Duration::from_millis(50));
                }
                return;
            }
            Mood::Slow(delay) => std::thread::sleep(delay),
            Mood::Well | Mood::Failing(..) => {}
        }
        let answer = super::answer::answer(&mut shared.lock(), &request, &mood);
        shared.changed.notify_all();
        let sent = match answer {
            Answer::Body { status, content_type, body } => send(wire.get_mut(), status, content_type, &body),
            Answer::Watch(watch) => return tell(wire.get_mut(), &raw, watch, shared),
        };
        if sent.is_err() {
            return;
        }
    }
}

fn next_mood(shared: &Shared) -> Mood {
    let mut state = shared.lock();
    let mood = state.mood.clone();
    if let Mood::Failing(status, times) = mood {
        state.mood = if times <= 1 { Mood::Well } else { Mood::Failing(status, times - 1) };
    }
    mood
}

fn pause(shared: &Shared, limit: Duration) {
    drop(shared.changed.wait_timeout(shared.lock(), limit).unwrap());
}

fn send(wire: &mut dyn Write, status: u16, content_type: &str, body: &[u8]) -> std::io::Result<()> {
    write!(
        wire,
        "HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    wire.write_all(body)?;
    wire.flush()
}

/// A watch: events as they happen, until the time that the client asked for is over.
fn tell(wire: &mut dyn Write, raw: &TcpStream, watch: Watch, shared: &Shared) {
    shared.lock().watches.push(super::Open { path: watch.path.clone(), stream: raw.try_clone().unwrap() });
    let peer = raw.peer_addr().ok();
    let _ = raw.set_read_timeout(Some(Duration::from_millis(1)));
    let _ = tell_all(wire, raw, watch, shared);
    shared.lock().watches.retain(|open| open.stream.peer_addr().ok() != peer);
    let _ = raw.shutdown(std::net::Shutdown::Both);
}

fn tell_all(wire: &mut dyn Write, raw: &TcpStream, mut watch: Watch, shared: &Shared) -> std::io::Result<()> {
    write!(wire, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    wire.flush()?;
    let until = Instant::now() + watch.timeout;
    loop {
        let (events, mood) = {
            let state = shared.lock();
            (state.store.since(&watch.place, watch.version), state.mood.clone())
        };
        let Some(events) = events else {
            let status = super::answer::status(410, "Expired", "too old resource version");
            return chunk(wire, &json!({ "type": "ERROR", "object": status }));
        };
        for event in events {
            if let Mood::Slow(delay) = mood {
                std::thread::sleep(delay);
            }
            watch.version = event.version;
            if watch.matches(&event.object) {
                chunk(wire, &json!({ "type": event.what, "object": event.object }))?;
            }
        }
        // whoever watches says nothing more, but that it ends
        if raw.peek(&mut [0]).is_ok() {
            return Ok(());
        }
        if Instant::now() >= until {
            return wire.write_all(b"0\r\n\r\n");
        }
        let state = shared.lock();
        if state.store.since(&watch.place, watch.version).is_some_and(|events| events.is_empty()) {
            drop(shared.changed.wait_timeout(state, Duration::from_millis(200)).unwrap());
        }
    }
}

fn chunk(wire: &mut dyn Write, line: &Value) -> std::io::Result<()> {
    let line = format!("{line}\n");
    write!(wire, "{:x}\r\n{line}\r\n", line.len())?;
    wire.flush()
}

impl Request {
    fn read(wire: &mut dyn BufRead) -> Option<Self> {
        let mut line = String::new();
        wire.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, raw_query) = target.split_once('?').unwrap_or((target, ""));
        let (mut token, mut content_type, mut length) = (String::new(), String::new(), 0_usize);
        let (path, raw_query) = (decoded(path), raw_query.to_owned());
        loop {
            let mut line = String::new();
            wire.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "authorization" => token = value.trim_start_matches("Bearer ").to_owned(),
                "content-type" => content_type = value.to_owned(),
                "content-length" => length = value.parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        wire.read_exact(&mut body).ok()?;
        let pairs = raw_query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(key, value)| (decoded(key), decoded(value))).collect();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Some(Self { method, path, query, raw_query, token, content_type, body })
    }

    pub fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> String {
    let bytes = text.replace('+', " ").into_bytes();
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
