//! Argo CD's sync windows: which are for an Application, which are open.

use datapin::agent::argocd::application::Application;
use datapin::agent::argocd::window::{Told, Window, closed, of};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A Wednesday.
const NOW: &str = "2026-11-25T10:30:20Z";

fn app() -> Application {
    let destination = json!({ "namespace": "apps", "server": "https://kubernetes.default.svc" });
    let app = json!({ "metadata": { "name": "mds-int" }, "spec": { "destination": destination } });
    serde_json::from_value(app).unwrap()
}

fn window(kind: &str, schedule: &str, duration: &str) -> Value {
    json!({ "kind": kind, "schedule": schedule, "duration": duration, "applications": ["*"] })
}

fn told(windows: Value) -> Told {
    let windows: Vec<Window> = serde_json::from_value(windows).unwrap();
    of(&windows, &app(), NOW.parse::<Timestamp>().unwrap())
}

fn is_open(schedule: &str, duration: &str) -> bool {
    !told(json!([window("allow", schedule, duration)])).active_windows.is_empty()
}

#[test]
fn a_window_is_open_from_its_begin_for_its_duration() {
    for (schedule, duration, open) in [
        ("* * * * *", "1m", true),
        ("30 10 * * *", "1m", true),
        ("30 10 * * *", "10s", false),
        ("29 10 * * *", "1m", false),
        ("29 10 * * *", "90s", true),
        ("0 8 * * *", "2h", false),
        ("0 8 * * *", "2h31m", true),
        ("0 22 * * *", "13h", true),
        ("0 22 * * *", "12h", false),
        ("31 10 * * *", "1h", false),
        ("*/15 * * * *", "1m", true),
        ("*/20 * * * *", "1m", false),
        ("5/25 * * * *", "1m", true),
        ("0 8-10 * * 1-5", "1h", true),
        ("0 8-10 * * MON,wed", "1h", true),
        ("0 8-10 * * sat,0", "1h", false),
        ("0 10 25 11 *", "1h", true),
        ("0 10 25 NOV *", "1h", true),
        ("0 10 24 11 *", "1h", false),
        // one of the two days is enough
        ("0 10 1 * WED", "1h", true),
        ("0 10 1 * THU", "1h", false),
        ("0 10 ? * THU", "1h", false),
        ("@daily", "11h", true),
        ("@hourly", "10m", false),
    ] {
        assert_eq!(is_open(schedule, duration), open, "{schedule} for {duration}");
    }
}

#[test]
fn only_windows_of_the_application_count() {
    for (part, matches) in [
        (json!({ "applications": ["mds-*"] }), true),
        (json!({ "applications": ["mds"] }), false),
        (json!({ "applications": ["m?s-int"] }), true),
        (json!({ "applications": ["m.s-int"] }), false),
        (json!({ "namespaces": ["apps"] }), true),
        (json!({ "namespaces": ["app"] }), false),
        (json!({ "clusters": ["https://*"] }), true),
        (json!({ "clusters": ["in-cluster"] }), false),
        (json!({ "namespaces": ["app"], "applications": ["mds-*"] }), true),
        (json!({ "namespaces": ["app"], "applications": ["mds-*"], "andOperator": true }), false),
        (json!({ "namespaces": ["apps"], "applications": ["mds-*"], "andOperator": true }), true),
        (json!({}), false),
    ] {
        let mut all = part.clone();
        all["kind"] = json!("deny");
        assert_eq!(!told(json!([all])).assigned_windows.is_empty(), matches, "{part}");
    }
}

#[test]
fn what_is_closed_is_told() {
    let (early, late) = (window("allow", "0 8 * * *", "1h"), window("allow", "0 10 * * *", "1h"));
    let forbids = window("deny", "0 10 * * *", "1h");
    assert_eq!(closed(&told(json!([]))), None);
    assert_eq!(closed(&told(json!([late]))), None);
    assert_eq!(closed(&told(json!([early, late]))), None);
    let shut = "its sync window is closed now: allow `0 8 * * *` for 1h";
    assert_eq!(closed(&told(json!([early]))).as_deref(), Some(shut));
    let forbidden = "a sync window forbids it now: deny `0 10 * * *` for 1h";
    assert_eq!(closed(&told(json!([late, forbids]))).as_deref(), Some(forbidden));
    assert_eq!(closed(&told(json!([window("deny", "0 8 * * *", "1h")]))), None);
    let unknown = "a sync window forbids it now: deny `when it rains` for 1h";
    assert_eq!(closed(&told(json!([window("deny", "when it rains", "1h")]))).as_deref(), Some(unknown));
}
