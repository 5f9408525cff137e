//! Rights: asked of the cluster, and written down as a role that grants exactly them.

use datapin::cluster::{Clusters, Kind, Permission, Right, role};
use datapin::config::ClusterAccess;

use crate::gate::assert_file;
use crate::kube_server::KubeServer;

const APPLICATION: Kind =
    Kind { group: "argoproj.io", version: "v1alpha1", kind: "Application", plural: "applications" };

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_says_what_is_allowed() {
    let server = KubeServer::start();
    let access = ClusterAccess { kubeconfig: Some(server.kubeconfig()), ..ClusterAccess::default() };
    let cluster = Clusters::new(std::sync::Arc::new(|_| None)).get(&access).await.unwrap();
    server.deny("get", "pods/log");
    server.deny("patch", "applications.argoproj.io");
    for (right, granted) in [
        (Right::to("get", Kind::POD, "apps"), true),
        (Right::to("get", Kind::POD, "apps").subresource("log"), false),
        (Right::to("patch", APPLICATION, "argocd").only("mds"), false),
        (Right::to("watch", APPLICATION, "argocd"), true),
    ] {
        let permission = cluster.permission(&right).await.unwrap();
        assert_eq!(permission == Permission::Granted, granted, "{right}");
    }
}

#[test]
fn a_role_grants_exactly_the_rights() {
    let rights = [
        Right::to("list", APPLICATION, "argocd"),
        Right::to("watch", APPLICATION, "argocd"),
        Right::to("get", APPLICATION, "argocd").only("mds-int"),
        Right::to("get", APPLICATION, "argocd").only("kv-int"),
        Right::to("patch", APPLICATION, "argocd").only("mds-int"),
        Right::to("patch", APPLICATION, "argocd").only("kv-int"),
        Right::to("get", Kind::POD, "apps").subresource("log"),
        Right::to("get", Kind::POD, "apps").only("db-0"),
        Right::to("get", Kind::POD, "apps"),
        Right::to("get", Kind::POD, "apps"),
        Right::to("list", Kind::EVENT, ""),
    ];
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cluster/role.yaml");
    assert_file(&file, &role(&rights));
    let shown: Vec<String> = rights.iter().map(ToString::to_string).collect();
    assert_eq!(shown[2], "get applications.argoproj.io `mds-int` in namespace argocd");
    assert_eq!(role(&[]), "");
}
