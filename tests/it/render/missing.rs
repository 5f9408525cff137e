//! Programs that are missing, hang, or are not needed.

use std::sync::Arc;
use std::time::Duration;

use datapin::render::{Effect, Helmfile, Question, StageChange, Touched};
use datapin::repo::{Change, Content};

use super::*;
use crate::world::Signal;

/// A folder with a `helm` and a `helmfile` that runs this line.
fn stub(world: &World, line: &str) -> String {
    let folder = world.dir().join("stub");
    std::fs::create_dir(&folder).unwrap();
    for name in ["helmfile", "helm"] {
        std::fs::write(folder.join(name), format!("#!/bin/sh\n{line}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.join(name), mode).unwrap();
    }
    format!("{}:/usr/bin:/bin", folder.display())
}

#[test]
fn without_helmfile_nothing_begins() {
    let world = proving(World::new());
    let before = (world.tip("main"), world.tip(crate::world::QUEUE));
    for args in [&["deploy", "int", NEW][..], &["deploy", "int", NEW, "--dry-run"]] {
        let done = world.datapin(args).env("PATH", "/nowhere:/bin-of-nobody").run().code(2);
        done.says("`verify = \"helmfile\"` in [repository] needs `helmfile`").says("/nowhere:/bin-of-nobody");
    }
    assert_eq!(before, (world.tip("main"), world.tip(crate::world::QUEUE)));
}

#[test]
fn check_looks_for_the_programs() {
    let world = proving(World::new());
    let done = world.datapin(&["check"]).env("PATH", "/nowhere:/bin-of-nobody").run().code(2);
    done.says("error: `verify = \"helmfile\"` in [repository] needs `helmfile`").says("1 problems");
    let path = stub(&world, "exit 1");
    world.datapin(&["check"]).env("PATH", &path).run().code(0).says("0 problems");
}

#[test]
fn without_helm_nothing_begins() {
    let Some((helmfile, _)) = environments::programs() else { return };
    let world = proving(World::new());
    let folder = world.dir().join("only");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(helmfile, folder.join("helmfile")).unwrap();
    let path = folder.display().to_string();
    world.datapin(&["deploy", "int", NEW]).env("PATH", &path).run().code(2).says("needs `helm`");
}

/// A rollback is never hindered: neither by missing programs nor by a chart that is broken by now.
#[test]
fn a_rollback_needs_no_proof() {
    let Some(proven) = Proven::new() else { return };
    proven.datapin(&["deploy", "int", OLD]).run().code(0);
    proven.datapin(&["deploy", "int", NEW]).run().code(0);
    proven.change(DEPLOYMENT, USE, "{{ fail \"broken\" }}");
    proven.world.datapin(&["rollback", "int"]).env("PATH", "/usr/bin:/bin").run().code(0);
    assert_eq!(proven.world.versions("int"), [OLD]);
}

#[tokio::test]
async fn a_helmfile_that_hangs_is_an_obstacle() {
    let world = World::new();
    let path = stub(&world, "exec sleep 600");
    let repo = datapin::repo::Repo::open(crate::repo::settings(
        &world.bare().display().to_string(),
        &world.dir().join("kept"),
    ));
    let repo = Arc::new(repo.unwrap());
    let change = StageChange {
        changes: vec![Change { path: "values/int/kv.yaml".into(), content: Content::Write(b"{}".into()) }],
        touched: vec![Touched {
            environment: "int".into(),
            service: "kv".into(),
            places: vec!["`data`".into()],
            effect: Effect::NewValue,
        }],
    };
    let question = Question {
        tip: repo.fetch("main").unwrap().unwrap(),
        environments: vec!["int".into(), "dt".into()],
        stages: vec![change],
    };
    let lookup = |name: &str| (name == "PATH").then(|| path.clone());
    let helmfile = Helmfile::new(None, &[], lookup).with_limit(Duration::from_millis(300));
    let proofs = helmfile.prove(&repo, &question).await.unwrap();
    let obstacle = "helmfile cannot render `int` even as it is now: helmfile took more than 300ms; mend the \
                    repository first";
    assert_eq!(proofs[0].obstacles, [obstacle]);
    assert_eq!(proofs[0].notes.len(), 1, "dt is only noted: {:?}", proofs[0].notes);
}

/// Nobody has to wait for a proof that is not wanted any more.
#[test]
fn a_signal_ends_a_proof_and_leaves_nothing() {
    let world = proving(World::new());
    let begun = world.dir().join("begun");
    let path = stub(&world, &format!("touch {}; exec sleep 600", begun.display()));
    let before = (world.tip("main"), world.tip(crate::world::QUEUE));
    let running = world.datapin(&["deploy", "int", NEW]).env("PATH", &path).spawn();
    world.until("helmfile runs", Duration::from_secs(30), || begun.exists());
    running.signal(Signal::TERM);
    running.wait(Duration::from_secs(30)).code(16).says("nothing was written");
    assert_eq!(before, (world.tip("main"), world.tip(crate::world::QUEUE)));
    assert_eq!(left(&world), [""; 0], "a scratch checkout is left");
}

/// The run's own environment is full of secrets.
#[test]
fn only_what_is_passed_gets_in() {
    let world = proving(World::new());
    let seen = world.dir().join("seen");
    let path = stub(&world, &format!("env > {}; exit 1", seen.display()));
    world.config(|text| {
        let pass = ["SOPS_AGE_KEY_FILE"].into_iter().collect::<Array>();
        text["repository"]["helmfile"]["pass"] = value(pass);
    });
    let bot = world.datapin(&["deploy", "int", NEW]).env("PATH", &path);
    bot.env("SOPS_AGE_KEY_FILE", "/age").env("CI_JOB_TOKEN", "hidden").run().code(15);
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("SOPS_AGE_KEY_FILE=/age") && !seen.contains("CI_JOB_TOKEN"), "{seen}");
}

/// Helmfile repeats both outputs of a command that failed; the one may hold what was decrypted.
#[test]
fn what_a_failed_command_printed_is_not_told() {
    let world = proving(World::new());
    let said = "echo hunter2; printf 'in ./helmfile.yaml: failed\\n\\nEXIT STATUS\\n  1\\n' >&2; \
                if [ -e stderr ]; then printf 'STDERR:\\n  Error: no key\\n' >&2; fi; \
                printf '\\nCOMBINED OUTPUT:\\n  password: hunter2\\n' >&2; exit 1";
    let path = stub(&world, said);
    for words in [
        "as it is now: in ./helmfile.yaml: failed; EXIT STATUS; 1; mend",
        "as it is now: Error: no key; mend",
    ] {
        let done =
            world.datapin(&["deploy", "int", NEW, "-vv"]).env("PATH", &path).run().code(15).says(words);
        assert!(!done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"), "{done:?}");
        let checkout = world.checkout("main");
        std::fs::write(checkout.join("stderr"), words).unwrap();
        for args in [&["add", "stderr"][..], &["commit", "-qm", "x"], &["push", "-q", "origin", "HEAD:main"]]
        {
            crate::transport::git(&checkout, args);
        }
    }
}
