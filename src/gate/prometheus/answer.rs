//! What Prometheus answers to an instant query.

use serde_json::Value;

use crate::process;

/// Longest name of a series, in characters.
const NAME: usize = 120;

/// An answer.
pub(super) enum Answer {
    /// Series with their values; never empty.
    Values(Vec<Series>),
    /// No series now.
    Nothing(String),
    /// The query will never have a value.
    Never(String),
}

/// A series.
pub(super) struct Series {
    /// Labels, as PromQL writes them; empty for a scalar.
    name: String,
    pub(super) value: f64,
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.is_empty() {
            write!(f, "{}", self.value)
        } else {
            write!(f, "{} of {}", self.value, self.name)
        }
    }
}

/// The series of a successful answer.
pub(super) fn read(body: &[u8]) -> Answer {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Answer::Never("the answer is not Prometheus's: is `server` its address?".to_owned());
    };
    let data = &answer["data"];
    let read = match data["resultType"].as_str() {
        Some("vector") => data["result"].as_array().into_iter().flatten().map(series).collect(),
        Some("scalar") => vec![value(&data["result"]).map(|value| Series { name: String::new(), value })],
        Some(other) => {
            let why = format!("the query gives a {other}; it has to give a vector or a scalar");
            return Answer::Never(why);
        }
        None => return Answer::Never("the answer is not Prometheus's: is `server` its address?".to_owned()),
    };
    match read.into_iter().collect::<Option<Vec<Series>>>() {
        None => Answer::Never("the query gives histograms; use histogram_quantile() or the like".to_owned()),
        Some(series) if series.is_empty() => Answer::Nothing("the query finds no series".to_owned()),
        Some(series) => Answer::Values(series),
    }
}

fn series(sample: &Value) -> Option<Series> {
    let labels = sample["metric"].as_object().into_iter().flatten();
    let (mut name, mut pairs) = (String::new(), Vec::new());
    for (key, text) in labels {
        let text = text.as_str().unwrap_or_default();
        match key.as_str() {
            "__name__" => name = text.to_owned(),
            key => pairs.push(format!("{key}=\"{text}\"")),
        }
    }
    if !pairs.is_empty() {
        name = format!("{name}{{{}}}", pairs.join(","));
    }
    Some(Series { name: process::one_line(&name, NAME), value: value(&sample["value"])? })
}

/// `[time, "value"]`; Prometheus writes `NaN`, `+Inf` and `-Inf` too.
fn value(pair: &Value) -> Option<f64> {
    pair.get(1)?.as_str()?.parse().ok()
}

/// What the body of a refusal says.
pub(super) fn complaint(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match (answer["errorType"].as_str(), answer["error"].as_str()) {
        (Some(kind), Some(error)) => format!("{kind}: {error}"),
        _ => process::plain(body)
            .into_iter()
            .find(|line| !line.trim_start().starts_with('<'))
            .unwrap_or_default(),
    }
}
