//! The part of GitLab that says whether a pipeline or job is over, on the wire.
//!
//! What is not known or not allowed is 404, as GitLab says it. What is over stays over, unless a job is retried under
//! a new id.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::json;

use super::jobs::Runner;
use crate::world::{Bot, World};

/// A token that may read pipelines and jobs.
const TOKEN: &str = "glpat-reads-pipelines";

#[derive(Default)]
struct State {
    over: BTreeMap<String, &'static str>,
    asked: Vec<String>,
}

/// GitLab until it is dropped.
pub struct GitLab {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl GitLab {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, ends) = (Arc::new(Mutex::new(State::default())), Arc::new(AtomicBool::new(false)));
        let (shared, stops) = (state.clone(), ends.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stops.load(Ordering::Relaxed) {
                    return;
                }
                // a broken connection ends nothing but itself
                let _ = stream.and_then(|stream| answer(&shared, stream));
            }
        });
        Self { address, state, ends, thread: Some(thread) }
    }

    /// `pipelines/81` or `jobs/1000` ended so. A cancelled pipeline starts no more jobs: that is up to the test.
    pub fn ends(&self, what: &str, how: &'static str) {
        let mut state = self.state.lock().unwrap();
        let before = state.over.insert(what.to_owned(), how);
        assert!(before.is_none_or(|before| before == how), "{what} was {before:?} already");
    }

    /// What was asked about so far.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The variables of a job.
    fn variables(&self, token: &str) -> [(&'static str, String); 4] {
        [
            ("CI_SERVER_URL", format!("http://{}", self.address)),
            ("CI_SERVER_HOST", "127.0.0.1".to_owned()),
            ("CI_PROJECT_ID", "7".to_owned()),
            ("DATAPIN_GITLAB_TOKEN", token.to_owned()),
        ]
    }

    /// The runners of a pipeline whose token may ask.
    pub fn runner<'w>(&self, world: &'w World, pipeline: &str) -> Runner<'w> {
        let variables = self.variables(TOKEN).into_iter();
        variables.fold(Runner::new(world, pipeline), |runner, (name, value)| runner.env(name, &value))
    }

    /// A process with a token that may ask.
    pub fn may_ask(&self, bot: Bot) -> Bot {
        self.variables(TOKEN).into_iter().fold(bot, |bot, (name, value)| bot.env(name, &value))
    }

    /// A process with a token that may not.
    pub fn may_not_ask(&self, bot: Bot) -> Bot {
        self.variables("glpat-other").into_iter().fold(bot, |bot, (name, value)| bot.env(name, &value))
    }
}

impl Drop for GitLab {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(state: &Mutex<State>, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    let mut token = String::new();
    for line in lines {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("private-token") => {
                value.trim().clone_into(&mut token);
            }
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let (status, body) = match (first.starts_with("GET "), path.strip_prefix("/api/v4/projects/7/")) {
        (true, Some(what)) if token == TOKEN => (200, found(&mut state.lock().unwrap(), what)),
        _ => (404, json!({ "message": "404 Project Not Found" })),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())
}

fn found(state: &mut State, what: &str) -> serde_json::Value {
    state.asked.push(what.to_owned());
    let status = state.over.get(what).copied().unwrap_or("running");
    let id: u64 = what.rsplit('/').next().unwrap().parse().unwrap();
    json!({
        "id": id, "iid": 1, "project_id": 7, "status": status, "ref": "main", "sha": "a".repeat(40), "source": "push",
        "web_url": format!("https://gitlab.example.com/p/-/{what}"), "name": "job", "stage": "test",
        "allow_failure": false, "created_at": "2026-11-25T00:00:00Z",
    })
}
