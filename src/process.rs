//! Child programs: agents and gates that other people wrote.
//!
//! A program is an argument vector, never a shell string. It gets the environment that it is given and
//! nothing else, leads a process group of its own, and when it has ended, took too long or is no longer
//! wanted (the future is dropped), the whole group is ended: SIGTERM, a grace, SIGKILL. On Linux, whoever
//! left the group is found and killed too. Its output is read to the end, however long, but only so much of
//! it is kept as was asked for.

mod argv;
mod capture;
mod group;
mod locate;
mod proc;
mod stray;

use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

pub use argv::{base_env, fill, fill_all};
pub use capture::{Captured, one_line, plain};
use group::Group;
pub use locate::findable;
use stray::Mark;

/// How long whoever escaped from the group and holds the pipes is still listened to.
const DRAIN: Duration = Duration::from_millis(500);

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    /// Program and arguments; never empty.
    pub argv: &'a [String],
    /// The whole environment: nothing is inherited. `DATAPIN_CHILD`, a mark, is added.
    pub env: Vec<(String, String)>,
    /// What it reads; `None` means nothing at all.
    pub stdin: Option<Vec<u8>>,
    /// How long it may take.
    pub timeout: Duration,
    /// How many bytes are kept of each of its two outputs.
    pub keep: usize,
    /// Where it runs; `None` means where datapin does.
    pub cwd: Option<PathBuf>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// By a signal that was not ours.
    Signalled {
        /// Number of the signal.
        signal: i32,
    },
    /// It took too long and was ended.
    TimedOut,
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How.
    pub ended: Ended,
    /// What it printed.
    pub stdout: Captured,
    /// What it complained about.
    pub stderr: Captured,
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The command has no words.
    #[error("cannot run an empty command; give a program and its arguments")]
    Empty,
    /// There is no such program.
    #[error("cannot run `{program}`: not found in {searched}; install it, or name it by its full path")]
    NotFound {
        /// As it was named.
        program: String,
        /// Where it was looked for.
        searched: String,
    },
    /// There is such a file, but it can't be run.
    #[error("cannot run `{program}`: {} is no executable file; `chmod +x` it, or name its interpreter", path.display())]
    NotExecutable {
        /// As it was named.
        program: String,
        /// What was found.
        path: PathBuf,
    },
    /// The system refused to start it.
    #[error("cannot start `{program}` ({}): {source}{}", path.display(), hint(source))]
    Spawn {
        /// As it was named.
        program: String,
        /// What was found.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ran, but how it ended could not be learnt.
    #[error("cannot tell how `{program}` ended: {source}")]
    Wait {
        /// As it was named.
        program: String,
        /// Why.
        source: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; is the interpreter there that its first line names?",
        io::ErrorKind::PermissionDenied => "; may this user run it, and its interpreter?",
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            "; it has no `#!` line, or is made for another machine"
        }
        _ => "",
    }
}

/// Runs a program to its end: how it ended and what it printed. Nothing of its process group is left.
///
/// Drop the future to cancel: the group gets SIGTERM at once, and SIGKILL after the grace if datapin still
/// lives by then.
///
/// # Errors
/// When the program is not there or the system does not start it. How it ended is no error here.
pub async fn run(program: Program<'_>) -> Result<Finished, ProcessError> {
    let name = program.argv.first().ok_or(ProcessError::Empty)?;
    let path = locate::locate(name, &program.env, program.cwd.as_deref())?;
    let mark = Mark::generate();
    let mut child = spawn(&path, &program, &mark).await.map_err(|source| ProcessError::Spawn {
        program: name.clone(),
        path: path.clone(),
        source,
    })?;
    let mut group = Group::led_by(&child, mark);
    let mut stdout = Captured::keeping(program.keep);
    let mut stderr = Captured::keeping(program.keep);
    let ended = {
        let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let pipes = pin!(async {
            tokio::join!(feed(input, program.stdin), drain(out, &mut stdout), drain(err, &mut stderr));
        });
        attend(&mut child, &mut group, pipes, program.timeout).await
    };
    let ended = ended.map_err(|source| ProcessError::Wait { program: name.clone(), source })?;
    Ok(Finished { ended, stdout, stderr })
}

async fn spawn(path: &Path, program: &Program<'_>, mark: &Mark) -> io::Result<Child> {
    let mut command = Command::new(path);
    command.args(&program.argv[1..]).env_clear().envs(program.env.iter().cloned());
    let (name, value) = mark.variable();
    command.env(name, value);
    command.stdin(if program.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    if let Some(cwd) = &program.cwd {
        command.current_dir(cwd);
    }
    // A script that was written a moment ago is busy as long as a process forked meanwhile has not reached
    // its own exec.
    for pause in [5, 20, 80, 300] {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            result => return result,
        }
    }
    command.spawn()
}

/// Waits for the end of the program or of its time, then ends what is left of its group. The pipes are
/// served all the while.
async fn attend(
    child: &mut Child,
    group: &mut Group,
    mut pipes: Pin<&mut impl Future<Output = ()>>,
    timeout: Duration,
) -> io::Result<Ended> {
    let mut late = pin!(tokio::time::sleep(timeout));
    let mut open = true;
    let ended = loop {
        tokio::select! {
            status = child.wait() => break Ended::from(status?),
            () = &mut late => break Ended::TimedOut,
            () = &mut pipes, if open => open = false,
        }
    };
    let mut ending = pin!(group.end(child));
    loop {
        tokio::select! {
            () = &mut ending => break,
            () = &mut pipes, if open => open = false,
        }
    }
    if open {
        // Nobody is left: what comes now is in the pipe already, or from one who escaped even from the mark.
        let _ = tokio::time::timeout(DRAIN, pipes).await;
    }
    Ok(ended)
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited { code },
            (None, Some(signal)) => Ended::Signalled { signal },
            // Neither: a stopped process, which is not waited for.
            (None, None) => Ended::Exited { code: -1 },
        }
    }
}

/// A program need not read what it is given: a closed pipe is no error.
async fn feed(input: Option<ChildStdin>, bytes: Option<Vec<u8>>) {
    if let (Some(mut input), Some(bytes)) = (input, bytes) {
        let _ = input.write_all(&bytes).await;
    }
}

async fn drain(output: Option<impl AsyncRead + Unpin>, into: &mut Captured) {
    let Some(mut output) = output else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = output.read(&mut buffer).await {
        into.push(&buffer[..count]);
    }
}
