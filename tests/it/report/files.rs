//! `datapin report` and the files about a run, by the real binary.

use std::path::Path;

use crate::transport::git;
use crate::world::{NEW, OLD, QUEUE, Transport, World};

fn read(world: &World, name: &str) -> String {
    let text = std::fs::read_to_string(world.dir().join(name));
    super::html::readable(&text.unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// How many nodes of this shade whose label begins so the page has.
fn nodes(page: &str, shade: &str, label: &str) -> usize {
    let node = format!("<li class=\"node {shade}\" ");
    let label = format!("<span class=\"label\">{label}");
    page.lines().filter(|line| line.contains(&node) && line.contains(&label)).count()
}

const SERVICES: usize = 4;

#[test]
fn a_run_that_fails_leaves_its_files() {
    let world = World::new();
    world.verified("int", OLD);
    world.gate("int-test").fails();
    let args = ["--report", "out/r.html", "--junit", "r.xml", "--markdown", "r.md", "--dotenv", "r.env"];
    world
        .datapin(&[&["deploy", "int", NEW], &args[..], &["--annotations", "r.json"]].concat())
        .run()
        .code(11);
    let page = read(&world, "out/r.html");
    assert_eq!(nodes(&page, "good", "int/"), SERVICES, "{page}");
    assert_eq!(nodes(&page, "bad", "int-test"), 1);
    assert_eq!(nodes(&page, "skip", "record int"), 1);
    assert!(page.contains(NEW) && page.contains(OLD));
    assert!(read(&world, "r.xml").contains("<failure message="));
    assert!(read(&world, "r.md").starts_with("### ❌ int timetable 2026.11.23-1: rolled back"));
    assert!(read(&world, "r.env").contains("DATAPIN_RUN_OUTCOME=rolled-back\nDATAPIN_RUN_EXIT=11\n"));
    assert!(
        serde_json::from_str::<serde_json::Value>(&read(&world, "r.json")).unwrap()["datapin"].is_array()
    );
}

#[test]
fn a_file_that_cannot_be_written_fails_no_run() {
    let world = World::new();
    let done = world.datapin(&["deploy", "int", OLD, "--report", "datapin.toml/r.html"]).run().code(0);
    assert!(done.stderr.contains("datapin.toml/r.html cannot be written"), "{}", done.stderr);
}

/// The queue branch is all that is left of the runs, and the clone of the one who asks is shallow.
#[test]
fn a_run_is_told_again_from_the_queue_branch() {
    let world = World::over(Transport::Http);
    world.verified("int", OLD);
    world.service("int", "kv").breaks_on(NEW);
    world.datapin(&["deploy", "int", NEW]).run().code(10);
    world.service("int", "kv").heals();
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    let report = |args: &[&str]| {
        let args = [&["report"], args, &["--out", "told.html"]].concat();
        world.datapin(&args).by("stranger").run().code(0);
        read(&world, "told.html")
    };
    let last = report(&[]);
    assert_eq!(
        nodes(&last, "good", ""),
        1 + SERVICES + 1 + 1 + 1,
        "wait, services, gate, record, end: {last}"
    );
    let failed = report(&["#2"]);
    assert_eq!(nodes(&failed, "bad", "kv"), 1, "the deployment of kv failed:\n{failed}");
    assert_eq!(nodes(&failed, "good", "int/"), SERVICES, "{failed}");
    assert_eq!(nodes(&failed, "skip", "int-test"), 1);
    assert!(failed.contains(&format!("<del>{OLD}</del>")) && failed.contains(&format!("<ins>{NEW}</ins>")));
    assert!(failed.contains("told from the journal"));
    let history = report(&["--environment", "int"]);
    assert!(history.contains("rolled back") && history.contains("class=\"plot\""));
    let unknown = world.datapin(&["report", "nobody"]).run().code(2);
    assert!(unknown.stderr.contains("is no run of the queue"), "{}", unknown.stderr);
}

/// A run that has not ended is told as far as it is.
#[test]
fn a_run_that_goes_on_is_told_so_far() {
    let world = World::new();
    world.gate("int-test").hangs();
    let mut running = world.datapin(&["deploy", "int", NEW]).spawn();
    let began = || !world.gate("int-test").began().is_empty();
    world.until("the gate runs", std::time::Duration::from_secs(60), began);
    world.datapin(&["report", "--out", "now.html"]).by("bo").run().code(0);
    running.kill();
    let page = read(&world, "now.html");
    assert!(page.contains("not finished"), "{page}");
}

/// A job of the same pipeline finds its run without being told which.
#[test]
fn a_later_job_reports_the_run_of_its_pipeline() {
    let world = World::new();
    world.datapin(&["deploy", "int", OLD]).in_ci("501", "1").run().code(0);
    world.datapin(&["deploy", "int", NEW]).in_ci("502", "2").run().code(0);
    let report = ["report", "--markdown", "-"];
    let done = world.datapin(&report).in_ci("501", "9").run().code(0);
    assert!(done.stdout.contains(&format!("int timetable {OLD}: verified")), "{}", done.stdout);
    assert!(!Path::new(&world.dir().join("datapin-report.html")).exists(), "only what is asked for");
    world.datapin(&report).in_ci("777", "9").run().code(2);
}

/// The graph's `after_script` names no queue.
#[test]
fn a_run_of_another_queue_is_found_without_its_name() {
    let world = World::new();
    world.verified("int", OLD);
    world.config(|text| {
        text["queue"]["q2"] = toml_edit::Item::Table(toml_edit::Table::new());
        text["queue"]["q2"]["branch"] = toml_edit::value("datapin/q2");
        text["environment"]["play-test"]["queue"] = toml_edit::value("q2");
        text["environment"]["play-koala"]["queue"] = toml_edit::value("q2");
    });
    world.datapin(&["init"]).run().code(0);
    world.datapin(&["deploy", "play-test", NEW]).in_ci("503", "1").run().code(0);
    let report = |args: &[&str]| {
        world.datapin(&[&["report", "--markdown", "-"], args].concat()).in_ci("503", "9").run()
    };
    report(&[]).code(0).says(&format!("play-test timetable {NEW}: verified"));
    report(&["--queue", "q2"]).code(0);
    report(&["--queue", "default"]).code(2).says("has had no run");
    let last = world.datapin(&["report", "--markdown", "-"]).run().code(0);
    last.says(&format!("play-test timetable {NEW}: verified"));
    world.datapin(&["report", "1", "--markdown", "-"]).run().code(2).says("--queue");
    world.datapin(&["report", "nobody"]).run().code(2).says("`datapin/queue`, `datapin/q2`");
}

/// Jobs of a component have the variables of the run's report.
#[test]
fn the_history_of_an_environment_minds_no_variable_about_a_run() {
    let world = World::new();
    world.verified("int", OLD);
    let history = ["report", "--environment", "int", "--out", "history.html"];
    let job = |args: &[&str]| {
        let job = world.datapin(args).env("DATAPIN_RUN", "01KAZ3W8M0Q2V6T4R8N0P5X7YB");
        job.env("DATAPIN_JUNIT", "j.xml").env("DATAPIN_MARKDOWN", "m.md").run()
    };
    job(&history).code(0);
    assert!(read(&world, "history.html").contains("class=\"plot\""));
    assert!(!world.dir().join("j.xml").exists());
    job(&[&history[..], &["--junit", "k.xml"]].concat()).code(2).says("HTML only");
    job(&[&history[..], &["2"]].concat()).code(2).says("has no RUN");
}

/// What is said of a history whose tickets are gone: the journal was cut off by hand.
#[test]
fn a_history_without_its_journal_is_told_shortly() {
    let world = World::new();
    world.verified("int", OLD);
    let tree = git(&world.bare(), &["rev-parse", &format!("{QUEUE}^{{tree}}")]);
    let commit = git(&world.bare(), &["commit-tree", tree.trim(), "-m", "squashed"]);
    git(&world.bare(), &["update-ref", &format!("refs/heads/{QUEUE}"), commit.trim()]);
    world.datapin(&["report", "--out", "short.html"]).by("bo").run().code(0);
    let page = read(&world, "short.html");
    assert!(page.contains("verified") && page.contains(OLD), "{page}");
}
