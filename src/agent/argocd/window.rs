//! Sync windows: while one is closed, Argo CD does not sync by itself, and says so nowhere in the Application. Pure.
//!
//! Rules: argo-cd 3.5, `pkg/apis/application/v1alpha1/types.go` (`SyncWindows.CanSync`, `Matches`).

mod schedule;

use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;

use self::schedule::Activity;
use super::application::Application;

/// A window, as an AppProject and Argo CD's own API say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Window {
    /// `allow` or `deny`.
    pub kind: String,
    /// When it begins, as cron says it.
    pub schedule: String,
    /// How long it lasts.
    pub duration: String,
    /// Time zone of the schedule; UTC where left out.
    pub time_zone: String,
    /// Applications that it is for.
    pub applications: Vec<String>,
    /// Namespaces that it is for.
    pub namespaces: Vec<String>,
    /// Clusters that it is for.
    pub clusters: Vec<String>,
    /// Whether all of them have to match, not any.
    pub and_operator: bool,
}

/// The windows of one Application, as Argo CD's own API tells them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Told {
    /// Those that are open now, of both kinds.
    pub active_windows: Vec<Window>,
    /// All.
    pub assigned_windows: Vec<Window>,
}

/// Which window keeps Argo CD from syncing, in words; `None` if none does.
pub fn closed(told: &Told) -> Option<String> {
    let denies = told.active_windows.iter().find(|window| window.kind == "deny");
    if let Some(window) = denies {
        return Some(format!("a sync window forbids it now: {}", window.words()));
    }
    let allows = |windows: &[Window]| windows.iter().any(|window| window.kind == "allow");
    if !allows(&told.assigned_windows) || allows(&told.active_windows) {
        return None;
    }
    let allowed = told.assigned_windows.iter().filter(|window| window.kind == "allow").map(Window::words);
    Some(format!("its sync window is closed now: {}", allowed.collect::<Vec<_>>().join(", ")))
}

/// Those of a project's `windows` that are for `app`, and which of them are open. One whose schedule can't be read is
/// taken for open where it forbids, and for closed where it allows: it is named then.
pub fn of(windows: &[Window], app: &Application, now: Timestamp) -> Told {
    let assigned: Vec<Window> = windows.iter().filter(|window| window.is_for(app)).cloned().collect();
    let is_open = |window: &&Window| match schedule::activity(window, now) {
        Activity::Open => true,
        Activity::Closed => false,
        Activity::Unknown => window.kind == "deny",
    };
    Told { active_windows: assigned.iter().filter(is_open).cloned().collect(), assigned_windows: assigned }
}

impl Window {
    fn words(&self) -> String {
        let zone = if self.time_zone.is_empty() { String::new() } else { format!(" ({})", self.time_zone) };
        format!("{} `{}`{zone} for {}", self.kind, self.schedule, self.duration)
    }

    fn is_for(&self, app: &Application) -> bool {
        let destination = &app.spec.destination;
        let name = Some(app.metadata.name.as_str());
        let mut parts = Vec::new();
        for (globs, values) in [
            (&self.applications, vec![name]),
            (&self.namespaces, vec![destination.namespace.as_deref()]),
            (&self.clusters, vec![destination.server.as_deref(), destination.name.as_deref()]),
        ] {
            if !globs.is_empty() {
                parts.push(values.into_iter().flatten().any(|value| any(globs, value)));
            }
        }
        match self.and_operator {
            true => !parts.is_empty() && parts.into_iter().all(|part| part),
            false => parts.into_iter().any(|part| part),
        }
    }
}

fn any(globs: &[String], value: &str) -> bool {
    globs.iter().any(|glob| {
        let pattern = regex::escape(glob).replace(r"\*", ".*").replace(r"\?", ".");
        Regex::new(&format!("^(?s:{pattern})$")).is_ok_and(|pattern| pattern.is_match(value))
    })
}
