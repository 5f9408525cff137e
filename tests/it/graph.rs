//! The GitLab child pipelines of the sample's pipelines, and what may stand in them.

use std::path::{Path, PathBuf};

use datapin::config::{Config, load};
use datapin::graph::{Graph, Settings, When, graph};
use serde_yaml::Value;

use crate::gate::assert_file;
use crate::world::{NEW, World};

const SAMPLE: &str = include_str!("../../environments/datapin.toml");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn config(text: &str) -> Config {
    load("datapin.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn graph_of(config: &Config, pipeline: &str) -> Graph {
    graph(config, config.pipeline(pipeline).unwrap())
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    Settings {
        image: Some("registry.example.com/data/datapin:0.1".to_owned()),
        tags: vec!["deploy".to_owned()],
        include: Some(".gitlab/datapin.yml".to_owned()),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

fn yaml(config: &Config, pipeline: &str, settings: &Settings) -> String {
    graph_of(config, pipeline).yaml(&config.source, settings).unwrap()
}

/// `UPDATE_FIXTURES=1` writes them anew.
#[test]
fn the_graphs_of_the_sample() {
    let config = config(SAMPLE);
    for name in config.pipelines.keys() {
        let variables = [("DATAPIN_PIPELINE", name.as_str()), ("DATAPIN_VERSION", NEW)];
        let text = yaml(&config, name, &settings(&variables));
        // the blob changes with every comment of the sample
        let text = text.replace(&config.source.blob, "BLOB");
        assert_file(&root().join(format!("fixtures/graph/{name}.yml")), &text);
    }
}

/// Stage by stage, the jobs and when they run.
fn columns(graph: &Graph) -> Vec<(String, usize, usize)> {
    let failing = |jobs: &[datapin::graph::Job]| jobs.iter().filter(|job| job.when == When::Failure).count();
    graph.stages.iter().map(|stage| (stage.name.clone(), stage.jobs.len(), failing(&stage.jobs))).collect()
}

fn expected(columns: &[(&str, usize, usize)]) -> Vec<(String, usize, usize)> {
    columns.iter().map(|(name, all, failing)| ((*name).to_owned(), *all, *failing)).collect()
}

#[test]
fn as_the_pictures_have_them() {
    let config = config(SAMPLE);
    let int = [
        (".pre", 1, 0),
        ("Notify-start", 1, 0),
        ("Deploy", 4, 0),
        ("Int-test", 1, 0),
        ("Rollback", 5, 4),
        ("Notify-end", 2, 1),
    ];
    assert_eq!(columns(&graph_of(&config, "int")), expected(&int));
    let preprod = [
        (".pre", 1, 0),
        ("Notify-start", 1, 0),
        ("Deploy-abn", 4, 0),
        ("Abn-test", 1, 0),
        ("Deploy-lup", 4, 0),
        ("Lup-test", 1, 0),
        ("Deploy-prd", 4, 0),
        ("Rollback", 15, 12),
        ("Notify-end", 2, 1),
    ];
    let graph = graph_of(&config, "preprod");
    assert_eq!(columns(&graph), expected(&preprod));
    let back: Vec<&str> =
        graph.stages[7].jobs.iter().step_by(4).take(3).map(|job| job.name.as_str()).collect();
    assert_eq!(back, ["rollback-prd-mds", "rollback-lup-mds", "rollback-abn-mds"], "newest first");
    assert_eq!(graph.stages[5].jobs[0].warns_with, Some(21), "lup's gate may fail");
    assert_eq!(graph.stages[3].jobs[0].warns_with, None, "abn's may not");
}

#[test]
fn job_names_are_unique_and_short_enough() {
    let config = config(SAMPLE);
    for name in config.pipelines.keys() {
        let graph = graph_of(&config, name);
        let mut names: Vec<&str> =
            graph.stages.iter().flat_map(|stage| &stage.jobs).map(|job| job.name.as_str()).collect();
        assert!(names.iter().all(|name| name.len() <= 255), "{names:?}");
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{name}");
    }
}

/// Names that read the same once they are joined, and gates that are called as the graph's own stages.
const ALIKE: &str = r#"
[dataset.d]
services = ["mds", "koala-mds"]
pin = { file = "{environment}/{service}.yaml", path = "v" }
[environment.play]
agent = { kind = "command", command = ["true"] }
[environment.play-koala]
agent = { kind = "command", command = ["true"] }
[gate.rollback]
kind = "command"
command = ["true"]
[gate.deploy-play-koala]
kind = "command"
command = ["true"]
after = ["rollback"]
[pipeline.p]
stages = [{ environment = "play", gates = ["rollback", "deploy-play-koala"] }, { environment = "play-koala" }]
"#;

/// GitLab keeps one of two jobs of one name, and runs a stage's jobs where its name stands first.
#[test]
fn what_would_be_called_the_same_is_told_apart() {
    let config = config(ALIKE);
    let graph = graph_of(&config, "p");
    let names: Vec<&str> = graph.stages.iter().map(|stage| stage.name.as_str()).collect();
    let all = [
        ".pre",
        "Notify-start",
        "Deploy-play",
        "Rollback-2",
        "Deploy-play-koala-2",
        "Deploy-play-koala",
        "Rollback",
        "Notify-end",
    ];
    assert_eq!(names, all);
    let text = yaml(&config, "p", &Settings::default());
    let document: Value = serde_yaml::from_str(&text).unwrap();
    let script = |job: &str| document[job]["script"][0].as_str().map(str::to_owned);
    assert_eq!(script("deploy-play-koala-mds").as_deref(), Some("datapin step deploy play koala-mds"));
    assert_eq!(script("deploy-play-koala-mds-2").as_deref(), Some("datapin step deploy play-koala mds"));
    assert_eq!(script("rollback-play-koala-mds").as_deref(), Some("datapin step rollback play-koala mds"));
    assert_eq!(script("rollback-play-koala-mds-2").as_deref(), Some("datapin step rollback play koala-mds"));
}

/// Gates that wait for each other, one that a person opens, and one name in two stages.
const GATES: &str = r#"
[dataset.d]
services = ["on", "no"]
pin = { file = "{environment}/{service}.yaml", path = "v" }
[environment.a]
agent = { kind = "command", command = ["true"] }
sync_timeout = "90s"
[environment.b]
agent = { kind = "command", command = ["true"] }
[gate.yes]
kind = "command"
command = ["true"]
timeout = "20m"
retries = 1
[gate.late]
kind = "command"
command = ["true"]
after = ["yes"]
[gate.person]
kind = "manual"
timeout = "8h"
after = ["late"]
[gate.beside]
kind = "command"
command = ["true"]
allow_failure = true
[pipeline.p]
stages = [{ environment = "a", gates = ["person", "late", "yes", "beside"] }, { environment = "b", gates = ["yes"] }]
"#;

#[test]
fn gates_wait_for_those_that_they_are_after() {
    let config = config(GATES);
    let graph = graph_of(&config, "p");
    let names: Vec<&str> = graph.stages.iter().map(|stage| stage.name.as_str()).collect();
    let all = [
        ".pre",
        "Notify-start",
        "Deploy-a",
        "Gates-a",
        "Late",
        "Person",
        "Deploy-b",
        "Yes",
        "Rollback",
        "Notify-end",
    ];
    assert_eq!(names, all);
    let first: Vec<&str> = graph.stages[3].jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(first, ["yes:a", "beside:a"]);
    assert_eq!(graph.stages[5].jobs[0].when, When::Manual);
    let document: Value = serde_yaml::from_str(&yaml(&config, "p", &Settings::default())).unwrap();
    let person = &document["person:a"];
    assert_eq!((&person["when"], &person["allow_failure"]), (&"manual".into(), &false.into()), "{person:?}");
    assert_eq!(document["yes:a"]["timeout"], "50 minutes", "two tries of 20 minutes and 10 for the runner");
    assert_eq!(document["deploy-a-on"]["timeout"], "12 minutes", "90 s are rounded up");
}

/// Who may start a job is the protection of the environment that it names.
#[test]
fn a_persons_gate_names_the_environment_that_protects_it() {
    let text = GATES.replace("kind = \"manual\"", "kind = \"manual\"\nprotected_by = \"release: no\"");
    assert!(
        load("datapin.toml", &text).unwrap_err().to_string().contains("cannot be an environment of GitLab")
    );
    let config = config(&text.replace("release: no", "release/prd 1"));
    let document: Value = serde_yaml::from_str(&yaml(&config, "p", &Settings::default())).unwrap();
    let jobs = document.as_mapping().unwrap().iter();
    let named: Vec<(&Value, &Value)> =
        jobs.filter_map(|(name, job)| Some((name, job.get("environment")?))).collect();
    let wanted: Value = serde_yaml::from_str("{ name: release/prd 1, action: prepare }").unwrap();
    assert_eq!(named, [(&"person:a".into(), &wanted)]);
}

/// A stage whose bucket is filled first, with its time, and one that has the time of its deployment alone.
const COPIES: &str = r#"
[dataset.d]
services = ["one", "other"]
pin = { file = "{environment}/{service}.yaml", path = "v" }
[environment.a]
agent = { kind = "command", command = ["true"] }
purpose = "preview"
bucket = { url = "s3://preview/{version}/", marker = "_SUCCESS" }
[environment.b]
agent = { kind = "command", command = ["true"] }
purpose = "live"
bucket = { url = "s3://live/{version}/", marker = "_SUCCESS" }
[environment.c]
agent = { kind = "command", command = ["true"] }
purpose = "live"
bucket = { url = "s3://live/{version}/", marker = "_SUCCESS" }
[pipeline.p]
stages = [{ environment = "b", promote = { from = "a", timeout = "5h" } }, { environment = "c" }]
[pipeline.q]
stages = [{ environment = "b", promote = { from = "a" } }, { environment = "c" }]
"#;

/// The job that pushes copies before, and those beside it wait for it.
#[test]
fn the_deployments_of_a_stage_that_is_promoted_have_the_time_of_the_copy() {
    let config = config(COPIES);
    let timeout = |pipeline: &str, job: &str| {
        let document: Value = serde_yaml::from_str(&yaml(&config, pipeline, &Settings::default())).unwrap();
        document[job]["timeout"].as_str().map(str::to_owned).unwrap()
    };
    for job in ["deploy-b-one", "deploy-b-other"] {
        assert_eq!(timeout("p", job), "325 minutes");
        assert_eq!(timeout("q", job), "85 minutes", "an hour where nothing else is said");
    }
    for job in ["deploy-c-one", "deploy-c-other"] {
        assert_eq!(timeout("p", job), "25 minutes");
    }
}

/// Gates beside one that a person opens, and one that waits for that.
const PEOPLE: &str = r#"
[dataset.d]
services = ["s"]
pin = { file = "{environment}/{service}.yaml", path = "v" }
[environment.a]
agent = { kind = "command", command = ["true"] }
[gate.go]
kind = "manual"
timeout = "8h"
[gate.board]
kind = "manual"
timeout = "8h"
[gate.test]
kind = "command"
command = ["true"]
[gate.late]
kind = "command"
command = ["true"]
after = ["test"]
[gate.told]
kind = "command"
command = ["true"]
after = ["go"]
[pipeline.p]
stages = [{ environment = "a", gates = ["go", "board", "test", "late", "told"] }]
"#;

/// While a manual job is open GitLab begins no later stage, so that beside one that failed nothing would be taken back.
#[test]
fn people_are_asked_after_the_other_gates_and_one_after_the_other() {
    let config = config(PEOPLE);
    let graph = graph_of(&config, "p");
    let names: Vec<&str> = graph.stages[3..8].iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["Test", "Late", "Go", "Told", "Board"]);
    let beside = |stage: &datapin::graph::Column| {
        stage.jobs.len() > 1 && stage.jobs.iter().any(|job| job.when == When::Manual)
    };
    assert!(!graph.stages.iter().any(beside), "{:#?}", graph.stages);
}

/// What GitLab's YAML would read as something else stays the string that it is, and nothing breaks out of its place.
#[test]
fn any_text_stays_as_it_is() {
    let config = config(SAMPLE);
    let odd = [
        "2026-11-23",
        "12:30",
        "1e3",
        "0123",
        "1_000",
        "on",
        "null",
        "~",
        "a: b",
        "# no",
        "{{ x }}",
        "$HOME ${X} $$",
        "a\"b'c\\d",
        "- x",
        "!!str x",
        "&a *b",
        "%YAML",
        "ä €",
        "[[ x ]]",
        "<b>&amp;</b>",
        "x\u{2028}y",
    ];
    for text in odd {
        let settings = Settings {
            image: Some(text.to_owned()),
            tags: vec![text.to_owned()],
            include: Some(text.to_owned()),
            variables: vec![("DATAPIN_SET".to_owned(), text.to_owned())],
        };
        let document: Value = serde_yaml::from_str(&yaml(&config, "int", &settings)).unwrap();
        let text = Value::from(text);
        let variable = &document["variables"]["DATAPIN_SET"];
        assert_eq!((&variable["value"], &variable["expand"]), (&text, &false.into()));
        let (image, tag) = (&document["default"]["image"], &document["default"]["tags"][0]);
        assert_eq!((image, tag, &document["include"][0]["local"]), (&text, &text, &text));
        assert_eq!(document.as_mapping().unwrap().len(), 19, "five keys and fourteen jobs");
    }
    let text = yaml(&config, "int", &settings(&[("DATAPIN_VERSION", "2026-11-23")]));
    assert!(text.contains("value: \"2026-11-23\""), "a date is quoted:\n{text}");
}

#[test]
fn the_command_tells_the_jobs_what_it_was_told() {
    let world = World::new();
    let args = ["step", "graph", "int", NEW, "--set", "mds:cache.size=1024", "--image", "datapin:1"];
    let done = world.datapin(&args).run().code(0);
    let document: Value = serde_yaml::from_str(&done.stdout).unwrap();
    let value = |name: &str| document["variables"][name]["value"].as_str().map(str::to_owned);
    assert_eq!(value("DATAPIN_PIPELINE").as_deref(), Some("int"));
    assert_eq!(value("DATAPIN_VERSION").as_deref(), Some(NEW));
    assert_eq!(value("DATAPIN_SET").as_deref(), Some("mds:cache.size=1024"));
    assert_eq!(value("DATAPIN_CONFIG").map(PathBuf::from), Some(world.dir().join("datapin.toml")));
    let told =
        world.datapin(&["step", "graph"]).env("DATAPIN_PIPELINE", "int").env("DATAPIN_VERSION", NEW).run();
    assert_eq!(told.code(0).stdout.lines().count(), done.stdout.lines().count() - 4, "no image, no changes");
}

/// GitLab shows no commit status in a child pipeline, and does not tell its jobs which one their parent is.
#[test]
fn the_jobs_are_told_which_pipeline_is_their_parent() {
    let world = World::new();
    let parent = |source: &str| {
        let bot = world.datapin(&["step", "graph", "int", NEW]).in_ci("501", "1");
        let done = bot.env("CI_PIPELINE_SOURCE", source).run().code(0);
        let document: Value = serde_yaml::from_str(&done.stdout).unwrap();
        document["variables"]["DATAPIN_PARENT_PIPELINE"]["value"].as_str().map(str::to_owned)
    };
    assert_eq!(parent("trigger").as_deref(), Some("501"));
    assert_eq!(parent("parent_pipeline"), None, "a child itself: its statuses are refused, too");
}

/// The graph is an artifact.
#[test]
fn no_password_of_a_repository_gets_into_the_graph() {
    let world = World::new();
    let secret = "https://oauth2:glpat-SECRET@git.example.com/data/environments.git";
    let graph = |bot: crate::world::Bot| {
        let done = bot.run().code(0);
        assert!(!done.stdout.contains("SECRET") && !done.stderr.contains("SECRET"), "{}", done.stdout);
        let document: Value = serde_yaml::from_str(&done.stdout).unwrap();
        document["variables"]["DATAPIN_REPOSITORY"]["value"].as_str().map(str::to_owned)
    };
    let args = ["step", "graph", "int", NEW];
    // the jobs of the child have that variable, too
    assert_eq!(graph(world.datapin(&args).env("DATAPIN_REPOSITORY", secret)), None);
    for plain in ["https://oauth2@git.example.com/x.git", "git@git.example.com:x.git"] {
        assert_eq!(graph(world.datapin(&args).env("DATAPIN_REPOSITORY", plain)).as_deref(), Some(plain));
    }
    let args = ["step", "graph", "int", NEW, "--repository", secret];
    let done = world.datapin(&args).run().code(2).says("repository.token");
    assert!(done.stdout.is_empty() && !done.stderr.contains("SECRET"), "{}", done.stderr);
    // whatever stands in the variable
    let other = "https://oauth2:glpat-OTHER@git.example.com/x.git";
    let done = world.datapin(&args).env("DATAPIN_REPOSITORY", other).run().code(2);
    assert!(!done.stderr.contains("SECRET") && !done.stderr.contains("OTHER"), "{}", done.stderr);
}

#[test]
fn a_wrong_version_makes_no_graph() {
    let world = World::new();
    for (args, words) in [
        (vec!["int", "latest"], "is no version of dataset `timetable`"),
        (vec!["inf", NEW], "did you mean `int`"),
        (vec!["int", NEW, "--set", "mds:cache.sise=1"], "is not settable"),
    ] {
        let args: Vec<&str> = ["step", "graph"].into_iter().chain(args).collect();
        let done = world.datapin(&args).run().code(2).says(words);
        assert_eq!(done.stdout, "");
    }
}
