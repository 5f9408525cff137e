//! Gate `prometheus`: a query is sampled for some time, and every series has to satisfy a condition.

mod answer;

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, StatusCode, Url};
use tokio::time::{Instant, sleep_until, timeout};

use super::http::{HttpError, body, client, resolve, words};
use super::{Again, Attempt, Facts, LOG, Report, SUMMARY};
use crate::config;
use crate::process;
use crate::queue::Verdict;
use answer::{Answer, Series};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) struct PrometheusGate {
    client: Client,
    headers: HeaderMap,
    settings: config::Prometheus,
}

/// What one question brought.
enum Sample {
    /// Every series satisfies the condition; the first one in words.
    Good(String),
    /// One does not.
    Bad(String),
    /// There is no answer, or nothing in it.
    Missing(String),
}

/// Samples so far.
#[derive(Default)]
struct Count {
    good: u32,
    bad: u32,
    missing: u32,
    last: String,
    log: Vec<String>,
}

impl PrometheusGate {
    pub(super) fn new(
        settings: &config::Prometheus,
        lookup: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, HttpError> {
        let headers = resolve(&settings.headers, lookup)?;
        let client = client(lookup).map_err(|error| HttpError::Client(words(error)))?;
        Ok(Self { client, headers, settings: settings.clone() })
    }

    pub(super) async fn run(&self, facts: &Facts, limit: Duration) -> Attempt {
        let query = match self.query(facts) {
            Ok(query) => query,
            Err(why) => return never(why),
        };
        let mut count = Count::default();
        match timeout(limit, self.sample(&query, &mut count)).await {
            Ok(attempt) => attempt,
            Err(_) => {
                let seen = count.seen();
                let summary = format!("not finished after {limit:?}: {seen} of {} samples", self.samples());
                Attempt::ended(count.report(Verdict::TimedOut, summary))
            }
        }
    }

    /// Whether the server answers, whatever the query.
    pub(super) async fn probe(&self) -> Result<(), String> {
        match self.ask("vector(1)").await {
            Ok(Answer::Values(_)) => Ok(()),
            Ok(Answer::Never(why) | Answer::Nothing(why)) | Err(why) => Err(why),
        }
    }

    /// The query with its placeholders. What is filled in stays within its quotes.
    fn query(&self, facts: &Facts) -> Result<String, String> {
        let environment = facts.environment();
        let known = [
            ("dataset", facts.dataset.as_str()),
            ("environment", environment.as_str()),
            ("version", facts.version.as_str()),
        ];
        let odd = |c: char| c.is_control() || matches!(c, '"' | '\'' | '`' | '\\');
        let used = |name: &str| self.settings.query.contains(&format!("{{{name}}}"));
        match known.iter().find(|(name, value)| used(name) && value.contains(odd)) {
            Some((name, value)) => Err(format!(
                "{name} `{}` has a quote or backslash in it, which would end the query's own quotes",
                process::one_line(value, 60)
            )),
            None => Ok(process::fill(&self.settings.query, &known)),
        }
    }

    /// How many samples there are: one now, and one after each interval.
    fn samples(&self) -> u128 {
        let window = self.settings.window.unwrap_or_default();
        window.as_nanos() / self.settings.interval.as_nanos().max(1) + 1
    }

    async fn sample(&self, query: &str, count: &mut Count) -> Attempt {
        let mut due = Instant::now();
        for number in 1..=self.samples() {
            sleep_until(due).await;
            due += self.settings.interval;
            let sample = match self.ask(query).await {
                Ok(Answer::Values(series)) => self.judge(&series),
                Ok(Answer::Nothing(why)) | Err(why) => Sample::Missing(why),
                Ok(Answer::Never(why)) => return never(why),
            };
            count.add(sample);
            if count.bad > self.settings.max_bad {
                let summary = format!(
                    "sample {number} of {}: {} is not `{}`{}",
                    self.samples(),
                    count.last,
                    self.settings.condition,
                    allowed(count.bad, self.settings.max_bad, "bad"),
                );
                return Attempt::ended(count.report(Verdict::Failed, summary));
            }
            if count.missing > self.settings.max_missing {
                return self.inconclusive(count, number);
            }
        }
        if count.good == 0 && count.bad == 0 {
            return self.inconclusive(count, self.samples());
        }
        let summary = format!(
            "{} `{}`, last {}{}{}",
            if count.good == 1 {
                "1 sample satisfies".to_owned()
            } else {
                format!("{} samples satisfy", count.good)
            },
            self.settings.condition,
            count.last,
            other(count.bad, "bad"),
            other(count.missing, "missing"),
        );
        Attempt::ended(count.report(Verdict::Passed, summary))
    }

    fn inconclusive(&self, count: &Count, number: u128) -> Attempt {
        let summary = format!(
            "inconclusive: no answer in {} of {number} samples{}: {}",
            count.missing,
            if u128::from(count.missing) == number {
                String::new()
            } else {
                format!(" ({} allowed)", self.settings.max_missing)
            },
            count.last,
        );
        Attempt::ended(count.report(Verdict::Errored, summary))
    }

    fn judge(&self, series: &[Series]) -> Sample {
        let condition = self.settings.condition;
        // one that is bad counts, whatever the others are
        let bad = |series: &&Series| !series.value.is_nan() && !condition.holds(series.value);
        if let Some(bad) = series.iter().find(bad) {
            return Sample::Bad(bad.to_string());
        }
        match series.iter().find(|series| series.value.is_nan()) {
            Some(none) => Sample::Missing(format!("{none} is no number")),
            None => series.first().map_or_else(
                || Sample::Missing("no series".to_owned()),
                |first| Sample::Good(first.to_string()),
            ),
        }
    }

    /// What the server says; an error is no answer.
    async fn ask(&self, query: &str) -> Result<Answer, String> {
        let base = self.settings.server.trim_end_matches('/');
        let url = Url::parse_with_params(&format!("{base}/api/v1/query"), [("query", query)]);
        let url = match url {
            Ok(url) => url,
            Err(error) => return Ok(Answer::Never(format!("`server` is no address: {error}"))),
        };
        let answer = async {
            let response = self.client.get(url).headers(self.headers.clone()).send().await?;
            Ok::<_, reqwest::Error>((response.status(), body(response).await?))
        };
        match timeout(ANSWER, answer).await {
            Ok(Ok((status, body))) if status.is_success() => Ok(answer::read(&body)),
            Ok(Ok((status, body))) => {
                let why = format!("HTTP {status}: {}", process::one_line(&answer::complaint(&body), SUMMARY));
                match status {
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(why),
                    status if status.is_client_error() || status.is_redirection() => Ok(Answer::Never(why)),
                    _ => Err(why),
                }
            }
            Ok(Err(error)) => Err(words(error)),
            Err(_) => Err(format!("no answer within {ANSWER:?}")),
        }
    }
}

/// The same question would be refused again.
fn never(why: String) -> Attempt {
    Attempt { report: Report::without_output(Verdict::Errored, why), again: Again::InVain }
}

fn allowed(count: u32, most: u32, what: &str) -> String {
    if most == 0 { String::new() } else { format!(" ({count} {what}, {most} allowed)") }
}

fn other(count: u32, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {count} {what}") }
}

impl Count {
    fn add(&mut self, sample: Sample) {
        let (word, said) = match sample {
            Sample::Good(said) => (&mut self.good, ("good", said)),
            Sample::Bad(said) => (&mut self.bad, ("bad", said)),
            Sample::Missing(said) => (&mut self.missing, ("missing", said)),
        };
        *word += 1;
        self.log.push(format!("#{} {}: {}", self.seen(), said.0, said.1));
        if self.log.len() > LOG {
            self.log.remove(0);
        }
        self.last = said.1;
    }

    fn seen(&self) -> u32 {
        self.good + self.bad + self.missing
    }

    fn report(&self, verdict: Verdict, summary: String) -> Report {
        Report { verdict, summary, url: String::new(), log: self.log.clone() }
    }
}
