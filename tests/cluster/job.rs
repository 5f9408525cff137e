//! Gate `kubernetes-job`, with the real Job controller.

use crate::bed::bed;
use crate::world::{NEW, OLD, World};

/// A world with a gate whose Job has that fate.
fn gated(fate: &str) -> World {
    let world = World::plain(&format!("job-{fate}"), &["mds"]);
    world.under_argocd();
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cluster/job.yaml");
    let manifest = std::fs::read_to_string(manifest).unwrap().replace("@FATE@", fate);
    std::fs::write(world.dir().join("job.yaml"), manifest).unwrap();
    world.configure(&world.argocd(), |text| {
        let gate = format!(
            "\n[gate.e2e]\nkind = \"kubernetes-job\"\nmanifest = \"job.yaml\"\nnamespace = \"{}\"\n\
             context = \"bed\"\ntimeout = \"2m\"\n",
            world.name()
        );
        text.replace(r#"environment = "int" }"#, r#"environment = "int", gates = ["e2e"] }"#) + &gate
    });
    world
}

/// No Job is left, and none that is not about to go.
#[track_caller]
fn is_cleaned_up(world: &World) {
    let jobs = bed().kubectl(&["-n", world.name(), "get", "jobs", "-o", "json"]);
    let jobs: serde_json::Value = serde_json::from_str(&jobs).unwrap();
    let left: Vec<_> = jobs["items"].as_array().unwrap().iter().map(|job| &job["metadata"]).collect();
    let left: Vec<_> = left.into_iter().filter(|job| job["deletionTimestamp"].is_null()).collect();
    assert!(left.is_empty(), "a Job is left: {left:#?}");
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn that_completes() {
    let world = gated("1");
    world
        .datapin(&["deploy", "int", NEW])
        .run()
        .code(0)
        .says("is complete")
        .says("stop 8507000 has no coordinates");
    assert_eq!(world.running("mds"), [NEW]);
    is_cleaned_up(&world);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn that_fails() {
    let world = gated("failing");
    let done = world.datapin(&["deploy", "int", NEW]).run().code(11);
    done.says("failed: BackoffLimitExceeded").says("container `test` of pod").says("ended with exit code 3");
    assert_eq!(world.running("mds"), [OLD], "at once");
    is_cleaned_up(&world);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn whose_image_cannot_be_pulled() {
    let world = gated("badpull");
    let done = world.datapin(&["deploy", "int", NEW]).run();
    done.says("does not begin").says("ImagePullBackOff (Back-off pulling image)");
    assert_eq!(world.running("mds"), [OLD], "at once");
    is_cleaned_up(&world);
}

/// What only the server knows to be wrong.
#[test]
#[ignore = "needs the real cluster: see README"]
fn that_the_server_refuses() {
    let world = gated("1");
    let file = world.dir().join("job.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("restartPolicy: Never", "restartPolicy: Always")).unwrap();
    world.datapin(&["deploy", "int", NEW]).run().says("(422)").says("restartPolicy");
    assert_eq!(world.running("mds"), [OLD], "at once");
}
