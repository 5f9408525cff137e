//! The way of a package from one bucket to another, on S3's side: the bytes never come here.
//!
//! Only what is missing is copied, so that a run that was killed is finished by the next one. What is written last
//! (marker or manifest) is copied last: nobody reads half a package. Other bytes are never overwritten.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;

use super::compare::{Same, same};
use super::manifest::named;
use super::{DataError, Limits, Object, Package, Shelf};
use crate::report;

/// Objects that are compared side by side, where a listing does not show it.
const SIDE_BY_SIDE: usize = 32;
/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// A promotion.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// Where the package is, read by the target's principal.
    pub from: Shelf,
    /// Where it goes.
    pub to: Shelf,
    /// How much at once.
    pub limits: Limits,
    /// How long it may take.
    pub timeout: Duration,
    /// Since when that counts.
    pub begun: Instant,
}

/// What is left to be copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// The package at the source.
    pub package: Package,
    /// What the target has.
    pub there: Package,
    /// What the target lacks, without what is written last.
    pub copy: Vec<Object>,
    /// What is written last, if the target lacks it.
    pub last: Option<Object>,
}

impl Work {
    /// Objects that are left.
    pub fn objects(&self) -> usize {
        self.copy.len() + usize::from(self.last.is_some())
    }

    /// Bytes that are left.
    pub fn bytes(&self) -> u64 {
        self.copy.iter().chain(&self.last).map(|object| object.size).sum()
    }
}

/// How far a promotion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Objects that were copied.
    pub objects: usize,
    /// Objects that have to be.
    pub of_objects: usize,
    /// Bytes that were copied.
    pub bytes: u64,
    /// Bytes that have to be.
    pub of_bytes: u64,
    /// Time that is left, as it went until now.
    pub left: Option<Duration>,
}

/// Objects and bytes that were copied.
#[derive(Debug, Default)]
struct Copied {
    objects: AtomicUsize,
    bytes: AtomicU64,
}

impl Copied {
    fn add(&self, size: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
    }

    fn so_far(&self) -> (usize, u64) {
        (self.objects.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl Promotion {
    /// What has to be copied. Writes nothing; one listing on each side, if the tags are the same.
    ///
    /// # Errors
    /// The source is not complete, the target has other bytes, or one of them could not be looked at.
    pub async fn plan(&self) -> Result<Work, DataError> {
        let (from, to) = tokio::try_join!(self.from.complete(), self.to.package())?;
        self.compare(from, to).await
    }

    async fn compare(&self, from: Package, to: Package) -> Result<Work, DataError> {
        let missing: Vec<Object> =
            from.objects.iter().filter(|one| to.object(&one.key).is_none()).cloned().collect();
        let extra = to.objects.iter().filter(|one| from.object(&one.key).is_none());
        let mut wrong: Vec<String> = extra.map(|one| format!("`{}` is not in the source", one.key)).collect();
        let pairs = from.objects.iter().filter_map(|one| Some((one, to.object(&one.key)?)));
        let looks = pairs.filter(|(one, other)| !one.same_by_listing(other));
        let looks = looks.map(|(one, other)| async move {
            let found = same((&self.from, one), (&self.to, other)).await?;
            Ok::<_, DataError>(match found {
                Same::Yes => None,
                Same::No => Some(format!("`{}` has other bytes", one.key)),
                Same::Unknown => Some(format!(
                    "`{}` has the same size, but S3 keeps no checksum by which its bytes could be proven equal (upload it with SHA-256 or CRC64NVME)",
                    one.key
                )),
            })
        });
        let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
        while let Some(look) = looks.next().await {
            wrong.extend(look?);
        }
        drop(looks);
        if !wrong.is_empty() {
            wrong.sort();
            let (from, to) = (self.from.place().to_string(), self.to.place().to_string());
            return Err(DataError::Different { from, to, what: named(&wrong) });
        }
        let last = self.from.place().complete.last();
        let (mut at_last, copy): (Vec<Object>, Vec<Object>) =
            missing.into_iter().partition(|one| last == Some(one.key.as_str()));
        Ok(Work { package: from, there: to, copy, last: at_last.pop() })
    }

    /// Copies what is left, and proves that the target then has the same bytes. Returns the package there.
    ///
    /// May be dropped at any time: the next one copies the rest.
    ///
    /// # Errors
    /// A copy failed, the time is over, or the target came to hold something else meanwhile.
    pub async fn carry_out(&self, work: &Work, hear: impl Fn(Progress)) -> Result<Package, DataError> {
        let copied = Copied::default();
        // one that has nothing left to copy is not late: another environment of the stage filled the same place
        let left = match work.objects() {
            0 => Duration::MAX,
            _ => self.timeout.saturating_sub(self.begun.elapsed()),
        };
        let filled = tokio::time::timeout(left, self.fill(work, hear, &copied)).await;
        let done = filled.unwrap_or_else(|_| Err(self.out_of_time(work, &copied)));
        if done.is_err() {
            self.to.tidied().await;
        }
        done
    }

    fn out_of_time(&self, work: &Work, copied: &Copied) -> DataError {
        let (objects, bytes) = copied.so_far();
        DataError::OutOfTime {
            from: self.from.place().to_string(),
            to: self.to.place().to_string(),
            limit: self.timeout,
            copied: report::copied((objects, work.objects()), (bytes, work.bytes()), None),
        }
    }

    async fn fill(&self, work: &Work, hear: impl Fn(Progress), done: &Copied) -> Result<Package, DataError> {
        let begun = Instant::now();
        let mut told = begun;
        let (of_objects, of_bytes) = (work.objects(), work.bytes());
        let mut copies = stream::iter(
            work.copy.iter().map(|object| async move { self.copy(object).await.map(|()| object.size) }),
        )
        .buffer_unordered(self.limits.objects);
        while let Some(copied) = copies.next().await {
            done.add(copied?);
            if told.elapsed() >= TELL {
                told = Instant::now();
                let (objects, bytes) = done.so_far();
                let left = time_left(begun.elapsed(), (objects, of_objects), (bytes, of_bytes));
                hear(Progress { objects, of_objects, bytes, of_bytes, left });
            }
        }
        drop(copies);
        if work.objects() == 0 {
            return self.to.completed(work.there.clone()).await;
        }
        // All others are there, and are what they should be: only then may somebody read it.
        let there = self.to.package().await?;
        let rest = self.compare(work.package.clone(), there).await?;
        for object in rest.copy.iter().chain(&rest.last) {
            self.copy(object).await?;
        }
        hear(Progress { objects: of_objects, of_objects, bytes: of_bytes, of_bytes, left: None });
        self.to.complete().await
    }
}

/// By bytes and by objects, whichever takes longer: small objects take as long as they are many.
fn time_left(
    spent: Duration,
    (objects, of_objects): (usize, usize),
    (bytes, of_bytes): (u64, u64),
) -> Option<Duration> {
    let share = |done: f64, all: f64| if all > 0.0 { done / all } else { 1.0 };
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let done = share(objects as f64, of_objects as f64).min(share(bytes as f64, of_bytes as f64));
    (done > 0.0)
        .then(|| Duration::try_from_secs_f64(spent.as_secs_f64() * (1.0 - done) / done).ok())
        .flatten()
}
