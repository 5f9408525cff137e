//! A Rocket.Chat on the wire: it keeps the rules of the real one and remembers what was posted.
//!
//! It runs on threads of its own, so that a plain test which starts the real binary can use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// `X-User-Id` that may post.
pub const USER_ID: &str = "rbAXPnMktTFbNpwtJ";
/// `X-Auth-Token` that goes with it.
pub const TOKEN: &str = "RScctEHSmLGZGywfIhWyRpyofhKOiMoUIpimhvheU3f";
/// Path of the webhook: id and token.
const HOOK: &str = "/hooks/6750c5f0e4b0a1b2c3d4e5f6/9qXhWk3ZVtYb7uPmRsTd2LcNfGjHaEoQ";

/// A server until it is dropped.
pub struct Chat {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What is in a room.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// `#name`, `@name`, a room's id, or `#of-the-webhook`.
    pub room: String,
    /// The message that it replies to.
    pub thread: Option<String>,
    /// Text.
    pub text: String,
    /// Attachments as they came.
    pub attachments: Vec<Value>,
}

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Well,
    /// 503, as the real one while webhooks are disabled.
    Disabled,
    /// It takes a request and never answers.
    Hanging,
    /// It posts, and the connection breaks before the answer; then it is well.
    LosingAnAnswer,
    /// 500 once; then it is well.
    FailingOnce,
    /// 200 with `success: false`, and it tells the path that was asked for.
    Unsuccessful,
    /// 200 with a page that is no answer of Rocket.Chat.
    LoginPage,
    /// 301 to somewhere else.
    Moved,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopping: AtomicBool,
}

struct State {
    messages: Vec<Message>,
    calls: Vec<Instant>,
    requests: usize,
    limit: usize,
    window: Duration,
    mood: Mood,
    held: Vec<TcpStream>,
}

struct Request {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Chat {
    /// A server with the real one's limit: 10 calls in 60 s.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            messages: Vec::new(),
            calls: Vec::new(),
            requests: 0,
            limit: 10,
            window: Duration::from_secs(60),
            mood: Mood::Well,
            held: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || serve(&listener, &served));
        Self { address, shared }
    }

    /// Base address, for `server`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Address of the webhook, for `webhook`.
    pub fn webhook_url(&self) -> String {
        format!("{}{HOOK}", self.url())
    }

    /// Lets only so many calls pass in a window of time.
    pub fn limit(&self, calls: usize, window: Duration) {
        let mut state = self.shared.lock();
        (state.limit, state.window) = (calls, window);
    }

    /// Changes how the server behaves.
    pub fn behave(&self, mood: Mood) {
        self.shared.lock().mood = mood;
    }

    /// What was posted, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.lock().messages.clone()
    }

    /// How many requests came, refused ones too.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// Waits until so many messages are there; panics with what is there after `limit`.
    pub fn wait_for(&self, count: usize, limit: Duration) -> Vec<Message> {
        let state = self.shared.lock();
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(state, limit, |state| state.messages.len() < count)
            .unwrap();
        assert!(
            !waited.timed_out(),
            "only {} of {count} messages: {:#?}",
            state.messages.len(),
            state.messages
        );
        state.messages.clone()
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            if let Ok(stream) = stream {
                converse(stream, &shared);
            }
        });
    }
}

/// One request a connection.
fn converse(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let Some(request) = Request::read(&stream) else { return };
    let mut state = shared.lock();
    state.requests += 1;
    let mood = state.mood;
    if mood == Mood::Hanging {
        return state.held.push(stream);
    }
    let response = state.answer(&request);
    drop(state);
    if mood != Mood::LosingAnAnswer {
        let _ = stream.write_all(response.to_string().as_bytes());
    }
    shared.changed.notify_all();
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.strip_prefix("POST ")?.split(' ').next()?.to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { path, headers, body: Vec::new() };
        let length = request.header("content-length")?.parse().ok()?;
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Response {
        match self.mood {
            Mood::Disabled => return Response::error(503, "webhooks are disabled"),
            Mood::Unsuccessful => {
                return Response::error(200, &format!("no such integration: {}", request.path));
            }
            Mood::LoginPage => return Response::of(200, "<html>Please log in</html>".to_owned()),
            Mood::Moved => {
                return Response::error(301, "moved").with("Location", "http://127.0.0.1:1/".to_owned());
            }
            Mood::FailingOnce => {
                self.mood = Mood::Well;
                return Response::error(500, "internal server error");
            }
            Mood::LosingAnAnswer => self.mood = Mood::Well,
            Mood::Well | Mood::Hanging => {}
        }
        if let Some(refusal) = self.too_many() {
            return refusal;
        }
        match request.path.as_str() {
            HOOK => self.webhook(request),
            "/api/v1/chat.postMessage" => self.post_message(request),
            _ => Response::error(404, "Invalid integration id or token provided."),
        }
    }

    fn too_many(&mut self) -> Option<Response> {
        let (now, window) = (Instant::now(), self.window);
        self.calls.retain(|call| now.duration_since(*call) < window);
        if self.calls.len() < self.limit {
            self.calls.push(now);
            return None;
        }
        let wait = self.calls.first().map_or(window, |first| window - now.duration_since(*first));
        let reset = (SystemTime::now() + wait).duration_since(UNIX_EPOCH).unwrap().as_millis() + 1;
        let words = "Error, too many requests. Please slow down. [error-too-many-requests]";
        Some(Response::error(429, words).with("X-RateLimit-Reset", reset.to_string()))
    }

    fn webhook(&mut self, request: &Request) -> Response {
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Response::error(400, "invalid JSON");
        };
        if let Err(reason) = check_text(&body) {
            return Response::error(400, &reason);
        }
        let room = body["channel"].as_str().unwrap_or("#of-the-webhook").to_owned();
        self.keep(room, &body);
        Response::of(200, json!({ "success": true }).to_string())
    }

    fn post_message(&mut self, request: &Request) -> Response {
        if request.header("x-user-id") != Some(USER_ID) || request.header("x-auth-token") != Some(TOKEN) {
            let body = json!({ "status": "error", "message": "You must be logged in to do this." });
            return Response::of(401, body.to_string());
        }
        let room = serde_json::from_slice::<Value>(&request.body).map_err(|error| error.to_string());
        match room.and_then(|body| Ok((check_post(&body)?, body))) {
            Err(reason) => Response::error(400, &reason),
            Ok((room, body)) => {
                let id = self.keep(room.clone(), &body);
                let body = json!({ "success": true, "channel": room, "message": { "_id": id, "msg": body["text"] } });
                Response::of(200, body.to_string())
            }
        }
    }

    /// An empty body succeeds and posts nothing.
    fn keep(&mut self, room: String, body: &Value) -> Option<String> {
        let text = body["text"].as_str().unwrap_or_default().trim().to_owned();
        let attachments = body["attachments"].as_array().cloned().unwrap_or_default();
        if text.is_empty() && attachments.is_empty() {
            return None;
        }
        let id = format!("message{:010}", self.messages.len() + 1);
        let thread = body["tmid"].as_str().map(str::to_owned);
        self.messages.push(Message { id: id.clone(), room, thread, text, attachments });
        Some(id)
    }
}

/// The schema of `chat.postMessage`: where it goes to.
fn check_post(body: &Value) -> Result<String, String> {
    const KNOWN: [&str; 9] =
        ["roomId", "channel", "text", "alias", "emoji", "avatar", "attachments", "tmid", "customFields"];
    let object = body.as_object().ok_or("must be object [invalid-params]")?;
    if let Some(unknown) = object.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("must NOT have additional properties: {unknown} [invalid-params]"));
    }
    if object.get("tmid").is_some_and(|tmid| !tmid.is_string()) {
        return Err("tmid must be string [invalid-params]".to_owned());
    }
    check_text(body)?;
    match (object.get("roomId").and_then(Value::as_str), object.get("channel").and_then(Value::as_str)) {
        (Some(room), None) | (None, Some(room)) => Ok(room.to_owned()),
        (Some(_), Some(_)) | (None, None) => {
            Err("must match exactly one schema in oneOf: roomId or channel [invalid-params]".to_owned())
        }
    }
}

/// `Message_MaxAllowedSize`.
fn check_text(body: &Value) -> Result<(), String> {
    match body["text"].as_str().unwrap_or_default().encode_utf16().count() {
        0..=5000 => Ok(()),
        _ => Err("Message size exceeds Message_MaxAllowedSize [error-message-size-exceeded]".to_owned()),
    }
}

impl Response {
    fn of(status: u16, body: String) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    fn error(status: u16, error: &str) -> Self {
        Self::of(status, json!({ "success": false, "error": error }).to_string())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "HTTP/1.1 {} Status\r\nConnection: close\r\nContent-Type: application/json\r\n",
            self.status
        )?;
        for (name, value) in &self.headers {
            write!(f, "{name}: {value}\r\n")?;
        }
        write!(f, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body)
    }
}
