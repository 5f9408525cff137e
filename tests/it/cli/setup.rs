//! Arguments, variables, configuration, and the first steps.

use std::path::Path;
use std::process::Command;

use crate::transport::git;
use crate::world::{NEW, OLD, QUEUE, Transport, World};

#[test]
fn variables_stand_for_arguments() {
    let world = World::new();
    world
        .datapin(&["deploy"])
        .config(None)
        .cwd(Path::new("/"))
        .env("DATAPIN_CONFIG", &world.dir().join("datapin.toml").display().to_string())
        .env("DATAPIN_PIPELINE", "int")
        .env("DATAPIN_VERSION", NEW)
        .env("DATAPIN_SET", "mds:cache.size=1024")
        .env("DATAPIN_ACTOR", "trigger")
        .run()
        .code(0);
    assert_eq!((world.versions("int"), &world.last()["actor"]), (vec![NEW.into()], &"trigger".into()));
    assert!(world.file("main", "values/int/mds.yaml").unwrap().contains("size: 1024"));
}

/// The component sets them to nothing where nobody named a pipeline.
#[test]
fn what_is_missing_is_named_as_a_job_could_say_it() {
    let world = World::new();
    for args in [&["deploy"][..], &["step", "graph"], &["step", "enter"], &["propose"]] {
        let bot = world.datapin(args).env("DATAPIN_PIPELINE", "").env("DATAPIN_VERSION", NEW);
        let done = bot.run().code(2).says("<PIPELINE>").says("the input `pipeline`");
        assert!(done.stderr.contains("here it is empty"), "{}", done.stderr);
        assert!(!done.stderr.contains("DATAPIN_VERSION"), "only what is missing: {}", done.stderr);
    }
    world
        .datapin(&["deploy", "int"])
        .run()
        .code(2)
        .says("variable DATAPIN_VERSION")
        .says("the input `version`");
}

#[test]
fn an_empty_set_of_a_pipeline_without_input_sets_nothing() {
    let world = World::new();
    world.datapin(&["deploy", "int", NEW]).env("DATAPIN_SET", "").run().code(0);
    assert_eq!(world.versions("int"), [NEW]);
}

#[test]
fn the_actor_in_gitlab_is_who_triggered_it() {
    let world = World::new();
    let bot =
        world.datapin(&["deploy", "int", NEW]).env("DATAPIN_ACTOR", "").env("GITLAB_USER_LOGIN", "maria");
    bot.in_ci("77", "1").run().code(0);
    assert_eq!(world.last()["actor"], "maria");
    let message = world.log("main")[0].message.clone();
    assert!(message.contains("maria") && message.contains("/pipelines/77"), "{message}");
}

#[test]
fn the_configuration_of_the_working_directory_is_found() {
    let world = World::new();
    world.datapin(&["check"]).config(None).run().code(0);
    let empty = world.dir().join("empty");
    std::fs::create_dir(&empty).unwrap();
    world.datapin(&["check"]).config(None).cwd(&empty).run().code(2).says("datapin init");
}

#[test]
fn the_configuration_at_the_tip_of_the_repository_is_found() {
    let world = World::new();
    let checkout = world.checkout("main");
    std::fs::copy(world.dir().join("datapin.toml"), checkout.join("datapin.toml")).unwrap();
    git(&checkout, &["commit", "--quiet", "--all", "--message", "configure"]);
    git(&checkout, &["push", "--quiet", "origin", "HEAD:main"]);
    let url = world.bare().display().to_string();
    let bot = world.datapin(&["deploy", "int", NEW, "--repository", &url]).config(None).cwd(Path::new("/"));
    bot.run().code(0);
    assert_eq!(world.versions("int"), [NEW]);
}

#[test]
fn a_configuration_with_errors_is_2_and_says_where() {
    let world = World::new();
    let path = world.dir().join("wrong.toml");
    let text = std::fs::read_to_string(world.dir().join("datapin.toml")).unwrap();
    std::fs::write(&path, text.replace("settable", "setable")).unwrap();
    let done = world.datapin(&["deploy", "int", NEW]).config(Some(&path)).run().code(2);
    done.says("wrong.toml:").says("settable").says("setable");
    world.datapin(&["check"]).config(Some(&world.dir().join("none.toml"))).run().code(2).says("none.toml");
}

#[test]
fn secrets_that_are_missing_are_2_and_named() {
    let world = World::new();
    world.config(|text| text["notify"]["rocketchat"]["webhook"]["env"] = toml_edit::value("NO_SUCH_HOOK"));
    world.datapin(&["deploy", "int", NEW]).run().code(2).says("NO_SUCH_HOOK");
}

#[test]
fn init_in_a_helmfile_repository_that_has_no_configuration() {
    let world = World::without_queue(Transport::File);
    let checkout = world.checkout("main");
    git(&checkout, &["rm", "--quiet", "datapin.toml"]);
    git(&checkout, &["commit", "--quiet", "--message", "as it was before"]);
    world.datapin(&["init"]).config(None).cwd(&checkout).run().code(0).says("wrote datapin.toml");
    let text = std::fs::read_to_string(checkout.join("datapin.toml")).unwrap();
    for word in ["timetable", "values/{environment}/{service}.yaml", "data.timetable.version", "play-koala"] {
        assert!(text.contains(word), "no `{word}` in\n{text}");
    }
    world.datapin(&["init"]).config(None).cwd(&checkout).run().code(0).says(QUEUE);
    world.datapin(&["check"]).config(None).cwd(&checkout).run().code(0).says("0 problems");
    let again = std::fs::read_to_string(checkout.join("datapin.toml")).unwrap();
    assert_eq!(text, again, "a second init writes no file");
}

#[test]
fn help_names_every_exit_code() {
    let world = World::without_queue(Transport::File);
    let help = world.datapin(&["--help"]).config(None).run().code(0);
    for code in [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19] {
        assert!(help.stdout.contains(&format!(" {code}  ")), "no {code} in\n{}", help.stdout);
    }
    let version = world.datapin(&["--version"]).config(None).run().code(0);
    assert_eq!(version.stdout, format!("datapin {}\n", env!("CARGO_PKG_VERSION")));
    world.datapin(&[]).config(None).run().code(2).says("Usage:");
}

#[test]
fn completions_man_and_schema() {
    let world = World::without_queue(Transport::File);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let done = world.datapin(&["completions", shell]).config(None).run().code(0);
        assert!(done.stdout.contains("rollback"), "{shell}");
    }
    let bash = world.datapin(&["completions", "bash"]).config(None).run().stdout;
    let script = world.dir().join("complete.bash");
    std::fs::write(&script, bash).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
    let man = world.datapin(&["man"]).config(None).run().code(0);
    assert!(man.stdout.contains(".TH datapin 1"), "{}", man.stdout);
    for command in ["DEPLOY", "STEP ENTER", "QUEUE FREEZE", "REPORT"] {
        assert!(man.stdout.contains(&format!(".SH \"DATAPIN {command}\"")), "{command} is told");
    }
    assert!(man.stdout.contains("\\-\\-junit"), "options of a command: {}", man.stdout);
    assert!(man.stdout.contains(".SH \"EXIT STATUS\"\nExit codes:"), "{}", man.stdout);
    assert!(!man.stdout.contains("deploy(1)"), "a page that nobody has is named");
    assert_eq!(man.stdout.matches("\\fB\\-\\-repository\\fR \\fI").count(), 1, "told once");
    let schema = world.datapin(&["schema"]).config(None).run().code(0).json();
    assert!(jsonschema::validator_for(&schema).is_ok());
}

#[test]
fn ssh_with_the_wrong_key_is_3_and_says_so() {
    let world = World::over(Transport::Ssh);
    let key = world.stranger();
    world.config(|text| text["repository"]["ssh_key"]["file"] = toml_edit::value(key.display().to_string()));
    world.datapin(&["deploy", "int", NEW]).by("mallory").run().code(3);
    assert_eq!(world.versions("int"), [OLD]);
}
