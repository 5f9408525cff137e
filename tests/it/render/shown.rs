//! What people and machines see of a proof.

use super::*;

#[test]
fn a_plan_shows_how_the_manifests_change() {
    let Some(proven) = Proven::new() else { return };
    let done = proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(0);
    let done = done.says("helmfile: int: fbv, kv, mds, remo change, nothing else does");
    let done = done.says("--- a/int/kv/Deployment/kv");
    assert_eq!(done.stdout.matches(&format!(" value: {OLD}\n")).count(), 4, "{}", done.stdout);

    let json = proven.datapin(&["deploy", "int", NEW, "--dry-run", "--output", "json"]).run().code(0).json();
    let rendered = json["rendered"].as_array().unwrap();
    assert_eq!(rendered.len(), 1);
    assert_eq!(rendered[0]["environment"], "int");
    let kv = &rendered[0]["releases"][1];
    assert_eq!((&kv["name"], &kv["objects"]), (&"kv".into(), &serde_json::json!(["Deployment/kv"])));
    let diff = kv["diff"].as_str().unwrap();
    let changed: Vec<&str> = diff
        .lines()
        .filter(|line| line.starts_with(['-', '+']) && !line.starts_with("---") && !line.starts_with("+++"))
        .map(|line| line[1..].trim())
        .collect();
    assert_eq!(changed, [format!("value: {OLD}"), format!("value: {NEW}")], "{diff}");
}

#[test]
fn a_run_says_what_changes_and_its_events_hold_the_diff() {
    let Some(proven) = Proven::new() else { return };
    let done = proven.datapin(&["deploy", "int", NEW, "--output", "json"]).run().code(0);
    let events = done.json_lines();
    let rendered: Vec<_> = events.iter().filter(|event| event["event"] == "rendered").collect();
    assert_eq!(rendered.len(), 1);
    assert!(rendered[0]["releases"][0]["diff"].as_str().unwrap().contains(NEW));
    let at = |name: &str| events.iter().position(|event| event["event"] == name).unwrap();
    assert!(at("rendered") < at("pinned"), "before the first write");

    let done = proven.datapin(&["deploy", "int", "2026.11.24-1"]).run().code(0);
    done.says("helmfile: int: fbv, kv, mds, remo change, nothing else does")
        .says("+++ b/int/kv/Deployment/kv");
    assert_eq!(proven.world.versions("int"), ["2026.11.24-1"]);
}

#[test]
fn every_stage_is_looked_at_by_itself() {
    let Some(proven) = Proven::new() else { return };
    let done = proven.datapin(&["deploy", "both", NEW, "--dry-run"]).run().code(0);
    let done = done.says("helmfile: int: fbv, kv, mds, remo change, nothing else does");
    done.says("helmfile: dt: fbv, kv, mds, remo change, nothing else does");
    proven.datapin(&["deploy", "both", NEW]).run().code(0);
    assert_eq!(
        (proven.world.versions("int"), proven.world.versions("dt")),
        (vec![NEW.into()], vec![NEW.into()])
    );
}

#[test]
fn a_setting_has_to_have_an_effect_too() {
    let Some(proven) = Proven::new() else { return };
    let set = ["deploy", "int", NEW, "--set", "mds:cache.size=1024", "--dry-run"];
    let done = proven.datapin(&set).run().code(0).says("+++ b/int/mds/ConfigMap/mds");
    assert!(done.stdout.contains("size: 1024"), "{}", done.stdout);
}

#[test]
fn another_state_file_is_taken_where_one_is_named() {
    let Some(proven) = Proven::new() else { return };
    let checkout = proven.world.checkout("main");
    for args in [
        &["mv", HELMFILE, "landscape.yaml"][..],
        &["commit", "-qm", "Moved"],
        &["push", "-q", "origin", "HEAD:main"],
    ] {
        crate::transport::git(&checkout, args);
    }
    proven.refused("even as it is now");
    proven.world.config(|text| text["repository"]["helmfile"]["file"] = value("landscape.yaml"));
    proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(0).says("nothing else does");
}

/// Before the queue, in it, and before each stage is pinned the same is asked; it is rendered once.
#[test]
fn nothing_is_rendered_twice() {
    let Some(proven) = Proven::new() else { return };
    let (log, folder) = (proven.world.dir().join("calls"), proven.world.dir().join("counting"));
    let helmfile = environments::programs().unwrap().0;
    std::fs::create_dir(&folder).unwrap();
    let text = format!("#!/bin/sh\necho \"$*\" >> {}\nexec {} \"$@\"\n", log.display(), helmfile.display());
    std::fs::write(folder.join("helmfile"), text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("helmfile"), mode).unwrap();
    let path = format!("{}:{}", folder.display(), proven.path);
    proven.world.datapin(&["deploy", "both", NEW]).env("PATH", &path).run().code(0);
    let calls = std::fs::read_to_string(log).unwrap();
    let of =
        |name: &str| calls.lines().filter(|line| line.contains(&format!("--environment={name} "))).count();
    assert_eq!(
        (of("int"), of("dt")),
        (4, 4),
        "before, after each stage, and again where it differs:\n{calls}"
    );
    assert_eq!(left(&proven.world), [""; 0], "a scratch checkout is left");
}
