//! Commands that only look.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use clap::Args;

use super::merge_request::{CheckedRequest, Judged, Request};
use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Common, Output, edge, live};
use crate::exit::Exit;
use crate::plan::{Files, FilesError, frozen, held};
use crate::queue::{HistoryLine, Queue, Role, Seen, SetValue, blocking};
use crate::render::Helmfile;
use crate::repo::CommitId;
use crate::report::{
    EnvironmentStatus, Recorded, StatusView, VerifiedOn, history_json, history_text, status_json, status_text,
};
use crate::run::context::Context;
use crate::run::limits::too_long;
use crate::run::merge_request::is_as_before;
use crate::run::outside::OutsideError;
use crate::run::probe::{Probes, probe};
use crate::run::{RunError, outside, protected, reconcile, record};

/// Shows what every environment is on.
#[derive(Debug, Args)]
pub struct Status {
    /// Only this environment.
    #[arg(long)]
    pub environment: Option<String>,
}

/// Checks the configuration and whether every pin resolves.
#[derive(Debug, Args)]
pub struct Check {
    /// Tries every agent and gate too, names the rights that are missing, prints a role that grants them, and warns if
    /// `reconcile` did not run for an hour.
    #[arg(long)]
    pub live: bool,
    /// The merge request of this pipeline.
    #[command(flatten)]
    pub request: CheckedRequest,
    /// How long this job may take, in seconds: pipelines that may take longer are named.
    #[arg(long, env = "CI_JOB_TIMEOUT", value_name = "SECONDS")]
    pub job_timeout: Option<u64>,
}

/// Shows how runs ended.
#[derive(Debug, Args)]
pub struct History {
    /// Only runs of this environment.
    #[arg(long)]
    pub environment: Option<String>,
    /// How many.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub limit: usize,
    /// Name of the queue in datapin.toml.
    #[arg(long, default_value = "default")]
    pub queue: String,
}

/// `datapin status`.
pub async fn status(common: &Common, args: &Status) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let context = &stage.context;
    if let Some(name) = &args.environment {
        context.config.environment(name)?;
    }
    let only = |name: &String| args.environment.as_ref().is_none_or(|only| only == name);
    let names: Vec<String> = context.config.environments.keys().filter(|name| only(name)).cloned().collect();
    let mut seen = Looks::default();
    let mut environments = Vec::new();
    for name in &names {
        seen.look(context, name, &names).await?;
        for dataset in context.config.datasets_of(name) {
            environments.push(environment(context, &seen, name, &dataset).await?);
        }
    }
    let view = StatusView { environments };
    emit(&match common.output {
        Output::Text => status_text(&view, edge::look(common).color),
        Output::Json => status_json(&view),
    });
    stage.close().await;
    Ok(Exit::Ok)
}

/// The last run of each environment is looked for in so many.
const RUNS: usize = 2000;

/// What the server said; each branch is asked for once, however many environments it has.
#[derive(Default)]
struct Looks {
    queues: BTreeMap<String, (Seen, Vec<HistoryLine>)>,
    tips: BTreeMap<String, Option<CommitId>>,
}

impl Looks {
    /// Looks at the queue and the target branch of an environment.
    async fn look(&mut self, context: &Context, name: &str, all: &[String]) -> Result<(), CommandError> {
        let queue = &context.config.queue_of_environment(name).name;
        if !self.queues.contains_key(queue) {
            let mine = |name: &&String| context.config.queue_of_environment(name).name == *queue;
            let wanted: Vec<String> = all.iter().filter(mine).cloned().collect();
            let enough = move |lines: &[HistoryLine]| {
                lines.len() >= RUNS || wanted.iter().all(|name| lines.iter().any(|line| names(line, name)))
            };
            let read = context.queue_store(queue).read_with_history(enough).await?;
            self.queues.insert(queue.clone(), read);
        }
        let branch = context.plan_target().identity(&context.config, name).branch;
        if let Entry::Vacant(new) = self.tips.entry(branch) {
            let (repo, branch) = (context.target.clone(), new.key().clone());
            let tip = blocking(move || repo.fetch(&branch).map_err(FilesError::from)).await;
            new.insert(tip.map_err(|error| not_held(name, error))?);
        }
        Ok(())
    }
}

fn names(line: &HistoryLine, environment: &str) -> bool {
    line.environments.iter().any(|one| one == environment)
}

fn not_held(environment: &str, source: FilesError) -> CommandError {
    let source = crate::plan::PlanError::Files { environment: environment.to_owned(), source };
    RunError::Outside(OutsideError::Plan(source)).into()
}

async fn environment(
    context: &Context,
    seen: &Looks,
    name: &str,
    dataset: &str,
) -> Result<EnvironmentStatus, CommandError> {
    let branch = context.plan_target().identity(&context.config, name).branch;
    let held = match seen.tips.get(&branch).cloned().flatten() {
        Some(tip) => held_at(context, name, dataset, tip).await.map_err(|error| not_held(name, error))?,
        None => Vec::new(),
    };
    let known = seen.queues.get(&context.config.queue_of_environment(name).name);
    let none = (&Queue::default(), [].as_slice());
    let (queue, lines) = known.map_or(none, |(seen, lines)| (&*seen.queue, lines.as_slice()));
    let file = queue.environment(name);
    let current = queue.current(name, dataset);
    let holder = queue.tickets.values().find(|ticket| ticket.state.holds() && ticket.part(name).is_some());
    let outside = Box::pin(record::outside(context, name, dataset)).await;
    let mut differing: Vec<String> = held
        .iter()
        .filter_map(|held| {
            let set = current?.value(&held.place)?;
            (set.text != held.text)
                .then(|| format!("{} holds {}, verified was {}", held.service, held.text, set.text))
        })
        .collect();
    let verified = current.map(|set| set.version.as_str());
    differing.extend(outside.as_ref().and_then(|outside| outside.drift(verified)));
    Ok(EnvironmentStatus {
        name: name.to_owned(),
        dataset: dataset.to_owned(),
        version_verified: current.map(|set| VerifiedOn {
            version: set.version.clone(),
            commit: set.commit.clone(),
            at: set.at,
        }),
        pinned: held
            .iter()
            .filter(|value| value.role == Role::Pin)
            .map(|value| (value.service.clone(), value.text.clone()))
            .collect(),
        recorded: outside.map(|outside| Recorded {
            parameter: outside.parameter,
            trouble: outside.value.as_ref().err().cloned(),
            value: outside.value.ok().flatten(),
        }),
        drift: (!differing.is_empty()).then(|| differing.join("; ")),
        frozen: file.and_then(|file| frozen(file, jiff::Timestamp::now())),
        holder: holder.map(|ticket| {
            format!("#{} {} {} ({})", ticket.number, ticket.title(), ticket.version, ticket.actor)
        }),
        rejected: file
            .and_then(|file| file.datasets.get(dataset))
            .map(|dataset| dataset.rejected.iter().map(|one| one.version.clone()).collect())
            .unwrap_or_default(),
        last: lines.iter().find(|line| names(line, name)).cloned(),
    })
}

async fn now_held(context: &Context, name: &str, dataset: &str) -> Result<Vec<SetValue>, FilesError> {
    let branch = context.plan_target().identity(&context.config, name).branch;
    let repo = context.target.clone();
    match blocking(move || repo.fetch(&branch).map_err(FilesError::from)).await? {
        Some(tip) => held_at(context, name, dataset, tip).await,
        None => Ok(Vec::new()),
    }
}

async fn held_at(
    context: &Context,
    name: &str,
    dataset: &str,
    tip: CommitId,
) -> Result<Vec<SetValue>, FilesError> {
    let (repo, places) = (context.target.clone(), context.config.places(name, dataset));
    blocking(move || held(&mut Files::at(&repo, &tip), &places)).await
}

/// `datapin history`.
pub async fn history(common: &Common, args: &History) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    stage.context.config.queue(&args.queue)?;
    if let Some(name) = &args.environment {
        stage.context.config.environment(name)?;
    }
    let store = stage.context.queue_store(&args.queue);
    let (limit, only) = (args.limit, args.environment.clone());
    let wanted = move |line: &HistoryLine| only.as_ref().is_none_or(|only| line.environments.contains(only));
    let enough = wanted.clone();
    let lines = store.history(move |lines| lines.iter().filter(|line| enough(line)).count() >= limit).await?;
    let shown: Vec<HistoryLine> = lines.into_iter().filter(|line| wanted(line)).take(limit).collect();
    emit(&match common.output {
        Output::Text => history_text(&shown, edge::look(common).color),
        Output::Json => history_json(&shown),
    });
    stage.close().await;
    Ok(Exit::Ok)
}

/// `datapin check`: everything that can be checked without writing; with `--live` also what clusters and AWS say.
pub async fn check(common: &Common, args: &Check) -> Result<Exit, CommandError> {
    let stage = Stage::look(common)?;
    let context = &stage.context;
    let gates: Vec<String> = context.config.gates.keys().cloned().collect();
    context.gates(&gates).map_err(|error| CommandError::Usage(error.to_string()))?;
    let request = Request::of(context, &args.request).await?;
    let (mut problems, mut without, mut good) = (Vec::new(), Vec::new(), 0);
    for name in context.config.environments.keys() {
        for dataset in context.config.datasets_of(name) {
            match resolved(common, context, request.as_ref(), (name, &dataset)).await {
                Resolved::There(count) => good += count,
                Resolved::Not(problem) => problems.push(problem),
                Resolved::NotBefore(problem) => without.push(problem),
            }
        }
    }
    for name in context.config.queues.keys() {
        if let Err(error) = outside::queue(context, name).await {
            problems.push(format!("queue `{name}`: {error}"));
        }
    }
    if let Some(Err(error)) = context.helmfile.as_ref().map(Helmfile::findable) {
        problems.push(error.to_string());
    }
    let live = match args.live {
        true => Some(probe(context).await.map_err(|error| CommandError::Usage(error.to_string()))?),
        false => None,
    };
    let seconds = args.job_timeout.map(std::time::Duration::from_secs);
    let mut warnings = seconds.map(|job| too_long(&context.config, job)).unwrap_or_default();
    if args.live {
        warnings.extend(reconcile::missing(context).await);
    }
    warnings.extend(protected::denied(context, context.config.environments.keys().map(String::as_str)).await);
    warnings.extend(without);
    let lives = live.as_ref().map_or(Exit::Ok, live::exit);
    let judged = match &request {
        Some(request) => Some(request.judged(context, &problems, lives).await?),
        None => None,
    };
    stage.close().await;
    let said =
        Said { good, problems: &problems, warnings: &warnings, live: live.as_ref(), judged: judged.as_ref() };
    emit(&checked(common, &said));
    match judged {
        _ if !problems.is_empty() => Ok(Exit::Usage),
        Some(judged) => Ok(judged.verdict.exit),
        None => Ok(lives),
    }
}

/// What a check finds at the pins and settable values of an environment.
enum Resolved {
    /// So many.
    There(usize),
    /// They cannot be read.
    Not(String),
    /// Nor could they be before the merge request, which is not what it is about.
    NotBefore(String),
}

/// A merge request is looked at as it is, and what it does not touch at its branch's tip.
async fn resolved(
    common: &Common,
    context: &Context,
    request: Option<&Request>,
    (name, dataset): (&str, &str),
) -> Resolved {
    let branch = context.plan_target().identity(&context.config, name).branch;
    let range = request.and_then(|request| request.into_branch(&branch));
    let held = match range {
        Some(range) => held_at(context, name, dataset, range.commit.clone()).await,
        None => now_held(context, name, dataset).await,
    };
    let problem = match held {
        Ok(held) if held.is_empty() => return Resolved::Not(format!("{name}: its branch does not exist")),
        Ok(held) => return Resolved::There(held.len()),
        Err(error) => format!("{name}: {error}"),
    };
    let same = match range {
        Some(range) => is_as_before(context, range, &edge::config_name(common), (name, dataset)).await,
        None => Ok(false),
    };
    match same {
        Ok(true) => Resolved::NotBefore(format!("{problem}; this merge request leaves it as it was")),
        Ok(false) | Err(_) => Resolved::Not(problem),
    }
}

/// What a check has to say.
struct Said<'a> {
    good: usize,
    problems: &'a [String],
    warnings: &'a [String],
    live: Option<&'a Probes>,
    judged: Option<&'a Judged>,
}

fn checked(common: &Common, said: &Said<'_>) -> String {
    let Said { good, problems, warnings, live, judged } = said;
    match common.output {
        Output::Json => {
            let mut json = serde_json::json!({ "schema": 1, "resolved": good, "problems": problems });
            if !warnings.is_empty() {
                json["warnings"] = serde_json::json!(warnings);
            }
            if let Some(live) = live {
                json["live"] = live::json(live);
            }
            if let Some(judged) = judged {
                json["merge_request"] = judged.json();
            }
            format!("{json:#}\n")
        }
        Output::Text => {
            let mut text: String = problems.iter().map(|problem| format!("error: {problem}\n")).collect();
            text.extend(warnings.iter().map(|warning| format!("warning: {warning}\n")));
            text.push_str(&format!("{good} pins and settable values resolve, {} problems\n", problems.len()));
            text.push_str(&live.map(live::text).unwrap_or_default());
            text.push_str(&judged.map(Judged::text).unwrap_or_default());
            text
        }
    }
}
