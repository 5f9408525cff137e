//! Whether somebody reconciles: the sign that the last one left, and what is said where it is missing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::queue::{ChangeError, Queue, Store};
use crate::run::context::Context;

/// So often there has to be one: the component's scheduled job runs more often.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Leaves the sign.
pub(super) async fn leave(context: &Context, store: &Store) -> Result<(), ChangeError> {
    let now = Timestamp::now();
    let rule = |queue: &mut Queue| {
        queue.reconciled(&context.who, now);
        Ok(())
    };
    store.change("reconciled", rule).await
}

/// A warning for each queue on which no reconcile came to its end for an hour. A queue that cannot be read is left out.
pub async fn missing(context: &Context) -> Vec<String> {
    let mut warnings = Vec::new();
    for name in context.config.queues.keys() {
        if let Ok(seen) = context.queue_store(name).read().await {
            warnings.extend(late(&seen.queue, name, Timestamp::now()));
        }
    }
    warnings
}

/// The warning on the queue of that name, if it is late at `now`.
pub fn late(queue: &Queue, name: &str, now: Timestamp) -> Option<String> {
    const SO_THAT: &str = "let a schedule run it at least every hour (the job `…-reconcile` of the GitLab component, or cron), or what a killed or cancelled run left stays until the next run";
    let Some(sign) = &queue.reconciled else {
        return Some(format!("queue `{name}`: no `datapin reconcile` has ended there yet; {SO_THAT}"));
    };
    let limit = SignedDuration::try_from(LIMIT).unwrap_or(SignedDuration::MAX);
    let age = now.duration_since(sign.at);
    (age > limit).then(|| {
        format!(
            "queue `{name}`: the last `datapin reconcile` ended {} ago, at {} (by {}); {SO_THAT}",
            words(age),
            sign.at.strftime("%Y-%m-%d %H:%M UTC"),
            sign.by
        )
    })
}

fn words(age: SignedDuration) -> String {
    match age.as_hours() {
        hours @ 0..48 => format!("{hours} h {} min", age.as_mins() % 60),
        hours => format!("{} days", hours / 24),
    }
}
