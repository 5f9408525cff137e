//! Label selectors, against what kubectl documents.

use datapin::cluster::Labels;
use serde_json::json;

#[test]
fn selectors_select() {
    let pod = json!({ "metadata": { "labels": { "app": "mds", "tier": "data", "empty": "" } } });
    for (text, matches) in [
        ("app=mds", true),
        ("app==mds", true),
        ("app=kv", false),
        ("app!=kv", true),
        ("other!=kv", true),
        ("app=mds,tier=data", true),
        ("app=mds, tier=web", false),
        ("app in (kv, mds)", true),
        ("app notin (kv,mds)", false),
        ("app in (kv), tier", false),
        ("tier,!canary", true),
        ("!app", false),
        ("empty=", true),
    ] {
        let labels: Labels = text.parse().unwrap();
        assert_eq!(labels.match_object(&pod), matches, "{text}");
    }
}

#[test]
fn nonsense_is_no_selector() {
    for text in ["", "=", "app=a b", "app in mds", "app of (mds)", "a,,b", "app=(", "ä=b"] {
        let error = text.parse::<Labels>().unwrap_err();
        assert!(error.to_string().contains("no part of a label selector"), "{text}: {error}");
    }
}
