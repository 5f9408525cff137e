//! The part of GitLab that shows runs: statuses and deployments that only move as GitLab's own do.
//!
//! Small and for these tests only; what merge requests and pipelines need is elsewhere.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

pub const TOKEN: &str = "glpat-aaaaaaaaaaaaaaaaaaaa";
pub const JOB_TOKEN: &str = "glcbt-64_bbbbbbbbbbbbbbbb";

/// A server until it is dropped.
pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopping: Arc<AtomicBool>,
}

/// What is there.
#[derive(Default)]
pub struct State {
    /// Every state that a status had, by commit and name.
    pub statuses: BTreeMap<(String, String), Vec<String>>,
    /// The last parameters of each status.
    pub parameters: BTreeMap<String, BTreeMap<String, String>>,
    pub deployments: Vec<Deployment>,
    /// Refused and good ones.
    pub requests: Vec<String>,
    /// Answers everything with 500.
    pub broken: bool,
}

pub struct Deployment {
    pub environment: String,
    pub sha: String,
    pub branch: String,
    /// Every state that it had.
    pub states: Vec<String>,
}

struct Request {
    method: String,
    path: Vec<String>,
    token: (String, String),
    parameters: BTreeMap<String, String>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (state, stopping) = (Arc::<Mutex<State>>::default(), Arc::new(AtomicBool::new(false)));
        let (served, ended) = (state.clone(), stopping.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                converse(stream, &served);
            }
        });
        Self { address, state, stopping }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// One request a connection.
fn converse(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(request) = Request::read(&stream) else { return };
    let (status, body) = state.lock().unwrap().answer(&request);
    let text = body.to_string();
    let head = "Content-Type: application/json\r\nConnection: close\r\n";
    let _ = write!(stream, "HTTP/1.1 {status} X\r\n{head}Content-Length: {}\r\n\r\n{text}", text.len());
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut token, mut length) = ((String::new(), String::new()), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                name if name.ends_with("-token") => token = (name.to_owned(), value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut parameters = pairs(query);
        match serde_json::from_slice::<BTreeMap<String, Value>>(&body) {
            Ok(json) => parameters.extend(json.into_iter().map(|(key, value)| (key, plain(&value)))),
            Err(_) => parameters.extend(pairs(&String::from_utf8_lossy(&body))),
        }
        let path = path.trim_start_matches("/api/v4/").split('/').map(str::to_owned).collect();
        Some(Self { method, path, token, parameters })
    }

    fn get(&self, name: &str) -> String {
        self.parameters.get(name).cloned().unwrap_or_default()
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    reqwest::Url::parse(&format!("http://x/?{text}")).unwrap().query_pairs().into_owned().collect()
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        self.requests.push(format!("{} {}", request.method, path.join("/")));
        if self.broken {
            return (500, json!({ "message": "500 Internal Server Error" }));
        }
        let job = match (request.token.0.as_str(), request.token.1.as_str()) {
            ("private-token", TOKEN) => false,
            ("job-token", JOB_TOKEN) => true,
            _ => return (401, json!({ "message": "401 Unauthorized" })),
        };
        // denied looks like not found
        let denied = (404, json!({ "message": "404 Project Not Found" }));
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["projects", "7", "deployments"]) => self.deploy(request),
            ("PUT", ["projects", "7", "deployments", id]) => self.redeploy(id, &request.get("status")),
            _ if job => denied,
            ("POST", ["projects", "7", "statuses", sha]) => self.status(sha, request),
            _ => denied,
        }
    }

    fn status(&mut self, sha: &str, request: &Request) -> (u16, Value) {
        let (name, state) = (request.get("name"), request.get("state"));
        let states = self.statuses.entry((sha.to_owned(), name.clone())).or_default();
        if let Err(refused) = moved(states, &state) {
            return refused;
        }
        self.parameters.insert(name.clone(), request.parameters.clone());
        (201, json!({ "id": 1, "sha": sha, "name": name, "status": state }))
    }

    fn deploy(&mut self, request: &Request) -> (u16, Value) {
        self.deployments.push(Deployment {
            environment: request.get("environment"),
            sha: request.get("sha"),
            branch: request.get("ref"),
            states: vec![request.get("status")],
        });
        (201, deployment(self.deployments.len(), self.deployments.last().unwrap()))
    }

    fn redeploy(&mut self, id: &str, state: &str) -> (u16, Value) {
        let id: usize = id.parse().unwrap();
        let Some(known) = self.deployments.get_mut(id - 1) else {
            return (404, json!({ "message": "404 Not found" }));
        };
        match moved(&mut known.states, state) {
            Ok(()) => (200, deployment(id, known)),
            Err(refused) => refused,
        }
    }
}

/// From nothing to anything, from running to an end, and no other way.
fn moved(states: &mut Vec<String>, to: &str) -> Result<(), (u16, Value)> {
    let event = match to {
        "running" => "run",
        "success" => "succeed",
        "failed" => "drop",
        "canceled" => "cancel",
        other => return Err((400, json!({ "error": format!("state {other} is not used") }))),
    };
    match states.last().map(String::as_str) {
        None => {}
        Some("running") if to != "running" => {}
        Some(from) => {
            let words = format!("Cannot transition status via :{event} from :{from}");
            return Err((400, json!({ "message": { "status": [words] } })));
        }
    }
    states.push(to.to_owned());
    Ok(())
}

fn deployment(id: usize, of: &Deployment) -> Value {
    json!({ "id": id, "sha": of.sha, "ref": of.branch, "status": of.states.last() })
}
