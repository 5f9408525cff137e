//! What a gate does when nobody waits for it any more: it cancels its pipeline, or deletes its Job.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::watch;

/// How many are at it in this process.
static OPEN: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// One that is at it.
struct Open;

impl Open {
    fn new() -> Self {
        OPEN.send_modify(|open| *open += 1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.send_modify(|open| *open -= 1);
    }
}

/// Does it beside everything else.
pub(super) fn in_background(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let open = Open::new();
        runtime.spawn(async move {
            work.await;
            drop(open);
        });
    }
}

/// Waits until all of it is done. Whether it is, after `limit` at the latest: a process that ends earlier leaves a
/// pipeline behind that tests what is taken back.
pub async fn settled(limit: Duration) -> bool {
    let mut open = OPEN.subscribe();
    let done = async { open.wait_for(|open| *open == 0).await.is_ok() };
    tokio::time::timeout(limit, done).await.unwrap_or(false)
}
