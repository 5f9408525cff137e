//! What a run would do: `--dry-run`.

use super::Color;
use super::clean;
use super::json::{self, v1};
use super::line::{Line, Tone};
use super::words;
use crate::event::{StageSummary, Summary, Waiting};
use crate::render::EnvironmentChange;

/// Lines of a diff around a change.
const CONTEXT: usize = 3;

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanView {
    /// What it is about, with its stages and gates.
    pub summary: Summary,
    /// Its place in the line; `None` means that it would start at once.
    pub position: Option<Waiting>,
    /// How much there is to do.
    pub work: Work,
    /// Files that change.
    pub files: Vec<FileDiff>,
    /// Manifests that change, where that was looked at.
    pub rendered: Vec<EnvironmentChange>,
    /// What people should know before.
    pub notes: Vec<String>,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Pins change.
    Pins,
    /// The pins hold the version already: no commit, but it is watched and the gates run.
    GatesOnly,
    /// Everything is verified with exactly these pins.
    Nothing,
}

/// One file that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// Environments that read it.
    pub environments: Vec<String>,
    /// Path in the repository.
    pub path: String,
    /// Unified diff with its two file lines.
    pub diff: String,
}

impl FileDiff {
    /// The difference between two texts of a file.
    pub fn between(environments: Vec<String>, path: &str, before: &str, after: &str) -> Self {
        let lines = similar::TextDiff::from_lines(before, after);
        let (old, new) = (format!("a/{path}"), format!("b/{path}"));
        let diff = lines.unified_diff().context_radius(CONTEXT).header(&old, &new).to_string();
        Self { environments, path: path.to_owned(), diff }
    }
}

/// The plan for people; ends with a line break.
pub fn plan_text(plan: &PlanView, color: Color) -> String {
    let mut lines = vec![
        Line::toned(Tone::Strong, words::what(&plan.summary))
            .with(Tone::Plain, format!(" for {}", plan.summary.actor)),
        Line::plain(match plan.work {
            Work::Pins => "a dry run: nothing is written",
            Work::GatesOnly => "the pins hold the version already: no commit, the gates run",
            Work::Nothing => "nothing to do: every environment is verified with exactly these pins",
        }),
        Line::plain(match &plan.position {
            Some(waiting) => format!("would wait: {}", words::place(waiting)),
            None => "would start at once".to_owned(),
        }),
        Line::default(),
    ];
    let count = plan.summary.stages.len();
    for (at, stage) in plan.summary.stages.iter().enumerate() {
        lines.extend(stage_lines(stage, at, count));
    }
    for file in &plan.files {
        lines.push(Line::default());
        lines.extend(file_lines(file));
    }
    for change in &plan.rendered {
        lines.push(Line::default());
        lines.extend(rendered_lines(change));
    }
    if !plan.notes.is_empty() {
        lines.push(Line::default());
        lines.extend(plan.notes.iter().map(|note| Line::toned(Tone::Warn, format!("note: {note}"))));
    }
    lines.iter().map(|line| line.paint(color) + "\n").collect()
}

/// The plan for machines: one JSON document.
pub fn plan_json(plan: &PlanView) -> String {
    json::pretty(&v1::Document::new(v1::plan::Plan::from(plan)))
}

fn stage_lines(stage: &StageSummary, at: usize, count: usize) -> Vec<Line> {
    let names: Vec<&str> = stage.environments.iter().map(|(name, _)| name.as_str()).collect();
    let mut lines =
        vec![Line::toned(Tone::Strong, format!("stage {}/{count}: {}", at + 1, names.join(", ")))];
    for (name, services) in &stage.environments {
        lines.push(Line::plain(format!("  {name}: {}", services.join(", "))));
    }
    lines.push(Line::plain(match stage.gates.as_slice() {
        [] => "  no gates".to_owned(),
        [gate] => format!("  gate: {gate}"),
        gates => format!("  gates: {}", gates.join(", ")),
    }));
    lines
}

fn file_lines(file: &FileDiff) -> Vec<Line> {
    let head =
        Line::toned(Tone::Strong, &file.path).with(Tone::Dim, format!(" ({})", file.environments.join(", ")));
    std::iter::once(head).chain(diff_lines(&file.diff)).collect()
}

fn rendered_lines(change: &EnvironmentChange) -> Vec<Line> {
    let head = Line::toned(Tone::Strong, change.words());
    let diffs = change.releases.iter().flat_map(|release| diff_lines(&release.diff));
    std::iter::once(head).chain(diffs).collect()
}

/// A unified diff in its colours.
pub(super) fn diff_lines(diff: &str) -> impl Iterator<Item = Line> {
    clean::lines(diff).map(|line| {
        let tone = match line.as_bytes().first() {
            Some(b'+') => Tone::Good,
            Some(b'-') => Tone::Bad,
            Some(b'@') => Tone::Dim,
            Some(_) | None => Tone::Plain,
        };
        Line::toned(tone, line)
    })
}
