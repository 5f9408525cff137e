//! The real `datapin` in the network of the bed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bed::{bed, until};

/// How long a run may take.
const LONG: Duration = Duration::from_secs(180);

/// A process that is going to run.
pub struct Bot {
    command: Command,
    root: PathBuf,
    args: Vec<OsString>,
    what: String,
    out: PathBuf,
}

impl Bot {
    pub(super) fn new(root: PathBuf, args: &[&str]) -> Self {
        let number = ulid::Ulid::generate();
        let home = root.join("home");
        std::fs::create_dir_all(&home).unwrap();
        let out = root.join(format!("{number}.out"));
        let mut command = bed().inside(env!("CARGO_BIN_EXE_datapin"));
        command
            .env("HOME", &home)
            .env("TMPDIR", &home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("DATAPIN_ACTOR", "anna")
            .env("ARGOCD_TOKEN", bed().fact("/argocd/tool"))
            .current_dir(&root);
        let config = ["--config".into(), root.join("datapin.toml").into_os_string()];
        let all: Vec<OsString> = config.into_iter().chain(args.iter().map(OsString::from)).collect();
        command.args(&all);
        Self { command, root, args: all, what: args.join(" "), out }
    }

    /// With a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// As a container of a pod sees the world: the folder `account` is mounted where Kubernetes puts the files of a
    /// service account, and there is no kubeconfig.
    pub fn in_pod(mut self, account: &Path) -> Self {
        let place = "/run/secrets/kubernetes.io/serviceaccount";
        let mount =
            format!("mount -t tmpfs tmpfs /run && mkdir -p {place} && cp \"$0\"/* {place} && exec \"$@\"");
        let mut command = bed().inside("unshare");
        command.args(["--mount", "--", "sh", "-c", &mount]).arg(account);
        command.arg(env!("CARGO_BIN_EXE_datapin")).args(self.args.iter()).current_dir(&self.root);
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env_remove("KUBECONFIG");
        command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", "16443");
        self.command = command;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Done {
        self.spawn().wait()
    }

    /// Starts it.
    pub fn spawn(mut self) -> Running {
        let file = std::fs::File::create(&self.out).unwrap();
        self.command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Running { child: self.command.spawn().unwrap(), what: self.what, out: self.out }
    }
}

/// A process that runs; it is killed when it is dropped.
pub struct Running {
    child: Child,
    what: String,
    out: PathBuf,
}

impl Running {
    /// Everything that it said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    /// Waits until it says something.
    #[track_caller]
    pub fn says(&self, words: &str) {
        until(&format!("`datapin {}` says `{words}`", self.what), LONG, || {
            let said = self.said();
            if said.contains(words) { Ok(()) } else { Err(said) }
        });
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Done {
        let begun = Instant::now();
        until(&format!("the end of `datapin {}`", self.what), LONG, || {
            match self.child.try_wait().unwrap() {
                Some(_) => Ok(()),
                None => Err(std::fs::read_to_string(&self.out).unwrap()),
            }
        });
        let code = self.child.wait().unwrap().code();
        Done { code, said: self.said(), what: self.what.clone(), took: begun.elapsed() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that ended.
pub struct Done {
    code: Option<i32>,
    /// Standard output and error.
    pub said: String,
    what: String,
    /// How long it was waited for.
    pub took: Duration,
}

impl Done {
    /// It has to have ended with this exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "`datapin {}` said\n{}", self.what, self.said);
        self
    }

    /// It has to have said this.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.said.contains(words), "`datapin {}` does not say `{words}`:\n{}", self.what, self.said);
        self
    }
}
