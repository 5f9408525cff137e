use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use datapin::repo::{Credential, Limits, PushOutcome, Repo, RepoError, Settings};
use secrecy::SecretString;

use super::{Place, RUN, commit, settings, write};
use crate::transport::{HttpServer, SshServer, free_port};

fn token(user: &str, token: &str) -> Credential {
    Credential::Token { username: user.to_owned(), token: SecretString::from(token) }
}

fn open(settings: Settings) -> Repo {
    Repo::open(settings).expect("opens")
}

#[test]
fn a_right_password_gets_in_and_a_wrong_one_is_named_without_being_shown() {
    let place = Place::local(2);
    let server = HttpServer::start(place.root.path(), Some(("bot", "right-s3cret")));
    let mut settings = settings(&server.url("env.git"), &place.root.path().join("cache"));
    settings.credential = token("bot", "right-s3cret");
    let repo = open(settings.clone());
    let tip = repo.fetch("main").expect("fetch").expect("main");
    let ours = commit(&repo, &tip, &[write("a", "1")]);
    super::assert_updated(&repo.push("main", &ours, Some(&tip), &RUN));

    settings.credential = token("bot", "wrong-s3cret");
    let wrong = open(settings.clone());
    let error = wrong.fetch("main").expect_err("refused");
    assert!(
        matches!(&error, RepoError::Authentication { tried, .. } if tried.contains("token for user bot")),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("DATAPIN_TOKEN") && !format!("{error} {error:?}").contains("s3cret"),
        "{error}"
    );
    let outcome = wrong.push("main", &tip, Some(&ours), &RUN);
    let PushOutcome::Unreachable { error } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(error, RepoError::Authentication { .. }), "{error:?}");

    settings.credential = Credential::SshKey { file: "key".into(), passphrase: None };
    let error = open(settings).tip("main").expect_err("refused");
    assert!(error.to_string().contains("wants a password"), "{error}");
}

#[test]
fn the_password_of_the_url_is_used_and_never_shown() {
    let place = Place::local(2);
    let server = HttpServer::start(place.root.path(), Some(("bot", "right-s3cret")));
    let url = |word: &str| server.url("env.git").replace("http://", &format!("http://bot:{word}@"));
    let repo = open(settings(&url("right-s3cret"), &place.root.path().join("cache")));
    assert_eq!(repo.tip("main").expect("tip"), Some(place.head()));
    let wrong = open(settings(&url("wrong-s3cret"), &place.root.path().join("cache")));
    let error = wrong.tip("main").expect_err("refused");
    assert!(matches!(error, RepoError::Authentication { .. }), "{error:?}");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("s3cret"), "{error}");
}

#[test]
fn ssh_keys_and_host_keys_are_checked() {
    let place = Place::local(2);
    let server = SshServer::start(place.root.path());
    let mut settings = settings(&server.url("env.git"), &place.root.path().join("cache"));
    settings.known_hosts = Some(server.known_hosts());
    settings.credential = Credential::SshKey { file: server.strange_key(), passphrase: None };
    let error = open(settings.clone()).tip("main").expect_err("refused");
    assert!(
        matches!(&error, RepoError::Authentication { tried, .. } if tried.contains("stranger")),
        "{error:?}"
    );

    // without one in the configuration: what ssh itself would offer, one after the other
    settings.credential = Credential::Ambient;
    settings.identities = vec![server.strange_key()];
    let error = open(settings.clone()).tip("main").expect_err("refused").to_string();
    assert!(error.contains("the ssh agent") && error.contains("stranger"), "{error}");
    settings.identities.push(server.key());
    assert_eq!(open(settings.clone()).tip("main").expect("tip"), Some(place.head()));

    settings.credential = Credential::SshKey { file: server.key(), passphrase: None };
    assert_eq!(open(settings.clone()).tip("main").expect("tip"), Some(place.head()));

    let empty = place.root.path().join("empty");
    std::fs::write(&empty, "").expect("file");
    settings.known_hosts = Some(empty.clone());
    let error = open(settings.clone()).tip("main").expect_err("refused").to_string();
    for part in ["127.0.0.1", "SHA256:", "ssh-keyscan -p", "is not in the file"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let fingerprint = std::process::Command::new("ssh-keygen").arg("-lf").arg(server.known_hosts()).output();
    let fingerprint = String::from_utf8(fingerprint.expect("ssh-keygen").stdout).expect("UTF-8");
    assert!(error.contains(fingerprint.split(' ').nth(1).expect("fingerprint")), "{error} {fingerprint}");

    // by libgit2's own check of ~/.ssh/known_hosts
    settings.known_hosts = None;
    let error = open(settings.clone()).tip("main").expect_err("refused");
    assert!(matches!(&error, RepoError::HostKey { .. }), "{error:?}");

    let known = std::fs::read_to_string(server.known_hosts()).expect("file");
    let stranger = std::fs::read_to_string(server.strange_key().with_extension("pub")).expect("file");
    let key = |text: &str| text.split(' ').find(|word| word.starts_with("AAAA")).expect("key").to_owned();
    std::fs::write(&empty, known.replace(&key(&known), &key(&stranger))).expect("file");
    settings.known_hosts = Some(empty.clone());
    let error = open(settings.clone()).tip("main").expect_err("refused").to_string();
    assert!(error.contains("is known with another ssh-ed25519 key"), "{error}");

    // the hashed form that Debian's ssh writes
    std::fs::write(&empty, &known).expect("file");
    let hashed = std::process::Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&empty).output();
    assert!(hashed.expect("ssh-keygen").status.success());
    assert!(std::fs::read_to_string(&empty).expect("file").starts_with("|1|"));
    assert_eq!(open(settings.clone()).tip("main").expect("tip"), Some(place.head()));

    std::fs::write(&empty, format!("@revoked * {}", known.split_once(' ').expect("key").1)).expect("file");
    let error = open(settings).tip("main").expect_err("refused").to_string();
    assert!(error.contains("is revoked"), "{error}");
}

#[test]
fn unreachable_missing_and_foreign_servers_are_told_apart() {
    let place = Place::local(1);
    let cache = place.root.path().join("cache");
    let error = |url: &str| open(settings(url, &cache)).tip("main").expect_err("fails");
    let closed = error(&format!("http://127.0.0.1:{}/env.git", free_port()));
    assert!(matches!(closed, RepoError::Unreachable { .. }), "{closed:?}");
    let closed = error(&format!("ssh://git@127.0.0.1:{}/env.git", free_port()));
    assert!(matches!(closed, RepoError::Unreachable { .. }), "{closed:?}");
    let unknown = error("http://no-such-host.invalid/env.git");
    assert!(matches!(unknown, RepoError::Unreachable { .. }), "{unknown:?}");
    let server = HttpServer::start(place.root.path(), None);
    let missing = error(&server.url("other.git"));
    assert!(matches!(missing, RepoError::NotFound { .. }), "{missing:?}");
    let missing = error("/no/such/env.git");
    assert!(matches!(missing, RepoError::NotFound { .. }), "{missing:?}");
    let plain = place.root.path().join("plain");
    std::fs::create_dir(&plain).expect("directory");
    let plain = error(&plain.display().to_string());
    assert!(matches!(plain, RepoError::NotFound { .. } | RepoError::NotARepository { .. }), "{plain:?}");
    let page = answering("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi");
    let page = error(&format!("http://127.0.0.1:{page}/env.git"));
    assert!(matches!(page, RepoError::NotARepository { .. }), "{page:?}");
    let broken = answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let broken = error(&format!("http://127.0.0.1:{broken}/env.git"));
    assert!(matches!(broken, RepoError::Unreachable { .. }), "{broken:?}");
    let tls = error(&format!("https://127.0.0.1:{}/env.git", server.port()));
    assert!(matches!(tls, RepoError::Tls { .. }), "{tls:?}");
}

#[test]
fn an_empty_repository_has_no_branches() {
    let root = tempfile::tempdir().expect("directory");
    let bare = crate::transport::bare(root.path(), "env.git", 0);
    let server = HttpServer::start(root.path(), None);
    for url in [server.url("env.git"), bare.display().to_string()] {
        let repo = open(settings(&url, &root.path().join("cache")));
        assert_eq!(repo.tip("main").expect("tip"), None);
        assert_eq!(repo.fetch("main").expect("fetch"), None);
        let error = repo.default_branch().expect_err("none");
        assert!(
            matches!(&error, RepoError::Git { detail, .. } if detail.contains("push a first commit")),
            "{error:?}"
        );
        let first =
            repo.commit(None, &[write("a", "1")], "m", datapin::repo::CommitTime::Now).expect("commit");
        super::assert_updated(&repo.push("main", &first, None, &RUN));
        assert_eq!(repo.default_branch().expect("default branch"), "main");
        crate::transport::git(&bare, &["update-ref", "-d", "refs/heads/main"]);
    }
}

#[test]
fn a_repository_is_shared_by_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Repo>();
    fn sent<T: Send + Sync + 'static>() {}
    sent::<RepoError>();
    sent::<PushOutcome>();
}

#[test]
fn a_missing_ssh_repository_is_not_found() {
    let place = Place::ssh(1);
    let mut settings = place.settings("cache");
    let other = place.url.replace("env.git", "other.git");
    settings.location = datapin::repo::Location::parse(&other).expect("location");
    let error = open(settings).tip("main").expect_err("fails");
    assert!(matches!(error, RepoError::NotFound { .. }), "{error:?}");
}

fn limited(url: &str, cache: &std::path::Path, total: u64) -> Repo {
    let limits = Limits {
        connect_timeout: Duration::from_millis(100),
        server_timeout: Duration::from_millis(400),
        total: Duration::from_millis(total),
    };
    open(Settings { limits, ..settings(url, cache) })
}

#[test]
fn a_silent_server_is_given_up_and_does_not_block_the_next_operation() {
    let place = Place::local(1);
    let cache = place.root.path().join("cache");
    let silent = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = silent.local_addr().expect("address").port();
    for url in [format!("http://127.0.0.1:{port}/env.git"), format!("ssh://git@127.0.0.1:{port}/env.git")] {
        let repo = limited(&url, &cache, 60_000);
        for _ in 0..2 {
            let begun = Instant::now();
            let error = repo.fetch("main").expect_err("gives up");
            assert!(
                matches!(&error, RepoError::Timeout { reason, .. } if reason.contains("silent")),
                "{error:?}"
            );
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_dripping_server_hits_the_overall_deadline() {
    let port = serve(|mut stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\
                    Transfer-Encoding: chunked\r\n\r\n22\r\n001e# service=git-upload-pack\n0000\r\n";
        let mut request = [0; 4096];
        let _ = stream.read(&mut request)?;
        stream.write_all(head.as_bytes())?;
        // one ref after the other, for ever
        loop {
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(format!("3d\r\n003d{} refs/heads/main\n\r\n", "1".repeat(40)).as_bytes())?;
        }
    });
    let place = Place::local(1);
    let mut settings =
        settings(&format!("http://127.0.0.1:{port}/env.git"), &place.root.path().join("cache"));
    settings.limits.total = Duration::from_millis(1500);
    let begun = Instant::now();
    let error = open(settings).fetch("main").expect_err("gives up");
    assert!(
        matches!(&error, RepoError::Timeout { reason, .. } if reason.contains("whole operation")),
        "{error:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A push that was given up before it began must not land when the server wakes up.
#[test]
fn a_push_given_up_while_connecting_never_lands() {
    let place = Place::http(1);
    let tip = place.repo("cache").fetch("main").expect("fetch").expect("main");
    let (open_gate, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let upstream: u16 = place.url.split([':', '/']).nth(4).expect("port").parse().expect("port");
    let (done, finished) = std::sync::mpsc::channel();
    let port = serve(move |client| {
        // a proxy that is stuck until the gate opens
        let _ = gate.lock().map(|gate| gate.recv());
        let server = TcpStream::connect(("127.0.0.1", upstream))?;
        let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (mut from, mut to) = (server, client);
        std::io::copy(&mut from, &mut to)?;
        let _ = done.send(());
        Ok(())
    });
    let url = place.url.replace(&upstream.to_string(), &port.to_string());
    let mut opened = open_gate.send(());
    let repo = limited(&url, &place.root.path().join("stuck"), 60_000);
    repo.fetch("main").expect("fetch through the open gate");
    let ours = commit(&repo, &tip, &[write("a", "1")]);
    let outcome = repo.push("main", &ours, Some(&tip), &RUN);
    assert!(matches!(&outcome, PushOutcome::Unreachable { error: RepoError::Timeout { .. } }), "{outcome:?}");
    opened = opened.and(open_gate.send(()));
    opened.expect("gate");
    finished.recv_timeout(Duration::from_secs(20)).expect("the first connection ends");
    finished.recv_timeout(Duration::from_secs(20)).expect("the stuck connection ends");
    assert_eq!(place.head(), tip);
}

/// Answers every request with this text.
fn answering(text: &'static str) -> u16 {
    serve(move |mut stream| {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request)?;
        stream.write_all(text.as_bytes())
    })
}

/// A server that lives as long as the test program: each connection gets a thread.
fn serve(handle: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = listener.local_addr().expect("address").port();
    let handle = std::sync::Arc::new(handle);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = std::sync::Arc::clone(&handle);
            std::thread::spawn(move || {
                let _ = handle(stream);
            });
        }
    });
    port
}
