//! Several bots side by side, each line with the name of its run.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::time::Instant;

use super::scenario::Run;
use super::world::World;
use crate::cli::output::emit;
use crate::cli::stage::CommandError;
use crate::exit::Exit;

/// How long a bot may take to enter the queue.
const ENTERS: Duration = Duration::from_secs(20);

/// Starts the runs one after the other, each as soon as the one before is in the queue, and waits for all.
pub async fn side_by_side(world: &World, runs: &[Run]) -> Result<Exit, CommandError> {
    let mut bots = Vec::new();
    for (pipeline, version) in runs {
        let mut child = world
            .command(&["deploy", pipeline, version])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(super::local("running datapin"))?;
        let (entered, seen) = tokio::sync::oneshot::channel();
        let talk = tokio::spawn(echo(child.stdout.take(), format!("{pipeline} {version}"), entered));
        let limit = Instant::now() + ENTERS;
        let _ = tokio::time::timeout_at(limit, seen).await;
        bots.push((child, talk));
    }
    let mut worst = Exit::Ok;
    for (child, talk) in bots {
        worst = worst.max(ended(child).await?);
        let _ = talk.await;
    }
    Ok(worst)
}

async fn ended(mut child: Child) -> Result<Exit, CommandError> {
    let status = child.wait().await.map_err(super::local("waiting for datapin"))?;
    Ok(Exit::from_code(status.code()))
}

/// Shows the lines of one bot; its first line says that it is in the queue.
async fn echo(
    out: Option<tokio::process::ChildStdout>,
    name: String,
    entered: tokio::sync::oneshot::Sender<()>,
) {
    let Some(out) = out else { return };
    let mut lines = BufReader::new(out).lines();
    let mut entered = Some(entered);
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(entered) = entered.take() {
            let _ = entered.send(());
        }
        emit(&format!("{name:<24} | {line}\n"));
    }
}
