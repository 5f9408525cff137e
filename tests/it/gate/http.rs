use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datapin::config::{Gate, GateKind, HeaderValue, SecretRef};
use datapin::gate::GateRunner;
use datapin::queue::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{assert_file, cases, facts, gate, lookup, runner, shown};

/// A server that gives each connection the next of its answers (the last one again and again) and keeps what
/// it was asked.
pub(super) struct Server {
    pub(super) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn answering(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            for number in 0.. {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && socket.read_buf(&mut request).await.unwrap() > 0 {}
                kept.lock().unwrap().push(String::from_utf8(request).unwrap());
                let answer = answers.get(number).or(answers.last()).unwrap();
                let text = String::from_utf8_lossy(answer).replace("PORT", &port.to_string());
                socket.write_all(text.as_bytes()).await.unwrap();
                if answer.is_empty() {
                    // Says nothing and keeps the line open.
                    let _ = socket.read_u8().await;
                }
            }
        });
        Self { port, asked }
    }

    fn gate(&self, path: &str) -> Gate {
        http(&format!("http://127.0.0.1:{}{path}", self.port), BTreeMap::new())
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn http(url: &str, headers: BTreeMap<String, HeaderValue>) -> Gate {
    gate("h", GateKind::Http { url: url.to_owned(), method: "GET".to_owned(), headers })
}

pub(super) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
        .into()
}

/// Each file is an answer: status, headers, an empty line, the body.
#[tokio::test]
async fn contract() {
    for case in cases("gate/http", "http") {
        let text = std::fs::read_to_string(&case).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let (status, headers) = head.split_once('\n').unwrap_or((head, ""));
        let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let server = Server::answering(vec![response(status.trim(), &headers, body)]).await;
        let report = runner(&server.gate("/check")).run(&facts(), 1).await;
        let text = shown(&report).replace(&server.port.to_string(), "PORT");
        assert_file(&case.with_extension("out"), &text);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_hangs_up_is_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let report = runner(&http(&format!("http://ada:pw@127.0.0.1:{free}/x?token=abc"), BTreeMap::new()));
    let report = report.run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Errored);
    assert!(report.summary.starts_with(&format!("GET http://127.0.0.1:{free}/x: ")), "{report:?}");
    assert!(report.summary.contains("refused"), "{report:?}");
    for secret in ["ada", "pw", "abc"] {
        assert!(!report.summary.contains(secret), "{report:?}");
    }
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok so f".to_vec();
    let server = Server::answering(vec![cut]).await;
    assert_eq!(runner(&server.gate("/")).run(&facts(), 1).await.verdict, Verdict::Errored);
    let report = runner(&http("http://name.invalid/", BTreeMap::new())).run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Errored, "{report:?}");
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout() {
    let server = Server::answering(vec![Vec::new()]).await;
    let gate = Gate { timeout: Duration::from_millis(300), ..server.gate("/slow?key=secret") };
    let report = runner(&gate).run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::TimedOut);
    let expected = format!("GET http://127.0.0.1:{}/slow: no answer within 300ms", server.port);
    assert_eq!(report.summary, expected);
}

#[tokio::test]
async fn what_is_filled_in_stays_in_its_place() {
    let server = Server::answering(vec![response("200 OK", "", "fine")]).await;
    let mut facts = facts();
    facts.version = "1/../x?a=b&c#d e%ü@".to_owned();
    let gate = server.gate("/v/{version}/{environment}?d={dataset}");
    assert_eq!(runner(&gate).run(&facts, 1).await.verdict, Verdict::Passed);
    let expected = "GET /v/1%2F..%2Fx%3Fa%3Db%26c%23d%20e%25%C3%BC%40/dt%20total-dt?d=timetable HTTP/1.1\r\n";
    assert!(server.asked()[0].starts_with(expected), "{:?}", server.asked());
}

#[tokio::test]
async fn secrets_are_sent_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from-file\n").unwrap();
    let secret = |name: &str| (name == "GATE_TOKEN").then(|| "from-env".to_owned()).or_else(|| lookup(name));
    let headers = BTreeMap::from([
        ("Accept".to_owned(), HeaderValue::Plain("text/plain".to_owned())),
        ("Authorization".to_owned(), HeaderValue::Secret(SecretRef::Env("GATE_TOKEN".to_owned()))),
        ("X-Token".to_owned(), HeaderValue::Secret(SecretRef::File(file))),
    ]);
    let server = Server::answering(vec![response("200 OK", "", "fine")]).await;
    let gate = http(&format!("http://127.0.0.1:{}/", server.port), headers);
    let runner = GateRunner::from_config(&gate, secret, Path::new("/x"), &crate::gate::clusters()).unwrap();
    let report = runner.run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Passed);
    let asked = server.asked().remove(0);
    for header in ["accept: text/plain", "authorization: from-env", "x-token: from-file"] {
        assert!(asked.contains(&format!("{header}\r\n")), "{asked}");
    }
    let shown = format!("{report:?} {runner:?}");
    assert!(!shown.contains("from-env") && !shown.contains("from-file"), "{shown}");
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_server_only() {
    let here = response("302 Found", "Location: /there\r\n", "");
    let server = Server::answering(vec![here.clone(), response("200 OK", "", "there")]).await;
    let report = runner(&server.gate("/check")).run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Passed, "{report:?}");
    assert!(server.asked()[1].starts_with("GET /there "));

    let server = Server::answering(vec![here]).await;
    let report = runner(&server.gate("/check")).run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Failed, "round and round: {report:?}");
    assert_eq!(server.asked().len(), 6);

    let other = Server::answering(vec![response("200 OK", "", "mine")]).await;
    let away = response("302 Found", &format!("Location: http://127.0.0.1:{}/\r\n", other.port), "");
    let server = Server::answering(vec![away]).await;
    assert_eq!(runner(&server.gate("/")).run(&facts(), 1).await.verdict, Verdict::Failed);
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn proxies_are_those_that_were_named() {
    let proxy = Server::answering(vec![response("200 OK", "", "by proxy")]).await;
    let named = |name: &str| match name {
        "http_proxy" => Some(format!("http://127.0.0.1:{}", proxy.port)),
        "NO_PROXY" => Some("localhost,127.0.0.1".to_owned()),
        _ => None,
    };
    let far = http("http://name.invalid/x", BTreeMap::new());
    let report = GateRunner::from_config(&far, named, Path::new("/x"), &crate::gate::clusters())
        .unwrap()
        .run(&facts(), 1)
        .await;
    assert!(report.summary.ends_with("by proxy"), "{report:?}");
    let near = Server::answering(vec![response("200 OK", "", "direct")]).await;
    let runner =
        GateRunner::from_config(&near.gate("/"), named, Path::new("/x"), &crate::gate::clusters()).unwrap();
    let report = runner.run(&facts(), 1).await;
    assert!(report.summary.ends_with("direct"), "{report:?}");
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_runs() {
    let token = |place| BTreeMap::from([("X-Token".to_owned(), HeaderValue::Secret(place))]);
    let plain =
        |name: &str, value: &str| BTreeMap::from([(name.to_owned(), HeaderValue::Plain(value.to_owned()))]);
    let messages: String = [
        http("http://h/", token(SecretRef::Env("NOT_SET".to_owned()))),
        http("http://h/", token(SecretRef::File("/no/such/file".into()))),
        http("http://h/", plain("X Token", "v")),
        http("http://h/", plain("X-Token", "a\nb")),
        gate(
            "h",
            GateKind::Http {
                url: "http://h/".to_owned(),
                method: "A B".to_owned(),
                headers: BTreeMap::new(),
            },
        ),
    ]
    .iter()
    .map(|gate| {
        format!(
            "{}\n",
            GateRunner::from_config(gate, lookup, Path::new("/x"), &crate::gate::clusters()).unwrap_err()
        )
    })
    .collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gate/messages/http.txt");
    assert_file(&file, &messages);
}
