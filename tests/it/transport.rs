//! Real git servers on loopback: `git http-backend` behind lighttpd, and sshd.
#![allow(clippy::expect_used)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const INSTALL: &str = "apt-get install -y git lighttpd openssh-server openssh-client";

/// Runs git without the configuration of this machine and gives what it printed.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let output = git_command(dir).args(args).output().expect("git runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?} in {}: {stderr}", dir.display());
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

/// A git command that no configuration or environment of this machine reaches.
pub fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GIT_")) {
        command.env_remove(name);
    }
    command.current_dir(dir).envs(hermetic(dir)).stdin(Stdio::null());
    command
}

fn hermetic(home: &Path) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("HOME", home.display().to_string()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
    ];
    for role in ["AUTHOR", "COMMITTER"] {
        let names = if role == "AUTHOR" {
            ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"]
        } else {
            ["GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
        };
        all.push((names[0], "Dev".to_owned()));
        all.push((names[1], "dev@example.org".to_owned()));
    }
    all
}

/// A bare repository `name` below `root`, with branch `main` of `commits` commits. Every commit changes `counter`;
/// the first one also brings `values/mds.yaml`, the executable `run.sh`, the link `link` and the directory link
/// `dir-link`. Takes pushes over http.
pub fn bare(root: &Path, name: &str, commits: usize) -> PathBuf {
    let path = root.join(name);
    std::fs::create_dir_all(&path).expect("directory");
    git(&path, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
    git(&path, &["config", "http.receivepack", "true"]);
    let mut stream = String::new();
    for number in 1..=commits {
        let message = format!("commit {number}\n");
        stream += &format!("commit refs/heads/main\nmark :{number}\n");
        stream += &format!("committer Dev <dev@example.org> {} +0000\n", 1_700_000_000 + number);
        stream += &format!("data {}\n{message}", message.len());
        if number > 1 {
            stream += &format!("from :{}\n", number - 1);
        } else {
            stream += &inline("100644", "values/mds.yaml", "data:\n  version: \"1.0.0\"\n");
            stream += &inline("100755", "run.sh", "#!/bin/sh\n");
            stream += &inline("120000", "link", "values/mds.yaml");
            stream += &inline("120000", "dir-link", "values");
        }
        stream += &inline("100644", "counter", &format!("{number}\n"));
    }
    fast_import(&path, &stream);
    path
}

/// A file for `git fast-import`.
pub fn inline(mode: &str, path: &str, text: &str) -> String {
    format!("M {mode} inline {path}\ndata {}\n{text}\n", text.len())
}

/// Feeds `git fast-import`.
pub fn fast_import(repo: &Path, stream: &str) {
    let mut child = git_command(repo)
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("git fast-import runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), stream.as_bytes()).expect("written");
    assert!(child.wait().expect("ends").success(), "git fast-import");
}

/// Makes an executable hook.
pub fn hook(repo: &Path, name: &str, script: &str) {
    let path = repo.join("hooks").join(name);
    std::fs::create_dir_all(path.parent().expect("hooks")).expect("directory");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("hook");
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("mode");
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Waits until the condition holds, 60 s at most: a busy machine is no failure.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not happen within 60 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server process that ends with its guard.
struct Server {
    child: Child,
    port: u16,
    _state: tempfile::TempDir,
}

impl Server {
    /// Starts a program on a free port; another one took the port meanwhile: again.
    fn start(state: tempfile::TempDir, mut command: impl FnMut(&Path, u16) -> Command) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let mut command = command(state.path(), port);
            let program = command.get_program().to_owned();
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let mut child =
                child.unwrap_or_else(|error| panic!("{program:?}: {error}; install it: {INSTALL}"));
            let mut ended = false;
            until("the server's port opens", || {
                ended = child.try_wait().expect("state").is_some();
                ended || listens(child.id(), port)
            });
            if !ended {
                return Self { child, port, _state: state };
            }
        }
        panic!("the server ends at once five times: see {}", state.keep().display());
    }
}

/// Whether that process listens on a port: that somebody does may be another server, which took it first.
fn listens(pid: u32, port: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let end = format!(":{port:04X}");
    // local address, remote address, state (0A: listening), …, inode
    let inodes: Vec<String> = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() > 9 && words[1].ends_with(&end) && words[3] == "0A")
        .map(|words| format!("socket:[{}]", words[9]))
        .collect();
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    links.into_iter().any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `git http-backend` behind lighttpd.
pub struct HttpServer(Server);

impl HttpServer {
    /// Serves all repositories below `root` at `/git/`. With `auth` only this user with this password gets in.
    pub fn start(root: &Path, auth: Option<(&str, &str)>) -> Self {
        let program = "/usr/sbin/lighttpd";
        assert!(Path::new(program).exists(), "lighttpd is missing; install it: {INSTALL}");
        let state = tempfile::tempdir().expect("directory");
        if let Some((user, password)) = auth {
            std::fs::write(state.path().join("users"), format!("{user}:{password}\n")).expect("users");
        }
        Self(Server::start(state, |state, port| {
            let config = state.join("lighttpd.conf");
            std::fs::write(&config, lighttpd_config(root, state, port, auth.is_some())).expect("config");
            let mut command = Command::new(program);
            command.arg("-D").arg("-f").arg(config);
            command
        }))
    }

    /// The URL of a repository below the root.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/git/{name}", self.0.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.0.port
    }
}

fn lighttpd_config(root: &Path, state: &Path, port: u16, auth: bool) -> String {
    let (root, state) = (root.display(), state.display());
    let path = std::env::var("PATH").unwrap_or_default();
    let user = if auth { "" } else { ", \"REMOTE_USER\" => \"test\"" };
    let mut config = format!(
        r#"server.document-root = "{state}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{state}/error.log"
server.upload-dirs = ("{state}")
server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_cgi", "mod_setenv")
alias.url = ("/git" => "/usr/lib/git-core/git-http-backend")
cgi.assign = ("" => "")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "PATH" => "{path}",
  "HOME" => "{state}", "GIT_CONFIG_NOSYSTEM" => "1", "GIT_CONFIG_GLOBAL" => "/dev/null"{user})
"#
    );
    if auth {
        config += &format!(
            r#"auth.backend = "plain"
auth.backend.plain.userfile = "{state}/users"
auth.require = ("/git" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
"#
        );
    }
    config
}

/// A real sshd that serves git to the user who runs the tests.
pub struct SshServer {
    server: Server,
    root: PathBuf,
    keys: PathBuf,
    user: String,
}

impl SshServer {
    /// Serves all repositories below `root`, with host and client keys made for it.
    pub fn start(root: &Path) -> Self {
        let program = "/usr/sbin/sshd";
        assert!(Path::new(program).exists(), "sshd is missing; install it: {INSTALL}");
        let state = tempfile::tempdir().expect("directory");
        let keys = state.path().to_owned();
        for (name, comment) in [("host", "host"), ("client", "client"), ("stranger", "stranger")] {
            let status = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
                .arg(keys.join(name))
                .status();
            assert!(status.is_ok_and(|status| status.success()), "ssh-keygen fails; install it: {INSTALL}");
        }
        // root's sshd insists on this directory
        let _ = std::fs::create_dir_all("/run/sshd");
        let server = Server::start(state, |state, port| {
            let config = state.join("sshd_config");
            std::fs::write(&config, sshd_config(state, port)).expect("config");
            let mut command = Command::new(program);
            command.arg("-D").arg("-e").arg("-f").arg(config);
            command
        });
        let user = Command::new("id").arg("-un").output().expect("id runs").stdout;
        let user = String::from_utf8(user).expect("UTF-8").trim().to_owned();
        let host = std::fs::read_to_string(keys.join("host.pub")).expect("host key");
        let known = format!("[127.0.0.1]:{} {host}", server.port);
        std::fs::write(keys.join("known_hosts"), known).expect("known hosts");
        Self { server, root: root.to_owned(), keys, user }
    }

    /// The URL of a repository below the root.
    pub fn url(&self, name: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}{}/{name}", self.user, self.server.port, self.root.display())
    }

    /// The private key that the server knows.
    pub fn key(&self) -> PathBuf {
        self.keys.join("client")
    }

    /// A private key that the server does not know.
    pub fn strange_key(&self) -> PathBuf {
        self.keys.join("stranger")
    }

    /// A known-hosts file with the server's key.
    pub fn known_hosts(&self) -> PathBuf {
        self.keys.join("known_hosts")
    }
}

/// `SHLVL`: bash reads its start files for a command of sshd, unless it believes to be started by another shell.
fn sshd_config(state: &Path, port: u16) -> String {
    let state = state.display();
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {state}/host\nAuthorizedKeysFile {state}/client.pub\n\
         PidFile {state}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 200\n\
         SetEnv GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null SHLVL=1\n"
    )
}
