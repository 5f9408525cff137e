//! A GitLab on the wire: the used part of its REST API, with state, real git behind it, and its real refusals.
//!
//! Every request is held to `fixtures/gitlab/openapi.txt`, those that meet a fault too; one that is not in it is answered
//! with 400, and the test fails when the server is dropped. It runs on threads of its own.

mod answer;
mod contract;
mod merge;
mod pipelines;
mod state;
mod wire;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub use state::{CommitStatus, Deployment, Fault, Grant, JobTemplate, MergeMethod, OnNewCommit, Role, State};

/// A server until it is dropped.
pub struct GitLabServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    root: String,
    state: Mutex<State>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl GitLabServer {
    pub fn start() -> Self {
        Self::below("")
    }

    /// Below a relative URL: `/git`.
    pub fn below(root: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            state: Mutex::new(State::new(format!("http://{address}{root}"))),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let served = Arc::clone(&served);
                std::thread::spawn(move || wire::converse(stream, &served));
            }
        });
        Self { address, shared }
    }

    /// Base URL, for `gitlab.url` and `CI_SERVER_URL`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.root)
    }

    /// For `CI_SERVER_HOST`.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// A new project without git: every branch and commit is taken to be there. Gives its id.
    pub fn project(&self, path: &str) -> u64 {
        self.state().add_project(path, None)
    }

    /// A new project of a bare repository. What is there already creates no pipelines.
    pub fn project_of(&self, path: &str, bare: &Path) -> u64 {
        self.state().add_project(path, Some(bare.to_owned()))
    }

    /// A new access token: gives it.
    pub fn token(&self, user: &str, role: Role, scopes: &[&str]) -> String {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.state().add_token(Grant::Access { user: user.to_owned(), role, scopes, expired: false })
    }

    /// The token of a job of a project, which user `ada` started.
    pub fn job_token(&self, project: u64) -> String {
        self.state().add_token(Grant::Job { project, user: "ada".to_owned() })
    }

    /// Everything, to look at and to change. Whoever holds it holds up the server.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Changes the state of a job by its name and lets its pipeline go on; false if the pipeline is cancelled.
    pub fn set_job(&self, pipeline: u64, job: &str, status: &str) -> bool {
        let done = self.state().set_job(pipeline, job, status);
        self.shared.changed.notify_all();
        done
    }

    /// The next `times` requests whose `METHOD path` contains `part` meet this.
    pub fn fault(&self, part: &str, times: usize, fault: Fault) {
        self.state().faults.push((part.to_owned(), times, fault));
    }

    /// `METHOD path` of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }
}

impl Drop for GitLabServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        let _ = TcpStream::connect(self.address);
        let violations = std::mem::take(&mut self.shared.lock().violations);
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "not in fixtures/gitlab/openapi.txt: {violations:#?}");
        }
    }
}
