//! What a proof refuses, and what it does not.

use std::time::Duration;

use super::*;

#[test]
fn a_chart_that_ignores_the_version_is_refused() {
    let Some(proven) = Proven::new() else { return };
    proven.change(DEPLOYMENT, USE, "\"2026\"");
    let words = "no manifest of `kv` in `int` changes: its chart does not use `data.timetable.version` of \
                 values/int/kv.yaml";
    proven.refused(words);
    proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(15).says(words);
}

/// The text of the manifest changes, and what the cluster gets does not.
#[test]
fn a_version_in_a_comment_is_not_used() {
    let Some(proven) = Proven::new() else { return };
    proven.change(DEPLOYMENT, USE, &format!("\"2026\" # {USE}"));
    proven.refused("no manifest of `mds` in `int` changes");
}

/// A pod that is restarted by every rendering would hide that the version is ignored.
#[test]
fn a_random_value_is_no_change() {
    let Some(proven) = Proven::new() else { return };
    let annotation = "checksum/config:";
    let random = format!("rollme: {{{{ randAlphaNum 8 | quote }}}}\n        {annotation}");
    proven.change(DEPLOYMENT, annotation, &random);
    let done = proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(0);
    done.says("helmfile: int: fbv, kv, mds, remo change, nothing else does")
        .says("--- a/int/kv/Deployment/kv");
    proven.change(DEPLOYMENT, USE, "\"2026\"");
    proven.refused("no manifest of `mds` in `int` changes");
}

#[test]
fn an_object_with_a_random_name_is_left_out() {
    let Some(proven) = Proven::new() else { return };
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: 'x-{{ randNumeric 9 }}' }\n---\napiVersion: v1\nkind: ConfigMap";
    proven.change(CONFIGMAP, "apiVersion: v1\nkind: ConfigMap", job);
    let done = proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(0);
    assert!(!done.says("nothing else does").stdout.contains("Job/"));
}

#[test]
fn a_values_file_that_another_service_reads_is_refused() {
    let Some(proven) = Proven::new() else { return };
    proven.world.config(|text| {
        text["environment"]["int"]["services"] = value(["mds", "fbv", "kv"].into_iter().collect::<Array>());
    });
    proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(0).says("fbv, kv, mds change");
    proven.change(HELMFILE, "}}/remo.yaml", "}}/kv.yaml");
    proven
        .refused("release `remo` in `int` changes too (Deployment/remo), and this deployment is not for it");
}

#[test]
fn a_values_file_that_another_environment_reads_is_refused() {
    let Some(proven) = Proven::new() else { return };
    proven.change(HELMFILE, "\"values/{{ .Environment.Name }}/mds.yaml\"", "values/int/mds.yaml");
    proven.refused("release `mds` in `dt` changes too (Deployment/mds)");
}

#[test]
fn a_template_that_breaks_on_the_new_version_is_refused() {
    let Some(proven) = Proven::new() else { return };
    let fail = format!(
        "{{{{ if eq .Values.data.timetable.version \"{NEW}\" }}}}{{{{ fail \"no such table\" }}}}{{{{ end }}}}\napiVersion: apps/v1"
    );
    proven.change(DEPLOYMENT, "apiVersion: apps/v1", &fail);
    let place = "execution error at (data-service/templates/deployment.yaml:1";
    proven.refused(&format!("helmfile cannot render `int` with the new values: Error: {place}"));
}

#[test]
fn a_repository_that_is_broken_already_is_refused() {
    let Some(proven) = Proven::new() else { return };
    proven.change("values/defaults.yaml", "image:", "image: [");
    proven.refused("helmfile cannot render `int` even as it is now");
}

#[test]
fn another_environment_that_is_broken_already_is_only_noted() {
    let Some(proven) = Proven::new() else { return };
    let fail = "{{ if eq .Release.Namespace \"dt\" }}{{ fail \"under construction\" }}{{ end }}\napiVersion: apps/v1";
    proven.change(DEPLOYMENT, "apiVersion: apps/v1", fail);
    let note = "helmfile cannot render `dt` as it is now, so nothing is known about it";
    let done = proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(0);
    done.says(note).says("under construction");
    proven.datapin(&["deploy", "int", NEW]).run().code(0).says(note);
}

#[test]
fn a_service_that_helmfile_does_not_know_is_refused() {
    let Some(proven) = Proven::new() else { return };
    proven.change(HELMFILE, "- name: kv", "- name: kv-service");
    proven.refused("helmfile has no release `kv` in `int` (it has fbv, kv-service, mds, remo)");
}

/// The proof holds for one commit: what was good before the queue is looked at again when the run's turn comes.
#[test]
fn what_changed_while_a_run_waited_is_seen() {
    let Some(proven) = Proven::new() else { return };
    let (world, limit) = (&proven.world, Duration::from_secs(60));
    world.gate("int-test").hangs();
    let first = proven.datapin(&["deploy", "int", "2026.11.22-1"]).spawn();
    world.until("the gate begins", limit, || !world.gate("int-test").began().is_empty());
    let second = proven.datapin(&["deploy", "int", NEW]).by("bob").spawn();
    world.until("the second waits", limit, || world.queue().tickets.len() == 2);
    proven.change(DEPLOYMENT, USE, "\"2026\"");
    let tip = world.tip("main");
    world.gate("int-test").passes();
    first.wait(limit).code(0);
    second.wait(limit).code(15).says("no manifest of `mds` in `int` changes");
    assert_eq!((world.tip("main"), world.last()["outcome"].as_str()), (tip, Some("stopped")));
}

/// A later stage is written on top of whatever came meanwhile.
#[test]
fn what_changed_between_two_stages_is_seen() {
    let Some(proven) = Proven::new() else { return };
    let (world, limit) = (&proven.world, Duration::from_secs(60));
    world.gate("int-test").hangs();
    let running = proven.datapin(&["deploy", "both", NEW]).spawn();
    world.until("the gate begins", limit, || !world.gate("int-test").began().is_empty());
    proven.change(DEPLOYMENT, USE, "\"2026\"");
    world.gate("int-test").passes();
    running.wait(limit).code(15).says("no manifest of `mds` in `dt` changes");
    assert_eq!((world.versions("int"), world.versions("dt")), (vec![OLD.into()], vec![OLD.into()]));
}
