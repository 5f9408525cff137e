//! GitLab's collapsible sections.
//! <https://docs.gitlab.com/ci/jobs/job_logs/#create-custom-collapsible-sections>

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::{Event, What};
use crate::report::line::Line;
use crate::report::narrate::stage_title;
use crate::report::state::RunView;
use crate::report::words;

/// How a section begins.
#[derive(Clone, Copy)]
enum Fold {
    /// Its lines are seen.
    Open,
    /// They are there for who asks.
    Folded,
}

/// The sections of a log: one at most is open.
#[derive(Default)]
pub struct Sections {
    open: Option<String>,
    used: BTreeMap<String, usize>,
    /// Time of the last event.
    at: Timestamp,
}

impl Sections {
    /// What has to be written before the event's lines.
    pub fn around(&mut self, event: &Event, run: &RunView) -> String {
        self.at = event.at;
        match &event.what {
            What::Stage { index, of, environments } => {
                let name = format!("stage_{}_{}", index + 1, environments.join("_"));
                self.begin(&name, &stage_title((*index, *of), environments), Fold::Open)
            }
            What::Rendered(change) => {
                self.begin(&format!("helmfile_{}", change.environment), &change.words(), Fold::Folded)
            }
            What::GateBegan { stage, .. } => self.gates(*stage, run),
            What::RollingBack { environments, .. } => {
                self.begin("rollback", &format!("rollback: {}", environments.join(", ")), Fold::Open)
            }
            What::Checked | What::Verified { .. } | What::Finished(_) | What::TakingOver { .. } => {
                self.close()
            }
            What::Entered(_)
            | What::Waiting(_)
            | What::Started(_)
            | What::Adopted { .. }
            | What::Pinned { .. }
            | What::Promoting { .. }
            | What::Service { .. }
            | What::GateEnded { .. }
            | What::Reverted { .. }
            | What::Frozen { .. }
            | What::Note { .. } => String::new(),
        }
    }

    /// Ends the open section, if there is one.
    pub fn close(&mut self) -> String {
        match self.open.take() {
            Some(name) => format!("\x1b[0Ksection_end:{}:{name}\r\x1b[0K\n", self.at.as_second()),
            None => String::new(),
        }
    }

    /// All gates of a stage are in one section.
    fn gates(&mut self, stage: usize, run: &RunView) -> String {
        let names = run.stages.get(stage).map_or_else(String::new, |stage| stage.names());
        let name = sanitised(&format!("gates_{}_{names}", stage + 1));
        if self.open.as_ref().is_some_and(|open| open.starts_with(&name)) {
            return String::new();
        }
        self.begin(&name, &format!("gates of stage {}: {names}", stage + 1), Fold::Open)
    }

    fn begin(&mut self, name: &str, title: &str, fold: Fold) -> String {
        let mut text = self.close();
        let name = self.unused(sanitised(name));
        let title = Line::plain(title).paint(crate::report::Color::Never);
        let time = words::clock(self.at);
        let fold = match fold {
            Fold::Open => "",
            Fold::Folded => "[collapsed=true]",
        };
        let at = self.at.as_second();
        text += &format!("\x1b[0Ksection_start:{at}:{name}{fold}\r\x1b[0K{time} {title}\n");
        self.open = Some(name);
        text
    }

    /// GitLab folds the first of two sections of one name only.
    fn unused(&mut self, name: String) -> String {
        let count = self.used.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { name } else { format!("{name}-{count}") }
    }
}

/// A name that GitLab takes: letters, digits, `_`, `.`, `-`.
fn sanitised(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || "_.-".contains(char) { char } else { '_' })
        .collect()
}
