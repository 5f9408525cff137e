//! Processes that left the group of the program that started them, as daemons do.

/// Marks the processes that one program starts, in their environment: it is inherited even by those that
/// leave the group, and found again in `/proc`. Where there is none (other systems than Linux), they stay.
#[derive(Debug, Clone)]
pub(super) struct Mark(String);

const NAME: &str = "DATAPIN_CHILD";

impl Mark {
    /// One that no other program has.
    pub(super) fn generate() -> Self {
        Self(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)))
    }

    /// The variable that carries it.
    pub(super) fn variable(&self) -> (&'static str, &str) {
        (NAME, &self.0)
    }

    /// Kills whoever carries it, again while there are new ones, but not for ever.
    #[cfg(target_os = "linux")]
    pub(super) fn kill_all(&self) {
        use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
        for _ in 0..5 {
            let mut found = false;
            for id in super::proc::processes() {
                // The descriptor is taken before the second look: it can't be another process's by then.
                let Some(pid) = Pid::from_raw(id).filter(|_| self.is_on(id)) else { continue };
                let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
                if self.is_on(id) {
                    found |= pidfd_send_signal(&process, Signal::KILL).is_ok();
                }
            }
            if !found {
                return;
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn kill_all(&self) {}

    #[cfg(target_os = "linux")]
    fn is_on(&self, id: i32) -> bool {
        let environ = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let variable = format!("{NAME}={}", self.0);
        environ.split(|&byte| byte == 0).any(|entry| entry == variable.as_bytes())
    }
}
