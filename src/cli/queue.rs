//! Commands that show and change the queue.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Common, Output, edge};
use crate::config;
use crate::exit::Exit;
use crate::queue::{
    Cause, CauseKind, EnvironmentFile, Force, Freeze, Origin, Outcome, Rejected, Store, Ticket, Unknown,
};
use crate::report::{queue_json, queue_text};
use crate::run::RunError;
use crate::run::context::Context;
use crate::run::resume::find;

/// Shows and changes the queue.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// Who holds what, who waits, what is frozen.
    Show {
        /// Name of the queue in datapin.toml.
        #[arg(long, default_value = "default")]
        queue: String,
    },
    /// Takes a waiting run out of the line.
    Leave {
        /// Run id, its last six characters, or number.
        run: String,
        /// Name of the queue in datapin.toml.
        #[arg(long, default_value = "default")]
        queue: String,
    },
    /// Lets nothing be deployed to an environment.
    Freeze {
        /// Environment.
        environment: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// How long, like 2h; without it until `thaw`.
        #[arg(long = "for", value_name = "TIME")]
        duration: Option<String>,
    },
    /// Lifts a freeze.
    Thaw {
        /// Environment.
        environment: String,
        /// Also one that carries unfinished work.
        #[arg(long)]
        force: bool,
    },
}

/// Keeps a version out.
#[derive(Debug, Args)]
pub struct Reject {
    /// Dataset.
    pub dataset: String,
    /// Version.
    #[arg(allow_hyphen_values = true)]
    pub version: String,
    /// Only this environment; without it all that the dataset has.
    #[arg(long)]
    pub environment: Option<String>,
    /// Why.
    #[arg(long)]
    pub reason: String,
}

/// Lets a version in again.
#[derive(Debug, Args)]
pub struct Allow {
    /// Dataset.
    pub dataset: String,
    /// Version.
    #[arg(allow_hyphen_values = true)]
    pub version: String,
    /// Only this environment; without it all that the dataset has.
    #[arg(long)]
    pub environment: Option<String>,
}

/// `datapin queue …`.
pub async fn queue(common: &Common, command: &Queue) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let done = match command {
        Queue::Show { queue } => show(&stage.context, common, queue).await,
        Queue::Leave { run, queue } => leave(&stage.context, run, queue).await,
        Queue::Freeze { environment, reason, duration } => {
            freeze(&stage.context, environment, reason, duration.as_deref()).await
        }
        Queue::Thaw { environment, force } => {
            thaw(&stage.context, environment, if *force { Force::Yes } else { Force::No }).await
        }
    };
    stage.close().await;
    done
}

async fn show(context: &Context, common: &Common, queue: &str) -> Result<Exit, CommandError> {
    context.config.queue(queue)?;
    let seen = context.queue_store(queue).read().await?;
    let tickets: Vec<&Ticket> = seen.queue.tickets.values().collect();
    let environments: Vec<&EnvironmentFile> = seen.queue.environments.values().collect();
    emit(&match common.output {
        Output::Text => queue_text(&tickets, &environments, edge::look(common).color),
        Output::Json => queue_json(&tickets, &environments),
    });
    Ok(Exit::Ok)
}

async fn leave(context: &Context, run: &str, queue: &str) -> Result<Exit, CommandError> {
    context.config.queue(queue)?;
    let store = context.queue_store(queue);
    let seen = store.read().await?;
    let Some(ticket) = find(&seen.queue, Some(run))? else {
        return Err(CommandError::Usage(not_there(run, &store)));
    };
    if ticket.state.holds() {
        return Err(RunError::NotAllowed(format!(
            "run {} has started: `datapin cancel {}` rolls it back",
            ticket.run, ticket.number
        ))
        .into());
    }
    let (number, at) = (ticket.number, Timestamp::now());
    let cause =
        Cause { kind: CauseKind::Cancelled, text: format!("taken out of the line by {}", context.actor) };
    let outcome = Outcome::Stopped { cause };
    let subject = format!("#{number} leaves the line");
    store.change(&subject, |queue| queue.leave(number, outcome.clone(), &context.actor, at)).await?;
    emit(&format!("run {} (#{number}) is out of the line\n", ticket.run));
    Ok(Exit::Ok)
}

/// What is said of a run that has no ticket.
pub fn not_there(run: &str, store: &Store) -> String {
    format!("run `{run}` is not in the queue `{}`; `datapin queue show` lists those that are", store.branch())
}

async fn freeze(
    context: &Context,
    environment: &str,
    reason: &str,
    duration: Option<&str>,
) -> Result<Exit, CommandError> {
    let known = context.config.environment(environment)?;
    let until = match duration {
        None => None,
        Some(text) => Some(end_of(text)?),
    };
    let identity = context.plan_target().identity(&context.config, environment);
    let freeze = Freeze {
        origin: Origin::Person,
        owner: context.actor.clone(),
        reason: reason.to_owned(),
        since: Timestamp::now(),
        until,
        unknown: Unknown::new(),
    };
    let store = context.queue_store(&known.queue);
    let subject = format!("{environment} is frozen by {}", context.actor);
    store.change(&subject, |queue| queue.freeze(&identity, freeze.clone())).await?;
    let end = until.map_or_else(|| "until `datapin queue thaw`".to_owned(), |until| format!("until {until}"));
    emit(&format!("{environment} is frozen {end}\n"));
    Ok(Exit::Ok)
}

fn end_of(text: &str) -> Result<Timestamp, CommandError> {
    let wrong = || CommandError::Usage(format!("`{text}` is no time span; write one like 30m, 2h or 1h 30m"));
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    if span <= SignedDuration::ZERO {
        return Err(wrong());
    }
    Timestamp::now().checked_add(span).map_err(|_| wrong())
}

async fn thaw(context: &Context, environment: &str, force: Force) -> Result<Exit, CommandError> {
    let known = context.config.environment(environment)?;
    let store = context.queue_store(&known.queue);
    let subject = format!("{environment} is thawed by {}", context.actor);
    let freeze = store.change(&subject, |queue| queue.thaw(environment, force)).await?;
    emit(&format!("{environment} is thawed; it was frozen by {}: {}\n", freeze.owner, freeze.reason));
    Ok(Exit::Ok)
}

/// `datapin reject`.
pub async fn reject(common: &Common, args: &Reject) -> Result<Exit, CommandError> {
    config::usable(&args.version).map_err(CommandError::Usage)?;
    let stage = Stage::look(common)?;
    let context = &stage.context;
    for name in environments(context, &args.dataset, args.environment.as_deref())? {
        let store = context.queue_store(&context.config.environment(&name)?.queue);
        let rejected = Rejected {
            version: args.version.clone(),
            by: context.actor.clone(),
            reason: args.reason.clone(),
            at: Timestamp::now(),
        };
        let identity = context.plan_target().identity(&context.config, &name);
        let subject = format!("{} {} is rejected in {name}", args.dataset, args.version);
        store
            .change(&subject, |queue| {
                queue.same_identity(&identity)?;
                queue
                    .environments
                    .entry(name.clone())
                    .or_insert_with(|| EnvironmentFile::new(identity.clone()));
                queue.reject(&name, &args.dataset, rejected.clone())
            })
            .await?;
        emit(&format!("{} {} is kept out of {name}\n", args.dataset, args.version));
    }
    stage.close().await;
    Ok(Exit::Ok)
}

/// `datapin allow`.
pub async fn allow(common: &Common, args: &Allow) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let context = &stage.context;
    for name in environments(context, &args.dataset, args.environment.as_deref())? {
        let store = context.queue_store(&context.config.environment(&name)?.queue);
        let subject = format!("{} {} is allowed in {name}", args.dataset, args.version);
        let was = match store.read().await?.queue.environment(&name) {
            Some(_) => {
                store.change(&subject, |queue| queue.allow(&name, &args.dataset, &args.version)).await?
            }
            None => false,
        };
        emit(&match was {
            true => format!("{} {} is let into {name} again\n", args.dataset, args.version),
            false => format!("{} {} was not rejected in {name}\n", args.dataset, args.version),
        });
    }
    stage.close().await;
    Ok(Exit::Ok)
}

fn environments(context: &Context, dataset: &str, only: Option<&str>) -> Result<Vec<String>, CommandError> {
    context.config.dataset(dataset)?;
    if let Some(only) = only {
        return Ok(vec![context.config.environment(only)?.name.clone()]);
    }
    let all = context.config.environments.keys();
    Ok(all
        .filter(|name| context.config.datasets_of(name).iter().any(|one| one == dataset))
        .cloned()
        .collect())
}
