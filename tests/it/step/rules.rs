//! The rules of reports, without git or a clock.

use datapin::config::OnNewer;
use datapin::queue::*;
use jiff::Timestamp;

fn ticket(state: &str) -> Ticket {
    let ticket = serde_json::json!({
        "schema": 1, "run": "R1", "number": 1, "key": "k", "kind": { "do": "deploy" }, "pipeline": "int",
        "dataset": "timetable", "version": "2", "actor": "anna", "config": "c", "priority": "normal",
        "driver": { "epoch": 3, "who": "job 7", "beat": 4 },
        "lives": { "pipeline": { "host": "gitlab.example.com", "project": "7", "pipeline": "41" } },
        "state": serde_json::from_str::<serde_json::Value>(state).unwrap(),
        "stages": [{
            "environments": [{
                "name": "int", "repository": "r", "branch": "main", "commit": "a".repeat(40),
                "services": [{ "name": "mds", "state": "pending" }, { "name": "kv", "state": "pending" }],
            }],
            "gates": [{ "name": "test" }, { "name": "go" }],
        }],
        "attempt": 2, "times": { "entered": "2026-11-01T00:00:00Z" },
    });
    serde_json::from_value(ticket).unwrap()
}

const SYNC: &str = r#"{ "name": "deploying", "stage": 0, "step": "sync" }"#;
const GATE: &str = r#"{ "name": "deploying", "stage": 0, "step": "gate" }"#;
const BACK: &str = r#"{ "name": "rolling-back", "cause": { "kind": "gate", "text": "t" } }"#;

fn queue(ticket: Ticket) -> (Queue, About) {
    let about = About::of(&ticket);
    let mut queue = Queue { next: 2, ..Queue::default() };
    queue.tickets.insert(1, ticket);
    (queue, about)
}

fn service(name: &str, state: ServiceState) -> ServiceReport {
    let fault = (state == ServiceState::Failed)
        .then(|| Cause { kind: CauseKind::Deployment, text: format!("int/{name}: broken") });
    ServiceReport {
        environment: "int".to_owned(),
        service: name.to_owned(),
        commit: "a".repeat(40).parse().unwrap(),
        state,
        reason: String::new(),
        fault,
    }
}

fn gate(name: &str, verdict: Verdict) -> GateReport {
    GateReport {
        stage: 0,
        gate: name.to_owned(),
        commits: vec![("int".to_owned(), "a".repeat(40).parse().unwrap())],
        verdict,
        summary: "s".to_owned(),
        url: String::new(),
        fault: None,
    }
}

#[test]
fn both_lives_are_read_and_written() {
    let spread = ticket(SYNC);
    let Lives::Pipeline(life) = &spread.lives else { panic!("{:?}", spread.lives) };
    assert_eq!((life.pipeline.as_str(), &life.job), ("41", &None));
    let json = serde_json::to_value(&spread).unwrap();
    assert_eq!(serde_json::from_value::<Ticket>(json).unwrap(), spread);
    assert_eq!(serde_json::to_value(Lives::Process).unwrap(), "process", "as tickets before have it");
}

#[test]
fn the_state_moves_on_with_the_last_result_of_a_step() {
    let (mut queue, about) = queue(ticket(SYNC));
    queue.report_service(&about, &service("kv", ServiceState::Deployed)).unwrap();
    assert!(queue.tickets[&1].is_at(0, StageStep::Sync));
    assert_eq!(queue.report_gate(&about, &gate("test", Verdict::Passed)), Err(Refusal::Stale), "too early");
    queue.report_service(&about, &service("mds", ServiceState::Deployed)).unwrap();
    assert!(queue.tickets[&1].is_at(0, StageStep::Gate));
    queue.report_gate(&about, &gate("test", Verdict::Warned)).unwrap();
    queue.report_gate(&about, &gate("go", Verdict::Passed)).unwrap();
    assert!(queue.tickets[&1].is_at(1, StageStep::Pin), "{:?}", queue.tickets[&1].state);
}

#[test]
fn a_result_is_written_once_and_about_what_was_watched() {
    let (mut queue, about) = queue(ticket(SYNC));
    let failed = service("kv", ServiceState::Failed);
    queue.report_service(&about, &failed).unwrap();
    assert_eq!(queue.tickets[&1].fault.as_ref().unwrap().text, "int/kv: broken");
    assert_eq!(queue.report_service(&about, &service("kv", ServiceState::Deployed)), Err(Refusal::Stale));
    let other =
        ServiceReport { commit: "b".repeat(40).parse().unwrap(), ..service("mds", ServiceState::Deployed) };
    assert_eq!(queue.report_service(&about, &other), Err(Refusal::Stale));
    let before = About { attempt: 1, ..about.clone() };
    assert_eq!(queue.report_service(&before, &service("mds", ServiceState::Deployed)), Err(Refusal::Stale));
    assert_eq!(
        queue.report_service(&about, &service("mds", ServiceState::RolledBack)),
        Err(Refusal::Stale),
        "it does not go back"
    );
    let gone = About { number: 9, ..about };
    assert_eq!(queue.report_service(&gone, &failed), Err(Refusal::Gone { number: 9 }));
}

#[test]
fn a_verdict_is_written_once_and_about_what_was_judged() {
    let (mut queue, about) = queue(ticket(GATE));
    let other = GateReport {
        commits: vec![("int".to_owned(), "b".repeat(40).parse().unwrap())],
        ..gate("test", Verdict::Passed)
    };
    assert_eq!(queue.report_gate(&about, &other), Err(Refusal::Stale), "of another commit");
    let later = GateReport { stage: 1, ..gate("test", Verdict::Passed) };
    assert_eq!(queue.report_gate(&about, &later), Err(Refusal::Stale), "of another stage");
    let before = About { attempt: 1, ..about.clone() };
    assert_eq!(
        queue.report_gate(&before, &gate("test", Verdict::Passed)),
        Err(Refusal::Stale),
        "of an attempt before"
    );
    queue.report_gate(&about, &gate("test", Verdict::Failed)).unwrap();
    assert_eq!(queue.report_gate(&about, &gate("test", Verdict::Passed)), Err(Refusal::Stale), "once");
    assert_eq!(queue.tickets[&1].stages[0].gates[0].verdict, Some(Verdict::Failed));
}

#[test]
fn a_run_that_goes_back_takes_reports_of_the_way_back_only() {
    let mut back = ticket(BACK);
    back.stages[0].environments[0].revert = Some("c".repeat(40).parse().unwrap());
    let (mut queue, about) = queue(back);
    assert_eq!(queue.report_service(&about, &service("mds", ServiceState::Deployed)), Err(Refusal::Stale));
    let came_back =
        ServiceReport { commit: "c".repeat(40).parse().unwrap(), ..service("mds", ServiceState::RolledBack) };
    queue.report_service(&about, &came_back).unwrap();
    assert_eq!(queue.report_service(&about, &came_back), Err(Refusal::Stale), "once");
    assert_eq!(queue.report_gate(&about, &gate("test", Verdict::Passed)), Err(Refusal::Stale));
    let fault = Cause { kind: CauseKind::NotAllowed, text: "x".to_owned() };
    assert_eq!(queue.report_fault(&about, &fault), Err(Refusal::Stale));
}

#[test]
fn the_gravest_cause_decides_and_equal_ones_are_told_together() {
    let (mut queue, about) = queue(ticket(SYNC));
    queue.report_service(&about, &service("kv", ServiceState::Failed)).unwrap();
    queue.report_service(&about, &service("mds", ServiceState::Failed)).unwrap();
    assert_eq!(queue.tickets[&1].fault.as_ref().unwrap().text, "int/kv: broken; int/mds: broken");
    let fault = |kind| Cause { kind, text: "x".to_owned() };
    queue.report_fault(&about, &fault(CauseKind::Superseded)).unwrap();
    queue.report_fault(&about, &fault(CauseKind::Gate)).unwrap();
    assert_eq!(queue.tickets[&1].fault.as_ref().unwrap().kind, CauseKind::Superseded);
}

/// Of a started run GitLab is asked about the pipeline: whose job entered again does not matter any more.
#[test]
fn gitlab_is_asked_about_the_job_that_entered_last() {
    let by_job = |job: &str, state: &str| {
        let mut ticket = ticket(state);
        if let Lives::Pipeline(spread) = &mut ticket.lives {
            spread.job = Some(job.to_owned());
        }
        ticket
    };
    let now: Timestamp = "2026-11-01T00:00:01Z".parse().unwrap();
    for (state, job) in [(r#"{ "name": "waiting" }"#, "9"), (SYNC, "8")] {
        let (mut queue, _) = queue(by_job("8", state));
        let entry = queue.enter(&by_job("9", state), OnNewer::Queue, now).unwrap();
        assert_eq!(entry, Entry::Rejoined { number: 1 });
        assert_eq!(queue.tickets[&1].lives, by_job(job, state).lives, "{state}");
    }
}

#[test]
fn an_approval_is_for_a_gate_that_waits() {
    let yes = |by: &str| Approval { by: by.to_owned(), reason: "good".to_owned() };
    let (mut early, about) = queue(ticket(SYNC));
    assert!(matches!(early.approve(&about, "go", &yes("anna")), Err(Refusal::WrongState { .. })));
    let (mut queue, about) = queue(ticket(GATE));
    assert_eq!(queue.approve(&about, "other", &yes("anna")), Err(Refusal::Stale));
    queue.approve(&about, "go", &yes("anna")).unwrap();
    queue.approve(&about, "go", &yes("berta")).unwrap();
    let record = &queue.tickets[&1].stages[0].gates[1];
    assert_eq!(record.approval, Some(yes("anna")), "the first one stays");
    let now: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
    queue.first_seen(&about, "go", now).unwrap();
    queue.first_seen(&about, "go", Timestamp::now()).unwrap();
    assert_eq!(queue.tickets[&1].stages[0].gates[1].seen, Some(now));
}

/// Where `queue.json` was set back by hand a number is given twice, and epochs begin again.
#[test]
fn a_driver_of_an_earlier_run_of_the_same_number_writes_nothing() {
    let (mut queue, _) = queue(ticket(SYNC));
    let mine = ticket(SYNC);
    queue.write_record(&mine, 3).unwrap();
    assert!(matches!(queue.write_record(&mine, 2), Err(Refusal::TakenOver { epoch: 3, .. })));
    let before = queue.clone();
    let earlier = Ticket { run: RunId("R0".to_owned()), ..mine };
    assert_eq!(queue.write_record(&earlier, 3), Err(Refusal::Gone { number: 1 }));
    assert_eq!(queue, before);
}

#[test]
fn a_driver_that_writes_loses_nothing_of_what_was_reported_meanwhile() {
    let (mut queue, about) = queue(ticket(SYNC));
    let mine = queue.tickets[&1].clone();
    queue.report_service(&about, &service("mds", ServiceState::Deployed)).unwrap();
    queue.report_service(&about, &service("kv", ServiceState::Failed)).unwrap();
    queue.write_record(&mine, 3).unwrap();
    let ticket = &queue.tickets[&1];
    let states: Vec<_> =
        ticket.parts().flat_map(|part| &part.services).map(|service| service.state).collect();
    assert_eq!(states, [ServiceState::Deployed, ServiceState::Failed]);
    assert_eq!(ticket.fault.as_ref().map(|fault| fault.kind), Some(CauseKind::Deployment));
}

/// A person may undo a revert: what was reported of it says nothing of the one that follows.
#[test]
fn reports_of_a_revert_that_was_undone_do_not_come_back() {
    let [first, second] = ["c", "d"].map(|id| -> datapin::repo::CommitId { id.repeat(40).parse().unwrap() });
    let mut back = ticket(BACK);
    back.stages[0].environments[0].reverted_by(Some(first.clone()));
    let (mut queue, about) = queue(back);
    let of = |commit: &datapin::repo::CommitId, name| ServiceReport {
        commit: commit.clone(),
        ..service(name, ServiceState::RolledBack)
    };
    queue.report_service(&about, &of(&first, "mds")).unwrap();
    let mut mine = queue.tickets[&1].clone();
    mine.stages[0].environments[0].reverted_by(Some(second.clone()));
    queue.write_record(&mine, 3).unwrap();
    let state = |queue: &Queue| queue.tickets[&1].stages[0].environments[0].services[0].state;
    assert_eq!(state(&queue), ServiceState::RollingBack);
    assert_eq!(queue.report_service(&about, &of(&first, "mds")), Err(Refusal::Stale));
    queue.report_service(&about, &of(&second, "mds")).unwrap();
    queue.write_record(&mine, 3).unwrap();
    assert_eq!(state(&queue), ServiceState::RolledBack, "nothing of this one is lost");
    let mut again = queue.tickets[&1].clone();
    again.stages[0].environments[0].reverted_by(Some(second));
    queue.write_record(&again, 3).unwrap();
    assert_eq!(state(&queue), ServiceState::RolledBack, "found once more, it is the same revert");
}

#[test]
fn whoever_takes_the_run_as_a_whole_beats_for_it() {
    let (mut queue, _) = queue(ticket(SYNC));
    let seen = queue.tickets[&1].driver.clone();
    let spread = Spread {
        host: "gitlab.example.com".to_owned(),
        project: "7".to_owned(),
        pipeline: "41".to_owned(),
        job: Some("8".to_owned()),
    };
    assert_eq!(queue.claim(1, &seen, "job 8", &spread), Ok(4));
    assert_eq!(queue.tickets[&1].lives, Lives::Pipeline(spread.clone()));
    assert_eq!(queue.claim(1, &seen, "job 9", &spread), Err(Refusal::Alive { number: 1 }), "one of two");
    let seen = queue.tickets[&1].driver.clone();
    queue.take(1, &seen, "reconcile").unwrap();
    assert_eq!(queue.tickets[&1].lives, Lives::Process);
}
