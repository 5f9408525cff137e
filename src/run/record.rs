//! Records outside git: the parameter that holds the last verified version of an environment.
//!
//! Written only after the commit point, and from the record in git alone: a writer that was stalled writes what is
//! verified now, not what was when it fell asleep.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::RunError;
use super::context::Context;
use super::driver::{Driver, Halt};
use crate::event::Level;
use crate::queue::{DatasetFile, Queue, RunId, Store, Ticket, Unrecorded};
use crate::ssm::{Between, Parameter, ParameterError, Written};

/// Tries of a write, the first one among them.
const TRIES: u32 = 3;
/// Pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the record may change while it is written.
const ROUNDS: u32 = 5;

/// What the parameter of an environment and dataset says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Name of the parameter.
    pub parameter: String,
    /// Its value, `None` if it was never written, or why it could not be read.
    pub value: Result<Option<String>, String>,
}

impl Outside {
    /// How it differs from the record, in words.
    pub fn drift(&self, verified: Option<&str>) -> Option<String> {
        let parameter = &self.parameter;
        match (&self.value, verified) {
            (Err(why), _) => Some(format!("parameter {parameter}: {why}")),
            (Ok(Some(value)), Some(verified)) if value != verified => {
                Some(format!("parameter {parameter} says {value}, verified was {verified}"))
            }
            (Ok(None), Some(verified)) => {
                Some(format!("parameter {parameter} does not exist, verified was {verified}"))
            }
            (Ok(Some(value)), None) => {
                Some(format!("parameter {parameter} says {value}, and nothing was verified yet"))
            }
            (Ok(_), _) => None,
        }
    }
}

/// What the parameter of an environment says now; `None` if it has none.
pub async fn outside(context: &Context, environment: &str, dataset: &str) -> Option<Outside> {
    let settings = context.config.environments.get(environment)?.ssm.as_ref()?;
    let value = async {
        let parameter = Parameter::open(&context.aws, settings, environment, dataset).await?;
        Ok::<_, ParameterError>(parameter.read().await?.map(|held| held.value))
    };
    Some(Outside {
        parameter: settings.name_for(environment, dataset),
        value: value.await.map_err(|error| error.to_string()),
    })
}

/// How parameters differ from the record, in words: what every run's check tells.
pub async fn drifts(context: &Context, queue: &Queue, environments: &[String], dataset: &str) -> Vec<String> {
    let looks = environments.iter().map(async |name| {
        let outside = Box::pin(outside(context, name, dataset)).await?;
        let verified = queue.current(name, dataset).map(|set| set.version.as_str());
        outside.drift(verified).map(|words| format!("{name}: {words}"))
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// Writes what the record says to the parameter of an environment, if it has one. The version that is there now.
///
/// # Errors
/// Why it could not be written, in words.
pub async fn settle(
    context: &Context,
    store: &Store,
    run: &RunId,
    environment: &str,
    dataset: &str,
) -> Result<Option<String>, String> {
    let known = context.config.environments.get(environment);
    let Some(settings) = known.and_then(|known| known.ssm.as_ref()) else { return Ok(None) };
    let parameter = Parameter::open(&context.aws, settings, environment, dataset)
        .await
        .map_err(|error| error.to_string())?;
    for _ in 0..ROUNDS {
        let Some(wanted) = verified(store, environment, dataset).await? else { return Ok(None) };
        let written = write(&parameter, &wanted).await.map_err(|error| error.to_string())?;
        let told = words(parameter.name(), &wanted, &written);
        if let Some((level, text)) = told {
            context.events.note(run, level, text);
        }
        // Somebody may have verified another version, or written the parameter, since it was read.
        let now = verified(store, environment, dataset).await?;
        let held = parameter.read().await.map_err(|error| error.to_string())?.map(|held| held.value);
        if now.as_ref() == Some(&wanted) && held.as_ref() == Some(&wanted) {
            return Ok(Some(wanted));
        }
        if held.as_ref() != Some(&wanted) {
            let held = held.unwrap_or_else(|| "nothing".to_owned());
            let text = format!("somebody else wrote {held} to parameter {} meanwhile", parameter.name());
            context.events.note(run, Level::Warning, text);
        }
    }
    Err(format!(
        "parameter {} is written by somebody else again and again: find out by whom",
        parameter.name()
    ))
}

async fn verified(store: &Store, environment: &str, dataset: &str) -> Result<Option<String>, String> {
    let seen = store.read().await.map_err(|error| error.to_string())?;
    Ok(seen.queue.current(environment, dataset).map(|set| set.version.clone()))
}

async fn write(parameter: &Parameter, value: &str) -> Result<Written, ParameterError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match parameter.write(value).await {
            Ok(written) => return Ok(written),
            Err(error @ (ParameterError::OtherType { .. } | ParameterError::Braces { .. })) => {
                return Err(error);
            }
            // A right that was granted just now takes seconds to be known everywhere.
            Err(error) => tracing::warn!(%error, "writing a parameter is tried again"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    parameter.write(value).await
}

fn words(name: &str, value: &str, written: &Written) -> Option<(Level, String)> {
    match written {
        Written::Already => None,
        Written::Now { before, between: Between::Nothing } => {
            let before =
                before.as_ref().map_or_else(|| "new".to_owned(), |held| format!("was {}", held.value));
            Some((Level::Info, format!("parameter {name}: {value} ({before})")))
        }
        Written::Now { between: Between::Writes(more), .. } => Some((
            Level::Warning,
            format!(
                "parameter {name}: {value}; it was written {more} more times meanwhile: by somebody else, \
                 or again because an answer of AWS was lost"
            ),
        )),
        Written::Now { between: Between::MadeAnew, .. } => Some((
            Level::Warning,
            format!("parameter {name}: {value}; somebody else deleted it and made it anew meanwhile"),
        )),
    }
}

/// What became of the parameters of a run's environments.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Environment and the version that its parameter says now.
    pub(super) written: Vec<(String, String)>,
    /// Environment and why its parameter could not be written.
    pub(super) owed: Vec<(String, Unrecorded)>,
}

impl Records {
    /// Why not all of them are written, in words.
    pub(super) fn reason(&self) -> Option<String> {
        let all: Vec<String> =
            self.owed.iter().map(|(name, owed)| format!("{name}: {}", owed.reason)).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Puts it into the queue.
    pub(super) fn keep(&self, queue: &mut Queue, dataset: &str) -> Result<(), crate::queue::Refusal> {
        for (name, version) in &self.written {
            queue.recorded(name, dataset, version)?;
        }
        for (name, owed) in &self.owed {
            queue.not_recorded(name, dataset, owed.clone())?;
        }
        Ok(())
    }
}

impl Driver {
    /// Writes the parameters of a run whose commit point is behind it, each on its own.
    pub(super) async fn record(&self) -> Result<Records, Halt> {
        let ticket = self.journal.ticket();
        let mut records = Records::default();
        for part in ticket.parts() {
            let name = &part.identity.name;
            self.journal.assure().await?;
            let store = self.journal.store();
            let work = settle(&self.context, store, &ticket.run, name, &ticket.dataset);
            // Whoever lost the run finishes this: a write that is under way may land, and only the looks after it tell.
            let done = tokio::select! {
                biased;
                () = self.context.signals.wait_for(2) => return Err(Halt::Stopped("second signal".to_owned())),
                done = work => done,
            };
            match done {
                Ok(version) => records.written.extend(version.map(|version| (name.clone(), version))),
                Err(reason) => {
                    self.context.events.note(&ticket.run, Level::Warning, format!("{name}: {reason}"));
                    records.owed.push((name.clone(), Unrecorded { reason, at: Timestamp::now() }));
                }
            }
        }
        Ok(records)
    }

    /// Brings the parameters of these environments to what is verified now; nothing fails by it.
    pub(super) async fn catch_up(&self, ticket: &Ticket) {
        let names: Vec<String> = ticket.parts().map(|part| part.identity.name.clone()).collect();
        for (name, done) in catch_up(&self.context, self.journal.store(), &ticket.run, &names).await {
            if let Err(reason) = done {
                let text = format!("{name}: {reason}");
                self.context.events.note(&ticket.run, Level::Warning, text);
            }
        }
    }
}

/// Brings the parameters of some environments to what the record says: `dataset in name` and how it went.
///
/// Those that are still owed, and those that say something else: a person wrote them, or a driver that had lost its run
/// and died before it could look again. What a started run names is its own driver's, unless that is `run`.
pub async fn catch_up(
    context: &Context,
    store: &Store,
    run: &RunId,
    environments: &[String],
) -> Vec<(String, Result<(), String>)> {
    let Ok(seen) = store.read().await else { return Vec::new() };
    let behind = join_all(pairs(&seen.queue, environments).map(async |(name, dataset, known)| {
        let behind = known.unrecorded.is_some()
            || !is_held(&seen.queue, run, name) && differs(context, name, dataset, known).await;
        behind.then_some((name, dataset))
    }));
    let mut done = Vec::new();
    for (name, dataset) in behind.await.into_iter().flatten() {
        let ended = match settle(context, store, run, name, dataset).await {
            Ok(Some(version)) => {
                paid(store, name, dataset, &version).await.map_err(|error| error.to_string())
            }
            Ok(None) => Ok(()),
            Err(reason) => Err(reason),
        };
        done.push((format!("{dataset} in {name}"), ended));
    }
    done
}

/// Some environments with what the queue knows of each dataset there.
fn pairs<'q>(
    queue: &'q Queue,
    environments: &'q [String],
) -> impl Iterator<Item = (&'q str, &'q str, &'q DatasetFile)> {
    environments.iter().filter_map(|name| Some((name, queue.environment(name)?))).flat_map(|(name, file)| {
        file.datasets.iter().map(move |(dataset, known)| (name.as_str(), dataset.as_str(), known))
    })
}

fn is_held(queue: &Queue, run: &RunId, environment: &str) -> bool {
    let others = queue.tickets.values().filter(|ticket| ticket.run != *run && ticket.state.holds());
    others.into_iter().any(|ticket| ticket.part(environment).is_some())
}

/// Whether a parameter says something else than the record. One that cannot be read is told elsewhere.
async fn differs(context: &Context, environment: &str, dataset: &str, known: &DatasetFile) -> bool {
    let Some(verified) = known.current() else { return false };
    let outside = Box::pin(outside(context, environment, dataset)).await;
    outside.is_some_and(|outside| outside.value.is_ok_and(|said| said.as_ref() != Some(&verified.version)))
}

async fn paid(store: &Store, environment: &str, dataset: &str, version: &str) -> Result<(), RunError> {
    let owed = |queue: &Queue| queue.unrecorded().contains(&(environment.to_owned(), dataset.to_owned()));
    if store.last().is_some_and(|seen| !owed(&seen.queue)) {
        return Ok(());
    }
    let subject = format!("{environment}: {dataset} {version} is recorded");
    Ok(store.change(&subject, |queue| queue.recorded(environment, dataset, version)).await?)
}
