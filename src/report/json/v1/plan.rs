//! What a run would do.

use serde::Serialize;

use super::{Rendered, Summary, Waiting};
use crate::report::plan::{FileDiff, PlanView, Work};

/// What a run would do.
#[derive(Debug, Serialize)]
pub struct Plan<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    work: &'static str,
    /// `null` where it would start at once.
    position: Option<Waiting<'a>>,
    files: Vec<File<'a>>,
    /// Empty where nothing was rendered.
    rendered: Vec<Rendered<'a>>,
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct File<'a> {
    environments: &'a [String],
    path: &'a str,
    diff: &'a str,
}

impl<'a> From<&'a PlanView> for Plan<'a> {
    fn from(from: &'a PlanView) -> Self {
        let work = match from.work {
            Work::Pins => "pins",
            Work::GatesOnly => "gates-only",
            Work::Nothing => "nothing",
        };
        Self {
            summary: Summary::from(&from.summary),
            work,
            position: from.position.as_ref().map(Waiting::from),
            files: from.files.iter().map(File::from).collect(),
            rendered: from.rendered.iter().map(Rendered::from).collect(),
            notes: &from.notes,
        }
    }
}

impl<'a> From<&'a FileDiff> for File<'a> {
    fn from(from: &'a FileDiff) -> Self {
        Self { environments: &from.environments, path: &from.path, diff: &from.diff }
    }
}
