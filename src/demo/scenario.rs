//! The scenarios: the six pictures of the concept by their file names, and two more.

use super::state::{Fault, Sort};
use super::{NEW, OLD};

/// A pipeline and the version that it deploys.
pub type Run = (&'static str, &'static str);

/// One scenario.
pub struct Scenario {
    /// Name.
    pub name: &'static str,
    /// In one line.
    pub about: &'static str,
    /// Runs that make what was there before.
    pub before: &'static [Run],
    /// What does not work.
    pub faults: &'static [Fault],
    /// Gates that fail.
    pub failing_gates: &'static [&'static str],
    /// What is shown.
    pub show: Show,
}

/// What is shown.
pub enum Show {
    /// Runs, one after the other.
    Runs(&'static [Run]),
    /// Runs side by side.
    Parallel {
        /// All of them, in the order in which they enter.
        runs: &'static [Run],
        /// The one that is killed while it deploys.
        killed: Run,
    },
}

const INT_BEFORE: &[Run] = &[("int", OLD)];
const PREPROD_BEFORE: &[Run] = &[("int", OLD), ("preprod", OLD), ("int", NEW)];
const INT: Show = Show::Runs(&[("int", NEW)]);
const PREPROD: Show = Show::Runs(&[("preprod", NEW)]);

const fn fault(environment: &'static str, service: &'static str, sort: Sort) -> Fault {
    Fault { environment, service, sort }
}

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "int-success",
        about: "one environment, four services, one gate: the version is verified",
        before: INT_BEFORE,
        faults: &[],
        failing_gates: &[],
        show: INT,
    },
    Scenario {
        name: "int-gate-failed-rollback",
        about: "the gate fails: all four services go back",
        before: INT_BEFORE,
        faults: &[],
        failing_gates: &["int-test"],
        show: INT,
    },
    Scenario {
        name: "int-deploy-failed-rollback-failed",
        about: "two services do not come up, and one does not come back: a person is needed",
        before: INT_BEFORE,
        faults: &[
            fault("int", "fbv", Sort::NewIsBroken),
            fault("int", "remo", Sort::NewIsBroken),
            fault("int", "kv", Sort::NeverComesBack),
        ],
        failing_gates: &[],
        show: INT,
    },
    Scenario {
        name: "preprod-success",
        about: "three environments in order: abn, lup, prd",
        before: PREPROD_BEFORE,
        faults: &[],
        failing_gates: &[],
        show: PREPROD,
    },
    Scenario {
        name: "preprod-gate-allowed-to-fail",
        about: "lup's gate fails and may: the run goes on to prd",
        before: PREPROD_BEFORE,
        faults: &[],
        failing_gates: &["lup-test"],
        show: PREPROD,
    },
    Scenario {
        name: "preprod-gate-failed-rollback",
        about: "abn's gate fails: lup and prd are skipped, everything goes back",
        before: PREPROD_BEFORE,
        faults: &[],
        failing_gates: &["abn-test"],
        show: PREPROD,
    },
    Scenario {
        name: "playground",
        about: "MDS, KV and FBV in one environment, then MDS alone in another",
        before: &[("play-test", OLD)],
        faults: &[],
        failing_gates: &[],
        show: Show::Runs(&[("play-test", NEW), ("play-koala", NEW)]),
    },
    Scenario {
        name: "parallel",
        about: "three runs of one environment take turns: the first is killed, the next one finishes it; one of another runs beside them",
        before: INT_BEFORE,
        faults: &[],
        failing_gates: &[],
        show: Show::Parallel {
            runs: &[
                ("int", "2026.11.23-1"),
                ("int", "2026.11.23-2"),
                ("int", "2026.11.23-3"),
                ("play-test", "2026.11.23-1"),
            ],
            killed: ("int", "2026.11.23-1"),
        },
    },
];
