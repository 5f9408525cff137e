//! A proxy in front of a git server that does harm to chosen requests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The server's branches, before a fetch.
    Refs,
    /// Objects.
    Fetch,
    /// The server's branches, before a push.
    PushRefs,
    /// A push to this branch.
    Push(String),
}

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The connection is cut before the server hears of it.
    CutBefore,
    /// The server does it; the connection is cut before its answer comes back.
    CutAfter,
    /// The server does it; half of its answer comes back.
    CutWithin,
    /// The answer comes later.
    Delay(Duration),
    /// The answer comes a few bytes at a time.
    Drip,
    /// The server is not asked; this is answered instead.
    Answer(&'static str),
}

/// Harm to chosen requests.
struct Rule {
    chosen: Box<dyn Fn(&Kind) -> bool + Send>,
    skip: usize,
    times: usize,
    harm: Harm,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Kind>,
    harmed: Vec<Kind>,
}

/// The proxy until it is dropped.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    ends: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens on a free port and passes on to `upstream` on 127.0.0.1.
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, ends) = (Arc::<Mutex<State>>::default(), Arc::new(AtomicBool::new(false)));
        let proxy = Self { port, state: state.clone(), ends: ends.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), state) = (client, state.clone()) else { continue };
                std::thread::spawn(move || {
                    let _ = serve(client, upstream, &state);
                });
            }
        });
        proxy
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does harm to `times` of the chosen requests from now on, after the first `skip` of them.
    pub fn harm(
        &self,
        skip: usize,
        times: usize,
        harm: Harm,
        chosen: impl Fn(&Kind) -> bool + Send + 'static,
    ) {
        self.state.lock().unwrap().rules.push(Rule { chosen: Box::new(chosen), skip, times, harm });
    }

    /// Does no harm any more, and gives the requests that were harmed.
    pub fn behave(&self) -> Vec<Kind> {
        let mut state = self.state.lock().unwrap();
        state.rules.clear();
        std::mem::take(&mut state.harmed)
    }

    /// The requests since the last call.
    pub fn seen(&self) -> Vec<Kind> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    fn judge(&mut self, kind: &Kind) -> Option<Harm> {
        self.seen.push(kind.clone());
        let rule = self.rules.iter_mut().find(|rule| rule.times > 0 && (rule.chosen)(kind))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        let harm = rule.harm;
        self.harmed.push(kind.clone());
        Some(harm)
    }
}

/// One request a connection: the answer closes it.
fn serve(mut client: TcpStream, upstream: u16, state: &Mutex<State>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let Some((head, body)) = request(&mut client)? else { return Ok(()) };
    let harm = state.lock().unwrap().judge(&kind(&head, &body));
    match harm {
        Some(Harm::CutBefore) => return client.shutdown(Shutdown::Both),
        Some(Harm::Answer(status)) => {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return client.write_all(text.as_bytes());
        }
        _ => {}
    }
    let answer = ask(upstream, &head, &body)?;
    match harm {
        Some(Harm::CutAfter) => client.shutdown(Shutdown::Both),
        Some(Harm::CutWithin) => client.write_all(&answer[..answer.len() / 2]),
        Some(Harm::Delay(pause)) => {
            std::thread::sleep(pause);
            client.write_all(&answer)
        }
        Some(Harm::Drip) => answer.chunks(answer.len() / 6 + 1).try_for_each(|chunk| {
            std::thread::sleep(Duration::from_millis(25));
            client.write_all(chunk)
        }),
        Some(Harm::CutBefore | Harm::Answer(_)) | None => client.write_all(&answer),
    }
}

/// The request's head, without the headers that are the proxy's own, and its body as it was sent.
fn request(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if client.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let of = |line: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.lines().find_map(of)
    };
    if header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body.resize(length.parse().unwrap_or(0), 0);
        client.read_exact(&mut body)?;
    } else if header("transfer-encoding").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            let mut some = [0; 8192];
            match client.read(&mut some)? {
                0 => return Ok(None),
                count => body.extend(&some[..count]),
            }
        }
    }
    let own = ["connection", "expect"];
    let kept = head.trim_end().split("\r\n").filter(|line| {
        !own.iter().any(|own| line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case(own)))
    });
    let head = kept.collect::<Vec<_>>().join("\r\n") + "\r\nConnection: close\r\n\r\n";
    Ok(Some((head, body)))
}

fn ask(upstream: u16, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", upstream))?;
    server.write_all(head.as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

fn kind(head: &str, body: &[u8]) -> Kind {
    let line = head.lines().next().unwrap_or_default();
    if line.contains("service=git-upload-pack") {
        Kind::Refs
    } else if line.contains("service=git-receive-pack") {
        Kind::PushRefs
    } else if line.contains("/git-receive-pack") {
        let text = String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned();
        let branch = text.split("refs/heads/").nth(1).and_then(|rest| rest.split(['\0', '\n', ' ']).next());
        Kind::Push(branch.unwrap_or_default().to_owned())
    } else {
        Kind::Fetch
    }
}
