//! A run as a JUnit report: a suite for each stage, a case for each service and gate, and a suite for what was taken
//! back. GitLab shows it in the tests of the pipeline and in the merge request.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::account::{
    Account, EnvironmentAccount, GateAccount, ServiceAccount, StageAccount, Step, StepState,
};
use super::{clean, words};
use crate::queue::Verdict;

/// Bytes of one output; its end is kept. GitLab reads no more than 30 MB of reports of a job.
const OUTPUT: usize = 32 * 1024;

/// Why the report could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the JUnit report cannot be made ({0}); this is a bug of datapin")]
pub struct JunitError(#[from] SerializeError);

/// The report of a run, and of those that it took over. Control characters and colours are gone from its texts.
///
/// # Errors
/// One that cannot be written: a bug.
pub fn junit(accounts: &[Account]) -> Result<String, JunitError> {
    let name = accounts.first().and_then(|account| account.summary.as_ref());
    let mut report = Report::new(name.map_or_else(|| "datapin".to_owned(), words::what));
    for account in accounts {
        for stage in account.stages.iter().filter(|_| !account.only_back()) {
            report.add_test_suite(forward(account, stage));
        }
        let back = rollback(account);
        if !back.test_cases.is_empty() {
            report.add_test_suite(back);
        }
    }
    Ok(report.to_string()?)
}

fn forward(account: &Account, stage: &StageAccount) -> TestSuite {
    let mut suite = suite(account, &stage.names());
    for environment in &stage.environments {
        for service in &environment.services {
            suite.add_test_case(case(
                &format!("deploy {}", service.name),
                &environment.name,
                &service.deploy,
            ));
        }
    }
    suite.add_test_cases(stage.gates.iter().map(|gate| gate_case(gate, &stage.names())));
    suite
}

/// Only what was taken back: a rollback that was not needed is no test.
fn rollback(account: &Account) -> TestSuite {
    let mut suite = suite(account, "rollback");
    for environment in account.stages.iter().rev().flat_map(|stage| &stage.environments) {
        let touched = environment.services.iter().filter(|service| service.rollback.has_begun());
        suite.add_test_cases(touched.map(|service| rollback_case(environment, service)));
    }
    suite
}

fn suite(account: &Account, part: &str) -> TestSuite {
    let pipeline = account.summary.as_ref().map_or("datapin", |about| about.pipeline.as_str());
    TestSuite::new(clean::one_line(&format!("{pipeline}: {part}")))
}

fn rollback_case(environment: &EnvironmentAccount, service: &ServiceAccount) -> TestCase {
    case(&format!("rollback {}", service.name), &environment.name, &service.rollback)
}

fn gate_case(gate: &GateAccount, class: &str) -> TestCase {
    let mut found = case(&format!("gate {}", gate.name), class, &gate.step);
    let unsure = matches!(gate.verdict, Some(Verdict::Errored | Verdict::TimedOut));
    if let (true, TestCaseStatus::NonSuccess { kind, .. }) = (unsure, &mut found.status) {
        *kind = NonSuccessKind::Error;
    }
    found
}

fn case(name: &str, class: &str, step: &Step) -> TestCase {
    let mut case = TestCase::new(clean::one_line(name), status(step));
    case.set_classname(clean::one_line(class));
    if let Some(seconds) = step.seconds() {
        case.set_time(Duration::from_secs(seconds));
    }
    if step.state == StepState::Good && !step.log.is_empty() {
        case.set_system_out(output(&step.log));
    }
    case
}

fn status(step: &Step) -> TestCaseStatus {
    let kind = match step.state {
        StepState::Good => return TestCaseStatus::success(),
        StepState::NotBegun | StepState::Running | StepState::GivenUp => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(clean::one_line(&step.reason));
            return skipped;
        }
        StepState::Warned => "allowed to fail",
        StepState::Bad => "failed",
    };
    let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
    failed.set_type(kind).set_message(clean::one_line(&step.reason));
    failed.set_description(output(&step.log));
    failed
}

/// The end of an output, clean.
fn output(log: &[String]) -> String {
    let lines: Vec<_> = log.iter().flat_map(|text| clean::lines(text)).collect();
    let mut room = OUTPUT;
    let mut from = lines.len();
    while from > 0 && lines[from - 1].len() < room {
        from -= 1;
        room -= lines[from].len() + 1;
    }
    lines[from..].join("\n")
}
