//! What is in the file is in the configuration.

use std::fs;
use std::time::Duration;

use datapin::config::{
    Agent, Credential, GateKind, HeaderValue, OnNewer, Repository, Requirement, RocketChat, SecretRef,
    Sharing, Signing, Verify, load,
};

use super::{fixtures, good};

#[test]
fn everything_is_read_as_written() {
    let config = good("everything.toml");
    assert_eq!(config.source.blob.len(), 40);
    let Credential::Token { username, token } = &config.repository.credential else { panic!("no token") };
    assert_eq!((username.as_str(), token), ("bot", &SecretRef::Env("DATAPIN_TOKEN".into())));
    assert_eq!(config.repository.author.as_ref().unwrap().email, "bot@example.org");
    assert_eq!(config.repository.signing, Signing::Ssh { key: "/etc/datapin/sign".into() });
    let (file, pass) = (Some("deploy/helmfile.yaml".to_owned()), vec!["SOPS_AGE_KEY_FILE".to_owned()]);
    assert_eq!(config.repository.verify, Verify::Helmfile { file, pass });
    let int = &config.environments["int"];
    let Agent::Command { command, interval, timeout, pass } = &int.agent else {
        panic!("{:?}", int.agent);
    };
    assert_eq!((command.len(), pass.len()), (2, 1));
    assert_eq!((*interval, *timeout), (Duration::from_secs(1), Duration::from_secs(5)));
    assert_eq!(int.rollback_timeout, Duration::from_mins(20));
    let GateKind::Http { method, headers, .. } = &config.gates["load"].kind else { panic!("no http") };
    assert_eq!(method, "POST");
    assert_eq!(headers["Authorization"], HeaderValue::Secret(SecretRef::Env("TESTS_TOKEN".into())));
    assert_eq!(config.gates["load"].requirement, Requirement::AllowedToFail);
    assert_eq!(config.pipelines["int"].on_newer, OnNewer::ReplaceWaiting);
    let promote = config.pipelines["abn"].stages[0].promote.as_ref().unwrap();
    assert_eq!((promote.from.as_str(), promote.timeout), ("argo", Duration::from_hours(2)));
    let slow = config.queues["slow"].repository.as_ref().unwrap();
    assert!(matches!(&slow.credential, Credential::SshKey { passphrase: Some(SecretRef::File(_)), .. }));
    assert!(matches!(config.notify.rocketchat, Some(RocketChat::Api { .. })));
    assert_eq!(config.datasets["timetable"].pins[1].sharing, Sharing::Shared);
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = good("minimal.toml");
    let int = &config.environments["int"];
    assert_eq!((int.sync_timeout, int.rollback_timeout), (Duration::from_mins(15), Duration::from_mins(15)));
    assert_eq!(config.queues["default"].branch, "datapin/queue");
    assert_eq!(config.queues["default"].start_grace, Duration::from_mins(2));
    assert!(config.queues["default"].repository.is_none());
    assert!(matches!(config.repository.credential, Credential::Ambient));
    assert_eq!(config.repository.verify, Verify::ValuesOnly);
    let gate = &good("design.toml").gates["lup-test"];
    assert_eq!((gate.timeout, gate.retries), (Duration::from_mins(30), 2));
}

#[test]
fn the_blob_id_is_gits_own() {
    let text = fs::read_to_string(fixtures("good").join("minimal.toml")).unwrap();
    let repository = tempfile::tempdir().unwrap();
    let id = git2::Repository::init_bare(repository.path()).unwrap().blob(text.as_bytes()).unwrap();
    assert_eq!(good("minimal.toml").source.blob, id.to_string());
}

/// The login of the environment repository goes to no other repository.
#[test]
fn a_queue_of_its_own_does_not_inherit_the_token() {
    let minimal = fs::read_to_string(fixtures("good").join("minimal.toml")).unwrap();
    let queue = |keys: &str| -> Option<Repository> {
        let repository = "[repository]\nurl = \"https://here.org/a.git\"\ntoken = { env = \"A\" }\n";
        let text = format!("{minimal}{repository}[queue.default]\n{keys}\n");
        load("datapin.toml", &text).unwrap().queues["default"].repository.clone()
    };
    let elsewhere = queue("repository = \"https://elsewhere.org/q.git\"").unwrap();
    assert!(matches!(elsewhere.credential, Credential::Ambient));
    let same = queue("known_hosts = \"/etc/hosts\"").unwrap();
    assert!(matches!(same.credential, Credential::Token { .. }));
    assert_eq!(same.url.as_deref(), Some("https://here.org/a.git"));
    let own = queue("ssh_key = { file = \"k\" }").unwrap();
    assert!(matches!(own.credential, Credential::SshKey { .. }));
    assert!(queue("ttl = \"1m\"").is_none());
}
