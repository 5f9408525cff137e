//! TLS in front of the git server, whose certificate changes in the middle.

use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::world::{Bot, NEW};

/// A world over https, and the certificates of its server.
struct Secure {
    world: World,
    server: Server,
    dir: tempfile::TempDir,
}

impl Secure {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secure = |name: &str, days: &str| certificate(dir.path(), name, days);
        authority(dir.path(), "ca");
        authority(dir.path(), "other");
        let good = secure("ca", "2");
        let world = World::new();
        let server = Server::start(world.dir(), Some(&good));
        let url = format!("https://127.0.0.1:{}/git/environments.git", server.port());
        world.config(|text| text["repository"]["url"] = value(url));
        let secure = Self { world, server, dir };
        secure.bot(&["deploy", "int", OLD]).run().code(0);
        secure
    }

    fn bot(&self, args: &[&str]) -> Bot {
        let ca = self.dir.path().join("ca.crt").display().to_string();
        self.world.datapin(args).env("SSL_CERT_FILE", &ca)
    }

    fn certificate(&self, ca: &str, days: &str) -> PathBuf {
        certificate(self.dir.path(), ca, days)
    }

    fn hanging(&self) -> Running {
        self.world.gate("int-test").hangs();
        let mut running = self.bot(&["deploy", "int", NEW]).spawn();
        until_gate(&self.world, &mut running, NEW);
        running
    }
}

fn openssl(dir: &std::path::Path, args: &[&str]) {
    let output = Command::new("openssl").current_dir(dir).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("openssl: {error}; apt-get install -y openssl"));
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn authority(dir: &std::path::Path, name: &str) {
    let (key, crt, subject) =
        (format!("{name}.key"), format!("{name}.crt"), format!("/CN=datapin test {name}"));
    let args =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", &key, "-out", &crt, "-subj", &subject];
    openssl(dir, &[&args[..], &["-days", "2"]].concat());
}

/// Certificate and key of 127.0.0.1 in one file; with negative days it is over.
fn certificate(dir: &std::path::Path, ca: &str, days: &str) -> PathBuf {
    let name = format!("{ca}{days}");
    let [key, csr, crt] = ["key", "csr", "crt"].map(|end| format!("leaf-{name}.{end}"));
    let (ca_crt, ca_key) = (format!("{ca}.crt"), format!("{ca}.key"));
    let san = "subjectAltName=IP:127.0.0.1";
    openssl(
        dir,
        &[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &csr,
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            san,
        ],
    );
    let sign =
        ["x509", "-req", "-in", &csr, "-CA", &ca_crt, "-CAkey", &ca_key, "-CAcreateserial", "-out", &crt];
    openssl(dir, &[&sign[..], &["-days", days, "-copy_extensions", "copy"]].concat());
    let pem = dir.join(format!("leaf-{name}.pem"));
    let text = |file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
    std::fs::write(&pem, text(&key) + &text(&crt)).unwrap();
    pem
}

#[test]
fn a_run_over_https() {
    let secure = Secure::new();
    secure.bot(&["deploy", "int", NEW]).run().code(0);
    ended(&secure.world, NEW, "verified");
}

/// A certificate that nobody vouches for: nothing is written, and the words say it.
#[test]
fn a_certificate_that_is_not_trusted() {
    let mut secure = Secure::new();
    let main = secure.world.tip("main");
    secure.world.datapin(&["deploy", "int", NEW]).run().code(3).says("certificate");
    for (ca, days) in [("other", "2"), ("ca", "-1")] {
        secure.server.again_with(&certificate(secure.dir.path(), ca, days));
        secure.bot(&["deploy", "int", NEW]).run().code(3).says("certificate");
    }
    assert_eq!(secure.world.tip("main"), main);
    assert_eq!(secure.world.queue().history.len(), 1);
}

/// The same of GitLab: said at once, since no other try makes it trusted.
#[test]
fn a_certificate_of_gitlab_that_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    authority(dir.path(), "other");
    let world = World::new();
    let server = Server::start(world.dir(), Some(&certificate(dir.path(), "other", "2")));
    let bot = world.datapin(&["propose", "int", NEW]);
    let bot = bot.env("CI_SERVER_URL", &format!("https://127.0.0.1:{}", server.port()));
    let done = bot.env("CI_PROJECT_ID", "7").env("DATAPIN_GITLAB_TOKEN", "glpat-1").run();
    done.code(3).says("CI_SERVER_TLS_CA_FILE").says("(tries: 1)");
}

/// It expires once the pins are there: the run takes them back when the certificate is good again, and loses nothing.
#[test]
fn a_certificate_that_expires_before_the_rollback() {
    let mut secure = Secure::new();
    secure.world.config(|text| text["environment"]["int"]["rollback_timeout"] = value("60s"));
    let mut running = secure.hanging();
    secure.server.again_with(&secure.certificate("ca", "-1"));
    secure.world.gate("int-test").fails();
    secure.world.until("the run goes back", LONG, || {
        assert!(running.runs(), "{}{}", running.stdout(), running.stderr());
        running.stdout().contains("oll")
    });
    secure.server.again_with(&secure.certificate("ca", "2"));
    running.wait(LONG).code(11);
    ended(&secure.world, NEW, "rolled-back");
    assert_eq!(secure.world.versions("int"), [OLD]);
}

/// It stays so: this process stops half-way and says why; the next one finishes.
#[test]
fn a_certificate_that_stays_expired() {
    let mut secure = Secure::new();
    secure.world.ttl("3s");
    secure.world.config(|text| text["environment"]["int"]["rollback_timeout"] = value("2s"));
    let running = secure.hanging();
    secure.server.again_with(&secure.certificate("ca", "-1"));
    secure.world.gate("int-test").fails();
    running.wait(LONG).code(19).says("certificate");
    assert_eq!(secure.world.versions("int"), [NEW]);
    secure.server.again_with(&secure.certificate("ca", "2"));
    secure.bot(&["reconcile"]).by("bob").run().code(0);
    ended(&secure.world, NEW, "rolled-back");
    assert_eq!(secure.world.versions("int"), [OLD]);
}
