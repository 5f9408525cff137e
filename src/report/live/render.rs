//! The picture of a run as lines: pure, so that snapshots can prove it.

use jiff::Timestamp;

use crate::event::Waiting;
use crate::queue::{Outcome, ServiceState, Verdict};
use crate::report::line::{Line, Tone};
use crate::report::state::{
    EnvironmentView, GateState, GateView, Phase, RunView, ServiceView, StageView, ViewState,
};
use crate::report::words;

/// The picture of the run that was heard of last; no line is wider than `width`.
pub fn render(state: &ViewState, width: usize, now: Timestamp) -> Vec<Line> {
    draw(state, width, now, Detail::All)
}

/// The same with details only of stages where something is going on or went wrong.
pub fn render_brief(state: &ViewState, width: usize, now: Timestamp) -> Vec<Line> {
    draw(state, width, now, Detail::Needed)
}

/// The stages of a run, without a headline.
pub fn stages(run: &RunView, width: usize, now: Timestamp) -> Vec<Line> {
    stage_lines(run, width, now, Detail::All).into_iter().map(|line| line.cut(width)).collect()
}

/// How much is shown of a stage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    All,
    Needed,
}

/// How something stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Todo,
    Busy,
    Good,
    Warned,
    Bad,
    Skipped,
    Back,
}

impl Mark {
    fn glyph(self) -> (&'static str, Tone) {
        match self {
            Mark::Todo => ("–", Tone::Dim),
            Mark::Busy => ("⟳", Tone::Strong),
            Mark::Good => ("✓", Tone::Good),
            Mark::Warned => ("!", Tone::Warn),
            Mark::Bad => ("✗", Tone::Bad),
            Mark::Skipped => ("»", Tone::Dim),
            Mark::Back => ("↶", Tone::Warn),
        }
    }

    fn line(self) -> Line {
        let (glyph, tone) = self.glyph();
        Line::toned(tone, glyph)
    }
}

fn draw(state: &ViewState, width: usize, now: Timestamp, detail: Detail) -> Vec<Line> {
    let Some(run) = state.shown() else { return Vec::new() };
    let now = match &run.phase {
        Phase::Finished(ended) => ended.at,
        Phase::Entered | Phase::Waiting(_) | Phase::Working | Phase::RollingBack(_) | Phase::Verified => now,
    };
    let mut lines = vec![headline(run, width, now)];
    match &run.phase {
        Phase::Waiting(waiting) => lines.extend(queue(waiting)),
        Phase::Entered => lines.push(Mark::Busy.line().with(Tone::Plain, " enters the queue")),
        Phase::RollingBack(cause) => {
            lines.push(Mark::Busy.line().with(Tone::Bad, format!(" rolling back: {}", cause.text)));
        }
        Phase::Verified => lines.push(Mark::Good.line().with(Tone::Good, " verified; finishing")),
        Phase::Working | Phase::Finished(_) => {}
    }
    lines.extend(stage_lines(run, width, now, detail));
    lines.into_iter().map(|line| line.cut(width)).collect()
}

fn headline(run: &RunView, width: usize, now: Timestamp) -> Line {
    let what = run.summary.as_ref().map_or_else(|| format!("run {}", run.run.short()), words::what);
    let number = run.number.map_or_else(String::new, |number| format!(" #{number}"));
    let line = Line::toned(Tone::Strong, what).with(Tone::Dim, number);
    line.right(width, &words::between(run.began, now))
}

fn queue(waiting: &Waiting) -> Vec<Line> {
    let wait = waiting.expected.map_or_else(String::new, |wait| format!(", {}", words::about(wait)));
    let first = format!(" waiting, position {}{wait}", waiting.position);
    let mut lines = vec![Mark::Busy.line().with(Tone::Plain, first)];
    for ahead in &waiting.ahead {
        let role = if ahead.holder { "holds" } else { "before" };
        let line = Line::plain(format!("    {role:<6} {}", words::ahead(ahead)));
        lines.push(line.with(Tone::Dim, words::colon(String::new(), &ahead.state)));
    }
    lines
}

fn stage_lines(run: &RunView, width: usize, now: Timestamp, detail: Detail) -> Vec<Line> {
    let over = is_over(&run.phase);
    let names = run.stages.iter().flat_map(|stage| &stage.environments).map(|view| view.name.chars().count());
    let column = names.max().unwrap_or(0).max(4);
    let mut lines = Vec::new();
    for (at, stage) in run.stages.iter().enumerate() {
        let mark = stage_mark(stage, over);
        lines.push(stage_head(run, at, mark, width, now));
        if detail == Detail::All || matches!(mark, Mark::Busy | Mark::Bad) {
            let parts = stage.environments.iter();
            parts.for_each(|part| lines.extend(environment(part, over, column, width)));
            lines.extend(stage.gates.iter().map(|one| gate(one, over, column, now)));
        }
    }
    lines
}

fn stage_head(run: &RunView, at: usize, mark: Mark, width: usize, now: Timestamp) -> Line {
    let stage = &run.stages[at];
    let title = format!(" stage {}/{} {}", at + 1, run.stages.len(), stage.names());
    let line = mark.line().with(Tone::Strong, title).with(mark.glyph().1, stage_word(mark));
    match stage.began {
        Some(began) => line.right(width, &words::between(began, stage.ended.unwrap_or(now))),
        None => line,
    }
}

fn stage_word(mark: Mark) -> &'static str {
    match mark {
        Mark::Todo | Mark::Busy => "",
        Mark::Good => "  good",
        Mark::Warned => "  good, with a warning",
        Mark::Bad => "  failed",
        Mark::Skipped => "  skipped",
        Mark::Back => "  rolled back",
    }
}

/// An environment's services, on as many lines as they need, and why those that have a reason are as they are.
fn environment(view: &EnvironmentView, over: bool, column: usize, width: usize) -> Vec<Line> {
    let mut line = Line::plain(format!("  {:<column$}", view.name));
    let indent = line.width();
    let mut lines = Vec::new();
    for service in &view.services {
        let (glyph, tone) = service_mark(service.state, over).glyph();
        let piece = Line::toned(tone, format!("  {glyph}")).with(Tone::Plain, format!(" {}", service.name));
        if line.width() > indent && line.width() + piece.width() > width {
            lines.push(std::mem::replace(&mut line, Line::plain(" ".repeat(indent))));
        }
        line = line.and(piece);
    }
    lines.push(line);
    let reasons = view.services.iter().flat_map(|service| reasons(service, over));
    lines.extend(reasons.map(|reason| Line::plain(" ".repeat(indent + 2)).and(reason)));
    lines
}

/// Why a service is as it is, and why it failed before it was taken back.
fn reasons(service: &ServiceView, over: bool) -> Vec<Line> {
    let mark = service_mark(service.state, over);
    let said = |mark: Mark, name: String, reason: &str| {
        mark.line().with(Tone::Plain, format!(" {}", words::colon(name, reason)))
    };
    let mut lines = Vec::new();
    match &service.failure {
        Some(failure) if service.state != ServiceState::Failed => {
            lines.push(said(Mark::Bad, format!("{} failed", service.name), failure));
        }
        Some(_) | None => {}
    }
    if service.state == ServiceState::RollbackFailed {
        lines.push(said(mark, format!("{} is not back", service.name), &service.reason));
    } else if !service.reason.is_empty() {
        lines.push(said(mark, service.name.clone(), &service.reason));
    }
    lines
}

fn gate(view: &GateView, over: bool, column: usize, now: Timestamp) -> Line {
    let head = Line::plain(format!("  {:<column$}  ", "gate"));
    let (glyph, tone) = gate_mark(&view.state, over).glyph();
    let line = head.with(tone, glyph).with(Tone::Plain, format!(" {}", view.name));
    match &view.state {
        GateState::Waiting => line,
        GateState::Running { since, attempt } => {
            let again = if *attempt > 1 { format!(", try {attempt}") } else { String::new() };
            line.with(Tone::Dim, format!("  {}{again}", words::between(*since, now)))
        }
        GateState::Ended { verdict, summary, took } => {
            let took = if took.is_empty() { String::new() } else { format!("  {took}") };
            line.with(tone, format!("  {}", words::colon(verdict.word().to_owned(), summary)))
                .with(Tone::Dim, took)
        }
    }
}

/// Whether what has not begun will not begin any more.
fn is_over(phase: &Phase) -> bool {
    match phase {
        Phase::Entered | Phase::Waiting(_) | Phase::Working | Phase::Verified => false,
        Phase::RollingBack(_) => true,
        Phase::Finished(ended) => match ended.finished.outcome {
            Outcome::Verified | Outcome::NotRecorded { .. } | Outcome::NothingToDo | Outcome::Restored => {
                false
            }
            Outcome::RolledBack { .. }
            | Outcome::RollbackFailed { .. }
            | Outcome::Stopped { .. }
            | Outcome::Withdrawn { .. }
            | Outcome::GaveUp
            | Outcome::Dropped { .. } => true,
        },
    }
}

fn service_mark(state: ServiceState, over: bool) -> Mark {
    match state {
        ServiceState::Pending if over => Mark::Skipped,
        ServiceState::Pending => Mark::Todo,
        ServiceState::Syncing | ServiceState::RollingBack => Mark::Busy,
        ServiceState::Deployed => Mark::Good,
        ServiceState::Failed | ServiceState::RollbackFailed => Mark::Bad,
        ServiceState::RolledBack => Mark::Back,
    }
}

fn gate_mark(state: &GateState, over: bool) -> Mark {
    match state {
        GateState::Waiting if over => Mark::Skipped,
        GateState::Waiting => Mark::Todo,
        GateState::Running { .. } => Mark::Busy,
        GateState::Ended { verdict, .. } => match verdict {
            Verdict::Passed => Mark::Good,
            Verdict::Warned => Mark::Warned,
            Verdict::Failed | Verdict::Errored | Verdict::TimedOut => Mark::Bad,
            Verdict::Skipped => Mark::Skipped,
        },
    }
}

/// A stage stands as the worst of its parts does; it is busy as long as any of them is.
fn stage_mark(stage: &StageView, over: bool) -> Mark {
    let services = stage.services().map(|service| service_mark(service.state, over));
    let gates = stage.gates.iter().map(|gate| gate_mark(&gate.state, over));
    let marks: Vec<Mark> = services.chain(gates).collect();
    let any = |mark: Mark| marks.contains(&mark);
    let failed = stage.services().any(|service| service.failure.is_some());
    if any(Mark::Busy) {
        Mark::Busy
    } else if any(Mark::Bad) || failed && any(Mark::Back) {
        Mark::Bad
    } else if any(Mark::Back) {
        Mark::Back
    } else if stage.began.is_none() {
        if over { Mark::Skipped } else { Mark::Todo }
    } else if stage.ended.is_none() && (any(Mark::Todo) || marks.is_empty()) {
        Mark::Busy
    } else if any(Mark::Warned) {
        Mark::Warned
    } else {
        Mark::Good
    }
}
