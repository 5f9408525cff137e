//! A Kubernetes API server on the wire: it keeps objects, tells watches, knows who may do what, and can be
//! made to fail in the ways that real ones do. It runs on threads of its own.

mod answer;
mod store;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use datapin::cluster::Kind;
use serde_json::{Value, json};

use store::Store;
pub use tls::Tls;

/// The token of the kubeconfig, accepted at first.
pub const TOKEN: &str = "first-token-of-the-test";
/// How long something may take that has to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// A server until it is dropped.
pub struct KubeServer {
    dir: tempfile::TempDir,
    address: SocketAddr,
    tls: Option<Tls>,
    shared: Arc<Shared>,
    /// Of the listener that runs now.
    stopping: Arc<AtomicBool>,
}

/// How requests are treated from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Well,
    /// Each answer, and each event of a watch, comes so much later.
    Slow(Duration),
    /// Requests are taken and never answered.
    Hanging,
    /// This status for so many requests, then well.
    Failing(u16, usize),
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`, as roles name it.
    pub verb: String,
    /// Path.
    pub path: String,
    /// Query.
    pub query: String,
    /// Bearer token.
    pub token: String,
    /// Status of the answer.
    pub status: u16,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Whether a token is known.
type Accepts = Box<dyn Fn(&str) -> bool + Send>;

struct State {
    store: Store,
    accepts: Accepts,
    denied: Vec<Denied>,
    mood: Mood,
    logs: BTreeMap<String, String>,
    asked: Vec<Asked>,
    watches: Vec<Open>,
    connections: Vec<TcpStream>,
}

/// A verb on a resource (`jobs.batch`, `pods/log`), everywhere.
struct Denied {
    verb: String,
    resource: String,
}

struct Open {
    path: String,
    stream: TcpStream,
}

impl KubeServer {
    /// A server over http, with the kinds of core, batch, apps and events.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// A server over https, with that certificate.
    pub fn start_tls(tls: Tls) -> Self {
        Self::start_with(Some(tls))
    }

    fn start_with(tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            store: Store::new(),
            accepts: Box::new(|token| token == TOKEN),
            denied: Vec::new(),
            mood: Mood::Well,
            logs: BTreeMap::new(),
            asked: Vec::new(),
            watches: Vec::new(),
            connections: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let stopping = Arc::new(AtomicBool::new(false));
        let server = Self { dir: tempfile::tempdir().unwrap(), address, tls, shared, stopping };
        server.listen(listener);
        server
    }

    fn listen(&self, listener: TcpListener) {
        let (shared, stopping) = (Arc::clone(&self.shared), Arc::clone(&self.stopping));
        let tls = self.tls.as_ref().map(Tls::config);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                if let Ok(stream) = stream {
                    shared.lock().connections.push(stream.try_clone().unwrap());
                    std::thread::spawn(move || wire::converse(stream, tls, &shared));
                }
            }
        });
    }

    /// Closes its port and cuts all that is open.
    pub fn stop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let mut state = self.shared.lock();
        state.watches.clear();
        for stream in state.connections.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Starts it again on its port, with what it knew.
    pub fn again(&mut self) {
        self.stop();
        self.stopping = Arc::new(AtomicBool::new(false));
        let until = Instant::now() + LIMIT;
        let listener = loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) => assert!(Instant::now() < until, "the port stays taken: {error}"),
            }
            std::thread::yield_now();
        };
        self.listen(listener);
    }

    /// Its address, for `server` of a kubeconfig.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.address.port())
    }

    /// A folder of its own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A kubeconfig with the contexts `test` (current, namespace `apps`) and `group/project:agent`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_with(json!({ "token": TOKEN }))
    }

    /// The same with another `user`.
    pub fn kubeconfig_with(&self, user: Value) -> PathBuf {
        let mut cluster = json!({ "server": self.url() });
        if let Some(tls) = &self.tls {
            cluster["certificate-authority"] = json!(tls.ca);
        }
        let context = json!({ "cluster": "c", "user": "u", "namespace": "apps" });
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "c", "cluster": cluster }],
            "users": [{ "name": "u", "user": user }],
            "contexts": [
                { "name": "test", "context": context }, { "name": "group/project:agent", "context": context },
            ],
        });
        let file = self.dir.path().join("kubeconfig");
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }

    /// Installs a kind: a CRD.
    pub fn install(&self, kind: Kind) {
        self.shared.lock().store.install(kind);
    }

    /// Creates or replaces an object; `apiVersion`, `kind`, namespace and version are filled in.
    pub fn put(&self, kind: Kind, namespace: &str, object: Value) {
        self.change(|store| store.put(kind, namespace, object));
    }

    /// Merges into an object that is there.
    pub fn patch(&self, kind: Kind, namespace: &str, name: &str, patch: &Value) {
        self.change(|store| store.patch(kind, namespace, name, patch).expect("the object is there"));
    }

    /// Deletes an object that is there.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        self.change(|store| store.delete(kind, namespace, name).expect("the object is there"));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) {
        change(&mut self.shared.lock().store);
        self.shared.changed.notify_all();
    }

    /// An object as it is now.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        self.shared.lock().store.get(kind, namespace, name)
    }

    /// All objects of a kind in a namespace, by name.
    pub fn objects(&self, kind: Kind, namespace: &str) -> Vec<Value> {
        self.shared.lock().store.all(kind, namespace)
    }

    /// What a container's log says; `previous` life where `life` is so.
    pub fn log(&self, namespace: &str, pod: &str, container: &str, life: &str, text: &str) {
        self.shared.lock().logs.insert(format!("{namespace}/{pod}/{container}/{life}"), text.to_owned());
    }

    /// Only this token is known from now on.
    pub fn only_token(&self, token: &str) {
        let only = token.to_owned();
        self.accept(move |token| token == only);
    }

    /// Tokens are known if this says so.
    pub fn accept(&self, accepts: impl Fn(&str) -> bool + Send + 'static) {
        self.shared.lock().accepts = Box::new(accepts);
    }

    /// Refuses a verb on a resource (`applications.argoproj.io`, `pods/log`): 403.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.shared.lock().denied.push(Denied { verb: verb.to_owned(), resource: resource.to_owned() });
    }

    /// Allows everything again.
    pub fn allow_all(&self) {
        self.shared.lock().denied.clear();
    }

    /// How requests are treated from now on.
    pub fn behave(&self, mood: Mood) {
        self.shared.lock().mood = mood;
        self.shared.changed.notify_all();
    }

    /// Forgets which versions there were: watches from an older one are told 410, and pages of a list end.
    pub fn compact(&self) {
        self.change(Store::compact);
    }

    /// Cuts all watches in the middle.
    pub fn cut(&self) {
        for open in self.shared.lock().watches.drain(..) {
            let _ = open.stream.shutdown(Shutdown::Both);
        }
    }

    /// What was asked, oldest first; a watch is there once it began.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().asked.clone()
    }

    /// How many watches of a kind are open.
    pub fn watches(&self, kind: Kind) -> usize {
        let end = format!("/{}", kind.plural);
        self.shared.lock().watches.iter().filter(|open| open.path.ends_with(&end)).count()
    }

    /// Waits until it is so after a request or a change; panics after 20 s.
    pub fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + LIMIT;
        while !condition(self) {
            assert!(Instant::now() < until, "not so after {LIMIT:?}: {what}; asked: {:#?}", self.asked());
            let state = self.shared.lock();
            // moods and ends of watches tell nobody
            drop(self.shared.changed.wait_timeout(state, Duration::from_millis(20)).unwrap());
        }
    }
}

impl Drop for KubeServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
