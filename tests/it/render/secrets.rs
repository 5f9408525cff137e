//! What is in Secrets is compared and never shown.

use super::*;
use crate::world::Done;

/// A word of every secret below.
const WORD: &str = "hunter2";

fn silent(done: Done) -> Done {
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains(WORD), "the secret is shown:\n{text}");
    }
    done
}

/// No checksum of this template restarts anything.
const SERVICE: &str = "charts/data-service/templates/service.yaml";

/// A chart with a Secret that changes with the version, in a few costumes.
fn with_secrets(proven: &Proven) {
    let version = "{{ .Values.data.timetable.version }}";
    let text = format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: {{{{ .Release.Name }}}}
  annotations: {{ last: '{WORD}-0-{version}' }}
stringData:
  password: {WORD}-1-{version}
  steady: {WORD}-2
  file: |
    user: me
    key: {WORD}-3-{version}
data:
  encoded: {{{{ printf \"{WORD}-4-%s\" .Values.data.timetable.version | b64enc }}}}
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Secret
    metadata: {{ name: in-a-list }}
    stringData: {{ token: {WORD}-5-{version} }}
---
apiVersion: v1
kind: SecretList
items:
  - metadata: {{ name: in-a-secret-list }}
    stringData: {{ token: {WORD}-6-{version} }}
---
apiVersion: v1
kind: Service"
    );
    proven.change(SERVICE, "apiVersion: v1\nkind: Service", &text);
}

#[test]
fn they_are_hidden_in_plan_log_and_json() {
    let Some(proven) = Proven::new() else { return };
    with_secrets(&proven);
    let plan = ["deploy", "int", NEW, "--dry-run", "-vv"];
    let done = silent(proven.datapin(&plan).run().code(0)).says("a/int/kv/Secret/kv");
    let done = done.says("-  password: (hidden)").says("+  password: (hidden, changed)");
    let done = done.says("steady: (hidden)").says("+  encoded: (hidden, changed)");
    assert!(!done.stdout.contains("steady: (hidden, changed)"));
    silent(proven.datapin(&["deploy", "int", NEW, "--dry-run", "--output", "json"]).run().code(0));
    silent(proven.datapin(&["deploy", "int", NEW, "--output", "json"]).run().code(0));
    silent(proven.datapin(&["deploy", "int", "2026.11.24-1", "-vv"]).run().code(0));
    let queue = format!("{:?}{:?}", proven.world.queue().history, proven.world.queue().environments);
    assert!(!queue.contains(WORD), "in the queue");
}

/// A version that reaches a service by its Secret alone is used all the same.
#[test]
fn a_change_in_a_secret_is_a_change() {
    let Some(proven) = Proven::new() else { return };
    with_secrets(&proven);
    proven.change(DEPLOYMENT, USE, "\"2026\"");
    let done = silent(proven.datapin(&["deploy", "int", NEW, "--dry-run"]).run().code(0));
    assert!(!done.says("a/int/kv/Secret/kv").stdout.contains("/Deployment/"));
}

/// Helm tells why a Secret is no YAML, and nothing of what it rendered.
#[test]
fn they_are_hidden_in_errors() {
    let Some(proven) = Proven::new() else { return };
    with_secrets(&proven);
    let bad = format!("  steady: [{WORD}-2, {{{{ .Values.data.timetable.version }}}}: {{");
    proven.change(SERVICE, &format!("  steady: {WORD}-2"), &bad);
    silent(proven.datapin(&["deploy", "int", NEW, "-vv"]).run().code(15)).says("cannot render `int`");
}
