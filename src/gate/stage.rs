//! The gates of a stage: side by side, unless one waits for another.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::{Again, Attempt, Facts, GateRunner, Report};
use crate::config::Requirement;
use crate::queue::Verdict;

/// Longest pause before an error is tried again.
const LONGEST: Duration = Duration::from_secs(60);

/// What happens to the gates of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateEvent {
    /// An attempt begins.
    Began {
        /// Gate.
        gate: String,
        /// Try, from 1.
        attempt: u32,
    },
    /// An attempt ended with an error and is tried again.
    Retrying {
        /// Gate.
        gate: String,
        /// The attempt that ended.
        attempt: u32,
        /// What came out of it.
        report: Report,
        /// How long until the next.
        pause: Duration,
    },
    /// A gate ended, or was not run.
    Ended {
        /// Gate.
        gate: String,
        /// What came out.
        report: Report,
    },
}

/// Runs the gates of a stage, each as soon as those that it comes `after` have let it: by gate, in the
/// order given, what came out.
///
/// As soon as a required gate has not passed, the stage is lost: the others are ended and reported as
/// skipped, with the reason. `after` names of gates that are not here hold nothing up. Dropping the future
/// ends all gates.
pub async fn run_stage(
    gates: &[GateRunner],
    facts: &Facts,
    hear: impl Fn(GateEvent),
) -> Vec<(String, Report)> {
    let mut reports: Vec<Option<Report>> = vec![None; gates.len()];
    let mut running = Crew { crew: Vec::new() };
    let end = |index: usize, report: Report, reports: &mut Vec<Option<Report>>| {
        hear(GateEvent::Ended { gate: gates[index].name.clone(), report: report.clone() });
        reports[index] = Some(report);
    };
    loop {
        for index in 0..gates.len() {
            let begun = reports[index].is_some() || running.has(index);
            if !begun && may_begin(index, gates, &reports) {
                running.add(index, Box::pin(gates[index].run_with_retries(facts, &hear)));
            }
        }
        let Some((index, report)) = running.next().await else { break };
        let lost = !matches!(report.verdict, Verdict::Passed | Verdict::Warned);
        end(index, report, &mut reports);
        if lost {
            skip_rest(index, gates, &mut running, &mut reports, &end);
        }
    }
    // Nothing runs, so what is left waits for itself. The configuration refuses that.
    for index in 0..gates.len() {
        if reports[index].is_none() {
            let words = format!("not run: it waits for {}", gates[index].after.join(", "));
            end(index, Report::without_output(Verdict::Skipped, words), &mut reports);
        }
    }
    let names = gates.iter().map(|gate| gate.name.clone());
    names.zip(reports).filter_map(|(name, report)| Some((name, report?))).collect()
}

fn skip_rest<F: Future<Output = Report>>(
    lost: usize,
    gates: &[GateRunner],
    running: &mut Crew<F>,
    reports: &mut Vec<Option<Report>>,
    end: &impl Fn(usize, Report, &mut Vec<Option<Report>>),
) {
    let verdict = reports[lost].as_ref().map_or(Verdict::Failed, |report| report.verdict);
    let why = format!("`{}` {}", gates[lost].name, verdict.word());
    for index in 0..gates.len() {
        if reports[index].is_none() {
            let what = if running.has(index) { "stopped" } else { "not run" };
            end(index, Report::without_output(Verdict::Skipped, format!("{what}: {why}")), reports);
        }
    }
    running.crew.clear();
}

fn may_begin(index: usize, gates: &[GateRunner], reports: &[Option<Report>]) -> bool {
    gates[index].after.iter().all(|name| {
        let first = gates.iter().position(|gate| gate.name == *name);
        first.is_none_or(|first| reports[first].is_some())
    })
}

impl GateRunner {
    /// Errors are tried again, verdicts and timeouts are not.
    async fn run_with_retries(&self, facts: &Facts, hear: &impl Fn(GateEvent)) -> Report {
        let mut attempt = 1;
        loop {
            hear(GateEvent::Began { gate: self.name.clone(), attempt });
            let Attempt { report, again } = self.attempt(facts, attempt).await;
            if report.verdict != Verdict::Errored || attempt > self.retries || again == Again::InVain {
                return self.judged(report, attempt);
            }
            let pause = self.pause(attempt);
            hear(GateEvent::Retrying { gate: self.name.clone(), attempt, report, pause });
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Doubles with every attempt; between half and all of that, so that gates of many runs don't meet.
    fn pause(&self, attempt: u32) -> Duration {
        let whole = self.back_off.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(LONGEST);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The report as the run sees it: a gate that is allowed to fail warns.
    pub(super) fn judged(&self, mut report: Report, attempts: u32) -> Report {
        if report.verdict == Verdict::Errored && attempts > 1 {
            report.summary = format!("{} ({attempts} attempts)", report.summary);
        }
        match (self.requirement, report.verdict) {
            (Requirement::AllowedToFail, Verdict::Failed | Verdict::Errored | Verdict::TimedOut) => {
                let summary = format!("{}: {}", report.verdict.word(), report.summary);
                Report { verdict: Verdict::Warned, summary, ..report }
            }
            (Requirement::AllowedToFail | Requirement::Required, _) => report,
        }
    }
}

/// Futures that run side by side in the task of their owner: dropped with it, at once.
struct Crew<F> {
    crew: Vec<(usize, Pin<Box<F>>)>,
}

impl<F: Future<Output = Report>> Crew<F> {
    fn has(&self, index: usize) -> bool {
        self.crew.iter().any(|(known, _)| *known == index)
    }

    fn add(&mut self, index: usize, future: Pin<Box<F>>) {
        self.crew.push((index, future));
    }

    /// The next that ends; `None` if none runs.
    async fn next(&mut self) -> Option<(usize, Report)> {
        std::future::poll_fn(|context| {
            for place in 0..self.crew.len() {
                if let Poll::Ready(report) = self.crew[place].1.as_mut().poll(context) {
                    let (index, _) = self.crew.remove(place);
                    return Poll::Ready(Some((index, report)));
                }
            }
            if self.crew.is_empty() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}
