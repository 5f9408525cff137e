//! The same against the real thing.

use std::path::PathBuf;
use std::time::Duration;

use datapin::cluster::{Clusters, Kind};
use datapin::config::JobSource;
use datapin::queue::Verdict;

use super::{MANIFEST, Stand};
use crate::gate::{facts, shown};

/// Against a real API server, Job controller and kwok: `DATAPIN_BED` is a kubeconfig of `tests/cluster/up`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the bed of tests/cluster"]
async fn the_real_job_controller_is_understood() {
    let kubeconfig: PathBuf = std::env::var_os("DATAPIN_BED").expect("DATAPIN_BED is set").into();
    let mut stand = Stand::new();
    stand.settings.access.kubeconfig = Some(kubeconfig);
    stand.settings.namespace = Some("default".to_owned());
    let JobSource::Manifest(file) = stand.settings.source.clone() else { panic!() };
    let mut facts = facts();
    facts.run = format!("01K{}", std::process::id());
    let begun = std::time::Instant::now();
    for (stage, (image, verdict, words)) in [
        ("registry.example.org/e2e:1", Verdict::Passed, "is complete"),
        ("registry.example.org/e2e:badpull", Verdict::Errored, "ImagePullBackOff"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&file, MANIFEST.replace("registry.example.org/e2e", image)).unwrap();
        facts.stage = stage;
        let runner = stand.runner().with_patience(Duration::from_millis(300));
        assert_eq!(runner.probe().await, Ok(()));
        let report = runner.run(&facts, 1).await;
        println!("{:?} {}", begun.elapsed(), shown(&report));
        assert_eq!(report.verdict, verdict, "{report:?}");
        assert!(report.summary.contains(words), "{report:?}");
    }
    let clusters = Clusters::new(std::sync::Arc::new(|_| None));
    let cluster = clusters.get(&stand.settings.access).await.unwrap();
    let (_, rights) = stand.runner().rights().await.unwrap().unwrap();
    for right in &rights {
        println!("{right}: {:?}", cluster.permission(right).await.unwrap());
    }
    // invalid for a reason that only the server knows
    std::fs::write(&file, MANIFEST.replace("Never", "Always")).unwrap();
    facts.stage = 7;
    let report = stand.runner().run(&facts, 1).await;
    println!("{}", shown(&report));
    assert!(report.summary.contains("(422)"), "{report:?}");
    let left = cluster.list(Kind::JOB, "default", "app.kubernetes.io/managed-by=datapin").await.unwrap();
    let running: Vec<_> = left.iter().filter(|job| job["metadata"]["deletionTimestamp"].is_null()).collect();
    assert!(running.is_empty(), "{running:#?}");
}
