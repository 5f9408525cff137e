//! What GitLab's OpenAPI document has of a request.

use super::wire::Request;

const TABLE: &str = include_str!("../../../fixtures/gitlab/openapi.txt");

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
        let names: Vec<&str> = names.split_whitespace().collect();
        let query = request.query.iter().map(|(name, _)| name);
        let used = query.chain(request.fields.iter().map(|(name, _)| name));
        let strange = used.map(|name| name.split('[').next().unwrap()).find(|name| !names.contains(name));
        return match strange {
            Some(name) => Err(format!("{route}has no `{name}`")),
            None => Ok((format!("{method} {template}"), parts)),
        };
    }
    Err(format!("{} {path}", request.method))
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
