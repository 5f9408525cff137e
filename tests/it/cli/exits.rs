//! Of several ends the worst is the exit code.

use datapin::exit::Exit;

/// By how much a person is needed.
const WORST_FIRST: [Exit; 14] = [
    Exit::RollbackFailed,
    Exit::TakenOver,
    Exit::Stopped,
    Exit::Cancelled,
    Exit::Superseded,
    Exit::NotAllowed,
    Exit::GateFailed,
    Exit::DeploymentFailed,
    Exit::Damage,
    Exit::Unreachable,
    Exit::Usage,
    Exit::GaveUpWaiting,
    Exit::NotRecorded,
    Exit::Ok,
];

#[test]
fn of_each_pair_the_worse_one_wins_in_either_order() {
    for (at, worse) in WORST_FIRST.into_iter().enumerate() {
        for better in WORST_FIRST.into_iter().skip(at) {
            assert_eq!(Exit::worst([worse, better]), worse, "{worse:?} before {better:?}");
            assert_eq!(Exit::worst([better, worse]), worse, "{better:?} before {worse:?}");
        }
    }
    assert_eq!(Exit::worst([]), Exit::Ok);
}

/// A job may be allowed to end with it: it stands for nothing else.
#[test]
fn not_recorded_hides_no_other_failure() {
    for exit in Exit::ALL.into_iter().filter(|exit| *exit != Exit::Ok) {
        assert_eq!(Exit::worst([Exit::NotRecorded, exit]), exit);
    }
}
