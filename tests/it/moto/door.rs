//! A door before the server: it lets requests through, answers itself, holds them, or cuts the line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the door does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Lets it through.
    Through,
    /// Answers with a status, headers and a body.
    Answers(u16, Vec<(&'static str, &'static str)>, String),
    /// Closes the line without an answer.
    Cuts,
    /// Lets it through once [`Door::release`] is called.
    Holds,
}

/// A request's head: `GET /bucket?list-type=2 HTTP/1.1` and headers, in small letters; its body after it.
type Rule = Arc<dyn Fn(&str) -> Says + Send + Sync>;

/// A door.
pub struct Door {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    rule: Arc<Mutex<Rule>>,
    held: Arc<(Mutex<Held>, std::sync::Condvar)>,
}

#[derive(Default)]
struct Held {
    waiting: usize,
    open: bool,
}

impl Door {
    /// A door before a port of this machine that lets everything through.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let through: Rule = Arc::new(|_| Says::Through);
        let door =
            Self { address, seen: Arc::default(), rule: Arc::new(Mutex::new(through)), held: Arc::default() };
        let (seen, rule, held) = (Arc::clone(&door.seen), Arc::clone(&door.rule), Arc::clone(&door.held));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, rule, held) = (Arc::clone(&seen), Arc::clone(&rule), Arc::clone(&held));
                std::thread::spawn(move || converse(stream, port, &seen, &rule, &held));
            }
        });
        door
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on. The rule sees head and body, in small letters.
    pub fn rule(&self, rule: impl Fn(&str) -> Says + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Arc::new(rule);
    }

    /// First lines of all requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests are held.
    pub fn holds(&self) -> usize {
        self.held.0.lock().unwrap().waiting
    }

    /// Lets held requests through.
    pub fn release(&self) {
        self.held.0.lock().unwrap().open = true;
        self.held.1.notify_all();
    }
}

fn converse(
    mut stream: TcpStream,
    port: u16,
    seen: &Mutex<Vec<String>>,
    rule: &Mutex<Rule>,
    held: &(Mutex<Held>, std::sync::Condvar),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let small = head.to_ascii_lowercase();
    let length = small
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |l| l.trim().parse().unwrap());
    if small.contains("expect: 100-continue") {
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    seen.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
    let whole = format!("{small}{}", String::from_utf8_lossy(&body).to_ascii_lowercase());
    // not under the lock: a rule may wait for another request
    let rule = Arc::clone(&rule.lock().unwrap());
    let says = rule(&whole);
    match says {
        Says::Through => through(&mut stream, port, &head, &body),
        Says::Cuts => {}
        Says::Answers(status, headers, text) => {
            let mut answer =
                format!("HTTP/1.1 {status} S\r\nConnection: close\r\nContent-Length: {}\r\n", text.len());
            headers.iter().for_each(|(name, value)| answer += &format!("{name}: {value}\r\n"));
            let bare = head.starts_with("HEAD ");
            let _ = stream.write_all(format!("{answer}\r\n{}", if bare { "" } else { &text }).as_bytes());
        }
        Says::Holds => {
            let (lock, open) = held;
            let mut now = lock.lock().unwrap();
            now.waiting += 1;
            while !now.open {
                now = open.wait(now).unwrap();
            }
            now.waiting -= 1;
            drop(now);
            through(&mut stream, port, &head, &body);
        }
    }
}

/// One request on a line of its own: the server closes it when it has answered.
fn through(stream: &mut TcpStream, port: u16, head: &str, body: &[u8]) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let lines: Vec<&str> = head
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .collect();
    let sent = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
    if server.write_all(sent.as_bytes()).and_then(|()| server.write_all(body)).is_ok() {
        let _ = std::io::copy(&mut server, stream);
    }
}
