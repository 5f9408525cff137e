//! `datapin promote`: a package on its way from one bucket to another. Deploys nothing, and needs no queue's turn.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;

use super::output::emit;
use super::stage::{CommandError, Stage};
use super::{Common, Output};
use crate::config;
use crate::data::{DataError, Promotion, Work};
use crate::event::{Level, What};
use crate::exit::Exit;
use crate::plan;
use crate::queue::{EnvironmentFile, RunId, Standing};
use crate::report::size;
use crate::run::context::Context;
use crate::run::outside::OutsideError;
use crate::run::packages::{self, Records};
use crate::run::{RunError, dataset_of};

/// Copies a package to the bucket of an environment.
#[derive(Debug, Args)]
pub struct Promote {
    /// Environment whose bucket is filled.
    #[arg(env = "DATAPIN_ENVIRONMENT")]
    pub environment: String,
    /// Data version.
    #[arg(env = "DATAPIN_VERSION", allow_hyphen_values = true)]
    pub version: String,
    /// Dataset, where the environment has more than one.
    #[arg(long, env = "DATAPIN_DATASET")]
    pub dataset: Option<String>,
    /// Environment that it comes from, where `promote` of the pipelines does not say it.
    #[arg(long)]
    pub from: Option<String>,
    /// Says how many objects and bytes would be copied, and copies nothing.
    #[arg(long, env = "DATAPIN_DRY_RUN")]
    pub dry_run: bool,
}

/// `datapin promote`.
pub async fn promote(common: &Common, args: &Promote) -> Result<Exit, CommandError> {
    let stage = Stage::open(common)?;
    let done = promote_on(&stage.context, common, args).await;
    stage.close().await;
    done
}

async fn promote_on(context: &Context, common: &Common, args: &Promote) -> Result<Exit, CommandError> {
    let (to, version) = (&args.environment, &args.version);
    context.config.environment(to)?;
    let dataset = dataset_of(context, to, args.dataset.as_deref())?;
    context.config.check_version(&dataset, version).map_err(CommandError::Usage)?;
    let from = source(&context.config, args)?;
    let timeout = timeout(&context.config, &from, to);
    let promote = config::Promote { from, timeout };
    let (from, target) = (context.config.environment(&promote.from)?, context.config.environment(to)?);
    if let Some(reason) = config::cannot_promote(from, target, &dataset) {
        let (from, to) = (&from.name, &target.name);
        return Err(CommandError::Usage(format!(
            "nothing can be promoted from `{from}` to `{to}`: {reason}"
        )));
    }
    let nowhere = std::collections::BTreeMap::new();
    let seen = context.queue_store(&from.queue.clone()).read().await?;
    let source = seen.queue.environment(&promote.from);
    if let Some(text) = source.and_then(|file| plan::rejected(file, &dataset, version)) {
        return Err(RunError::NotAllowed(text).into());
    }
    if !source.is_some_and(|file| was_verified(file, &dataset, version)) {
        let text = format!(
            "{dataset} {version} was never verified in `{}`: the copy is what is there now, tested or not",
            promote.from
        );
        context.events.note(&RunId(String::new()), Level::Warning, text);
    }
    let records = Records { queue: &seen.queue, elsewhere: &nowhere };
    let planned = packages::planned(context, &records, &promote, to, &dataset, version).await;
    let (work, promotion) = planned.map_err(failed)?;
    if !args.dry_run {
        carry_out(context, to, &promotion, &work).await?;
    }
    emit(&said(common, args, &promotion, &work));
    Ok(Exit::Ok)
}

async fn carry_out(
    context: &Context,
    to: &str,
    promotion: &Promotion,
    work: &Work,
) -> Result<(), CommandError> {
    let nobody = RunId(String::new());
    // A log keeps a line now and then, a machine every step.
    let hear = |progress| {
        let What::Promoting { objects, of_objects, bytes, of_bytes, left, .. } = packages::told(to, progress)
        else {
            return;
        };
        let text = crate::report::copied((objects, of_objects), (bytes, of_bytes), left);
        context.events.note(&nobody, Level::Info, text);
    };
    let copy = promotion.carry_out(work, hear);
    let ended = tokio::select! {
        biased;
        () = context.signals.wait_for(1) => Err(RunError::Unreachable(
            "stopped by a signal; what was copied stays, and the next `datapin promote` copies the rest".to_owned(),
        ).into()),
        done = copy => done.map(|_| ()).map_err(failed),
    };
    promotion.to.tidied().await;
    ended
}

fn was_verified(file: &EnvironmentFile, dataset: &str, version: &str) -> bool {
    let sets = file.datasets.get(dataset).map(|known| &known.verified[..]).unwrap_or_default();
    sets.iter().any(|set| set.version == version && set.standing == Standing::Good)
}

fn failed(error: DataError) -> CommandError {
    CommandError::Run(RunError::Outside(OutsideError::Data(error)))
}

/// How long the copy may take: as long as the stages that make it allow.
fn timeout(config: &config::Config, from: &str, to: &String) -> Duration {
    let stages = config.pipelines.values().flat_map(|pipeline| &pipeline.stages);
    let promotes =
        stages.filter(|stage| stage.environments.contains(to)).filter_map(|stage| stage.promote.as_ref());
    let named = promotes.filter(|promote| promote.from == from).map(|promote| promote.timeout);
    named.max().unwrap_or(config::Promote::TIMEOUT)
}

/// Where the package comes from: `--from`, else what the pipelines say.
fn source(config: &config::Config, args: &Promote) -> Result<String, CommandError> {
    if let Some(from) = &args.from {
        return Ok(from.clone());
    }
    let stages = config.pipelines.values().flat_map(|pipeline| &pipeline.stages);
    let named: BTreeSet<&String> = stages
        .filter(|stage| stage.environments.contains(&args.environment))
        .filter_map(|stage| Some(&stage.promote.as_ref()?.from))
        .collect();
    let mut named = named.into_iter();
    match (named.next(), named.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err(CommandError::Usage(format!(
            "no stage of `{}` has `promote`: say where the package comes from with --from",
            args.environment
        ))),
        (Some(one), Some(other)) => Err(CommandError::Usage(format!(
            "packages of `{}` come from `{one}` or `{other}`: say which with --from",
            args.environment
        ))),
    }
}

fn said(common: &Common, args: &Promote, promotion: &Promotion, work: &Work) -> String {
    let (from, to) = (promotion.from.place(), promotion.to.place());
    let (objects, bytes) = (work.objects(), work.bytes());
    let there = work.package.objects.len() - objects;
    match common.output {
        Output::Json => {
            let document = serde_json::json!({
                "schema": 1, "from": from.to_string(), "to": to.to_string(), "dry_run": args.dry_run,
                "objects": objects, "bytes": bytes, "there": there, "digest": work.package.digest(),
            });
            // after the lines that tell how far it is, each of them JSON as well
            format!("{document}\n")
        }
        Output::Text => {
            let verb = if args.dry_run { "would be copied" } else { "copied" };
            format!("{objects} objects ({}) {verb} from {from} to {to}; {there} were there\n", size(bytes))
        }
    }
}
