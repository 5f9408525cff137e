//! `git http-backend` behind a lighttpd that can be stopped and started again on its port, with or without TLS.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::transport::{free_port, until};

/// A git server on loopback.
pub struct Server {
    dir: tempfile::TempDir,
    root: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Serves all repositories below `root` at `/git/`; with `tls` by the certificate and key of that file.
    pub fn start(root: &Path, tls: Option<&Path>) -> Self {
        for _ in 0..5 {
            let dir = tempfile::tempdir().unwrap();
            let mut server = Self { dir, root: root.to_owned(), port: free_port(), child: None };
            server.configure(tls);
            if server.run() {
                return server;
            }
        }
        panic!(
            "lighttpd ends at once five times; install it: apt-get install -y lighttpd lighttpd-mod-openssl"
        )
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it: its port is closed, and what it was doing is cut.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on its port.
    pub fn again(&mut self) {
        self.stop();
        until("the port is free again", || self.run());
    }

    /// Starts it again with another certificate.
    pub fn again_with(&mut self, tls: &Path) {
        self.configure(Some(tls));
        self.again();
    }

    fn configure(&self, tls: Option<&Path>) {
        std::fs::write(self.config(), config(&self.root, self.dir.path(), self.port, tls)).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("lighttpd.conf")
    }

    fn run(&mut self) -> bool {
        let mut command = Command::new("/usr/sbin/lighttpd");
        command.arg("-D").arg("-f").arg(self.config());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("lighttpd: {error}; apt-get install -y lighttpd"));
        let mut ended = false;
        until("the server's port opens", || {
            ended = child.try_wait().unwrap().is_some();
            ended || TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        self.child = (!ended).then_some(child);
        !ended
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn config(root: &Path, state: &Path, port: u16, tls: Option<&Path>) -> String {
    let (root, state) = (root.display(), state.display());
    let path = std::env::var("PATH").unwrap_or_default();
    let mut config = format!(
        r#"server.document-root = "{state}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{state}/error.log"
server.upload-dirs = ("{state}")
server.modules = ("mod_alias", "mod_cgi", "mod_setenv")
alias.url = ("/git" => "/usr/lib/git-core/git-http-backend")
cgi.assign = ("" => "")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "PATH" => "{path}",
  "HOME" => "{state}", "GIT_CONFIG_NOSYSTEM" => "1", "GIT_CONFIG_GLOBAL" => "/dev/null", "REMOTE_USER" => "test")
"#
    );
    if let Some(pem) = tls {
        config += &format!(
            "server.modules += (\"mod_openssl\")\nssl.engine = \"enable\"\nssl.pemfile = \"{}\"\n",
            pem.display()
        );
    }
    config
}
