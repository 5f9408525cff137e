//! Gate `prometheus`: a table of answers, and the real Prometheus of Debian.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use datapin::config::{Gate, GateKind, HeaderValue, Prometheus, SecretRef};
use datapin::gate::{GateEvent, GateRunner, run_stage};
use datapin::queue::Verdict;

use super::http::{Server, response};
use super::{assert_file, cases, facts, gate, lookup, runner, shown};
use crate::transport::free_port;

const INTERVAL: Duration = Duration::from_millis(5);

fn settings(server: &str, query: &str, condition: &str) -> Prometheus {
    Prometheus {
        server: server.to_owned(),
        query: query.to_owned(),
        condition: condition.parse().unwrap(),
        window: None,
        interval: INTERVAL,
        max_bad: 0,
        max_missing: 2,
        headers: BTreeMap::new(),
    }
}

fn prometheus(settings: Prometheus) -> Gate {
    gate("p", GateKind::Prometheus(settings))
}

/// `condition "< 0.01" samples 4 max_bad 1`.
fn read_case(server: &str, line: &str) -> Prometheus {
    let (condition, rest) = line.strip_prefix("condition \"").unwrap().split_once('"').unwrap();
    let mut settings = settings(server, "errors", condition);
    let words: Vec<&str> = rest.split_whitespace().collect();
    for pair in words.chunks(2) {
        let number: u32 = pair[1].parse().unwrap();
        match pair[0] {
            "samples" => settings.window = (number > 1).then(|| INTERVAL * (number - 1)),
            "max_bad" => settings.max_bad = number,
            "max_missing" => settings.max_missing = number,
            other => panic!("{other}"),
        }
    }
    settings
}

/// Each file: the settings, then an answer a line: status and body; the last one again and again.
#[tokio::test]
async fn contract() {
    for case in cases("gate/prometheus", "prom") {
        let text = std::fs::read_to_string(&case).unwrap();
        let mut lines = text.lines();
        let head = lines.next().unwrap();
        let answers = lines.map(|line| {
            let (status, body) = line.split_once(' ').unwrap();
            response(&format!("{status} Status"), "", body)
        });
        let server = Server::answering(answers.collect()).await;
        let gate = prometheus(read_case(&format!("http://127.0.0.1:{}", server.port), head));
        let report = runner(&gate).run(&facts(), 1).await;
        let text = format!("{}asked: {}\n", shown(&report), server.asked().len());
        assert_file(&case.with_extension("out"), &text.replace(&server.port.to_string(), "PORT"));
    }
}

#[tokio::test]
async fn a_refused_query_is_not_tried_again_and_an_inconclusive_one_is() {
    for (answer, attempts) in [(response("400 Bad", "", "{}"), 1), (response("200 OK", "", EMPTY), 3)] {
        let server = Server::answering(vec![answer]).await;
        let mut gate = prometheus(settings(&format!("http://127.0.0.1:{}", server.port), "x", "> 1"));
        gate.retries = 2;
        let begun = std::sync::Mutex::new(0);
        let hear = |event| {
            if let GateEvent::Began { .. } = event {
                *begun.lock().unwrap() += 1;
            }
        };
        let reports = run_stage(&[runner(&gate)], &facts(), hear).await;
        assert_eq!((reports[0].1.verdict, *begun.lock().unwrap()), (Verdict::Errored, attempts));
    }
}

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

#[tokio::test]
async fn what_is_filled_in_stays_within_its_quotes() {
    let server = Server::answering(vec![response("200 OK", "", EMPTY)]).await;
    let base = format!("http://127.0.0.1:{}/base/", server.port);
    let gate = runner(&prometheus(settings(&base, "x{v=\"{version}\",e=\"{environment}\"}", "> 1")));
    gate.run(&facts(), 1).await;
    let expected = "GET /base/api/v1/query?query=x%7Bv%3D%222026.11.23-1%22%2Ce%3D%22dt+total-dt%22%7D HTTP";
    assert!(server.asked()[0].starts_with(expected), "{:?}", server.asked());
    let mut facts = facts();
    facts.version = "1\"} or vector(0) or x{v=\"".to_owned();
    let report = gate.run(&facts, 1).await;
    assert!(report.summary.starts_with("version `1\"} or vector(0)"), "{report:?}");
    assert_eq!((report.verdict, server.asked().len()), (Verdict::Errored, 1));
}

#[tokio::test]
async fn the_token_is_sent_and_never_shown() {
    let server = Server::answering(vec![response("403 Forbidden", "", "no right")]).await;
    let mut settings = settings(&format!("http://127.0.0.1:{}", server.port), "x", "> 1");
    let place = HeaderValue::Bearer(SecretRef::Env("PROMETHEUS_TOKEN".to_owned()));
    settings.headers.insert("Authorization".to_owned(), place);
    let gate = prometheus(settings);
    let secret = |name: &str| (name == "PROMETHEUS_TOKEN").then(|| "geheim".to_owned());
    let runner = GateRunner::from_config(&gate, secret, Path::new("/x"), &super::clusters()).unwrap();
    let report = runner.run(&facts(), 1).await;
    assert!(server.asked()[0].contains("authorization: Bearer geheim\r\n"), "{:?}", server.asked());
    assert!(!format!("{report:?} {runner:?}").contains("geheim"));
    let error = GateRunner::from_config(&gate, lookup, Path::new("/x"), &super::clusters()).unwrap_err();
    assert!(error.to_string().contains("PROMETHEUS_TOKEN"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_inconclusive_and_one_that_hangs_times_out() {
    let mut settings = settings("http://127.0.0.1:1", "x", "> 1");
    settings.window = Some(INTERVAL * 9);
    let report = runner(&prometheus(settings.clone())).run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::Errored);
    assert!(report.summary.starts_with("inconclusive: no answer in 3 of 3 samples"), "{report:?}");
    assert!(report.summary.contains("Connection refused"), "{report:?}");
    let server = Server::answering(vec![Vec::new()]).await;
    settings.server = format!("http://127.0.0.1:{}", server.port);
    let gate = Gate { timeout: Duration::from_millis(300), ..prometheus(settings) };
    let report = runner(&gate).run(&facts(), 1).await;
    assert_eq!(report.verdict, Verdict::TimedOut);
    assert_eq!(report.summary, "not finished after 300ms: 0 of 10 samples");
}

/// The real one, which scrapes itself.
struct Real {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Real {
    fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let config = format!(
            "global: {{ scrape_interval: 100ms, scrape_timeout: 100ms }}\n\
             scrape_configs: [{{ job_name: own, static_configs: [{{ targets: ['{address}'] }}] }}]\n"
        );
        std::fs::write(dir.path().join("p.yml"), config).unwrap();
        let child = Command::new("prometheus")
            .current_dir(dir.path())
            .args(["--config.file=p.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("\nLEFT OUT: the real Prometheus is missing; apt-get install -y prometheus\n");
            return None;
        };
        Some(Self { child, url: format!("http://{address}"), _dir: dir })
    }

    async fn verdict(&self, query: &str, condition: &str) -> (Verdict, String) {
        let mut settings = settings(&self.url, query, condition);
        settings.interval = Duration::from_millis(20);
        settings.window = Some(Duration::from_millis(80));
        let report = runner(&prometheus(settings)).run(&facts(), 1).await;
        (report.verdict, report.summary)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_prometheus_is_understood() {
    let Some(real) = Real::start() else { return };
    let begun = std::time::Instant::now();
    while real.verdict("up{job=\"own\"}", "== 1").await.0 != Verdict::Passed {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never scrapes itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (verdict, summary) = real.verdict("up{job=\"own\"}", "== 1").await;
    assert_eq!(verdict, Verdict::Passed);
    assert!(summary.starts_with("5 samples satisfy `== 1`, last 1 of up{"), "{summary}");
    let (verdict, summary) = real.verdict("up{job=\"own\"} * 3", "< 2").await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(summary.contains("sample 1 of 5: 3 of {"), "{summary}");
    assert_eq!(real.verdict("scalar(up{job=\"own\"})", "> 0.5").await.0, Verdict::Passed);
    let (verdict, summary) = real.verdict("up{job=\"nobody\"}", "== 1").await;
    assert_eq!(verdict, Verdict::Errored);
    assert!(summary.starts_with("inconclusive: no answer in 3 of 3"), "{summary}");
    assert!(real.verdict("0 / vector(0)", "== 1").await.1.contains("NaN is no number"));
    let (verdict, summary) = real.verdict("up{", "== 1").await;
    assert_eq!(verdict, Verdict::Errored);
    assert!(summary.starts_with("HTTP 400 Bad Request: bad_data: "), "{summary}");
    let (verdict, summary) = real.verdict("up{job=\"own\"}[5m]", "== 1").await;
    assert_eq!(verdict, Verdict::Errored);
    assert!(summary.contains("gives a matrix"), "{summary}");
    let (_, summary) = real.verdict("up{job=\"own\"} + on() (up or vector(7))", "== 1").await;
    assert!(summary.contains("execution: "), "{summary}");
    let gate = runner(&prometheus(settings(&real.url, "x", "> 1")));
    assert_eq!(gate.probe().await, Ok(()));
}
