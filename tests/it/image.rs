//! The rules of the `Dockerfile`; `.ci/chroot` runs it. Hadolint looks at it too, where it is there.

use std::path::Path;
use std::process::Command;

fn dockerfile() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap()
}

/// The last stage: instruction and its text, with continued lines joined.
fn last_stage() -> Vec<(String, String)> {
    let text: String = dockerfile().lines().filter(|line| !line.trim_start().starts_with('#')).fold(
        String::new(),
        |text, line| match line.strip_suffix('\\') {
            Some(begun) => text + begun,
            None => text + line + "\n",
        },
    );
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let pair =
        |line: &&str| line.split_once(' ').map(|(kind, rest)| (kind.to_owned(), rest.trim().to_owned()));
    lines[from..].iter().filter_map(pair).collect()
}

fn all(kind: &str) -> Vec<String> {
    last_stage().into_iter().filter(|(own, _)| own == kind).map(|(_, text)| text).collect()
}

#[test]
fn gitlab_can_start_a_shell_in_it() {
    assert_eq!(all("FROM"), ["debian:bookworm-slim"], "has `sh`");
    assert!(all("ENTRYPOINT").is_empty(), "GitLab starts `sh` itself");
    assert_eq!(all("USER"), ["10001:10001"], "not root, by number: Kubernetes can check that");
    let run = all("RUN").join("\n");
    for package in ["ca-certificates", "openssh-client", "libssl3"] {
        assert!(run.contains(package), "{package}");
    }
    assert!(run.contains("--no-install-recommends") && run.contains("rm -rf /var/lib/apt/lists/*"), "small");
    assert!(run.contains("safe]"), "a checkout of root's can be opened");
    let labels = all("LABEL").join(" ");
    for label in ["title", "description", "licenses", "version", "revision"] {
        assert!(labels.contains(&format!("org.opencontainers.image.{label}=")), "{label}");
    }
}

#[test]
fn it_is_built_with_the_toolchain_of_the_crate() {
    let manifest = include_str!("../../Cargo.toml");
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(dockerfile().contains(&format!("FROM rust:{version}-bookworm AS build")), "{version}");
    assert!(dockerfile().contains("--locked"), "with the versions of the lock file");
}

#[test]
fn no_secret_and_no_latest() {
    let text = dockerfile().to_lowercase();
    for word in ["token", "password", "secret", ":latest", "sudo", "curl", "chmod 777"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn hadolint_has_nothing_to_say() {
    let Some(tools) = std::env::var_os("DATAPIN_TOOLS") else {
        return eprintln!("SKIPPED: hadolint not found. Run `.ci/tools.sh DIR` and set DATAPIN_TOOLS=DIR");
    };
    let program = Path::new(&tools).join("hadolint/hadolint");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile");
    let done = Command::new(program).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
}
