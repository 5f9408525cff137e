//! Processes of the real binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};

/// A signal for [`Running::signal`].
pub use rustix::process::Signal;

/// How long a process may take that a test waits for with [`Bot::run`].
const LONG: Duration = Duration::from_secs(300);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A process that is going to run. Each bot has a home and a cache of its own, as on a machine of its own.
pub struct Bot {
    root: PathBuf,
    name: String,
    config: Option<PathBuf>,
    cwd: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Bot {
    pub(super) fn new(root: &Path, args: &[&str]) -> Self {
        Self {
            root: root.to_owned(),
            name: "anna".to_owned(),
            config: Some(root.join("datapin.toml")),
            cwd: root.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: Vec::new(),
        }
    }

    /// Another bot, or person.
    pub fn by(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With another configuration; `None`: without `--config`.
    pub fn config(mut self, path: Option<&Path>) -> Self {
        self.config = path.map(Path::to_owned);
        self
    }

    /// In another directory.
    pub fn cwd(mut self, dir: &Path) -> Self {
        dir.clone_into(&mut self.cwd);
        self
    }

    /// With a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// In a CI job of a pipeline.
    pub fn in_ci(self, pipeline: &str, job: &str) -> Self {
        self.env("CI_PIPELINE_ID", pipeline)
            .env("CI_JOB_ID", job)
            .env("CI_SERVER_HOST", "gitlab.example.com")
            .env("CI_PROJECT_ID", "7")
            .env("CI_PIPELINE_URL", &format!("https://gitlab.example.com/p/-/pipelines/{pipeline}"))
            .env("CI_JOB_URL", &format!("https://gitlab.example.com/p/-/jobs/{job}"))
    }

    /// Runs it to its end.
    pub fn run(self) -> Done {
        self.spawn().wait(LONG)
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        let home = self.root.join("bots").join(&self.name);
        let cache = home.join("cache");
        std::fs::create_dir_all(&cache).unwrap();
        let out = self.root.join("out");
        std::fs::create_dir_all(&out).unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (stdout, stderr) = (out.join(format!("{number}.out")), out.join(format!("{number}.err")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_datapin"));
        command.env_clear();
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", &cache)
            .env("TMPDIR", &home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("DATAPIN_ACTOR", &self.name)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .args(self.config.iter().flat_map(|path| ["--config".as_ref(), path.as_os_str()]))
            .args(&self.args)
            .current_dir(&self.cwd)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&stdout).unwrap())
            .stderr(std::fs::File::create(&stderr).unwrap());
        let child = command.spawn().unwrap();
        Running { child, what: self.args.join(" "), stdout, stderr }
    }
}

/// A process that runs; it is killed when it is dropped.
pub struct Running {
    child: Child,
    what: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills it, as a machine that dies does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it said so far.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap()
    }

    /// What it complained of so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; panics with what it said after `limit`.
    pub fn wait(mut self, limit: Duration) -> Done {
        let begun = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return self.done(status, begun.elapsed()),
                None if begun.elapsed() > limit => {
                    let done = self.done(ExitStatus::default(), limit);
                    panic!(
                        "`datapin {}` still runs after {limit:?}\n{}{}",
                        done.what, done.stdout, done.stderr
                    );
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn done(&self, status: ExitStatus, took: Duration) -> Done {
        Done {
            code: status.code(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            what: self.what.clone(),
            took,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that ended.
#[derive(Debug)]
pub struct Done {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Its arguments.
    pub what: String,
    /// How long it was waited for.
    pub took: Duration,
}

impl Done {
    /// It has to have ended with this exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "`datapin {}`\n--- stdout\n{}--- stderr\n{}",
            self.what,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Both outputs have to contain this between them.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(
            self.stdout.contains(words) || self.stderr.contains(words),
            "`datapin {}` does not say `{words}`\n--- stdout\n{}--- stderr\n{}",
            self.what,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}
