//! Signatures on commits, made by the programs that git itself uses.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{RepoError, Signing};

/// The armoured signature of a commit's text; `None` where commits are not signed.
pub(super) fn sign(signing: &Signing, text: &[u8]) -> Result<Option<String>, RepoError> {
    match signing {
        Signing::None => Ok(None),
        Signing::Ssh { key } => {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(key);
            run("ssh-keygen", command, text).map(Some)
        }
        Signing::Gpg { key } => {
            let mut command = Command::new("gpg");
            command.args(["--batch", "--status-fd=2", "--detach-sign", "--armor", "-u", key]);
            run("gpg", command, text).map(Some)
        }
    }
}

fn run(program: &'static str, mut command: Command, text: &[u8]) -> Result<String, RepoError> {
    let failed = |detail: String| RepoError::Signing { program, detail };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    // a program that ends early breaks the pipe: its own words below say more than that
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(text);
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let signature = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if signature.is_empty() { Err(failed("it printed no signature".to_owned())) } else { Ok(signature) }
}
