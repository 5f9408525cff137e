//! What datapin may, and how it reaches the cluster: said before anything is committed.

use crate::bed::bed;
use crate::world::{NEW, OLD, World};

/// A world under Argo CD whose datapin uses another context of the bed's kubeconfig.
fn in_context(context: &str) -> World {
    let world = World::plain(&format!("context-{context}"), &["mds"]);
    world.under_argocd();
    let agent = world.argocd().replace(r#"context = "bed""#, &format!("context = \"{context}\""));
    world.configure(&agent, |text| text);
    world
}

/// datapin has to refuse with this code and these words, and to leave the repository as it is.
#[track_caller]
fn refuses(context: &str, code: i32, words: &[&str]) {
    let world = in_context(context);
    let before = world.tip();
    let mut done = world.datapin(&["deploy", "int", NEW]).run().code(code);
    for words in words {
        done = done.says(words);
    }
    assert_eq!(world.tip(), before, "a commit was pushed");
    assert_eq!(world.running("mds"), [OLD]);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn of_nobody() {
    refuses("nobody", 3, &["applications"]);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn with_a_token_that_the_server_does_not_know() {
    refuses("stranger", 3, &["401"]);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn with_a_server_of_another_ca() {
    refuses("bad-ca", 3, &["certificate"]);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn with_a_server_that_is_not_there() {
    refuses("unreachable", 3, &["127.0.0.1:1"]);
}

#[test]
#[ignore = "needs the real cluster: see README"]
fn with_a_context_that_is_not_there() {
    refuses("nowhere", 2, &["nowhere"]);
}

/// No list, no watch: it asks again and again, and says so.
#[test]
#[ignore = "needs the real cluster: see README"]
fn to_get_and_patch_alone() {
    let world = in_context("poller");
    world.datapin(&["deploy", "int", NEW]).run().code(0).says("each object is got by name every 2 s instead");
    assert_eq!(world.running("mds"), [NEW]);
}

/// It cannot ask for a refresh, so somebody else has to.
#[test]
#[ignore = "needs the real cluster: see README"]
fn to_look_alone() {
    let world = in_context("viewer");
    let run = world.datapin(&["deploy", "int", NEW]).spawn();
    world.is_pinned("mds", NEW);
    world.argocd_is_healthy_on(&world.tip());
    run.wait().code(0).says("cannot be asked to look at git");
    assert_eq!(world.running("mds"), [NEW]);
}

/// In a pod there is no kubeconfig: the files of its service account are the login.
#[test]
#[ignore = "needs the real cluster: see README"]
fn of_the_account_of_its_own_pod() {
    let world = World::plain("in-cluster", &["mds"]);
    world.under_argocd();
    let kubectl = |args: &[&str]| bed().kubectl(&[&["-n", world.name()], args].concat());
    kubectl(&["create", "serviceaccount", "bot"]);
    let account = world.dir().join("account");
    std::fs::create_dir(&account).unwrap();
    std::fs::write(account.join("token"), kubectl(&["create", "token", "bot"])).unwrap();
    std::fs::write(account.join("namespace"), world.name()).unwrap();
    std::fs::copy(bed().dir().join("pki/ca.crt"), account.join("ca.crt")).unwrap();
    world.configure(&world.argocd().replace(r#", context = "bed""#, ""), |text| text);

    let before = world.tip();
    let done = world.datapin(&["deploy", "int", NEW]).in_pod(&account).run().code(3);
    let user = format!("system:serviceaccount:{}:bot", world.name());
    done.says("the cluster that datapin runs in (https://127.0.0.1:16443)").says(&user);
    assert_eq!(world.tip(), before, "a commit was pushed");

    let said = world.datapin(&["check", "--live"]).in_pod(&account).run().said;
    let begin =
        said.find("apiVersion: rbac.authorization.k8s.io/v1").unwrap_or_else(|| panic!("no role in\n{said}"));
    bed().apply(&said[begin..].replace("CHANGE-ME", &user));
    world.datapin(&["deploy", "int", NEW]).in_pod(&account).run().code(0).says("verified");
    assert_eq!(world.running("mds"), [NEW]);
}

/// The roles that `datapin check --live` prints are enough.
#[test]
#[ignore = "needs the real cluster: see README"]
fn that_check_prints_and_somebody_grants() {
    let world = in_context("deployer");
    let said = world.datapin(&["check", "--live"]).run().said;
    let begin =
        said.find("apiVersion: rbac.authorization.k8s.io/v1").unwrap_or_else(|| panic!("no role in\n{said}"));
    bed().apply(&said[begin..].replace("CHANGE-ME", "deployer"));
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(world.running("mds"), [NEW]);
}
