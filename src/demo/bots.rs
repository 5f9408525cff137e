//! Several bots side by side, each line with the name of its run.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::scenario::Run;
use super::world::World;
use crate::cli::output::emit;
use crate::cli::stage::CommandError;
use crate::exit::Exit;

/// How long a bot may take to enter the queue, and to pin.
const SOON: Duration = Duration::from_secs(20);

/// A bot, and what is heard of it.
struct Bot {
    child: Child,
    talk: JoinHandle<()>,
    entered: oneshot::Receiver<()>,
    pinned: oneshot::Receiver<()>,
}

/// Starts the runs one after the other, each as soon as the one before is in the queue, kills one of them while it
/// deploys, and waits for the others. Returns the worst of their ends.
pub async fn side_by_side(world: &World, runs: &[Run], killed: Run) -> Result<Exit, CommandError> {
    let mut bots = Vec::new();
    for run in runs {
        let mut bot = start(world, *run)?;
        let _ = tokio::time::timeout(SOON, &mut bot.entered).await;
        match *run == killed {
            true => kill(bot, *run).await?,
            false => bots.push(bot),
        }
    }
    let mut worst = Exit::Ok;
    for Bot { child, talk, .. } in bots {
        worst = worst.max(ended(child).await?);
        let _ = talk.await;
    }
    Ok(worst)
}

fn start(world: &World, (pipeline, version): Run) -> Result<Bot, CommandError> {
    let mut child = world
        .command(&["deploy", pipeline, version])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(super::local("running datapin"))?;
    let (to_entered, entered) = oneshot::channel();
    let (to_pinned, pinned) = oneshot::channel();
    let echo = echo(child.stdout.take(), format!("{pipeline} {version}"), to_entered, to_pinned);
    Ok(Bot { child, talk: tokio::spawn(echo), entered, pinned })
}

/// Kills a bot as a machine that dies does, once its pins are on the branch.
async fn kill(mut bot: Bot, (pipeline, version): Run) -> Result<(), CommandError> {
    let _ = tokio::time::timeout(SOON, bot.pinned).await;
    bot.child.kill().await.map_err(super::local("killing datapin"))?;
    let _ = bot.talk.await;
    emit(&format!("killed {pipeline} {version} with SIGKILL while it deploys\n"));
    Ok(())
}

async fn ended(mut child: Child) -> Result<Exit, CommandError> {
    let status = child.wait().await.map_err(super::local("waiting for datapin"))?;
    Ok(Exit::from_code(status.code()))
}

/// Shows the lines of one bot; its first line says that it is in the queue.
async fn echo(
    out: Option<tokio::process::ChildStdout>,
    name: String,
    entered: oneshot::Sender<()>,
    pinned: oneshot::Sender<()>,
) {
    let Some(out) = out else { return };
    let mut lines = BufReader::new(out).lines();
    let (mut entered, mut pinned) = (Some(entered), Some(pinned));
    while let Ok(Some(line)) = lines.next_line().await {
        emit(&format!("{name:<24} | {line}\n"));
        let is_pinned = line.split(' ').nth(1) == Some("pinned");
        let told = [entered.take(), pinned.take_if(|_| is_pinned)];
        for to in told.into_iter().flatten() {
            let _ = to.send(());
        }
    }
}
