//! Why a pod does not come up.

use std::time::Duration;

use super::object::{ContainerStatus, Pod};

/// Reasons that no waiting mends.
const CERTAIN: &[&str] = &["InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"];
/// Reasons that are tried again, and believed when they stay.
const REPEATED: &[&str] =
    &["ErrImagePull", "ImagePullBackOff", "CreateContainerError", "CrashLoopBackOff", "RunContainerError"];
/// Restarts after which a container is believed not to come up.
const RESTARTS: i64 = 3;
/// Time after which a repeated reason is believed.
pub const STAYS: Duration = Duration::from_secs(15);

/// How sure it is that a pod won't come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sureness {
    /// It may yet.
    Possible,
    /// It is tried again; sure if it stays.
    Repeated,
    /// It won't.
    Certain,
}

/// What ails a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Pod.
    pub pod: String,
    /// Container, if it is one's.
    pub container: Option<String>,
    /// How sure it is.
    pub sureness: Sureness,
    /// In words, with pod, container and reason.
    pub reason: String,
}

/// What ails the pods the most, if anything.
pub fn worst(pods: &[&Pod]) -> Option<Trouble> {
    pods.iter().filter_map(|pod| of(pod)).max_by_key(|trouble| trouble.sureness)
}

/// What ails a pod, if anything.
pub fn of(pod: &Pod) -> Option<Trouble> {
    if pod.is_ready() {
        return None;
    }
    let init = pod.status.init_container_statuses.iter().map(|status| (status, "init container"));
    let main = pod.status.container_statuses.iter().map(|status| (status, "container"));
    let contained = init.chain(main).filter_map(|(status, word)| container(pod, status, word));
    contained.max_by_key(|trouble| trouble.sureness).or_else(|| whole(pod))
}

fn container(pod: &Pod, status: &ContainerStatus, word: &str) -> Option<Trouble> {
    let waiting = status.state.waiting.as_ref();
    let reason = waiting.map_or("", |waiting| waiting.reason.as_str());
    let sureness = if CERTAIN.contains(&reason) {
        Sureness::Certain
    } else if REPEATED.contains(&reason) {
        if status.restart_count >= RESTARTS { Sureness::Certain } else { Sureness::Repeated }
    } else if crashed(status).is_some() || is_unready(status) {
        Sureness::Possible
    } else {
        return None;
    };
    let what = match (reason, crashed(status)) {
        ("", Some(crash)) => crash,
        ("", None) => "runs, but is not ready".to_owned(),
        (reason, crash) => {
            let message = waiting.map_or("", |waiting| waiting.message.as_str());
            let message = crate::process::one_line(message, 300);
            let message = if message.is_empty() { String::new() } else { format!(": {message}") };
            let crash = crash.map_or_else(String::new, |crash| format!(" ({crash})"));
            format!("{reason}{message}{crash}")
        }
    };
    Some(Trouble {
        pod: pod.metadata.name.clone(),
        container: Some(status.name.clone()),
        sureness,
        reason: format!("{}, {word} {}: {what}", pod.title(), status.name),
    })
}

/// How a container ended, if that was no good end.
fn crashed(status: &ContainerStatus) -> Option<String> {
    let ended = status.state.terminated.as_ref().or(status.last_state.terminated.as_ref())?;
    let times = match status.restart_count {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        times => format!(", restarted {times} times"),
    };
    (ended.exit_code != 0)
        .then(|| format!("ended with exit code {} {}{times}", ended.exit_code, ended.reason))
}

fn is_unready(status: &ContainerStatus) -> bool {
    !status.ready && status.state.waiting.is_none() && status.state.terminated.is_none()
}

/// What ails the pod as a whole.
fn whole(pod: &Pod) -> Option<Trouble> {
    let unscheduled = pod.condition("PodScheduled").filter(|condition| condition.status == "False");
    let reason = match unscheduled {
        Some(condition) => format!("{}: {}", condition.reason, condition.message),
        None if pod.status.phase == "Failed" => format!("{}: {}", pod.status.reason, pod.status.message),
        None => return None,
    };
    Some(Trouble {
        pod: pod.metadata.name.clone(),
        container: None,
        sureness: Sureness::Possible,
        reason: format!("{}: {}", pod.title(), crate::process::one_line(&reason, 300)),
    })
}
