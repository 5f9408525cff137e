//! The embedded demonstration: the product's own code on a real bare repository with real processes.
//!
//! Only the services and the chat are simulated: an agent process that follows the branch of the repository
//! ([`agent`]), the program that answers for it ([`observe`]), a gate ([`gate`]) and a chat server ([`chat`]).

mod agent;
mod bots;
mod chat;
mod gate;
mod observe;
mod scenario;
mod state;
mod world;

use std::path::Path;

use crate::cli::output::emit;
use crate::cli::stage::CommandError;
use crate::cli::{Demo, DemoPart};
use crate::exit::Exit;

use scenario::{SCENARIOS, Scenario, Show};
use world::World;

/// Version that the sample repository begins with.
pub const OLD: &str = "2026.11.20-2";
/// Version that a scenario deploys.
pub const NEW: &str = "2026.11.23-1";

/// Runs a scenario, and ends as its last run ended.
pub async fn demo(args: &Demo) -> Result<Exit, CommandError> {
    if args.scenario == "list" {
        emit(&list());
        return Ok(Exit::Ok);
    }
    let Some(scenario) = SCENARIOS.iter().find(|one| one.name == args.scenario) else {
        return Err(CommandError::Usage(format!(
            "there is no scenario `{}`; there are:\n{}",
            args.scenario,
            list()
        )));
    };
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => fresh_dir().map_err(local("making a directory for the demo"))?,
    };
    let world = World::make(&dir).await?;
    emit(&format!("{}: {}\n", scenario.name, scenario.about));
    emit(&format!("everything is in {}\n\n", dir.display()));
    let exit = play(&world, scenario).await?;
    emit(&afterwards(&dir, scenario));
    world.end().await;
    Ok(exit)
}

async fn play(world: &World, scenario: &Scenario) -> Result<Exit, CommandError> {
    for (pipeline, version) in scenario.before {
        world.quietly(pipeline, version).await?;
        emit(&format!("set up: {pipeline} is verified on {version}\n"));
    }
    world.begin(scenario).map_err(local("writing the demo's faults"))?;
    match scenario.show {
        Show::Runs(runs) => {
            let mut last = Exit::Ok;
            for (pipeline, version) in runs {
                emit(&format!("\n$ datapin deploy {pipeline} {version}\n"));
                last = world.openly(pipeline, version).await?;
            }
            Ok(last)
        }
        Show::Parallel { runs, killed } => bots::side_by_side(world, runs, killed).await,
    }
}

fn list() -> String {
    SCENARIOS.iter().map(|one| format!("  {:<36} {}\n", one.name, one.about)).collect()
}

fn afterwards(dir: &Path, scenario: &Scenario) -> String {
    let dir = dir.display();
    let others: Vec<&str> =
        SCENARIOS.iter().map(|one| one.name).filter(|name| *name != scenario.name).collect();
    let chat = std::fs::read_to_string(format!("{dir}/chat.log")).unwrap_or_default();
    format!(
        "\nthe chat heard:\n{}\nlook at it:\n  git -C {dir}/environments.git log --stat main\n  git -C {dir}/environments.git show datapin/queue:README.md\n  git -C {dir}/environments.git log datapin/queue\n  datapin --config {dir}/datapin.toml --cache {dir}/cache status\nother scenarios: {}\n",
        chat.lines().map(|line| format!("  {line}\n")).collect::<String>(),
        others.join(", ")
    )
}

fn fresh_dir() -> std::io::Result<std::path::PathBuf> {
    Ok(tempfile::Builder::new().prefix("datapin-demo-").tempdir()?.keep())
}

fn local(what: &str) -> impl Fn(std::io::Error) -> CommandError {
    move |source| CommandError::Local { what: what.to_owned(), source }
}

/// Runs a part of the demo.
pub async fn part(part: &DemoPart) -> Result<Exit, CommandError> {
    match part {
        DemoPart::Agent { dir } => agent::follow(dir).await,
        DemoPart::Observe { dir } => observe::answer(dir).map_err(local("observing")),
        DemoPart::Gate { dir } => gate::judge(dir).map_err(local("judging")),
        DemoPart::Chat { dir } => chat::serve(dir).await.map_err(local("serving the chat")),
    }
}
