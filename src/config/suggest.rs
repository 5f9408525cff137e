//! "Did you mean": the nearest known name.

/// The nearest of `known` if it is near enough to be a slip of the fingers.
pub(super) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.chars().count().max(name.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_str())
}

/// Help lines: the nearest name if there is one, else all of them.
pub(crate) fn suggest(name: &str, known: &[String], title: &str) -> Vec<String> {
    match nearest(name, known) {
        Some(near) if known.len() <= 1 => vec![format!("did you mean `{near}`?")],
        Some(near) => vec![format!("did you mean `{near}`?"), list(title, known)],
        None => vec![list(title, known)],
    }
}

/// `title: a, b, c`.
pub(super) fn list(title: &str, known: &[String]) -> String {
    if known.is_empty() { format!("{title}: none") } else { format!("{title}: {}", known.join(", ")) }
}
