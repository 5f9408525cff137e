//! `datapin check --live`, with the real binary.

use std::path::Path;

use datapin::cluster::Kind;
use serde_json::json;
use toml_edit::DocumentMut;

use crate::gate::assert_file;
use crate::kube_server::KubeServer;
use crate::world::World;

const APPLICATION: Kind =
    Kind { group: "argoproj.io", version: "v1alpha1", kind: "Application", plural: "applications" };

fn world(toml: &str) -> World {
    let world = World::new();
    let added: DocumentMut = toml.parse().unwrap();
    world.config(|config| {
        for (section, tables) in added.iter() {
            for (name, table) in tables.as_table_like().unwrap().iter() {
                for (key, value) in table.as_table_like().unwrap().iter() {
                    config[section][name][key] = value.clone();
                }
            }
        }
    });
    world
}

fn job(server: &KubeServer, more: &str) -> String {
    let kubeconfig = server.kubeconfig();
    format!(
        "[gate.e2e]\nkind = \"kubernetes-job\"\ncronjob = \"nightly\"\n\
         kubeconfig = {{ file = \"{}\" }}\n{more}\n",
        kubeconfig.display()
    )
}

fn shown(world: &World, server: &KubeServer, text: &str) -> String {
    let text = text.replace(&server.url(), "SERVER");
    text.replace(&server.dir().display().to_string(), "DIR")
        .replace(&world.dir().display().to_string(), "WORLD")
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cluster").join(name)
}

fn nightly(server: &KubeServer) {
    server.put(Kind::CRON_JOB, "apps", json!({ "metadata": { "name": "nightly" } }));
}

#[test]
fn programs_and_clusters_that_are_ready() {
    let server = KubeServer::start();
    nightly(&server);
    let world = world(&job(&server, ""));
    let done = world.datapin(&["check", "--live"]).run().code(0);
    assert!(
        done.stdout.contains("gate `e2e`: ready\n") && !done.stdout.contains("kind: Role"),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("agent of environment `int`: ready\n"), "{}", done.stdout);
    assert!(server.asked().iter().all(|asked| matches!(asked.verb.as_str(), "get" | "list" | "create")));
    assert!(server.objects(Kind::JOB, "apps").is_empty());
}

#[test]
fn missing_rights_are_named_and_granted_by_a_role() {
    let server = KubeServer::start();
    nightly(&server);
    server.deny("delete", "jobs.batch");
    server.deny("get", "pods/log");
    server.deny("watch", "pods");
    let world = world(&job(&server, ""));
    let done = world.datapin(&["check", "--live"]).run().code(3);
    let from = done.stdout.find("gate `e2e`").unwrap();
    let gate = done.stdout[from..].split_inclusive("\ngate `").next().unwrap().trim_end_matches("gate `");
    let roles = &done.stdout[done.stdout.find("\n# Grants").unwrap()..];
    assert_file(&fixture("live.txt"), &shown(&world, &server, &format!("{gate}{roles}")));
    let json = world.datapin(&["check", "--live", "--output", "json"]).run().code(3).json();
    let probes = json["live"]["probes"].as_array().unwrap();
    let gate = probes.iter().find(|probe| probe["what"] == "gate `e2e`").unwrap();
    let missing =
        json!({ "verb": "delete", "group": "batch", "resource": "jobs", "namespace": "apps", "name": null });
    assert!(gate["missing"].as_array().unwrap().contains(&missing), "{gate:#}");
    assert!(json["live"]["roles"][0]["yaml"].as_str().unwrap().contains("kind: RoleBinding"), "{json:#}");
    // slower is no error
    server.allow_all();
    server.deny("watch", "pods");
    world.datapin(&["check", "--live"]).run().code(0).says("it asks every 2 s instead");
}

#[test]
fn what_is_wrong_has_its_exit_code() {
    let server = KubeServer::start();
    let missing = world(&job(&server, ""));
    missing.datapin(&["check", "--live"]).run().code(3).says("has no CronJob `nightly` in namespace apps");
    let context = world(&job(&server, "context = \"tset\""));
    context.datapin(&["check", "--live"]).run().code(2).says("did you mean `test`?");
    let gone = world(
        "[gate.p]\nkind = \"prometheus\"\nserver = \"http://127.0.0.1:1\"\nquery = \"up\"\ncondition = \"> 0\"\n",
    );
    gone.datapin(&["check", "--live"]).run().code(3).says("Connection refused");
    let program = world("[gate.c]\nkind = \"command\"\ncommand = [\"/no/such/program\"]\n");
    program.datapin(&["check", "--live"]).run().code(2).says("/no/such/program");
}

#[test]
fn an_agent_in_a_cluster_is_tried_too() {
    let server = KubeServer::start();
    server.install(APPLICATION);
    server.deny("patch", "applications.argoproj.io");
    let world = World::new();
    world.config(|config| {
        let agent = format!(
            "agent = {{ kind = \"argocd\", application = \"{{service}}-int\", namespace = \"argocd\", \
             kubeconfig = {{ file = \"{}\" }} }}",
            server.kubeconfig().display()
        );
        config["environment"]["int"]["agent"] = agent.parse::<DocumentMut>().unwrap()["agent"].clone();
    });
    let done = world.datapin(&["check", "--live"]).run();
    assert!(matches!(done.code, Some(2 | 3)), "{}", done.stdout);
    for words in
        ["agent of environment `int`: not ready", "mds-int", "patch applications.argoproj.io", "- patch"]
    {
        assert!(done.stdout.contains(words), "no {words}: {}", done.stdout);
    }
}
