use std::path::Path;
use std::process::Command;

use datapin::repo::{Change, CommitTime, Content, Mode, RepoError, Signing};

use super::{Place, RUN, assert_updated, commit, write};

#[test]
fn reads_files_with_their_modes_and_lists_directories() {
    let place = Place::http(3);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let read = |path: &str| repo.read(&tip, path);
    let file = read("values/mds.yaml").expect("read").expect("file");
    assert_eq!((file.bytes.as_slice(), file.mode), (&b"data:\n  version: \"1.0.0\"\n"[..], Mode::Regular));
    assert_eq!(read("run.sh").expect("read").expect("file").mode, Mode::Executable);
    let link = read("link").expect("read").expect("link");
    assert_eq!((link.bytes.as_slice(), link.mode), (&b"values/mds.yaml"[..], Mode::Symlink));
    assert_eq!(read("values/kv.yaml").expect("read"), None);
    assert_eq!(read("run.sh/kv.yaml").expect("read"), None);
    assert!(matches!(read("values"), Err(RepoError::IsDirectory { .. })));
    assert!(
        matches!(read("dir-link/mds.yaml"), Err(RepoError::SymlinkInPath { link, .. }) if link == "dir-link")
    );
    for outside in [
        "",
        "/etc/passwd",
        "../x",
        "values/../run.sh",
        "./run.sh",
        "values//mds.yaml",
        ".git/config",
        ".GIT/x",
        "a\\b",
    ] {
        assert!(matches!(read(outside), Err(RepoError::OutsideRepository { .. })), "{outside:?}");
    }
    assert_eq!(repo.list(&tip, "").expect("list"), ["counter", "run.sh"]);
    assert_eq!(repo.list(&tip, "values/").expect("list"), ["mds.yaml"]);
    assert_eq!(repo.list(&tip, "nowhere").expect("list"), [""; 0]);
    let nowhere = "1".repeat(40).parse().expect("id");
    assert!(matches!(repo.read(&nowhere, "run.sh"), Err(RepoError::NoSuchCommit { .. })));
}

/// From a shallow repository, without index, filters or refs.
#[test]
fn a_commit_is_written_out_as_it_is_in_git() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::http(3);
    place.someone_commits(".gitattributes", "* text eol=crlf\n*.yaml filter=lfs ident\n");
    place.someone_commits("values/id.yaml", "id: $Id$\n");
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let dir = tempfile::tempdir().expect("directory");
    let before = crate::transport::git(&place.in_cache("cache"), &["for-each-ref"]);
    repo.export(&tip, dir.path()).expect("export");
    let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).expect(path);
    assert_eq!(read("values/mds.yaml"), "data:\n  version: \"1.0.0\"\n");
    assert_eq!(read("values/id.yaml"), "id: $Id$\n");
    assert_eq!(read("run.sh"), place.git(&["show", "main:run.sh"]) + "\n");
    let mode = |path: &str| dir.path().join(path).metadata().expect(path).permissions().mode() & 0o111;
    assert_eq!((mode("run.sh") != 0, mode("counter")), (true, 0));
    assert_eq!(std::fs::read_link(dir.path().join("link")).expect("link"), Path::new("values/mds.yaml"));
    assert!(!dir.path().join(".git").exists());
    assert!(!place.in_cache("cache").join("index").exists());
    assert_eq!(before, crate::transport::git(&place.in_cache("cache"), &["for-each-ref"]));
    let nowhere = "1".repeat(40).parse().expect("id");
    assert!(matches!(repo.export(&nowhere, dir.path()), Err(RepoError::NoSuchCommit { .. })));
}

#[test]
fn submodules_are_refused() {
    let place = Place::local(1);
    let other = "1".repeat(40);
    crate::transport::fast_import(
        &place.bare,
        &format!(
            "commit refs/heads/main\ncommitter D <d@e> 1700000099 +0000\ndata 0\nfrom refs/heads/main^0\nM 160000 {other} sub\n\n"
        ),
    );
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    assert!(matches!(repo.read(&tip, "sub/a"), Err(RepoError::Submodule { .. })));
    assert!(matches!(repo.read(&tip, "sub"), Err(RepoError::Submodule { .. })));
}

#[test]
fn a_commit_changes_what_is_planned_and_keeps_modes() {
    let place = Place::http(2);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let changes = [
        write("run.sh", "#!/bin/sh\nexit 1\n"),
        write("values/deep/er/new.yaml", "a: 1\n"),
        Change { path: "counter".to_owned(), content: Content::Delete },
        Change { path: "not-there".to_owned(), content: Content::Delete },
    ];
    let made = commit(&repo, &tip, &changes);
    assert_updated(&repo.push("main", &made, Some(&tip), &RUN));
    let diff = place.git(&["diff", "--raw", "--abbrev=4", "--no-renames", "main~", "main"]);
    let lines: Vec<_> =
        diff.lines().map(|line| (&line[1..14], line.rsplit('\t').next().unwrap_or_default())).collect();
    assert_eq!(
        lines,
        [
            ("100644 000000", "counter"),
            ("100755 100755", "run.sh"),
            ("000000 100644", "values/deep/er/new.yaml")
        ]
    );
    assert_eq!(
        place.git(&["log", "-1", "--format=%an <%ae> %cn: %B", "main"]),
        "datapin <datapin@example.org> datapin: data(int): a change"
    );
}

#[test]
fn an_empty_commit_has_its_parents_tree() {
    let place = Place::http(2);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let made = commit(&repo, &tip, &[]);
    assert_updated(&repo.push("main", &made, Some(&tip), &RUN));
    assert_eq!(place.git(&["rev-parse", "main^{tree}"]), place.git(&["rev-parse", "main~^{tree}"]));
}

#[test]
fn the_same_commit_has_the_same_id() {
    let place = Place::http(1);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let at = CommitTime::At(jiff::Timestamp::from_second(1_700_000_000).expect("time"));
    let make = || repo.commit(Some(&tip), &[write("a", "1")], "m", at).expect("commit");
    assert_eq!(make(), make());
}

#[test]
fn a_commit_refuses_links_directories_and_the_outside() {
    let place = Place::local(1);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let change = |path: &str| repo.commit(Some(&tip), &[write(path, "x")], "m", CommitTime::Now);
    assert!(matches!(change("link"), Err(RepoError::SymlinkInPath { .. })));
    assert!(matches!(change("dir-link/mds.yaml"), Err(RepoError::SymlinkInPath { .. })));
    assert!(matches!(change("values"), Err(RepoError::IsDirectory { .. })));
    assert!(
        matches!(change("counter/below"), Err(RepoError::NotADirectory { file, .. }) if file == "counter")
    );
    assert!(matches!(change("../x"), Err(RepoError::OutsideRepository { .. })));
}

#[test]
fn changed_paths_are_those_of_all_files_that_differ() {
    let place = Place::http(2);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let delete = Change { path: "counter".to_owned(), content: Content::Delete };
    let made = commit(&repo, &tip, &[write("a/b", "x"), delete]);
    let paths = |from, to| repo.changed_paths(from, to).expect("paths").into_iter().collect::<Vec<_>>();
    assert_eq!(paths(Some(&tip), &made), ["a/b", "counter"]);
    assert_eq!(paths(Some(&made), &tip), ["a/b", "counter"]);
    assert_eq!(paths(Some(&tip), &tip), [""; 0]);
    assert_eq!(paths(None, &made), ["a/b", "dir-link", "link", "run.sh", "values/mds.yaml"]);
}

#[test]
fn commits_signed_with_ssh_are_accepted_by_git() {
    let place = Place::http(1);
    let key = place.root.path().join("signing");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.is_ok_and(|status| status.success()));
    let mut settings = place.settings("cache");
    settings.signing = Signing::Ssh { key: key.clone() };
    let repo = datapin::repo::Repo::open(settings.clone()).expect("opens");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let signed = commit(&repo, &tip, &[write("a", "ü\n")]);
    assert_updated(&repo.push("main", &signed, Some(&tip), &RUN));
    let public = std::fs::read_to_string(key.with_extension("pub")).expect("public key");
    let allowed = place.root.path().join("allowed");
    std::fs::write(&allowed, format!("datapin@example.org {public}")).expect("allowed");
    let config = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
    place.git(&["-c", &config, "verify-commit", "main"]);

    settings.signing = Signing::Ssh { key: place.root.path().join("no-such-key") };
    let repo = datapin::repo::Repo::open(settings).expect("opens");
    let made = repo.commit(Some(&tip), &[], "m", CommitTime::Now);
    assert!(
        matches!(&made, Err(RepoError::Signing { detail, .. }) if detail.contains("no-such-key")),
        "{made:?}"
    );
}

#[test]
fn a_damaged_kept_repository_is_made_anew() {
    let place = Place::http(5);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let packs = place.in_cache("cache").join("objects/pack");

    // found when it is opened
    damage(&packs);
    let repo_2 = place.repo("cache");
    assert!(matches!(repo_2.read(&tip, "run.sh"), Err(RepoError::NoSuchCommit { .. })));
    assert_eq!(repo_2.fetch("main").expect("fetch"), Some(tip.clone()));
    assert!(repo_2.read(&tip, "run.sh").expect("read").is_some());

    // found by a fetch
    damage(&packs);
    assert_eq!(repo.fetch("main").expect("fetch"), Some(tip.clone()));
    assert!(repo.read(&tip, "run.sh").expect("read").is_some());

    // found while reading
    damage(&packs);
    let read = repo.read(&tip, "run.sh");
    assert!(matches!(read, Err(RepoError::Damaged { .. })), "{read:?}");
    assert_eq!(repo.fetch("main").expect("fetch"), Some(tip.clone()));
    assert!(repo.read(&tip, "run.sh").expect("read").is_some());

    // no repository at all
    std::fs::remove_file(place.in_cache("cache").join("HEAD")).expect("removed");
    assert_eq!(place.repo("cache").fetch("main").expect("fetch"), Some(tip));
}

/// A power cut may leave one; libgit2 reads it without end.
#[test]
fn a_kept_repository_with_an_object_that_is_cut_short_is_made_anew() {
    let place = Place::http(2);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let made = commit(&repo, &tip, &[write("a.yaml", "a: 1\n")]);
    let pushed = repo.push("main", &made, Some(&tip), &RUN);
    assert_eq!(format!("{pushed:?}"), "Updated");
    let (dir, name) = made.as_str().split_at(2);
    let object = place.in_cache("cache").join("objects").join(dir).join(name);
    let bytes = std::fs::read(&object).expect("the pushed commit is a loose object");
    std::fs::remove_file(&object).expect("removed");
    std::fs::write(&object, &bytes[..bytes.len() / 2]).expect("written");

    let again = place.repo("cache");
    assert_eq!(again.fetch("main").expect("fetch"), Some(made.clone()));
    assert!(again.read(&made, "a.yaml").expect("read").is_some());
}

/// A process that was killed while it wrote a ref leaves git's lock file.
#[test]
fn a_lock_that_a_killed_process_left_is_not_in_the_way() {
    let place = Place::http(2);
    let tip = place.repo("cache").fetch("main").expect("fetch").expect("main");
    let stale = place.in_cache("cache").join("refs/datapin/seen/main.lock");
    std::fs::write(&stale, "").expect("written");
    let newer = place.someone_commits("a.yaml", "a: 1\n");
    assert_ne!(tip, newer);
    assert_eq!(place.repo("cache").fetch("main").expect("fetch"), Some(newer));
    assert!(!stale.exists());
}

fn damage(packs: &std::path::Path) {
    let mut damaged = 0;
    for entry in std::fs::read_dir(packs).expect("packs") {
        let path = entry.expect("entry").path();
        if path.extension().is_some_and(|end| end == "pack") {
            let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
            std::fs::set_permissions(&path, mode).expect("writable");
            let mut bytes = std::fs::read(&path).expect("pack");
            let end = bytes.len() - 20;
            bytes[12..end].fill(0x55);
            std::fs::write(&path, bytes).expect("written");
            damaged += 1;
        }
    }
    assert!(damaged > 0);
}

#[test]
fn files_are_read_together_in_the_order_asked_for() {
    let place = Place::local(1);
    let repo = place.repo("cache");
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let paths = ["run.sh", "values/mds.yaml", "no/such/file", "counter", "run.sh"];
    let together = repo.read_all(&tip, &paths).expect("read");
    let one_by_one: Vec<_> = paths.iter().map(|path| repo.read(&tip, path).expect("read")).collect();
    assert_eq!(together, one_by_one);
    assert_eq!(together.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true, true]);
    let bad = repo.read_all(&tip, &["run.sh", "values", "counter"]);
    assert!(matches!(&bad, Err(RepoError::IsDirectory { path }) if path == "values"), "{bad:?}");
}
