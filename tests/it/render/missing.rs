//! Without the programs.

use super::*;

#[test]
fn without_helmfile_nothing_begins() {
    let world = proving(World::new());
    let before = (world.tip("main"), world.tip(crate::world::QUEUE));
    for args in [&["deploy", "int", NEW][..], &["deploy", "int", NEW, "--dry-run"]] {
        let done = world.datapin(args).env("PATH", "/nowhere:/bin-of-nobody").run().code(2);
        done.says("`verify = \"helmfile\"` in [repository] needs `helmfile`").says("/nowhere:/bin-of-nobody");
    }
    assert_eq!(before, (world.tip("main"), world.tip(crate::world::QUEUE)));
}

#[test]
fn without_helm_nothing_begins() {
    let Some((helmfile, _)) = environments::programs() else { return };
    let world = proving(World::new());
    let folder = world.dir().join("only");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(helmfile, folder.join("helmfile")).unwrap();
    let path = folder.display().to_string();
    world.datapin(&["deploy", "int", NEW]).env("PATH", &path).run().code(2).says("needs `helm`");
}

/// A rollback is never hindered: neither by missing programs nor by a chart that is broken by now.
#[test]
fn a_rollback_needs_no_proof() {
    let Some(proven) = Proven::new() else { return };
    proven.datapin(&["deploy", "int", OLD]).run().code(0);
    proven.datapin(&["deploy", "int", NEW]).run().code(0);
    proven.change(DEPLOYMENT, USE, "{{ fail \"broken\" }}");
    proven.world.datapin(&["rollback", "int"]).env("PATH", "/usr/bin:/bin").run().code(0);
    assert_eq!(proven.world.versions("int"), [OLD]);
}
