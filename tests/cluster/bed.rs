//! The bed: one for all tests of this program, and what it says of its objects.

use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running bed. Its programs end when this process does, whichever way.
pub struct Bed {
    description: Value,
    /// As long as it is open, the bed lives; `None` for a bed of `DATAPIN_BED`.
    _hold: Option<ChildStdin>,
}

static BED: LazyLock<Bed> = LazyLock::new(Bed::start);
static CALM: RwLock<()> = RwLock::new(());

/// The bed, started by the first test that asks.
pub fn bed() -> &'static Bed {
    &BED
}

/// For the time of a test that wants the bed's programs to stay up.
pub fn calm() -> RwLockReadGuard<'static, ()> {
    CALM.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// For the time of a test that ends some of them.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    CALM.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Waits until `look` says nothing more that is missing; panics with what it said last after `limit`.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    while let Err(seen) = look() {
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}; last seen: {seen}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Bed {
    fn start() -> Self {
        if let Some(dir) = std::env::var_os("DATAPIN_BED") {
            let text =
                std::fs::read_to_string(Path::new(&dir).join("bed.json")).expect("DATAPIN_BED is a bed");
            return Self { description: serde_json::from_str(&text).unwrap(), _hold: None };
        }
        let mut up = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/up"))
            .args(["--attached", "--hydrator"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let hold = up.stdin.take();
        let done = up.wait_with_output().unwrap();
        assert!(done.status.success(), "tests/cluster/up failed, see above");
        Self { description: serde_json::from_slice(&done.stdout).unwrap(), _hold: hold }
    }

    /// A text of its description, by JSON pointer: `/git/url`.
    pub fn fact(&self, pointer: &str) -> &str {
        self.description.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}"))
    }

    /// Where its state is.
    pub fn dir(&self) -> PathBuf {
        PathBuf::from(self.fact("/dir"))
    }

    /// A program that runs in its network.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.description["pid"].as_u64().unwrap().to_string();
        command.args(["-t", &pid, "-n", "--", program]).env_clear();
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir().join("home"));
        command.env("KUBECONFIG", self.fact("/kubeconfig")).stdin(Stdio::null());
        command
    }

    /// What `kubectl` prints, or its complaint.
    pub fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        let kubectl = format!("{}/bin/kubectl", self.fact("/tools"));
        let output = self.inside(&kubectl).args(args).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// What `kubectl` prints.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).unwrap_or_else(|error| panic!("kubectl {args:?}: {error}"))
    }

    /// Applies objects.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        self.kubectl(&["apply", "--server-side", "-f", file.path().to_str().unwrap()]);
    }

    /// An object: `get("argocd", "application", "x")`.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Value, String> {
        let text = self.try_kubectl(&["-n", namespace, "get", kind, name, "-o", "json"])?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Kills a program of the bed (a file of DIR/log names it); the bed starts it again.
    pub fn kill(&self, program: &str) {
        let pid = std::fs::read_to_string(self.dir().join(format!("run/{program}.pid"))).unwrap();
        let first = self.description["pid"].as_u64().unwrap().to_string();
        let status = Command::new("nsenter").args(["-t", &first, "-p", "kill", "-KILL", pid.trim()]).status();
        assert!(status.unwrap().success(), "{program} with pid {pid}");
    }

    /// Keeps a program from being started again, until the guard goes.
    pub fn hold_down(&self, program: &str) -> impl Drop + use<> {
        struct Hold(PathBuf);
        impl Drop for Hold {
            fn drop(&mut self) {
                let _ = std::fs::remove_file(&self.0);
            }
        }
        let hold = Hold(self.dir().join(format!("run/{program}.hold")));
        std::fs::write(&hold.0, "").unwrap();
        self.kill(program);
        hold
    }
}
