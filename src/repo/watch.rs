//! Time limits for libgit2.
//!
//! libgit2's own socket timeouts are process-wide and can only be set by unsafe code, and its callbacks stay
//! silent while a server drips its list of refs. So every exchange runs on a thread of its own, under watch.
//! One that is given up is told so at its next callback, and can never begin to send a push: giving up and
//! beginning to send are one compare-and-swap.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Limits;

const OPEN: u8 = 0;
const SENDING: u8 = 1;
const GIVEN_UP: u8 = 2;

/// What the watcher and the watched share.
pub(super) struct Watch {
    begun: Instant,
    last_sign_ms: AtomicU64,
    answered: AtomicBool,
    stage: AtomicU8,
    last: Mutex<String>,
}

/// Why an exchange was given up.
#[derive(Debug)]
pub(super) struct GivenUp {
    pub after: Duration,
    pub reason: String,
    pub last: String,
    /// Whether a push may have reached the server.
    pub sending: bool,
}

impl Watch {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            last_sign_ms: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            stage: AtomicU8::new(OPEN),
            last: Mutex::new("none".to_owned()),
        }
    }

    /// The server did something. Returns whether to go on.
    pub(super) fn sign(&self, what: impl FnOnce() -> String) -> bool {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_sign_ms.store(now, Ordering::Relaxed);
        self.answered.store(true, Ordering::Relaxed);
        if let Ok(mut last) = self.last.lock() {
            *last = what();
        }
        self.stage.load(Ordering::SeqCst) != GIVEN_UP
    }

    /// Asks to begin sending a push; after `false` nothing may be sent.
    pub(super) fn begin_sending(&self) -> bool {
        self.stage.compare_exchange(OPEN, SENDING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Whether a push may have reached the server.
    pub(super) fn sending(&self) -> bool {
        self.stage.load(Ordering::SeqCst) == SENDING
    }

    fn silence_allowed(&self, limits: &Limits) -> Duration {
        let connecting = !self.answered.load(Ordering::Relaxed);
        limits.server_timeout + if connecting { limits.connect_timeout } else { Duration::ZERO }
    }

    fn left(&self, limits: &Limits, silence: Silence) -> Result<Duration, String> {
        let elapsed = self.begun.elapsed();
        let total = limits.total.saturating_sub(elapsed);
        if total.is_zero() {
            return Err(format!("the whole operation may take {:?}", limits.total));
        }
        match silence {
            Silence::Endless => Ok(total),
            Silence::Limited => {
                let quiet =
                    elapsed.saturating_sub(Duration::from_millis(self.last_sign_ms.load(Ordering::Relaxed)));
                let allowed = self.silence_allowed(limits);
                let rest = allowed.saturating_sub(quiet);
                if rest.is_zero() {
                    Err(format!("the server was silent for {allowed:?}"))
                } else {
                    Ok(rest.min(total))
                }
            }
        }
    }

    fn give_up(&self, reason: String) -> GivenUp {
        let open = self.stage.compare_exchange(OPEN, GIVEN_UP, Ordering::SeqCst, Ordering::SeqCst);
        GivenUp {
            after: self.begun.elapsed(),
            reason,
            last: self.last.lock().map(|last| last.clone()).unwrap_or_default(),
            sending: open.is_err(),
        }
    }
}

/// Whether silence counts: a local path gives no sign of life while it counts objects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Silence {
    Limited,
    Endless,
}

/// Runs `work` on a thread of its own and waits for it as long as the limits allow.
pub(super) fn run<T: Send + 'static>(
    limits: &Limits,
    silence: Silence,
    work: impl FnOnce(&Arc<Watch>) -> T + Send + 'static,
) -> Result<T, GivenUp> {
    let watch = Arc::new(Watch::new());
    let (send, receive) = channel();
    let theirs = Arc::clone(&watch);
    let spawned = std::thread::Builder::new().name("git".to_owned()).spawn(move || {
        // the receiver is gone only after giving up: then nobody wants the result
        let _ = send.send(work(&theirs));
    });
    if let Err(error) = spawned {
        return Err(watch.give_up(format!("no thread could be started: {error}")));
    }
    loop {
        let wait = match watch.left(limits, silence) {
            Ok(wait) => wait,
            Err(reason) => return Err(watch.give_up(reason)),
        };
        // looked at often: a sign of life changes what is allowed
        match receive.recv_timeout(wait.min(Duration::from_millis(100))) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(watch.give_up("the exchange ended by a defect in datapin or libgit2".to_owned()));
            }
        }
    }
}
