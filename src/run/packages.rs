//! The packages of a run: there before anything is committed, promoted before the pin, unchanged at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::context::Context;
use super::driver::{Driver, Trouble};
use super::outside;
use crate::config::{Bucket, Pipeline, Promote};
use crate::data::{DataError, Limits, Package, Place, Progress, Promotion, Shelf, Work};
use crate::event::{Level, What};
use crate::queue::{CauseKind, EnvironmentFile, EnvironmentPart, PackageRecord, Queue, RunKind, Ticket};
use crate::report::size;

/// Pause between two looks while AWS is out of reach.
const PAUSE: Duration = Duration::from_secs(2);

/// What a look at the packages of a pipeline found.
#[derive(Debug, Default)]
pub struct Looked {
    /// Why the version cannot be deployed.
    pub obstacles: Vec<String>,
    /// What people should know before.
    pub notes: Vec<String>,
    /// The package of each environment that has a bucket, where it is there already.
    pub packages: BTreeMap<String, PackageRecord>,
    /// Environments whose packages have to be copied first, and how many objects.
    pub promotions: BTreeMap<String, usize>,
}

impl Looked {
    /// A package that is not there is an obstacle; a bucket that cannot be asked is an error.
    fn take<T>(&mut self, environment: &str, looked: Result<T, DataError>) -> Result<Option<T>, DataError> {
        match looked {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_of_package() => {
                self.obstacles.push(format!("{environment}: {error}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes what a promotion will do. Whether it has to fill the bucket; a package that is there already is one that
    /// has to stay as it is, like any other.
    fn plan_promotion(&mut self, environment: &str, work: &Work, promotion: &Promotion) -> bool {
        let fills = work.objects() > 0;
        if fills {
            self.notes.push(promoted_words(work, promotion));
            self.promotions.insert(environment.to_owned(), work.objects());
        } else {
            self.packages.insert(environment.to_owned(), record(promotion.to.place(), &work.there));
        }
        fills
    }
}

/// The records of environments, in this queue or another one.
pub struct Records<'a> {
    /// The pipeline's queue.
    pub queue: &'a Queue,
    /// Environments of other queues.
    pub elsewhere: &'a BTreeMap<String, EnvironmentFile>,
}

impl Records<'_> {
    /// Whether a package is still what an environment was verified with under that version.
    fn unchanged(
        &self,
        environment: &str,
        dataset: &str,
        version: &str,
        found: &PackageRecord,
    ) -> Result<(), DataError> {
        let file = self.queue.environment(environment).or_else(|| self.elsewhere.get(environment));
        let sets = file.and_then(|file| file.datasets.get(dataset)).map(|known| &known.verified[..]);
        let same = |set: &&crate::queue::VerifiedSet| {
            set.version == version && set.package.as_ref().is_some_and(|known| known.place == found.place)
        };
        let known = sets.unwrap_or_default().iter().rfind(same);
        match known {
            Some(set) if set.package.as_ref().is_some_and(|known| known.digest != found.digest) => {
                let verified = format!("was verified in `{environment}` by run {}", set.run);
                Err(DataError::Changed { place: found.place.clone(), verified })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Looks at every package that a pipeline needs. Only reads.
///
/// # Errors
/// A bucket could not be asked.
pub async fn look(
    context: &Context,
    records: &Records<'_>,
    pipeline: &Pipeline,
    version: &str,
) -> Result<Looked, DataError> {
    let mut looked = Looked::default();
    // What a promotion of this run fills is not there yet.
    let mut filled: Vec<Place> = Vec::new();
    let dataset = &pipeline.dataset;
    for stage in &pipeline.stages {
        for name in &stage.environments {
            let Some(place) = place(context, name, dataset, version) else { continue };
            if filled.contains(&place) {
                continue;
            }
            match &stage.promote {
                Some(promote) => {
                    let work = planned(context, records, promote, name, dataset, version).await;
                    if let Some((work, promotion)) = looked.take(name, work)?
                        && looked.plan_promotion(name, &work, &promotion)
                    {
                        filled.push(place);
                    }
                }
                None => {
                    let found = complete(context, place)
                        .await
                        .and_then(|found| records.unchanged(name, dataset, version, &found).map(|()| found));
                    let found = looked.take(name, found)?;
                    looked.packages.extend(found.map(|found| (name.clone(), found)));
                }
            }
        }
    }
    Ok(looked)
}

fn promoted_words(work: &Work, promotion: &Promotion) -> String {
    let (from, to) = (promotion.from.place(), promotion.to.place());
    format!("{} objects ({}) are copied from {from} to {to} first", work.objects(), size(work.bytes()))
}

/// Where an environment's package is; `None` if it has no bucket.
fn place(context: &Context, environment: &str, dataset: &str, version: &str) -> Option<Place> {
    Some(Place::of(bucket(context, environment)?, environment, dataset, version))
}

fn bucket<'c>(context: &'c Context, environment: &str) -> Option<&'c Bucket> {
    context.config.environments.get(environment)?.bucket.as_ref()
}

async fn complete(context: &Context, place: Place) -> Result<PackageRecord, DataError> {
    let shelf = Shelf::open(&context.aws, place).await?;
    let package = shelf.complete().await?;
    Ok(record(shelf.place(), &package))
}

fn record(place: &Place, package: &Package) -> PackageRecord {
    PackageRecord {
        place: place.to_string(),
        digest: package.digest(),
        objects: package.objects.len() as u64,
        bytes: package.bytes(),
    }
}

/// A promotion and what it has to do, once its source is what was verified there, and so is its target if it is full.
///
/// # Errors
/// One of them is missing, not complete or changed, the target has other bytes, or a bucket could not be asked.
pub async fn planned(
    context: &Context,
    records: &Records<'_>,
    promote: &Promote,
    to: &str,
    dataset: &str,
    version: &str,
) -> Result<(Work, Promotion), DataError> {
    let promotion = promotion(context, promote, to, dataset, version).await?;
    let work = promotion.plan().await?;
    let source = record(promotion.from.place(), &work.package);
    records.unchanged(&promote.from, dataset, version, &source)?;
    if work.objects() == 0 {
        records.unchanged(to, dataset, version, &record(promotion.to.place(), &work.there))?;
    }
    Ok((work, promotion))
}

async fn promotion(
    context: &Context,
    promote: &Promote,
    to: &str,
    dataset: &str,
    version: &str,
) -> Result<Promotion, DataError> {
    let (from, to) = (place(context, &promote.from, dataset, version), place(context, to, dataset, version));
    // `load` refuses a promotion without both buckets.
    let missing = || DataError::Missing { place: "an environment without `bucket`".to_owned() };
    let (from, to) = (from.ok_or_else(missing)?, to.ok_or_else(missing)?);
    let from = from.read_by(&to.access);
    Ok(Promotion {
        from: Shelf::open(&context.aws, from).await?,
        to: Shelf::open(&context.aws, to).await?,
        limits: Limits::default(),
        timeout: promote.timeout,
        begun: Instant::now(),
    })
}

impl Driver {
    /// Fills the buckets of a stage, and looks whether its packages are what they were when the run was checked.
    pub(super) async fn provide(&self, stage: usize) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        if matches!(ticket.kind, RunKind::Rollback { .. }) {
            return Ok(());
        }
        // One that is in no configuration any more was found out when the run began.
        let pipeline = self.pipeline(&ticket).ok();
        let promote = pipeline.as_ref().and_then(|pipeline| pipeline.stages.get(stage)?.promote.clone());
        // one limit for all that the stage fills
        let begun = Instant::now();
        for part in &ticket.stages[stage].environments {
            let name = &part.identity.name;
            let Some(place) = place(&self.context, name, &ticket.dataset, &ticket.version) else { continue };
            let found = match &promote {
                Some(promote) => self.promote(&ticket, pipeline.as_ref(), (promote, begun), name).await?,
                None => self.package(name, &place).await?,
            };
            self.as_before(part, &found)?;
            self.journal.note(|ticket| {
                for part in ticket.parts_mut().filter(|part| part.identity.name == *name) {
                    part.package = Some(found.clone());
                }
            });
        }
        Ok(())
    }

    /// Fills the bucket of an environment, in what is left of the stage's time since `begun`.
    async fn promote(
        &self,
        ticket: &Ticket,
        pipeline: Option<&Pipeline>,
        (promote, begun): (&Promote, Instant),
        to: &str,
    ) -> Result<PackageRecord, Trouble> {
        let elsewhere = match pipeline {
            Some(pipeline) => self.elsewhere(pipeline).await?,
            None => BTreeMap::new(),
        };
        // a long copy survives an outage of S3 in its last minutes, too
        let patience = self.patience(to).max(promote.timeout.saturating_sub(begun.elapsed()));
        self.answered(to, patience, || async {
            let seen = self.journal.store().last();
            let empty = Queue::default();
            let queue = seen.as_ref().map_or(&empty, |seen| &seen.queue);
            let records = Records { queue, elsewhere: &elsewhere };
            let (dataset, version) = (&ticket.dataset, &ticket.version);
            let (work, planned) = planned(&self.context, &records, promote, to, dataset, version).await?;
            let promotion = Promotion { begun, ..planned };
            let hear = |progress: Progress| self.context.events.tell(&ticket.run, told(to, progress));
            let package = promotion.carry_out(&work, hear).await?;
            Ok(record(promotion.to.place(), &package))
        })
        .await
    }

    /// Records of environments in other queues: what is copied has to be what was verified there.
    async fn elsewhere(&self, pipeline: &Pipeline) -> Result<BTreeMap<String, EnvironmentFile>, Trouble> {
        let read = outside::elsewhere(&self.context, self.journal.store(), pipeline);
        let found = self.unless_cancelled(read).await?;
        found.map_err(|error| Trouble::back(CauseKind::Unreachable, error.to_string()))
    }

    /// Whether the packages are still those that were deployed. Other bytes under the same name are refused.
    pub(super) async fn packages_unchanged(&self, ticket: &Ticket) -> Result<(), Trouble> {
        for part in ticket.parts().filter(|part| part.package.is_some()) {
            let name = &part.identity.name;
            let Some(place) = place(&self.context, name, &ticket.dataset, &ticket.version) else { continue };
            self.as_before(part, &self.package(name, &place).await?)?;
        }
        Ok(())
    }

    async fn package(&self, environment: &str, place: &Place) -> Result<PackageRecord, Trouble> {
        let ask = || complete(&self.context, place.clone());
        self.answered(environment, self.patience(environment), ask).await
    }

    /// Environments that read the same place read the same bytes: what one was tested with is what the next one gets.
    fn as_before(&self, part: &EnvironmentPart, found: &PackageRecord) -> Result<(), Trouble> {
        let ticket = self.journal.ticket();
        let mut known = ticket.parts().filter_map(|part| part.package.as_ref());
        if known.all(|before| before.place != found.place || before.digest == found.digest) {
            return Ok(());
        }
        let verified = "this run began with".to_owned();
        let changed = DataError::Changed { place: found.place.clone(), verified };
        Err(Trouble::back(CauseKind::NotAllowed, format!("{}: {changed}", part.identity.name)))
    }

    /// How long a bucket may be out of reach: as long as a deployment there may take.
    fn patience(&self, environment: &str) -> Duration {
        let known = self.context.config.environments.get(environment);
        known.map_or(Duration::from_secs(60), |known| known.sync_timeout)
    }

    /// Asks a bucket, again while it is out of reach, until the limit is over.
    async fn answered<T, F: Future<Output = Result<T, DataError>>>(
        &self,
        environment: &str,
        limit: Duration,
        ask: impl Fn() -> F,
    ) -> Result<T, Trouble> {
        let begun = Instant::now();
        loop {
            let error = match self.unless_cancelled(ask()).await? {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let text = format!("{environment}: {error}");
            if error.is_of_package() {
                return Err(Trouble::back(CauseKind::NotAllowed, text));
            }
            if !error.is_transient() || begun.elapsed() > limit {
                return Err(Trouble::back(CauseKind::Unreachable, text));
            }
            self.context.events.note(&self.journal.run(), Level::Warning, format!("{text}; tried again"));
            self.unless_cancelled(tokio::time::sleep(PAUSE)).await?;
        }
    }
}

/// Progress as an event.
pub fn told(environment: &str, progress: Progress) -> What {
    What::Promoting {
        environment: environment.to_owned(),
        objects: progress.objects,
        of_objects: progress.of_objects,
        bytes: progress.bytes,
        of_bytes: progress.of_bytes,
        left: progress.left.map(|left| left.as_secs()),
    }
}
