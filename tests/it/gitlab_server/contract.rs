//! What GitLab's OpenAPI document has of a request: its path, its names, what is required, and which values there are.

use super::wire::Request;

const TABLE: &str = include_str!("../../../fixtures/gitlab/openapi.txt");

/// A name as the table writes it: `name`, `name!` if it is required, `name=a,b` if it has only these values.
struct Name<'t> {
    name: &'t str,
    required: bool,
    values: Option<Vec<&'t str>>,
}

impl<'t> Name<'t> {
    fn of(text: &'t str) -> Self {
        let (name, values) = text.split_once('=').map_or((text, None), |(name, values)| (name, Some(values)));
        Self {
            name: name.trim_end_matches('!'),
            required: name.ends_with('!'),
            values: values.map(|values| values.split(',').collect()),
        }
    }
}

/// The parts of the path in braces, or what the document does not have.
pub fn check(request: &Request) -> Result<(String, Vec<String>), String> {
    let path = request.path.strip_prefix("/api/v4/").ok_or_else(|| format!("{} is no path", request.path))?;
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let (route, names) = line.split_once('|').unwrap();
        let (method, template) = route.trim().split_once(' ').unwrap();
        let Some(parts) = (method == request.method).then(|| matched(template, path)).flatten() else {
            continue;
        };
        let names: Vec<Name<'_>> = names.split_whitespace().map(Name::of).collect();
        return match strange(&names, &sent(request)) {
            Some(what) => Err(format!("{} {what}", route.trim())),
            None => Ok((format!("{method} {template}"), parts)),
        };
    }
    Err(format!("{} {path}", request.method))
}

/// Names and values of the query and of the body; `a[]` and `a[b]` are `a`, `not[a]` is a name of its own.
fn sent(request: &Request) -> Vec<(String, String)> {
    let query = request.query.iter().map(|(name, value)| (name, value.clone()));
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let body = request.fields.iter().map(|(name, value)| (name, text(value)));
    let whole = |name: &str| match name.starts_with("not[") {
        true => name.to_owned(),
        false => name.split('[').next().unwrap_or_default().to_owned(),
    };
    query.chain(body).map(|(name, value)| (whole(name), value)).collect()
}

fn strange(names: &[Name<'_>], sent: &[(String, String)]) -> Option<String> {
    for (name, value) in sent {
        let Some(known) = names.iter().find(|known| known.name == name) else {
            return Some(format!("has no `{name}`"));
        };
        if known.values.as_ref().is_some_and(|values| !values.contains(&&value[..])) {
            return Some(format!("has no `{name}={value}`"));
        }
    }
    let missing = |known: &&Name<'_>| known.required && sent.iter().all(|(name, _)| name != known.name);
    names.iter().find(missing).map(|known| format!("needs `{}`", known.name))
}

/// The parts still percent-encoded are compared, so that `a%2Fb` is one.
fn matched(template: &str, path: &str) -> Option<Vec<String>> {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (want, have) in template.iter().zip(path) {
        match want.starts_with('{') {
            true => parts.push(super::wire::decoded(have)),
            false if *want == have => {}
            false => return None,
        }
    }
    Some(parts)
}
