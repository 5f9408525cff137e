//! Argo CD through its own API: a server that shows the Applications which a controller writes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::argo::{Controller, Fault};
use super::*;

const SECRET: &str = "argo-token-of-the-test";

/// How the server treats who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// It knows no token.
    Unauthorized,
    /// It streams nothing.
    NoStreams,
    /// It is no more.
    Gone,
}

/// Argo CD's server until the test ends.
struct ArgoServer {
    url: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<String>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl ArgoServer {
    fn start(kube: &Shared) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server =
            Self { url, mood: Arc::new(Mutex::new(Mood::Well)), asked: Arc::default(), open: Arc::default() };
        let (kube, mood, asked, open) =
            (kube.clone(), server.mood.clone(), server.asked.clone(), server.open.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let talk =
                    Talk { kube: kube.clone(), mood: mood.clone(), asked: asked.clone(), open: open.clone() };
                std::thread::spawn(move || talk.answer(stream));
            }
        });
        server
    }

    fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.cut();
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A stream that nothing happens on would look for news until the end of all tests.
impl Drop for ArgoServer {
    fn drop(&mut self) {
        self.mood(Mood::Gone);
    }
}

struct Talk {
    kube: Shared,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<String>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

/// A request as far as it matters.
struct Asked {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    token: String,
    body: Value,
}

use std::collections::BTreeMap;

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = value.trim_start_matches("Bearer ").to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Asked { method, path: path.to_owned(), query, token, body })
}

fn send(mut stream: &TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
    let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
}

impl Talk {
    fn answer(&self, stream: TcpStream) {
        let Some(asked) = read(&stream) else { return };
        self.asked.lock().unwrap().push(format!("{} {}", asked.method, asked.path));
        let mood = *self.mood.lock().unwrap();
        if asked.token != SECRET || mood == Mood::Unauthorized {
            return send(&stream, "401 Unauthorized", r#"{"error":"invalid session","code":16}"#);
        }
        let rest = asked.path.strip_prefix("/api/v1/").unwrap_or_default().to_owned();
        let parts: Vec<&str> = rest.split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["stream", "applications"]) if mood == Mood::NoStreams => denied(&stream),
            ("GET", ["stream", "applications"]) => self.stream(stream, &asked.query["name"]),
            ("GET", ["applications", name]) => self.application(&stream, name, &asked),
            ("GET", ["applications", name, what]) => self.part(&stream, name, what, &asked),
            ("POST", ["applications", name, "sync"]) => {
                let operation = json!({ "operation": { "sync": { "revision": asked.body["revision"] } } });
                self.kube.read().unwrap().patch(APPLICATION, "argocd", name, &operation);
                send(&stream, "200 OK", "{}");
            }
            ("DELETE", ["applications", name, "operation"]) => {
                let state = json!({ "status": { "operationState": { "phase": "Terminating" } } });
                self.kube.read().unwrap().patch(APPLICATION, "argocd", name, &state);
                send(&stream, "200 OK", "{}");
            }
            _ => send(&stream, "404 Not Found", r#"{"message":"Not Found"}"#),
        }
    }

    fn object(&self, name: &str) -> Option<Value> {
        self.kube.read().unwrap().object(APPLICATION, "argocd", name)
    }

    fn application(&self, stream: &TcpStream, name: &str, asked: &Asked) {
        if self.object(name).is_none() {
            return denied(stream);
        }
        if asked.query.contains_key("refresh") {
            let annotation = json!({ "argocd.argoproj.io/refresh": "normal" });
            let patch = json!({ "metadata": { "annotations": annotation } });
            self.kube.read().unwrap().patch(APPLICATION, "argocd", name, &patch);
            let until = Instant::now() + Duration::from_secs(3);
            let waits =
                |object: Value| !object["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();
            while self.object(name).is_some_and(waits) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        send(stream, "200 OK", &self.object(name).unwrap().to_string());
    }

    fn stream(&self, mut stream: TcpStream, name: &str) {
        self.open.lock().unwrap().push(stream.try_clone().unwrap());
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        let mut failed = stream.write_all(head.as_bytes()).is_err();
        let mut last = Value::Null;
        while !failed && *self.mood.lock().unwrap() != Mood::Gone {
            let Some(object) = self.object(name) else { return };
            if object["metadata"]["resourceVersion"] != last {
                last = object["metadata"]["resourceVersion"].clone();
                let line = json!({ "result": { "type": "MODIFIED", "application": object } });
                failed = writeln!(stream, "{line}").is_err();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the cause of a failure is read from.
    fn part(&self, stream: &TcpStream, name: &str, what: &str, asked: &Asked) {
        let kube = self.kube.read().unwrap();
        let service = name.trim_end_matches("-int");
        let mut pods = kube.objects(Kind::POD, "apps");
        pods.retain(|pod| pod["metadata"]["labels"]["app"] == service);
        let node = |pod: &Value| {
            let health = json!({ "status": "Degraded" });
            json!({ "kind": "Pod", "namespace": "apps", "name": pod["metadata"]["name"], "uid": "1", "health": health })
        };
        let body = match what {
            "resource-tree" => json!({ "nodes": pods.iter().map(node).collect::<Vec<_>>() }),
            "resource" => json!({ "manifest": pods[0].to_string() }),
            "logs" if asked.query["previous"] == "true" => {
                json!({ "result": { "content": "ERROR: checksum of stations.csv" } })
            }
            "events" => {
                json!({ "items": [{ "type": "Warning", "reason": "BackOff", "message": "back-off restarting" }] })
            }
            _ => json!({}),
        };
        send(stream, "200 OK", &body.to_string());
    }
}

fn denied(stream: &TcpStream) {
    send(stream, "403 Forbidden", r#"{"error":"permission denied","code":7,"message":"permission denied"}"#);
}

struct Bed {
    argo: Controller,
    server: ArgoServer,
    kube: Shared,
    world: World,
}

fn bed() -> Bed {
    bed_with("")
}

fn bed_with(more: &str) -> Bed {
    let world = World::new();
    let kube = super::server();
    let argo = Controller::start(&kube, &world.bare());
    let server = ArgoServer::start(&kube);
    let token = world.dir().join("argo.token");
    std::fs::write(&token, SECRET).unwrap();
    agent(
        &world,
        &format!(
            r#"{{ kind = "argocd", application = "{{service}}-int", server = "{}", token = {{ file = "{}" }}, interval = "200ms"{more} }}"#,
            server.url,
            token.display()
        ),
    );
    world.verified("int", OLD);
    Bed { argo, server, kube, world }
}

impl Bed {
    /// Deploys the new version; once the commit is there, does something, and waits for the end.
    fn deploy_and(&self, then: impl FnOnce(&Self)) -> crate::world::Done {
        self.argo.fault("kv", Fault::Stuck);
        let before = self.world.tip("main");
        let running = self.world.datapin(&["deploy", "int", NEW]).spawn();
        let limit = Duration::from_secs(80);
        self.world.until("the commit is pushed", limit, || self.world.tip("main") != before);
        then(self);
        self.argo.fault("kv", Fault::None);
        running.wait(limit)
    }
}

#[test]
fn a_good_version_is_verified_by_a_stream() {
    let bed = bed();
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert!(!done.stdout.contains("followed"), "{}", done.stdout);
    assert!(bed.server.asked().contains(&"GET /api/v1/stream/applications".to_owned()));
}

#[test]
fn what_never_gets_ready_is_rolled_back_with_its_cause() {
    let bed = bed();
    bed.argo.fault("mds", Fault::BreaksOn(NEW.to_owned()));
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(10);
    done.says("Application mds-int: Degraded")
        .says(&format!("pod mds-{NEW}-pod, container mds: CrashLoopBackOff"))
        .says("ERROR: checksum of stations.csv")
        .says("BackOff: back-off restarting");
    assert_eq!(bed.world.versions("int"), [OLD]);
}

#[test]
fn health_from_before_the_sync_is_not_believed() {
    let bed = bed();
    bed.argo.fault("mds", Fault::StaleOn(NEW.to_owned()));
    let done =
        bed.world.datapin(&["deploy", "int", NEW]).run().code(10).says("Application mds-int: Degraded");
    assert!(!done.stdout.contains("int/mds deployed"), "{}", done.stdout);
}

#[test]
fn retries_of_a_failed_sync_are_ended_by_the_rollback() {
    let bed = bed();
    bed.argo.fault("fbv", Fault::RetriesOn(NEW.to_owned()));
    bed.world.datapin(&["deploy", "int", NEW]).run().code(10).says("ConfigMap fbv is immutable");
}

#[test]
fn a_stream_that_is_cut_is_no_news() {
    let bed = bed();
    bed.deploy_and(|bed| bed.server.cut()).code(0);
}

#[test]
fn without_streams_it_goes_on_by_asking_and_says_so() {
    let bed = bed();
    bed.server.mood(Mood::NoStreams);
    let done = bed.deploy_and(|_| {}).code(0);
    done.says("its changes cannot be followed, so it is asked again and again");
}

#[test]
fn a_token_that_is_unknown_for_a_while_is_waited_for() {
    let bed = bed();
    let done = bed.deploy_and(|bed| {
        bed.server.mood(Mood::Unauthorized);
        let before = bed.server.asked().len();
        let limit = Duration::from_secs(20);
        bed.world.until("it was refused", limit, || bed.server.asked().len() > before + 3);
        bed.server.mood(Mood::Well);
    });
    done.code(0);
}

#[test]
fn a_token_that_nobody_knows_is_3() {
    let bed = bed();
    bed.server.mood(Mood::Unauthorized);
    let tip = bed.world.tip("main");
    bed.world.datapin(&["deploy", "int", NEW]).run().code(3).says("does not know the token (401)");
    assert_eq!(bed.world.tip("main"), tip);
}

#[test]
fn an_application_that_is_unknown_or_forbidden_is_2() {
    let bed = bed();
    bed.kube.read().unwrap().delete(APPLICATION, "argocd", "kv-int");
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(2);
    done.says("denies to read Application kv-int (403): there is no such Application, or the token may not");
}

#[test]
fn an_argo_cd_that_does_not_sync_by_itself_is_asked_to() {
    let bed = bed_with(r#", sync = "request""#);
    for service in SERVICES {
        let patch = json!({ "spec": { "syncPolicy": null } });
        bed.kube.read().unwrap().patch(APPLICATION, "argocd", &format!("{service}-int"), &patch);
    }
    bed.world.datapin(&["deploy", "int", NEW]).run().code(0);
}
