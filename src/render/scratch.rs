//! A scratch checkout that helmfile renders.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tempfile::TempDir;

use super::manifest::{self, Rendered};
use super::{Helmfile, RenderError};
use crate::process::{self, Captured, Ended, Program};
use crate::queue::blocking;
use crate::repo::{Change, CommitId, Content, Repo};

/// How much of its complaints is kept.
const KEEP: usize = 64 * 1024;
/// How many lines of them are told.
const LINES: usize = 5;

/// How long whoever lets go of a checkout waits for the thread that still writes it.
const WRITTEN: Duration = Duration::from_secs(20);

/// A checkout of one commit. Whoever is not its owner cannot look into it: there may be Secrets.
pub struct Scratch {
    dir: Written,
    renderings: u32,
}

/// A directory that a thread writes. It is only removed when that is done: what is written afterwards would stay.
struct Written {
    dir: TempDir,
    done: mpsc::Receiver<()>,
}

impl Written {
    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // nothing is ever sent: the other end goes with the work
        let _ = self.done.recv_timeout(WRITTEN);
    }
}

/// What stood in changed files before.
pub struct Undo(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Scratch {
    /// A checkout of that commit.
    pub async fn of(repo: &Arc<Repo>, commit: &CommitId) -> Result<Self, RenderError> {
        let failed = |path: PathBuf| move |source| RenderError::Scratch { path, source };
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix("datapin-helmfile-").permissions(private).tempdir();
        let dir = dir.map_err(failed(std::env::temp_dir()))?;
        for name in ["tree", "tmp", "home"] {
            let path = dir.path().join(name);
            fs::create_dir(&path).map_err(failed(path.clone()))?;
        }
        let (end, done) = mpsc::channel::<()>();
        let dir = Written { dir, done };
        let (repo, commit, tree) = (repo.clone(), commit.clone(), dir.path().join("tree"));
        blocking(move || -> Result<(), RenderError> {
            let _end = end;
            Ok(repo.export(&commit, &tree)?)
        })
        .await?;
        Ok(Self { dir, renderings: 0 })
    }

    /// Writes the changes; the result takes them back.
    pub fn apply(&self, changes: &[Change]) -> Result<Undo, RenderError> {
        let mut undo = Vec::with_capacity(changes.len());
        for change in changes {
            let path = self.dir.path().join("tree").join(&change.path);
            let failed = |source| RenderError::Scratch { path: path.clone(), source };
            undo.push((path.clone(), present(fs::read(&path)).map_err(failed)?));
            let bytes = match &change.content {
                Content::Write(bytes) => Some(bytes.as_slice()),
                Content::Delete => None,
            };
            put(&path, bytes).map_err(failed)?;
        }
        Ok(Undo(undo))
    }

    /// Takes changes back.
    pub fn restore(&self, undo: &Undo) -> Result<(), RenderError> {
        for (path, bytes) in &undo.0 {
            put(path, bytes.as_deref())
                .map_err(|source| RenderError::Scratch { path: path.clone(), source })?;
        }
        Ok(())
    }

    /// What helmfile makes of an environment as the files are now; `Err` inside is why it makes nothing of it,
    /// without anything that it rendered.
    pub async fn render(
        &mut self,
        helmfile: &Helmfile,
        environment: &str,
    ) -> Result<Result<Rendered, String>, RenderError> {
        self.renderings += 1;
        let out = self.dir.path().join(format!("out-{}", self.renderings));
        let argv = argv(helmfile.file.as_deref(), environment, &out);
        let program = Program {
            argv: &argv,
            env: self.env(helmfile),
            stdin: None,
            timeout: helmfile.limit,
            keep: KEEP,
            cwd: Some(self.dir.path().join("tree")),
        };
        let finished = process::run(program)
            .await
            .map_err(|source| RenderError::Program { program: "helmfile".to_owned(), source })?;
        match finished.ended {
            Ended::Exited { code: 0 } => {}
            Ended::Exited { .. } => return Ok(Err(complaint(&finished.stderr))),
            Ended::Signalled { signal } => return Ok(Err(format!("helmfile was ended by signal {signal}"))),
            Ended::TimedOut => return Ok(Err(format!("helmfile took more than {:?}", helmfile.limit))),
        }
        blocking(move || {
            let failed = |source| RenderError::Scratch { path: out.clone(), source };
            let rendered = manifest::read(&out).map_err(failed)?;
            match fs::remove_dir_all(&out) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(Ok(rendered)),
            }
        })
        .await
    }

    /// Decrypted values that helmfile writes down stay in the scratch directory, and go with it.
    fn env(&self, helmfile: &Helmfile) -> Vec<(String, String)> {
        let mut env = helmfile.env.clone();
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        env.retain(|(name, _)| name != "TMPDIR");
        env.push(("TMPDIR".to_owned(), path("tmp")));
        if env.iter().all(|(name, _)| name != "HOME") {
            env.push(("HOME".to_owned(), path("home")));
        }
        // it would ask the network for a newer version of itself
        env.push(("HELMFILE_UPGRADE_NOTICE_DISABLED".to_owned(), "true".to_owned()));
        env
    }
}

fn argv(file: Option<&str>, environment: &str, out: &Path) -> Vec<String> {
    let mut argv = vec!["helmfile".to_owned(), "--quiet".to_owned(), "--no-color".to_owned()];
    argv.extend(file.map(|file| format!("--file={file}")));
    argv.push(format!("--environment={environment}"));
    argv.push("template".to_owned());
    argv.push(format!("--output-dir={}", out.display()));
    // two releases of one name in two namespaces stay apart
    let folders = "{{ .OutputDir }}/{{ .Release.Name }}/namespace-{{ .Release.Namespace }}";
    argv.push(format!("--output-dir-template={folders}"));
    argv
}

fn present(read: io::Result<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn put(path: &Path, bytes: Option<&[u8]>) -> io::Result<()> {
    match bytes {
        Some(bytes) => fs::write(path, bytes),
        None => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

/// Why helmfile failed: what helm said (helmfile repeats the whole command around it), else its own last lines.
/// Never what a command wrote to its standard output, which is manifests or decrypted values: helmfile tells that
/// too, as "combined output".
fn complaint(stderr: &Captured) -> String {
    let lines = stderr.lines();
    let told: Vec<&str> =
        lines.iter().map(|line| line.trim()).take_while(|line| *line != "COMBINED OUTPUT:").collect();
    let helm = told.iter().position(|line| *line == "STDERR:").map_or(&[][..], |at| &told[at + 1..]);
    let said = if helm.is_empty() { &told[..] } else { helm };
    let said: Vec<&str> = said.iter().copied().filter(|line| !line.starts_with("Use --debug flag")).collect();
    match said.as_slice() {
        [] => "helmfile failed and did not say why".to_owned(),
        said => said[said.len().saturating_sub(LINES)..].join("; "),
    }
}
