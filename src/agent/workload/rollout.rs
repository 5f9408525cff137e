//! How far a rollout is, by the rules of `kubectl rollout status`.

use super::object::Workload;

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// It is through.
    Done,
    /// It goes on.
    Moving(String),
    /// It gave up.
    Failed(String),
    /// Nobody can tell when it is through.
    Endless(String),
}

/// How far the rollout of `workload` is.
pub fn rollout(workload: &Workload) -> Rollout {
    if let Some(endless) = endless(workload) {
        return Rollout::Endless(endless);
    }
    if workload.status.observed_generation < workload.metadata.generation {
        return Rollout::Moving("its new template was not looked at yet".to_owned());
    }
    match workload.kind.as_str() {
        "Deployment" => deployment(workload),
        "StatefulSet" => stateful_set(workload),
        "DaemonSet" => daemon_set(workload),
        other => Rollout::Endless(format!("{other} is no kind whose rollout is known")),
    }
}

fn endless(workload: &Workload) -> Option<String> {
    let strategy = workload.spec.update_strategy.as_ref();
    if strategy.is_some_and(|strategy| strategy.kind == "OnDelete") {
        return Some(
            "its update strategy is OnDelete: pods change only when somebody deletes them".to_owned(),
        );
    }
    workload.spec.paused.then(|| "it is paused; `kubectl rollout resume` lets it go on".to_owned())
}

fn deployment(workload: &Workload) -> Rollout {
    let (spec, status) = (&workload.spec, &workload.status);
    if let Some(late) = workload.condition("Progressing").filter(|c| c.reason == "ProgressDeadlineExceeded") {
        return Rollout::Failed(format!("{}: {}", late.reason, late.message));
    }
    let wanted = spec.replicas.unwrap_or(1);
    if status.updated_replicas < wanted {
        Rollout::Moving(format!("{} of {wanted} new pods made", status.updated_replicas))
    } else if status.replicas > status.updated_replicas {
        Rollout::Moving(format!("{} old pods not gone yet", status.replicas - status.updated_replicas))
    } else if status.available_replicas < status.updated_replicas {
        let (now, all) = (status.available_replicas, status.updated_replicas);
        Rollout::Moving(format!("{now} of {all} new pods available"))
    } else {
        Rollout::Done
    }
}

fn stateful_set(workload: &Workload) -> Rollout {
    let (spec, status) = (&workload.spec, &workload.status);
    let wanted = spec.replicas.unwrap_or(1);
    if status.ready_replicas < wanted {
        return Rollout::Moving(format!("{} of {wanted} pods ready", status.ready_replicas));
    }
    let rolling = spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
    if partition > 0 {
        let moved = wanted.saturating_sub(partition);
        return match status.updated_replicas >= moved {
            true => Rollout::Done,
            false => Rollout::Moving(format!(
                "{} of {moved} new pods above partition {partition}",
                status.updated_replicas
            )),
        };
    }
    if status.update_revision == status.current_revision {
        Rollout::Done
    } else {
        Rollout::Moving(format!("{} of {wanted} new pods made", status.updated_replicas))
    }
}

fn daemon_set(workload: &Workload) -> Rollout {
    let status = &workload.status;
    let wanted = status.desired_number_scheduled;
    if status.updated_number_scheduled < wanted {
        Rollout::Moving(format!("{} of {wanted} new pods made", status.updated_number_scheduled))
    } else if status.number_available < wanted {
        Rollout::Moving(format!("{} of {wanted} new pods available", status.number_available))
    } else {
        Rollout::Done
    }
}
