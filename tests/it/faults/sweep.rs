//! Harm to the n-th request of a run, for every n that an undisturbed run makes.

use super::proxy::Harm;
use super::*;

/// A version a run.
fn version(number: usize) -> String {
    format!("2026.12.01-{number}")
}

/// What became of the runs of one sweep.
#[derive(Debug, Default)]
struct Seen {
    verified: usize,
    repeated: usize,
    carried: usize,
}

/// Every n-th request with a step is harmed once, each in a run of its own. Each run is verified; or it ended with 3,
/// wrote nothing and is repeated; or it stopped half-way (19) and the next `reconcile` takes it back.
fn sweep(harm: Harm, from: usize, step: usize) -> Seen {
    let line = Line::new();
    line.world.ttl("3s");
    line.proxy.seen();
    line.world.verified("int", &version(0));
    let requests = line.proxy.seen().len();
    assert!(requests > 15, "{requests} requests are too few to be a run");
    let mut seen = Seen::default();
    for n in (from..requests).step_by(step) {
        let (version, before) = (version(n + 1), line.world.versions("int"));
        line.proxy.harm(n, 1, harm, |_| true);
        let done = line.world.datapin(&["deploy", "int", &version]).run();
        let harmed = line.proxy.behave();
        let what = format!("{harm:?} of request {n} {harmed:?}:\n{}{}", done.stdout, done.stderr);
        let commits = count(&line.world, &format!("data(int): timetable {version}"));
        match done.code {
            Some(0) => {
                seen.verified += 1;
                ended(&line.world, &version, "verified");
                assert_eq!((line.world.versions("int"), commits), (vec![version], 1), "{what}");
                continue;
            }
            Some(3) => seen.repeated += 1,
            // After the commit point the next one takes it forward.
            Some(19) if line.world.verified_on("int") == Some(version.clone()) => {
                seen.carried += 1;
                line.world.datapin(&["reconcile"]).by("bob").run().code(0);
                ended(&line.world, &version, "verified");
                assert_eq!((line.world.versions("int"), commits), (vec![version], 1), "{what}");
                continue;
            }
            Some(10 | 19) => seen.carried += 1,
            code => panic!("{code:?} {what}"),
        }
        line.world.datapin(&["reconcile"]).by("bob").run().code(0);
        assert!(line.world.queue().tickets.is_empty(), "{what}\n{}", line.world.queue());
        assert_eq!(line.world.versions("int"), before, "{what}");
        assert!(done.code != Some(3) || commits == 0, "{what}");
    }
    println!("{harm:?}: {seen:?} of {requests} requests");
    seen
}

#[test]
fn the_answer_is_lost() {
    let seen = sweep(Harm::CutAfter, 0, 1);
    assert_eq!(seen.carried, 0, "{seen:?}");
}

#[test]
fn the_request_is_lost() {
    let seen = sweep(Harm::CutBefore, 0, 2);
    assert_eq!(seen.carried, 0, "{seen:?}");
}

#[test]
fn the_answer_is_cut_in_two() {
    let seen = sweep(Harm::CutWithin, 1, 2);
    assert_eq!(seen.carried, 0, "{seen:?}");
}

#[test]
fn the_answer_is_503() {
    let seen = sweep(Harm::Answer("503 Service Unavailable"), 0, 3);
    assert_eq!(seen.carried, 0, "{seen:?}");
}

#[test]
fn the_answer_is_401() {
    sweep(Harm::Answer("401 Unauthorized"), 1, 4);
}
