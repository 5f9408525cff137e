//! What stands in the way is told before anything is written.

use super::argocd::{Bed, bed};
use super::*;

/// The deployment has to end with `code`, say `words`, and leave the repository as it is.
#[track_caller]
fn refused(bed: &Bed, code: i32, words: &str) {
    let tips = (bed.world.tip("main"), bed.world.tip(crate::world::QUEUE));
    bed.world.datapin(&["deploy", "int", NEW]).run().code(code).says(words);
    assert_eq!((bed.world.tip("main"), bed.world.tip(crate::world::QUEUE)), tips);
}

fn patch(bed: &Bed, patch: &Value) {
    bed.kube.read().unwrap().patch(APPLICATION, "argocd", "kv-int", patch);
}

#[test]
fn an_application_that_is_missing_is_2() {
    let bed = bed();
    bed.kube.read().unwrap().delete(APPLICATION, "argocd", "kv-int");
    refused(&bed, 2, "Application kv-int in namespace argocd does not exist");
}

#[test]
fn an_application_that_does_not_sync_by_itself_is_15() {
    let bed = bed();
    patch(&bed, &json!({ "spec": { "syncPolicy": null } }));
    refused(&bed, 15, "Application kv-int does not sync by itself");
}

#[test]
fn what_is_held_while_a_run_waits_for_its_turn_stops_it_before_its_commit() {
    let bed = bed();
    let limit = std::time::Duration::from_secs(80);
    bed.world.gate("int-test").hangs();
    let first = bed.world.datapin(&["deploy", "int", NEW]).spawn();
    bed.world.until("the gate runs", limit, || first.stdout().contains("gate int-test began"));
    let second = bed.world.datapin(&["deploy", "int", "2026.11.24-1"]).by("berta").spawn();
    bed.world.until("it waits", limit, || second.stdout().contains("queued as"));
    patch(&bed, &json!({ "spec": { "syncPolicy": null } }));
    bed.world.gate("int-test").passes();
    first.wait(limit).code(0);
    second.wait(limit).code(15).says("Application kv-int does not sync by itself");
    assert_eq!(bed.world.versions("int"), [NEW]);
}

#[test]
fn an_application_of_another_repository_is_2() {
    let bed = bed();
    patch(&bed, &json!({ "spec": { "source": { "repoURL": "https://gitlab.example.org/other.git" } } }));
    refused(&bed, 2, "Application kv-int deploys from gitlab.example.org/other");
}

#[test]
fn an_application_of_another_branch_is_2() {
    let bed = bed();
    patch(&bed, &json!({ "spec": { "source": { "targetRevision": "release" } } }));
    refused(&bed, 2, "Application kv-int follows `release`, but the pins are pushed to branch `main`");
}

#[test]
fn an_application_that_does_not_read_the_values_file_is_a_warning() {
    let bed = bed();
    patch(&bed, &json!({ "spec": { "source": { "path": "charts/kv" } } }));
    let done = bed.world.datapin(&["deploy", "int", NEW]).run().code(0);
    done.says("`values/int/kv.yaml` is not in `charts/kv`, nor among its values files");
}

#[test]
fn a_server_out_of_reach_is_3() {
    let bed = bed();
    bed.kube.write().unwrap().stop();
    refused(&bed, 3, "cannot be reached");
}

#[test]
fn a_token_that_nobody_knows_is_3() {
    let bed = bed();
    bed.kube.read().unwrap().only_token("another");
    refused(&bed, 3, "does not know who asks (401)");
}

#[test]
fn a_context_that_is_not_there_is_2() {
    let bed = bed();
    bed.world.config(|text| {
        let agent = text["environment"]["int"]["agent"].as_inline_table_mut().unwrap();
        agent.insert("context", "prodd".into());
    });
    refused(&bed, 2, "has no context `prodd`");
}

#[test]
fn without_any_right_to_read_it_is_3() {
    let bed = bed();
    for verb in ["get", "list", "watch"] {
        bed.kube.read().unwrap().deny(verb, "applications.argoproj.io");
    }
    refused(&bed, 3, "applications.argoproj.io");
}

#[test]
fn without_the_right_to_watch_it_goes_on_by_asking_and_says_so() {
    let bed = bed();
    bed.kube.read().unwrap().deny("watch", "applications.argoproj.io");
    bed.world.datapin(&["deploy", "int", NEW]).run().code(0).says("watch");
}

#[test]
fn argo_cd_that_is_not_installed_is_2() {
    let world = World::new();
    let kube = Arc::new(RwLock::new(KubeServer::start()));
    let config = kube.read().unwrap().kubeconfig();
    let config = config.display();
    agent(
        &world,
        &format!(
            r#"{{ kind = "argocd", application = "{{service}}", kubeconfig = {{ file = "{config}" }} }}"#
        ),
    );
    let done = world.datapin(&["deploy", "int", NEW]).run().code(2);
    done.says("has no resource applications.argoproj.io (argoproj.io/v1alpha1): is its operator installed");
}

/// The namespace of the Application's destination, where `after_sync` names none.
#[test]
fn the_rights_of_workloads_after_a_sync_are_those_in_its_own_namespace() {
    let bed = super::argocd::bed_with(
        r#", after_sync = [{ kind = "workload", resource = "deployment/{service}", proof = { env = "DATA_VERSION" } }]"#,
    );
    for service in SERVICES {
        let there = json!({ "spec": { "destination": { "namespace": "elsewhere" } } });
        bed.kube.read().unwrap().patch(APPLICATION, "argocd", &format!("{service}-int"), &there);
    }
    bed.kube.read().unwrap().deny("get", "deployments.apps");
    let done = bed.world.datapin(&["check", "--live"]).run().code(3);
    done.says("error: not allowed: get deployments.apps in namespace elsewhere");
}

/// That of the context, where the agent names none.
#[test]
fn the_rights_of_plain_workloads_are_those_in_the_contexts_namespace() {
    let world = World::new();
    let kube = server();
    for service in SERVICES {
        deployment(&kube.read().unwrap(), service, OLD, &well());
    }
    let config = kube.read().unwrap().kubeconfig();
    agent(
        &world,
        &format!(
            r#"{{ kind = "workload", resource = "deployment/{{service}}", proof = {{ env = "DATA_VERSION" }}, kubeconfig = {{ file = "{}" }} }}"#,
            config.display()
        ),
    );
    kube.read().unwrap().deny("get", "deployments.apps");
    let done = world.datapin(&["check", "--live"]).run().code(3);
    done.says("error: not allowed: get deployments.apps in namespace apps");
}

/// Without it datapin only says less, so it is granted and no error.
#[test]
fn the_right_to_read_sync_windows_is_granted_and_only_a_warning() {
    let bed = bed();
    bed.kube.read().unwrap().deny("get", "appprojects.argoproj.io");
    let done = bed.world.datapin(&["check", "--live"]).run().code(0);
    let done = done.says("warning: not allowed: get appprojects.argoproj.io in namespace argocd");
    let role = done.stdout.split("\n# Grants").nth(1).expect("a role");
    assert!(role.contains("- appprojects\n"), "{role}");
}
