//! The process group of a child program.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;

use super::proc;
use super::stray::Mark;

/// How long a group has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// A process group that has to end. Ending it twice does nothing; dropping it ends it.
#[derive(Debug)]
pub(super) struct Group {
    /// `None` once it has ended.
    leader: Option<Pid>,
    mark: Mark,
}

impl Group {
    /// The group of a child that was started as its leader.
    pub(super) fn led_by(child: &Child, mark: Mark) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: id.and_then(Pid::from_raw), mark }
    }

    /// Asks everybody in it to end, and makes them after the grace; who left it is killed then. The leader is
    /// reaped.
    ///
    /// An id is not given to another process while a group has it, and a group that is gone is not signalled
    /// again. What is left is the moment between reaping the leader and the first signal, and ids go round.
    pub(super) async fn end(&mut self, child: &mut Child) {
        let Some(leader) = self.leader else { return };
        let _ = kill_process_group(leader, Signal::TERM);
        let begun = Instant::now();
        for pause in looks() {
            // Only in Linux is a leader that is not reaped known to be gone.
            let _ = child.try_wait();
            if !is_there(leader) {
                break;
            }
            if begun.elapsed() >= GRACE {
                let _ = kill_process_group(leader, Signal::KILL);
                // A process in an uninterruptible call outlasts even that; it isn't waited for.
                let _ = tokio::time::timeout(GRACE, child.wait()).await;
                break;
            }
            tokio::time::sleep(pause).await;
        }
        let mark = self.mark.clone();
        let _ = tokio::task::spawn_blocking(move || mark.kill_all()).await;
        self.leader = None;
    }
}

/// Pauses between two looks at a group: the first looks are the likely ones, and each costs something.
fn looks() -> impl Iterator<Item = Duration> {
    (0..).map(|look| Duration::from_millis(5 << u32::min(look, 5)))
}

fn is_there(leader: Pid) -> bool {
    test_kill_process_group(leader).is_ok() && proc::is_group_alive(leader.as_raw_nonzero().get())
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        let _ = kill_process_group(leader, Signal::TERM);
        let mark = self.mark.clone();
        // A thread, since the runtime may be on its way out.
        let thread = std::thread::Builder::new().name("ends-group".to_owned());
        if thread.spawn(move || end_later(leader, &mark)).is_err() {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

fn end_later(leader: Pid, mark: &Mark) {
    let begun = Instant::now();
    for pause in looks() {
        if !is_there(leader) {
            break;
        }
        if begun.elapsed() >= GRACE {
            let _ = kill_process_group(leader, Signal::KILL);
            break;
        }
        std::thread::sleep(pause);
    }
    mark.kill_all();
}
